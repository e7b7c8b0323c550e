//! What can go wrong with a converter, by whose fault it is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::contract::Contract;
use super::plan::Description;

/// Which converter an error is about: by its name and version once they are known, before that by its digest.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject(Arc<str>);

impl Subject {
    pub(super) fn of(description: &Description) -> Self {
        Self(format!("converter `{}` {}", description.name, description.version).into())
    }

    pub(super) fn unnamed(digest: &str) -> Self {
        Self(format!("component `sha256:{}`", digest.get(..12).unwrap_or(digest)).into())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", &*self.0)
    }
}

/// What a converter was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Starting.
    Instantiate,
    /// `describe`.
    Describe,
    /// `prepare`.
    Prepare,
    /// `translate`.
    Translate,
    /// `convert`.
    Convert,
}

impl Call {
    /// What the contract calls the answer.
    pub(super) fn answer(self) -> &'static str {
        match self {
            Self::Instantiate => "instance",
            Self::Describe => "description",
            Self::Prepare => "plan",
            Self::Translate => "translated",
            Self::Convert => "converted",
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Instantiate => "while it started",
            Self::Describe => "in `describe`",
            Self::Prepare => "in `prepare`",
            Self::Translate => "in `translate`",
            Self::Convert => "in `convert`",
        })
    }
}

/// Why an object, or a batch of it, cannot be converted, in the converter's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Lower case, words joined by `-`, such as `missing-column`.
    pub code: String,
    /// For people.
    pub message: String,
    /// The column that it is about.
    pub column: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.message, self.code)
    }
}

/// Why a converter could not be had, or did not convert. `Display` is one line.
#[derive(Debug, thiserror::Error)]
pub enum ConverterError {
    /// The converter reported that it cannot convert the input.
    #[error("{subject} rejected the input: {}", list(problems, "; "))]
    Rejected {
        /// The converter.
        subject: Subject,
        /// Everything that it found; at least one.
        problems: Vec<Problem>,
    },
    /// The converter's code failed.
    #[error("{subject} trapped {call}: {message}")]
    Trapped {
        /// The converter.
        subject: Subject,
        /// What it was doing.
        call: Call,
        /// The guest's own last words, if it had any; else the kind of trap.
        message: String,
        /// What it wrote to standard error, then its stack, a line each.
        detail: Vec<String>,
    },
    /// A call went beyond its time slice.
    #[error("{subject} exceeded its time limit {call}: stopped after {} ms", limit.as_millis())]
    RanOutOfTime {
        /// The converter.
        subject: Subject,
        /// What it was doing.
        call: Call,
        /// The time slice.
        limit: Duration,
        /// What it wrote to standard error, then its stack, a line each.
        detail: Vec<String>,
    },
    /// The converter asked for more memory than it may have, and failed.
    #[error("{subject} ran out of memory {call}: asked for {asked} bytes, {who} {limit}")]
    RanOutOfMemory {
        /// The converter.
        subject: Subject,
        /// What it was doing.
        call: Call,
        /// What it asked for in all, in bytes.
        asked: usize,
        /// What may be had, in bytes.
        limit: usize,
        /// Who may have it: this instance, or all of the process.
        who: &'static str,
        /// What it wrote to standard error, then its stack, a line each.
        detail: Vec<String>,
    },
    /// The converter's answer breaks a rule of the contract.
    #[error("{subject} gave an invalid result: `{item}` {reason}")]
    InvalidResult {
        /// The converter.
        subject: Subject,
        /// What is wrong, such as `computed[1].validity`.
        item: String,
        /// Why.
        reason: String,
    },
    /// An earlier call of this instance failed in a way that left nothing to call.
    #[error("{subject} cannot be called again: an earlier call of this instance failed")]
    Spent {
        /// The converter.
        subject: Subject,
    },
    /// The bytes are not a component.
    #[error("{subject} is not a WebAssembly component: it {reason}")]
    NotAComponent {
        /// The digest of the bytes.
        subject: Subject,
        /// What they are.
        reason: String,
        /// What to do about it.
        hint: Option<&'static str>,
    },
    /// A component, and not a converter.
    #[error("{subject} is not a converter: {reason}")]
    NotAConverter {
        /// The component.
        subject: Subject,
        /// What is missing.
        reason: String,
    },
    /// The component wants something that no converter gets.
    #[error("{subject} imports what converters do not get: {}", list(imports, ", "))]
    UnsupportedImports {
        /// The component.
        subject: Subject,
        /// All such imports, in backticks.
        imports: Vec<String>,
    },
    /// A converter for another version of the contract.
    #[error("{subject} speaks contract version {found}, this loader speaks {}", Contract::known())]
    ContractVersion {
        /// The component.
        subject: Subject,
        /// The version that it imports or exports.
        found: String,
    },
    /// Parameters that the converter cannot be given.
    #[error("{subject} cannot be given its parameters: {reason}")]
    Parameters {
        /// The converter.
        subject: Subject,
        /// Why not.
        reason: String,
    },
    /// The component is broken, too large, or uses what the engine does not have.
    #[error("{subject} does not compile: {reason}")]
    Compile {
        /// The component.
        subject: Subject,
        /// Why.
        reason: String,
    },
    /// No converter is known for a dataset.
    #[error("no converter for dataset `{dataset}`, known: {}", list(known, ", "))]
    UnknownDataset {
        /// The dataset.
        dataset: String,
        /// The datasets that have one, in backticks.
        known: Vec<String>,
    },
    /// The host's own fault: the engine did not start, or was called against its rules.
    #[error("converter engine: {reason}")]
    Engine {
        /// What failed.
        reason: String,
    },
}

impl ConverterError {
    /// The kind of error in one word of lower case, for logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rejected { .. } => "rejected",
            Self::Trapped { .. } => "trapped",
            Self::RanOutOfTime { .. } => "out-of-time",
            Self::RanOutOfMemory { .. } => "out-of-memory",
            Self::InvalidResult { .. } => "invalid-result",
            Self::Spent { .. } => "spent",
            Self::NotAComponent { .. } => "not-a-component",
            Self::NotAConverter { .. } => "not-a-converter",
            Self::UnsupportedImports { .. } => "unsupported-imports",
            Self::ContractVersion { .. } => "contract-version",
            Self::Parameters { .. } => "parameters",
            Self::Compile { .. } => "compile",
            Self::UnknownDataset { .. } => "unknown-dataset",
            Self::Engine { .. } => "engine",
        }
    }

    /// Whether the converter works and the object is not what it converts.
    pub fn is_rejection(&self) -> bool {
        matches!(self, Self::Rejected { .. })
    }

    /// Whether the converter broke while it ran: its author has to mend it.
    pub fn is_converter_fault(&self) -> bool {
        match self {
            Self::Trapped { .. }
            | Self::RanOutOfTime { .. }
            | Self::RanOutOfMemory { .. }
            | Self::InvalidResult { .. }
            | Self::Spent { .. } => true,
            Self::Rejected { .. }
            | Self::NotAComponent { .. }
            | Self::NotAConverter { .. }
            | Self::UnsupportedImports { .. }
            | Self::ContractVersion { .. }
            | Self::Parameters { .. }
            | Self::Compile { .. }
            | Self::UnknownDataset { .. }
            | Self::Engine { .. } => false,
        }
    }

    /// Whether the cause may pass while the component stays as it is: the machine was busy, or had no room.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::RanOutOfTime { .. } | Self::RanOutOfMemory { .. } | Self::Engine { .. } => true,
            Self::Rejected { .. }
            | Self::Trapped { .. }
            | Self::InvalidResult { .. }
            | Self::Spent { .. }
            | Self::NotAComponent { .. }
            | Self::NotAConverter { .. }
            | Self::UnsupportedImports { .. }
            | Self::ContractVersion { .. }
            | Self::Parameters { .. }
            | Self::Compile { .. }
            | Self::UnknownDataset { .. } => false,
        }
    }

    /// Whether the component cannot be taken as a converter at all.
    pub fn is_unusable_component(&self) -> bool {
        match self {
            Self::NotAComponent { .. }
            | Self::NotAConverter { .. }
            | Self::UnsupportedImports { .. }
            | Self::ContractVersion { .. }
            | Self::Parameters { .. }
            | Self::Compile { .. } => true,
            Self::Rejected { .. }
            | Self::Trapped { .. }
            | Self::RanOutOfTime { .. }
            | Self::RanOutOfMemory { .. }
            | Self::InvalidResult { .. }
            | Self::Spent { .. }
            | Self::UnknownDataset { .. }
            | Self::Engine { .. } => false,
        }
    }

    /// For who mends the converter: what the guest wrote to standard error, then its stack, a line each. Empty for errors
    /// that have none.
    pub fn detail(&self) -> &[String] {
        match self {
            Self::Trapped { detail, .. } | Self::RanOutOfTime { detail, .. } | Self::RanOutOfMemory { detail, .. } => {
                detail
            }
            Self::Rejected { .. }
            | Self::InvalidResult { .. }
            | Self::Spent { .. }
            | Self::NotAComponent { .. }
            | Self::NotAConverter { .. }
            | Self::UnsupportedImports { .. }
            | Self::ContractVersion { .. }
            | Self::Parameters { .. }
            | Self::Compile { .. }
            | Self::UnknownDataset { .. }
            | Self::Engine { .. } => &[],
        }
    }

    /// What the user can do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotAComponent { hint, .. } => *hint,
            Self::UnsupportedImports { .. } => {
                Some("converters read no files, network or environment; build for `wasm32-unknown-unknown`")
            }
            Self::ContractVersion { .. } => {
                Some("update the loader, or build the converter against the `wit` directory of this loader")
            }
            Self::Rejected { .. }
            | Self::Trapped { .. }
            | Self::RanOutOfTime { .. }
            | Self::RanOutOfMemory { .. }
            | Self::InvalidResult { .. }
            | Self::Spent { .. }
            | Self::NotAConverter { .. }
            | Self::Parameters { .. }
            | Self::Compile { .. }
            | Self::UnknownDataset { .. }
            | Self::Engine { .. } => None,
        }
    }
}

/// The items with `separator` in between; `none` where there are none.
fn list(items: &[impl fmt::Display], separator: &'static str) -> impl fmt::Display {
    fmt::from_fn(move |formatter| {
        if items.is_empty() {
            return formatter.write_str("none");
        }
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                formatter.write_str(separator)?;
            }
            write!(formatter, "{item}")?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_memory_and_room_are_causes_that_may_pass() {
        let (subject, call, detail) = (|| Subject::unnamed("0a1b"), Call::Describe, Vec::new);
        let time = ConverterError::RanOutOfTime { subject: subject(), call, limit: Duration::ZERO, detail: detail() };
        let memory = ConverterError::RanOutOfMemory {
            subject: subject(),
            call,
            asked: 2,
            limit: 1,
            who: "may have",
            detail: detail(),
        };
        let room = ConverterError::Engine { reason: "cannot start".to_owned() };
        assert!([time, memory, room].iter().all(ConverterError::is_passing));
        let message = "unreachable".to_owned();
        assert!(!ConverterError::Trapped { subject: subject(), call, message, detail: detail() }.is_passing());
    }
}
