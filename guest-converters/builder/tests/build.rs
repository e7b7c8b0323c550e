//! Real builds, with the toolchain that there is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure is a test's to report")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use converter_builder::{Build, BuildError, Component};
use tempfile::TempDir;

const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sdk");
const GENERATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../generation");
const LOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");

/// Where the workspace's own converters are built too, so that the standard library is built once.
fn target_directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("converters")
}

/// A package of its own, outside of any workspace.
fn package(name: &str, manifest: &str, files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let package = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n");
    fs::write(directory.path().join("Cargo.toml"), package + manifest).unwrap();
    // The versions that the workspace has locked: a build must not depend on what the registry has today.
    fs::copy(LOCK, directory.path().join("Cargo.lock")).unwrap();
    for (path, text) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn build(package: &Path) -> Result<Vec<Component>, BuildError> {
    Build::new(package, target_directory()).run()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

const CONVERTER: &str = r#"
    use converter_sdk::{ColumnType, Converter, Description, Input, Mapping, PlanBuilder, Point, Problem};

    struct Minimal;

    impl Converter for Minimal {
        fn describe() -> Description {
            let [name, version, dataset, summary] = ["minimal", "1.0.0", "minimal", ""].map(str::to_owned);
            Description { name, version, dataset, summary }
        }

        fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
            let mut plan = PlanBuilder::new(input);
            let mut point = Point::new("minimal", plan.required("time", &[ColumnType::Timestamp]));
            point.field("value", plan.required("value", &[ColumnType::Float]));
            plan.finish([point])
        }
    }

    converter_sdk::export!(Minimal);
"#;

#[test]
fn a_package_outside_of_any_workspace_becomes_a_component() {
    let manifest = format!("[lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\nconverter-sdk = {{ path = {SDK:?} }}\n");
    let package = package("minimal", &manifest, &[("src/lib.rs", CONVERTER)]);
    let components = build(package.path()).unwrap();
    let [Component { name, bytes, path }] = &components[..] else { panic!("one component: {components:?}") };
    assert_eq!(name, "minimal");
    assert!(bytes.starts_with(b"\0asm\x0d\0\x01\0"), "the preamble of a component");
    assert_eq!(&fs::read(path).unwrap(), bytes);
    assert!(bytes.len() < 128 * 1024, "{} bytes", bytes.len());
}

#[test]
fn examples_become_a_component_each() {
    let manifest = format!(
        "[dev-dependencies]\nconverter-sdk = {{ path = {SDK:?} }}\n\
         [[example]]\nname = \"first\"\ncrate-type = [\"cdylib\"]\n\
         [[example]]\nname = \"second\"\ncrate-type = [\"cdylib\"]\n"
    );
    let files = [("src/lib.rs", ""), ("examples/first.rs", CONVERTER), ("examples/second.rs", CONVERTER)];
    let package = package("several", &manifest, &files);
    let components = Build::new(package.path(), target_directory()).examples().run().unwrap();
    let mut names: Vec<_> = components.iter().map(|component| &component.name[..]).collect();
    names.sort_unstable();
    assert_eq!(names, ["first", "second"]);
}

#[test]
fn functions_keep_their_names_and_the_machine_stays_unnamed() {
    let build = Build::new(GENERATION, target_directory()).workspace_profile().locked();
    let bytes = &build.run().unwrap()[0].bytes;
    assert!(contains(bytes, "Dataset7prepare"), "a name of the code's own");
    let home = std::env::home_dir().unwrap();
    for directory in [&home.join(".cargo").display().to_string(), env!("CARGO_MANIFEST_DIR"), "/usr/lib/rustlib"] {
        assert!(!contains(bytes, directory), "{directory}");
    }
}

#[test]
fn builds_at_the_same_time_give_the_same() {
    let run = || Build::new(GENERATION, target_directory()).workspace_profile().locked().run().unwrap().remove(0).bytes;
    let builds = [thread::spawn(run), thread::spawn(run), thread::spawn(run)];
    let [first, second, third] = builds.map(|build| build.join().unwrap());
    assert!(first == second && second == third);
}

#[test]
fn packages_of_one_name_are_built_from_their_own_files_however_old_those_are() {
    let manifest = format!("[lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\nconverter-sdk = {{ path = {SDK:?} }}\n");
    let build_of = |summary: &str, written: Option<SystemTime>| {
        let source = CONVERTER.replace("\"\"]", &format!("\"{summary}\"]"));
        let package = package("twin", &manifest, &[("src/lib.rs", &source)]);
        let files = ["Cargo.toml", "Cargo.lock", "src/lib.rs"].map(|path| package.path().join(path));
        for file in files.iter().take_while(|_| written.is_some()) {
            File::options().append(true).open(file).unwrap().set_modified(written.unwrap()).unwrap();
        }
        let bytes = build(package.path()).unwrap().remove(0).bytes;
        assert!(contains(&bytes, summary), "it is another package's component");
    };
    build_of("the younger of both", None);
    build_of("the elder of both", Some(SystemTime::now() - Duration::from_secs(30 * 24 * 60 * 60)));
}

#[test]
fn what_does_not_compile_fails_in_the_compilers_words() {
    let manifest = "[lib]\ncrate-type = [\"cdylib\"]\n";
    let package = package("broken", manifest, &[("src/lib.rs", "pub fn broken() -> u32 { \"no\" }")]);
    let error = build(package.path()).unwrap_err();
    assert!(matches!(&error, BuildError::Cargo { stderr, .. } if stderr.contains("error[E0308]: mismatched types")));
    assert!(error.to_string().starts_with("cannot build `"), "{error}");
}

#[test]
fn a_library_that_is_no_module_fails_with_a_hint() {
    let package = package("rlib", "", &[("src/lib.rs", "")]);
    let error = build(package.path()).unwrap_err();
    assert!(matches!(error, BuildError::NoModule { .. }), "{error}");
    assert!(error.to_string().contains("hint: it needs `crate-type = [\"cdylib\"]`"), "{error}");
}

#[test]
fn a_module_that_is_no_converter_fails_with_a_hint() {
    let package = package("idle", "[lib]\ncrate-type = [\"cdylib\"]\n", &[("src/lib.rs", "")]);
    let error = build(package.path()).unwrap_err();
    assert!(matches!(error, BuildError::NotAConverter { .. }), "{error}");
    assert!(error.to_string().contains("hint: a converter exports itself by `converter_sdk::export!`"), "{error}");
}

#[test]
fn a_package_that_is_not_there_is_named() {
    let error = build(Path::new("/nowhere/converter")).unwrap_err();
    assert_eq!(error.to_string(), "cannot access `/nowhere/converter`");
}
