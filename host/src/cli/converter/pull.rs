//! `converter pull`: a version of the registry → a file.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::component::{Component, release};
use crate::cli::{CliError, print};
use crate::config::Config;
use crate::pipeline::Loader;

/// Fetches a version, checked as the function does, into a new file. Returns true: what cannot be fetched is an error.
pub(super) async fn pull(
    config: &Config,
    component: &Component,
    out: Option<&Path>,
    as_json: bool,
) -> Result<bool, CliError> {
    let Component::Release(dataset, which) = component else {
        return Err(CliError::NoRelease(component.to_string()));
    };
    let loader = Loader::new(config)?;
    let (manifest, bytes) = release(config, &loader, dataset, which).await?;
    let file = out.map_or_else(|| PathBuf::from(format!("{dataset}-{}.wasm", manifest.version)), Path::to_owned);
    save(&file, &bytes).map_err(|cause| CliError::Write { path: file.display().to_string(), cause })?;
    let file = file.display();
    print(&if as_json {
        format!("{}\n", json!({ "file": file.to_string(), "manifest": manifest }))
    } else {
        let (dataset, version, digest, size) = (&manifest.dataset, &manifest.version, &manifest.sha256, manifest.size);
        format!("{file}: {dataset} {version}, {size} bytes, sha256:{digest}\n")
    })?;
    Ok(true)
}

/// Writes a new file as a whole, or none.
fn save(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut draft = tempfile::NamedTempFile::new_in(directory)?;
    draft.write_all(bytes)?;
    draft.persist_noclobber(file)?;
    Ok(())
}
