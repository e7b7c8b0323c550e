//! What is done with the registry: publish, list, verify; and load, which the function does.

use std::fmt::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::document::{MAX_MANIFEST_BYTES, MAX_POINTER_BYTES, Manifest, Pointer, Release, parse, render};
use super::error::RegistryError;
use super::names::{Channel, Version};
use super::patterns::Pattern;
use super::promotions::InService;
use super::signature::SigningKey;
use super::store::{Condition, Fetched, Store};
use super::trials::{Kind, is_reserved};
use crate::config::{RegistrySettings, TrustedKey};
use crate::converter::{CompileCache, Converter, ConverterError, Engine};
use crate::dataset::DatasetName;
use crate::logs::on_a_thread;

/// The registry of the settings.
#[derive(Debug)]
pub struct Registry {
    pub(super) store: Store,
    public_keys: Vec<TrustedKey>,
    require_signed_pointers: bool,
    channel: Channel,
    engine: Engine,
}

/// What publishing did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The manifest that the registry has now.
    pub manifest: Manifest,
    /// The component.
    pub object: String,
    /// Whether it existed before.
    pub already: bool,
}

/// A version in the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub manifest: Manifest,
    /// The channels that point at it.
    pub channels: Vec<Channel>,
    /// The channels that try it, and how.
    pub trials: Vec<(Channel, Kind)>,
    /// The keys that are named as having signed it, in its manifest or later.
    pub keys: Vec<String>,
    /// Whether it is out of use.
    pub is_yanked: bool,
    /// The digests of the parameters that lie beside it.
    pub parameters: Vec<String>,
    /// The digest of the schema that these must match.
    pub parameters_schema: Option<String>,
    /// Which other datasets it serves where it is promoted.
    pub serves: Vec<Pattern>,
}

/// A pointer, as it was found.
pub(super) enum Pointed {
    /// It points, and has this entity tag.
    At(Pointer, Option<String>),
    /// It is broken, and has this entity tag.
    Nowhere(RegistryError, Option<String>),
    /// It is as it was.
    NotModified,
    /// There is none.
    Missing,
}

impl Registry {
    /// The registry of the settings. `engine` compiles what comes from it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Name`] where the settings were not checked.
    pub fn new(settings: &RegistrySettings, engine: Engine) -> Result<Self, RegistryError> {
        Ok(Self {
            store: Store::new(settings.bucket.clone(), settings.prefix.clone()),
            public_keys: settings.public_keys.clone(),
            require_signed_pointers: settings.require_signed_pointers,
            channel: settings.channel.parse()?,
            engine,
        })
    }

    /// The channel of the settings.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The keys that may sign for the dataset, and for the channel where one is asked for.
    pub(super) fn keys(&self, dataset: &DatasetName, channel: Option<&Channel>) -> Vec<[u8; 32]> {
        let channel = channel.map(ToString::to_string);
        let keys = self.public_keys.iter().filter(|key| key.covers(dataset.as_str(), channel.as_deref()));
        keys.map(|key| key.key).collect()
    }

    /// Whether the key may sign for all datasets of the pattern.
    pub(super) fn may_serve(&self, key: &[u8; 32], channel: &Channel, pattern: &Pattern) -> bool {
        let channel = channel.to_string();
        self.public_keys.iter().any(|known| known.key == *key && known.covers(pattern.as_str(), Some(&channel)))
    }

    /// Whether versions have to be signed.
    pub(super) fn has_keys(&self) -> bool {
        !self.public_keys.is_empty()
    }

    pub(super) fn requires_signed_pointers(&self) -> bool {
        self.require_signed_pointers
    }

    pub(super) fn pointer_url(&self, dataset: &DatasetName, channel: &Channel) -> String {
        self.store.url(&pointer_key(dataset, channel))
    }

    /// Where it is, such as `s3://bucket/converters/`.
    pub fn url(&self) -> String {
        self.store.url("")
    }

    /// Puts a component into the registry, after it has proved to be a converter that this loader runs. The same bytes
    /// again change nothing.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Component`] where it does not run, [`RegistryError::OtherDataset`] where it is for another dataset
    /// than `dataset`, [`RegistryError::Occupied`] where the version is taken; and what S3 does.
    pub async fn publish(
        &self,
        component: Vec<u8>,
        dataset: Option<&DatasetName>,
        key: Option<&SigningKey>,
    ) -> Result<Publication, RegistryError> {
        let (component, engine) = (Arc::new(component), self.engine.clone());
        let bytes = Arc::clone(&component);
        let converter = blocking(move || engine.compile(&bytes))
            .await?
            .map_err(|error| RegistryError::Component(Arc::new(error)))?;
        let description = converter.description();
        let own = dataset_name(&description.dataset)?;
        if let Some(expected) = dataset.filter(|expected| **expected != own) {
            let (found, expected) = (own.to_string(), expected.to_string());
            return Err(RegistryError::OtherDataset { found, expected });
        }
        let version: Version = description.version.parse()?;
        let mut manifest = Manifest {
            dataset: own.to_string(),
            version: version.clone(),
            name: description.name.clone(),
            description: description.summary.clone(),
            contract: converter.contract().version().to_owned(),
            sha256: converter.digest().to_owned(),
            size: component.len() as u64,
            signatures: Vec::new(),
        };
        manifest.signatures.extend(key.map(|key| key.sign(&manifest)));
        let already = self.put_component(&own, &version, &manifest, &component).await?;
        let object = self.store.url(&component_key(&own, &version));
        let place = manifest_key(&own, &version);
        if self.store.put(&place, render(&manifest)?, "application/json", Condition::New).await? {
            return Ok(Publication { manifest, object, already: false });
        }
        let found = self.manifest(&own, &version).await?;
        if found.sha256 != manifest.sha256 {
            return Err(RegistryError::Occupied { object: self.store.url(&place) });
        }
        if let Some(key) = key.filter(|key| !found.signatures.iter().any(|signature| signature.key == key.id())) {
            return Err(RegistryError::NotSigned { object: self.store.url(&place), key: key.id() });
        }
        Ok(Publication { manifest: found, object, already })
    }

    /// Returns whether it existed.
    async fn put_component(
        &self,
        dataset: &DatasetName,
        version: &Version,
        manifest: &Manifest,
        component: &[u8],
    ) -> Result<bool, RegistryError> {
        let place = component_key(dataset, version);
        if self.store.put(&place, component.to_vec(), "application/wasm", Condition::New).await? {
            return Ok(false);
        }
        // By someone else, by an earlier try, or by a request of ours whose answer was lost.
        let object = self.store.url(&place);
        match self.store.component(&place, manifest.size).await {
            Ok(Fetched::Found { bytes, .. }) if digest(&bytes) == manifest.sha256 => Ok(true),
            Ok(Fetched::Found { .. }) | Err(RegistryError::TooLarge { .. }) => Err(RegistryError::Occupied { object }),
            Ok(Fetched::NotModified | Fetched::Missing) => {
                Err(RegistryError::Conflict { object, now: "it is being written".to_owned() })
            }
            Err(error) => Err(error),
        }
    }

    /// The datasets of which the registry has something, in alphabetical order.
    ///
    /// # Errors
    ///
    /// What S3 does.
    pub async fn datasets(&self) -> Result<Vec<DatasetName>, RegistryError> {
        let names = self.store.names("").await?;
        let mut names: Vec<DatasetName> = names.iter().filter_map(|name| dataset_name(name).ok()).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The versions of a dataset, the newest first.
    ///
    /// # Errors
    ///
    /// What S3 does; and what is wrong with a document.
    pub async fn entries(&self, dataset: &DatasetName) -> Result<Vec<Entry>, RegistryError> {
        let pointers = self.pointing(dataset).await?;
        let names = self.store.names(&format!("{dataset}/")).await?;
        let mut versions: Vec<Version> = names.iter().filter_map(|name| name.parse().ok()).collect();
        versions.sort_by(|left, right| right.cmp(left));
        let mut entries = Vec::with_capacity(versions.len());
        for version in versions {
            let manifest = match self.manifest(dataset, &version).await {
                Ok(manifest) => manifest,
                // It is being published.
                Err(RegistryError::NotFound { .. }) => continue,
                Err(error) => return Err(error),
            };
            let pointing = pointers.iter().filter(|it| it.release.version == version);
            let channels = pointing.map(|it| it.channel.clone()).collect();
            let tried = |it: &InService| {
                let terms = it.running()?;
                (terms.candidate.version == version).then(|| (it.channel.clone(), terms.kind))
            };
            let trials = pointers.iter().filter_map(tried).collect();
            let (added, is_yanked) = self.additions(dataset, &version).await?;
            let keys = manifest.signatures.iter().map(|signature| signature.key.clone()).chain(added).collect();
            let parameters = self.published_parameters(dataset, &version).await?;
            let parameters_schema = self.parameters_schema(dataset, &version).await?;
            let serves = self.published_patterns(dataset, &version).await?;
            entries.push(Entry { manifest, channels, trials, keys, is_yanked, parameters, parameters_schema, serves });
        }
        Ok(entries)
    }

    /// The release that an object was begun with, by its identity; none where there is none, or the registry may not be listed.
    ///
    /// # Errors
    ///
    /// What S3 does, as far as it may pass.
    pub(super) async fn release_of(
        &self,
        dataset: &DatasetName,
        identity: &str,
    ) -> Result<Option<Release>, RegistryError> {
        let names = match self.store.names(&format!("{dataset}/")).await {
            Err(RegistryError::Forbidden { .. } | RegistryError::NotFound { .. }) => return Ok(None),
            names => names?,
        };
        let mut versions: Vec<Version> = names.iter().filter_map(|name| name.parse().ok()).collect();
        versions.sort_by(|left, right| right.cmp(left));
        for version in versions {
            match self.manifest(dataset, &version).await {
                Ok(Manifest { version, sha256, .. }) => {
                    let parameters = self.published_parameters(dataset, &version).await?;
                    let release = Release { version, sha256, parameters: None };
                    let mut known = [None].into_iter().chain(parameters.into_iter().map(Some));
                    let known = known.find_map(|parameters| {
                        let release = release.clone().with(parameters);
                        (release.identity() == identity).then_some(release)
                    });
                    if known.is_some() {
                        return Ok(known);
                    }
                }
                Err(RegistryError::NotFound { .. }) => {}
                Err(error) if error.is_permanent() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Checks a version as the function does: its manifest, signature and digest, and whether it compiles and describes itself as
    /// it should. Returns the id of the trusted key that has signed it, where there are such keys.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub async fn verify(
        &self,
        dataset: &DatasetName,
        version: &Version,
    ) -> Result<(Manifest, Option<String>), RegistryError> {
        let manifest = self.manifest(dataset, version).await?;
        let release = Release { version: version.clone(), sha256: manifest.sha256.clone(), parameters: None };
        self.load(dataset, &release, None).await?;
        let signer = self.signer(dataset, version, &manifest).await?;
        Ok((manifest, signer))
    }

    pub(super) async fn pointer(
        &self,
        dataset: &DatasetName,
        channel: &Channel,
        known: Option<&str>,
    ) -> Result<Pointed, RegistryError> {
        let place = pointer_key(dataset, channel);
        Ok(match self.store.document(&place, MAX_POINTER_BYTES, known).await? {
            Fetched::Found { bytes, etag } => match parse(&self.store.url(&place), &bytes) {
                Ok(pointer) => Pointed::At(pointer, etag),
                Err(error) => Pointed::Nowhere(error, etag),
            },
            Fetched::NotModified => Pointed::NotModified,
            Fetched::Missing => Pointed::Missing,
        })
    }

    pub(super) async fn manifest(&self, dataset: &DatasetName, version: &Version) -> Result<Manifest, RegistryError> {
        let place = manifest_key(dataset, version);
        let object = self.store.url(&place);
        let Fetched::Found { bytes, .. } = self.store.document(&place, MAX_MANIFEST_BYTES, None).await? else {
            return Err(RegistryError::NotFound { object });
        };
        let manifest: Manifest = parse(&object, &bytes)?;
        if manifest.dataset != dataset.as_str() {
            return Err(RegistryError::mismatch(&object, "dataset", &manifest.dataset, dataset));
        }
        if manifest.version != *version {
            return Err(RegistryError::mismatch(&object, "version", &manifest.version, version));
        }
        Ok(manifest)
    }

    /// The converter of a release. Nothing of it has run unless everything that can be checked before has been.
    pub(super) async fn load(
        &self,
        dataset: &DatasetName,
        release: &Release,
        cache: Option<&Arc<CompileCache>>,
    ) -> Result<Converter, RegistryError> {
        let Release { version, sha256, parameters } = release;
        let manifest = self.manifest(dataset, version).await?;
        if manifest.sha256 != *sha256 {
            let object = self.store.url(&manifest_key(dataset, version));
            return Err(RegistryError::mismatch(&object, "digest", &manifest.sha256, sha256));
        }
        self.may_be_used(dataset, version, &manifest).await?;
        let converter = self.load_unsigned(dataset, release, &manifest, cache).await?;
        let Some(parameters) = parameters else { return Ok(converter) };
        let parameters = self.parameters(dataset, version, parameters).await?;
        let with_parameters = blocking(move || converter.with_parameters(parameters)).await?;
        with_parameters.map_err(|cause| unusable(dataset, version, cause))
    }

    /// The component of a version, checked as [`Registry::verify`] does, except that it is not compiled.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub async fn component(
        &self,
        dataset: &DatasetName,
        version: &Version,
    ) -> Result<(Manifest, Vec<u8>), RegistryError> {
        let manifest = self.manifest(dataset, version).await?;
        self.may_be_used(dataset, version, &manifest).await?;
        let bytes = self.bytes(dataset, version, &manifest).await?;
        Ok((manifest, bytes))
    }

    /// As [`Self::load`], whoever has signed it.
    pub(super) async fn load_unsigned(
        &self,
        dataset: &DatasetName,
        Release { version, sha256, .. }: &Release,
        manifest: &Manifest,
        cache: Option<&Arc<CompileCache>>,
    ) -> Result<Converter, RegistryError> {
        let converter = match self.cached(sha256, cache).await? {
            Some(converter) => converter,
            None => self.fetch(dataset, version, manifest, cache).await?,
        }
        .map_err(|cause| unusable(dataset, version, cause))?;
        let (description, object) = (converter.description(), self.store.url(&component_key(dataset, version)));
        if description.dataset != dataset.as_str() {
            return Err(RegistryError::mismatch(&object, "dataset", &description.dataset, dataset));
        }
        if description.version != version.to_string() {
            return Err(RegistryError::mismatch(&object, "version", &description.version, version));
        }
        Ok(converter)
    }

    /// Without a request: what was compiled here before.
    async fn cached(&self, sha256: &str, cache: Option<&Arc<CompileCache>>) -> Result<Option<Compiled>, RegistryError> {
        let Some(cache) = cache.cloned() else { return Ok(None) };
        let (engine, sha256) = (self.engine.clone(), sha256.to_owned());
        blocking(move || engine.cached(&sha256, &cache)).await
    }

    async fn fetch(
        &self,
        dataset: &DatasetName,
        version: &Version,
        manifest: &Manifest,
        cache: Option<&Arc<CompileCache>>,
    ) -> Result<Compiled, RegistryError> {
        let bytes = self.bytes(dataset, version, manifest).await?;
        let (engine, cache) = (self.engine.clone(), cache.cloned());
        blocking(move || match cache {
            Some(cache) => engine.compile_cached(&bytes, &cache),
            None => engine.compile(&bytes),
        })
        .await
    }

    /// The bytes of a component, which are those that its manifest names.
    async fn bytes(
        &self,
        dataset: &DatasetName,
        version: &Version,
        manifest: &Manifest,
    ) -> Result<Vec<u8>, RegistryError> {
        let place = component_key(dataset, version);
        let object = self.store.url(&place);
        let limit = self.engine.limits().component_bytes as u64;
        if manifest.size > limit {
            return Err(RegistryError::TooLarge { object, limit });
        }
        let bytes = match self.store.component(&place, manifest.size).await? {
            Fetched::Found { bytes, .. } => bytes,
            Fetched::NotModified | Fetched::Missing => return Err(RegistryError::NotFound { object }),
        };
        if bytes.len() as u64 != manifest.size {
            return Err(RegistryError::mismatch(&object, "size", &bytes.len(), &manifest.size));
        }
        let (found, bytes) = blocking(move || (digest(&bytes), bytes)).await?;
        if found != manifest.sha256 {
            return Err(RegistryError::mismatch(&object, "digest", &found, &manifest.sha256));
        }
        Ok(bytes)
    }
}

/// A converter, or why it is none.
type Compiled = Result<Converter, ConverterError>;

pub(super) fn unusable(dataset: &DatasetName, version: &Version, cause: ConverterError) -> RegistryError {
    RegistryError::Converter { dataset: dataset.clone(), version: version.clone(), cause: Arc::new(cause) }
}

fn component_key(dataset: &DatasetName, version: &Version) -> String {
    format!("{dataset}/{version}/converter.wasm")
}

pub(super) fn manifest_key(dataset: &DatasetName, version: &Version) -> String {
    format!("{dataset}/{version}/manifest.json")
}

pub(super) fn pointer_key(dataset: &DatasetName, channel: &Channel) -> String {
    format!("{dataset}/channels/{channel}.json")
}

/// A name that stands for itself: upper case would be another key.
fn dataset_name(text: &str) -> Result<DatasetName, RegistryError> {
    let name = text.parse::<DatasetName>().ok().filter(|name| name.as_str() == text && !is_reserved(name));
    let allowed = "1 to 64 lower-case letters, digits, `-` and `_`, but not `control` and `trials`";
    name.ok_or_else(|| RegistryError::name("dataset", text, allowed))
}

/// The lower-case hexadecimal SHA-256.
pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut digest, byte| {
        // Writing to a string does not fail.
        let _ = write!(digest, "{byte:02x}");
        digest
    })
}

pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, RegistryError> {
    on_a_thread(work).await.map_err(|error| RegistryError::Stopped(Arc::new(error)))
}
