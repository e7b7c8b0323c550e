//! The workbench `converter dev`, running, and a browser that works with it.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::loader::{Settings, command, converters_directory, loader_program};
use crate::process::{Process, run};
use crate::programs::{Program, program, workspace};
use crate::projects::npm_packages;

/// How long a browser may work, with several builds of a project on a busy machine.
const BROWSER_LIMIT: Duration = Duration::from_secs(1800);

/// A running workbench. Ends with the value.
#[derive(Debug)]
pub struct Workbench {
    process: Process,
}

impl Workbench {
    /// Starts it for a project, in the user's home, where cargo's settings and caches are.
    pub fn start(project: &Path, settings: &Settings, arguments: &[&str]) -> Self {
        let mut settings = settings.clone();
        for name in ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO", "RUSTC"] {
            if let Ok(value) = env::var(name) {
                settings = settings.with(name, value);
            }
        }
        let settings = settings.with("CARGO_TARGET_DIR", converters_directory().to_str().unwrap());
        let mut process = Process::start("workbench", |_| {
            let mut command = command(&loader_program(), &settings);
            command.args(["converter", "dev", "--json"]).arg(project).args(arguments);
            command
        });
        process.wait_for_log("\"url\":");
        Self { process }
    }

    /// The address of its page.
    pub fn url(&self) -> String {
        let log = self.process.log();
        let line = log.lines().find(|line| line.contains("\"url\":")).unwrap();
        serde_json::from_str::<Value>(line).unwrap()["url"].as_str().unwrap().to_owned()
    }

    /// The port that it listens at, and the path of its page.
    pub fn place(&self) -> (u16, String) {
        let url = self.url();
        let (port, path) = url.strip_prefix("http://127.0.0.1:").unwrap().split_once('/').unwrap();
        (port.parse().unwrap(), format!("/{path}"))
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) {
        self.process.stop();
    }
}

/// Runs a script of `tests/browser` in Node.js, with what it needs to start a browser among its facts. Returns what it prints.
pub fn browse(script: &str, mut facts: Value) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let playwright = npm_packages().join("playwright-core");
    facts["playwright"] = playwright.to_str().into();
    facts["chromium"] = program(Program::Chromium).to_str().into();
    let pictures = env::var_os("UPDATE_PICTURES").map(|_| workspace().join("docs"));
    facts["pictures"] = pictures.as_deref().and_then(Path::to_str).into();
    let file: PathBuf = directory.path().join("facts.json");
    std::fs::write(&file, facts.to_string()).unwrap();
    // The browser keeps its profile there, and nothing of it stays.
    let settings = Settings::default().with("HOME", directory.path().to_str().unwrap());
    let mut node = command(Path::new("node"), &settings);
    node.arg(workspace().join("tests/browser").join(script)).arg(file);
    run(node.current_dir(workspace()), BROWSER_LIMIT).succeeded().json()
}
