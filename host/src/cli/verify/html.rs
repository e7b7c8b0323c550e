//! What was found, as a page with a picture: one file that needs nothing else.

use std::fmt::Write;

use super::calendar::{self, date, heat};
use super::text;
use crate::cli::summary::grouped;
use crate::verify::{BucketOutcome, MeasurementOutcome, Outcome};

/// The side of a day and the space that it takes, in pixels.
const SIDE: usize = 12;
const SPACE: usize = 15;

/// Where the first day is.
const LEFT: usize = 150;

const GREENS: [&str; 4] = ["#b7e4c7", "#74c69d", "#40916c", "#1b4332"];
const RED: &str = "#d00000";
const NOTHING: &str = "#ececec";

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em;color:#222}\
svg text{font:11px ui-monospace,monospace;fill:#555}li{font:13px/1.6 ui-monospace,monospace;overflow-wrap:anywhere}\
.no{color:#d00000}.yes{color:#1b4332}";

pub(super) fn page(outcome: &Outcome) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Verification</title><style>{STYLE}</style></head><body>\n"
    );
    let totals = &outcome.totals;
    let (class, verdict) = if outcome.clean {
        ("yes", "The database has all of it, and nothing else.")
    } else {
        ("no", "The database differs.")
    };
    // Writing to a string does not fail.
    _ = writeln!(page, "<h1 class=\"{class}\">{verdict}</h1>");
    _ = writeln!(
        page,
        "<p>{} values expected, {} found: {} missing, {} extra, {} different, in {} of {} buckets of {} s.</p>",
        grouped(totals.expected),
        grouped(totals.found),
        grouped(totals.missing),
        grouped(totals.extra),
        grouped(totals.different),
        grouped(totals.differing_buckets),
        grouped(totals.buckets),
        outcome.bucket_seconds
    );
    for (name, measurement) in &outcome.measurements {
        _ = writeln!(page, "<h2>{}</h2>", escaped(name));
        picture(&mut page, measurement, outcome.bucket_seconds);
    }
    if !outcome.differences.is_empty() {
        page.push_str("<h2>Differences</h2><ul>\n");
        for difference in &outcome.differences {
            _ = writeln!(page, "<li>{}</li>", escaped(&text::of_difference(difference, outcome)));
        }
        if outcome.not_shown > 0 {
            _ = writeln!(page, "<li>… and {} more</li>", grouped(outcome.not_shown));
        }
        page.push_str("</ul>\n");
    }
    for object in outcome.objects.iter().filter_map(|object| object.failure.as_ref().map(|failure| (object, failure))) {
        _ = writeln!(page, "<p class=\"no\">{}: {}</p>", escaped(&object.0.object), escaped(&object.1.to_string()));
    }
    page.push_str("</body></html>\n");
    page
}

fn picture(page: &mut String, measurement: &MeasurementOutcome, seconds: i64) {
    let lines = calendar::lines(&measurement.buckets, seconds);
    let most = measurement.buckets.iter().map(|bucket| bucket.expected).max().unwrap_or_default();
    let widest = lines.iter().map(|line| line.marks.len()).max().unwrap_or_default();
    let (width, height) = (LEFT + widest * SPACE, lines.len() * SPACE + SPACE);
    _ = writeln!(page, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" role=\"img\">");
    for (row, line) in lines.iter().enumerate() {
        let y = row * SPACE;
        _ = writeln!(page, "<text x=\"0\" y=\"{}\">{}</text>", y + SIDE - 2, escaped(&line.name));
        for (column, mark) in line.marks.iter().enumerate() {
            let (x, colour) = (LEFT + column * SPACE, colour(*mark, most));
            let title = mark.map(title).unwrap_or_default();
            _ = writeln!(
                page,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{SIDE}\" height=\"{SIDE}\" rx=\"2\" fill=\"{colour}\"><title>{}</title></rect>",
                escaped(&title)
            );
        }
    }
    page.push_str("</svg>\n");
}

fn colour(mark: Option<&BucketOutcome>, most: u64) -> &'static str {
    match mark {
        None => NOTHING,
        Some(bucket) if bucket.differs() => RED,
        Some(bucket) => GREENS[heat(bucket, most)],
    }
}

fn title(bucket: &BucketOutcome) -> String {
    let BucketOutcome { start, expected, found, missing, extra, different, by } = bucket;
    let mut title = format!("{}: {expected} expected, {found} found", date(*start));
    if !by.is_empty() {
        _ = write!(title, "; differs in {}", text::aspects(bucket));
    } else if bucket.differs() {
        _ = write!(title, "; {missing} missing, {extra} extra, {different} different");
    }
    title
}

/// Text as it stands in a page: names come from files and from a server.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::verify::{Change, Difference, Method, Totals};

    #[test]
    fn a_page_needs_nothing_else_and_runs_nothing_of_what_it_shows() {
        let hostile = "<script>alert(\"m\")</script>".to_owned();
        let bucket = BucketOutcome { start: 0, expected: 2, found: 1, missing: 1, ..BucketOutcome::default() };
        let measurement = MeasurementOutcome {
            method: Method::Points,
            fields: vec!["f".to_owned()],
            types: Vec::new(),
            buckets: vec![bucket],
        };
        let difference = Difference {
            change: Change::Missing,
            measurement: hostile.clone(),
            series: hostile.clone(),
            field: "f".to_owned(),
            time: 5,
            expected: Some("1.0".to_owned()),
            found: None,
            object: None,
            row: None,
        };
        let outcome = Outcome {
            clean: false,
            objects: Vec::new(),
            bucket_seconds: 86_400,
            totals: Totals::default(),
            measurements: BTreeMap::from([(hostile, measurement)]),
            differences: vec![difference],
            not_shown: 0,
            passes: 1,
            questions: 1,
            seconds: 0.0,
        };
        let page = page(&outcome);
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
        assert!(page.contains("<svg") && page.contains(RED) && page.matches("<rect").count() == 31, "{page}");
        for from_elsewhere in ["src=", "href=", "url(", "@import"] {
            assert!(!page.contains(from_elsewhere), "{from_elsewhere}");
        }
    }
}
