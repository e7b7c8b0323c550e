//! Points of a plan, and what they consist of.

use crate::{
    ColumnRef, ColumnType, Computed, Constant, Field, FieldType, Key, KeyPart, MaskRef, Missing, Point, Problem,
    Source, Tag, Translated,
};

impl Point {
    /// A point without tags and fields. A measurement that comes from a translation needs contract 0.2.
    ///
    /// ```
    /// use converter_sdk::{Key, Point, Source};
    ///
    /// let point = Point::new("load", Source::Column(0));
    /// assert_eq!(point.measurement, Key::Name("load".into()));
    /// ```
    pub fn new(measurement: impl Into<Key>, time: impl Into<Source>) -> Self {
        Self { measurement: measurement.into(), time: time.into(), tags: Vec::new(), fields: Vec::new(), when: None }
    }

    /// Adds a tag; a row where it is missing goes without it.
    ///
    /// ```
    /// use converter_sdk::{Constant, Point, Source};
    ///
    /// let mut point = Point::new("load", Source::Column(0));
    /// point.tag("region", Source::Column(1)).or_reject("no-region");
    /// point.tag("unit", Constant::from("MW"));
    /// assert_eq!(point.tags.len(), 2);
    /// ```
    pub fn tag(&mut self, key: impl Into<Key>, source: impl Into<Source>) -> &mut Tag {
        let tag = Tag { key: key.into(), source: source.into(), when: None, missing: Missing::Omit };
        push(&mut self.tags, tag)
    }

    /// Adds a field, written in its source's own type; a row where it is missing goes without it.
    ///
    /// ```
    /// use converter_sdk::{FieldType, Point, Source};
    ///
    /// let mut point = Point::new("load", Source::Column(0));
    /// point.field("mw", Source::Column(1)).or_reject("no-value");
    /// point.field("count", Source::Column(2)).write_as(FieldType::Integer);
    /// assert_eq!(point.fields.len(), 2);
    /// ```
    pub fn field(&mut self, key: impl Into<Key>, source: impl Into<Source>) -> &mut Field {
        let source = source.into();
        let field = Field { key: key.into(), source, write_as: None, when: None, missing: Missing::Omit };
        push(&mut self.fields, field)
    }

    /// Only the rows of `mask` give this point.
    ///
    /// ```
    /// use converter_sdk::{ColumnType, Mask, PlanBuilder, Point, Source, testing::Table};
    ///
    /// let table = Table::new("load").booleans("valid", [true]);
    /// let mut plan = PlanBuilder::new(table.input());
    /// let valid = plan.required("valid", &[ColumnType::Boolean]);
    /// let valid = plan.mask([valid], |[valid]| Ok(Mask::of(valid.booleans()?.map(|valid| valid == Some(true)))));
    /// let mut point = Point::new("load", Source::Column(0));
    /// point.when(valid);
    /// assert_eq!(point.when, Some(0));
    /// ```
    pub fn when(&mut self, mask: MaskRef) -> &mut Self {
        self.when = Some(mask.index());
        self
    }
}

/// Appends `item` and lends it. `Vec::push_mut`, which newer compilers than that of the guests have.
fn push<T>(items: &mut Vec<T>, item: T) -> &mut T {
    let place = items.len();
    items.push(item);
    &mut items[place]
}

impl Tag {
    /// Only the rows of `mask` have this tag.
    ///
    /// ```
    /// use converter_sdk::{ColumnType, Mask, PlanBuilder, Point, Source, testing::Table};
    ///
    /// let table = Table::new("load").booleans("valid", [true]);
    /// let mut plan = PlanBuilder::new(table.input());
    /// let valid = plan.required("valid", &[ColumnType::Boolean]);
    /// let valid = plan.mask([valid], |[valid]| Ok(Mask::of(valid.booleans()?.map(|valid| valid == Some(true)))));
    /// let mut point = Point::new("load", Source::Column(0));
    /// point.tag("quality", Source::Column(1)).when(valid);
    /// assert_eq!(point.tags[0].when, Some(0));
    /// ```
    pub fn when(&mut self, mask: MaskRef) -> &mut Self {
        self.when = Some(mask.index());
        self
    }

    /// A row where it is missing is rejected, under `code`.
    ///
    /// ```
    /// use converter_sdk::{Missing, Point, Source};
    ///
    /// let mut point = Point::new("load", Source::Column(0));
    /// point.tag("region", Source::Column(1)).or_reject("no-region");
    /// assert_eq!(point.tags[0].missing, Missing::Reject("no-region".into()));
    /// ```
    pub fn or_reject(&mut self, code: impl Into<String>) -> &mut Self {
        self.missing = Missing::Reject(code.into());
        self
    }
}

impl Field {
    /// Writes it in another type. Numbers can be written as numbers of every type, each exactly or its row is rejected, and
    /// everything as text.
    ///
    /// ```
    /// use converter_sdk::{FieldType, Point, Source};
    ///
    /// let mut point = Point::new("load", Source::Column(0));
    /// point.field("count", Source::Column(1)).write_as(FieldType::Integer);
    /// assert_eq!(point.fields[0].write_as, Some(FieldType::Integer));
    /// ```
    pub fn write_as(&mut self, field_type: FieldType) -> &mut Self {
        self.write_as = Some(field_type);
        self
    }

    /// Only the rows of `mask` have this field.
    ///
    /// ```
    /// use converter_sdk::{ColumnType, Mask, PlanBuilder, Point, Source, testing::Table};
    ///
    /// let table = Table::new("load").booleans("valid", [true]);
    /// let mut plan = PlanBuilder::new(table.input());
    /// let valid = plan.required("valid", &[ColumnType::Boolean]);
    /// let valid = plan.mask([valid], |[valid]| Ok(Mask::of(valid.booleans()?.map(|valid| valid == Some(true)))));
    /// let mut point = Point::new("load", Source::Column(0));
    /// point.field("mw", Source::Column(1)).when(valid);
    /// assert_eq!(point.fields[0].when, Some(0));
    /// ```
    pub fn when(&mut self, mask: MaskRef) -> &mut Self {
        self.when = Some(mask.index());
        self
    }

    /// A row where it is missing is rejected, under `code`.
    ///
    /// ```
    /// use converter_sdk::{Missing, Point, Source};
    ///
    /// let mut point = Point::new("load", Source::Column(0));
    /// point.field("mw", Source::Column(1)).or_reject("no-value");
    /// assert_eq!(point.fields[0].missing, Missing::Reject("no-value".into()));
    /// ```
    pub fn or_reject(&mut self, code: impl Into<String>) -> &mut Self {
        self.missing = Missing::Reject(code.into());
        self
    }
}

impl Problem {
    /// A problem that is about no column in particular.
    ///
    /// ```
    /// use converter_sdk::Problem;
    ///
    /// let problem = Problem::new("unknown-unit", "the unit must be MW: `kW`");
    /// assert_eq!(problem.to_string(), "the unit must be MW: `kW` (unknown-unit)");
    /// ```
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), column: None }
    }

    /// Names the column that it is about.
    ///
    /// ```
    /// use converter_sdk::Problem;
    ///
    /// let problem = Problem::new("unknown-unit", "the unit must be MW: `kW`").with_column("unit");
    /// assert_eq!(problem.column.as_deref(), Some("unit"));
    /// ```
    pub fn with_column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }
}

impl ColumnType {
    /// The type's name in the contract, for messages.
    ///
    /// ```
    /// use converter_sdk::ColumnType;
    ///
    /// assert_eq!(ColumnType::TimeOfDay.name(), "time-of-day");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Unsigned => "unsigned",
            Self::Float => "float",
            Self::Text => "text",
            Self::Timestamp => "timestamp",
            Self::TimeOfDay => "time-of-day",
            Self::Duration => "duration",
            Self::Uuid => "uuid",
            Self::Binary => "binary",
            Self::Other => "other",
        }
    }
}

impl From<&str> for Key {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for Key {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<Translated> for Key {
    fn from(translated: Translated) -> Self {
        Self::Translated(translated.index())
    }
}

impl Key {
    /// A key of several parts, such as the answers of two translations with a text between them. Needs contract 0.2.
    ///
    /// ```
    /// use converter_sdk::{ColumnType, Key, PlanBuilder, testing::Table};
    ///
    /// let table = Table::new("metrics").texts("table", ["cpu"]).texts("name", ["busy"]);
    /// let mut plan = PlanBuilder::new(table.input());
    /// let [table, name] = ["table", "name"].map(|column| plan.required(column, &[ColumnType::Text]));
    /// let [table, name] = [table, name].map(|column| plan.translate(column, |text| text.map(Into::into)));
    /// // Such as `cpu.busy`.
    /// let key = Key::joined([table.into(), ".".into(), name.into()]);
    /// assert!(matches!(key, Key::Joined(parts) if parts.len() == 3));
    /// ```
    pub fn joined(parts: impl IntoIterator<Item = KeyPart>) -> Self {
        Self::Joined(parts.into_iter().collect())
    }
}

impl From<&str> for KeyPart {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Translated> for KeyPart {
    fn from(translated: Translated) -> Self {
        Self::Translated(translated.index())
    }
}

impl From<ColumnRef> for Source {
    fn from(column: ColumnRef) -> Self {
        Self::Column(column.index())
    }
}

impl From<Translated> for Source {
    fn from(translated: Translated) -> Self {
        Self::Translated(translated.index())
    }
}

impl From<Computed> for Source {
    fn from(computed: Computed) -> Self {
        Self::Computed(computed.index())
    }
}

impl From<Constant> for Source {
    fn from(constant: Constant) -> Self {
        Self::Constant(constant)
    }
}

impl From<&str> for Constant {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
