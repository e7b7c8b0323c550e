//! The bindings in the SDK are what `wit-bindgen` makes of the contracts.
//!
//! `UPDATE_BINDINGS=1 cargo test --release --workspace --test bindings` writes them anew.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::{env, fs};

use wit_bindgen_core::{Files, WorldGenerator};
use wit_parser::Resolve;

const UPDATE: &str = "UPDATE_BINDINGS=1 cargo test --release --workspace --test bindings";

fn generate(contract: &Path, module: &str) -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(contract).unwrap();
    let world = resolve.select_world(&[package], Some("converter-world")).unwrap();
    let options = wit_bindgen_rust::Opts {
        format: true,
        pub_export_macro: true,
        default_bindings_module: Some(format!("converter_sdk::{module}")),
        runtime_path: Some("converter_sdk::wit_bindgen::rt".to_owned()),
        additional_derive_attributes: vec!["PartialEq".to_owned()],
        ..Default::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files).unwrap();
    let (_, text) = files.iter().next().unwrap();
    // A crate exports each macro once, and both contracts have a world of the same name.
    let export = format!("__export_{module}_impl");
    String::from_utf8(text.to_vec()).unwrap().replace("__export_converter_world_impl", &export)
}

#[test]
fn the_sdk_has_the_bindings_that_wit_bindgen_makes_of_both_contracts() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let contracts = [("wit", "bindings", "generated.rs"), ("wit/0.2", "bindings_0_2", "generated_0_2.rs")];
    for (contract, module, file) in contracts {
        let path = workspace.join("guest-converters/sdk/src").join(file);
        let generated = generate(&workspace.join(contract), module);
        if env::var_os("UPDATE_BINDINGS").is_some() {
            fs::write(&path, &generated).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap();
        assert!(found == generated, "{} is out of date\nhint: {UPDATE}", path.display());
    }
}
