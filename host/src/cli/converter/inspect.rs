//! `converter inspect`.

use std::path::Path;

use serde_json::json;

use crate::cli::{CliError, print};
use crate::config::Config;
use crate::converter::Converter;
use crate::pipeline::{LoadError, Loader};

/// Compiles a component under the limits of the settings.
pub(super) fn compile(config: &Config, path: &Path) -> Result<(Converter, Vec<u8>), CliError> {
    let component = std::fs::read(path).map_err(|cause| CliError::Read { path: path.display().to_string(), cause })?;
    let loader = Loader::new(config)?;
    let converter = loader.catalog().engine().compile(&component).map_err(LoadError::Converter)?;
    Ok((converter, component))
}

/// Prints what a component is. Returns true: what is no converter is an error.
pub(super) fn inspect(config: &Config, path: &Path, as_json: bool) -> Result<bool, CliError> {
    let (converter, component) = compile(config, path)?;
    let description = converter.description();
    let text = if as_json {
        let facts = json!({
            "name": description.name, "version": description.version, "dataset": description.dataset,
            "summary": description.summary, "digest": converter.digest(), "bytes": component.len(),
        });
        format!("{facts}\n")
    } else {
        format!(
            "name     {}\nversion  {}\ndataset  {}\nsummary  {}\ndigest   {}\nbytes    {}\n",
            description.name,
            description.version,
            description.dataset,
            description.summary,
            converter.digest(),
            component.len()
        )
    };
    print(&text)?;
    Ok(true)
}
