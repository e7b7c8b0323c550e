//! Golden pairs: samples on disk, and what a converter must make of them.
//!
//! A sample is `NAME.table` (see [`Table`]) or `NAME.parquet`. Beside it stands what becomes of it: `NAME.lp`, its line
//! protocol in the order of its rows; `NAME.rejects`, a line `ROW CODE: MESSAGE` for each rejected row; or
//! `NAME.failure`, why the object fails as a whole. A sample is loaded as the function loads an object: from a Parquet
//! file, through the sandbox, under the same limits, with the same encoder. Only InfluxDB is replaced by a file.
//!
//! What every converter must hold to is checked on every sample too: see [`Property`].

mod table;
mod pair;
mod run;
mod properties;

pub use pair::{Difference, GoldenError, Outcome, Pair, find};
pub use properties::{Broken, Property};
pub use run::{Runner, Verdict};
pub use table::{Place, Settings, Table, TableError, TableProblem};
