//! How large a request may be, as far as the server has let it be known.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of line protocol that the server is believed to take in one request. Only ever lowered: what was too large once
/// is not sent again in the life of the process.
#[derive(Debug)]
pub(super) struct SizeLimit(AtomicUsize);

impl Default for SizeLimit {
    fn default() -> Self {
        Self(AtomicUsize::new(usize::MAX))
    }
}

impl SizeLimit {
    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn lower(&self, bytes: usize) {
        let before = self.0.fetch_min(bytes.max(1), Ordering::Relaxed);
        if bytes < before {
            tracing::warn!(
                bytes,
                "InfluxDB takes no requests of the size that they had; hint: lower `MAX_BATCH_BYTES`"
            );
        }
    }
}
