//! What the page's buttons do: commands of the loader, run as the author would run them in a shell, and shown as such.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::build::Built;
use super::super::publish::listed;
use super::super::test::GOLDEN;
use super::{DevError, ends};
use crate::registry::Pattern;

/// How long a command may take.
const TIME: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(20);

/// A command of the loader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Action {
    arguments: Vec<OsString>,
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) succeeded: bool,
    /// What it printed, to whatever; of much, the beginning and the end.
    pub(super) output: String,
}

impl Action {
    fn new<const N: usize>(arguments: [&dyn AsRef<std::ffi::OsStr>; N]) -> Self {
        let converter: OsString = "converter".into();
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        Self { arguments: [converter].into_iter().chain(arguments).collect() }
    }

    fn signed(mut self, key: Option<&Path>) -> Self {
        if let Some(key) = key {
            self.arguments.extend(["--sign".into(), key.as_os_str().to_owned()]);
        }
        self
    }

    /// Makes what the converter gives what is expected of it.
    pub(super) fn accept(project: &Path) -> Self {
        Self::new([&"test", &project, &"--update"])
    }

    /// Publishes the component of the project, if its golden pairs pass.
    pub(super) fn publish(project: &Path, built: &Built, key: Option<&Path>, serves: Option<&[Pattern]>) -> Self {
        let dataset = &built.converter.description().dataset;
        let golden = project.join(GOLDEN);
        let published = Self::new([&"publish", &built.path, &"--dataset", dataset, &"--golden", &golden]);
        published.serving(serves).signed(key)
    }

    fn serving(mut self, patterns: Option<&[Pattern]>) -> Self {
        if let Some(patterns) = patterns {
            self.arguments.extend(["--serves".into(), listed(patterns).into()]);
        }
        self
    }

    /// Promotes the version of the project.
    pub(super) fn promote(built: &Built, key: Option<&Path>) -> Self {
        let description = built.converter.description();
        Self::new([&"promote", &description.dataset, &description.version]).signed(key)
    }

    /// Whether it promotes a version.
    pub(super) fn promotes(&self) -> bool {
        self.arguments.get(1).is_some_and(|verb| verb == "promote")
    }

    /// The command as a shell takes it.
    pub(super) fn shown(&self) -> String {
        let word = |word: &OsString| {
            let word = word.to_string_lossy();
            let is_plain = |c: char| c.is_alphanumeric() || "-_./@=:+,".contains(c);
            if !word.is_empty() && word.chars().all(is_plain) {
                word.into_owned()
            } else {
                format!("'{}'", word.replace('\'', r"'\''"))
            }
        };
        let words = self.arguments.iter().map(word).collect::<Vec<_>>();
        format!("influxdb-loader {}", words.join(" "))
    }

    /// Runs it to its end. Blocks.
    pub(super) fn run(&self, project: &Path, stop: &AtomicBool) -> Result<Outcome, DevError> {
        let program = env::current_exe().map_err(DevError::Command)?;
        let directory = tempfile::tempdir().map_err(DevError::Temporary)?;
        let log: PathBuf = directory.path().join("log");
        // A file never makes the command wait for a reader.
        let file = File::create(&log).map_err(DevError::Temporary)?;
        let other = file.try_clone().map_err(DevError::Temporary)?;
        let mut command = Command::new(program);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(file).stderr(other);
        let mut child = command.spawn().map_err(DevError::Command)?;
        let end = Instant::now() + TIME;
        let status = loop {
            match child.try_wait().map_err(DevError::Command)? {
                Some(status) => break status,
                None if Instant::now() < end && !stop.load(Ordering::Relaxed) => thread::sleep(POLL),
                None => {
                    child.kill().and_then(|()| child.wait()).map_err(DevError::Command)?;
                    return Err(DevError::TooSlow { command: self.shown(), limit: TIME });
                }
            }
        };
        let output = File::open(&log).and_then(ends::of_file).map_err(DevError::Output)?;
        Ok(Outcome { succeeded: status.success(), output: output.replace(&*project.to_string_lossy(), ".") })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::registry::patterns;

    #[test]
    fn patterns_are_published_with_the_component() {
        let action = Action::new([&"publish", &"a.wasm"]).serving(Some(&patterns("timestream-*,legacy-load").unwrap()));
        assert_eq!(action.shown(), "influxdb-loader converter publish a.wasm --serves 'legacy-load, timestream-*'");
        assert_eq!(
            Action::new([&"publish", &"a.wasm"]).serving(None).shown(),
            "influxdb-loader converter publish a.wasm"
        );
    }

    #[test]
    fn a_command_is_shown_as_a_shell_takes_it() {
        let action = Action::accept(Path::new("/tmp/my project's")).signed(Some(Path::new("key.pem")));
        let shown = r"influxdb-loader converter test '/tmp/my project'\''s' --update --sign key.pem";
        assert_eq!(action.shown(), shown);
    }
}
