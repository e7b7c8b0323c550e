//! The types that fields can have in line protocol.

/// The type of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A number with a fraction, as far as engines are concerned.
    Float,
    /// A whole number.
    Integer,
    /// A whole number that is not negative.
    Unsigned,
    /// `true` or `false`.
    Boolean,
    /// A text.
    Text,
}

impl Kind {
    /// As `SHOW FIELD KEYS` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Integer => "integer",
            Self::Unsigned => "unsigned",
            Self::Boolean => "boolean",
            Self::Text => "string",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Float, Self::Integer, Self::Unsigned, Self::Boolean, Self::Text]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}
