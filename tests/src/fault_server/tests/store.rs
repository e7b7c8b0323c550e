//! What is kept, and how it is compared.

use insta::assert_snapshot;

use super::*;

fn store(lines: &str) -> Store {
    let server = FaultServer::start(Dialect::V1);
    server.seed(lines);
    server.store()
}

#[test]
fn stores_with_the_same_points_do_not_differ() {
    let one = store("load,region=N mw=1 1\nload,region=S mw=2 1");
    assert_eq!(one.difference(&store("load,region=S mw=2 1\nload,region=N mw=1 1")), "");
}

#[test]
fn what_differs_is_told() {
    let found = store("load mw=1 1\nload mw=2 2\nload mw=4 4");
    let expected = store("load mw=1 1\nload mw=3,price=5i 2\nload name=\"x\" 3");
    assert_snapshot!(found.difference(&expected), @r#"
    expected: load mw=3,price=5i 2
       found: load mw=2 2
    missing: load name="x" 3
    too much: load mw=4 4
    "#);
    let many: String = (0..50).map(|time| format!("load mw=1 {time}\n")).collect();
    assert!(store("load mw=1 0").difference(&store(&many)).ends_with("\nand 39 more"));
}

#[test]
fn a_field_that_is_written_with_another_value_is_remembered() {
    let same = store("load mw=1 1\nload mw=1 1\nload price=2 1");
    assert!(same.written_otherwise().is_empty());
    assert_snapshot!(store("load mw=1 1\nload mw=2 1").written_otherwise().join("\n"), @"load 1: mw was 1, then 2");
}

#[test]
fn points_can_be_left_out() {
    let all = store("load mw=1 1\nload mw=2 2");
    assert_eq!(all.filtered(|point| point.time > 1).difference(&store("load mw=2 2")), "");
}

#[test]
fn lines_that_are_not_read_are_kept_by_their_hash() {
    let rules = Rules { reads_lines: false, banned: Some("bad".to_owned()), ..Rules::of(Dialect::V2) };
    let [one, other] = [FaultServer::with(rules.clone()), FaultServer::with(rules)];
    assert_eq!(written(&one, Dialect::V2, "a\nb\na").0, 204);
    assert_eq!(written(&other, Dialect::V2, "a\nc").0, 204);
    assert_eq!(written(&other, Dialect::V2, "d\nbad").0, 400);
    assert_eq!(one.line_set().len(), 2);
    assert_eq!(one.line_set().difference(&other.line_set()), (1, 1));
    assert_eq!(one.line_set().difference(&one.line_set()), (0, 0));
}
