//! The function's face to AWS Lambda: events in, answers and failed invocations out.

mod function;
mod loading;
mod log;
mod summary;
mod verifying;
pub mod versions;

use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use tracing::Instrument;
use tracing::level_filters::LevelFilter;

pub use function::{Function, StartError};

use crate::config::{Config, LogFormat};
use crate::ledger;
use crate::logs;
use crate::pipeline::Deadline;
use crate::report::InvocationError;

/// Serves invocations until Lambda ends the process. It makes its own runtime, as the command line does.
#[tokio::main]
pub async fn run() -> ExitCode {
    let config = match Config::from_environment() {
        Ok(config) => config,
        Err(error) => {
            logs::start(LevelFilter::ERROR, LogFormat::default());
            tracing::error!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    logs::start(config.log_level, config.log_format);
    match serve(&config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("cannot serve: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: &Config) -> Result<(), lambda_runtime::Error> {
    let function = Function::new(config)?;
    let margin = config.deadline_margin;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        let context = &event.context;
        let trace_id = context.xray_trace_id.as_deref();
        let span = tracing::info_span!("invocation", request_id = context.request_id, trace_id);
        let deadline = deadline(context.deadline, SystemTime::now(), Instant::now(), margin);
        // Boxed, because the compiler gives up on the depth of all stages' futures within those of the runtime.
        let handled = ledger::within_request(&context.request_id, function.handle(&event.payload, deadline));
        let handled: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(handled);
        handled.instrument(span).await
    }))
    .await
}

impl From<InvocationError> for Diagnostic {
    fn from(error: InvocationError) -> Self {
        Self { error_type: error.error_type.name().to_owned(), error_message: error.error_message }
    }
}

/// When to stop, from Lambda's deadline in milliseconds since the epoch. None when that lies in the past: emulators send
/// a constant, and what is over already cannot be kept.
fn deadline(milliseconds: u64, now: SystemTime, instant: Instant, margin: Duration) -> Option<Deadline> {
    let left = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))?.duration_since(now).ok()?;
    Some(Deadline::ahead_of(instant.checked_add(left)?, margin))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARGIN: Duration = Duration::from_secs(10);

    #[test]
    fn the_loader_stops_some_time_before_the_deadline() {
        let (now, instant) = (SystemTime::UNIX_EPOCH + Duration::from_secs(1_000), Instant::now());
        let in_a_minute = deadline(1_060_000, now, instant, MARGIN);
        assert_eq!(in_a_minute.map(|deadline| deadline.stop), Some(instant + Duration::from_secs(50)));
        let too_soon = deadline(1_005_000, now, instant, MARGIN);
        assert!(too_soon.is_some_and(|deadline| deadline.is_over()), "less time is left than the margin");
    }

    #[test]
    fn a_deadline_in_the_past_is_none() {
        let (now, instant) = (SystemTime::UNIX_EPOCH + Duration::from_secs(1_000), Instant::now());
        assert_eq!(deadline(600_000, now, instant, MARGIN), None);
    }
}
