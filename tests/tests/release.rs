//! What a release holds, packed from the programs under test by scripts/release.py.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use influxdb_loader_tests::{Settings, loader_program, python};
use serde_json::Value;
use tempfile::TempDir;

/// Packs a release for this machine's processor.
fn pack() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let (programs, output) = (directory.path().join("programs"), directory.path().join("release"));
    fs::create_dir(&programs).unwrap();
    let program = programs.join("influxdb-loader");
    let stripped = Command::new("strip").arg("-o").arg(&program).arg(loader_program()).status();
    assert!(stripped.unwrap().success(), "`strip` comes with the linker that Rust needs");
    fs::write(programs.join("lambda.zip"), "the zip that scripts/lambda.sh makes").unwrap();
    let mut places = ["-", "-"];
    places[usize::from(cfg!(target_arch = "aarch64"))] = programs.to_str().unwrap();
    let mut settings = Settings::default().with("SOURCE_DATE_EPOCH", "1700000000");
    for name in ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
        if let Ok(value) = std::env::var(name) {
            settings = settings.with(name, value);
        }
    }
    let arguments = ["scripts/release.py", output.to_str().unwrap(), places[0], places[1]];
    let printed = python(arguments, &settings).succeeded().stdout;
    let names: Vec<_> = printed.lines().collect();
    assert_eq!(names.len(), 7, "{printed}");
    (directory, output)
}

fn named(output: &Path, part: &str) -> PathBuf {
    let files = fs::read_dir(output).unwrap().map(|file| file.unwrap().path());
    files.into_iter().find(|path| path.to_str().unwrap().contains(part)).unwrap_or_else(|| panic!("{part}"))
}

/// Runs a program with this `PATH` alone, and returns what it prints.
fn run(program: &Path, arguments: &[&str], path: &str, within: &Path) -> String {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", path).env("HOME", within).current_dir(within);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{program:?} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_release_installs_without_rust_and_holds_what_it_says() {
    let (directory, output) = pack();
    installs_and_shows_the_sample(directory.path(), &output);
    has_packages(&output);
    has_a_template_without_a_build(&output);
    has_an_sbom(&output);
    let checked = run(Path::new("/usr/bin/sha256sum"), &["--check", "SHA256SUMS"], "/usr/bin:/bin", &output);
    assert_eq!(checked.lines().filter(|line| line.ends_with(": OK")).count(), 6, "{checked}");
}

/// What somebody does who has Python and no Rust. A minute of processor time is the bound of each step.
fn installs_and_shows_the_sample(within: &Path, output: &Path) {
    let environment = within.join("environment");
    python(["-m", "venv", environment.to_str().unwrap()], &Settings::default()).succeeded();
    let (bin, wheel) = (environment.join("bin"), named(output, ".whl"));
    let bounded = |program: &str, arguments: &[&str]| {
        let program = bin.join(program);
        let script = ["-c", "ulimit -t 60 && exec \"$0\" \"$@\"", program.to_str().unwrap()];
        run(Path::new("/bin/sh"), &[&script, arguments].concat(), bin.to_str().unwrap(), within)
    };
    bounded("pip", &["install", "--no-index", wheel.to_str().unwrap()]);
    let printed = bounded("influxdb-loader", &["demo"]);
    assert!(printed.contains("75,440") && printed.contains("invalid-timestamp: 13 rows"), "{printed}");
    assert_eq!(fs::read_to_string(within.join("influxdb-loader-demo/points.lp")).unwrap().lines().count(), 75_440);
    let version = bounded("influxdb-loader", &["--version"]).trim().replace("influxdb-loader ", "influxdb_loader-");
    assert!(wheel.to_str().unwrap().contains(&version), "{version}");
}

fn has_packages(output: &Path) {
    let deb = run(
        Path::new("/usr/bin/dpkg-deb"),
        &["--contents", named(output, ".deb").to_str().unwrap()],
        "/usr/bin:/bin",
        output,
    );
    for name in
        ["./usr/bin/influxdb-loader\n", "man1/influxdb-loader-load.1.gz", "bash-completion/completions/influxdb-loader"]
    {
        assert!(deb.contains(name), "{deb}");
    }
    let package = named(output, ".deb");
    let maintainer = ["--field", package.to_str().unwrap(), "Maintainer"];
    let maintainer = run(Path::new("/usr/bin/dpkg-deb"), &maintainer, "/usr/bin:/bin", output);
    let license = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../LICENSE")).unwrap();
    assert!(license.contains(&format!("Copyright (c) 2026 {maintainer}")), "{maintainer}");
    let archive = named(output, ".tar.gz");
    let listed = run(Path::new("/usr/bin/tar"), &["-tvf", archive.to_str().unwrap()], "/usr/bin:/bin", output);
    assert!(listed.contains("-rwxr-xr-x") && listed.contains("/LICENSE"), "{listed}");
}

/// The template deploys a zip of a bucket, and needs no other file.
fn has_a_template_without_a_build(output: &Path) {
    let script = "import sys; sys.path.insert(0, 'tests'); import json, stacks; from samtranslator.translator.translator import Translator; \
         template = json.loads(json.dumps(stacks.cfn_yaml.load(sys.argv[1]))); \
         values = stacks.parameters(template, {'CodeBucket': 'releases'}); \
         made = Translator({}, stacks.Parser(), boto_session=stacks.boto3.Session(region_name='us-east-1')).translate(template, values); \
         print(json.dumps([made['Resources'][name]['Properties'] for name in ['Function', 'Backfill']]))";
    let template = named(output, "template.yaml");
    let version = env!("CARGO_PKG_VERSION");
    let key = format!("influxdb-loader-lambda-{version}-arm64.zip");
    let made = python(["-c", script, template.to_str().unwrap()], &Settings::default()).succeeded().json();
    assert_eq!(made[0]["Code"], serde_json::json!({"S3Bucket": "releases", "S3Key": key}));
    assert!(made[1].get("DefinitionString").is_some() && made[1].get("DefinitionS3Location").is_none(), "{}", made[1]);
    assert!(!fs::read_to_string(&template).unwrap().contains("BuildMethod"));
}

fn has_an_sbom(output: &Path) {
    let sbom: Value = serde_json::from_slice(&fs::read(named(output, ".cdx.json")).unwrap()).unwrap();
    let components = sbom["components"].as_array().unwrap();
    let names: BTreeSet<_> = components.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert!(names.len() > 200 && names.contains("wasmtime") && names.contains("rustls"), "{names:?}");
    assert!(
        !names.contains("proptest") && !names.contains("criterion"),
        "dependencies of tests are not in the programs"
    );
    let known: BTreeSet<_> =
        components.iter().chain([&sbom["metadata"]["component"]]).map(|it| it["bom-ref"].as_str()).collect();
    for component in components.iter().filter(|it| it.get("purl").is_some()) {
        assert!(component.get("licenses").is_some() && component.get("hashes").is_some(), "{component}");
    }
    for edge in sbom["dependencies"].as_array().unwrap().iter().flat_map(|it| it["dependsOn"].as_array().unwrap()) {
        assert!(known.contains(&edge.as_str()), "{edge}");
    }
}
