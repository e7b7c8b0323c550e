//! Projects of converters: the examples, and what their components make of files.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::data::{CONSUMPTION_POINTS, CONSUMPTION_ROWS, consumption_file, raw_file};
use crate::loader::Loader;
use crate::programs::{tools_directory, workspace};

/// A copy of an example's project, so that nothing is built in the repository.
pub fn example(name: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    copy(&workspace().join("guest-converters/examples").join(name), directory.path());
    directory
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if [".venv", "__pycache__", "node_modules"].iter().any(|built| entry.file_name() == *built) {
            continue;
        }
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// The packages of `tests/npm`.
pub fn npm_packages() -> PathBuf {
    let packages = tools_directory().join("npm/node_modules");
    assert!(packages.is_dir(), "`{}` is not installed\nhint: run `make test-tools`", packages.display());
    packages
}

/// Builds a project with the loader. Returns its component.
pub fn build(project: &Path) -> PathBuf {
    Loader::new(["converter", "build"]).argument(project).build().succeeded();
    project.join("converter.wasm")
}

/// Loads a file into a file of line protocol: the lines in order, and the report.
pub fn load(file: &Path, converter: Option<&Path>) -> (Vec<String>, Value) {
    let directory = tempfile::tempdir().unwrap();
    let points = directory.path().join("points.lp");
    let mut loader = Loader::new(["load", file.to_str().unwrap(), "--json", "--to", points.to_str().unwrap()]);
    if let Some(converter) = converter {
        loader = loader.argument("--converter").argument(converter);
    }
    let report = serde_json::from_str(&loader.run().succeeded().stdout).unwrap();
    (fs::read_to_string(points).unwrap().lines().map(str::to_owned).collect(), report)
}

/// Holds an example's points against those that the consumption converter makes of the same data, cleaned.
pub fn gives_the_points_of_the_cleaned_file(component: &Path) {
    let (mut expected, cleaned) = load(&consumption_file(), None);
    let (mut lines, raw) = load(&raw_file(), Some(component));
    expected.sort();
    lines.sort();
    assert_eq!(lines.len() as u64, CONSUMPTION_POINTS);
    assert!(lines == expected, "the points differ");
    // 9 hours are ambiguous and 4 do not exist. Those 4 are also the 4 rows that have no value.
    let rejected = |report: &Value| report["objects"][0]["accounts"]["rejected"].clone();
    assert_eq!(rejected(&raw), rejected(&cleaned), "{raw}");
    assert_eq!(rejected(&raw)["invalid-timestamp"], CONSUMPTION_ROWS - CONSUMPTION_POINTS);
}
