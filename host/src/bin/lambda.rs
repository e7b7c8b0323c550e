//! The function as AWS Lambda runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    influxdb_loader::lambda::run()
}
