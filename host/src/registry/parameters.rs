//! Parameters: JSON documents that are published beside a version and reach its converter's `prepare`.
//!
//! ```text
//! <dataset>/<version>/parameters/<sha256>.json    never changes: its name is its digest
//! ```
//!
//! Which of them are promoted is part of the statement that vouches for a pointer (`pointers`), so that a lookup table or a
//! list of renames changes without a rebuild: another document is published, and promoted with the same version.

use std::sync::Arc;

use super::document::Release;
use super::error::RegistryError;
use super::names::Version;
use super::operations::{Registry, blocking, digest, unusable};
use super::store::{Condition, Fetched};
use crate::converter::MAX_PARAMETERS_BYTES;
use crate::dataset::DatasetName;

impl Registry {
    /// Puts parameters beside a version, after its converter has taken them. Returns their digest, and whether they existed.
    ///
    /// # Errors
    ///
    /// What is wrong with the version or the parameters; and what S3 does.
    pub async fn publish_parameters(
        &self,
        dataset: &DatasetName,
        version: &Version,
        parameters: String,
    ) -> Result<(String, bool), RegistryError> {
        let manifest = self.manifest(dataset, version).await?;
        let release = Release { version: version.clone(), sha256: manifest.sha256.clone(), parameters: None };
        let converter = self.load_unsigned(dataset, &release, &manifest, None).await?;
        let parameters: Arc<str> = parameters.into();
        let checked = Arc::clone(&parameters);
        blocking(move || converter.with_parameters(checked))
            .await?
            .map_err(|error| unusable(dataset, version, error))?;
        let sha256 = digest(parameters.as_bytes());
        let place = place(dataset, version, &sha256);
        if self.store.put(&place, parameters.as_bytes().to_vec(), "application/json", Condition::New).await? {
            return Ok((sha256, false));
        }
        // What has this name is the same, or nobody can use it.
        self.parameters(dataset, version, &sha256).await?;
        Ok((sha256, true))
    }

    /// The digests of the parameters that lie beside a version, in alphabetical order.
    ///
    /// # Errors
    ///
    /// What S3 does.
    pub async fn published_parameters(
        &self,
        dataset: &DatasetName,
        version: &Version,
    ) -> Result<Vec<String>, RegistryError> {
        let names = self.store.names_after(&format!("{dataset}/{version}/parameters/"), None).await?;
        Ok(names.iter().filter_map(|name| Some(name.strip_suffix(".json")?.to_owned())).collect())
    }

    /// Parameters, held against their digest.
    pub(super) async fn parameters(
        &self,
        dataset: &DatasetName,
        version: &Version,
        sha256: &str,
    ) -> Result<Arc<str>, RegistryError> {
        let place = place(dataset, version, sha256);
        let object = self.store.url(&place);
        let Fetched::Found { bytes, .. } = self.store.document(&place, MAX_PARAMETERS_BYTES as u64, None).await? else {
            return Err(RegistryError::NotFound { object });
        };
        let found = digest(&bytes);
        if found != sha256 {
            return Err(RegistryError::mismatch(&object, "digest", &found, &sha256));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(text.into()),
            Err(_) => Err(RegistryError::mismatch(&object, "encoding", &"another one", &"UTF-8")),
        }
    }
}

fn place(dataset: &DatasetName, version: &Version, sha256: &str) -> String {
    format!("{dataset}/{version}/parameters/{sha256}.json")
}
