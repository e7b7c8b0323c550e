//! The search against servers that are models: exact to the row, whatever they count, and few requests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot continue has failed")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::portions::Rows;
use super::*;

/// Rows of a point each, all of the same size and series; a row's number is its time.
struct Plain;

impl Rows for Plain {
    fn points(&self, _: usize) -> usize {
        1
    }
    fn bytes(&self, _: usize) -> usize {
        20
    }
    fn part(&self, rows: &[usize], _: &Suspects, _: Option<usize>) -> [Vec<usize>; 2] {
        self.halves(rows)
    }
}

fn reason(message: &str) -> Reason {
    Reason { refusal: Refusal::Refused, message: message.to_owned() }
}

fn dropped(points: usize) -> Outcome {
    Outcome::Dropped { points, reason: reason("dropped"), suspects: Suspects::Any }
}

fn refused() -> Outcome {
    Outcome::Refused { message: "no".to_owned() }
}

/// A server: what it answers to rows, and which of them it keeps.
trait Server: FnMut(&[usize]) -> (Outcome, Vec<usize>) {}
impl<F: FnMut(&[usize]) -> (Outcome, Vec<usize>)> Server for F {}

struct Found {
    rejected: BTreeSet<usize>,
    stored: BTreeSet<usize>,
    requests: usize,
    /// The order in which rows were kept.
    kept: Vec<usize>,
}

/// Searches, and checks that every row has one fate, and that what counts as written is stored.
fn search(rows: usize, ordered: bool, mut server: impl Server) -> Option<Found> {
    let mut search = Search::new(rows);
    let (mut stored, mut kept, mut requests) = (BTreeSet::new(), Vec::new(), 0);
    loop {
        match search.next() {
            Step::Send(portion) => {
                requests += 1;
                assert!(requests <= 20 * rows + 50, "it does not end");
                let (outcome, keeps) = server(&portion.rows);
                stored.extend(keeps.iter().copied());
                kept.extend(keeps);
                search.is_parted(|| ordered);
                search.answered(portion, outcome, &Plain);
            }
            Step::Ping => {}
            Step::Fail => return None,
            Step::Done => break,
        }
    }
    let mut rejected = BTreeSet::new();
    for (row, fate) in search.fates().iter().enumerate() {
        match fate {
            Fate::Open => panic!("row {row} has no fate"),
            Fate::Written => assert!(stored.contains(&row), "row {row} is reported as written and is not"),
            Fate::Rejected(_) => drop(rejected.insert(row)),
        }
    }
    Some(Found { rejected, stored, requests, kept })
}

fn good(rows: &[usize], bad: &BTreeSet<usize>) -> Vec<usize> {
    rows.iter().copied().filter(|row| !bad.contains(row)).collect()
}

/// Counts what it drops, and keeps the others.
fn counting(bad: &BTreeSet<usize>) -> impl Server {
    |rows: &[usize]| {
        let good = good(rows, bad);
        let outcome = if good.len() == rows.len() { Outcome::Written } else { dropped(rows.len() - good.len()) };
        (outcome, good)
    }
}

/// Takes all rows of a request or none, and names no reason.
fn silent(bad: &BTreeSet<usize>) -> impl Server {
    |rows: &[usize]| match rows.iter().any(|row| bad.contains(row)) {
        true => (refused(), Vec::new()),
        false => (Outcome::Written, rows.to_vec()),
    }
}

fn spread(count: usize, rows: usize) -> BTreeSet<usize> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut bad = BTreeSet::new();
    while bad.len() < count {
        bad.insert(random.usize(..rows));
    }
    bad
}

#[test]
fn what_is_counted_is_found_by_fewer_requests_than_what_is_not() {
    let bad = spread(120, 6000);
    let counted = search(6000, false, counting(&bad)).unwrap();
    assert_eq!(counted.rejected, bad);
    assert!(counted.requests < 900, "{} requests", counted.requests);
    let uncounted = search(6000, false, silent(&bad)).unwrap();
    assert_eq!(uncounted.rejected, bad);
    assert!(uncounted.requests < 1300, "{} requests", uncounted.requests);
}

#[test]
fn rows_that_lie_together_are_found_by_some_requests_for_each_doubling() {
    let bad: BTreeSet<usize> = (2000..2166).collect();
    let found = search(6000, false, counting(&bad)).unwrap();
    assert_eq!(found.rejected, bad);
    assert!(found.requests < 30, "{} requests", found.requests);
}

#[test]
fn where_nothing_is_taken_nothing_is_to_blame() {
    for rows in [1, 2, 1000] {
        let all: BTreeSet<usize> = (0..rows).collect();
        assert!(search(rows, false, silent(&all)).is_none());
        assert!(search(rows, false, |_: &[usize]| (Outcome::Broke, Vec::new())).is_none());
        assert!(
            search(rows, false, |_: &[usize]| (Outcome::TooLarge { message: String::new() }, Vec::new())).is_none()
        );
    }
}

#[test]
fn a_proxy_that_refuses_for_a_while_costs_no_row() {
    for (from, to) in [(0, 6), (1, 20), (3, 60), (10, 40)] {
        for outcome in [refused(), Outcome::Broke, Outcome::TooLarge { message: String::new() }] {
            let (bad, mut request) = (BTreeSet::from([17]), 0);
            let found = search(64, false, |rows: &[usize]| {
                request += 1;
                if (from..to).contains(&request) { (outcome.clone(), Vec::new()) } else { counting(&bad)(rows) }
            });
            // Either the chunk fails, or its one bad row is found.
            assert!(found.is_none_or(|found| found.rejected == bad), "{from} to {to}: {outcome:?}");
        }
    }
}

#[test]
fn in_a_chunk_whose_points_replace_each_other_the_last_ones_are_kept_last() {
    // Rows r and r + 8 are the same point.
    for bad in [vec![3], vec![0, 9], vec![15], vec![7, 8]] {
        let bad: BTreeSet<usize> = bad.into_iter().collect();
        for found in [search(16, true, silent(&bad)), search(16, true, counting(&bad))] {
            let found = found.unwrap();
            assert_eq!(found.rejected, bad);
            let mut point = BTreeMap::new();
            for row in found.kept {
                point.insert(row % 8, row);
            }
            for first in 0..8 {
                let newest = [first + 8, first].into_iter().find(|row| !bad.contains(row));
                assert_eq!(point.get(&first).copied(), newest, "{bad:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn every_bad_row_is_found_and_no_other_whatever_the_server_counts(
        rows in 1..200_usize,
        bad in proptest::collection::btree_set(0..200_usize, 0..20),
        lies in proptest::collection::vec(0..4_usize, 0..40),
        ordered: bool,
    ) {
        let bad: BTreeSet<usize> = bad.into_iter().filter(|row| *row < rows).collect();
        let mut lies = lies.into_iter();
        // It counts fewer than it drops, as one that counts one shard of several, but one at least.
        let found = search(rows, ordered, |sent: &[usize]| {
            let good = good(sent, &bad);
            let count = sent.len() - good.len();
            if count == 0 {
                return (Outcome::Written, good);
            }
            (dropped(count.saturating_sub(lies.next().unwrap_or(0)).max(1)), good)
        });
        let found = found.unwrap();
        prop_assert_eq!(&found.rejected, &bad);
        prop_assert_eq!(found.stored.len(), rows - bad.len());
    }

    #[test]
    fn a_server_that_names_rows_and_forgets_others_is_asked_until_all_are_found(
        rows in 1..100_usize,
        bad in proptest::collection::btree_set(0..100_usize, 0..30),
        others_kept: bool,
    ) {
        let bad: BTreeSet<usize> = bad.into_iter().filter(|row| *row < rows).collect();
        let found = search(rows, false, |sent: &[usize]| {
            let named: Vec<usize> = sent.iter().copied().filter(|row| bad.contains(row)).collect();
            match named.is_empty() {
                true => (Outcome::Written, sent.to_vec()),
                false => {
                    let told = if others_kept { &named[..] } else { &named[..1] };
                    let refused = told.iter().map(|row| (*row, reason("named"))).collect();
                    let kept = if others_kept { good(sent, &bad) } else { Vec::new() };
                    (Outcome::Named { refused, others_kept }, kept)
                }
            }
        });
        prop_assert_eq!(found.unwrap().rejected, bad);
    }
}
