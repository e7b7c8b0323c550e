//! `converter promote` and `converter rollback`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::publish::{document, listed, signing_key};
use super::{loader_and_registry, named};
use crate::cli::{CliError, print};
use crate::config::Config;
use crate::dataset::DatasetName;
use crate::registry::{
    Candidacy, Channel, Endorsement, Kind, Pattern, Promotion, Registry, Rule, Share, SigningKey, Terms as TrialTerms,
    Version,
};

/// How a candidate is tried instead.
#[derive(Debug, Args)]
pub(in crate::cli) struct Trial {
    /// Convert objects with this version beside the promoted one, and compare the points.
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["version", "canary"])]
    shadow: Option<String>,
    /// Convert a share of the objects with this version.
    #[arg(long, value_name = "VERSION", conflicts_with = "version", requires = "share")]
    canary: Option<String>,
    /// On how many of the objects, such as `5%`, chosen by a hash of the key [default for a shadow: 100%].
    #[arg(long, value_name = "PERCENT", conflicts_with = "version")]
    share: Option<String>,
    /// Promote it as soon as this rule is true.
    #[arg(long, value_name = "RULE", conflicts_with = "version")]
    when: Option<String>,
    /// End the trial without it as soon as this rule is true [default for a canary: "failed > 0"].
    #[arg(long, value_name = "RULE", conflicts_with = "version")]
    unless: Option<String>,
}

impl Trial {
    /// The version that is tried.
    fn version(&self) -> Option<&str> {
        self.shadow.as_deref().or(self.canary.as_deref())
    }

    /// What is tried, and on which terms; none where nothing is.
    fn candidacy(&self, parameters: Option<String>) -> Result<Option<Candidacy>, CliError> {
        let (kind, version) = match (&self.shadow, &self.canary) {
            (Some(version), _) => (Kind::Shadow, version),
            (None, Some(version)) => (Kind::Canary, version),
            (None, None) => return Ok(None),
        };
        let rule = |text: &Option<String>| text.as_deref().map(str::parse::<Rule>).transpose();
        let (when, mut unless) = (rule(&self.when)?, rule(&self.unless)?);
        if kind == Kind::Canary && unless.is_none() {
            unless = Some(WITHOUT_FAILURES.parse()?);
        }
        let share = self.share.as_deref().map_or(Ok(Share::ALL), str::parse)?;
        Ok(Some(Candidacy { kind, version: version.parse()?, parameters, share, when, unless }))
    }
}

/// When a canary ends without its candidate, unless something else is asked for.
const WITHOUT_FAILURES: &str = "failed > 0";

/// On which terms a version is promoted.
#[derive(Debug, Args)]
pub(in crate::cli) struct Terms {
    /// Sign the pointer with the key in this file.
    #[arg(long, value_name = "KEY-FILE")]
    sign: Option<PathBuf>,
    /// Let processes begin to use it only for so long, such as `30d`, `12h`, `15m` or `90s`; needs `--sign`.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "sign")]
    expires: Option<Duration>,
    /// Who does it, for the history [default: the user's name].
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl Terms {
    fn key(&self) -> Result<Option<SigningKey>, CliError> {
        self.sign.as_deref().map(signing_key).transpose()
    }

    fn endorsement<'a>(&self, key: Option<&'a SigningKey>) -> Endorsement<'a> {
        Endorsement { key, by: who(self.by.as_deref()), expires: self.expires }
    }
}

/// Who does something, on one line.
pub(super) fn who(named: Option<&str>) -> String {
    let user = || ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    on_a_line(&named.map(str::to_owned).or_else(user).unwrap_or_else(|| "unknown".to_owned()))
}

/// As much as a document of the registry takes, on one line.
pub(super) fn on_a_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(100).collect()
}

/// A time such as `30d`.
fn time(text: &str) -> Result<Duration, String> {
    let unit = |unit: char| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86_400),
        _ => None,
    };
    let parsed = text.char_indices().last().and_then(|(end, last)| {
        let number: u64 = text[..end].parse().ok()?;
        number.checked_mul(unit(last)?).filter(|seconds| *seconds > 0)
    });
    parsed.map(Duration::from_secs).ok_or_else(|| "a number and one of `s`, `m`, `h`, `d`".to_owned())
}

/// What is promoted, or tried.
pub(super) struct What<'a> {
    pub(super) version: Option<&'a str>,
    pub(super) trial: &'a Trial,
    pub(super) parameters: Option<&'a str>,
}

/// The digest of the parameters that are asked for: published ones, or those of a file, which are published.
async fn parameters(
    registry: &Registry,
    dataset: &DatasetName,
    version: &Version,
    asked: Option<&str>,
) -> Result<Option<String>, CliError> {
    let published = registry.published_parameters(dataset, version).await?;
    let is_digest = |text: &str| text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match (asked, published.as_slice()) {
        (Some("none"), _) | (None, []) => Ok(None),
        (None, [one]) => Ok(Some(one.clone())),
        (None, several) => Err(CliError::Parameters { version: version.to_string(), known: several.join(", ") }),
        (Some(digest), published) if is_digest(digest) && !Path::new(digest).exists() => {
            let digest = digest.to_ascii_lowercase();
            let mut found = published.iter().filter(|sha256| sha256.starts_with(&digest));
            match (found.next(), found.next()) {
                (Some(found), None) => Ok(Some(found.clone())),
                _ => Err(CliError::Parameters { version: version.to_string(), known: published.join(", ") }),
            }
        }
        (Some(file), _) => {
            let (sha256, _) = registry.publish_parameters(dataset, version, document(Path::new(file))?).await?;
            Ok(Some(sha256))
        }
    }
}

/// Lets a channel point at a version, or tries one. Returns true: what cannot be promoted is an error.
pub(super) async fn promote(
    config: &Config,
    dataset: &str,
    What { version, trial, parameters: asked }: &What<'_>,
    channel: Option<&str>,
    terms: &Terms,
    as_json: bool,
) -> Result<bool, CliError> {
    let (_loader, registry) = loader_and_registry(config)?;
    let channel = chosen(&registry, channel)?;
    let key = terms.key()?;
    let endorsement = terms.endorsement(key.as_ref());
    let name = named(dataset)?;
    let version: Version = trial.version().or(*version).unwrap_or_default().parse()?;
    // Rules are read before anything is published.
    trial.candidacy(None)?;
    let parameters = parameters(&registry, &name, &version, *asked).await?;
    let promotion = match trial.candidacy(parameters.clone())? {
        Some(candidacy) => registry.try_candidate(&name, candidacy, &channel, &endorsement).await?,
        None => registry.promote(&name, &version, parameters, &channel, &endorsement).await?,
    };
    tell(dataset, &channel, &promotion, as_json)
}

/// Lets a channel point at what it pointed at before. Returns true: what cannot be done is an error.
pub(super) async fn rollback(
    config: &Config,
    dataset: &str,
    channel: Option<&str>,
    terms: &Terms,
    as_json: bool,
) -> Result<bool, CliError> {
    let (_loader, registry) = loader_and_registry(config)?;
    let channel = chosen(&registry, channel)?;
    let key = terms.key()?;
    let endorsement = terms.endorsement(key.as_ref());
    let promotion = registry.rollback(&named(dataset)?, &channel, &endorsement).await?;
    tell(dataset, &channel, &promotion, as_json)
}

/// The channel of the arguments, else that of the settings.
pub(super) fn chosen(registry: &Registry, channel: Option<&str>) -> Result<Channel, CliError> {
    Ok(channel.map(str::parse).transpose()?.unwrap_or_else(|| registry.channel().clone()))
}

fn tell(dataset: &str, channel: &Channel, promotion: &Promotion, as_json: bool) -> Result<bool, CliError> {
    let Promotion { before, pointer, parameters, trial, serves, dropped, already } = promotion;
    if as_json {
        let facts = json!({
            "dataset": dataset, "channel": channel, "before": before, "pointer": pointer, "parameters": parameters, "trial": trial, "serves": serves, "dropped": dropped, "already": already,
        });
        print(&format!("{facts}\n"))?;
        return Ok(true);
    }
    if let Some(TrialTerms { kind, candidate, share, .. }) = trial {
        let (version, sequence) = (&pointer.version, pointer.sequence);
        let already = if *already { "already " } else { "" };
        let text = format!(
            "{dataset} {channel}: {version}, {already}with {kind} {} on {share} of the objects, sequence {sequence}\n\
             how it stands: influxdb-loader converter trial {dataset}\n",
            candidate.version
        );
        print(&text)?;
        return Ok(true);
    }
    let before = match before {
        Some(_) if *already => "already ".to_owned(),
        Some(before) => format!("{} → ", before.version),
        None => String::new(),
    };
    let with = parameters.as_deref().and_then(|sha256| sha256.get(..12));
    let with = with.map(|sha256| format!(" with parameters {sha256}")).unwrap_or_default();
    let line = |what: &str, patterns: &[Pattern]| match patterns {
        [] => String::new(),
        patterns => format!("{what} {}\n", listed(patterns)),
    };
    let serves = line("serves", serves) + &line("no longer serves", dropped);
    print(&format!("{dataset} {channel}: {before}{}{with}, sequence {}\n{serves}", pointer.version, pointer.sequence))?;
    Ok(true)
}
