//! Where the programs are that the tests start.

use std::env;
use std::path::{Path, PathBuf};

/// A program that is not part of this workspace. The Makefile installs every one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// InfluxDB 1.x, from Debian's package `influxdb`.
    Influxd,
    /// VictoriaMetrics, from Debian's package `victoria-metrics`.
    VictoriaMetrics,
    /// The Python of the virtual environment that has the packages of `tests/requirements.txt`.
    Python,
    /// cargo-lambda, from the same virtual environment.
    CargoLambda,
}

impl Program {
    fn file_name(self) -> &'static str {
        match self {
            Self::Influxd => "influxd",
            Self::VictoriaMetrics => "victoria-metrics",
            Self::Python => "python3",
            Self::CargoLambda => "cargo-lambda",
        }
    }

    /// Whether the search goes on in `PATH`. Any Python is not good enough: only ours has the packages.
    fn may_be_in_path(self) -> bool {
        match self {
            Self::Influxd | Self::VictoriaMetrics | Self::CargoLambda => true,
            Self::Python => false,
        }
    }
}

/// The path of a program: in the directories where `make test-tools` puts them, else in `PATH`.
///
/// # Panics
///
/// Where it is nowhere, with the command that installs it.
pub(crate) fn program(program: Program) -> PathBuf {
    let tools = tools_directory();
    let mut directories = vec![tools.join("venv/bin"), tools.join("debian/usr/bin")];
    if program.may_be_in_path() {
        directories.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    }
    let found = directories.iter().map(|directory| directory.join(program.file_name())).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("`{}` is not installed\nhint: run `make test-tools`", program.file_name()))
}

/// The root of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("`tests` is a directory of the workspace")
}

/// Where the Makefile puts what the tests need: its variable `TOOLS`, which it exports.
fn tools_directory() -> PathBuf {
    env::var_os("TOOLS").map_or_else(|| workspace().join("target/tools"), PathBuf::from)
}
