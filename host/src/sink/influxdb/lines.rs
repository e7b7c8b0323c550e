//! The lines of a request.

use bytes::Bytes;

use super::InfluxDb;
use crate::sink::{Gzip, Parcel};

/// Lines that are sent in one request.
pub(super) struct Lines {
    /// Bytes before compression.
    pub(super) bytes: usize,
    /// What is sent.
    pub(super) body: Bytes,
    /// Whether that is compressed.
    pub(super) compressed: bool,
}

impl Lines {
    /// All lines of a parcel.
    pub(super) fn of(parcel: &Parcel) -> Self {
        let text = parcel.chunk().body();
        let body = parcel.gzip().cloned().unwrap_or_else(|| Bytes::copy_from_slice(text));
        Self { bytes: text.len(), body, compressed: parcel.gzip().is_some() }
    }

    /// Lines as the server gets them.
    pub(super) fn new(influxdb: &InfluxDb, text: Vec<u8>) -> Self {
        let bytes = text.len();
        let compressed = influxdb.compresses();
        let body = if compressed { Gzip::default().compress(&text) } else { text.into() };
        Self { bytes, body, compressed }
    }
}
