//! Loads Parquet objects from S3 into InfluxDB through sandboxed WebAssembly converters.
//!
//! Modules stand in the order in which data flows. A stage imports only what stands above it; [`pipeline`] alone names
//! them all.
//!
//! As a library, it loads an object into a sink:
//!
//! ```
//! use influxdb_loader::config::{Compression, Config};
//! use influxdb_loader::pipeline::{LoadRequest, Loader, Location};
//! use influxdb_loader::sink::{LineWriter, Sink};
//!
//! # let directory = tempfile::tempdir()?;
//! # let lines = directory.path().join("points.lp");
//! # let runtime = tokio::runtime::Runtime::new()?;
//! let loader = Loader::new(&Config::read(|_| None)?)?;
//! let sink = Sink::from(LineWriter::file(&lines, Compression::None)?);
//! let file = Location::File("../tests/data/dataset=consumption/sao-paulo-load-2018-2021.parquet".into());
//! let report = runtime.block_on(loader.load(&LoadRequest::new(&file), &sink, None, &()));
//! runtime.block_on(sink.finish())?;
//! assert_eq!((report.accounts.rows, report.accounts.points), (75_453, 75_440));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
