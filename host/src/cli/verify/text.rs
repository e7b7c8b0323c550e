//! What was found, for people.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::calendar::{self, date, heat};
use crate::cli::summary::grouped;
use crate::logs::on_one_line;
use crate::verify::{BucketOutcome, Change, Difference, MeasurementOutcome, Method, Outcome};

/// Greens of a terminal with 256 colours, the darkest first, and a red.
const GREENS: [u8; 4] = [22, 28, 34, 40];
const RED: u8 = 196;

/// The most buckets that are shown by themselves.
const BUCKETS: usize = 40;

pub(super) fn text(outcome: &Outcome, coloured: bool) -> String {
    let mut text = String::new();
    let totals = &outcome.totals;
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        _ = writeln!(text, "{name:<11}{value}");
    };
    if !outcome.objects.is_empty() {
        let sum = |of: fn(&crate::verify::ObjectOutcome) -> u64| grouped(outcome.objects.iter().map(of).sum());
        let objects = match outcome.objects.len() {
            1 => "1 object".to_owned(),
            many => format!("{many} objects"),
        };
        let (rows, rejected, filtered) =
            (sum(|object| object.rows), sum(|object| object.rejected), sum(|object| object.filtered));
        line("rows", format!("{rows} of {objects}; {rejected} rejected, {filtered} filtered"));
    }
    line("values", format!("{} expected, {} found", grouped(totals.expected), grouped(totals.found)));
    let of_values = [("missing", totals.missing), ("extra", totals.extra), ("different", totals.different)];
    line("", of_values.map(|(name, count)| format!("{} {name}", grouped(count))).join(", "));
    line("buckets", format!("{}, {} of them differ", grouped(totals.buckets), grouped(totals.differing_buckets)));
    line(
        "work",
        format!(
            "{:.1} s, {} questions, source read {} times",
            outcome.seconds,
            grouped(outcome.questions),
            outcome.passes
        ),
    );
    for (name, measurement) in &outcome.measurements {
        of_measurement(&mut text, name, measurement, outcome.bucket_seconds, coloured);
    }
    for difference in &outcome.differences {
        _ = writeln!(text, "{}", of_difference(difference, outcome));
    }
    if outcome.not_shown > 0 {
        _ = writeln!(text, "… and {} more; --show names more of them", grouped(outcome.not_shown));
    }
    text.push_str(match (outcome.clean, totals.expected) {
        (true, 0) => "\nNothing is expected, and nothing was found.\n",
        (true, _) => "\nThe database has all of it, and nothing else.\n",
        (false, _) => "\nThe database differs.\n",
    });
    text
}

fn of_measurement(text: &mut String, name: &str, measurement: &MeasurementOutcome, seconds: i64, coloured: bool) {
    let MeasurementOutcome { method, fields, types, buckets } = measurement;
    let how = match method {
        Method::Points => "point by point",
        Method::Sums => "by sums",
    };
    _ = writeln!(text, "\n{}: {} fields, compared {how}", on_one_line(name), fields.len());
    for difference in types {
        let names = |kinds: &BTreeSet<String>| kinds.iter().map(String::as_str).collect::<Vec<_>>().join(" and ");
        let (expected, found) = (names(&difference.expected), names(&difference.found));
        let field = on_one_line(&difference.field);
        _ = writeln!(text, "  the field `{field}` is expected as {expected}, and is {found}");
    }
    let most = buckets.iter().map(|bucket| bucket.expected).max().unwrap_or_default();
    for line in calendar::lines(buckets, seconds) {
        _ = write!(text, "  {:<20} ", line.name);
        for mark in line.marks {
            text.push_str(&marked(mark, most, coloured));
        }
        text.push('\n');
    }
    let differing = || buckets.iter().filter(|bucket| bucket.differs());
    for bucket in differing().take(BUCKETS) {
        let BucketOutcome { start, expected, found, missing, extra, different, by } = bucket;
        _ = write!(text, "  {}: {} expected, {} found", date(*start), grouped(*expected), grouped(*found));
        if by.is_empty() {
            _ = writeln!(text, "; {missing} missing, {extra} extra, {different} different");
        } else {
            _ = writeln!(text, "; not compared point by point, differs in {}", aspects(bucket));
        }
    }
    let more = differing().count().saturating_sub(BUCKETS);
    if more > 0 {
        _ = writeln!(text, "  … and {more} more; --json has all of them");
    }
}

pub(super) fn aspects(bucket: &BucketOutcome) -> String {
    bucket.by.iter().map(|aspect| format!("{aspect:?}").to_lowercase()).collect::<Vec<_>>().join(", ")
}

fn marked(mark: Option<&BucketOutcome>, most: u64, coloured: bool) -> String {
    let (sign, colour) = match mark {
        None => return "·".to_owned(),
        Some(bucket) if bucket.differs() => ('✗', RED),
        Some(bucket) => (if coloured { '■' } else { '✓' }, GREENS[heat(bucket, most)]),
    };
    if coloured { format!("\u{1b}[38;5;{colour}m{sign}\u{1b}[0m") } else { sign.to_string() }
}

/// A difference in a line.
pub(super) fn of_difference(difference: &Difference, outcome: &Outcome) -> String {
    let Difference { change, measurement, series, field, time, expected, found, row, .. } = difference;
    let (expected, found) = (expected.as_deref().unwrap_or_default(), found.as_deref().unwrap_or_default());
    let (name, values) = match change {
        Change::Missing => ("missing", format!("{expected} is expected")),
        Change::Extra => ("extra", format!("{found} is not expected")),
        Change::Different => ("different", format!("{expected} is expected, and {found} found")),
    };
    let comma = if series.is_empty() { "" } else { "," };
    let object = difference.object.and_then(|object| outcome.objects.get(object as usize));
    let origin = object.zip(*row).map(|(object, row)| format!(" (row {row} of `{}`)", object.object));
    // Names and values are whatever files and the database hold.
    on_one_line(&format!(
        "{name}: `{measurement}{comma}{series}` `{field}` at {}: {values}{}",
        date(*time),
        origin.unwrap_or_default()
    ))
}
