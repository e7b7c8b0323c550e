//! `converter inspect`.

use std::path::Path;

use converter_builder::Interfaces;
use serde_json::json;

use super::ProjectError;
use super::plan;
use crate::cli::component::Component;
use crate::cli::{CliError, print};
use crate::config::Config;
use crate::converter::{Converter, Input};
use crate::pipeline::{LoadError, Loader};
use crate::source::{Memory, ParquetObject};

/// The interface of the contract that converters export.
const EXPORT: &str = "influxdb-loader:converter/converter@";

/// Prints what a component is. Returns true: what is no converter is an error.
pub(super) async fn inspect(
    config: &Config,
    component: &Component,
    schema: Option<&Path>,
    as_json: bool,
) -> Result<bool, CliError> {
    let loader = Loader::new(config)?;
    let engine = loader.catalog().engine();
    let component = component.bytes(config, &loader).await?;
    let converter = loader.catalog().compile(&component).map_err(LoadError::Converter)?;
    let Interfaces { imports, exports } = Interfaces::of(&component).map_err(ProjectError::Interfaces)?;
    // The engine takes nothing that does not export it.
    let contract = exports.iter().find_map(|export| export.strip_prefix(EXPORT)).unwrap_or_default();
    let planned = schema.map(|schema| plan(config, &converter, schema)).transpose()?;
    let description = converter.description();
    let limits = engine.limits();
    let text = if as_json {
        let mut facts = json!({
            "name": description.name, "version": description.version, "dataset": description.dataset,
            "summary": description.summary, "digest": converter.digest(), "bytes": component.len(),
            "contract": contract, "imports": imports,
            "limits": {
                "component_bytes": limits.component_bytes, "memory_bytes": limits.memory_bytes,
                "result_bytes": limits.result_bytes, "log_bytes": limits.log_bytes, "stack_bytes": limits.stack_bytes,
                "call_seconds": limits.call_time.as_secs_f64(), "prepare_seconds": limits.prepare_time.as_secs_f64(),
            },
        });
        if let Some(planned) = planned {
            facts["plan"] = planned.json();
        }
        format!("{facts}\n")
    } else {
        let imports = if imports.is_empty() { "nothing".to_owned() } else { imports.join("\n          ") };
        let mut text = format!(
            "name      {}\nversion   {}\ndataset   {}\nsummary   {}\ndigest    {}\nbytes     {} of {}\ncontract  {contract}\n\
             imports   {imports}\nlimits    memory {} bytes, a call {:?}, the first call {:?}, an answer {} bytes, its log {} bytes\n",
            description.name,
            description.version,
            description.dataset,
            description.summary,
            converter.digest(),
            component.len(),
            limits.component_bytes,
            limits.memory_bytes,
            limits.call_time,
            limits.prepare_time,
            limits.result_bytes,
            limits.log_bytes,
        );
        if let Some(planned) = planned {
            text.push_str(&planned.table());
        }
        text
    };
    print(&text)?;
    Ok(true)
}

/// How the converter plans the columns of a file.
pub(super) fn plan(config: &Config, converter: &Converter, schema: &Path) -> Result<plan::Planned, CliError> {
    let object = ParquetObject::open_file(schema, Memory::default())?.in_types_of(converter.contract().edition());
    let input = Input::new(&converter.description().dataset, &object, config.validate_schema);
    let mut instance = converter.instantiate().map_err(LoadError::Converter)?;
    let plan = instance.prepare(&input).map_err(LoadError::Converter)?;
    Ok(plan::Planned { plan, columns: input.columns })
}
