//! Which converter serves which dataset.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::cache::CompileCache;
use super::engine::{self, Engine};
use super::error::ConverterError;
use super::instance::Converter;

/// The converter of each dataset. May be used, and changed, from many threads: who has got a converter keeps it, so that a
/// change holds from the next object on.
pub struct Catalog {
    engine: Engine,
    cache: Option<Arc<CompileCache>>,
    entries: RwLock<BTreeMap<String, Entry>>,
}

#[derive(Clone)]
enum Entry {
    /// In the loader itself, compiled when it is first asked for.
    BuiltIn(Arc<BuiltIn>),
    /// Put there while the loader runs.
    Ready(Converter),
}

struct BuiltIn {
    component: &'static [u8],
    /// Locked while it is compiled, so that it is compiled once however many ask.
    converter: Mutex<Option<Converter>>,
}

impl Catalog {
    /// A catalog that knows nothing.
    pub fn empty(engine: Engine) -> Self {
        Self { engine, cache: None, entries: RwLock::new(BTreeMap::new()) }
    }

    /// A catalog that knows the converters that are built into the loader, and keeps what it compiled in the cache.
    pub fn built_in(engine: Engine, cache: Option<Arc<CompileCache>>) -> Self {
        let entry = |component| Entry::BuiltIn(Arc::new(BuiltIn { component, converter: Mutex::new(None) }));
        let components = converter_components::ALL.iter().chain(converter_components::NAMED);
        let entries = components.map(|&(dataset, component)| (dataset.to_owned(), entry(component)));
        Self { engine, cache, entries: RwLock::new(entries.collect()) }
    }

    /// The engine that compiles for it.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Where compiled converters are kept.
    pub fn cache(&self) -> Option<&Arc<CompileCache>> {
        self.cache.as_ref()
    }

    /// The datasets that have a converter, in alphabetical order; without those that have to be named, since a key that contains
    /// their names does not show the dataset.
    pub fn known(&self) -> Vec<String> {
        let is_named = |name: &String| converter_components::NAMED.iter().any(|(named, _)| named == name);
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.keys().filter(|name| !is_named(name)).cloned().collect()
    }

    /// Lets a converter serve a dataset from now on. Returns whether the dataset had one before.
    pub fn insert(&self, dataset: impl Into<String>, converter: Converter) -> bool {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.insert(dataset.into(), Entry::Ready(converter)).is_some()
    }

    /// The converter that [`Catalog::insert`] gave the dataset.
    pub fn inserted(&self, dataset: &str) -> Option<Converter> {
        match self.entries.read().unwrap_or_else(PoisonError::into_inner).get(dataset) {
            Some(Entry::Ready(converter)) => Some(converter.clone()),
            Some(Entry::BuiltIn(_)) | None => None,
        }
    }

    /// A component that was compiled before, or is now. Blocks.
    ///
    /// # Errors
    ///
    /// Those of [`Engine::compile`].
    pub fn compile(&self, component: &[u8]) -> Result<Converter, ConverterError> {
        let Some(cache) = &self.cache else { return self.engine.compile(component) };
        self.compiled(component).map_or_else(|| self.engine.compile_cached(component, cache), Ok)
    }

    /// A component that was compiled before: nothing where it is not in the cache, or cannot be used as the cache holds it.
    pub fn compiled(&self, component: &[u8]) -> Option<Converter> {
        self.engine.cached(&engine::digest(component), self.cache.as_ref()?)?.ok()
    }

    /// The converter of a dataset. The first time it may have to be compiled, which blocks.
    ///
    /// # Errors
    ///
    /// [`ConverterError::UnknownDataset`]; and those of [`Engine::compile`].
    pub fn converter(&self, dataset: &str) -> Result<Converter, ConverterError> {
        // Not locked while it compiles.
        let entry = self.entries.read().unwrap_or_else(PoisonError::into_inner).get(dataset).cloned();
        match entry {
            Some(Entry::Ready(converter)) => Ok(converter),
            Some(Entry::BuiltIn(built_in)) => {
                let mut converter = built_in.converter.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(converter) = &*converter {
                    return Ok(converter.clone());
                }
                Ok(converter.insert(self.compile(built_in.component)?).clone())
            }
            None => Err(ConverterError::UnknownDataset {
                dataset: dataset.to_owned(),
                known: self.known().into_iter().map(|known| format!("`{known}`")).collect(),
            }),
        }
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Catalog").field("known", &self.known()).finish_non_exhaustive()
    }
}
