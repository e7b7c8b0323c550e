//! Everything that a converter needs.
//!
//! A converter defines what the columns of a dataset mean. It is two functions, and never sees a row:
//!
//! ```
//! use std::borrow::Cow;
//!
//! use converter_sdk::{Column, ColumnType, Converter, Description, Input, Mapping, PlanBuilder, Point, Problem};
//!
//! struct Weather;
//!
//! impl Converter for Weather {
//!     fn describe() -> Description {
//!         Description {
//!             name: "weather".into(),
//!             version: "1.0.0".into(),
//!             dataset: "weather".into(),
//!             summary: "Hourly observations of weather stations".into(),
//!         }
//!     }
//!
//!     fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
//!         let mut plan = PlanBuilder::new(input);
//!         let time = plan.required("observed_at", &[ColumnType::Timestamp]);
//!         let station = plan.required("station", &[ColumnType::Text]);
//!         let fahrenheit = plan.required("temperature", &[ColumnType::Float]);
//!
//!         // Runs once for each distinct station, not for each row.
//!         let station = plan.translate(station, |name| Some(Cow::from(name?.trim().to_lowercase())));
//!         // Runs once for each batch of rows. Without it, the column would not enter the sandbox at all.
//!         let celsius = plan.compute(ColumnType::Float, [fahrenheit], |[fahrenheit]| {
//!             Ok(Column::floats(fahrenheit.floats()?.map(|value| Some((value? - 32.0) / 1.8))))
//!         });
//!
//!         let mut point = Point::new("weather", time);
//!         point.tag("station", station);
//!         point.field("celsius", celsius).or_reject("no-temperature");
//!         point.field("fahrenheit", fahrenheit);
//!         plan.finish([point])
//!     }
//! }
//!
//! converter_sdk::export!(Weather);
//! ```
//!
//! The three levels of the contract are the three kinds of source that a tag or a field can have, from the cheapest on:
//! a column as it stands ([`PlanBuilder::required`], [`PlanBuilder::optional`]), a translation of its distinct values
//! ([`PlanBuilder::translate`]), and a column computed from rows ([`PlanBuilder::compute`]). What the functions given
//! to the plan capture is the converter's state; there are no globals to handle.
//!
//! The same code compiles natively, so that converters are tested by plain `cargo test`: see [`testing`].

// What `wit-bindgen` generates names this crate from outside.
extern crate self as converter_sdk;

// A component's sections name the contract that it speaks, so that only one of the contracts is part of it.
#[cfg(not(all(target_arch = "wasm32", feature = "contract-0-2")))]
pub mod bindings;
#[cfg(any(not(target_arch = "wasm32"), feature = "contract-0-2"))]
pub mod bindings_0_2;
#[cfg(not(all(target_arch = "wasm32", feature = "contract-0-2")))]
#[rustfmt::skip]
#[allow(warnings, unsafe_code, clippy::all, clippy::pedantic, clippy::restriction, reason = "generated")]
mod generated;
#[cfg(any(not(target_arch = "wasm32"), feature = "contract-0-2"))]
#[rustfmt::skip]
#[allow(warnings, unsafe_code, clippy::all, clippy::pedantic, clippy::restriction, reason = "generated")]
mod generated_0_2;
mod crossing;
mod types;
pub mod log;
pub mod parse;
mod strings;
mod column;
mod point;
mod mapping;
mod plan;
#[cfg(test)]
mod plan_tests;
mod export;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
#[cfg(test)]
mod testing_tests;

#[doc(hidden)]
pub use wit_bindgen;

pub use column::{ColumnView, Texts};
pub use export::{Converter, Exported};
pub use mapping::Mapping;
pub use plan::{ColumnRef, Computed, MaskRef, PlanBuilder, Translated};
pub use types::{
    Batch, Column, ColumnSchema, ColumnType, Constant, Converted, Description, Field, FieldType, Input, Key, KeyPart,
    Mask, Missing, Object, Plan, Point, Problem, Rejection, Source, Strings, Tag, Text, Values,
};
