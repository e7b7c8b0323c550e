//! The log: one line an event on standard error, JSON for machines or text for people. A line has the fields of
//! the spans around it, on other threads too.

mod json;

use std::backtrace::BacktraceStatus;
use std::cell::Cell;
use std::io::IsTerminal;

use tokio::task::JoinHandle;
use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{self, LogFormat};

/// Where Lambda's runtime logs the failure of an invocation a second time, without naming it.
const REPETITION: &str = "lambda_runtime::layers::panic";

/// The loader's own events and those of converters. The libraries beneath log what concerns them: connections, retries,
/// credentials; of theirs only warnings are taken.
fn events(level: LevelFilter) -> Targets {
    let libraries = level.min(LevelFilter::from_level(Level::WARN));
    Targets::new()
        .with_default(libraries)
        .with_target(REPETITION, LevelFilter::OFF)
        .with_target("influxdb_loader", level)
        .with_target("converter", level)
}

thread_local! {
    /// Whether panics of this thread are caught and reported as errors.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Does work whose panics are caught and reported as errors: they are not logged.
pub(crate) fn without_panics<T>(work: impl FnOnce() -> T) -> T {
    let before = EXPECTED.replace(true);
    let done = work();
    EXPECTED.set(before);
    done
}

/// Makes a panic a line like any other, with the fields of the spans in which it happens.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if EXPECTED.get() {
            return;
        }
        let place = panic.location().map(ToString::to_string);
        let message = panic.payload_as_str().unwrap_or("no message");
        let stack = std::backtrace::Backtrace::capture();
        let stack = (stack.status() == BacktraceStatus::Captured).then(|| stack.to_string());
        tracing::error!(place, stack, "panicked: {message}");
    }));
}

/// A text as it is, except control characters, which are escaped as in Rust: what comes from outside must not forge a line
/// of a log, nor control a terminal.
pub(crate) fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// Does work that blocks on a thread of its own. What is logged there, by converters too, stands in the caller's span, so
/// that it names its invocation and object.
pub fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
}

/// Begins to log, for the life of the process. Standard output stays free for data.
pub fn start(level: LevelFilter, format: LogFormat) {
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Json => {
            log_panics();
            let fields = fmt::format::JsonFields::new();
            Box::new(fmt::layer().event_format(json::Json).fmt_fields(fields).with_writer(std::io::stderr))
        }
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal();
            Box::new(fmt::layer().with_ansi(colours).with_target(false).without_time().with_writer(std::io::stderr))
        }
    };
    // An error means that a program which uses this library already logs: its choice applies.
    drop(tracing_subscriber::registry().with(layer.with_filter(events(level))).try_init());
    // Logged first: a misspelled setting has no effect.
    for slip in config::unknown(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())) {
        tracing::warn!("{slip}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_makes_a_line_of_its_own_or_a_command_for_a_terminal() {
        assert_eq!(on_one_line("\u{1b}[2J\n é"), "\\u{1b}[2J\\n é");
    }
}
