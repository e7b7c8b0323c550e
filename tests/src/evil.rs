//! The converter that attacks the loader.

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
    static COMPONENT: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("evil-guests");
        let mut components = Build::new(package, converters_directory()).workspace_profile().locked().run().unwrap();
        components.pop().unwrap().bytes
    });
    &COMPONENT
}
