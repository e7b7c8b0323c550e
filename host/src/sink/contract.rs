//! What every sink keeps to, whatever is behind it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot continue has failed")]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::influxdb::InfluxDb;
use super::lines::LineWriter;
use super::scripted_server::{Reply, ScriptedServer};
use super::{Sink, SinkError, SinkErrorKind};
use crate::config::{Api, Compression, InfluxDbSettings, LoadOrder, Secret, Token, WriteSettings};
use crate::points::Chunk;

/// A sink, and a way to see what has arrived behind it: all chunks, in any order.
struct Subject<R> {
    sink: Sink,
    arrived: R,
}

async fn keeps_the_contract<R: AsyncFn() -> String>(subject: impl AsyncFn() -> Subject<R>) {
    delivers_what_it_says(subject().await).await;
    delivers_chunks_whole_from_many_tasks(subject().await).await;
    asks_nothing_for_a_chunk_without_points(subject().await).await;
    delivers_nothing_after_the_deadline(subject().await).await;
    may_be_abandoned(subject().await).await;
}

async fn delivers_what_it_says<R: AsyncFn() -> String>(Subject { sink, arrived }: Subject<R>) {
    let chunk = Chunk::of_lines("a x=1 1\nb x=2 2\n");
    let delivery = sink.write(sink.packer().pack(chunk), None).await.unwrap();
    assert_eq!(
        (delivery.rows, delivery.points, delivery.requests, delivery.rejected.as_slice()),
        (2, 2, 1, [].as_slice())
    );
    assert!(delivery.bytes_written > 0);
    sink.finish().await.unwrap();
    assert_eq!(arrived().await, "a x=1 1\nb x=2 2\n");
}

async fn delivers_chunks_whole_from_many_tasks<R: AsyncFn() -> String>(Subject { sink, arrived }: Subject<R>) {
    let text = |number: usize| format!("m,chunk={number} x={number} 1\n").repeat(100);
    let writes = (0..20).map(|number| sink.write(sink.packer().pack(Chunk::of_lines(&text(number))), None));
    let points: u64 = join_all(writes).await.into_iter().map(|delivery| delivery.unwrap().points).sum();
    sink.finish().await.unwrap();
    assert_eq!(points, 2000);
    let arrived = arrived().await;
    for number in 0..20 {
        assert_eq!(arrived.matches(&text(number)).count(), 1, "chunk {number} is not found once and in one piece");
    }
}

async fn asks_nothing_for_a_chunk_without_points<R: AsyncFn() -> String>(Subject { sink, arrived }: Subject<R>) {
    assert_eq!(sink.write(sink.packer().pack(Chunk::default()), None).await.unwrap().points, 0);
    sink.finish().await.unwrap();
    assert_eq!(arrived().await, "");
}

async fn delivers_nothing_after_the_deadline<R: AsyncFn() -> String>(Subject { sink, arrived }: Subject<R>) {
    let error = sink.write(sink.packer().pack(Chunk::of_lines("a x=1 1\n")), Some(Instant::now())).await.unwrap_err();
    assert!(matches!(error, SinkError::DeadlineReached { source: None, .. }), "{error}");
    assert_eq!(error.kind(), SinkErrorKind::Deadline);
    let later = Some(Instant::now() + Duration::from_secs(60));
    sink.write(sink.packer().pack(Chunk::of_lines("b x=1 1\n")), later).await.unwrap();
    sink.finish().await.unwrap();
    assert_eq!(arrived().await, "b x=1 1\n");
}

async fn may_be_abandoned<R: AsyncFn() -> String>(Subject { sink, .. }: Subject<R>) {
    sink.write(sink.packer().pack(Chunk::of_lines("a x=1 1\n")), None).await.unwrap();
    sink.abandon().await;
    sink.abandon().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn influxdb_keeps_the_contract() {
    keeps_the_contract(async || {
        let server = ScriptedServer::replying([Reply::status(204)]).await;
        let settings = InfluxDbSettings {
            url: server.url.clone(),
            api: Api::V2,
            organization: "o".to_owned(),
            bucket: "b".to_owned(),
            token: Some(Token::Value(Secret::new("t"))),
            read_token: None,
            login: None,
            ca_file: None,
        };
        let sink = InfluxDb::new(settings, &WRITE).unwrap().into();
        Subject { sink, arrived: async move || server.received().iter().map(|request| request.text()).collect() }
    })
    .await;
}

const WRITE: WriteSettings = WriteSettings {
    batch_points: Some(1000),
    batch_bytes: Some(1_000_000),
    order: LoadOrder::File,
    compression: Compression::Auto,
    concurrency: Some(4),
    rate: None,
    no_sync: false,
    retries: Some(0),
    patience: Duration::from_secs(300),
    request_timeout: Duration::from_secs(10),
    connect_timeout: Duration::from_secs(3),
};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_keeps_the_contract() {
    keeps_the_contract(async || {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("points.lp");
        let sink = LineWriter::file(&path, Compression::Auto).unwrap().into();
        let arrived = async move || {
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1, "something is left beside the file");
            text
        };
        Subject { sink, arrived }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_keeps_the_contract() {
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);
    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    keeps_the_contract(async || {
        let stream = Shared::default();
        let sink = LineWriter::stream(Box::new(stream.clone()), false).into();
        Subject { sink, arrived: async move || String::from_utf8(stream.0.lock().unwrap().clone()).unwrap() }
    })
    .await;
}
