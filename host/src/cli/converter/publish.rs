//! `converter publish`.

use std::path::Path;

use serde_json::{Value, json};

use super::{loader_and_registry, named};
use crate::cli::component::read;
use crate::cli::{CliError, print};
use crate::config::Config;
use crate::converter::MAX_PARAMETERS_BYTES;
use crate::registry::{Pattern, SigningKey};

/// The longest file that a signing key is looked for in, in bytes.
const MAX_KEY_BYTES: u64 = 64 * 1024;

/// What is published.
pub(super) struct What<'a> {
    pub(super) component: &'a Path,
    pub(super) dataset: Option<&'a str>,
    pub(super) key: Option<&'a Path>,
    pub(super) parameters: Option<&'a Path>,
    pub(super) serves: Option<&'a [Pattern]>,
}

/// Puts a component into the registry. Returns true: what cannot be published is an error.
pub(super) async fn publish(
    config: &Config,
    &What { component: path, dataset, key, parameters, serves }: &What<'_>,
    as_json: bool,
    golden: Option<Value>,
) -> Result<bool, CliError> {
    let (loader, registry) = loader_and_registry(config)?;
    let key = key.map(signing_key).transpose()?;
    let dataset = dataset.map(named).transpose()?;
    // One byte more than is allowed shows that there are too many.
    let limit = loader.catalog().engine().limits().component_bytes as u64 + 1;
    let component = read(path, limit)?;
    let publication = registry.publish(component, dataset.as_ref(), key.as_ref()).await?;
    let manifest = &publication.manifest;
    let name = named(&manifest.dataset)?;
    if let Some(patterns) = serves {
        registry.publish_patterns(&name, &manifest.version, patterns, key.as_ref()).await?;
    }
    let parameters = match parameters {
        Some(path) => Some(registry.publish_parameters(&name, &manifest.version, document(path)?).await?),
        None => None,
    };
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
        if let Some(patterns) = serves {
            facts["serves"] = json!(patterns);
        }
        format!("{facts}\n")
    } else {
        let parameters = parameters.map(|(sha256, already)| {
            let what = if already { "already published" } else { "published" };
            format!("{what}: parameters of {dataset} {version}, sha256:{sha256}\n")
        });
        let parameters = parameters.unwrap_or_default();
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
    // One byte more than is allowed shows that there are too many.
    let bytes = read(path, MAX_PARAMETERS_BYTES as u64 + 1)?;
    String::from_utf8(bytes).map_err(|error| {
        let cause = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
        CliError::Read { path: path.display().to_string(), cause }
    })
}

pub(super) fn signing_key(path: &Path) -> Result<SigningKey, CliError> {
    let text = read(path, MAX_KEY_BYTES)?;
    Ok(SigningKey::read(&String::from_utf8_lossy(&text))?)
}
