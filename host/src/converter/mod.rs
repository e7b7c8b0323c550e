//! Converters: sandboxed components that define what columns mean. The only place that names wasmtime.
//!
//! An [`Engine`] compiles a component to a [`Converter`]; each worker on an object gets its own [`Instance`] of it, so that
//! nothing passes from one object to another. What an instance may use up is set by [`Limits`]; how it fails is reported as
//! [`ConverterError`]; what it answers has been checked before anyone else sees it.

mod bindings;
mod cache;
mod catalog;
mod code;
mod columns;
mod compiler;
mod contract;
mod engine;
mod error;
mod inspect;
mod instance;
mod limits;
mod log;
mod older;
mod plan;
mod room;
mod state;
mod survey;
mod text;
mod validate;
mod wasi;
mod world;

pub use cache::CompileCache;
pub use catalog::Catalog;
pub use compiler::run_compiler;
pub use contract::Contract;
pub use engine::Engine;
pub use error::{Call, ConverterError, Problem, Subject};
pub use instance::{Converter, Instance, MAX_PARAMETERS_BYTES, identity};
pub use limits::Limits;
pub use log::Warnings;
pub use plan::{
    Constant, Converted, Description, Field, FieldType, Input, Key, KeyPart, Mask, Missing, Plan, Point, Rejection,
    Source, Tag,
};

#[cfg(test)]
mod tests;
