//! The command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    influxdb_loader::allocator::configure();
    influxdb_loader::converter::run_compiler().unwrap_or_else(influxdb_loader::cli::run)
}
