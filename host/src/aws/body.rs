//! The body of an answer of S3, read within bounds.
//!
//! What the answer announces is looked at before a byte is kept, and what arrives is counted: a body that is longer than it may be, or
//! than it was announced, ends in an error. So does one that takes longer than the slowest line would.

use std::fs::File;
use std::io;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStreamError;
use tokio::io::{AsyncSeekExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// The time that a body has, beside what its bytes take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A body that brings fewer bytes a second than this is given up: the slowest line of mobile phones brings as many.
const SLOWEST_BYTES_PER_SECOND: u64 = 16 * 1024;

/// Why a body is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// It is longer than it may be.
    #[error("it has more than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: u64,
    },
    /// Before it is on the disk, it must be known whether it may be there.
    #[error("the answer does not announce how many bytes it has")]
    Unannounced,
    /// It is not as long as it was announced.
    #[error("the answer announces {announced} bytes, and has {}{found}", if found > announced { "at least " } else { "" })]
    Announced {
        /// What it was to be.
        announced: u64,
        /// What arrived.
        found: u64,
    },
    /// It trickles.
    #[error("it did not arrive within {} s", limit.as_secs())]
    TimedOut {
        /// How long it was waited for.
        limit: Duration,
    },
    /// The connection is gone.
    #[error("the transfer broke off")]
    BrokenOff(#[source] ByteStreamError),
    /// The disk does not take it.
    #[error("it cannot be written to a temporary file")]
    Disk(#[source] io::Error),
}

/// All of a body that has no more than `limit` bytes.
pub(crate) async fn bytes(answer: GetObjectOutput, limit: u64) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::new();
    receive(answer, limit, time(limit), &mut bytes).await?;
    Ok(bytes)
}

/// The same in a file without a name, from its beginning. Nothing is written where the answer announces more, or no length.
pub(crate) async fn file(answer: GetObjectOutput, limit: u64) -> Result<File, BodyError> {
    let announced = announced(&answer).ok_or(BodyError::Unannounced)?;
    if announced > limit {
        return Err(BodyError::TooLong { limit });
    }
    let mut file = tokio::fs::File::from_std(tempfile::tempfile().map_err(BodyError::Disk)?);
    receive(answer, limit, time(announced), &mut file).await?;
    file.rewind().await.map_err(BodyError::Disk)?;
    Ok(file.into_std().await)
}

fn announced(answer: &GetObjectOutput) -> Option<u64> {
    answer.content_length().and_then(|bytes| u64::try_from(bytes).ok())
}

/// The time that so many bytes have.
fn time(bytes: u64) -> Duration {
    PATIENCE + Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND)
}

async fn receive(
    answer: GetObjectOutput,
    limit: u64,
    time: Duration,
    to: &mut (impl AsyncWrite + Unpin),
) -> Result<(), BodyError> {
    let announced = announced(&answer);
    if announced.is_some_and(|bytes| bytes > limit) {
        return Err(BodyError::TooLong { limit });
    }
    let received = async {
        let (mut stream, mut found) = (answer.body, 0_u64);
        while let Some(part) = stream.next().await {
            let part = part.map_err(BodyError::BrokenOff)?;
            found += part.len() as u64;
            match announced {
                Some(announced) if found > announced => return Err(BodyError::Announced { announced, found }),
                None if found > limit => return Err(BodyError::TooLong { limit }),
                Some(_) | None => to.write_all(&part).await.map_err(BodyError::Disk)?,
            }
        }
        to.flush().await.map_err(BodyError::Disk)?;
        match announced {
            Some(announced) if found < announced => Err(BodyError::Announced { announced, found }),
            Some(_) | None => Ok(()),
        }
    };
    timeout(time, received).await.unwrap_or(Err(BodyError::TimedOut { limit: time }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

    use std::io::Read;

    use aws_sdk_s3::primitives::ByteStream;

    use super::*;

    const TEXT: &str = "eight by";

    fn answer(text: &'static str, announced: Option<i64>) -> GetObjectOutput {
        let body = ByteStream::from_static(text.as_bytes());
        GetObjectOutput::builder().set_content_length(announced).body(body).build()
    }

    async fn told(answer: fn() -> GetObjectOutput, limit: u64) -> [String; 2] {
        let in_memory = bytes(answer(), limit).await.unwrap_err().to_string();
        [in_memory, file(answer(), limit).await.unwrap_err().to_string()]
    }

    #[tokio::test]
    async fn a_body_within_its_bounds_is_had_as_bytes_and_as_a_file() {
        assert_eq!(bytes(answer(TEXT, Some(8)), 8).await.unwrap(), TEXT.as_bytes());
        assert_eq!(bytes(answer(TEXT, None), 8).await.unwrap(), TEXT.as_bytes());
        let mut text = String::new();
        file(answer(TEXT, Some(8)), 8).await.unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, TEXT);
        assert_eq!(bytes(answer("", Some(0)), 0).await.unwrap(), b"");
    }

    #[tokio::test]
    async fn a_body_that_is_longer_than_it_may_be_is_refused() {
        assert_eq!(told(|| answer(TEXT, Some(8)), 7).await, ["it has more than 7 bytes"; 2]);
        let [in_memory, in_file] = told(|| answer(TEXT, None), 7).await;
        assert_eq!(in_memory, "it has more than 7 bytes");
        assert_eq!(in_file, "the answer does not announce how many bytes it has");
        assert_eq!(told(|| answer(TEXT, Some(-1)), 7).await, [in_memory, in_file], "no length");
    }

    #[tokio::test]
    async fn a_body_of_another_length_than_announced_is_refused() {
        assert_eq!(told(|| answer(TEXT, Some(5)), 9).await, ["the answer announces 5 bytes, and has at least 8"; 2]);
        assert_eq!(told(|| answer(TEXT, Some(9)), 9).await, ["the answer announces 9 bytes, and has 8"; 2]);
    }

    #[tokio::test]
    async fn a_body_that_does_not_get_on_is_given_up() {
        assert_eq!((time(0), time(5 << 30)), (PATIENCE, PATIENCE + Duration::from_secs(327_680)));
        // It takes a byte, and then no other one.
        let (mut to, _other_end) = tokio::io::duplex(1);
        let stopped = receive(answer(TEXT, Some(8)), 8, Duration::from_millis(20), &mut to).await;
        assert!(matches!(stopped, Err(BodyError::TimedOut { .. })), "{stopped:?}");
    }
}
