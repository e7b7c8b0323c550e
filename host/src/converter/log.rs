//! What guests log, bounded.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::text::one_line;

/// The longest line that is logged, in bytes: a panic message with a value in it fits.
const MAX_LINE_BYTES: usize = 4096;

/// How many of the last lines on standard error are kept for errors: the traceback of an interpreter.
const KEPT_LINES: usize = 20;

/// How much a message matters, according to the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// A stream of a guest that was built for WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Output,
    Error,
}

/// The warnings of all instances that work on one object: a warning that one has logged, the others drop. What it holds is
/// bounded as the logs of the instances are.
#[derive(Clone, Debug, Default)]
pub struct Warnings(Arc<Mutex<BTreeSet<String>>>);

impl Warnings {
    /// Whether no instance has logged it.
    fn add(&self, message: &str) -> bool {
        // Nothing panics while it has the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(message.to_owned())
    }
}

/// The log of one instance.
pub(super) struct Log {
    name: String,
    version: String,
    /// What may still be logged, in bytes.
    left: usize,
    dropped: u64,
    /// What all instances on the object have warned of, and what this one has.
    warnings: Warnings,
    own_warnings: BTreeSet<String>,
    /// The last message of level error since the call began: the sdk's panic hook sends one.
    last_error: Option<String>,
    /// The last lines on standard error since the call began.
    errors: VecDeque<String>,
    /// Of each stream, the line that has no end yet.
    unended: [Vec<u8>; 2],
}

impl Log {
    pub(super) fn new(name: &str, version: &str, bytes: usize, warnings: Warnings) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            left: bytes,
            dropped: 0,
            warnings,
            own_warnings: BTreeSet::new(),
            last_error: None,
            errors: VecDeque::new(),
            unended: [Vec::new(), Vec::new()],
        }
    }

    /// Forgets the last words of the call before.
    pub(super) fn begin(&mut self) {
        self.last_error = None;
        self.errors.clear();
    }

    /// Logs what the streams hold that no line has ended.
    pub(super) fn end(&mut self) {
        for stream in [Stream::Output, Stream::Error] {
            if !self.unended[stream as usize].is_empty() {
                self.end_line(stream);
            }
        }
    }

    /// What the guest logged last, if it was an error.
    pub(super) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// What the guest wrote last to standard error, a line each.
    pub(super) fn errors(&self) -> impl Iterator<Item = &str> {
        self.errors.iter().map(String::as_str)
    }

    pub(super) fn message(&mut self, level: Level, message: &str) {
        let message = one_line(message, MAX_LINE_BYTES);
        if level == Level::Error {
            self.last_error = Some(message.clone());
        }
        // An empty message counts too, or there could be any number of them.
        let Some(left) = self.left.checked_sub(message.len().max(1)) else {
            self.dropped += 1;
            return;
        };
        self.left = left;
        if level == Level::Warn && !self.own_warnings.contains(&message) {
            if !self.warnings.add(&message) {
                return;
            }
            self.own_warnings.insert(message.clone());
        }
        let (converter, converter_version) = (&*self.name, &*self.version);
        match level {
            Level::Debug => tracing::debug!(target: "converter", converter, converter_version, "{message}"),
            Level::Info => tracing::info!(target: "converter", converter, converter_version, "{message}"),
            Level::Warn => tracing::warn!(target: "converter", converter, converter_version, "{message}"),
            Level::Error => tracing::error!(target: "converter", converter, converter_version, "{message}"),
        }
    }

    /// Takes what the guest wrote to a stream; every line of it is a message.
    pub(super) fn write(&mut self, stream: Stream, bytes: &[u8]) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            let line = &mut self.unended[stream as usize];
            // One byte more than a line may have, so that it is seen to be cut.
            line.extend(part.iter().take((MAX_LINE_BYTES + 1).saturating_sub(line.len())));
            if part.ends_with(b"\n") {
                self.end_line(stream);
            }
        }
    }

    fn end_line(&mut self, stream: Stream) {
        let line = std::mem::take(&mut self.unended[stream as usize]);
        let line = String::from_utf8_lossy(&line);
        if line.trim().is_empty() {
            return;
        }
        match stream {
            Stream::Output => self.message(Level::Info, &line),
            Stream::Error => {
                self.message(Level::Warn, &line);
                if self.errors.len() == KEPT_LINES {
                    self.errors.pop_front();
                }
                // The indentation of a traceback is kept.
                let indent = line.len() - line.trim_start_matches(' ').len();
                self.errors.push_back(format!("{:1$}{2}", "", indent.min(40), one_line(&line, MAX_LINE_BYTES)));
            }
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.end();
        if self.dropped > 0 {
            let (converter, converter_version, dropped) = (&*self.name, &*self.version, self.dropped);
            tracing::warn!(target: "converter", converter, converter_version, dropped, "messages dropped, the log of an instance is bounded");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::{Arc, Mutex};

    use insta::assert_snapshot;

    use super::*;

    fn log(bytes: usize) -> Log {
        Log::new("generation", "1.0.0", bytes, Warnings::default())
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What subscribers receive while `run` runs, a line of JSON for each event.
    fn events(run: impl FnOnce()) -> String {
        // While there is but one subscriber, whether a place in the code is heard at all is decided by the thread that gets
        // there first, which may be another test's, without a subscriber. With a second one, all are asked.
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .without_time()
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, run);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn messages_are_events_under_the_converter_s_name() {
        let events = events(|| {
            let mut log = log(12);
            log.message(Level::Debug, "starts");
            log.write(Stream::Error, b"odd\n");
            log.message(Level::Error, "too long to be logged");
            log.message(Level::Info, "also");
        });
        assert_snapshot!(events, @r#"
        {"level":"DEBUG","fields":{"message":"starts","converter":"generation","converter_version":"1.0.0"},"target":"converter"}
        {"level":"WARN","fields":{"message":"odd","converter":"generation","converter_version":"1.0.0"},"target":"converter"}
        {"level":"WARN","fields":{"message":"messages dropped, the log of an instance is bounded","converter":"generation","converter_version":"1.0.0","dropped":2},"target":"converter"}
        "#);
    }

    #[test]
    fn a_warning_of_one_instance_is_not_repeated_by_others_on_the_same_object() {
        let object = Warnings::default();
        let instance = |object: &Warnings| Log::new("generation", "1.0.0", 1000, object.clone());
        let said = events(|| {
            let (mut first, mut second) = (instance(&object), instance(&object));
            first.message(Level::Warn, "odd");
            second.message(Level::Warn, "odd");
            second.message(Level::Warn, "odder");
            first.message(Level::Warn, "odd");
            first.message(Level::Info, "fine");
            second.message(Level::Info, "fine");
            instance(&Warnings::default()).message(Level::Warn, "odd");
        });
        let count = |message: &str| said.matches(&format!(r#""message":"{message}""#)).count();
        assert_eq!([count("odd"), count("odder"), count("fine")], [3, 1, 2], "{said}");
    }

    #[test]
    fn messages_beyond_the_bound_are_dropped_and_counted() {
        let mut log = log(10);
        log.message(Level::Info, "12345678");
        log.message(Level::Info, "12345678");
        log.message(Level::Info, "9");
        log.message(Level::Info, "");
        log.message(Level::Info, "");
        assert_eq!((log.left, log.dropped), (0, 2));
    }

    #[test]
    fn the_last_error_is_known_even_when_it_is_dropped() {
        let mut log = log(0);
        log.message(Level::Error, "panicked at src/lib.rs:1:2:\nboom");
        log.message(Level::Info, "later");
        assert_eq!(log.last_error(), Some("panicked at src/lib.rs:1:2: boom"));
        log.begin();
        assert_eq!(log.last_error(), None);
    }

    #[test]
    fn streams_are_logged_by_lines_however_they_are_written() {
        let mut log = log(1000);
        log.write(Stream::Error, b"Traceback:\n  File ");
        log.write(Stream::Output, b"other\n");
        log.write(Stream::Error, b"x.py\n\nboom \xff");
        log.end();
        assert_eq!(log.errors().collect::<Vec<_>>(), ["Traceback:", "  File x.py", "boom \u{fffd}"]);
    }

    #[test]
    fn a_line_without_end_takes_bounded_memory() {
        let mut log = log(1_000_000);
        for _ in 0..1000 {
            log.write(Stream::Error, &[b'x'; 1000]);
        }
        assert_eq!(log.unended[Stream::Error as usize].len(), MAX_LINE_BYTES + 1);
        for _ in 0..100 {
            log.write(Stream::Error, b"\ny");
        }
        assert_eq!(log.errors().count(), KEPT_LINES);
    }
}
