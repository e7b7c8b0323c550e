//! Loads Parquet objects from S3 into InfluxDB through sandboxed WebAssembly converters.
//!
//! Modules stand in the order in which data flows. A stage imports only what stands above it; [`pipeline`] alone names
//! them all.

pub mod allocator;
pub mod config;
pub mod logs;
pub mod aws;
pub mod control;
pub mod event;
pub mod dataset;
pub mod source;
pub mod converter;
pub mod registry;
pub mod points;
mod compare;
pub mod sink;
pub mod report;
pub mod rejects;
pub mod ledger;
pub mod metrics;
pub mod pipeline;
pub mod verify;
pub mod golden;
pub mod lambda;
pub mod cli;
