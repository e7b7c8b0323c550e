//! The command line.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    influxdb_loader::cli::run().await
}
