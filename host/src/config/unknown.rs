//! Environment variables that look like settings and are none: most often a slip, whose effect would be silence.

use std::fmt;

use super::settings::SETTINGS;

/// Names that begin so are ours.
const PREFIXES: [&str; 2] = ["INFLUXDB_", "CONVERTER_"];

/// What HTTP clients know beside our settings, in lower case as well.
const PROXIES: [&str; 5] = ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY", "FTP_PROXY"];

/// As many letters may be wrong, missing or too many in a name that is taken for a setting's.
const SLIPS: usize = 3;

/// An environment variable that looks like a setting and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSetting {
    /// The environment variable.
    pub name: String,
    /// The setting that may be meant.
    pub meant: Option<&'static str>,
}

impl fmt::Display for UnknownSetting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` is no setting", self.name)?;
        self.meant.map_or(Ok(()), |meant| write!(formatter, "; `{meant}` may be meant"))
    }
}

/// Those of `names` that look like settings and are none, in order.
pub fn unknown(names: impl IntoIterator<Item = String>) -> Vec<UnknownSetting> {
    let mut unknown: Vec<UnknownSetting> = names.into_iter().filter_map(check).collect();
    unknown.sort_by(|one, other| one.name.cmp(&other.name));
    unknown
}

fn check(name: String) -> Option<UnknownSetting> {
    let is_proxy = PROXIES.iter().any(|proxy| proxy.eq_ignore_ascii_case(&name));
    if is_proxy || SETTINGS.iter().any(|setting| setting.name == name) {
        return None;
    }
    let meant = SETTINGS
        .iter()
        .map(|setting| (distance(&name.to_ascii_uppercase(), setting.name), setting.name))
        .filter(|(distance, _)| *distance <= SLIPS)
        .min()
        .map(|(_, name)| name);
    let ours = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    (ours || meant.is_some()).then_some(UnknownSetting { name, meant })
}

/// How many letters must be changed, added or removed to turn `one` into `other` (Levenshtein); more than [`SLIPS`]
/// where their lengths alone prove it.
fn distance(one: &str, other: &str) -> usize {
    // No index below is out of bounds: `above` is one longer than `other`, whose indexes the columns are.
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len().abs_diff(other.len()) > SLIPS {
        return SLIPS + 1;
    }
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut left = row + 1;
        let mut diagonal = row;
        for (column, wanted) in other.iter().enumerate() {
            let upper = above[column + 1];
            above[column] = left;
            left = (diagonal + usize::from(letter != wanted)).min(left + 1).min(upper + 1);
            diagonal = upper;
        }
        above[other.len()] = left;
    }
    above[other.len()]
}
