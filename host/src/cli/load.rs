//! `load` and `convert`.

use super::output::Output;
use super::progress::Bar;
use std::io::Write;

use super::ledger::{Entry, look_up};
use super::{CliError, ConversionArguments, ConvertArguments, LoadArguments, complain, inputs, preflight, print};
use crate::config::Config;
use crate::ledger::Standing;
use crate::pipeline::{LoadRequest, Loader, Location};
use crate::report::{Failure, Report};

/// Loads what is named. Returns whether all of it was loaded.
pub(super) async fn load(config: &Config, arguments: &LoadArguments) -> Result<bool, CliError> {
    let LoadArguments { inputs, conversion, to, lines, preflight, skip_loaded, json, timings } = arguments;
    if *preflight {
        if to != "influxdb" {
            return Err(CliError::PreflightOfFile { to: to.clone() });
        }
        let found = preflight::look(config, inputs, conversion, None).await?;
        if !found.loses_nothing() {
            print(&if *json { format!("{}\n", found.json()) } else { found.text() })?;
            return Ok(false);
        }
        // Standard output is for the summary.
        drop(std::io::stderr().write_all(found.text().as_bytes()));
    }
    let loader = Loader::new(config)?;
    let dataset = dataset(config, &loader, conversion).await?;
    let mut locations = inputs::find(inputs).await?;
    let output = Output::open(config, to, lines.reader, *json).await?.with_timings(*timings);
    let mut report = Report::default();
    if *skip_loaded {
        if to != "influxdb" {
            return Err(CliError::SkipLoadedToFile { to: to.clone() });
        }
        let found = locations.len();
        locations = without_loaded(config, &loader, locations, dataset.as_deref()).await?;
        report.skipped = (found - locations.len()) as u64;
    }
    let bar = Bar::new(locations.len());
    for location in &locations {
        let request = LoadRequest::new(location).as_dataset(dataset.as_deref());
        let object = loader.load(&request, &output.sink, None, &bar).await;
        bar.finished_object();
        if let Some(failure) = &object.failure {
            if output.is_closed().await {
                return Ok(true);
            }
            bar.suspend(|| complain(failure, Some(&object.object)));
        }
        report.objects.push(object);
    }
    bar.clear();
    report.writing = output.sink.writing(&config.write);
    output.finish(&report).await
}

/// Those that the ledger does not record as loaded. What the ledger cannot look up is loaded, too.
pub(super) async fn without_loaded(
    config: &Config,
    loader: &Loader,
    locations: Vec<Location>,
    dataset: Option<&str>,
) -> Result<Vec<Location>, CliError> {
    let mut left = Vec::new();
    for Entry { location, found } in look_up(config, loader, locations, dataset, |standing, _| standing).await? {
        match found {
            Ok(Standing::Loaded) => {}
            Ok(_) => left.push(location),
            Err(error) => {
                let failure = Failure::new(error.kind(), &error);
                tracing::warn!("the ledger does not show whether an object is loaded, so it is: {failure}");
                left.push(location);
            }
        }
    }
    Ok(left)
}

/// Converts one object to standard output. Returns whether all of it was converted.
pub(super) async fn convert(config: &Config, arguments: ConvertArguments) -> Result<bool, CliError> {
    let ConvertArguments { input, conversion, lines, json, timings } = arguments;
    let (inputs, to) = (vec![input], "-".to_owned());
    load(config, &LoadArguments { inputs, conversion, to, lines, preflight: false, skip_loaded: false, json, timings })
        .await
}

/// Prepares the converter that the arguments name. Returns the dataset of all objects, where they name it.
pub(super) async fn dataset(
    config: &Config,
    loader: &Loader,
    arguments: &ConversionArguments,
) -> Result<Option<String>, CliError> {
    let Some(component) = &arguments.converter else { return Ok(arguments.dataset.clone()) };
    let converter = component.converter(config, loader).await?;
    let dataset = arguments.dataset.clone().unwrap_or_else(|| converter.description().dataset.clone());
    loader.catalog().insert(dataset.clone(), converter);
    Ok(Some(dataset))
}
