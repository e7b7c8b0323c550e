//! `load` and `convert`.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::progress::Bar;
use super::{CliError, ConversionArguments, ConvertArguments, LoadArguments, complain, inputs, print, summary};
use crate::config::Config;
use crate::pipeline::{LoadError, LoadRequest, Loader};
use crate::report::Report;
use crate::sink::{InfluxDb, LineWriter, Sink, SinkError};

/// Loads what is named. Returns whether all of it was loaded.
pub(super) async fn load(config: &Config, arguments: &LoadArguments) -> Result<bool, CliError> {
    let LoadArguments { inputs, conversion, to, json } = arguments;
    let loader = Loader::new(config)?;
    let dataset = dataset(&loader, conversion).await?;
    let locations = inputs::find(inputs).await?;
    let sink: Sink = match to.as_str() {
        "influxdb" => InfluxDb::new(config.influxdb()?, &config.write)?.into(),
        "-" => LineWriter::stdout().into(),
        path => LineWriter::file(Path::new(path))?.into(),
    };
    sink.reach(None).await?;
    let bar = Bar::new(locations.len());
    let mut report = Report::default();
    for location in &locations {
        let object = loader.load(&LoadRequest::new(location).as_dataset(dataset.as_deref()), &sink, None, &bar).await;
        bar.finished_object();
        if let Some(failure) = &object.failure {
            if to == "-" && matches!(sink.finish().await, Err(SinkError::Closed)) {
                // Whoever reads the lines has seen enough, as `head` has.
                return Ok(true);
            }
            bar.suspend(|| complain(failure, Some(&object.object)));
        }
        report.objects.push(object);
    }
    bar.clear();
    let complete = report.first_failure().is_none();
    if complete {
        sink.finish().await?;
    } else {
        sink.abandon().await;
    }
    let text = if *json { format!("{}\n", json!(report)) } else { summary::text(&report) };
    if to == "-" {
        // Standard output is for the lines.
        drop(std::io::stderr().write_all(text.as_bytes()));
    } else {
        print(&text)?;
        if !complete && to != "influxdb" {
            drop(writeln!(std::io::stderr(), "`{to}` is not written, because not everything was loaded"));
        }
    }
    Ok(complete)
}

/// Converts one object to standard output. Returns whether all of it was converted.
pub(super) async fn convert(config: &Config, arguments: ConvertArguments) -> Result<bool, CliError> {
    let ConvertArguments { input, conversion, json } = arguments;
    load(config, &LoadArguments { inputs: vec![input], conversion, to: "-".to_owned(), json }).await
}

/// Prepares the converter that the arguments name. Returns the dataset of all objects, where they name it.
async fn dataset(loader: &Loader, arguments: &ConversionArguments) -> Result<Option<String>, CliError> {
    let Some(path) = &arguments.converter else { return Ok(arguments.dataset.clone()) };
    let component = std::fs::read(path).map_err(|cause| CliError::Read { path: path.display().to_string(), cause })?;
    let converter = loader.catalog().engine().compile(&component).map_err(LoadError::Converter)?;
    let dataset = arguments.dataset.clone().unwrap_or_else(|| converter.description().dataset.clone());
    loader.catalog().insert(dataset.clone(), converter);
    Ok(Some(dataset))
}
