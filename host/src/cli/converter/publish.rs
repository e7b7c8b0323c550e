//! `converter publish`.

use std::path::Path;

use serde_json::{Value, json};

use super::{loader_and_registry, named};
use crate::cli::component::read;
use crate::cli::{CliError, print};
use crate::config::Config;
use crate::converter::MAX_PARAMETERS_BYTES;
use crate::registry::{MAX_SCHEMA_BYTES, ParametersSchema, Pattern, SigningKey};

/// The longest file that a signing key is looked for in, in bytes.
const MAX_KEY_BYTES: u64 = 64 * 1024;

/// What is published.
pub(super) struct What<'a> {
    pub(super) component: &'a Path,
    pub(super) dataset: Option<&'a str>,
    pub(super) key: Option<&'a Path>,
    pub(super) parameters: Option<&'a Path>,
    pub(super) schema: Option<&'a Path>,
    pub(super) serves: Option<&'a [Pattern]>,
}

/// Puts a component into the registry. Returns true: what cannot be published is an error.
pub(super) async fn publish(
    config: &Config,
    &What { component: path, dataset, key, parameters, schema, serves }: &What<'_>,
    as_json: bool,
    golden: Option<Value>,
) -> Result<bool, CliError> {
    let (loader, registry) = loader_and_registry(config)?;
    let key = key.map(signing_key).transpose()?;
    let dataset = dataset.map(named).transpose()?;
    // Compared before anything is published.
    let schema = schema.map(parameters_schema).transpose()?;
    let parameters = parameters.map(document).transpose()?;
    if let Some(((object, schema), parameters)) = schema.as_ref().zip(parameters.as_ref()) {
        schema.check(object, parameters)?;
    }
    // One byte more than is allowed shows that there are too many.
    let limit = loader.catalog().engine().limits().component_bytes as u64 + 1;
    let component = read(path, limit)?;
    let publication = registry.publish(component, dataset.as_ref(), key.as_ref()).await?;
    let manifest = &publication.manifest;
    let name = named(&manifest.dataset)?;
    let schema = match &schema {
        Some((_, schema)) => {
            Some(registry.publish_parameters_schema(&name, &manifest.version, schema, key.as_ref()).await?)
        }
        None => None,
    };
    let parameters = match parameters {
        Some(parameters) => Some(registry.publish_parameters(&name, &manifest.version, parameters).await?),
        None => None,
    };
    if let Some(patterns) = serves {
        registry.publish_patterns(&name, &manifest.version, patterns, key.as_ref()).await?;
    }
    let what = if publication.already { "already published" } else { "published" };
    let (dataset, version, object) = (&manifest.dataset, &manifest.version, &publication.object);
    print(&if as_json {
        let mut facts = json!({
            "published": true, "already": publication.already, "object": object, "manifest": manifest,
        });
        if let Some(golden) = golden {
            facts["golden"] = golden;
        }
        if let Some((sha256, already)) = &parameters {
            facts["parameters"] = json!({ "sha256": sha256, "already": already });
        }
        if let Some((sha256, already)) = &schema {
            facts["parameters_schema"] = json!({ "sha256": sha256, "already": already });
        }
        if let Some(patterns) = serves {
            facts["serves"] = json!(patterns);
        }
        format!("{facts}\n")
    } else {
        let line = |what: &str, published: Option<(String, bool)>| {
            let line = published.map(|(sha256, already)| {
                let published = if already { "already published" } else { "published" };
                format!("{published}: {what} of {dataset} {version}, sha256:{sha256}\n")
            });
            line.unwrap_or_default()
        };
        let parameters = line("schema of the parameters", schema) + &line("parameters", parameters);
        let serves = serves.map(|patterns| format!("serves {}, as soon as it is promoted\n", listed(patterns)));
        let serves = serves.unwrap_or_default();
        format!("{what}: {dataset} {version}, sha256:{}, {object}\n{parameters}{serves}", manifest.sha256)
    })?;
    Ok(true)
}

/// Patterns, for people.
pub(super) fn listed(patterns: &[Pattern]) -> String {
    patterns.iter().map(Pattern::as_str).collect::<Vec<_>>().join(", ")
}

/// A document of parameters.
pub(super) fn document(path: &Path) -> Result<String, CliError> {
    text(path, MAX_PARAMETERS_BYTES)
}

/// A schema of parameters, and its file's name.
fn parameters_schema(path: &Path) -> Result<(String, ParametersSchema), CliError> {
    let object = path.display().to_string();
    let schema = ParametersSchema::read(&object, text(path, MAX_SCHEMA_BYTES)?)?;
    Ok((object, schema))
}

fn text(path: &Path, limit: usize) -> Result<String, CliError> {
    // One byte more than is allowed shows that there are too many.
    let bytes = read(path, limit as u64 + 1)?;
    String::from_utf8(bytes).map_err(|error| {
        let cause = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
        CliError::Read { path: path.display().to_string(), cause }
    })
}

pub(super) fn signing_key(path: &Path) -> Result<SigningKey, CliError> {
    let text = read(path, MAX_KEY_BYTES)?;
    Ok(SigningKey::read(&String::from_utf8_lossy(&text))?)
}
