//! What is added to a version after it was published: signatures by other keys, and that it is out of use.

use serde::{Deserialize, Serialize};

use super::document::{Manifest, Release, Signature, line, parse, render};
use super::error::RegistryError;
use super::names::Version;
use super::operations::{Registry, manifest_key};
use super::pointers::Moment;
use super::promotions::InService;
use super::signature::{SigningKey, key_id, signer};
use super::store::{Condition, Fetched};
use crate::converter::Contract;
use crate::dataset::DatasetName;

/// The largest of these documents, in bytes.
const MAX_BYTES: u64 = 8 * 1024;

/// That a version is out of use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Yanked {
    /// When it was taken out of use.
    pub at: Moment,
    /// Who did it, in their own words.
    #[serde(deserialize_with = "line")]
    pub by: String,
    /// Why.
    #[serde(deserialize_with = "line")]
    pub reason: String,
}

impl Registry {
    /// Adds a signature to a version, which is fetched and checked first. Returns false where the key has signed it before.
    ///
    /// # Errors
    ///
    /// What is wrong with the version, whoever has signed it so far; and what S3 does.
    pub async fn sign(
        &self,
        dataset: &DatasetName,
        version: &Version,
        key: &SigningKey,
    ) -> Result<bool, RegistryError> {
        let manifest = self.manifest(dataset, version).await?;
        let release = Release { version: version.clone(), sha256: manifest.sha256.clone(), parameters: None };
        self.load_unsigned(dataset, &release, &manifest, None).await?;
        if manifest.signatures.iter().any(|signature| signature.key == key.id()) {
            return Ok(false);
        }
        let signature = render(&key.sign(&manifest))?;
        let place = signature_place(dataset, version, &key.id());
        self.store.put(&place, signature, "application/json", Condition::New).await
    }

    /// The id of the trusted key that has signed the version, in its manifest or later.
    pub(super) async fn signer(
        &self,
        dataset: &DatasetName,
        version: &Version,
        manifest: &Manifest,
    ) -> Result<Option<String>, RegistryError> {
        let keys = self.keys(dataset, None);
        if let Some(key) = signer(manifest, &keys) {
            return Ok(Some(key));
        }
        for key in keys {
            let place = signature_place(dataset, version, &key_id(&key));
            let Fetched::Found { bytes, .. } = self.store.document(&place, MAX_BYTES, None).await? else { continue };
            let signature: Signature = parse(&self.store.url(&place), &bytes)?;
            let signed = Manifest { signatures: vec![signature], ..manifest.clone() };
            if let Some(key) = signer(&signed, &[key]) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// Takes a version out of use: nothing loads it any more that has not done so already. Returns false where it was.
    ///
    /// # Errors
    ///
    /// [`RegistryError::InService`] where a channel points at it; and what S3 does.
    pub async fn yank(&self, dataset: &DatasetName, version: &Version, yanked: &Yanked) -> Result<bool, RegistryError> {
        self.manifest(dataset, version).await?;
        let pointing = self.pointing(dataset).await?;
        let uses = |it: &InService| {
            it.release.version == *version || it.running().is_some_and(|terms| terms.candidate.version == *version)
        };
        if let Some(InService { channel, .. }) = pointing.into_iter().find(uses) {
            return Err(RegistryError::InService { dataset: dataset.clone(), version: version.clone(), channel });
        }
        self.store.put(&yanked_place(dataset, version), render(yanked)?, "application/json", Condition::New).await
    }

    /// Fails where the version is out of use.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Yanked`]; and what S3 does.
    pub(super) async fn not_yanked(&self, dataset: &DatasetName, version: &Version) -> Result<(), RegistryError> {
        let place = yanked_place(dataset, version);
        let Fetched::Found { bytes, .. } = self.store.document(&place, MAX_BYTES, None).await? else { return Ok(()) };
        let Yanked { reason, .. } = parse(&self.store.url(&place), &bytes)?;
        Err(RegistryError::Yanked { dataset: dataset.clone(), version: version.clone(), reason })
    }

    /// Whether a version may be used: it is signed where keys are trusted, and not out of use.
    pub(super) async fn may_be_used(
        &self,
        dataset: &DatasetName,
        version: &Version,
        manifest: &Manifest,
    ) -> Result<(), RegistryError> {
        // What cannot be run need not be fetched.
        if Contract::of_version(&manifest.contract).is_none() {
            let (object, found) = (self.store.url(&manifest_key(dataset, version)), manifest.contract.clone());
            return Err(RegistryError::ContractVersion { object, found });
        }
        if self.has_keys() && self.signer(dataset, version, manifest).await?.is_none() {
            return Err(RegistryError::Untrusted { object: self.store.url(&manifest_key(dataset, version)) });
        }
        self.not_yanked(dataset, version).await
    }

    /// The keys that have signed a version since it was published, and whether it is out of use.
    pub(super) async fn additions(
        &self,
        dataset: &DatasetName,
        version: &Version,
    ) -> Result<(Vec<String>, bool), RegistryError> {
        let names = self.store.names(&format!("{dataset}/{version}/")).await?;
        let is_yanked = names.iter().any(|name| name == "yanked.json");
        if !names.iter().any(|name| name == "signatures") {
            return Ok((Vec::new(), is_yanked));
        }
        let names = self.store.names(&format!("{dataset}/{version}/signatures/")).await?;
        Ok((names.iter().filter_map(|name| Some(name.strip_suffix(".json")?.to_owned())).collect(), is_yanked))
    }
}

fn signature_place(dataset: &DatasetName, version: &Version, key: &str) -> String {
    format!("{dataset}/{version}/signatures/{key}.json")
}

fn yanked_place(dataset: &DatasetName, version: &Version) -> String {
    format!("{dataset}/{version}/yanked.json")
}
