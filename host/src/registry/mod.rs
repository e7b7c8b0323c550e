//! The registry: converters in S3, published, promoted, verified, and swapped while the function runs.
//!
//! ```text
//! s3://BUCKET/PREFIX/<dataset>/<version>/converter.wasm    the component; never changes
//!                    <dataset>/<version>/manifest.json     what it is, and who signed it; never changes, written last
//!                    <dataset>/channels/<channel>.json     which version is in service; changes by If-Match alone
//! ```
//!
//! A version exists when its manifest does. Whoever writes first wins, everyone else is told: S3 itself compares, by
//! conditional writes, so that there is no lock to be left behind.
//!
//! What is read from the bucket is not trusted: sizes are bounded before anything is read, documents are parsed strictly,
//! and a component is held against the digest in the channel's pointer and in the manifest, and against the dataset and
//! the version that it says it is. With public keys in the settings, a signature by one of them is required too; it covers
//! dataset, version and digest. Native code is never taken from the bucket.

mod document;
mod error;
mod names;
mod operations;
mod resolver;
mod signature;
mod store;

pub use document::{Manifest, Pointer, Release, Signature};
pub use error::RegistryError;
pub use names::{Channel, Version};
pub use operations::{Entry, Promotion, Publication, Registry};
pub use resolver::{Resolution, Resolver};
pub use signature::{SigningKey, key_id};
