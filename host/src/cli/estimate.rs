//! `estimate`: what loading costs in AWS Lambda, from how fast it is here.

use std::path::Path;
use std::time::Duration;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use serde_json::json;

use super::{CliError, EstimateArguments, complain, inputs, load, print};
use crate::config::{Compression, Config};
use crate::pipeline::{LoadRequest, Loader};
use crate::report::Timings;
use crate::sink::LineWriter;

/// Memory sizes to choose from, in MiB.
const MEMORY_MIB: [u32; 6] = [512, 1024, 1769, 3538, 7076, 10_240];

/// The memory, in MiB, with which a function has one processor; with more or less it has as much more or less of them.
/// Source: AWS Lambda Developer Guide, "Configure Lambda function memory".
const MEMORY_OF_A_PROCESSOR: f64 = 1769.0;

/// The most processors that a function has.
const PROCESSORS: f64 = 6.0;

/// US dollars for a gigabyte-second in us-east-1, the first tier, as listed in November 2026.
const ARM64_DOLLARS: f64 = 0.000_013_333_4;
const X86_64_DOLLARS: f64 = 0.000_016_666_7;

const ROWS: f64 = 1e6;

/// What a million rows take at a memory size.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Cost {
    memory_mib: u32,
    processors: f64,
    pub(super) seconds: f64,
    gigabyte_seconds: f64,
    pub(super) arm64_dollars: f64,
    x86_64_dollars: f64,
}

/// How long a million rows take one processor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Work {
    /// All stages, in seconds.
    processor_seconds: f64,
    /// Decoding alone, which one thread does.
    decode_seconds: f64,
}

/// Measures, and prints what a million rows cost. Returns whether all could be converted.
pub(super) async fn estimate(config: &Config, arguments: &EstimateArguments) -> Result<bool, CliError> {
    let EstimateArguments { inputs, conversion, rounds, server, json } = arguments;
    let mut config = config.clone();
    // One thread at a time, so that what is measured is work and not waiting; compressed, as it is sent.
    config.threads = Some(1);
    config.rejects = None;
    let loader = Loader::new(&config)?;
    let dataset = load::dataset(&config, &loader, conversion).await?;
    let locations = inputs::find(inputs).await?;
    let sink = LineWriter::file(Path::new("/dev/null"), Compression::Gzip)?.into();
    let mut measured = Vec::new();
    // The first round compiles the converter and fills the system's cache, and does not count.
    for round in 0..=*rounds {
        let (mut rows, mut timings) = (0, Timings::default());
        for location in &locations {
            let request = LoadRequest::new(location).as_dataset(dataset.as_deref());
            let report = loader.load(&request, &sink, None, &()).await;
            if let Some(failure) = &report.failure {
                complain(failure, Some(&report.object));
                return Ok(false);
            }
            rows += report.accounts.rows;
            timings += report.timings;
        }
        if rows == 0 {
            return Err(CliError::NoRows);
        }
        if round > 0 {
            measured.push((rows, work(rows, &timings)));
        }
    }
    measured.sort_by(|(_, one), (_, other)| one.processor_seconds.total_cmp(&other.processor_seconds));
    let (rows, work) = measured[measured.len() / 2];
    let costs = MEMORY_MIB.map(|memory| cost(memory, work, *server));
    if *json {
        let report = json!({ "rows": rows, "rounds": rounds, "measured": work, "million_rows": costs });
        return print(&format!("{report}\n")).map(|()| true);
    }
    print(&text(rows, *rounds, work, *server, &costs)).map(|()| true)
}

#[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^53")]
/// How long a million rows take one processor, of so many rows that took so long.
pub(super) fn work(rows: u64, timings: &Timings) -> Work {
    let millions = rows as f64 / ROWS;
    let seconds = |duration: Duration| duration.as_secs_f64() / millions;
    Work {
        processor_seconds: seconds(timings.decode + timings.convert + timings.compress),
        decode_seconds: seconds(timings.decode),
    }
}

/// What a million rows cost, when the server takes as many rows a second, or as many as it gets.
pub(super) fn cost(memory_mib: u32, work: Work, server: Option<u32>) -> Cost {
    let processors = (f64::from(memory_mib) / MEMORY_OF_A_PROCESSOR).min(PROCESSORS);
    let waiting = server.map_or(0.0, |rows| ROWS / f64::from(rows));
    // The thread that decodes has at most one processor.
    let decoding = work.decode_seconds / processors.min(1.0);
    let seconds = (work.processor_seconds / processors).max(decoding).max(waiting);
    let gigabyte_seconds = seconds * f64::from(memory_mib) / 1024.0;
    Cost {
        memory_mib,
        processors,
        seconds,
        gigabyte_seconds,
        arm64_dollars: gigabyte_seconds * ARM64_DOLLARS,
        x86_64_dollars: gigabyte_seconds * X86_64_DOLLARS,
    }
}

fn text(rows: u64, rounds: u8, work: Work, server: Option<u32>, costs: &[Cost]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["memory", "processors", "seconds", "GB-seconds", "arm64", "x86_64"]);
    for cost in costs {
        table.add_row([
            format!("{} MiB", cost.memory_mib),
            format!("{:.2}", cost.processors),
            format!("{:.2}", cost.seconds),
            format!("{:.3}", cost.gigabyte_seconds),
            format!("${:.7}", cost.arm64_dollars),
            format!("${:.7}", cost.x86_64_dollars),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let waits = match server {
        Some(rows) => format!("The server takes {rows} rows a second, and the function waits for it.\n"),
        None => "Without waits for S3 and for InfluxDB, which take longer as a rule: see --server.\n".to_owned(),
    };
    format!(
        "A million rows take one processor of this machine {:.3} s: the median of {rounds} rounds with {rows} rows.\n\
         {table}\n{waits}Without the start of the function, and requests. Prices of us-east-1, November 2026.\n",
        work.processor_seconds,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORK: Work = Work { processor_seconds: 0.4, decode_seconds: 0.05 };

    #[test]
    fn with_less_than_a_processor_the_cost_is_the_same_and_the_time_is_not() {
        let (small, one) = (cost(512, WORK, None), cost(1769, WORK, None));
        assert!((small.gigabyte_seconds - one.gigabyte_seconds).abs() < 1e-9);
        assert!((small.seconds / one.seconds - 1769.0 / 512.0).abs() < 1e-9);
        assert!((one.seconds - 0.4).abs() < 1e-9);
    }

    #[test]
    fn decoding_has_one_processor_however_many_there_are() {
        let work = Work { processor_seconds: 0.4, decode_seconds: 0.3 };
        assert!((cost(10_240, work, None).seconds - 0.3).abs() < 1e-9);
    }

    #[test]
    fn a_slow_server_is_waited_for() {
        let cost = cost(1769, WORK, Some(100_000));
        assert!((cost.seconds - 10.0).abs() < 1e-9);
        assert!((cost.arm64_dollars - 10.0 * 1769.0 / 1024.0 * ARM64_DOLLARS).abs() < 1e-9);
    }

    #[test]
    fn an_estimate_is_told_as_a_table() {
        let costs = [cost(1769, WORK, Some(1_000_000))];
        insta::assert_snapshot!(text(75_453, 5, WORK, Some(1_000_000), &costs), @r"
        A million rows take one processor of this machine 0.400 s: the median of 5 rounds with 75453 rows.
        ────────────────────────────────────────────────────────────────────────
           memory   processors   seconds   GB-seconds        arm64       x86_64 
        ════════════════════════════════════════════════════════════════════════
         1769 MiB         1.00      1.00        1.728   $0.0000230   $0.0000288 
        ────────────────────────────────────────────────────────────────────────
        The server takes 1000000 rows a second, and the function waits for it.
        Without the start of the function, and requests. Prices of us-east-1, November 2026.
        ");
    }
}
