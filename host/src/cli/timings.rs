//! Where the time of a load went, for people.

use std::time::Duration;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};

use crate::report::{Report, Timings};

/// The stages of all objects, how long each worked, and what it waited for; with a newline at its end.
pub(super) fn text(report: &Report) -> String {
    let mut timings = Timings::default();
    report.objects.iter().for_each(|object| timings += object.timings);
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["stage", "busy", "of the whole", "waited"]);
    let waits = |of: &[(Duration, &str)]| {
        let waits: Vec<_> = of.iter().map(|(time, what)| format!("{} for {what}", seconds(*time))).collect();
        waits.join(", ")
    };
    let rows = [
        ("decode", timings.decode, waits(&[(timings.decode_blocked, "a free converter")])),
        (
            "convert",
            timings.convert,
            waits(&[(timings.convert_starved, "batches"), (timings.convert_blocked, "free requests")]),
        ),
        ("compress", timings.compress, String::new()),
        ("write", timings.write, held(&timings)),
        ("total", timings.total, String::new()),
    ];
    for (stage, busy, waited) in rows {
        let part = 100.0 * busy.as_secs_f64() / timings.total.as_secs_f64().max(f64::MIN_POSITIVE);
        table.add_row([stage.to_owned(), seconds(busy), format!("{part:.0} %"), waited]);
    }
    for column in table.column_iter_mut().skip(1).take(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\nadded up over threads and requests at a time; only the total is by the clock\n")
}

/// For how long points were held back, where they were.
fn held(timings: &Timings) -> String {
    let held = [(timings.paused, "a pause to end"), (timings.rate_limited, "`WRITE_RATE_POINTS`")];
    let held = held.iter().filter(|(time, _)| !time.is_zero());
    held.map(|(time, what)| format!("{} for {what}", seconds(*time))).collect::<Vec<_>>().join(", ")
}

fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ObjectReport;

    #[test]
    fn stages_are_told_with_what_they_waited_for() {
        let timings = Timings {
            total: Duration::from_millis(1_000),
            decode: Duration::from_millis(100),
            decode_blocked: Duration::from_millis(800),
            convert: Duration::from_millis(900),
            compress: Duration::from_millis(700),
            convert_starved: Duration::from_millis(50),
            convert_blocked: Duration::from_millis(150),
            write: Duration::from_millis(2_500),
            ..Timings::default()
        };
        let report = Report { objects: vec![ObjectReport { timings, ..ObjectReport::default() }], ..Report::default() };
        insta::assert_snapshot!(text(&report), @r"
        ────────────────────────────────────────────────────────────────────────────────────
         stage         busy   of the whole   waited                                         
        ════════════════════════════════════════════════════════════════════════════════════
         decode     0.100 s           10 %   0.800 s for a free converter                   
        ────────────────────────────────────────────────────────────────────────────────────
         convert    0.900 s           90 %   0.050 s for batches, 0.150 s for free requests 
        ────────────────────────────────────────────────────────────────────────────────────
         compress   0.700 s           70 %                                                  
        ────────────────────────────────────────────────────────────────────────────────────
         write      2.500 s          250 %                                                  
        ────────────────────────────────────────────────────────────────────────────────────
         total      1.000 s          100 %                                                  
        ────────────────────────────────────────────────────────────────────────────────────
        added up over threads and requests at a time; only the total is by the clock
        ");
    }
}
