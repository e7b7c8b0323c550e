//! What `requirements.txt` brings into a component: the packages of the virtual environment, without what only builds.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::project::ProjectError;

/// Where the packages are copied, in the environment. Only they are searched for imports: what builds has native code, and is larger
/// than Python.
pub(super) const DIRECTORY: &str = "packages";

/// The distributions of an environment that only build, as their directories are named.
const TOOLS: [&str; 4] = ["componentize_py", "pip", "setuptools", "wheel"];

/// Native code, which no component can load.
const NATIVE: [&str; 4] = ["so", "pyd", "dylib", "dll"];

/// A distribution that pip has installed.
struct Distribution {
    name: String,
    version: String,
    /// As its `RECORD` names them, below `site-packages`.
    files: BTreeSet<String>,
    /// It is a link to sources that are elsewhere.
    is_editable: bool,
}

impl fmt::Display for Distribution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.name, self.version)
    }
}

/// Copies what an environment has of packages into a directory of their own, in place of what it had.
///
/// # Errors
///
/// Where one has native code, or is installed by a link to its sources.
pub(super) fn collect(environment: &Path) -> Result<(), ProjectError> {
    let installed = site_packages(environment).map_err(ProjectError::file(environment))?;
    let distributions = distributions(&installed).map_err(ProjectError::file(&installed))?;
    if let Some(linked) = distributions.iter().find(|each| each.is_editable) {
        return Err(ProjectError::EditablePackage { package: linked.to_string() });
    }
    let tools = distributions.iter().filter(|each| TOOLS.contains(&each.name.to_lowercase().as_str()));
    let tools: BTreeSet<&str> = tools.flat_map(|tool| tool.files.iter().map(|file| top(file))).collect();

    let collected = environment.join(DIRECTORY);
    if collected.exists() {
        fs::remove_dir_all(&collected).map_err(ProjectError::file(&collected))?;
    }
    fs::create_dir(&collected).map_err(ProjectError::file(&collected))?;
    for file in files(&installed).map_err(ProjectError::file(&installed))? {
        if tools.contains(top(&file)) {
            continue;
        }
        if is_native(&file) {
            let owner = distributions.iter().find(|each| each.files.contains(&file));
            let package = owner.map_or_else(|| top(&file).to_owned(), ToString::to_string);
            return Err(ProjectError::NativePackage { package, file });
        }
        let (from, to) = (installed.join(&file), collected.join(&file));
        let copy = || {
            fs::create_dir_all(to.parent().unwrap_or(&collected))?;
            fs::copy(&from, &to)
        };
        copy().map_err(ProjectError::file(&from))?;
    }
    Ok(())
}

/// The directory in which pip installs: `lib/python3.11/site-packages`, of whatever version Python is.
fn site_packages(environment: &Path) -> io::Result<PathBuf> {
    for entry in fs::read_dir(environment.join("lib"))? {
        let packages = entry?.path().join("site-packages");
        if packages.is_dir() {
            return Ok(packages);
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "it has no directory `lib/python*/site-packages`"))
}

fn distributions(installed: &Path) -> io::Result<Vec<Distribution>> {
    let mut distributions = Vec::new();
    for entry in fs::read_dir(installed)? {
        let entry = entry?;
        let directory = entry.file_name().to_string_lossy().into_owned();
        let Some((name, version)) = directory.strip_suffix(".dist-info").and_then(|name| name.split_once('-')) else {
            continue;
        };
        let record = fs::read_to_string(entry.path().join("RECORD"))?;
        // A line of CSV: the path, its digest and its size.
        let path = |line: &str| match line.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next().map(str::to_owned),
            None => line.split(',').next().map(str::to_owned),
        };
        let files = record.lines().filter_map(path).collect();
        // pip writes it for what is not from an index.
        let origin = fs::read(entry.path().join("direct_url.json")).unwrap_or_default();
        let origin: Value = serde_json::from_slice(&origin).unwrap_or_default();
        let is_editable = origin["dir_info"]["editable"] == true;
        distributions.push(Distribution { name: name.to_owned(), version: version.to_owned(), files, is_editable });
    }
    Ok(distributions)
}

/// Every file below a directory, relative to it. What Python has compiled on the way is none.
fn files(directory: &Path) -> io::Result<Vec<String>> {
    let (mut found, mut open) = (Vec::new(), vec![String::new()]);
    while let Some(within) = open.pop() {
        for entry in fs::read_dir(directory.join(&within))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if within.is_empty() { name.clone() } else { format!("{within}/{name}") };
            if !entry.file_type()?.is_dir() {
                found.push(path);
            } else if name != "__pycache__" {
                open.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The first part of a path, which no two distributions share, unless they share a namespace.
fn top(file: &str) -> &str {
    file.split('/').next().unwrap_or(file)
}

/// By the name: `x.cpython-311-x86_64-linux-gnu.so`, `libx.so.1`.
fn is_native(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split('.').skip(1).any(|part| NATIVE.contains(&part.to_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use super::*;

    /// An environment with these files, each distribution with a record of its own.
    fn environment(distributions: &[(&str, &[&str])]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let installed = directory.path().join("lib/python3.11/site-packages");
        for (distribution, files) in distributions {
            let record = format!("{distribution}.dist-info/RECORD");
            let mut lines = format!("{record},,\n");
            for file in *files {
                let path = installed.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, file).unwrap();
                lines.push_str(&format!("{file},sha256=0,1\n"));
            }
            fs::create_dir_all(installed.join(&record).parent().unwrap()).unwrap();
            fs::write(installed.join(record), lines).unwrap();
        }
        directory
    }

    const PIP: (&str, &[&str]) = ("pip-23.2", &["pip/__init__.py", "pip/launcher.so", "../../../bin/pip"]);
    const BUILDS: (&str, &[&str]) = ("componentize_py-0.25.1", &["componentize_py/componentize_py.abi3.so"]);
    const PURE: (&str, &[&str]) = ("Stations-1.0", &["stations/__init__.py", "stations/names/south.csv"]);

    #[test]
    fn packages_are_collected_with_their_data_and_without_what_builds() {
        let environment = environment(&[PIP, BUILDS, PURE]);
        let cache = environment.path().join("lib/python3.11/site-packages/stations/__pycache__");
        fs::create_dir(&cache).unwrap();
        fs::write(cache.join("__init__.cpython-311.pyc"), "").unwrap();
        collect(environment.path()).unwrap();
        let collected = || files(&environment.path().join(DIRECTORY)).unwrap();
        let expected = ["Stations-1.0.dist-info/RECORD", "stations/__init__.py", "stations/names/south.csv"];
        assert_eq!(collected(), expected);

        // What is not installed any more is in no component any more.
        fs::remove_dir_all(environment.path().join("lib/python3.11/site-packages/stations")).unwrap();
        collect(environment.path()).unwrap();
        assert_eq!(collected(), expected[..1]);
    }

    #[test]
    fn native_code_is_refused_with_the_package_that_has_it() {
        for (file, named) in [
            ("_fast.cpython-311-x86_64-linux-gnu.so", "fast 2.1"),
            ("fast.libs/libfast.so.3", "fast 2.1"),
            ("fast/a.pyd", "fast 2.1"),
        ] {
            let environment = environment(&[PIP, PURE, ("fast-2.1", &["fast/__init__.py", file])]);
            let error = collect(environment.path()).unwrap_err();
            let ProjectError::NativePackage { package, file: found } = error else { unreachable!("{error}") };
            assert_eq!((package.as_str(), found.as_str()), (named, file));
        }
        // Of a package that has no record.
        let environment = environment(&[PIP]);
        let native = environment.path().join("lib/python3.11/site-packages/old");
        fs::create_dir(&native).unwrap();
        fs::write(native.join("x.so"), "").unwrap();
        let error = collect(environment.path()).unwrap_err().to_string();
        assert!(
            error.starts_with("`old` has native code, which does not run in WebAssembly: `old/x.so`\nhint: "),
            "{error}"
        );
    }

    #[test]
    fn a_package_that_is_a_link_to_its_sources_is_refused() {
        let environment = environment(&[PIP, ("grid-0.1", &["__editable__.grid-0.1.pth"])]);
        let origin = environment.path().join("lib/python3.11/site-packages/grid-0.1.dist-info/direct_url.json");
        fs::write(origin, r#"{"dir_info": {"editable": true}, "url": "file:///work/grid"}"#).unwrap();
        let error = collect(environment.path()).unwrap_err().to_string();
        assert_eq!(
            error.split_once('\n').unwrap().0,
            "`grid 0.1` is installed as editable: its files are not in the environment"
        );
    }
}
