//! The ledger: for each version of an object that was loaded, what was loaded of it, by which converter, and where to.
//!
//! ```text
//! load of s3://energy/a.parquet, all of it       →  LEDGER_URI/energy/a.parquet/ETAG.json
//! load of its row groups 3 to 7                  →  LEDGER_URI/energy/a.parquet/ETAG.row-groups-3-8.json
//! ```
//!
//! A [`Document`] is written when everything else of a load is done, so that what is recorded is in InfluxDB. It takes the place
//! of the one of an earlier load of the same rows. [`standing`] decides what the documents of an object mean: a version is loaded
//! when its parts cover all of its row groups, each loaded last by the current converter.

mod document;
mod error;
mod request;
mod standing;
mod store;
mod time;

pub use document::{Bucket, Converter, Document, Rows, Subject, Target};
pub use error::LedgerError;
pub use request::{request, within_request};
pub use standing::{Standing, Wanted, standing};
pub use store::Ledger;
pub use time::Time;
