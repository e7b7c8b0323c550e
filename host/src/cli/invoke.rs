//! `invoke`: the Lambda function's handler on a file.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{CliError, InvokeArguments, print};
use crate::config::Config;
use crate::lambda::Function;
use crate::metrics::Lines;
use crate::pipeline::{Deadline, LimitBelowMargin};

/// Prints the answer, or the error as Lambda reports it. Returns whether the invocation succeeded.
pub(super) async fn invoke(config: &Config, arguments: &InvokeArguments) -> Result<bool, CliError> {
    let InvokeArguments { event, timeout } = arguments;
    let limit = timeout.map(|seconds| Duration::from_secs(seconds.into()));
    limit.map_or(Ok(()), |limit| LimitBelowMargin::check(limit, config.deadline_margin))?;
    let event: Value = serde_json::from_slice(&read(event)?).map_err(CliError::EventNotJson)?;
    // Standard output is for the answer.
    let function = Function::with_metrics_to(Lines::Error, config)?;
    let deadline = limit.map(|limit| Deadline::ahead_of(Instant::now() + limit, config.deadline_margin));
    let (answer, succeeded) = match function.handle(&event, deadline).await {
        Ok(answer) => (answer, true),
        Err(error) => (json!({ "errorType": error.error_type.name(), "errorMessage": error.error_message }), false),
    };
    print(&format!("{answer:#}\n"))?;
    Ok(succeeded)
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let result = if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    result.map_err(|cause| CliError::Read { path: path.display().to_string(), cause })
}
