//! `converter publish`.

use std::path::Path;

use serde_json::{Value, json};

use super::{loader_and_registry, named};
use crate::cli::component::read;
use crate::cli::{CliError, print};
use crate::config::Config;
use crate::registry::SigningKey;

/// The longest file that a signing key is looked for in, in bytes.
const MAX_KEY_BYTES: u64 = 64 * 1024;

/// Puts a component into the registry. Returns true: what cannot be published is an error.
pub(super) async fn publish(
    config: &Config,
    path: &Path,
    dataset: Option<&str>,
    key: Option<&Path>,
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
    let what = if publication.already { "already published" } else { "published" };
    let (dataset, version, object) = (&manifest.dataset, &manifest.version, &publication.object);
    print(&if as_json {
        let mut facts = json!({
            "published": true, "already": publication.already, "object": object, "manifest": manifest,
        });
        if let Some(golden) = golden {
            facts["golden"] = golden;
        }
        format!("{facts}\n")
    } else {
        format!("{what}: {dataset} {version}, sha256:{}, {object}\n", manifest.sha256)
    })?;
    Ok(true)
}

pub(super) fn signing_key(path: &Path) -> Result<SigningKey, CliError> {
    let text = read(path, MAX_KEY_BYTES)?;
    Ok(SigningKey::read(&String::from_utf8_lossy(&text))?)
}
