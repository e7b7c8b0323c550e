//! Lines → gzip.

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};

/// 32 KiB: the largest window of DEFLATE.
const WINDOW_BITS: u8 = 15;

/// Compresses texts, each a gzip member of its own, at level 1: it takes lines to a fifth, and higher levels several times as
/// long for little more. The 200 KiB that it works with are allocated once.
#[derive(Debug)]
pub struct Gzip(Compress);

impl Default for Gzip {
    fn default() -> Self {
        Self(Compress::new_gzip(Compression::fast(), WINDOW_BITS))
    }
}

impl Gzip {
    /// A text, compressed.
    pub fn compress(&mut self, text: &[u8]) -> Bytes {
        self.0.reset();
        let mut member = Vec::with_capacity(text.len() / 4 + 64);
        loop {
            let read = usize::try_from(self.0.total_in()).map_or(text.len(), |read| read.min(text.len()));
            // Compressing fails only where the stream was finished before, and it is reset.
            match self.0.compress_vec(&text[read..], &mut member, FlushCompress::Finish) {
                Ok(Status::StreamEnd) | Err(_) => return member.into(),
                Ok(Status::Ok | Status::BufError) => member.reserve(text.len() / 8 + 64),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn every_text_is_a_member_of_its_own() {
        let lines: String = (0..2_000).map(|row| format!("load,area=north mw={row}.5 17\n")).collect();
        let noise: String = (0..20_000).map(|_| fastrand::alphanumeric()).collect();
        let mut gzip = Gzip::default();
        for text in [&lines, "", &noise, "a x=1 1\n", &lines] {
            let member = gzip.compress(text.as_bytes());
            assert_eq!(member, Gzip::default().compress(text.as_bytes()), "texts before are seen in the member");
            let mut read = String::new();
            GzDecoder::new(&*member).read_to_string(&mut read).unwrap();
            assert_eq!(read, text);
        }
        assert!(gzip.compress(lines.as_bytes()).len() * 5 < lines.len());
    }
}
