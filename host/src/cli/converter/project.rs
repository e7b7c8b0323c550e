//! A converter's project: the directory in which an author writes one.

use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use converter_builder::{BuildError, InterfacesError};

/// The component that `converter build` leaves in the project.
pub(super) const COMPONENT: &str = "converter.wasm";

/// The file in whose presence a project is one in Rust.
pub(super) const RUST_FILE: &str = "Cargo.toml";

/// The file in whose presence a project is one in Python.
pub(super) const PYTHON_FILE: &str = "src/converter.py";

/// What a converter is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Language {
    /// Small and fast: a component of some 100 KB.
    Rust,
    /// A component of 18 MB that has Python in it, and takes seconds to compile.
    Python,
}

/// Why a project cannot be made or built.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ProjectError {
    #[error("`{0}` is not the name of a converter: it must be words of lower case joined by `-`, such as `grid-load`")]
    Name(String),
    #[error("`{}` is not empty\nhint: choose another with `--directory`", .0.display())]
    NotEmpty(PathBuf),
    #[error("`{sample}` has no column `{name}`: {columns}")]
    NoColumn { name: String, sample: String, columns: String },
    #[error("`{0}` is named twice\nhint: a column is the time, a tag or a field")]
    ChosenTwice(String),
    #[error("`{name}` cannot be that: {reason}")]
    Unusable { name: String, reason: &'static str },
    #[error(
        "no column of `{sample}` is a number or a boolean: {columns}\nhint: a point needs a field; `--field COLUMN` makes one of a text"
    )]
    NoField { sample: String, columns: String },
    #[error("`{}` is not a converter's project: it has neither `{RUST_FILE}` nor `{PYTHON_FILE}`\nhint: `influxdb-loader converter new` makes one", .0.display())]
    NoProject(PathBuf),
    #[error("`{}` has both `{RUST_FILE}` and `{PYTHON_FILE}`", .0.display())]
    TwoLanguages(PathBuf),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Interfaces(#[from] InterfacesError),
    #[error("cannot run `{program}`{}", .hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default())]
    Run {
        program: String,
        hint: Option<&'static str>,
        #[source]
        cause: io::Error,
    },
    #[error("`{command}` failed:\n{output}")]
    Failed { command: String, output: String },
    #[error(
        "`{package}` has native code, which does not run in WebAssembly: `{file}`\nhint: `requirements.txt` takes packages of pure Python; `--no-binary NAME` on a line of its own skips native code that is optional"
    )]
    NativePackage { package: String, file: String },
    #[error(
        "`{package}` is installed as editable: its files are not in the environment\nhint: remove `-e` from `requirements.txt`"
    )]
    EditablePackage { package: String },
    #[error("cannot access `{}`", .path.display())]
    File {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

impl ProjectError {
    /// What went wrong with a file.
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |cause| Self::File { path, cause }
    }
}

/// What the project in a directory is written in.
pub(super) fn language(directory: &Path) -> Result<Language, ProjectError> {
    match [RUST_FILE, PYTHON_FILE].map(|file| directory.join(file).is_file()) {
        [true, false] => Ok(Language::Rust),
        [false, true] => Ok(Language::Python),
        [true, true] => Err(ProjectError::TwoLanguages(directory.to_owned())),
        [false, false] => Err(ProjectError::NoProject(directory.to_owned())),
    }
}
