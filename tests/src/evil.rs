//! The converters that only tests have.

use std::path::Path;
use std::sync::LazyLock;

use converter_builder::Build;

use crate::loader::converters_directory;

/// The component that makes the attacks, built once: its dataset is `evil`.
///
/// # Panics
///
/// Where it does not compile, with the compiler's output.
pub fn evil_component() -> &'static [u8] {
    static COMPONENT: LazyLock<Vec<u8>> = LazyLock::new(|| built("evil-guests"));
    &COMPONENT
}

/// The component that shows what the loader reads, built once: its dataset is `every-column`.
///
/// # Panics
///
/// Where it does not compile, with the compiler's output.
pub fn every_column_component() -> &'static [u8] {
    static COMPONENT: LazyLock<Vec<u8>> = LazyLock::new(|| built("every-column"));
    &COMPONENT
}

/// The converter of consumption data in a component that speaks contract 0.2, built once.
///
/// # Panics
///
/// Where it does not compile, with the compiler's output.
pub fn consumption_0_2_component() -> &'static [u8] {
    static COMPONENT: LazyLock<Vec<u8>> = LazyLock::new(|| built("consumption-0-2"));
    &COMPONENT
}

/// The example of a family of tables, which speaks contract 0.2, built once: its dataset is `metrics`.
///
/// # Panics
///
/// Where it does not compile, with the compiler's output.
pub fn metrics_component() -> &'static [u8] {
    static COMPONENT: LazyLock<Vec<u8>> = LazyLock::new(|| built("../guest-converters/examples/metrics-rust"));
    &COMPONENT
}

/// The example of nested columns, which speaks contract 0.2, built once: its dataset is `stations`.
///
/// # Panics
///
/// Where it does not compile, with the compiler's output.
pub fn stations_component() -> &'static [u8] {
    static COMPONENT: LazyLock<Vec<u8>> = LazyLock::new(|| built("../guest-converters/examples/stations-rust"));
    &COMPONENT
}

fn built(package: &str) -> Vec<u8> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join(package);
    let mut components = Build::new(package, converters_directory()).workspace_profile().locked().run().unwrap();
    components.pop().unwrap().bytes
}
