//! Parameters: JSON documents that are published beside a version and reach its converter's `prepare`.
//!
//! ```text
//! <dataset>/<version>/parameters/<sha256>.json    never changes: its name is its digest
//! <dataset>/<version>/parameters-schema.json      what they must be, and who signed that; never changes
//! ```
//!
//! Which of them are promoted is part of the statement that vouches for a pointer (`pointers`), so that a lookup table or a
//! list of renames changes without a rebuild: another document is published, and promoted with the same version.
//!
//! A schema is compared with parameters when they are published, and when they are promoted. Functions do not read it: they use a
//! document only by its digest, which the statement about a pointer names.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::document::{Manifest, Release, Signature, parse, render};
use super::error::RegistryError;
use super::names::Version;
use super::operations::{Registry, blocking, digest, unusable};
use super::schema::{MAX_SCHEMA_BYTES, ParametersSchema};
use super::signature::{SigningKey, text_signer};
use super::store::{Condition, Fetched};
use crate::converter::MAX_PARAMETERS_BYTES;
use crate::dataset::DatasetName;

/// The largest `parameters-schema.json`, in bytes: the schema, whose quotes are escaped, and a hundred for each signature.
const MAX_BYTES: u64 = 2 * MAX_SCHEMA_BYTES as u64 + 8 * 1024;

/// What a signature of a schema begins with, so that it can stand for nothing else.
const PURPOSE: &str = "influxdb-loader schema of parameters 1\n";

/// The schema of a version. It is a text here, so that its bytes are those that were published and signed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Published {
    schema: String,
    signatures: Vec<Signature>,
}

impl Registry {
    /// Puts a schema of parameters beside a version. Returns its digest, and whether it existed.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Occupied`] where the version has another one, [`RegistryError::NotSigned`] where the key has not signed
    /// it; and what S3 does.
    pub async fn publish_parameters_schema(
        &self,
        dataset: &DatasetName,
        version: &Version,
        schema: &ParametersSchema,
        key: Option<&SigningKey>,
    ) -> Result<(String, bool), RegistryError> {
        let manifest = self.manifest(dataset, version).await?;
        let sha256 = digest(schema.text().as_bytes());
        let signature = key.map(|key| key.sign_text(&to_sign(&manifest, &sha256)));
        let document = Published { schema: schema.text().to_owned(), signatures: signature.into_iter().collect() };
        let place = schema_place(dataset, version);
        if self.store.put(&place, render(&document)?, "application/json", Condition::New).await? {
            return Ok((sha256, false));
        }
        let object = self.store.url(&place);
        let found = self.published_schema(dataset, version).await?;
        let found = found.ok_or_else(|| RegistryError::NotFound { object: object.clone() })?;
        if found.schema != schema.text() {
            return Err(RegistryError::Occupied { object });
        }
        match key.filter(|key| !found.signatures.iter().any(|signature| signature.key == key.id())) {
            Some(key) => Err(RegistryError::NotSigned { object, key: key.id() }),
            None => Ok((sha256, true)),
        }
    }

    /// The digest of the schema that a version's parameters have, whoever has signed it.
    ///
    /// # Errors
    ///
    /// What is wrong with its document; and what S3 does.
    pub(super) async fn parameters_schema(
        &self,
        dataset: &DatasetName,
        version: &Version,
    ) -> Result<Option<String>, RegistryError> {
        Ok(self.published_schema(dataset, version).await?.map(|found| digest(found.schema.as_bytes())))
    }

    async fn published_schema(
        &self,
        dataset: &DatasetName,
        version: &Version,
    ) -> Result<Option<Published>, RegistryError> {
        let place = schema_place(dataset, version);
        match self.store.document(&place, MAX_BYTES, None).await? {
            Fetched::Found { bytes, .. } => parse(&self.store.url(&place), &bytes).map(Some),
            Fetched::NotModified | Fetched::Missing => Ok(None),
        }
    }

    /// Compares parameters with the schema of their version, if it has one.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Untrusted`] where keys are trusted and none of them has signed the schema;
    /// [`RegistryError::ParametersRefused`]; and what S3 does.
    pub(super) async fn match_schema(
        &self,
        dataset: &DatasetName,
        manifest: &Manifest,
        parameters: Arc<str>,
    ) -> Result<(), RegistryError> {
        let version = &manifest.version;
        let Some(Published { schema, signatures }) = self.published_schema(dataset, version).await? else {
            return Ok(());
        };
        let object = self.store.url(&schema_place(dataset, version));
        let text = to_sign(manifest, &digest(schema.as_bytes()));
        if self.has_keys() && text_signer(&text, &signatures, &self.keys(dataset, None)).is_none() {
            return Err(RegistryError::Untrusted { object });
        }
        blocking(move || ParametersSchema::read(&object, schema)?.check(&object, &parameters)).await?
    }

    /// Puts parameters beside a version, after its converter has taken them. Returns their digest, and whether they existed.
    ///
    /// # Errors
    ///
    /// What is wrong with the version or the parameters, by their schema too; and what S3 does.
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
        self.match_schema(dataset, &manifest, Arc::clone(&parameters)).await?;
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

fn schema_place(dataset: &DatasetName, version: &Version) -> String {
    format!("{dataset}/{version}/parameters-schema.json")
}

/// None of the parts has a line break: they are checked names and digests.
fn to_sign(Manifest { dataset, version, sha256, .. }: &Manifest, schema: &str) -> String {
    format!("{PURPOSE}dataset {dataset}\nversion {version}\nsha256 {sha256}\nschema {schema}\n")
}

fn place(dataset: &DatasetName, version: &Version, sha256: &str) -> String {
    format!("{dataset}/{version}/parameters/{sha256}.json")
}
