//! Object → record batches, streamed: the only place that reads S3 and names Parquet.

mod columns;

pub use columns::{Batch, ColumnSchema, ColumnType};
