//! Contract 0.1 as `wit-bindgen` writes it in Rust, undecorated.
//!
//! A converter that needs none of this crate's comfort implements
//! [`Guest`](exports::influxdb_loader::converter::converter::Guest) and exports itself by [`export!`].
//!
//! The generated code is part of the sources: a macro would compile the generator, and all that it reads WebAssembly with, for
//! every converter again. A test of this repository (`tests/tests/bindings.rs`) holds it against what `wit-bindgen` generates.

pub use crate::generated::*;
