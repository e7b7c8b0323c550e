//! Loads Parquet objects from S3 into InfluxDB through sandboxed WebAssembly converters.
//!
//! Modules stand in the order in which data flows. A stage imports only what stands above it; [`pipeline`] alone names
//! them all.

pub mod aws;
pub mod cli;
pub mod config;
pub mod converter;
pub mod dataset;
pub mod event;
pub mod lambda;
pub mod metrics;
pub mod pipeline;
pub mod points;
pub mod report;
pub mod sink;
pub mod source;
