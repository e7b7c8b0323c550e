#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::config::{Compression, Config};
use crate::report::{Accounts, Report};
use crate::sink::LineWriter;

/// An object version, as S3 reports it.
fn state(key: &str, sequencer: &str) -> Target {
    Target::Object(ObjectReference {
        sequencer: Some(sequencer.to_owned()),
        version_id: Some(format!("of-{sequencer}")),
        ..ObjectReference::new("energy", key)
    })
}

fn prefix(prefix: &str) -> Target {
    let prefix = prefix.to_owned();
    Target::Prefix(Prefix { bucket: "energy".to_owned(), prefix, start_after: None, dataset: None, skip_loaded: false })
}

#[test]
fn versions_of_an_object_come_once_each_in_the_order_of_the_event() {
    let targets = [("b", "0B"), ("a", "0a5"), ("b", "0AF"), ("a", "0A4"), ("b", "0B"), ("a", "0A")];
    let targets = targets.map(|(key, sequencer)| state(key, sequencer));
    assert_eq!(groups(&targets), [Group::States(vec![0, 2]), Group::States(vec![1, 3, 5])]);
}

#[test]
fn notifications_of_one_object_ask_for_the_same() {
    let told = |sequencer: &str| match state("a", sequencer) {
        Target::Object(object) => Target::Object(ObjectReference { notified: true, ..object }).newest(),
        Target::Prefix(_) => panic!("a prefix"),
    };
    assert_eq!(told("0A"), told("0B"));
    assert_eq!(state("a", "0A").newest(), state("a", "0A"), "a caller gets what it names");
}

#[test]
fn different_objects_and_prefixes_do_not_wait_for_each_other() {
    let other = Target::Object(ObjectReference::new("archive", "a"));
    let targets = [state("a", "1"), prefix("b/"), other, prefix("b/")];
    assert_eq!(groups(&targets), [Group::States(vec![0]), Group::Prefix(1), Group::States(vec![2])]);
}

fn report(key: &str) -> (Remaining, ObjectReport) {
    let object = ObjectReference::new("energy", key);
    (Remaining::whole(&object), ObjectReport::of(&object))
}

fn loaded(key: &str) -> (Remaining, ObjectReport) {
    report(key)
}

fn not_begun(key: &str) -> (Remaining, ObjectReport) {
    let (whole, report) = report(key);
    (whole.clone(), ObjectReport { remaining: Some(whole), ..report })
}

/// Stopped before its first row group was done.
fn stopped(key: &str, accounts: Accounts) -> (Remaining, ObjectReport) {
    let (whole, report) = report(key);
    let failure = Some(Failure::new(FailureKind::Deadline, &LoadError::NoTime));
    (whole, ObjectReport { failure, accounts, row_groups: Some(0..0), ..report })
}

/// What is reported of each object: whether it failed, and what is left.
fn settled(reports: impl IntoIterator<Item = (Remaining, ObjectReport)>) -> String {
    let mut outcomes: Vec<Outcome> = reports.into_iter().map(|report| vec![report]).collect();
    settle(&mut outcomes);
    let objects = outcomes.into_iter().flatten().map(|(_, report)| report);
    let tell = |object: ObjectReport| {
        let failure = object.failure.map(|failure| format!("{:?}", failure.kind()));
        assert!(failure.is_some() || object.accounts.balances());
        format!("{} failure={} left={}\n", object.object, json!(failure), json!(object.remaining))
    };
    objects.map(tell).collect()
}

#[test]
fn what_the_time_did_not_suffice_for_is_left_where_the_event_got_on() {
    let balanced = Accounts { rows: 7, written: 7, ..Accounts::default() };
    let given_up = Accounts { rows: 7, written: 3, ..Accounts::default() };
    insta::assert_snapshot!(
        settled([loaded("a"), stopped("b", balanced), stopped("c", given_up), not_begun("d")]),
        @r#"
    s3://energy/a failure=null left=null
    s3://energy/b failure=null left={"bucket":"energy","key":"b"}
    s3://energy/c failure=null left={"bucket":"energy","key":"c"}
    s3://energy/d failure=null left={"bucket":"energy","key":"d"}
    "#
    );
}

#[test]
fn everything_has_failed_where_the_event_did_not_get_on() {
    insta::assert_snapshot!(settled([stopped("a", Accounts::default()), not_begun("b")]), @r#"
    s3://energy/a failure="Deadline" left=null
    s3://energy/b failure="Deadline" left=null
    "#);
}

#[test]
fn a_failure_for_another_reason_gets_the_event_on() {
    let (whole, report) = report("a");
    let missing = ObjectReport { failure: Some(Failure::new(FailureKind::NotFound, &LoadError::NoTime)), ..report };
    insta::assert_snapshot!(settled([(whole, missing), not_begun("b")]), @r#"
    s3://energy/a failure="NotFound" left=null
    s3://energy/b failure=null left={"bucket":"energy","key":"b"}
    "#);
}

fn loader() -> (Loader, Sink) {
    let config = Config::read(|_| None).unwrap();
    (Loader::new(&config).unwrap(), Sink::from(LineWriter::stdout(Compression::None)))
}

#[tokio::test]
async fn objects_that_are_begun_after_the_time_are_not_read() {
    let (loader, sink) = loader();
    let over = Deadline::ahead_of(std::time::Instant::now(), Duration::from_secs(1));
    let loading = Loading::new(&loader, &sink, Some(over), 2);
    let reports = loading.run(&[state("a", "1"), prefix("b/"), state("a", "2")]).await;
    let report = Report { objects: reports.into_iter().flatten().collect(), ..Report::default() };
    let kinds: Vec<_> = report.objects.iter().map(|object| object.failure.as_ref().unwrap().kind()).collect();
    assert_eq!(kinds, [FailureKind::Deadline; 3]);
}

#[tokio::test]
async fn listed_objects_are_bounded_for_the_whole_event_and_what_is_beyond_is_left() {
    let (loader, sink) = loader();
    let loading = Loading::new(&loader, &sink, None, 2);
    assert_eq!([600, 600, 1].map(|wanted| loading.take(wanted)), [600, 400, 0]);
    let prefix = Prefix {
        bucket: "energy".to_owned(),
        prefix: "b/".to_owned(),
        start_after: None,
        dataset: None,
        skip_loaded: false,
    };
    let mut outcome = Outcome::new();
    let rest = loading.page(&prefix, vec!["b/2".to_owned()], Some("b/1".to_owned()), &mut outcome).await;
    assert_eq!((rest, outcome.len()), (Some(Some("b/1".to_owned())), 0));
}

proptest! {
    /// Whatever comes in whatever order, each target is in one group, once, with those of its object.
    #[test]
    fn every_target_is_loaded_once(names in prop::collection::vec(("[ab]", 0..4_u8), 0..12)) {
        let targets: Vec<Target> = names.iter().map(|(key, state_of)| state(key, &format!("{state_of:02}"))).collect();
        let mut seen = HashSet::new();
        for group in groups(&targets) {
            let Group::States(places) = group else { panic!("a prefix") };
            let states: Vec<_> = places.iter().map(|place| names[*place].clone()).collect();
            prop_assert!(states.windows(2).all(|pair| pair[0].0 == pair[1].0), "{:?}", states);
            for state in states {
                prop_assert!(seen.insert(state));
            }
        }
        prop_assert_eq!(seen, names.into_iter().collect());
    }
}
