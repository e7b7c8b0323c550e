//! What `wit/converter.wit` is in Rust. Nothing of this leaves the module: answers become [`super::Plan`] and
//! [`super::Converted`] when they have been checked.

#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "converter-world",
    // Columns are lowered from Arrow's own buffers, without a copy in between.
    ownership: Borrowing { duplicate_if_necessary: true },
});
