//! Object → record batches, streamed: the only place that reads S3 and names Parquet.
//!
//! Parquet is read through its synchronous page reader, which asks for one page of one column at a time. A file answers
//! from the disk; an object in S3 answers from small windows that are fetched ahead, one for each column (`windows`).
//! So memory depends on the number of columns and the size of their pages, not on the size of the file or of its row
//! groups, and a file needs no page index to be streamed.

mod batches;
mod columns;
mod error;
mod file;
mod head;
mod parquet;
mod s3;
mod sample;
mod selection;
mod windows;

pub use batches::Batches;
pub use columns::{Batch, ColumnSchema, ColumnType};
pub use error::{Cause, SourceError};
pub use parquet::ParquetObject;
pub use s3::{Current, Listed, ObjectState, Page, S3Location, current, exists, list, list_page};
pub use sample::{decode_sample, encode_sample};
pub use selection::{RowNumbers, Selection};
