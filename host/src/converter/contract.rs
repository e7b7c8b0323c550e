//! The versions of the contract, of which each converter speaks one.
//!
//! ```text
//! wit/converter.wit      0.1 ─┐ lowered: what it knows of the input      ┌─ plan, converted
//!                             ├───────────────── world ──────────────────┤   0.1's are those of 0.2 that use nothing new
//! wit/0.2/converter.wit  0.2 ─┘                                          └─ checked once, by the same rules
//! ```

use std::fmt;

use crate::source::Edition;

/// A version of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contract {
    /// `wit/converter.wit`: what was published before there was another.
    V0_1,
    /// `wit/0.2/converter.wit`.
    V0_2,
}

/// The package of the contract.
pub(super) const PACKAGE: &str = "influxdb-loader:converter/";

/// The interface of the contract that converters export.
pub(super) const EXPORT: &str = "influxdb-loader:converter/converter";

impl Contract {
    /// Those that this loader speaks, the oldest first.
    pub const ALL: [Self; 2] = [Self::V0_1, Self::V0_2];

    /// The version of the package.
    pub fn version(self) -> &'static str {
        match self {
            Self::V0_1 => "0.1.0",
            Self::V0_2 => "0.2.0",
        }
    }

    /// The contract of which this is a version: as with Cargo, patches add and change nothing, and before 1.0 minor
    /// versions change everything.
    pub fn of_version(version: &str) -> Option<Self> {
        let series = |version: &str| {
            let mut parts = version.split('.').map(str::to_owned);
            (parts.next(), parts.next(), parts.next().is_some_and(|patch| !patch.contains('-')))
        };
        Self::ALL.into_iter().find(|contract| series(contract.version()) == series(version))
    }

    /// The contract of a component that exports these names: the latest, where it exports several.
    pub(super) fn exported<'a>(exports: impl Iterator<Item = &'a str>) -> Option<Self> {
        let versions = exports.filter_map(|name| name.strip_prefix(EXPORT)?.strip_prefix('@'));
        versions.filter_map(Self::of_version).max()
    }

    /// The types in which columns cross.
    pub fn edition(self) -> Edition {
        match self {
            Self::V0_1 => Edition::First,
            Self::V0_2 => Edition::Second,
        }
    }

    /// The versions that this loader speaks, in words.
    pub(crate) fn known() -> String {
        Self::ALL.map(Self::version).join(" and ")
    }
}

impl fmt::Display for Contract {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.version())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_of_a_contract_are_understood() {
        assert_eq!(["0.1.0", "0.1.7"].map(Contract::of_version), [Some(Contract::V0_1); 2]);
        assert_eq!(["0.2.0", "0.2.1"].map(Contract::of_version), [Some(Contract::V0_2); 2]);
        assert_eq!(["0.3.0", "1.1.0", "0.1.0-draft", "0.1", ""].map(Contract::of_version), [None; 5]);
    }

    #[test]
    fn a_component_speaks_the_latest_contract_that_it_exports() {
        let exported = |names: &[&str]| Contract::exported(names.iter().copied());
        let [first, second] =
            ["influxdb-loader:converter/converter@0.1.0", "influxdb-loader:converter/converter@0.2.0"];
        assert_eq!(exported(&["wasi:cli/run@0.2.0", first]), Some(Contract::V0_1));
        assert_eq!(exported(&[second, first]), Some(Contract::V0_2));
        assert_eq!(exported(&["influxdb-loader:converter/other@0.2.0"]), None);
    }
}
