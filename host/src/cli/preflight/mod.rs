//! `preflight`: what a load would do, before its first point.
//!
//! The objects are converted as for a load, and cut into the requests that would be sent. Nothing is sent but questions.

mod pace;
mod problems;

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{CliError, ConversionArguments, PreflightArguments, complain, estimate, inputs, load, print, summary};
use crate::config::Config;
use crate::pipeline::{LoadRequest, Loader, Location};
use crate::points::go_duration;
use crate::report::{Accounts, Report, Timings};
use crate::sink::survey::{ERROR, EXACT, Findings, Survey};
use crate::sink::{Bucket, Engine, InfluxDb, Sink};
use pace::Pace;
use problems::Problem;

/// The memory of the function whose price is shown, in MiB: that of a whole processor.
const MEMORY_MIB: u32 = 1769;

const ROWS: f64 = 1e6;

/// What was found.
pub(super) struct Preflight {
    engine: Engine,
    bucket: Option<Bucket>,
    objects: usize,
    accounts: Accounts,
    findings: Findings,
    /// Series that the server does not have, if that is known.
    new_series: Option<u64>,
    /// Why the server's fields are not known.
    unknown: Option<String>,
    problems: Vec<Problem>,
    work: estimate::Work,
    pace: Pace,
}

/// Looks, and prints what is found. Returns whether nothing would be lost.
pub(super) async fn preflight(config: &Config, arguments: &PreflightArguments) -> Result<bool, CliError> {
    let PreflightArguments { inputs, conversion, rate, json } = arguments;
    let found = look(config, inputs, conversion, *rate).await?;
    print(&if *json { format!("{}\n", found.json()) } else { found.text() })?;
    Ok(found.loses_nothing())
}

/// Looks at what loading `inputs` would do.
pub(super) async fn look(
    config: &Config,
    inputs: &[String],
    conversion: &ConversionArguments,
    rate: Option<u32>,
) -> Result<Preflight, CliError> {
    let loader = Loader::new(config)?;
    let dataset = load::dataset(config, &loader, conversion).await?;
    look_at(config, &loader, &inputs::find(inputs).await?, dataset.as_deref(), rate).await
}

/// The same of objects that were found, with the converters of a loader.
pub(super) async fn look_at(
    config: &Config,
    loader: &Loader,
    locations: &[Location],
    dataset: Option<&str>,
    rate: Option<u32>,
) -> Result<Preflight, CliError> {
    let mut config = config.clone();
    // One thread, so that what is measured is work and not waiting.
    config.threads = Some(1);
    config.rejects = None;
    config.drop_invalid_records = true;
    let loader = loader.with_settings(&config);
    let survey = Survey::of(InfluxDb::new(config.influxdb()?, &config.write)?);
    survey.server().reach(None).await?;
    let sink = Sink::from(survey);
    let mut report = Report::default();
    for location in locations {
        let request = LoadRequest::new(location).as_dataset(dataset);
        report.objects.push(loader.load(&request, &sink, None, &()).await);
    }
    let Sink::Survey(survey) = sink else { return Err(CliError::NoRows) };
    compare(survey, report, rate).await
}

/// Holds what was found against what the server has.
async fn compare(survey: Survey, report: Report, rate: Option<u32>) -> Result<Preflight, CliError> {
    let (server, findings) = (survey.server(), survey.findings());
    let (engine, bucket) = (server.engine(None).await?, server.bucket(None).await?);
    let mut problems: Vec<Problem> = Vec::new();
    for object in &report.objects {
        if let Some(failure) = &object.failure {
            complain(failure, Some(&object.object));
            let message = format!("`{}` cannot be loaded: {}", object.object, failure.message());
            let hint = failure.hint().map(str::to_owned);
            problems.push(Problem { hint, ..Problem::new("failed", true, message) });
        }
    }
    let accounts = report.totals();
    problems.extend(problems::of_rows(&accounts));
    problems.extend(problems::of_time(&findings, bucket.as_ref(), now()));
    let measurements: Vec<String> = findings.tables.keys().cloned().collect();
    let mut unknown = None;
    if !measurements.is_empty() {
        match server.schema(&measurements).await {
            Ok(there) => problems.extend(problems::of_tables(&findings, &there, engine)),
            Err(error) => unknown = Some(error.to_string()),
        }
    }
    let new_series = if unknown.is_none() { new_series(server, &findings).await } else { None };
    let pace = match rate {
        Some(rate) => Pace::Given(rate),
        None => Pace::measured(server.past_writes().await),
    };
    let timings = report.objects.iter().fold(Timings::default(), |mut sum, object| {
        sum += object.timings;
        sum
    });
    Ok(Preflight {
        engine,
        bucket,
        objects: report.objects.len(),
        work: estimate::work(accounts.rows.max(1), &timings),
        accounts,
        findings,
        new_series,
        unknown,
        problems,
        pace,
    })
}

/// How many series the server does not have; none if there are too many to compare.
async fn new_series(server: &InfluxDb, findings: &Findings) -> Option<u64> {
    let mut new = 0;
    for (measurement, table) in &findings.tables {
        // One more than is compared.
        let there = server.series(measurement, EXACT + 1).await.ok()??;
        if there.len() > EXACT {
            return None;
        }
        new += table.series.not_among(there.iter().map(String::as_str))?;
    }
    Some(new)
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

impl Preflight {
    /// Whether nothing would be lost.
    pub(super) fn loses_nothing(&self) -> bool {
        !self.problems.iter().any(|problem| problem.lost)
    }

    #[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^53")]
    fn millions(&self) -> f64 {
        self.accounts.rows as f64 / ROWS
    }

    /// How long the load takes a function of [`MEMORY_MIB`], and what that costs on arm64.
    fn cost(&self) -> (f64, f64) {
        let rate = self.pace.rows_a_second(&self.accounts);
        let cost = estimate::cost(MEMORY_MIB, self.work, rate);
        (cost.seconds * self.millions(), cost.arm64_dollars * self.millions())
    }

    /// For scripts.
    pub(super) fn json(&self) -> Value {
        let Self { engine, bucket, objects, accounts, findings, new_series, unknown, problems, pace, .. } = self;
        let (series, exact) = findings.series.count();
        let (seconds, dollars) = self.cost();
        let seconds_of = |duration: Option<Duration>| duration.map(|duration| duration.as_secs());
        json!({
            "loses_nothing": self.loses_nothing(),
            "engine": engine.to_string(),
            "bucket": bucket.as_ref().map(|bucket| json!({
                "retention_seconds": seconds_of(bucket.retention),
                "shard_seconds": seconds_of(bucket.shard),
            })),
            "objects": objects,
            "rows": accounts.rows,
            "rejected": accounts.rejected,
            "filtered": accounts.filtered,
            "superseded": accounts.superseded,
            "points": accounts.points,
            "series": { "count": series, "standard_error": if exact { 0.0 } else { ERROR }, "new": new_series },
            "shards": findings.shards,
            "times": findings.times.map(|(first, last)| json!({ "first": date(first), "last": date(last) })),
            "line_protocol_bytes": accounts.line_protocol_bytes,
            "bytes": accounts.bytes_written,
            "requests": accounts.requests,
            "rate": pace.rows_a_second(accounts),
            "rate_by": pace.name(),
            "seconds": seconds,
            "lambda": { "memory_mib": MEMORY_MIB, "arm64_dollars": dollars },
            "fields_unknown": unknown,
            "problems": problems,
        })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let Self { engine, bucket, objects, accounts, findings, new_series, unknown, problems, pace, .. } = self;
        let grouped = summary::grouped;
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            // Writing to a string does not fail.
            _ = writeln!(text, "{name:<11}{value}");
        };
        let bucket = match bucket {
            None => "retention and shards are not known".to_owned(),
            Some(Bucket { retention, shard, .. }) => {
                let kept =
                    retention.map_or_else(|| "forever".to_owned(), |kept| format!("for {}", go_duration::of(kept)));
                let shards = shard.map(|shard| format!(", in shards of {}", go_duration::of(shard)));
                format!("points are kept {kept}{}", shards.unwrap_or_default())
            }
        };
        line("server", format!("{engine}; {bucket}"));
        let (rejected, filtered) = (grouped(accounts.rejected_total()), grouped(accounts.filtered));
        let of = if *objects == 1 { "1 object".to_owned() } else { format!("{objects} objects") };
        line("rows", format!("{} of {of}; {rejected} rejected, {filtered} filtered", grouped(accounts.rows)));
        line("points", grouped(accounts.points));
        let (series, exact) = findings.series.count();
        let error = if exact { String::new() } else { format!(", ± {:.1} %", ERROR * 100.0) };
        let new = new_series.map(|new| format!(", {} of them new", grouped(new)));
        line("series", format!("{}{error}{}", grouped(series), new.unwrap_or_default()));
        if let Some(shards) = findings.shards {
            line("shards", grouped(shards));
        }
        if let Some((first, last)) = findings.times {
            line("times", format!("{} to {}", date(first), date(last)));
        }
        let (sent, lines) = (grouped(accounts.bytes_written), grouped(accounts.line_protocol_bytes));
        line("bytes", format!("{sent} in {} requests; {lines} of line protocol", grouped(accounts.requests)));
        let (seconds, dollars) = self.cost();
        line("seconds", format!("{seconds:.1}: {}", pace.text()));
        line("Lambda", format!("${dollars:.6} on arm64 with {MEMORY_MIB} MiB"));
        if let Some(unknown) = unknown {
            line("remark", format!("the server's fields are not compared: {unknown}"));
        }
        if problems.is_empty() {
            text.push_str("\nNothing would be lost.\n");
            return text;
        }
        text.push('\n');
        for Problem { kind, measurement, key, count, lost, message, .. } in problems {
            let of = [measurement.as_deref(), key.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
            let of = if of.is_empty() { of } else { format!(" `{of}`") };
            let count = count.map(|count| format!(" ({})", grouped(count))).unwrap_or_default();
            _ = writeln!(text, "{}: {kind}{of}{count}: {message}", if *lost { "lost" } else { "note" });
        }
        text
    }
}

fn date(nanoseconds: i64) -> String {
    // Every time of 64 bits is one.
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or_default().to_string()
}
