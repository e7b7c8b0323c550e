//! The converter of consumption data as it is, in a component that speaks contract 0.2: the feature of the SDK decides what
//! the `export!` of that package exports.

pub use consumption::Consumption;
