//! Components whose attack comes before `prepare`, made of WebAssembly text.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const CONTRACT: &str = include_str!("../../../wit/converter.wit");

/// Where the description stands in memory: name, version, dataset and summary, each an address and a length.
const DESCRIPTION: &str = r#"
    (data (i32.const 64) "evil6.6.6")
    (data (i32.const 0) "\40\00\00\00\04\00\00\00\44\00\00\00\05\00\00\00\40\00\00\00\04\00\00\00\40\00\00\00\04\00\00\00")"#;

/// A converter of which only `describe` works, after it has done `describe`.
pub(super) struct Module {
    /// The version of the contract that it is made for.
    pub(super) contract: &'static str,
    /// More of the world than converters have, in WIT.
    pub(super) world: &'static str,
    /// More items of the module.
    pub(super) items: &'static str,
    /// The memory at the start, in pages of 64 KiB.
    pub(super) pages: u32,
    /// What `describe` does before it answers.
    pub(super) describe: &'static str,
}

impl Default for Module {
    fn default() -> Self {
        Self { contract: "0.1.0", world: "", items: "", pages: 1, describe: "" }
    }
}

impl Module {
    pub(super) fn component(&self) -> Vec<u8> {
        let Self { contract, world, items, pages, describe } = self;
        let interface = format!("influxdb-loader:converter/converter@{contract}");
        let text = format!(
            "(module
              {items}
              (memory (export \"memory\") {pages})
              {DESCRIPTION}
              (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) unreachable)
              (func (export \"{interface}#describe\") (result i32) {describe} (i32.const 0))
              (func (export \"{interface}#prepare\") (param i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
              (func (export \"{interface}#translate\") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
              (func (export \"{interface}#convert\") (param i32 i32 i32) (result i32) unreachable))"
        );
        let mut module = wat::parse_str(text).unwrap();
        let mut resolve = Resolve::default();
        let wit = CONTRACT.replace("converter@0.1.0", &format!("converter@{contract}"));
        resolve.push_str("converter.wit", &wit).unwrap();
        let wit = format!(
            "package evil:module; world evil {{ include influxdb-loader:converter/converter-world@{contract}; {world} }}"
        );
        let package = resolve.push_str("evil.wit", &wit).unwrap();
        let world = resolve.select_world(&[package], Some("evil")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
    }
}
