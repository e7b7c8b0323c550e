//! What the end-to-end tests run against: real servers, started and stopped by the test that needs them, one that speaks
//! as each InfluxDB does and fails on demand, the two programs of the loader as processes, and files to feed them.
//!
//! Everything here blocks, panics when something is not as it should be, and shows why: a server that does not come up
//! shows the end of its log, a program that is not installed the command that installs it. Nothing is skipped.
//!
//! Every server listens on a free port of the loopback interface, keeps its data in a temporary directory, and ends when
//! the value that stands for it is dropped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod data;
mod evil;
mod fault_server;
mod http;
mod influxdb;
mod lambda;
mod lambda_emulator;
mod loader;
mod moto;
mod notification;
mod process;
mod programs;
pub mod projects;
mod runtime;
mod s3;
mod site;
mod stack;
mod tls;
mod toxiproxy;
mod versitygw;
mod workbench;

pub use data::{
    CONSUMPTION_POINTS, CONSUMPTION_ROWS, CONSUMPTION_SUM, consumption_file, parquet, raw_file, series_by_series,
    small_consumption,
};
pub use evil::{
    consumption_0_2_component, every_column_component, evil_component, metrics_component, stations_component,
};
pub use fault_server::{
    Arrival, Cut, Dialect, Entry, Fault, FaultServer, Lie, LineSet, Mix, Point, Requests, Rules, Store, Value,
};
pub use http::{Request, Responder, Response, request};
pub use influxdb::{InfluxDb, InfluxDb2, InfluxServer, flux_rows};
pub use lambda::{Function, Invocation};
pub use lambda_emulator::LambdaEmulator;
pub use loader::{Loader, Settings, judge, loader_program, python, shell};
pub use moto::Moto;
pub use notification::{Told, notification};
pub use process::Outcome;
pub use runtime::Runtime;
pub use s3::S3;
pub use site::Site;
pub use stack::Stack;
pub use tls::{Certificates, Proxy, Tls};
pub use toxiproxy::{Stream, Toxic, Toxiproxy};
pub use versitygw::Versitygw;
pub use workbench::{Workbench, browse};
