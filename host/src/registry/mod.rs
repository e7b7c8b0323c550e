//! The registry: converters in S3, published, promoted, verified, and swapped while the function runs.
//!
//! ```text
//! s3://BUCKET/PREFIX/<dataset>/<version>/converter.wasm    the component; never changes
//!                    <dataset>/<version>/manifest.json     what it is, and who signed it; never changes, written last
//!                    <dataset>/channels/<channel>.json     which version is promoted; changes by If-Match alone
//!                    <dataset>/signatures/, /history/      who vouches for that, and what was promoted (`pointers`)
//!                    <dataset>/<version>/signatures/       signatures that were added later (`versions`)
//!                    <dataset>/<version>/yanked.json       that the version is out of use
//!                    <dataset>/<version>/parameters/       what its converter can be given (`parameters`)
//!                    <dataset>/<version>/parameters-schema.json    what these must be
//!                    <dataset>/<version>/serves.json       which other datasets it serves (`patterns`)
//!                    .patterns/                            which patterns were promoted
//!                    trials/                               what functions count and decide of candidates (`trials`)
//! ```
//!
//! A version exists when its manifest does. The first writer wins, and every other one learns so: S3 itself compares, by
//! conditional writes, so that there is no lock to be left behind.
//!
//! What is read from the bucket is not trusted: sizes are bounded before anything is read, documents are parsed strictly,
//! and a component is held against the digest in the channel's pointer and in the manifest, and against the dataset and
//! the version that it claims to be. With public keys in the settings, a signature by one of them is required too; it covers
//! dataset, version and digest. Native code is never taken from the bucket.
//!
//! Functions of the first edition read the first three documents, and refuse members that they do not know. So those stay as
//! they are, and what is new lies beside them.

mod document;
mod error;
mod names;
mod operations;
mod parameters;
mod patterns;
mod pointers;
mod promotions;
mod resolver;
mod schema;
mod signature;
mod store;
mod trials;
mod versions;

pub use document::{Manifest, Pointer, Release, Signature};
pub use error::RegistryError;
pub use names::{Channel, Version};
pub use operations::{Entry, Publication, Registry};
pub use patterns::{Pattern, patterns};
pub use pointers::{Endorsement, Moment, Promoted, Statement};
pub use promotions::{InService, Promotion};
pub use resolver::{Resolution, Resolver};
pub use schema::{MAX_SCHEMA_BYTES, ParametersSchema, Refusals};
pub use signature::{SigningKey, key_id};
pub use trials::{
    Candidacy, Counts, Kind, Observed, Outcome, Points, Rule, RuleError, Running, Share, Side, State, Terms, Verdict,
};
pub use versions::Yanked;
