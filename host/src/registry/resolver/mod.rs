//! The function's side: which converter an object gets, and when it is another one.

mod patterns;
mod settle;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tracing::Instrument;

use super::document::{Pointer, Release};
use super::error::RegistryError;
use super::operations::{Pointed, Registry, blocking};
use super::patterns::Pattern;
use super::pointers::{Details, Moment, Standing};
use super::trials::{Observed, Outcome, Running, is_reserved};
use crate::config::RegistrySettings;
use crate::converter::{Catalog, CompileCache, Converter, ConverterError};
use crate::dataset::DatasetName;
use patterns::Patterns;

/// How many converters of a dataset are kept compiled: for going back and forth.
const MAX_RECENT: usize = 4;

/// How long a failure is remembered where there is nothing to serve, so that many objects do not wait for it one after the
/// other.
const FAILED: Duration = Duration::from_secs(5);

/// How long a version is not tried again that could not be used for a cause that may pass: time, memory, room.
const REFUSED: Duration = Duration::from_secs(30);

/// How many datasets are remembered beyond those that the registry serves. Keys of objects name them, so that there may
/// be any number.
const MAX_IDLE: usize = 1_000;

/// The converter of an object.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// The converter.
    pub converter: Converter,
    /// Whether it is used because the one that the registry names cannot be used, or because the registry cannot be asked.
    pub fallback: bool,
    /// What is tried beside it.
    pub trial: Option<Arc<Running>>,
    /// Which other datasets it serves.
    pub serves: Arc<[Pattern]>,
}

impl Resolution {
    /// A converter beside which nothing is tried, and that serves its own dataset alone.
    pub fn alone(converter: Converter, fallback: bool) -> Self {
        Self { converter, fallback, trial: None, serves: Arc::default() }
    }
}

/// Finds the converter of each dataset: in the registry, if there is one, and among those that are built in.
///
/// The registry's pointer is asked for at most every `CONVERTER_REFRESH_SECONDS`, when an object comes. Nobody waits for the
/// answer while a converter is being served, unless that is 0: then every object asks. When the registry does not answer, or names a
/// version that cannot be used, the one before stays in use: what this process served, else the previous version that the pointer
/// names. Where the registry has served the dataset, the built-in converter does not take its place. A process that has served
/// nothing yet and gets no answer fails: to guess might write other data than the registry's converter would.
///
/// A dataset that neither the registry nor the loader has a converter for may be served by another one's pattern (`patterns`).
#[derive(Debug)]
pub struct Resolver {
    catalog: Arc<Catalog>,
    remote: Option<Arc<Remote>>,
}

#[derive(Debug)]
struct Remote {
    registry: Registry,
    refresh: Duration,
    cache: Option<Arc<CompileCache>>,
    slots: Mutex<BTreeMap<DatasetName, Arc<Slot>>>,
    listing: AsyncMutex<Option<(Instant, Vec<String>)>>,
    patterns: Patterns,
}

/// What is known of a dataset.
#[derive(Debug, Default)]
struct Slot {
    served: Mutex<Option<Resolution>>,
    /// Locked while the registry is asked, so that it is asked once however many objects come.
    state: Arc<AsyncMutex<State>>,
    /// Whether it has no converter of its own, and is served by a pattern.
    is_served_by_pattern: AtomicBool,
    /// Whether that it has none could not be confirmed.
    is_doubtful: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// When the registry was asked last, and it was known afterwards what is to be served, or that nothing is.
    asked: Option<Instant>,
    /// The entity tag of the pointer that was followed, or is known to lead nowhere.
    etag: Option<String>,
    /// Why the version that the pointer names is not used. It is not read again until the pointer changes, or until a
    /// moment where the cause may pass.
    refused: Option<(RegistryError, Option<Instant>)>,
    /// When the registry was asked last in vain, with nothing to serve, and why.
    failed: Option<(Instant, RegistryError)>,
    /// What has been loaded, the latest first.
    recent: VecDeque<(Release, Converter)>,
    /// The pointer of the highest sequence that was ever trusted.
    seen: Option<Pointer>,
    /// When the pointer that is followed expires.
    expires: Option<Moment>,
    /// What the pointer that is followed does not hold, and when that was stated.
    details: Details,
    since: Option<Moment>,
    /// The version that this pointer names.
    pointed: Option<Converter>,
    /// The trial that is followed.
    trial: Option<Arc<Running>>,
}

impl Slot {
    fn served(&self) -> Option<Resolution> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it is served by a pattern until something else is known of it.
    fn is_served_by_pattern(&self) -> bool {
        self.is_served_by_pattern.load(Ordering::Relaxed)
    }

    /// Nothing is to be served any more.
    fn withdraw(&self) {
        *self.served.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn serve(&self, resolution: Resolution) -> Resolution {
        self.is_served_by_pattern.store(false, Ordering::Relaxed);
        *self.served.lock().unwrap_or_else(PoisonError::into_inner) = Some(resolution.clone());
        resolution
    }
}

impl Resolver {
    /// A resolver over the catalog, and over a registry where the settings name one. Converters that were inserted into
    /// the catalog go before those of the registry.
    ///
    /// # Errors
    ///
    /// As [`Registry::new`].
    pub fn new(catalog: Arc<Catalog>, settings: Option<&RegistrySettings>) -> Result<Self, RegistryError> {
        let remote = settings.map(|settings| Remote::new(&catalog, settings).map(Arc::new)).transpose()?;
        Ok(Self { catalog, remote })
    }

    /// The converter for an object of this dataset. The object keeps it, whatever happens to the registry meanwhile.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Component`] where there is no registry and no built-in converter; [`RegistryError::NoConverter`]
    /// where the registry has none either; else why the registry's cannot be used, when there is none before it.
    pub async fn converter(&self, dataset: &DatasetName) -> Result<Resolution, RegistryError> {
        let own = self.own(dataset).await;
        let (Some(remote), Err(error)) = (self.remote(dataset), &own) else { return own };
        let (slot, has_none) = (remote.slot(dataset), matches!(error, RegistryError::NoConverter { .. }));
        // What keeps a process from asking for the dataset's own converter does not end that a pattern serves it.
        if !has_none && !slot.is_served_by_pattern() {
            return own;
        }
        let found = self.by_pattern(remote, dataset).await?;
        slot.is_served_by_pattern.store(found.is_some(), Ordering::Relaxed);
        let Some(resolution) = found else { return own };
        let is_doubtful = !has_none || slot.is_doubtful.load(Ordering::Relaxed);
        Ok(Resolution { fallback: resolution.fallback || is_doubtful, ..resolution })
    }

    /// The converter that the dataset has by its own name.
    async fn own(&self, dataset: &DatasetName) -> Result<Resolution, RegistryError> {
        if let Some(converter) = self.catalog.inserted(dataset.as_str()) {
            return Ok(Resolution::alone(converter, false));
        }
        let Some(remote) = self.remote(dataset) else {
            let converter = built_in(&self.catalog, dataset).await?;
            return Ok(Resolution::alone(converter.map_err(component)?, false));
        };
        let slot = remote.slot(dataset);
        let served = slot.served().map(Ok);
        let served = served.or_else(|| slot.is_served_by_pattern().then(|| Err(remote.no_converter(dataset))));
        if let (Some(served), false) = (served, remote.refresh.is_zero()) {
            // Whoever has the lock asks already.
            if let Ok(state) = Arc::clone(&slot.state).try_lock_owned()
                && state.asked.is_none_or(|asked| asked.elapsed() >= remote.refresh)
            {
                remote.refresh_behind(&self.catalog, dataset, slot, state);
            }
            return served;
        }
        let arrived = Instant::now();
        let mut state = slot.state.lock().await;
        if let Some((failed, error)) = &state.failed
            && (*failed >= arrived || failed.elapsed() < FAILED.min(remote.refresh))
        {
            return Err(error.clone());
        }
        match (state.asked, slot.served()) {
            (Some(asked), Some(served)) if asked.elapsed() < remote.refresh => Ok(served),
            _ => {
                let asked = remote.refresh(&self.catalog, dataset, &slot, &mut state).await;
                let now = Instant::now();
                match &asked {
                    Ok(_) => (state.asked, state.failed) = (Some(now), None),
                    Err(error) => {
                        state.failed = Some((now, error.clone()));
                        // A pattern may serve it, until the registry is asked again.
                        state.asked = matches!(error, RegistryError::NoConverter { .. }).then_some(now);
                    }
                }
                asked
            }
        }
    }

    /// The registry, where it may have a converter for the dataset.
    fn remote(&self, dataset: &DatasetName) -> Option<&Arc<Remote>> {
        self.remote.as_ref().filter(|_| !is_reserved(dataset))
    }

    /// Counts an object of a trial. Returns how the trial has ended if this very object ended it.
    pub async fn count<R: serde::Serialize>(&self, trial: &Running, observed: Observed<R>) -> Option<Outcome> {
        self.remote.as_ref()?.registry.count(trial, observed).await
    }

    /// The converter of a dataset that has this digest, whichever is current: for an object that was begun with it. None
    /// where it is gone.
    ///
    /// # Errors
    ///
    /// What keeps it from being found and may pass.
    pub async fn of_digest(&self, dataset: &DatasetName, digest: &str) -> Result<Option<Converter>, RegistryError> {
        let is_it = |converter: &Converter| converter.identity() == digest;
        if let Some(converter) = self.catalog.inserted(dataset.as_str()).filter(is_it) {
            return Ok(Some(converter));
        }
        if let Some(converter) = built_in(&self.catalog, dataset).await?.ok().filter(is_it) {
            return Ok(Some(converter));
        }
        let Some(remote) = self.remote(dataset) else { return Ok(None) };
        if let Some(converter) = remote.of_digest(dataset, digest).await? {
            return Ok(Some(converter));
        }
        let matching = match remote.matching(dataset).await {
            Err(error) if error.is_permanent() || matches!(error, RegistryError::Forbidden { .. }) => Vec::new(),
            matching => matching?,
        };
        for name in matching.into_iter().map(|claim| claim.name) {
            if let Some(converter) = remote.of_digest(&name, digest).await? {
                return Ok(Some(converter));
            }
        }
        Ok(None)
    }

    /// Whether the dataset has a converter that is built in, or one that is or was promoted in the registry.
    ///
    /// # Errors
    ///
    /// When that cannot be read from the registry.
    pub async fn is_in_service(&self, dataset: &DatasetName) -> Result<bool, RegistryError> {
        if self.catalog.known().iter().any(|known| known == dataset.as_str()) {
            return Ok(true);
        }
        let Some(remote) = self.remote(dataset) else { return Ok(false) };
        if remote.slot(dataset).served().is_some() {
            return Ok(true);
        }
        let channel = remote.registry.channel();
        match remote.registry.pointer(dataset, channel, None).await? {
            // One that is gone counts: its object is to fail, not to be taken for another dataset's.
            Pointed::Missing => Ok(remote.registry.was_promoted(dataset, channel).await?
                || self.by_pattern(remote, dataset).await?.is_some()),
            Pointed::At(..) | Pointed::Nowhere(..) | Pointed::NotModified => Ok(true),
        }
    }

    /// The datasets that have a converter: those of the catalog, and those of the registry if it may be listed. In
    /// alphabetical order.
    pub async fn known(&self) -> Vec<String> {
        let mut known: BTreeSet<String> = self.catalog.known().into_iter().collect();
        if let Some(remote) = &self.remote {
            known.extend(remote.listing().await);
            known.extend(remote.named().await);
        }
        known.into_iter().collect()
    }
}

impl Remote {
    fn new(catalog: &Catalog, settings: &RegistrySettings) -> Result<Self, RegistryError> {
        Ok(Self {
            registry: Registry::new(settings, catalog.engine().clone())?,
            refresh: settings.refresh,
            cache: catalog.cache().cloned(),
            slots: Mutex::default(),
            listing: AsyncMutex::default(),
            patterns: Patterns::default(),
        })
    }

    fn slot(&self, dataset: &DatasetName) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() > MAX_IDLE && !slots.contains_key(dataset) {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.served().is_some());
        }
        Arc::clone(slots.entry(dataset.clone()).or_default())
    }

    async fn listing(&self) -> Vec<String> {
        let mut listing = self.listing.lock().await;
        if let Some((asked, names)) = &*listing
            && asked.elapsed() < self.refresh
        {
            return names.clone();
        }
        let names = match self.registry.datasets().await {
            Ok(datasets) => datasets.iter().map(ToString::to_string).collect(),
            Err(RegistryError::Forbidden { object, .. }) => {
                tracing::debug!(
                    object,
                    "the registry may not be listed: keys are searched for built-in datasets alone"
                );
                Vec::new()
            }
            Err(error) => {
                log(&error, "the registry cannot be listed");
                listing.as_ref().map(|(_, names)| names.clone()).unwrap_or_default()
            }
        };
        *listing = Some((Instant::now(), names.clone()));
        names
    }

    /// Asks the registry what is to be served from the next object on.
    fn refresh_behind(
        self: &Arc<Self>,
        catalog: &Arc<Catalog>,
        dataset: &DatasetName,
        slot: Arc<Slot>,
        mut state: OwnedMutexGuard<State>,
    ) {
        let (remote, catalog, dataset) = (Arc::clone(self), Arc::clone(catalog), dataset.clone());
        let refresh = async move {
            // There is nothing to serve any more: the next object asks, and fails if that is still so.
            if let Err(error) = remote.refresh(&catalog, &dataset, &slot, &mut state).await {
                slot.is_doubtful.store(!matches!(error, RegistryError::NoConverter { .. }), Ordering::Relaxed);
                slot.withdraw();
            }
            state.asked = Some(Instant::now());
        };
        drop(tokio::spawn(refresh.in_current_span()));
    }

    /// Asks the registry what is to be served.
    async fn refresh(
        &self,
        catalog: &Arc<Catalog>,
        dataset: &DatasetName,
        slot: &Slot,
        state: &mut State,
    ) -> Result<Resolution, RegistryError> {
        if let Some((_, Some(until))) = &state.refused
            && *until <= Instant::now()
        {
            (state.etag, state.refused) = (None, None);
        }
        let (pointer, etag, error) =
            match self.registry.pointer(dataset, self.registry.channel(), state.etag.as_deref()).await {
                Ok(Pointed::NotModified) => {
                    let has_expired = state.expires.is_some_and(|expires| expires <= Moment::now());
                    if has_expired {
                        tracing::error!(%dataset, "the pointer has expired: the converter that it named stays in use");
                    }
                    if let (Some(converter), None) = (state.pointed.clone(), &state.refused) {
                        return self.settle(dataset, slot, state, converter, has_expired).await;
                    }
                    return match (slot.served(), state.refused.clone()) {
                        (Some(served), refused) => {
                            Ok(slot.serve(Resolution { fallback: refused.is_some() || has_expired, ..served }))
                        }
                        (None, Some((error, _))) => Err(error),
                        // The entity tag is kept with one of the two.
                        (None, None) => Err(self.no_converter(dataset)),
                    };
                }
                // A dataset that the registry has served does not fall back to the built-in converter.
                Ok(Pointed::Missing) => match self.was_served(dataset, state).await {
                    Ok(true) => {
                        let object = self.registry.pointer_url(dataset, self.registry.channel());
                        (state.etag, state.refused) = (None, None);
                        (None, None, RegistryError::PointerGone { object })
                    }
                    Ok(false) => {
                        *state = State { recent: std::mem::take(&mut state.recent), ..State::default() };
                        let converter = match built_in(catalog, dataset).await? {
                            Err(ConverterError::UnknownDataset { .. }) => return Err(self.no_converter(dataset)),
                            other => other.map_err(component)?,
                        };
                        return Ok(slot.serve(Resolution::alone(converter, false)));
                    }
                    Err(error) => (None, None, error),
                },
                Ok(Pointed::At(pointer, etag)) => match self.trust(dataset, &pointer, state).await {
                    Ok(()) => {
                        match self.load(dataset, &pointer.release().with(state.details.parameters.clone()), state).await
                        {
                            Ok(converter) => {
                                (state.etag, state.refused) = (etag, None);
                                return self.settle(dataset, slot, state, converter, false).await;
                            }
                            Err(error) => (Some(pointer), etag, error),
                        }
                    }
                    // Nothing that it holds counts.
                    Err(error) => (None, etag, error),
                },
                Ok(Pointed::Nowhere(error, etag)) => (None, etag, error),
                // The pointer may be as it was: its entity tag stays.
                Err(error) => (None, state.etag.clone(), error),
            };
        if error.is_permanent() {
            (state.etag, state.refused) = (etag, Some((error.clone(), None)));
        } else if let RegistryError::Converter { .. } | RegistryError::PointerUntrusted { .. } = &error {
            (state.etag, state.refused) = (etag, Some((error.clone(), Some(Instant::now() + REFUSED))));
        } else if pointer.is_some() {
            state.etag = None;
        }
        log(&error, &format!("the converter of dataset `{dataset}` cannot be had from the registry"));
        match self.before(dataset, slot, state, pointer).await {
            Some(before) => {
                let description = before.converter.description();
                tracing::error!(
                    dataset = %dataset,
                    converter_version = description.version,
                    converter_digest = before.converter.digest(),
                    "the converter before stays in use"
                );
                Ok(slot.serve(before))
            }
            None => Err(error),
        }
    }

    /// What was served, or else promoted, before the version that cannot be used.
    async fn before(
        &self,
        dataset: &DatasetName,
        slot: &Slot,
        state: &mut State,
        pointer: Option<Pointer>,
    ) -> Option<Resolution> {
        // With what is tried beside it: objects keep their sides.
        if let Some(served) = slot.served() {
            return Some(Resolution { fallback: true, ..served });
        }
        let previous = pointer?.previous?.with(state.details.previous_parameters.clone());
        let loaded = self.load(dataset, &previous, state).await;
        let loaded = loaded.inspect_err(|error| log(error, "nor can the version before it be used"));
        let serves = state.details.serves.as_slice().into();
        loaded.ok().map(|converter| Resolution { serves, ..Resolution::alone(converter, true) })
    }

    /// Whether a version of the dataset was ever promoted to the channel, as far as is known.
    async fn was_served(&self, dataset: &DatasetName, state: &State) -> Result<bool, RegistryError> {
        Ok(state.seen.is_some() || self.registry.was_promoted(dataset, self.registry.channel()).await?)
    }

    /// Whether the pointer may be followed.
    async fn trust(&self, dataset: &DatasetName, pointer: &Pointer, state: &mut State) -> Result<(), RegistryError> {
        let channel = self.registry.channel();
        match &state.seen {
            Some(seen) if seen == pointer => {}
            Some(seen) if pointer.sequence <= seen.sequence => {
                let object = self.registry.pointer_url(dataset, channel);
                let (found, known) = (pointer.sequence, seen.sequence);
                return Err(RegistryError::PointerSuperseded { object, found, known });
            }
            Some(_) => {}
            None => self.registry.has_no_successor(dataset, channel, pointer).await?,
        }
        let Standing { is_signed, expires, details, at } = self.registry.standing(dataset, channel, pointer).await?;
        if !is_signed && self.registry.has_keys() {
            let (sequence, version) = (pointer.sequence, &pointer.version);
            tracing::warn!(%dataset, %channel, sequence, %version, "the pointer is not signed by a trusted key, and followed all the same: `CONVERTER_REQUIRE_SIGNED_POINTERS` is not `true`");
        }
        (state.seen, state.expires) = (Some(pointer.clone()), expires);
        (state.details, state.since) = (details, at);
        Ok(())
    }

    async fn load(
        &self,
        dataset: &DatasetName,
        release: &Release,
        state: &mut State,
    ) -> Result<Converter, RegistryError> {
        let known = state.recent.iter().position(|(known, _)| known == release);
        let entry = match known.and_then(|index| state.recent.remove(index)) {
            Some(entry) => {
                self.registry.not_yanked(dataset, &release.version).await?;
                entry
            }
            None => (release.clone(), self.registry.load(dataset, release, self.cache.as_ref()).await?),
        };
        let converter = entry.1.clone();
        state.recent.push_front(entry);
        state.recent.truncate(MAX_RECENT);
        // Those whose code stays in memory are not kept beside the one that is used.
        let mut kept = 0;
        state.recent.retain(|(_, converter)| {
            kept += 1;
            kept == 1 || converter.is_stored()
        });
        Ok(converter)
    }

    /// The converter that the dataset has, or had, by its own name, which has this digest.
    async fn of_digest(&self, dataset: &DatasetName, digest: &str) -> Result<Option<Converter>, RegistryError> {
        let is_it = |converter: &Converter| converter.identity() == digest;
        let slot = self.slot(dataset);
        let trial = slot.served().and_then(|served| served.trial);
        if let Some(trial) = trial
            && let Some(converter) = [trial.before(), trial.candidate()].into_iter().find(|converter| is_it(converter))
        {
            return Ok(Some(converter.clone()));
        }
        let mut state = slot.state.lock().await;
        let recent = state.recent.iter().find(|(release, _)| release.identity() == digest);
        if let Some((_, converter)) = recent {
            return Ok(Some(converter.clone()));
        }
        let Some(release) = self.registry.release_of(dataset, digest).await? else { return Ok(None) };
        match self.load(dataset, &release, &mut state).await {
            Ok(converter) => Ok(Some(converter)),
            Err(error) if error.is_permanent() || matches!(error, RegistryError::NotFound { .. }) => {
                log(&error, "the converter that an object was begun with cannot be used");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn no_converter(&self, dataset: &DatasetName) -> RegistryError {
        let (channel, registry) = (self.registry.channel().clone(), self.registry.url());
        RegistryError::NoConverter { dataset: dataset.clone(), channel, registry }
    }
}

async fn built_in(
    catalog: &Arc<Catalog>,
    dataset: &DatasetName,
) -> Result<Result<Converter, ConverterError>, RegistryError> {
    let (catalog, dataset) = (Arc::clone(catalog), dataset.to_string());
    blocking(move || catalog.converter(&dataset)).await
}

fn component(error: ConverterError) -> RegistryError {
    RegistryError::Component(Arc::new(error))
}

fn announce(dataset: &DatasetName, converter: &Converter, before: Option<&Resolution>) {
    if before.is_some_and(|before| before.converter.identity() == converter.identity()) {
        return;
    }
    tracing::info!(
        dataset = %dataset,
        converter_version = converter.description().version,
        converter_digest = converter.digest(),
        before = before.map(|before| before.converter.description().version.as_str()),
        "a converter of the registry is in use"
    );
}

/// One line, with all causes.
fn log(error: &RegistryError, what: &str) {
    let mut causes = Vec::new();
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        causes.push(error.to_string());
        next = error.source();
    }
    tracing::error!("{what}: {}", causes.join(": "));
}
