//! The two programs under test, built and run as a user runs them.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::process::{Outcome, run};
use crate::programs::{Program, program, workspace};

/// How long one run of the command line may take.
const RUN_LIMIT: Duration = Duration::from_secs(120);

/// How long one that compiles may take.
const BUILD_LIMIT: Duration = Duration::from_secs(1200);

/// Environment variables for the loader, by name. Each server gives the ones with which it is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// With one variable more, or with another value for it.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Without one variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// The value of one variable.
    ///
    /// # Panics
    ///
    /// Where it is not set.
    pub fn get(&self, name: &str) -> String {
        self.0.get(name).unwrap_or_else(|| panic!("`{name}` is not set")).clone()
    }

    /// With these as well. Theirs win.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }
}

impl<const N: usize> From<[(&str, String); N]> for Settings {
    fn from(variables: [(&str, String); N]) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

/// A call of `influxdb-loader`.
#[derive(Debug)]
pub struct Loader {
    arguments: Vec<OsString>,
    settings: Settings,
    directory: Option<PathBuf>,
}

impl Loader {
    /// Such as `["load", "file.parquet"]`. Runs in the root of the workspace.
    pub fn new<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        Self { arguments, settings: Settings::default(), directory: None }
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Runs with these settings as well.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = self.settings.and(settings);
        self
    }

    /// Runs in another directory than the root of the workspace.
    #[must_use]
    pub fn within(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    /// Runs it to its end. Of the environment, it sees only `PATH` and the settings.
    ///
    /// # Panics
    ///
    /// Where it takes longer than two minutes.
    pub fn run(self) -> Outcome {
        self.run_within(RUN_LIMIT)
    }

    /// Starts it, for who kills it: what it prints is not read.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub fn start(self) -> std::process::Child {
        let mut command = command(&programs().loader, &self.settings);
        command.args(&self.arguments).current_dir(self.directory.as_deref().unwrap_or_else(|| workspace()));
        let null = std::process::Stdio::null;
        command.stdin(null()).stdout(null()).stderr(null()).spawn().unwrap()
    }

    /// As [`Self::run`], for commands that call cargo or pip: in the user's home, where their settings and caches are, and
    /// with a limit for the first build of a standard library on a busy machine.
    ///
    /// # Panics
    ///
    /// Where it takes longer than twenty minutes.
    pub fn build(self) -> Outcome {
        let mut settings = Settings::default();
        for name in ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO", "RUSTC"] {
            if let Ok(value) = env::var(name) {
                settings = settings.with(name, value);
            }
        }
        let settings = settings.with("CARGO_TARGET_DIR", converters_directory().to_str().unwrap());
        self.settings(settings).run_within(BUILD_LIMIT)
    }

    fn run_within(self, limit: Duration) -> Outcome {
        let mut command = command(&programs().loader, &self.settings);
        run(command.args(&self.arguments).current_dir(self.directory.as_deref().unwrap_or_else(|| workspace())), limit)
    }
}

/// Runs a line of a shell in a directory, with `influxdb-loader` in its path, and with these settings.
pub fn shell(line: &str, directory: &Path, settings: &Settings) -> Outcome {
    let loader = &programs().loader;
    let mut path = loader.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let settings = settings.clone().with("PATH", path.to_str().unwrap());
    // It may build.
    run(command(Path::new("/bin/sh"), &settings).args(["-c", line]).current_dir(directory), BUILD_LIMIT)
}

/// Runs a program of Python, with the packages of `tests/requirements.txt`, in the root of the workspace.
pub fn python<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>, settings: &Settings) -> Outcome {
    let mut command = command(&program(Program::Python), settings);
    run(command.args(arguments).current_dir(workspace()), BUILD_LIMIT)
}

/// Runs a script of `tests/judges`, with the packages of `tests/judges.txt`: its arguments are the loader, a component, and more.
/// What it leaves stands beside the component.
pub fn judge(script: &str, component: &Path, arguments: &[&str]) -> Outcome {
    let cache = component.with_extension("cache");
    let settings = Settings::default()
        .with("CONVERTER_CACHE_DIRECTORY", cache.to_str().unwrap())
        .with("PYTHONDONTWRITEBYTECODE", "1");
    let mut command = command(&program(Program::Judge), &settings);
    let script = Path::new("tests/judges").join(script);
    command.arg(script).arg(&programs().loader).arg(component).args(arguments);
    run(command.current_dir(workspace()), BUILD_LIMIT)
}

/// A command for one of the programs in a clean environment: nothing of the user's settings, credentials or home.
pub(crate) fn command(program: &Path, settings: &Settings) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(&settings.0);
    command
}

/// Where the converters of the workspace are built, so that the standard library is built once.
pub(crate) fn converters_directory() -> PathBuf {
    programs().loader.with_file_name("..").join("converters")
}

/// The programs of package `influxdb-loader`.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) loader: PathBuf,
    pub(crate) lambda: PathBuf,
}

/// The programs, built from the sources as they are now, so that no test sees an old one.
///
/// # Panics
///
/// Where they do not compile, with the compiler's output.
pub(crate) fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(build)
}

/// The program `influxdb-loader`.
///
/// # Panics
///
/// Where it does not compile.
pub fn loader_program() -> PathBuf {
    programs().loader.clone()
}

fn build() -> Programs {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--release", "--package", "influxdb-loader", "--bins"]);
    command.args(["--message-format", "json-render-diagnostics"]);
    command.current_dir(workspace());
    // What `cargo test` sets for this process would look like a change of environment to build scripts.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|prefix| name.starts_with(prefix))
            || ["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "CARGO_TARGET_TMPDIR", "LD_LIBRARY_PATH"].contains(&&*name)
        {
            command.env_remove(&*name);
        }
    }
    // Another build may hold the lock of the target directory for as long as it takes.
    let outcome = run(&mut command, Duration::from_secs(3600)).succeeded();
    let executables: BTreeMap<String, PathBuf> = outcome.stdout.lines().filter_map(executable).collect();
    let [loader, lambda] = ["influxdb-loader", "lambda"].map(|name| {
        executables.get(name).cloned().unwrap_or_else(|| panic!("`{name}` is not among the programs of the workspace"))
    });
    Programs { loader, lambda }
}

/// The name and the path of the program that a message of cargo is about.
fn executable(message: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(message).ok()?;
    let is_program = message["target"]["kind"][0] == "bin" && message["profile"]["test"] == false;
    let executable = message["executable"].as_str()?;
    is_program.then(|| Some((message["target"]["name"].as_str()?.to_owned(), executable.into())))?
}
