//! As much of the loader's module as `gzip` imports.

#[path = "../../host/src/points/text.rs"]
mod text;

pub(crate) use text::{Identity, Token};
