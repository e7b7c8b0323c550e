//! What the contracts in `wit/` are in Rust. Nothing of this leaves the module: answers become [`super::Plan`] and
//! [`super::Converted`] when they have been checked.

#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]

/// `wit/converter.wit`.
pub mod v0_1 {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "converter-world",
        // Columns are lowered from Arrow's own buffers, without a copy in between.
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// `wit/0.2/converter.wit`.
pub mod v0_2 {
    wasmtime::component::bindgen!({
        path: "../wit/0.2",
        world: "converter-world",
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}
