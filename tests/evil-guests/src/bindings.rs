//! The contract and WASI, as `wit-bindgen` writes them.
#![allow(missing_docs, unsafe_code, unreachable_pub, dead_code, clippy::all, clippy::pedantic, reason = "generated")]

wit_bindgen_rust_macro::generate!({
    path: ["../../wit", "wit"],
    world: "evil:guest/evil",
    generate_all,
});
