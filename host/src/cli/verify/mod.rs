//! `verify`: whether the database has what was loaded.

mod calendar;
mod html;
mod text;

use std::fs;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::progress::Bar;
use super::{CliError, ConversionArguments, complain, inputs, load, print};
use crate::config::{Config, InfluxDbSettings};
use crate::pipeline::Loader;
use crate::sink::InfluxDb;
use crate::verify::{self, Input, Options, Outcome};

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// Files, directories (every *.parquet below them), s3://bucket/key, or s3://bucket/prefix/.
    #[arg(required_unless_present = "against", conflicts_with = "against", value_name = "FILE|DIRECTORY|S3-URL")]
    inputs: Vec<String>,
    #[command(flatten)]
    conversion: ConversionArguments,
    /// Hold INFLUXDB_BUCKET against another bucket of the same server instead, which has what is expected.
    #[arg(long, value_name = "BUCKET", conflicts_with_all = ["dataset", "converter"])]
    against: Option<String>,
    /// Compare every point, even where the sums agree.
    #[arg(long)]
    exact: bool,
    /// Points that are in the database and not in what is named are no difference.
    #[arg(long)]
    ignore_extra: bool,
    /// How long a bucket of time is: a number with s, m, h, d or w. Buckets begin at 1970, in UTC.
    #[arg(long, default_value = "1d", value_name = "DURATION", value_parser = seconds)]
    every: i64,
    /// How many differences of each sort are named.
    #[arg(long, default_value_t = 20, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(..=100_000))]
    show: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Also write a page with a picture of all days, in one file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Verifies, and prints what is found. Returns whether the database has what is expected, and nothing else.
pub(super) async fn verify(config: &Config, arguments: &VerifyArguments) -> Result<bool, CliError> {
    let VerifyArguments { against, exact, ignore_extra, every, show, json, html, .. } = arguments;
    let options = Options {
        bucket_seconds: *every,
        exact: *exact,
        ignore_extra: *ignore_extra,
        shown: usize::try_from(*show).unwrap_or(usize::MAX),
        deadline: None,
    };
    let settings = config.influxdb()?;
    let outcome = match against {
        Some(bucket) => {
            let expected = InfluxDbSettings { bucket: bucket.clone(), ..settings.clone() };
            let databases = [expected, settings].map(|settings| InfluxDb::new(settings, &config.write));
            let [expected, server] = databases;
            let bar = Bar::new(2);
            let outcome = verify::databases(expected?, server?, &options, &bar).await;
            bar.clear();
            outcome?
        }
        None => of_objects(config, arguments, settings, &options).await?,
    };
    for object in &outcome.objects {
        if let Some(failure) = &object.failure {
            complain(failure, Some(&object.object));
        }
    }
    if let Some(path) = html {
        let unwritable = |cause| CliError::Write { path: path.display().to_string(), cause };
        fs::write(path, html::page(&outcome)).map_err(unwritable)?;
    }
    print(&if *json { format!("{}\n", json!(outcome)) } else { shown(&outcome) })?;
    Ok(outcome.clean)
}

/// What was found, as standard output shows it to people.
pub(super) fn shown(outcome: &Outcome) -> String {
    let coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    text::text(outcome, coloured)
}

async fn of_objects(
    config: &Config,
    arguments: &VerifyArguments,
    settings: InfluxDbSettings,
    options: &Options,
) -> Result<Outcome, CliError> {
    let loader = Loader::new(config)?;
    let dataset = load::dataset(config, &loader, &arguments.conversion).await?;
    let locations = inputs::find(&arguments.inputs).await?;
    let inputs: Vec<Input> =
        locations.into_iter().map(|location| Input { location, dataset: dataset.clone() }).collect();
    let server = InfluxDb::new(settings, &config.write)?;
    let bar = Bar::new(inputs.len());
    let outcome = verify::objects(&loader, config, &inputs, server, options, &bar).await;
    bar.clear();
    Ok(outcome?)
}

/// Reads a duration, in seconds.
fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || "a number and s, m, h, d or w, such as `1d`".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        'w' => 7 * 24 * 3600,
        _ => return Err(wrong()),
    };
    let number: i64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    // The longest fits into the times of 64 bits several times.
    let seconds = number.checked_mul(factor).filter(|seconds| (1..=100 * 366 * 24 * 3600).contains(seconds));
    seconds.ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!(
            ["1s", "15m", "2h", "1d", "4w"].map(|text| seconds(text).ok()),
            [1, 900, 7200, 86_400, 2_419_200].map(Some)
        );
        for text in ["", "d", "1", "0d", "-1d", "1.5d", "1y", "99999999w", "1é"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
