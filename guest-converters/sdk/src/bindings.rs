//! Contract 0.1 as `wit-bindgen` writes it in Rust, undecorated.
//!
//! A converter that needs none of this crate's comfort implements
//! [`Guest`](exports::influxdb_loader::converter::converter::Guest) and exports itself by [`export!`].
//!
//! ```
//! use converter_sdk::bindings::exports::influxdb_loader::converter::converter::Guest;
//! use converter_sdk::bindings::influxdb_loader::converter::types::{
//!     Batch, Converted, Description, Input, Plan, Problem, Strings,
//! };
//!
//! struct Nothing;
//!
//! impl Guest for Nothing {
//!     fn describe() -> Description {
//!         let [name, version, dataset, summary] = ["nothing", "1.0.0", "nothing", ""].map(String::from);
//!         Description { name, version, dataset, summary }
//!     }
//!
//!     fn prepare(_: Input) -> Result<Plan, Vec<Problem>> {
//!         let message = "no object can be converted".into();
//!         Err(vec![Problem { code: "unfinished".into(), message, column: None }])
//!     }
//!
//!     fn translate(_: u32, values: Strings) -> Result<Strings, Problem> {
//!         Ok(values)
//!     }
//!
//!     fn convert(_: Batch) -> Result<Converted, Problem> {
//!         Ok(Converted { computed: vec![], masks: vec![], rejected: vec![] })
//!     }
//! }
//!
//! assert_eq!(Nothing::describe().name, "nothing");
//! ```
//!
//! The generated code is part of the sources: a macro would compile the generator, and all that it reads WebAssembly with, for
//! every converter again. A test of this repository (`tests/tests/bindings.rs`) holds it against what `wit-bindgen` generates.

pub use crate::generated::*;
