//! As much of the loader's module as `gzip` imports.

#[path = "../../host/src/points/identity.rs"]
mod identity;

pub(crate) use identity::{Identity, Token};
