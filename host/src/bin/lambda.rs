//! The function as AWS Lambda runs it.

use std::process::ExitCode;

use influxdb_loader::config::Config;
use influxdb_loader::{lambda, logs};

#[tokio::main]
async fn main() -> ExitCode {
    let config = match Config::from_environment() {
        Ok(config) => config,
        Err(error) => {
            logs::start(tracing::level_filters::LevelFilter::ERROR, Default::default());
            tracing::error!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    logs::start(config.log_level, config.log_format);
    match lambda::serve(&config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("cannot serve: {error}");
            ExitCode::FAILURE
        }
    }
}
