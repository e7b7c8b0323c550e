//! The contract as `wit-bindgen` writes it in Rust, undecorated.
//!
//! A converter that needs none of this crate's comfort implements
//! [`Guest`](exports::influxdb_loader::converter::converter::Guest) and exports itself by [`export!`].
#![allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, reason = "generated")]

wit_bindgen::generate!({
    path: "../../wit",
    world: "converter-world",
    pub_export_macro: true,
    default_bindings_module: "converter_sdk::bindings",
    runtime_path: "converter_sdk::wit_bindgen::rt",
    additional_derives: [PartialEq],
});
