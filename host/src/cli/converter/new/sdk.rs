//! What a project needs of this repository, carried in the loader: the contract and the two SDKs. None of it is in a
//! registry, so that a project has a copy, fits the loader that made it, and builds anywhere.

use crate::converter::Contract;

/// A file of a project: its path and what is in it.
pub(super) type File = (&'static str, &'static str);

macro_rules! copies {
    ($($path:literal from $source:literal),* $(,)?) => {
        [$(($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../", $source)))),*]
    };
}

/// What projects in all languages have: the contract that they speak.
pub(super) fn contract(contract: Contract) -> File {
    let [first, second] = copies![
        "wit/converter.wit" from "wit/converter.wit",
        "wit/converter.wit" from "wit/0.2/converter.wit",
    ];
    match contract {
        Contract::V0_1 => first,
        Contract::V0_2 => second,
    }
}

/// The SDK of Rust, as a package that stands at the same distance from `wit/` as in this repository.
pub(super) const RUST: [File; 19] = copies![
    "vendor/converter-sdk/Cargo.toml" from "host/src/cli/converter/new/templates/sdk.toml",
    "vendor/converter-sdk/src/bindings.rs" from "guest-converters/sdk/src/bindings.rs",
    "vendor/converter-sdk/src/bindings_0_2.rs" from "guest-converters/sdk/src/bindings_0_2.rs",
    "vendor/converter-sdk/src/column.rs" from "guest-converters/sdk/src/column.rs",
    "vendor/converter-sdk/src/crossing.rs" from "guest-converters/sdk/src/crossing.rs",
    "vendor/converter-sdk/src/export.rs" from "guest-converters/sdk/src/export.rs",
    "vendor/converter-sdk/src/generated.rs" from "guest-converters/sdk/src/generated.rs",
    "vendor/converter-sdk/src/generated_0_2.rs" from "guest-converters/sdk/src/generated_0_2.rs",
    "vendor/converter-sdk/src/lib.rs" from "guest-converters/sdk/src/lib.rs",
    "vendor/converter-sdk/src/log.rs" from "guest-converters/sdk/src/log.rs",
    "vendor/converter-sdk/src/mapping.rs" from "guest-converters/sdk/src/mapping.rs",
    "vendor/converter-sdk/src/parse.rs" from "guest-converters/sdk/src/parse.rs",
    "vendor/converter-sdk/src/plan.rs" from "guest-converters/sdk/src/plan.rs",
    "vendor/converter-sdk/src/plan_tests.rs" from "guest-converters/sdk/src/plan_tests.rs",
    "vendor/converter-sdk/src/point.rs" from "guest-converters/sdk/src/point.rs",
    "vendor/converter-sdk/src/strings.rs" from "guest-converters/sdk/src/strings.rs",
    "vendor/converter-sdk/src/testing.rs" from "guest-converters/sdk/src/testing.rs",
    "vendor/converter-sdk/src/testing_tests.rs" from "guest-converters/sdk/src/testing_tests.rs",
    "vendor/converter-sdk/src/types.rs" from "guest-converters/sdk/src/types.rs",
];

/// The SDK of Python.
pub(super) const PYTHON: [File; 3] = copies![
    "vendor/converter_sdk.py" from "guest-converters/python-sdk/converter_sdk.py",
    "vendor/converter_sdk_columns.py" from "guest-converters/python-sdk/converter_sdk_columns.py",
    "vendor/converter_sdk_points.py" from "guest-converters/python-sdk/converter_sdk_points.py",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn workspace() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    #[test]
    fn every_source_of_the_sdks_is_carried() {
        let manifest = "vendor/converter-sdk/Cargo.toml";
        for (directory, place, files, others) in [
            ("sdk/src", "vendor/converter-sdk/src", &RUST[..], &[manifest][..]),
            ("python-sdk", "vendor", &PYTHON[..], &[][..]),
        ] {
            let sources = fs::read_dir(workspace().join("guest-converters").join(directory)).unwrap();
            let names = sources.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            // Python leaves it where a module was imported.
            let names = names.filter(|name| name != "__pycache__").map(|name| format!("{place}/{name}"));
            let expected: BTreeSet<_> = names.chain(others.iter().map(|&path| path.to_owned())).collect();
            assert_eq!(files.iter().map(|(path, _)| (*path).to_owned()).collect::<BTreeSet<_>>(), expected);
        }
    }

    #[test]
    fn the_sdk_of_a_project_has_the_same_dependencies_as_here() {
        let (_, manifest) = RUST[0];
        let here = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
        let sdk = fs::read_to_string(workspace().join("guest-converters/sdk/Cargo.toml")).unwrap();
        let dependencies = sdk.split("[dependencies]\n").nth(1).unwrap().split("\n\n").next().unwrap();
        let names = dependencies.lines().map(|line| line.strip_suffix(".workspace = true").unwrap());
        let mut lines: Vec<_> =
            names.map(|name| here.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap()).collect();
        let of_packages = ["version", "edition"].map(|key| format!("{key} = "));
        lines.extend(here.lines().filter(|line| of_packages.iter().any(|key| line.starts_with(key))));
        lines.extend(sdk.lines().filter(|line| line.starts_with("rust-version = ")));
        assert_eq!(lines.len(), 5, "{lines:?}");
        for line in lines {
            assert!(manifest.lines().any(|each| each == line), "{line}");
        }
    }
}
