//! The summary of a load, for people.

use std::fmt::Write;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};

use crate::report::{Accounts, ObjectReport, Report, Timings};
use crate::sink::{By, Writing};

/// The digits of a digest that distinguish versions at a glance.
const SHORT_DIGEST: usize = 12;

/// The columns of numbers, before the object's name: the longest stands last.
const NUMBERS: usize = 8;

/// Objects, rows, converters, and what was rejected, as text with a newline at its end.
pub(super) fn text(report: &Report) -> String {
    let skipped = match report.skipped {
        0 => String::new(),
        1 => "1 object is loaded already, by the ledger\n".to_owned(),
        many => format!("{} objects are loaded already, by the ledger\n", grouped(many)),
    };
    if report.objects.is_empty() {
        return skipped;
    }
    if report.objects.len() == 1 && report.totals() == Accounts::default() {
        // Nothing was read, and the error message explains why.
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["rows", "written", "rejected", "filtered", "points", "bytes", "seconds", "rows/s", "object"]);
    for object in &report.objects {
        table.add_row(row(name(object), &object.accounts, &object.timings));
    }
    if report.objects.len() > 1 {
        let total = report.objects.iter().map(|object| object.timings.total).sum();
        let timings = Timings { total, ..Timings::default() };
        table.add_row(row("total".to_owned(), &report.totals(), &timings));
    }
    for column in table.column_iter_mut().take(NUMBERS) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!("{table}\n");
    converters(report, &mut text);
    writing(report, &mut text);
    rejections(report, &mut text);
    superseded(report, &mut text);
    text.push_str(&skipped);
    text
}

fn name(object: &ObjectReport) -> String {
    match object.failure {
        None => object.object.clone(),
        Some(_) if object.is_rejected() => format!("{} (rejected)", object.object),
        Some(_) => format!("{} (failed)", object.object),
    }
}

fn row(name: String, accounts: &Accounts, timings: &Timings) -> [String; NUMBERS + 1] {
    let seconds = timings.total.as_secs_f64();
    [
        grouped(accounts.rows),
        grouped(accounts.written),
        grouped(accounts.rejected_total()),
        grouped(accounts.filtered),
        grouped(accounts.points),
        grouped(accounts.line_protocol_bytes),
        format!("{seconds:.2}"),
        if seconds > 0.0 { format!("{:.0}", accounts.rows as f64 / seconds) } else { String::new() },
        name,
    ]
}

/// Each converter that took part, once.
fn converters(report: &Report, text: &mut String) {
    let mut named = Vec::new();
    for converter in report.objects.iter().filter_map(|object| object.converter.as_ref()) {
        if !named.contains(&converter) {
            named.push(converter);
            let digest = converter.digest.get(..SHORT_DIGEST).unwrap_or(&converter.digest);
            // Writing to a string does not fail.
            _ = writeln!(text, "converted by {} {} ({digest})", converter.name, converter.version);
        }
    }
}

/// How points were written, and what decides it.
fn writing(report: &Report, text: &mut String) {
    let Some(Writing { engine, points, bytes, requests, requests_at_last, order }) = &report.writing else { return };
    let found = match requests.by {
        By::Profile => format!("; {requests_at_last} at last"),
        By::Setting | By::Limit | By::Rate => String::new(),
    };
    // Writing to a string does not fail.
    _ = writeln!(
        text,
        "written to {engine}: {} points ({}) or {} bytes ({}) a request, up to {} requests in flight ({}{found}), {} ({})",
        grouped(points.value as u64),
        points.by.name(),
        grouped(bytes.value as u64),
        bytes.by.name(),
        requests.value,
        requests.by.name(),
        order.value,
        order.by.name(),
    );
}

/// For each object what was rejected, by code, with the first rows of each.
fn rejections(report: &Report, text: &mut String) {
    for object in report.objects.iter().filter(|object| !object.accounts.rejected.is_empty()) {
        _ = writeln!(text, "rejected from {}:", object.object);
        for (code, count) in &object.accounts.rejected {
            _ = write!(text, "  {code}: {} {}", grouped(*count), if *count == 1 { "row" } else { "rows" });
            let named: Vec<_> = object.rejections.iter().filter(|rejected| rejected.code == *code).collect();
            if let Some(first) = named.first() {
                let rows: Vec<_> = named.iter().map(|rejected| rejected.row.to_string()).collect();
                let more = if (named.len() as u64) < *count { ", …" } else { "" };
                _ = write!(text, "; {} (row {}{more})", first.message, rows.join(", "));
            }
            text.push('\n');
        }
        if let Some(place) = &object.rejects {
            _ = writeln!(
                text,
                "  kept in {place}\n  hint: `influxdb-loader rejects show` shows them, `retry` loads them again"
            );
        }
    }
}

/// For each object how many rows replace others.
fn superseded(report: &Report, text: &mut String) {
    for object in report.objects.iter().filter(|object| object.accounts.superseded > 0) {
        let rows = grouped(object.accounts.superseded);
        let rows = if rows == "1" { "1 row supersedes".to_owned() } else { format!("{rows} rows supersede") };
        _ = writeln!(text, "warning: {rows} an earlier row of the same series and time in {}", object.object);
        _ = writeln!(
            text,
            "  hint: InfluxDB keeps the last value of each field; to keep all rows, make a column in which they differ a tag"
        );
    }
}

/// A number with its thousands set apart: `75,440`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::{ConverterId, RejectedRow};
    use crate::sink::Choice;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1_000, 75_440, 1_234_567].map(grouped), ["0", "999", "1,000", "75,440", "1,234,567"]);
    }

    #[test]
    fn the_summary_shows_rows_reasons_and_the_converter() {
        let mut object = ObjectReport::of_file("dataset=consumption/2021.parquet");
        object.converter = Some(ConverterId {
            name: "consumption".to_owned(),
            version: "1.0.0".to_owned(),
            digest: "0123456789abcdef".repeat(4),
            parameters: None,
        });
        object.accounts = Accounts {
            rows: 75_453,
            written: 75_440,
            points: 75_440,
            line_protocol_bytes: 10_000_000,
            ..Accounts::default()
        };
        object.accounts.superseded = 1_234;
        object.accounts.reject("invalid-timestamp", 13);
        object.timings.total = Duration::from_millis(500);
        object.name_rejection(RejectedRow {
            row: 7_000,
            row_group: Some(0),
            code: "invalid-timestamp".to_owned(),
            message: "the row has no time that can be read".to_owned(),
        });
        let writing = Writing {
            engine: "InfluxDB 2.x".to_owned(),
            points: Choice { value: 10_000, by: By::Setting },
            bytes: Choice { value: 5_242_880, by: By::Profile },
            requests: Choice { value: 4, by: By::Profile },
            requests_at_last: 2,
            order: Choice { value: "by shard, series and time", by: By::Profile },
        };
        let report = Report { objects: vec![object], writing: Some(writing), ..Report::default() };
        insta::assert_snapshot!(text(&report), @r"
        ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
           rows   written   rejected   filtered   points        bytes   seconds   rows/s   object                           
        ════════════════════════════════════════════════════════════════════════════════════════════════════════════════════
         75,453    75,440         13          0   75,440   10,000,000      0.50   150906   dataset=consumption/2021.parquet 
        ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
        converted by consumption 1.0.0 (0123456789ab)
        written to InfluxDB 2.x: 10,000 points (setting) or 5,242,880 bytes (profile) a request, up to 4 requests in flight (profile; 2 at last), by shard, series and time (profile)
        rejected from dataset=consumption/2021.parquet:
          invalid-timestamp: 13 rows; the row has no time that can be read (row 7000, …)
        warning: 1,234 rows supersede an earlier row of the same series and time in dataset=consumption/2021.parquet
          hint: InfluxDB keeps the last value of each field; to keep all rows, make a column in which they differ a tag
        ");
    }
}
