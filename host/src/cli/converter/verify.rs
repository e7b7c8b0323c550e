//! `converter verify`.

use serde_json::json;

use super::promote::chosen;
use super::{loader_and_registry, named};
use crate::cli::{CliError, print};
use crate::config::Config;

/// Looks at a version as the function does, and prints what it is. Returns true: what is wrong with it is an error.
pub(super) async fn verify(
    config: &Config,
    dataset: &str,
    version: Option<&str>,
    as_json: bool,
) -> Result<bool, CliError> {
    let (_loader, registry) = loader_and_registry(config)?;
    let dataset = named(dataset)?;
    let version = match version {
        Some(version) => version.parse()?,
        None => registry.promoted(&dataset, &chosen(&registry, None)?).await?.version,
    };
    let (manifest, signer) = registry.verify(&dataset, &version).await?;
    if as_json {
        print(&format!("{}\n", json!({ "manifest": manifest, "trusted_key": signer })))?;
        return Ok(true);
    }
    let signer = match (signer, manifest.signatures.is_empty()) {
        (Some(key), _) => format!("by key {key}, which is trusted"),
        (None, true) => "no".to_owned(),
        (None, false) => "not checked: `CONVERTER_PUBLIC_KEYS` is unset".to_owned(),
    };
    print(&format!(
        "{dataset} {version} can be used\ndigest  sha256:{}\nbytes   {}\nsigned  {signer}\n",
        manifest.sha256, manifest.size
    ))?;
    Ok(true)
}
