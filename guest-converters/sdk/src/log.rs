//! Messages for the loader's log.
//!
//! In a test, which has no host, they go to standard error.
//!
//! ```
//! converter_sdk::log::warn("2 stations have no name");
//! ```

use std::panic;
use std::sync::Once;

#[cfg(not(all(target_arch = "wasm32", feature = "contract-0-2")))]
use crate::bindings;
#[cfg(all(target_arch = "wasm32", feature = "contract-0-2"))]
use crate::bindings_0_2 as bindings;

/// How important a message is.
///
/// ```
/// use converter_sdk::log::{Level, log};
///
/// log(Level::Warn, "the file has no stations");
/// ```
pub use bindings::influxdb_loader::converter::host::Level;

/// Writes a message at `level` to the loader's log, under the converter's name. The host bounds how much it takes.
///
/// ```
/// use converter_sdk::log::{Level, log};
///
/// for (level, stations) in [(Level::Debug, 3), (Level::Error, 0)] {
///     log(level, &format!("{stations} stations"));
/// }
/// ```
pub fn log(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    bindings::influxdb_loader::converter::host::log(level, message);
    #[cfg(not(target_arch = "wasm32"))]
    #[expect(clippy::print_stderr, reason = "there is no host to log to")]
    {
        eprintln!("{level:?}: {message}");
    }
}

/// Logs what only a developer wants to know.
///
/// ```
/// converter_sdk::log::debug("the plan has 3 masks");
/// ```
pub fn debug(message: &str) {
    log(Level::Debug, message);
}

/// Logs what is as it should be.
///
/// ```
/// converter_sdk::log::info("the stations are those of 2024");
/// ```
pub fn info(message: &str) {
    log(Level::Info, message);
}

/// Logs what is odd but does no harm.
///
/// ```
/// converter_sdk::log::warn("2 stations have no name");
/// ```
pub fn warn(message: &str) {
    log(Level::Warn, message);
}

/// Logs what went wrong.
///
/// ```
/// converter_sdk::log::error("the list of stations is empty");
/// ```
pub fn error(message: &str) {
    log(Level::Error, message);
}

/// Sends the message and the place of every panic to the log; without it, a panic inside the sandbox would be a bare
/// `unreachable` to the host.
pub(crate) fn log_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| panic::set_hook(Box::new(|panic| error(&panic.to_string()))));
}
