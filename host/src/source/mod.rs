//! Object → record batches, streamed: the only place that reads S3 and names Parquet.
//!
//! Parquet is read through its synchronous page reader, which asks for one page of one column at a time. A file answers
//! from the disk; an object in S3 answers from windows that are fetched ahead (`windows`). Pages that are longer than their
//! share of the memory reach the decoder in slices (`pages`), and batches end by bytes (`batches`). So memory is bounded
//! by `OBJECT_MEMORY_MIB` (`pool`), whatever the size of the file, of its row groups, pages and values; a file needs no
//! page index to be streamed, and what cannot fit is refused before it is allocated.

mod batches;
mod caught;
mod columns;
mod decimals;
mod error;
mod file;
mod footer;
mod head;
mod listing;
mod nested;
mod origin;
mod outline;
mod pages;
mod parquet;
mod pool;
mod s3;
mod sample;
mod selection;
mod types;
mod windows;

#[cfg(test)]
mod damage_tests;

pub use batches::Batches;
pub use columns::{Batch, ColumnSchema, ColumnType, Elements, InvalidText, List, Meaning};
pub use decimals::{as_floats, decimal_text, decimal_texts};
pub use error::{Cause, SourceError};
pub use listing::{LISTING_BYTES, Listed, OBJECT_LISTING_BYTES, Page, list, list_page};
pub use origin::Origin;
pub use parquet::ParquetObject;
pub use pool::Memory;
pub use s3::{Current, ObjectState, S3Location, current, exists, read_small};
pub use sample::{decode_sample, encode_sample};
pub use selection::{RowNumbers, Selection};
pub use types::Edition;
