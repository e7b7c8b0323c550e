//! What a nested cargo must not inherit, and where it may build.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Variables of cargo's that describe the machine and its network, not the outer build.
const KEPT: [&str; 7] = [
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTRY_",
    "CARGO_REGISTRIES_",
    "CARGO_TERM_",
    "CARGO_BUILD_JOBS",
];

/// Variables that cargo sets for build scripts, beside those that start with its name.
const SET_FOR_BUILD_SCRIPTS: [&str; 8] =
    ["OUT_DIR", "TARGET", "HOST", "NUM_JOBS", "OPT_LEVEL", "PROFILE", "DEBUG", "MAKEFLAGS"];

/// Removes from what `command` inherits everything that belongs to an outer cargo's build.
pub(crate) fn clean(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if belongs_to_the_outer_build(&name) {
            command.env_remove(name);
        }
    }
}

fn belongs_to_the_outer_build(name: &OsStr) -> bool {
    // Names that are not UTF-8 are nobody's that is meant here.
    let Some(name) = name.to_str() else { return false };
    let compiler = ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS"].iter().any(|prefix| name.starts_with(prefix));
    let kept = KEPT.iter().any(|kept| name.starts_with(kept));
    (compiler && !kept) || SET_FOR_BUILD_SCRIPTS.contains(&name)
}

/// Why a build script's target directory is not known.
#[derive(Debug, thiserror::Error)]
pub enum TargetDirectoryError {
    /// `OUT_DIR` is not set.
    #[error("`OUT_DIR` is not set\nhint: only cargo sets it, for build scripts")]
    NotABuildScript,
    /// `OUT_DIR` is not laid out as cargo does it.
    #[error("`OUT_DIR` has no parent named `build`: {}", .0.display())]
    Layout(PathBuf),
}

/// The target directory for converters that a build script builds: `converters` in the target directory of the cargo
/// that runs it.
///
/// # Errors
///
/// When this is not run by a build script.
pub fn target_directory() -> Result<PathBuf, TargetDirectoryError> {
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or(TargetDirectoryError::NotABuildScript)?;
    target_directory_of(&out).ok_or(TargetDirectoryError::Layout(out))
}

/// `OUT_DIR` is `<target>[/<triple>]/<profile>/build/…`. Where the outer build names a triple, its converters stand under
/// the triple: they do not depend on it, but the directory cannot be distinguished from a profile's.
fn target_directory_of(out: &Path) -> Option<PathBuf> {
    let build = out.ancestors().find(|directory| directory.file_name() == Some(OsStr::new("build")))?;
    Some(build.parent()?.parent()?.join("converters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_outer_cargo_sets_is_not_inherited() {
        let outer = [
            "CARGO",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_MAKEFLAGS",
            "CARGO_MANIFEST_DIR",
            "CARGO_BUILD_TARGET",
            "CARGO_TARGET_DIR",
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_INCREMENTAL",
            "RUSTC",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTC_LINKER",
            "RUSTDOCFLAGS",
            "RUSTFLAGS",
            "OUT_DIR",
            "TARGET",
            "OPT_LEVEL",
        ];
        for name in outer {
            assert!(belongs_to_the_outer_build(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn what_the_machine_sets_is() {
        let machine = [
            "PATH",
            "HOME",
            "RUSTUP_HOME",
            "RUSTUP_TOOLCHAIN",
            "CARGO_HOME",
            "CARGO_HTTP_PROXY",
            "CARGO_NET_OFFLINE",
            "CARGO_REGISTRIES_COMPANY_TOKEN",
            "CARGO_BUILD_JOBS",
        ];
        for name in machine {
            assert!(!belongs_to_the_outer_build(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn converters_stand_beside_the_profiles_of_the_outer_build() {
        let directory = |out: &str| target_directory_of(Path::new(out));
        assert_eq!(directory("/target/release/build/host-0123/out"), Some("/target/converters".into()));
        assert_eq!(directory("/target/release/build/host/0123/out"), Some("/target/converters".into()));
        assert_eq!(directory("/home/build/target/debug/build/a/out"), Some("/home/build/target/converters".into()));
        assert_eq!(directory("/target/arm64/release/build/a/out"), Some("/target/arm64/converters".into()));
        assert_eq!(directory("/somewhere/out"), None);
    }
}
