//! `converter promote` and `converter rollback`.

use super::{loader_and_registry, named};
use crate::cli::{CliError, print};
use crate::config::Config;
use crate::registry::{Channel, Promotion, Registry};

/// Lets a channel point at a version. Returns true: what cannot be promoted is an error.
pub(super) async fn promote(
    config: &Config,
    dataset: &str,
    version: &str,
    channel: Option<&str>,
) -> Result<bool, CliError> {
    let (_loader, registry) = loader_and_registry(config)?;
    let channel = chosen(&registry, channel)?;
    let promotion = registry.promote(&named(dataset)?, &version.parse()?, &channel).await?;
    tell(dataset, &channel, &promotion)
}

/// Lets a channel point at what it pointed at before. Returns true: what cannot be done is an error.
pub(super) async fn rollback(config: &Config, dataset: &str, channel: Option<&str>) -> Result<bool, CliError> {
    let (_loader, registry) = loader_and_registry(config)?;
    let channel = chosen(&registry, channel)?;
    let promotion = registry.rollback(&named(dataset)?, &channel).await?;
    tell(dataset, &channel, &promotion)
}

/// The channel of the arguments, else that of the settings.
pub(super) fn chosen(registry: &Registry, channel: Option<&str>) -> Result<Channel, CliError> {
    Ok(channel.map(str::parse).transpose()?.unwrap_or_else(|| registry.channel().clone()))
}

fn tell(dataset: &str, channel: &Channel, promotion: &Promotion) -> Result<bool, CliError> {
    let Promotion { before, pointer, already } = promotion;
    let before = match before {
        Some(_) if *already => "already ".to_owned(),
        Some(before) => format!("{} → ", before.version),
        None => String::new(),
    };
    print(&format!("{dataset} {channel}: {before}{}, sequence {}\n", pointer.version, pointer.sequence))?;
    Ok(true)
}
