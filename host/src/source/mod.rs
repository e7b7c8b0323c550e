//! Object → record batches, streamed: the only place that reads S3 and names Parquet.
//!
//! Parquet is read through its synchronous page reader, which asks for one page of one column at a time. A file answers
//! from the disk; an object in S3 answers from small windows that are fetched ahead, one for each column (`windows`).
//! So memory depends on the number of columns and the size of their pages, not on the size of the file or of its row
//! groups, and a file needs no page index to be streamed.

mod batches;
mod caught;
mod columns;
mod decimals;
mod error;
mod file;
mod footer;
mod head;
mod parquet;
mod s3;
mod sample;
mod selection;
mod types;
mod windows;

pub use batches::Batches;
pub use columns::{Batch, ColumnSchema, ColumnType, InvalidText};
pub use decimals::{as_floats, decimal_text, decimal_texts};
pub use error::{Cause, SourceError};
pub use parquet::ParquetObject;
pub use s3::{Page, S3Location, list, list_page, newest_version};
pub use sample::{decode_sample, encode_sample};
pub use selection::{RowNumbers, Selection};
