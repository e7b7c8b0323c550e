//! Objects in S3 read as the same object on the disk reads, however they are laid out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use influxdb_loader_tests::{Loader, Moto, Outcome, Responder, Response, Settings};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

const BUCKET: &str = "energy";
/// Enough for chunks of more than a window, of a mebibyte, in a row group.
const ROWS: usize = 150_000;
const KEY: &str = "dataset=generation/large.parquet";

/// Rows whose columns compress badly, so that each chunk of a large row group is several windows long.
fn generation(rows: usize) -> RecordBatch {
    let noise = |seed: usize| (0..rows).map(move |row| ((row + seed).wrapping_mul(2_654_435_761) % 1_000_003) as f64);
    let texts = |prefix: &'static str, distinct: usize| {
        let values = (0..rows).map(move |row| format!("{prefix} {}", row.wrapping_mul(7_919) % distinct));
        Arc::new(StringArray::from_iter_values(values)) as ArrayRef
    };
    let times = TimestampMicrosecondArray::from_iter_values((0..rows).map(|row| 1_600_000_000_000_000 + row as i64));
    RecordBatch::try_from_iter([
        ("ignored_before", Arc::new(Float64Array::from_iter_values(noise(1))) as ArrayRef),
        ("timestamp", Arc::new(times)),
        ("region", texts("region", 5)),
        ("value", Arc::new(Float64Array::from_iter_values(noise(2)))),
        ("unit", texts("unit", 2)),
        ("ignored_between", texts("note", rows)),
        ("energy_source", texts("source", 4)),
        ("measurement_type", texts("type", 3)),
        // More distinct values than a dictionary page holds: the writer falls back to plain text within the row group.
        ("plant_name", texts("plant, no", rows)),
        ("capacity_mw", Arc::new(Float64Array::from_iter_values(noise(3)))),
    ])
    .unwrap()
}

fn written(batch: &RecordBatch, row_group: usize, compression: Compression) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(row_group))
        .set_compression(compression)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn converted(run: Outcome) -> String {
    run.succeeded().stdout
}

#[test]
fn an_object_gives_the_same_points_from_s3_as_from_the_disk_whatever_its_row_groups() {
    let moto = Moto::start();
    moto.create_bucket(BUCKET);
    let batch = generation(ROWS);
    for (row_group, compression) in
        [(ROWS, Compression::UNCOMPRESSED), (ROWS, Compression::SNAPPY), (40_007, Compression::UNCOMPRESSED)]
    {
        let object = written(&batch, row_group, compression);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(KEY);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &object).unwrap();
        let size = object.len();
        moto.put_object(BUCKET, KEY, object);

        let from_disk = converted(Loader::new(["load", "--to", "-"]).argument(path).run());
        let from_s3 = converted(
            Loader::new(["load", "--to", "-"]).argument(format!("s3://{BUCKET}/{KEY}")).settings(moto.settings()).run(),
        );
        assert_eq!(from_disk.lines().count(), ROWS);
        // Requests are in flight at once, so that chunks arrive in any order.
        let sorted = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort_unstable();
            lines
        };
        assert!(sorted(&from_disk) == sorted(&from_s3), "{size} bytes in row groups of {row_group}, {compression}");
    }
}

#[test]
fn a_listing_whose_pages_do_not_end_is_an_error() {
    let page = |keys: &[&str]| {
        let keys: String =
            keys.iter().map(|key| format!("<Contents><Key>{key}</Key><Size>9</Size></Contents>")).collect();
        format!("<ListBucketResult><IsTruncated>true</IsTruncated>{keys}</ListBucketResult>")
    };
    for keys in [&["p/a.parquet", "p/b.parquet"][..], &[]] {
        let server = Responder::always(Response::new(200, &page(keys)).header("content-type", "application/xml"));
        let settings = Settings::default()
            .with("AWS_ENDPOINT_URL", server.url())
            .with("AWS_REGION", "us-east-1")
            .with("AWS_ACCESS_KEY_ID", "key")
            .with("AWS_SECRET_ACCESS_KEY", "secret");
        let run = Loader::new(["plan", "s3://energy/p/"]).settings(settings).run();
        assert_eq!((run.code, &*run.stdout), (Some(1), ""), "{run}");
        assert!(run.stderr.contains("cannot read `s3://energy/p/`: the listing does not end"), "{run}");
        assert!(server.requests().len() <= 2, "{:?}", server.requests());
    }
}
