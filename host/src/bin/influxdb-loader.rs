//! The command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    influxdb_loader::cli::run()
}
