//! Package → core module → component.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Output};
use std::sync::atomic::AtomicBool;

use serde_json::Value;
use wit_component::ComponentEncoder;

use crate::interfaces::Interfaces;
use crate::listen::listen;
use crate::owner;
use crate::toolchain::{TARGET, Toolchain, ToolchainError};

/// The profile `converter` for a package whose workspace has none: cargo's release profile, made small. One unit for the
/// optimizer, no unwinding, names for backtraces but no other debugging information. The same as in the workspace that
/// this crate stands in.
const PROFILE: [&str; 5] = [
    "profile.converter.inherits=\"release\"",
    "profile.converter.lto=true",
    "profile.converter.codegen-units=1",
    "profile.converter.panic=\"abort\"",
    "profile.converter.strip=\"debuginfo\"",
];

/// What a converter exports.
const INTERFACE: &str = "influxdb-loader:converter/converter";

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// A converter, built.
#[derive(Clone, Debug)]
pub struct Component {
    /// The name of the library, or of the example.
    pub name: String,
    /// The component itself.
    pub bytes: Vec<u8>,
    /// The file that holds the same bytes.
    pub path: PathBuf,
}

/// Why a converter cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Nothing can compile it.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// Cargo does not run.
    #[error("cannot run `{}`", .program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Cargo reports that the package does not build.
    #[error("cannot build `{}`:\n{stderr}", .package.display())]
    Cargo {
        /// The package's directory.
        package: PathBuf,
        /// All that cargo wrote to standard error.
        stderr: String,
    },
    /// The package builds, but gives no module.
    #[error(
        "`{}` builds no WebAssembly module\nhint: it needs `crate-type = [\"cdylib\"]` under `[lib]` in its `Cargo.toml`",
        .package.display()
    )]
    NoModule {
        /// The package's directory.
        package: PathBuf,
    },
    /// The module does not make a component.
    #[error("cannot make a component of `{}`", .module.display())]
    Component {
        /// The core module.
        module: PathBuf,
        /// Why.
        source: AnyError,
    },
    /// The module makes a component, but not a converter.
    #[error(
        "`{}` does not export `{INTERFACE}`\nhint: a converter exports itself by `converter_sdk::export!`",
        .module.display()
    )]
    NotAConverter {
        /// The core module.
        module: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("cannot access `{}`", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A build to run.
#[derive(Clone, Debug)]
pub struct Build {
    package: PathBuf,
    target_directory: PathBuf,
    workspace_profile: bool,
    examples: bool,
    locked: bool,
}

impl Build {
    /// Builds the library of the package in the directory `package` under `target_directory`, which must not be the
    /// target directory of a cargo that waits for this build (see [`crate::target_directory`]). Each toolchain has its
    /// own directory under it.
    pub fn new(package: impl Into<PathBuf>, target_directory: impl Into<PathBuf>) -> Self {
        Self {
            package: package.into(),
            target_directory: target_directory.into(),
            workspace_profile: false,
            examples: false,
            locked: false,
        }
    }

    /// Builds with the profile `converter` as it stands in the package's workspace. Without this, a profile for small
    /// and fast components is used, whatever the package's workspace defines.
    pub fn workspace_profile(mut self) -> Self {
        self.workspace_profile = true;
        self
    }

    /// Builds the package's examples instead of its library: many small converters in one package. Each needs
    /// `crate-type = ["cdylib"]`.
    pub fn examples(mut self) -> Self {
        self.examples = true;
        self
    }

    /// Fails where the package's `Cargo.lock` would have to change.
    pub fn locked(mut self) -> Self {
        self.locked = true;
        self
    }

    /// Runs the build with the toolchain that there is.
    ///
    /// # Errors
    ///
    /// See [`BuildError`]; cargo's own words are in it.
    pub fn run(&self) -> Result<Vec<Component>, BuildError> {
        self.run_with(&Toolchain::detect()?)
    }

    /// Runs the build.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn run_with(&self, toolchain: &Toolchain) -> Result<Vec<Component>, BuildError> {
        self.run_and_tell(toolchain, &mut |_| (), &AtomicBool::new(false))
    }

    /// Runs the build, and passes each line that cargo prints for people to `tell`. Once `stop` is true, cargo is killed, and the build fails.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn run_and_tell(
        &self,
        toolchain: &Toolchain,
        tell: &mut (dyn FnMut(&str) + Send),
        stop: &AtomicBool,
    ) -> Result<Vec<Component>, BuildError> {
        // Cargo runs inside the package, where relative paths would mean something else, and names its artifacts by the
        // package's real path.
        let access = |path: &Path| {
            let path = path.to_path_buf();
            move |source| BuildError::File { path, source }
        };
        let package = fs::canonicalize(&self.package).map_err(access(&self.package))?;
        let target_directory = std::path::absolute(&self.target_directory).map_err(access(&self.target_directory))?;
        let target_directory = target_directory.join(toolchain.name());
        // Packages of one name leave their module in one place: it is theirs until it is read. Cargo's own lock ends with cargo.
        let path = target_directory.join("converter-builder.lock");
        let mut lock = lock(&target_directory, &path)?;
        let mut run = |mut cargo: Command| {
            let ran = listen(cargo.current_dir(&package), tell, stop);
            let output =
                ran.map_err(|source| BuildError::Run { program: PathBuf::from(cargo.get_program()), source })?;
            if output.status.success() {
                return Ok(output);
            }
            let stderr = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
            Err(BuildError::Cargo { package: package.clone(), stderr })
        };
        let mut locate = toolchain.cargo("locate-project");
        locate.args(["--workspace", "--message-format", "plain"]);
        let manifest = String::from_utf8_lossy(&run(locate)?.stdout).trim_end().to_owned();
        let root = Path::new(&manifest).parent().unwrap_or(&package);
        let identity = owner::identity(root).map_err(access(root))?;
        if !owner::is(&mut lock, &identity).map_err(access(&path))? {
            self.clean(toolchain, &target_directory, &mut run)?;
            owner::take(&mut lock, &identity).map_err(access(&path))?;
        }
        let output = run(self.cargo_build(toolchain, &target_directory))?;
        let modules = modules(&output.stdout, &package.join("Cargo.toml"));
        if modules.is_empty() {
            return Err(BuildError::NoModule { package });
        }
        modules.into_iter().map(|(name, module)| componentize(name, &module)).collect()
    }

    /// Removes what has been built of packages that are named like this workspace's.
    fn clean(
        &self,
        toolchain: &Toolchain,
        target_directory: &Path,
        run: &mut dyn FnMut(Command) -> Result<Output, BuildError>,
    ) -> Result<(), BuildError> {
        let mut metadata = toolchain.cargo("metadata");
        metadata.args(["--format-version", "1"]);
        self.lock_file(&mut metadata);
        let mut cargo = toolchain.cargo("clean");
        cargo.args(["--quiet", "--target", TARGET]);
        cargo.args(owner::packages_of_directories(&run(metadata)?).iter().flat_map(|package| ["--package", package]));
        self.profile(&mut cargo, target_directory);
        run(cargo).map(drop)
    }

    fn cargo_build(&self, toolchain: &Toolchain, target_directory: &Path) -> Command {
        let mut cargo = toolchain.cargo_build();
        cargo.arg("--message-format=json-render-diagnostics");
        cargo.arg(if self.examples { "--examples" } else { "--lib" });
        self.profile(&mut cargo, target_directory);
        cargo.env("CARGO_ENCODED_RUSTFLAGS", remapped_paths(toolchain));
        cargo
    }

    fn profile(&self, cargo: &mut Command, target_directory: &Path) {
        cargo.arg("--target-dir").arg(target_directory).args(["--profile", "converter"]);
        if !self.workspace_profile {
            cargo.args(PROFILE.iter().flat_map(|setting| ["--config", setting]));
        }
        self.lock_file(cargo);
    }

    fn lock_file(&self, cargo: &mut Command) {
        if self.locked {
            cargo.arg("--locked");
        }
    }
}

/// Waits until no other build uses a directory; the system ends that with the file, and with the process.
fn lock(directory: &Path, path: &Path) -> Result<File, BuildError> {
    let locked = fs::create_dir_all(directory).and_then(|()| {
        let file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
        file.lock()?;
        Ok(file)
    });
    locked.map_err(|source| BuildError::File { path: path.into(), source })
}

/// Compiler flags that keep the machine's directories out of panic messages: the same sources give the same component
/// everywhere, and it does not reveal where it was built.
fn remapped_paths(toolchain: &Toolchain) -> OsString {
    let mut directories = toolchain.source_directories();
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    directories.extend(home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).map(|home| (home, "/cargo")));
    let mut flags = OsString::new();
    for (directory, name) in directories {
        if !flags.is_empty() {
            flags.push("\x1f");
        }
        flags.push("--remap-path-prefix=");
        flags.push(directory);
        flags.push("=");
        flags.push(name);
    }
    flags
}

/// The modules among the artifacts that cargo reports, one JSON message a line: those of the package itself, not of what
/// it depends on.
fn modules(messages: &[u8], manifest: &Path) -> Vec<(String, PathBuf)> {
    let lines = messages.split(|&byte| byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let artifacts = messages.filter(|message| {
        message["reason"] == "compiler-artifact" && message["manifest_path"].as_str().map(Path::new) == Some(manifest)
    });
    artifacts
        .filter_map(|artifact| {
            let files = artifact["filenames"].as_array()?.iter().filter_map(Value::as_str);
            let module = files.map(PathBuf::from).find(|file| file.extension().is_some_and(|end| end == "wasm"))?;
            Some((artifact["target"]["name"].as_str()?.to_owned(), module))
        })
        .collect()
}

fn componentize(name: String, module: &Path) -> Result<Component, BuildError> {
    let failed = |source| BuildError::Component { module: module.into(), source };
    let bytes = fs::read(module).map_err(|source| BuildError::File { path: module.into(), source })?;
    let bytes = encode(&bytes).map_err(failed)?;
    if !is_converter(&bytes).map_err(failed)? {
        return Err(BuildError::NotAConverter { module: module.into() });
    }
    let path = module.with_extension("component.wasm");
    write(&path, &bytes)?;
    Ok(Component { name, bytes, path })
}

fn encode(module: &[u8]) -> Result<Vec<u8>, AnyError> {
    Ok(ComponentEncoder::default().module(module)?.validate(true).encode()?)
}

/// Whether the component exports the contract's interface, in any version: the loader decides which versions it
/// accepts.
fn is_converter(component: &[u8]) -> Result<bool, AnyError> {
    let exports = Interfaces::of(component)?.exports;
    Ok(exports.iter().any(|export| export.split('@').next() == Some(INTERFACE)))
}

/// Writes a file that others may be reading or writing: they see the whole file before or after, never a part.
fn write(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    let mine = path.with_extension(format!("{}.tmp", process::id()));
    fs::write(&mine, bytes)
        .and_then(|()| fs::rename(&mine, path))
        .map_err(|source| BuildError::File { path: path.into(), source })
}
