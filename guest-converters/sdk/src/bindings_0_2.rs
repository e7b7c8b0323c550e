//! Contract 0.2 as `wit-bindgen` writes it in Rust, undecorated; see [`crate::bindings`].

pub use crate::generated_0_2::*;
