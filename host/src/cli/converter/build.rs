//! `converter build`: a project → a component.

use std::env;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use converter_builder::{Build, BuildError, Toolchain};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::project::{COMPONENT, Language, ProjectError, language};
use crate::cli::{CliError, print};
use crate::config::Config;
use crate::converter::Converter;
use crate::pipeline::{LoadError, Loader};

/// A project's component.
pub(super) struct Built {
    /// The file that holds it.
    pub(super) path: PathBuf,
    pub(super) component: Vec<u8>,
    pub(super) converter: Converter,
    pub(super) time: Duration,
}

impl Built {
    /// What came out, for programs.
    pub(super) fn facts(&self) -> Value {
        let description = self.converter.description();
        json!({
            "file": self.path.display().to_string(), "name": description.name, "version": description.version,
            "dataset": description.dataset, "bytes": self.component.len(), "digest": self.converter.digest(),
            "seconds": self.time.as_secs_f64(),
        })
    }
}

/// Builds a project and says what came out of it. Returns true: what does not build is an error.
pub(super) fn build(config: &Config, directory: &Path, as_json: bool) -> Result<bool, CliError> {
    // Hidden where standard error is not a terminal.
    let progress = ProgressBar::new_spinner();
    progress.enable_steady_tick(Duration::from_millis(100));
    let built = built(&Loader::new(config)?, directory, &mut |doing| progress.set_message(doing.to_owned()));
    progress.finish_and_clear();
    let built = built?;
    print(&if as_json {
        format!("{}\n", built.facts())
    } else {
        let description = built.converter.description();
        format!(
            "{}: {} {} for the dataset `{}`, {} bytes, sha256 {}, built in {:.1} s\n",
            built.path.display(),
            description.name,
            description.version,
            description.dataset,
            built.component.len(),
            built.converter.digest(),
            built.time.as_secs_f64()
        )
    })?;
    Ok(true)
}

/// Builds a project, and tells what it does meanwhile. Blocks for as long as cargo or pip takes.
pub(super) fn built(loader: &Loader, directory: &Path, tell: &mut dyn FnMut(&str)) -> Result<Built, CliError> {
    let started = Instant::now();
    let component = match language(directory)? {
        Language::Rust => rust(directory, tell)?,
        Language::Python => python(directory, tell)?,
    };
    // Not left where it could be uploaded unless the loader takes it.
    let converter = loader.catalog().compile(&component).map_err(LoadError::Converter)?;
    let path = directory.join(COMPONENT);
    std::fs::write(&path, &component).map_err(ProjectError::file(&path))?;
    Ok(Built { path, component, converter, time: started.elapsed() })
}

/// Says what is going on to whoever waits: that it cannot be said stops nothing.
fn say(what: &str, tell: &mut dyn FnMut(&str)) {
    drop(writeln!(std::io::stderr(), "{what}"));
    tell(what);
}

/// Where cargo builds: `CARGO_TARGET_DIR`, which the builder does not hand on, or else one place for all projects of the user,
/// so that the standard library and the SDK's dependencies are compiled once.
fn target(directory: &Path) -> PathBuf {
    let variable = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let shared = || cache.map_or_else(|| directory.join("target"), |cache| cache.join("influxdb-loader/converters"));
    env::var_os("CARGO_TARGET_DIR").map_or_else(shared, PathBuf::from)
}

fn rust(directory: &Path, tell: &mut dyn FnMut(&str)) -> Result<Vec<u8>, ProjectError> {
    say(&format!("building `{}` with cargo for {}", directory.display(), converter_builder::TARGET), tell);
    let toolchain = Toolchain::detect().map_err(BuildError::from)?;
    let mut crates = 0;
    let components = Build::new(directory, target(directory)).run_and_tell(&toolchain, |line| {
        // The first build compiles the standard library, which takes a minute or two.
        if let Some(name) = line.trim_start().strip_prefix("Compiling ").and_then(|rest| rest.split(' ').next()) {
            crates += 1;
            tell(&format!("compiling {name}, crate {crates}"));
        }
    })?;
    // A package has one library, and the builder fails where it gives no module.
    Ok(components.into_iter().next().map(|component| component.bytes).unwrap_or_default())
}

fn python(directory: &Path, tell: &mut dyn FnMut(&str)) -> Result<Vec<u8>, ProjectError> {
    // Programs run inside the project, where relative paths would mean something else.
    let directory = &std::fs::canonicalize(directory).map_err(ProjectError::file(directory))?;
    let environment = directory.join(".venv");
    let python = environment.join("bin/python3");
    if !python.is_file() {
        say(&format!("making a virtual environment: {}", environment.display()), tell);
        let hint = Some("Python 3 must be installed; on Debian `apt-get install python3-venv`");
        run(directory, "python3", ["-m", "venv", ".venv"], hint)?;
    }
    say(&format!("installing the requirements of `{}`", directory.display()), tell);
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"];
    run(directory, &python, install, None)?;
    say(&format!("building `{}` with componentize-py", directory.display()), tell);
    let output = environment.join(COMPONENT);
    let mut arguments: Vec<&OsStr> =
        ["--quiet", "--wit-path", "wit", "--world", "converter-world"].map(OsStr::new).into();
    // Not the project itself, which would put the virtual environment into the component.
    arguments.extend(["componentize", "-p", "src", "-p", "vendor", "converter", "-o"].map(OsStr::new));
    arguments.push(output.as_os_str());
    let hint = Some("`requirements.txt` must name `componentize-py`");
    run(directory, environment.join("bin/componentize-py"), arguments, hint)?;
    let component = std::fs::read(&output).map_err(ProjectError::file(&output))?;
    std::fs::remove_file(&output).map_err(ProjectError::file(&output))?;
    Ok(component)
}

/// Runs a program in the project to its end.
fn run(
    directory: &Path,
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    hint: Option<&'static str>,
) -> Result<(), ProjectError> {
    let program = program.as_ref();
    let mut command = Command::new(program);
    // Python must not look into what another virtual environment or the user's home has.
    command.args(arguments).current_dir(directory).env_remove("VIRTUAL_ENV").env_remove("PYTHONPATH");
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().map_err(|cause| {
        let program = program.to_string_lossy().into_owned();
        ProjectError::Run { program, hint, cause }
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let output = String::from_utf8_lossy(&said).trim().to_owned();
    Err(ProjectError::Failed { command: format!("{command:?}"), output })
}
