//! `converter build`: a project → a component.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use converter_builder::{Build, BuildError, Toolchain, listen};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::packages;
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

/// Builds a project and prints what came out of it. Returns true: what does not build is an error.
pub(super) fn build(config: &Config, directory: &Path, as_json: bool) -> Result<bool, CliError> {
    // Hidden where standard error is not a terminal.
    let progress = ProgressBar::new_spinner();
    progress.enable_steady_tick(Duration::from_millis(100));
    let tell = &mut |doing: &str| progress.set_message(doing.to_owned());
    // Whoever interrupts it interrupts cargo as well: both belong to the terminal.
    let built = built(&Loader::new(config)?, directory, &mut Watcher { tell, stop: &AtomicBool::new(false) });
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

/// Whoever waits for a build.
pub(super) struct Watcher<'a> {
    /// Gets each step as it begins.
    pub(super) tell: &'a mut (dyn FnMut(&str) + Send),
    /// True once nobody waits any more: what runs is ended.
    pub(super) stop: &'a AtomicBool,
}

/// Builds a project, and reports each step. Blocks for as long as cargo or pip takes.
pub(super) fn built(loader: &Loader, directory: &Path, watcher: &mut Watcher<'_>) -> Result<Built, CliError> {
    let started = Instant::now();
    let component = match language(directory)? {
        Language::Rust => rust(directory, watcher)?,
        Language::Python => python(directory, watcher)?,
    };
    // Not left where it could be uploaded unless the loader takes it.
    let converter = loader.catalog().compile(&component).map_err(LoadError::Converter)?;
    let path = directory.join(COMPONENT);
    std::fs::write(&path, &component).map_err(ProjectError::file(&path))?;
    Ok(Built { path, component, converter, time: started.elapsed() })
}

/// Shows the step to whoever waits. Where standard error is closed, the build continues.
fn say(what: &str, watcher: &mut Watcher<'_>) {
    drop(writeln!(std::io::stderr(), "{what}"));
    (watcher.tell)(what);
}

/// Where cargo builds: `CARGO_TARGET_DIR`, which the builder does not hand on, or else one place for all projects of the user,
/// so that the standard library and the SDK's dependencies are compiled once.
fn target(directory: &Path, variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = || absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    let shared = || cache().map(|cache| cache.join("influxdb-loader/converters"));
    variable("CARGO_TARGET_DIR").map(PathBuf::from).or_else(shared).unwrap_or_else(|| directory.join("target"))
}

fn rust(directory: &Path, watcher: &mut Watcher<'_>) -> Result<Vec<u8>, ProjectError> {
    say(&format!("building `{}` with cargo for {}", directory.display(), converter_builder::TARGET), watcher);
    let toolchain = Toolchain::detect().map_err(BuildError::from)?;
    let mut crates = 0;
    let Watcher { tell, stop } = watcher;
    let mut line = |line: &str| {
        // The first build compiles the standard library, which takes a minute or two.
        if let Some(name) = line.trim_start().strip_prefix("Compiling ").and_then(|rest| rest.split(' ').next()) {
            crates += 1;
            tell(&format!("compiling {name}, crate {crates}"));
        }
    };
    let components =
        Build::new(directory, target(directory, |name| env::var_os(name))).run_and_tell(&toolchain, &mut line, stop)?;
    // A package has one library, and the builder fails where it gives no module.
    Ok(components.into_iter().next().map(|component| component.bytes).unwrap_or_default())
}

fn python(directory: &Path, watcher: &mut Watcher<'_>) -> Result<Vec<u8>, ProjectError> {
    // Programs run inside the project, where relative paths would mean something else.
    let directory = &std::fs::canonicalize(directory).map_err(ProjectError::file(directory))?;
    let environment = directory.join(".venv");
    let python = environment.join("bin/python3");
    let named = directory.join("requirements.txt");
    let requirements = std::fs::read(&named).map_err(ProjectError::file(&named))?;
    let installed = environment.join("installed.txt");
    // One of other requirements may have packages that are not required any more.
    if !python.is_file() || std::fs::read(&installed).ok().as_ref() != Some(&requirements) {
        say(&format!("making a virtual environment: {}", environment.display()), watcher);
        let hint = Some("Python 3 must be installed; on Debian `apt-get install python3-venv`");
        run(directory, "python3", ["-m", "venv", "--clear", ".venv"], hint, watcher)?;
    }
    say(&format!("installing the requirements of `{}`", directory.display()), watcher);
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"];
    run(directory, &python, install, None, watcher)?;
    std::fs::write(&installed, requirements).map_err(ProjectError::file(&installed))?;
    packages::collect(&environment)?;
    say(&format!("building `{}` with componentize-py", directory.display()), watcher);
    let output = environment.join(COMPONENT);
    let mut arguments: Vec<&OsStr> =
        ["--quiet", "--wit-path", "wit", "--world", "converter-world"].map(OsStr::new).into();
    // Not the project itself, which would put the virtual environment into the component.
    let packages = environment.join(packages::DIRECTORY);
    arguments.extend(["componentize", "-p", "src", "-p", "vendor", "-p"].map(OsStr::new));
    arguments.extend([packages.as_os_str(), OsStr::new("converter"), OsStr::new("-o"), output.as_os_str()]);
    let hint = Some("`requirements.txt` must name `componentize-py`");
    run(directory, environment.join("bin/componentize-py"), arguments, hint, watcher)?;
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
    watcher: &Watcher<'_>,
) -> Result<(), ProjectError> {
    let program = program.as_ref();
    let mut command = Command::new(program);
    // Python must not look into what another virtual environment or the user's home has.
    command.args(arguments).current_dir(directory).env_remove("VIRTUAL_ENV").env_remove("PYTHONPATH");
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let output = listen(&mut command, &mut |_| (), watcher.stop).map_err(|cause| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_projects_of_a_user_share_what_cargo_builds_for_them() {
        let of = |variables: &[(&str, &str)]| {
            target(Path::new("/work/ons-load"), |name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
            })
        };
        let home = ("HOME", "/home/ana");
        assert_eq!(of(&[home]), Path::new("/home/ana/.cache/influxdb-loader/converters"));
        assert_eq!(
            of(&[home, ("XDG_CACHE_HOME", "/var/cache/ana")]),
            Path::new("/var/cache/ana/influxdb-loader/converters")
        );
        assert_eq!(of(&[home, ("XDG_CACHE_HOME", "cache")]), Path::new("/home/ana/.cache/influxdb-loader/converters"));
        assert_eq!(of(&[home, ("CARGO_TARGET_DIR", "/tmp/target")]), Path::new("/tmp/target"));
        assert_eq!(of(&[]), Path::new("/work/ons-load/target"));
    }
}
