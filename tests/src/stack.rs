//! A stack of `template.yaml` in moto, and the command line of AWS as an operator uses it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::loader::{Settings, command, shell};
use crate::process::{Outcome, Process};
use crate::programs::{Program, program};
use crate::{Function, Moto};

/// What version 2 of the command line wants for a payload as it is written. Version 1, which PyPI has, takes nothing else, and
/// does not know the option.
const ONLY_IN_VERSION_2: &str = "--cli-binary-format raw-in-base64-out ";

/// The stack, made by moto's CloudFormation. Its state machine is executed against the function that [`Stack::run`] is given.
#[derive(Debug)]
pub struct Stack {
    /// Where it is.
    pub moto: Moto,
    /// By name.
    pub outputs: BTreeMap<String, String>,
    /// What the template sets in the environment of the function.
    pub variables: Settings,
    _maps: Process,
    directory: TempDir,
}

impl Stack {
    /// Creates it with parameters such as `DataBucket=energy`. The bucket has to be there.
    pub fn create(moto: Moto, parameters: &[&str]) -> Self {
        let settings = moto.settings().with("AWS_DEFAULT_REGION", "us-east-1");
        let output = tempfile::NamedTempFile::new().unwrap();
        let maps = Process::start("deploy", |_| {
            let mut command = command(&program(Program::Python), &settings);
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy.py");
            command.arg(script).arg(output.path()).args(parameters);
            command
        })
        .wait_until(|| fs::read(output.path()).unwrap().ends_with(b"\n"));
        let told: Value = serde_json::from_slice(&fs::read(output.path()).unwrap()).unwrap();
        let texts = |name: &str| -> BTreeMap<String, String> { serde_json::from_value(told[name].clone()).unwrap() };
        let variables =
            texts("variables").into_iter().fold(Settings::default(), |all, (name, value)| all.with(&name, value));
        let directory = tempfile::tempdir().unwrap();
        let aws = directory.path().join("aws");
        let python = program(Program::Python);
        // Of the environment, version 1 takes no endpoint for SQS.
        let script = format!("exec {} -m awscli --endpoint-url {} \"$@\"", python.display(), moto.url());
        fs::write(&aws, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&aws, fs::Permissions::from_mode(0o755)).unwrap();
        Self { moto, outputs: texts("outputs"), variables, _maps: maps, directory }
    }

    /// Has invocations of the stack's function go to this one.
    pub fn run(&self, function: &Function) {
        self.moto.run_function(&self.outputs["Function"], &function.url());
    }

    /// The command of a document with the stack's names in place of those in capitals, which are names of outputs.
    pub fn fill_in(&self, line: &str) -> String {
        let in_capitals = |name: &str| {
            let words = name.char_indices().map(|(place, letter)| {
                let dash = if place > 0 && letter.is_uppercase() { "-" } else { "" };
                format!("{dash}{}", letter.to_ascii_uppercase())
            });
            words.collect::<String>()
        };
        let mut names: Vec<_> = self.outputs.iter().map(|(name, value)| (in_capitals(name), value)).collect();
        // `QUEUE-ARN` before `QUEUE`.
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let mut rest = line;
        let mut filled = String::new();
        while let Some(letter) = rest.chars().next() {
            if let Some((name, value)) = names.iter().find(|(name, _)| rest.starts_with(name.as_str())) {
                filled.push_str(value);
                rest = &rest[name.len()..];
            } else {
                filled.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
        filled
    }

    /// Runs a line of a shell that may use `aws` and `influxdb-loader`, with these settings besides.
    pub fn shell(&self, line: &str, settings: Settings) -> Outcome {
        let own = self.moto.settings().with("AWS_DEFAULT_REGION", "us-east-1");
        let line = line.replace(ONLY_IN_VERSION_2, "");
        let line = format!("PATH={}:$PATH; {line}", self.directory.path().display());
        shell(&line, self.directory.path(), &own.and(settings))
    }

    /// A file that commands have left, or read.
    pub fn file(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }
}
