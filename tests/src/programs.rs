//! Where the programs are that the tests start.

use std::env;
use std::path::{Path, PathBuf};

/// A program that is not part of this workspace. `scripts/install.sh` installs every one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// InfluxDB 1.x.
    Influxd1,
    /// InfluxDB 2.x.
    Influxd2,
    /// The S3 server on files.
    Versitygw,
    /// The proxy between a client and a server.
    Toxiproxy,
    /// AWS's emulator of Lambda's runtime interface.
    LambdaEmulator,
    /// The Python of the virtual environment that has the packages of `tests/requirements.txt`.
    Python,
    /// The Python of the virtual environment that has the packages of `tests/judges.txt`.
    Judge,
    /// A browser.
    Chromium,
    /// cargo-lambda, from the same virtual environment.
    CargoLambda,
}

impl Program {
    /// Below the directory of tools.
    fn path(self) -> &'static str {
        match self {
            Self::Influxd1 => "bin/influxd-1",
            Self::Influxd2 => "bin/influxd-2",
            Self::Versitygw => "bin/versitygw",
            Self::Toxiproxy => "bin/toxiproxy-server",
            Self::LambdaEmulator => "bin/aws-lambda-rie",
            Self::Python => "venv/bin/python3",
            Self::Judge => "judges-venv/bin/python3",
            Self::Chromium => "bin/chromium",
            Self::CargoLambda => "venv/bin/cargo-lambda",
        }
    }
}

/// The path of a program, where `scripts/install.sh` puts it or links it. It alone decides which program is used.
///
/// # Panics
///
/// If it does not exist, with the command that installs it.
pub(crate) fn program(program: Program) -> PathBuf {
    let path = tools_directory().join(program.path());
    assert!(path.is_file(), "`{}` is not installed\nhint: run `make test-tools`", path.display());
    path
}

/// The root of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("`tests` is a directory of the workspace")
}

/// Where the Makefile puts what the tests need: its variable `TOOLS`, which it exports.
pub(crate) fn tools_directory() -> PathBuf {
    env::var_os("TOOLS").map_or_else(|| workspace().join("target/tools"), PathBuf::from)
}
