//! Converters: sandboxed components that say what columns mean. The only place that names wasmtime.

mod plan;

pub use plan::{
    Constant, Converted, Description, Field, FieldType, Input, Key, Mask, Missing, Plan, Point, Rejection, Source, Tag,
};
