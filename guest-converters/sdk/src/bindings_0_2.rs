//! Contract 0.2 as `wit-bindgen` writes it in Rust, undecorated; see [`crate::bindings`].
//!
//! ```
//! use converter_sdk::bindings_0_2::influxdb_loader::converter::types::{Key, KeyPart};
//!
//! let key = Key::Joined(vec![KeyPart::Translated(0), KeyPart::Text(".".into()), KeyPart::Translated(1)]);
//! assert!(matches!(key, Key::Joined(parts) if parts.len() == 3));
//! ```

pub use crate::generated_0_2::*;
