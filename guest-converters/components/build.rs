//! Builds the converters.
#![expect(clippy::print_stderr, reason = "how a build script speaks to cargo")]

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use converter_builder::{Build, target_directory};

const CONVERTERS: [&str; 4] = ["generation", "consumption", "transmission", "timestream"];

/// What goes into the converters, seen from this directory. The builder itself is a dependency, which cargo knows.
const INPUTS: [&str; 5] = ["../../wit", "../../Cargo.toml", "../../Cargo.lock", "../sdk", "../energy"];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Cargo shows what a failed build script wrote to standard error, as it was written.
            let causes = std::iter::successors(Some(&*error as &dyn Error), |error| (*error).source());
            causes.for_each(|cause| eprintln!("{cause}"));
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), Box<dyn Error>> {
    for input in INPUTS {
        println!("cargo::rerun-if-changed={input}");
    }
    let out = env::var_os("OUT_DIR").ok_or("cargo sets `OUT_DIR` for build scripts")?;
    for name in CONVERTERS {
        let package = Path::new("..").join(name);
        // Not its golden pairs, which go into no component.
        for part in ["Cargo.toml", "src"] {
            println!("cargo::rerun-if-changed={}", package.join(part).display());
        }
        let components = Build::new(package, target_directory()?).workspace_profile().locked().run()?;
        let [component] = &components[..] else { return Err(format!("`{name}` must give one component").into()) };
        fs::write(Path::new(&out).join(name).with_extension("wasm"), &component.bytes)?;
    }
    Ok(())
}
