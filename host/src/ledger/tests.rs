#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use proptest::prelude::*;

use super::*;
use crate::config::RejectsUri;
use crate::ledger::{Standing, Target, Time, Wanted, standing};
use crate::points::Tally;

fn subject(key: &str, etag: &str) -> Subject {
    Subject { bucket: Some("energy".into()), key: Some(key.into()), version_id: None, file: None, etag: etag.into() }
}

fn document(key: &str, etag: &str, row_groups: Range<usize>, of: usize) -> Document {
    let mut document = Document::new(subject(key, etag), &row_groups, of).sent(&Tally::default(), None);
    document.dataset = "consumption".into();
    document.converter.digest = "0".repeat(64);
    document.target = Target { engine: None, url: "http://i".into(), organization: None, bucket: "b".into() };
    document
}

fn ledger(directory: &tempfile::TempDir) -> Ledger {
    Ledger::new(RejectsUri::parse(directory.path().to_str().unwrap()).unwrap())
}

#[tokio::test]
async fn a_later_load_replaces_a_record_and_an_earlier_one_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = ledger(&directory);
    let source = subject("a", "1").source();
    let record = async |started: i64, points: u64| {
        let document = Document { started_at: Time(started), points, ..document("a", "1", 0..3, 3) };
        ledger.record(&document).await.unwrap();
        ledger.of(&source).await.unwrap().iter().map(|found| found.points).collect::<Vec<_>>()
    };
    assert_eq!(record(5, 1).await, [1]);
    assert_eq!(record(6, 2).await, [2]);
    assert_eq!(record(4, 3).await, [2]);
    let part = document("a", "1", 1..3, 3);
    ledger.record(&part).await.unwrap();
    assert_eq!(ledger.of(&source).await.unwrap().len(), 2);
    // The record of an object whose key continues this one's is another's, and whether it can be read matters only there.
    let other = ledger.record(&document("a/b", "2", 0..1, 1)).await.unwrap();
    std::fs::write(other.to_string(), "damaged").unwrap();
    assert_eq!(ledger.of(&source).await.unwrap().len(), 2);
    assert!(ledger.of(&subject("a/b", "2").source()).await.is_err());
}

#[tokio::test]
async fn whatever_stands_at_its_place_a_load_is_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = ledger(&directory);
    let (own, source) = (document("a", "1", 0..3, 3), subject("a", "1").source());
    let mut of_another = document("b", "1", 0..3, 3);
    of_another.started_at = Time(i64::MAX);
    let long = vec![b' '; usize::try_from(DOCUMENT_BYTES).unwrap() + 1];
    let text = |text: &str| text.as_bytes().to_vec();
    let newer = text("{\"format\": \"influxdb-loader-ledger/2\"}");
    for there in [long, newer, text("nonsense"), text(""), text("\0\u{1b}[31m"), of_another.to_json()] {
        let place = ledger.record(&own).await.unwrap();
        std::fs::write(place.to_string(), &there).unwrap();
        assert_eq!(ledger.record(&own).await.unwrap(), place);
        assert_eq!(ledger.of(&source).await.unwrap(), std::slice::from_ref(&own), "{} bytes", there.len());
    }
}

#[tokio::test]
async fn documents_that_have_no_room_together_are_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = ledger(&directory);
    let length = usize::try_from(DOCUMENT_BYTES).unwrap();
    for etag in 0..=HELD_BYTES / length {
        let place = ledger.record(&document("a", &etag.to_string(), 0..3, 3)).await.unwrap().to_string();
        let mut text = std::fs::read(&place).unwrap();
        text.resize(length, b' ');
        std::fs::write(&place, text).unwrap();
    }
    let source = subject("a", "1").source();
    assert!(matches!(ledger.of(&source).await, Err(LedgerError::TooMany { limit: HELD_BYTES })));
    assert_eq!(
        ledger.all(|document| document.object.etag == "7").await.unwrap().len(),
        1,
        "what is not wanted is not held"
    );
    let mut found = 0;
    let count = |document: Result<Document, LedgerError>| document.map(|_| found += 1);
    ledger.below("energy", "a", count).await.unwrap();
    assert_eq!(found, HELD_BYTES / length + 1);
}

#[tokio::test]
async fn records_are_found_by_what_keys_begin_with_however_long_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = ledger(&directory);
    let long = format!("x/2024/{}.parquet", "ã".repeat(300));
    let deep = format!("x/2024/{}end", "segment/".repeat(100));
    let keys = ["x/2024/a.parquet", "x/2024/a.parquet/b", "x/2024/1.json/c", "x/2023/a", "y", &*long, &*deep];
    for key in keys {
        ledger.record(&document(key, "1", 0..1, 1)).await.unwrap();
    }
    let below = async |prefix: &str| {
        let mut keys: Vec<String> = Vec::new();
        let take = |found: Result<Document, LedgerError>| -> Result<(), LedgerError> {
            keys.push(found?.object.key.unwrap());
            Ok(())
        };
        ledger.below("energy", prefix, take).await.unwrap();
        keys.sort();
        keys
    };
    assert_eq!(below("").await.len(), keys.len());
    assert_eq!(below("x/2024/").await.len(), 5);
    assert_eq!(below("x/2024/a").await, ["x/2024/a.parquet", "x/2024/a.parquet/b"]);
    assert_eq!(below("x/20").await.len(), 6);
    assert_eq!(below("z").await, Vec::<String>::new());
    for key in keys {
        assert_eq!(ledger.of(&subject(key, "1").source()).await.unwrap().len(), 1, "{key}");
    }
    assert_eq!(ledger.all(|_| true).await.unwrap().len(), keys.len());
}

fn refused(change: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut value = serde_json::from_slice(&document("a", "1", 0..3, 3).to_json()).unwrap();
    change(&mut value);
    Document::parse(value.to_string().as_bytes()).unwrap_err()
}

#[test]
fn what_is_no_document_is_refused_by_what_is_wrong_with_it() {
    use serde_json::json;

    assert!(Document::parse(&document("a", "1", 0..3, 3).to_json()).is_ok());
    insta::assert_snapshot!(Document::parse(b"nonsense").unwrap_err(), @"expected ident at line 1 column 2");
    insta::assert_snapshot!(refused(|it| it["format"] = json!("other")), @"its format is `other`, and this loader reads `influxdb-loader-ledger/1`");
    assert!(refused(|it| it["more"] = json!(1)).starts_with("unknown field `more`"));
    assert!(refused(|it| it["times"] = json!(["12", "13"])).contains("it is no time of RFC 3339"));
    for (member, value) in [
        ("object", json!({ "bucket": "a/b", "key": "k", "etag": "1" })),
        ("object", json!({ "bucket": "energy", "key": "k", "file": "/a", "etag": "1" })),
        ("object", json!({ "bucket": "energy", "key": "k", "etag": "1\r\nx" })),
        ("dataset", json!("../x")),
        ("converter", json!({ "name": "n", "version": "1", "digest": "zz" })),
        ("request", json!("a\u{7}b")),
        ("row_groups", json!([3, 2])),
        ("row_groups", json!([0, 4])),
        ("rows", json!({ "written": u64::MAX, "filtered": 0, "rejected": {} })),
        ("times", json!(["2024-01-02T00:00:00Z", "2024-01-01T00:00:00Z"])),
        ("bucket_seconds", json!(7)),
        ("bucket_seconds", json!(0)),
        ("buckets", json!([{ "start": "2024-01-01T00:00:00Z", "points": 1, "digest": "x" }])),
        ("measurements", json!(vec!["m"; 1001])),
    ] {
        assert_eq!(refused(|it| it[member] = value.clone()), format!("its `{member}` cannot be one"), "{value}");
    }
}

#[test]
fn a_record_knows_which_points_it_may_have_written() {
    let day = 86_400_000_000_000;
    let bucket = |start: i64| crate::ledger::Bucket { start: Time(start * day), points: 1, digest: "0".repeat(16) };
    let record = Document {
        measurements: Some(vec!["m".into()]),
        times: Some([Time(5), Time(3 * day)]),
        buckets: vec![bucket(0), bucket(3)],
        ..document("a", "1", 0..1, 1)
    };
    let may = |measurement, time| record.may_have_written(measurement, Time(time));
    assert!(may("m", 5) && may("m", day - 1) && may("m", 3 * day));
    assert!(!may("m", 4) && !may("m", 3 * day + 1), "out of its range");
    assert!(!may("m", day) && !may("m", 2 * day), "in a day without points");
    assert!(!may("other", 5));
    let unknown = Document { measurements: None, ..record.clone() };
    assert!(unknown.may_have_written("other", Time(5)));
}

proptest! {
    #[test]
    fn a_document_comes_back_as_it_was(key in "\\PC{1,40}", etag in "[!-~]{1,40}", row_groups in (0_usize..5, 0_usize..5), points in 0_u64..1 << 53) {
        prop_assume!(key.len() <= 1024);
        let (from, to) = row_groups;
        let before = Document { points, ..document(&key, &etag, from.min(to)..from.max(to), 9) };
        let after = Document::parse(&before.to_json()).unwrap();
        prop_assert_eq!(&after, &before);
        let wanted = Wanted { etag: &etag, target: Some(&before.target), converter: None, dataset: None, row_groups: Some(before.range()) };
        prop_assert_eq!(standing(&[after], wanted), Standing::Loaded);
    }
}
