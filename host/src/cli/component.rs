//! A component that a command names: a file, or a version in the registry.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::CliError;
use crate::config::Config;
use crate::converter::Converter;
use crate::dataset::DatasetName;
use crate::pipeline::{LoadError, Loader};
use crate::registry::{Channel, Manifest, Registry, RegistryError, Version};

/// A component, as arguments name it. What it is follows from the text alone, never from which files there are:
/// `DATASET@VERSION` and `DATASET@CHANNEL` are of the registry, everything else is a path. So is `./a@b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Component {
    File(PathBuf),
    Release(DatasetName, Which),
}

/// A version of a dataset's converter: itself, or the one that a channel points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Version(Version),
    Channel(Channel),
}

impl FromStr for Component {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let path = Path::new(text);
        let is_file =
            text.contains(std::path::MAIN_SEPARATOR) || path.extension().is_some_and(|ending| ending == "wasm");
        let release = text.split_once('@').filter(|_| !is_file);
        let named = release.and_then(|(dataset, which)| Some((dataset.parse::<DatasetName>().ok()?, which)));
        let Some((dataset, which)) = named else { return Ok(Self::File(path.to_owned())) };
        // Channels have no dots, and versions always have some.
        let which = if which.contains('.') { Which::Version(which.parse()?) } else { Which::Channel(which.parse()?) };
        Ok(Self::Release(dataset, which))
    }
}

impl fmt::Display for Component {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Release(dataset, Which::Version(version)) => write!(formatter, "{dataset}@{version}"),
            Self::Release(dataset, Which::Channel(channel)) => write!(formatter, "{dataset}@{channel}"),
        }
    }
}

impl Component {
    /// Its bytes.
    pub(super) async fn bytes(&self, config: &Config, loader: &Loader) -> Result<Vec<u8>, CliError> {
        let (dataset, which) = match self {
            // One byte more than is allowed shows that there are too many.
            Self::File(path) => return read(path, loader.catalog().engine().limits().component_bytes as u64 + 1),
            Self::Release(dataset, which) => (dataset, which),
        };
        Ok(release(config, loader, dataset, which).await?.1)
    }

    /// The converter that it is, from the compile cache where that has it.
    pub(super) async fn converter(&self, config: &Config, loader: &Loader) -> Result<Converter, CliError> {
        let bytes = self.bytes(config, loader).await?;
        Ok(loader.catalog().compile(&bytes).map_err(LoadError::Converter)?)
    }
}

/// A version of the registry, checked as the function does, except that it is not compiled.
pub(super) async fn release(
    config: &Config,
    loader: &Loader,
    dataset: &DatasetName,
    which: &Which,
) -> Result<(Manifest, Vec<u8>), CliError> {
    let settings = config.registry.as_ref().ok_or(RegistryError::NotConfigured)?;
    let registry = Registry::new(settings, loader.catalog().engine().clone())?;
    let (name, version) = match which {
        Which::Version(version) => (dataset.clone(), version.clone()),
        Which::Channel(channel) => match registry.promoted(dataset, channel).await {
            Ok(release) => (dataset.clone(), release.version),
            Err(error @ RegistryError::NotFound { .. }) => registry.serving(dataset, channel).await?.ok_or(error)?,
            Err(error) => return Err(error.into()),
        },
    };
    Ok(registry.component(&name, &version).await?)
}

/// The first `limit` bytes of a file.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let read: io::Result<_> = std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.map_err(|cause| CliError::Read { path: path.display().to_string(), cause })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use super::*;

    #[test]
    fn what_a_component_is_follows_from_its_text() {
        let parsed = |text: &str| text.parse::<Component>().unwrap();
        let release = |which| Component::Release("ons-load".parse().unwrap(), which);
        assert_eq!(parsed("ons-load@1.2.0"), release(Which::Version("1.2.0".parse().unwrap())));
        assert_eq!(parsed("ons-load@stable"), release(Which::Channel("stable".parse().unwrap())));
        for file in ["converter.wasm", "converter", "./ons-load@stable", "a/b@1.0.0", "ons-load@1.2.0.wasm", "@1.0.0"] {
            assert_eq!(parsed(file), Component::File(file.into()));
        }
        for broken in ["ons-load@", "ons-load@1.2", "ons-load@Stable", "ons-load@1.2.0@2"] {
            assert!(broken.parse::<Component>().is_err(), "{broken}");
        }
        assert_eq!(parsed("ons-load@1.2.0-rc.1").to_string(), "ons-load@1.2.0-rc.1");
    }
}
