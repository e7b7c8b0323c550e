//! `migrate timestream`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::manifest::{FILE_BYTES, Manifest, Metadata};
use super::plan::{File, Found, Query, Trouble, Unload};
use crate::aws;
use crate::cli::output::Output;
use crate::cli::progress::Bar;
use crate::cli::summary::{self, grouped};
use crate::cli::verify::shown;
use crate::cli::{CliError, complain, load, preflight, print};
use crate::config::Config;
use crate::converter::{Input, Instance, Key, Plan};
use crate::event::ObjectReference;
use crate::logs::{on_a_thread, on_one_line};
use crate::pipeline::{LoadError, LoadRequest, Loader, Location};
use crate::report::{Failure, FailureKind, Report};
use crate::sink::InfluxDb;
use crate::source::{self, Memory};
use crate::verify::{self, Options, Outcome};

/// The dataset of the converter of unloaded tables.
const DATASET: &str = "timestream";

/// The arguments of `migrate timestream`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The folder that UNLOAD wrote into, or one above several: s3://bucket/prefix/.
    #[arg(value_name = "S3-URL")]
    url: String,
    /// The measurement of a table, instead of the table's name.
    #[arg(long = "measurement", value_name = "TABLE=NAME", value_parser = pair)]
    measurements: Vec<(String, String)>,
    /// A column of text that becomes a field instead of a tag: a measure, or a dimension of too many values.
    #[arg(long = "field", value_name = "COLUMN")]
    fields: Vec<String>,
    /// A column or a partition that is dropped.
    #[arg(long, value_name = "COLUMN")]
    drop: Vec<String>,
    /// What becomes of the column `measure_name`: a tag; the key of the field of a single-measure record, in the place of
    /// `measure_value::TYPE`; or nothing.
    #[arg(long, value_name = "tag|key|drop", default_value = "tag", value_parser = ["tag", "key", "drop"])]
    measure_name: String,
    /// Write the events that load it, one a line, and do no more; `-` for standard output. Events do not carry the options of the
    /// mapping.
    #[arg(
        long,
        value_name = "FILE|-",
        conflicts_with_all = ["verify_only", "json", "measurements", "fields", "drop", "measure_name"]
    )]
    plan: Option<PathBuf>,
    /// Do not look first at what a load would lose.
    #[arg(long)]
    no_preflight: bool,
    /// Load, and do not verify.
    #[arg(long, conflicts_with = "verify_only")]
    no_verify: bool,
    /// Only verify what was migrated before.
    #[arg(long)]
    verify_only: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (table, name) = text.split_once('=').filter(|(_, name)| !name.is_empty()).ok_or("TABLE=NAME")?;
    Ok((table.to_owned(), name.to_owned()))
}

/// Why nothing is migrated.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum MigrateError {
    /// A file of UNLOAD is none.
    #[error("`{place}` is not what UNLOAD writes")]
    Malformed {
        /// The file.
        place: String,
        /// Why.
        #[source]
        cause: serde_json::Error,
    },
    /// What lies there cannot be migrated as it is.
    #[error("nothing is migrated: {0} of what UNLOAD has left cannot be migrated as it is")]
    Troubles(usize),
    /// The converter does not take the options.
    #[error("the mapping options cannot be used with this converter")]
    Options(#[source] crate::converter::ConverterError),
}

/// A table, as it will be mapped.
struct Table {
    unload: Unload,
    measurement: String,
    tags: Vec<String>,
    fields: Vec<String>,
}

/// Migrates, and reports the result. Returns whether everything is in InfluxDB.
pub(super) async fn migrate(config: &Config, arguments: &Arguments) -> Result<bool, CliError> {
    let wrong = || CliError::S3Url(arguments.url.clone());
    let (bucket, prefix) =
        arguments.url.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
    let loader = Loader::new(config)?;
    let parameters = arguments.parameters();
    if let Some(parameters) = &parameters {
        let dataset = DATASET.parse()?;
        let converter = loader.converter_in_service(&dataset).await?;
        let converter = converter.with_parameters(parameters.to_string().into()).map_err(MigrateError::Options)?;
        loader.catalog().insert(DATASET, converter);
    }
    let unloads = find(bucket, prefix, &arguments.drop.iter().cloned().collect()).await?;
    let mut tables = Vec::new();
    for unload in unloads {
        tables.push(map(&loader, bucket, unload).await?);
    }
    if let Some(path) = &arguments.plan {
        return write_plan(path, bucket, &tables);
    }
    let overview = overview(&tables);
    if !arguments.json {
        print(&overview)?;
    }
    let locations = locations(bucket, &tables);
    let mut told = json!({ "tables": tables.iter().map(Table::json).collect::<Vec<_>>() });
    let mut complete = true;
    if !arguments.verify_only {
        if !arguments.no_preflight {
            let found = preflight::look_at(config, &loader, &locations, None, None).await?;
            told["preflight"] = found.json();
            if !found.loses_nothing() {
                print(&if arguments.json { format!("{told}\n") } else { found.text() })?;
                return Ok(false);
            }
        }
        let report = load(config, &loader, &locations, &tables).await?;
        complete = report.first_failure().is_none();
        told["load"] = json!(report);
        if !arguments.json {
            print(&summary::text(&report))?;
        }
    }
    if complete && !arguments.no_verify {
        let outcome = verified(config, &loader, locations).await?;
        complete = outcome.clean & has_its_rows(&outcome, &tables);
        told["verify"] = json!(outcome);
        if !arguments.json {
            print(&shown(&outcome))?;
        }
    }
    told["complete"] = json!(complete);
    if arguments.json {
        print(&format!("{told}\n"))?;
    }
    Ok(complete)
}

impl Arguments {
    /// The parameters of the converter; none where it is to map as AWS's guidance has it.
    fn parameters(&self) -> Option<Value> {
        let Self { measurements, fields, drop, measure_name, .. } = self;
        let measurements: BTreeMap<&str, &str> =
            measurements.iter().map(|(table, name)| (table.as_str(), name.as_str())).collect();
        let is_default = measurements.is_empty() && fields.is_empty() && drop.is_empty() && measure_name == "tag";
        let parameters =
            json!({ "measurements": measurements, "fields": fields, "drop": drop, "measure_name": measure_name });
        (!is_default).then_some(parameters)
    }
}

/// What was unloaded below a prefix.
async fn find(bucket: &str, prefix: &str, drop: &BTreeSet<String>) -> Result<Vec<Unload>, CliError> {
    let client = aws::s3().await;
    let mut found = Found::of(source::list(&client, bucket, prefix, source::LISTING_BYTES, Some).await?);
    let (mut unloads, mut troubles) = (Vec::new(), Vec::new());
    let queries = std::mem::take(&mut found.queries);
    if queries.is_empty() {
        troubles.push(Trouble::NoManifest);
    }
    for (query, Query { manifest, metadata }) in queries {
        let (Some(manifest), Some(metadata)) = (manifest, metadata) else {
            troubles.push(Trouble::NoMetadata(query));
            continue;
        };
        let manifest: Manifest = read(&client, bucket, &manifest).await?;
        let metadata: Metadata = read(&client, bucket, &metadata).await?;
        let (unload, wrong) = found.unload(&query, manifest, metadata, drop);
        unloads.push(unload);
        troubles.extend(wrong);
    }
    let left = found.left_behind();
    if let Some(first) = left.first() {
        let text = format!(
            "warning: {} results are skipped, since no manifest names them, as of a query that failed: `{}`{}\n",
            left.len(),
            on_one_line(first),
            if left.len() > 1 { ", …" } else { "" }
        );
        // When standard error is closed, nobody is left to warn.
        std::io::stderr().write_all(text.as_bytes()).ok();
    }
    if troubles.is_empty() {
        return Ok(unloads);
    }
    for trouble in &troubles {
        complain(&Failure::new(FailureKind::Conversion, trouble), None);
    }
    Err(MigrateError::Troubles(troubles.len()).into())
}

async fn read<T: serde::de::DeserializeOwned>(
    client: &aws_sdk_s3::Client,
    bucket: &str,
    key: &str,
) -> Result<T, CliError> {
    let bytes = source::read_small(client, bucket, key, FILE_BYTES).await?;
    let place = || format!("s3://{bucket}/{key}");
    Ok(serde_json::from_slice(&bytes).map_err(|cause| MigrateError::Malformed { place: place(), cause })?)
}

/// Has the converter plan a table, by its first file.
async fn map(loader: &Loader, bucket: &str, unload: Unload) -> Result<Table, CliError> {
    let Some(first) = unload.files.first() else {
        return Ok(Table { unload, measurement: "none: no rows".to_owned(), tags: Vec::new(), fields: Vec::new() });
    };
    let location = Location::S3(reference(bucket, first));
    let converter = loader.converter_in_service(&DATASET.parse()?).await?;
    let object = location.open(Memory::default()).await?.in_types_of(converter.contract().edition());
    let plan = on_a_thread(move || -> Result<Plan, LoadError> {
        let mut instance: Instance = converter.instantiate().map_err(LoadError::Converter)?;
        instance.prepare(&Input::new(DATASET, &object, true)).map_err(LoadError::Converter)
    });
    let plan = plan.await.map_err(LoadError::Stopped)??;
    let shown = |key: &Key| key.name().unwrap_or("the measure's name").to_owned();
    let points = &plan.points;
    Ok(Table {
        measurement: points.iter().map(|point| shown(&point.measurement)).collect::<Vec<_>>().join(", "),
        tags: points.iter().flat_map(|point| &point.tags).map(|tag| shown(&tag.key)).collect(),
        fields: points.iter().flat_map(|point| &point.fields).map(|field| shown(&field.key)).collect(),
        unload,
    })
}

fn reference(bucket: &str, file: &File) -> ObjectReference {
    ObjectReference {
        if_match: file.etag.clone(),
        dataset: Some(DATASET.to_owned()),
        ..ObjectReference::new(bucket, &file.key)
    }
}

fn locations(bucket: &str, tables: &[Table]) -> Vec<Location> {
    let files = tables.iter().flat_map(|table| &table.unload.files);
    files.map(|file| Location::S3(reference(bucket, file))).collect()
}

/// Writes the events that load it. Returns that it did.
fn write_plan(path: &Path, bucket: &str, tables: &[Table]) -> Result<bool, CliError> {
    let mut lines = String::new();
    for file in tables.iter().flat_map(|table| &table.unload.files) {
        let mut event = json!({ "bucket": bucket, "key": file.key, "dataset": DATASET });
        if let Some(etag) = &file.etag {
            event["etag"] = json!(etag);
        }
        // Writing to a string does not fail.
        _ = writeln!(lines, "{event}");
    }
    if path.as_os_str() == "-" {
        print(&lines)?;
    } else {
        fs::write(path, lines).map_err(|cause| CliError::Write { path: path.display().to_string(), cause })?;
    }
    Ok(true)
}

/// Loads what is not loaded yet, and holds the rows of each file against its manifest.
async fn load(config: &Config, loader: &Loader, locations: &[Location], tables: &[Table]) -> Result<Report, CliError> {
    let output = Output::open(config, "influxdb", None, false).await?;
    let mut left = locations.to_vec();
    if config.ledger.is_some() {
        left = load::without_loaded(config, loader, left, None).await?;
    }
    let rows: BTreeMap<&str, u64> =
        tables.iter().flat_map(|table| &table.unload.files).map(|file| (file.key.as_str(), file.rows)).collect();
    let mut report = Report { skipped: (locations.len() - left.len()) as u64, ..Report::default() };
    let bar = Bar::new(left.len());
    for location in &left {
        let mut object = loader.load(&LoadRequest::new(location), &output.sink, None, &bar).await;
        bar.finished_object();
        let expected = object.key.as_deref().and_then(|key| rows.get(key)).copied().unwrap_or_default();
        if object.failure.is_none() && object.accounts.rows != expected {
            let trouble = Trouble::FileRows { key: object.object.clone(), expected, found: object.accounts.rows };
            object.failure = Some(Failure::new(FailureKind::Conversion, &trouble));
        }
        if let Some(failure) = &object.failure {
            bar.suspend(|| complain(failure, Some(&object.object)));
        }
        report.objects.push(object);
    }
    bar.clear();
    report.writing = output.sink.writing(&config.write);
    Ok(report)
}

async fn verified(config: &Config, loader: &Loader, locations: Vec<Location>) -> Result<Outcome, CliError> {
    let inputs: Vec<verify::Input> =
        locations.into_iter().map(|location| verify::Input { location, dataset: Some(DATASET.to_owned()) }).collect();
    let server = InfluxDb::new(config.influxdb()?, &config.write)?;
    let bar = Bar::new(inputs.len());
    let outcome = verify::objects(loader, config, &inputs, server, &Options::default(), &bar).await;
    bar.clear();
    Ok(outcome?)
}

/// Whether each file that was read has the rows that its manifest names; complains of those that do not. What was loaded
/// before is not loaded again, so that verifying is the first to count its rows.
fn has_its_rows(outcome: &Outcome, tables: &[Table]) -> bool {
    let files = tables.iter().flat_map(|table| &table.unload.files);
    let others = outcome.objects.iter().zip(files);
    let mut others = others.filter(|(object, file)| object.failure.is_none() && object.rows != file.rows).peekable();
    let all = others.peek().is_none();
    for (object, file) in others {
        let trouble = Trouble::FileRows { key: object.object.clone(), expected: file.rows, found: object.rows };
        complain(&Failure::new(FailureKind::Conversion, &trouble), Some(&object.object));
    }
    all
}

impl Table {
    fn json(&self) -> Value {
        let Self { unload, measurement, tags, fields } = self;
        let columns: Vec<Value> =
            unload.columns.iter().map(|column| json!({ "name": column.name, "type": column.scalar() })).collect();
        json!({
            "directory": unload.directory, "files": unload.files.len(), "rows": unload.rows, "columns": columns,
            "measurement": measurement, "tags": tags, "fields": fields,
        })
    }
}

fn overview(tables: &[Table]) -> String {
    let mut text = String::new();
    for Table { unload, measurement, tags, fields } in tables {
        // Writing to a string does not fail.
        _ = writeln!(
            text,
            "{}: {} rows in {} files\n  measurement {}\n  tags {}\n  fields {}",
            on_one_line(&unload.directory),
            grouped(unload.rows),
            grouped(unload.files.len() as u64),
            on_one_line(measurement),
            on_one_line(&tags.join(", ")),
            on_one_line(&fields.join(", ")),
        );
    }
    text
}
