//! What a component asks for and offers.

use wit_component::DecodedWasm;

/// The names of a component's interfaces, with their versions, such as `influxdb-loader:converter/host@0.1.0`; in the
/// component's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// What it asks for.
    pub imports: Vec<String>,
    /// What it offers.
    pub exports: Vec<String>,
}

/// Why there are no interfaces to read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the component's interfaces")]
pub struct InterfacesError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Interfaces {
    /// Reads them from the component's bytes, without compiling it. A core module has none.
    ///
    /// # Errors
    ///
    /// When the bytes are not WebAssembly.
    pub fn of(component: &[u8]) -> Result<Self, InterfacesError> {
        let decoded = wit_component::decode(component).map_err(|error| InterfacesError(error.into()))?;
        let DecodedWasm::Component(resolve, world) = decoded else { return Ok(Self::default()) };
        let world = &resolve.worlds[world];
        Ok(Self {
            imports: world.imports.keys().map(|key| resolve.name_world_key(key)).collect(),
            exports: world.exports.keys().map(|key| resolve.name_world_key(key)).collect(),
        })
    }
}
