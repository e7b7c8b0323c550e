//! Which compiler builds for the target.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What converters are compiled for: no system interface at all, so that a component imports nothing but the contract.
pub const TARGET: &str = "wasm32-unknown-unknown";

const HINT: &str = "run `rustup target add wasm32-unknown-unknown`, or on Debian \
                    `apt-get install rustc-web cargo-web rust-web-src lld`";

/// A cargo and a rustc that can build for [`TARGET`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// A rustc that has the target's standard library beside its own, as after `rustup target add`.
    Installed {
        /// `$CARGO`, which cargo sets for what it runs, or `cargo`.
        cargo: PathBuf,
        /// `$RUSTC`, which cargo sets for build scripts, or `rustc`.
        rustc: PathBuf,
    },
    /// Debian's packages `rustc-web`, `cargo-web`, `rust-web-src` and `lld`, which build the standard library first.
    /// They stand beside a toolchain of rustup without touching it.
    Debian {
        /// `/usr/bin/cargo`.
        cargo: PathBuf,
        /// `/usr/bin/rustc`.
        rustc: PathBuf,
        /// `/usr/bin/wasm-ld`.
        linker: PathBuf,
        /// The standard library's sources.
        sources: PathBuf,
    },
}

/// Why there is no toolchain.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// Neither kind is complete.
    #[error("no toolchain builds for `{TARGET}`:{}\nhint: {HINT}", list(.missing))]
    Missing {
        /// What was looked for and not found.
        missing: Vec<String>,
    },
    /// A compiler exists but does not run.
    #[error("cannot run `{}`", .program.display())]
    Run {
        /// The compiler.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn list(missing: &[String]) -> String {
    missing.iter().fold(String::new(), |mut lines, item| {
        let _ = write!(lines, "\n  {item}"); // Writing to a string cannot fail.
        lines
    })
}

impl Toolchain {
    /// Looks for a toolchain: first the rustc in use, if its standard library for the target exists; then Debian's
    /// packages.
    ///
    /// # Errors
    ///
    /// [`ToolchainError::Missing`] names everything that is missing, with a hint how to install it.
    pub fn detect() -> Result<Self, ToolchainError> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        Self::detect_in(Path::new(&cargo), Path::new(&rustc), Path::new("/usr"))
    }

    /// As [`Self::detect`], with Debian's packages looked for under `usr`.
    fn detect_in(cargo: &Path, rustc: &Path, usr: &Path) -> Result<Self, ToolchainError> {
        let mut missing = Vec::new();
        match target_library(rustc)? {
            Some(library) if library.is_dir() => {
                return Ok(Self::Installed { cargo: cargo.into(), rustc: rustc.into() });
            }
            Some(library) => missing.push(format!("the target's standard library: {}", library.display())),
            None => missing.push(format!("a rustc that knows the target: {}", rustc.display())),
        }
        let mut find = |path: &str, package: &str| {
            let path = usr.join(path);
            if !path.exists() {
                missing.push(format!("Debian's `{package}`: {}", path.display()));
            }
            path
        };
        let debian = Self::Debian {
            cargo: find("bin/cargo", "cargo-web"),
            rustc: find("bin/rustc", "rustc-web"),
            linker: find("bin/wasm-ld", "lld"),
            sources: find("lib/rustlib/src/rust/library", "rust-web-src"),
        };
        // The first is what the rustc in use lacks; any more are what Debian's packages lack.
        if missing.len() > 1 { Err(ToolchainError::Missing { missing }) } else { Ok(debian) }
    }

    /// A name for what is built with it: the two kinds do not share a target directory.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Installed { .. } => "installed",
            Self::Debian { .. } => "debian",
        }
    }

    /// A command that runs its cargo.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let (cargo, rustc) = match self {
            Self::Installed { cargo, rustc } | Self::Debian { cargo, rustc, .. } => (cargo, rustc),
        };
        let mut command = Command::new(cargo);
        crate::environment::clean(&mut command);
        command.arg(subcommand).env("RUSTC", rustc);
        if let Self::Debian { .. } = self {
            // What the outer toolchain put on the library path is not for Debian's compiler.
            command.env_remove("LD_LIBRARY_PATH");
        }
        command
    }

    /// A command that runs its cargo's `build` for the target.
    pub(crate) fn cargo_build(&self) -> Command {
        let mut command = self.cargo("build");
        command.args(["--target", TARGET]);
        if let Self::Debian { linker, .. } = self {
            // Building the standard library is an unstable flag of cargo; the variable lets a stable cargo take it.
            command
                .arg("-Zbuild-std=std,panic_abort")
                // None of them: this target has no backtraces, and what reads debugging information takes time to build.
                .arg("-Zbuild-std-features=")
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        command
    }

    /// Directories whose place depends on the machine and would be written into panic messages, each with the name to
    /// write instead.
    pub(crate) fn source_directories(&self) -> Vec<(PathBuf, &'static str)> {
        match self {
            Self::Installed { .. } => Vec::new(),
            Self::Debian { sources, .. } => vec![(sources.clone(), "/rust/library")],
        }
    }
}

/// Where `rustc` would have the target's standard library; `None` where it does not know the target or is not found.
fn target_library(rustc: &Path) -> Result<Option<PathBuf>, ToolchainError> {
    let output = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output();
    match output {
        Ok(output) if output.status.success() => {
            let path = String::from_utf8_lossy(&output.stdout);
            Ok(Some(PathBuf::from(OsStr::new(path.trim_end()))))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ToolchainError::Run { program: rustc.into(), source }),
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use std::fs;

    use super::*;

    /// A program that prints where the target's standard library would be.
    ///
    /// Another process writes it: what this one has open for writing, children inherit that tests beside this one start, and
    /// until they have become another program the file is busy and cannot be run.
    fn rustc(directory: &Path, script: &str) -> PathBuf {
        let path = directory.join("rustc");
        let write = r#"printf '#!/bin/sh\n%s\n' "$2" > "$1" && chmod 755 "$1""#;
        let written = Command::new("sh").args(["-c", write, "sh"]).arg(&path).arg(script).status().unwrap();
        assert!(written.success());
        path
    }

    fn debian(usr: &Path) {
        for path in ["bin/cargo", "bin/rustc", "bin/wasm-ld", "lib/rustlib/src/rust/library/Cargo.lock"] {
            let path = usr.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
    }

    #[test]
    fn a_rustc_that_has_the_target_goes_first() {
        let directory = tempfile::tempdir().unwrap();
        let rustc = rustc(directory.path(), &format!("echo {}", directory.path().display()));
        debian(directory.path());
        let toolchain = Toolchain::detect_in(Path::new("cargo"), &rustc, directory.path()).unwrap();
        assert_eq!(toolchain, Toolchain::Installed { cargo: "cargo".into(), rustc });
    }

    #[test]
    fn debians_packages_go_second() {
        let directory = tempfile::tempdir().unwrap();
        let usr = directory.path();
        debian(usr);
        let expected = Toolchain::Debian {
            cargo: usr.join("bin/cargo"),
            rustc: usr.join("bin/rustc"),
            linker: usr.join("bin/wasm-ld"),
            sources: usr.join("lib/rustlib/src/rust/library"),
        };
        for script in ["echo /nowhere", "exit 1"] {
            let rustc = rustc(directory.path(), script);
            assert_eq!(Toolchain::detect_in(Path::new("cargo"), &rustc, usr).unwrap(), expected);
        }
        assert_eq!(Toolchain::detect_in(Path::new("cargo"), Path::new("/nowhere/rustc"), usr).unwrap(), expected);
    }

    #[test]
    fn everything_that_is_missing_is_named() {
        let directory = tempfile::tempdir().unwrap();
        debian(directory.path());
        fs::remove_file(directory.path().join("bin/wasm-ld")).unwrap();
        let rustc = rustc(directory.path(), "echo /nowhere");
        let error = Toolchain::detect_in(Path::new("cargo"), &rustc, directory.path()).unwrap_err();
        let expected = format!(
            "no toolchain builds for `wasm32-unknown-unknown`:\n  \
             the target's standard library: /nowhere\n  \
             Debian's `lld`: {}\n\
             hint: run `rustup target add wasm32-unknown-unknown`, or on Debian \
             `apt-get install rustc-web cargo-web rust-web-src lld`",
            directory.path().join("bin/wasm-ld").display()
        );
        assert_eq!(error.to_string(), expected);
    }
}
