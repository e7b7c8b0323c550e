//! The converters that only tests have.

use std::path::Path;
use std::sync::LazyLock;

use converter_builder::Build;

use crate::loader::converters_directory;

/// The component that makes the attacks, built once: its dataset is `evil`.
///
/// # Panics
///
/// Where it does not compile, with what the compiler says.
pub fn evil_component() -> &'static [u8] {
    static COMPONENT: LazyLock<Vec<u8>> = LazyLock::new(|| built("evil-guests"));
    &COMPONENT
}

/// The component that shows what the loader reads, built once: its dataset is `every-column`.
///
/// # Panics
///
/// Where it does not compile, with what the compiler says.
pub fn every_column_component() -> &'static [u8] {
    static COMPONENT: LazyLock<Vec<u8>> = LazyLock::new(|| built("every-column"));
    &COMPONENT
}

fn built(package: &str) -> Vec<u8> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join(package);
    let mut components = Build::new(package, converters_directory()).workspace_profile().locked().run().unwrap();
    components.pop().unwrap().bytes
}
