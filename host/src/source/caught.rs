//! Panics of the decoder. Damaged files make it panic in places; what is wrong is the file then, not the loader.

use std::panic::{self, AssertUnwindSafe};

use crate::logs;

/// Runs the decoder, where a panic is an error: its message. What it worked on must not be used afterwards.
pub(super) fn caught<T>(decode: impl FnOnce() -> T) -> Result<T, String> {
    logs::without_panics(|| panic::catch_unwind(AssertUnwindSafe(decode))).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        format!("the decoder gave up: {}", text.unwrap_or("no reason given"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "that is what is tested")]

    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_message() {
        let gave_up = |decode: fn() -> u8| caught(decode);
        assert_eq!(gave_up(|| 1), Ok(1));
        assert_eq!(
            gave_up(|| panic!("index out of bounds")),
            Err("the decoder gave up: index out of bounds".to_owned())
        );
    }
}
