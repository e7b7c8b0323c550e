//! Converters, tested natively.
//!
//! A [`Table`] stands for a Parquet file; [`Table::convert`] returns what each of its rows becomes, one string a row.
//!
//! ```
//! use converter_sdk::testing::Table;
//!
//! let table = Table::new("weather").timestamps("at", [1, 2]).floats("celsius", [Some(4.5), None]);
//! assert!(table.input().columns.iter().map(|column| &*column.name).eq(["at", "celsius"]));
//! ```
//!
//! This is how the contract reads, not how the loader works: it takes the rows one by one, and what it writes is for
//! people, without line protocol's escapes. To try a component on a file, use the loader.

use std::fmt;

use jiff::Timestamp;

use crate::{
    Batch, Column, ColumnSchema, ColumnType, ColumnView, Constant, Converted, Converter, Field, FieldType, Input, Key,
    KeyPart, Mapping, Mask, Missing, Object, Plan, Point, Problem, Source, Tag, Values,
};

/// Columns with names: what a Parquet file is to a converter.
///
/// ```
/// use converter_sdk::testing::Table;
///
/// let table = Table::new("shifts").texts("team", ["a", "b"]).booleans("done", [Some(true), None]);
/// assert_eq!(table.input().columns[1].name, "done");
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    input: Input,
    columns: Vec<Column>,
    rows: usize,
}

impl Table {
    /// A table of `dataset` without columns; its schema is checked.
    ///
    /// ```
    /// use converter_sdk::testing::Table;
    ///
    /// assert!(Table::new("weather").input().strict);
    /// ```
    pub fn new(dataset: &str) -> Self {
        let input = Input { dataset: dataset.to_owned(), strict: true, ..Input::default() };
        Self { input, columns: Vec::new(), rows: 0 }
    }

    /// Does not have the schema checked.
    ///
    /// ```
    /// use converter_sdk::testing::Table;
    ///
    /// assert!(!Table::new("weather").lenient().input().strict);
    /// ```
    pub fn lenient(mut self) -> Self {
        self.input.strict = false;
        self
    }

    /// Adds a `name=value` segment to the object's key.
    ///
    /// ```
    /// use converter_sdk::testing::Table;
    ///
    /// let table = Table::new("weather").partition("region", "north");
    /// assert_eq!(table.input().partitions[0].1, "north");
    /// ```
    pub fn partition(mut self, name: &str, value: &str) -> Self {
        self.input.partitions.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Publishes a JSON document beside the converter.
    ///
    /// ```
    /// use converter_sdk::testing::Table;
    ///
    /// let table = Table::new("weather").parameters(r#"{ "unit": "K" }"#);
    /// assert!(table.input().parameters.is_some());
    /// ```
    pub fn parameters(mut self, json: &str) -> Self {
        self.input.parameters = Some(json.to_owned());
        self
    }

    /// Sets where the table is from.
    ///
    /// ```
    /// use converter_sdk::{Object, testing::Table};
    ///
    /// let object = Object { key: "raw/2024.parquet".into(), ..Object::default() };
    /// assert_eq!(Table::new("weather").object(object).input().object.key, "raw/2024.parquet");
    /// ```
    pub fn object(mut self, object: Object) -> Self {
        self.input.object = object;
        self
    }

    /// Adds a column of booleans. Here and below, rows are values, or options where `None` is a null.
    ///
    /// ```
    /// use converter_sdk::{ColumnType, testing::Table};
    ///
    /// let table = Table::new("weather").booleans("column", [true, false]);
    /// assert_eq!(table.input().columns[0].column_type, ColumnType::Boolean);
    /// ```
    ///
    /// # Panics
    ///
    /// Here and below, when another column has another number of rows.
    pub fn booleans<T: Into<Option<bool>>>(self, name: &str, rows: impl IntoIterator<Item = T>) -> Self {
        self.column(name, ColumnType::Boolean, rows, Column::booleans)
    }

    /// Adds a column of signed integers.
    ///
    /// ```
    /// use converter_sdk::{ColumnType, testing::Table};
    ///
    /// let table = Table::new("weather").integers("column", [1, 2]);
    /// assert_eq!(table.input().columns[0].column_type, ColumnType::Integer);
    /// ```
    pub fn integers<T: Into<Option<i64>>>(self, name: &str, rows: impl IntoIterator<Item = T>) -> Self {
        self.column(name, ColumnType::Integer, rows, Column::integers)
    }

    /// Adds a column of unsigned integers.
    ///
    /// ```
    /// use converter_sdk::{ColumnType, testing::Table};
    ///
    /// let table = Table::new("weather").unsigneds("column", [Some(1), None]);
    /// assert_eq!(table.input().columns[0].column_type, ColumnType::Unsigned);
    /// ```
    pub fn unsigneds<T: Into<Option<u64>>>(self, name: &str, rows: impl IntoIterator<Item = T>) -> Self {
        self.column(name, ColumnType::Unsigned, rows, Column::unsigneds)
    }

    /// Adds a column of floats.
    ///
    /// ```
    /// use converter_sdk::{ColumnType, testing::Table};
    ///
    /// let table = Table::new("weather").floats("column", [Some(4.5), None]);
    /// assert_eq!(table.input().columns[0].column_type, ColumnType::Float);
    /// ```
    pub fn floats<T: Into<Option<f64>>>(self, name: &str, rows: impl IntoIterator<Item = T>) -> Self {
        self.column(name, ColumnType::Float, rows, Column::floats)
    }

    /// Adds a column of text.
    ///
    /// ```
    /// use converter_sdk::{ColumnType, testing::Table};
    ///
    /// let table = Table::new("weather").texts("column", ["a", "b"]);
    /// assert_eq!(table.input().columns[0].column_type, ColumnType::Text);
    /// ```
    pub fn texts<'a, T: Into<Option<&'a str>>>(self, name: &str, rows: impl IntoIterator<Item = T>) -> Self {
        self.column(name, ColumnType::Text, rows, Column::texts)
    }

    /// Adds a column of times, in nanoseconds since the epoch.
    ///
    /// ```
    /// use converter_sdk::{ColumnType, testing::Table};
    ///
    /// let table = Table::new("weather").timestamps("column", [1, 2]);
    /// assert_eq!(table.input().columns[0].column_type, ColumnType::Timestamp);
    /// ```
    pub fn timestamps<T: Into<Option<i64>>>(self, name: &str, rows: impl IntoIterator<Item = T>) -> Self {
        self.column(name, ColumnType::Timestamp, rows, Column::timestamps)
    }

    /// Sets the type of the column that was added last: text can be a UUID or binary, integers a time of day or a
    /// duration.
    ///
    /// ```
    /// use converter_sdk::{ColumnType, testing::Table};
    ///
    /// let table = Table::new("shifts").integers("takes", [1]).of_type(ColumnType::Duration);
    /// assert_eq!(table.input().columns[0].source_type, "duration");
    /// ```
    pub fn of_type(mut self, column_type: ColumnType) -> Self {
        if let Some(column) = self.input.columns.last_mut() {
            column.column_type = column_type;
            column_type.name().clone_into(&mut column.source_type);
        }
        self
    }

    /// Makes the column that was added last part of a list: a row of the table is then an element of it.
    ///
    /// ```
    /// use converter_sdk::{ColumnType, PlanBuilder, testing::Table};
    ///
    /// let table = Table::new("weather").floats("readings.celsius", [4.5, 7.0]).of_list("readings");
    /// let mut plan = PlanBuilder::new(table.input());
    /// plan.each("readings");
    /// plan.required("readings.celsius", &[ColumnType::Float]);
    /// assert!(plan.finish([]).is_ok());
    /// ```
    pub fn of_list(mut self, list: &str) -> Self {
        if let Some(column) = self.input.columns.last_mut() {
            column.list = Some(list.to_owned());
        }
        self
    }

    /// Adds a column that can be seen but not used, of the type `source_type` in the file.
    ///
    /// ```
    /// use converter_sdk::testing::Table;
    ///
    /// let table = Table::new("weather").other("raw", "List(Int64)");
    /// assert_eq!(table.input().columns[0].source_type, "List(Int64)");
    /// ```
    pub fn other(mut self, name: &str, source_type: &str) -> Self {
        let nulls = vec![None::<bool>; self.rows];
        self = self.column(name, ColumnType::Other, nulls, Column::booleans);
        if let Some(column) = self.input.columns.last_mut() {
            source_type.clone_into(&mut column.source_type);
        }
        self
    }

    fn column<T, V: Into<Option<T>>>(
        mut self,
        name: &str,
        column_type: ColumnType,
        rows: impl IntoIterator<Item = V>,
        column: fn(Vec<Option<T>>) -> Column,
    ) -> Self {
        let rows: Vec<Option<T>> = rows.into_iter().map(Into::into).collect();
        assert!(self.columns.is_empty() || self.rows == rows.len(), "column `{name}` must have {} rows", self.rows);
        self.rows = rows.len();
        let source_type = column_type.name().to_owned();
        self.input.columns.push(ColumnSchema {
            name: name.to_owned(),
            column_type,
            source_type,
            nullable: true,
            list: None,
        });
        self.columns.push(column(rows));
        self
    }

    /// What `prepare` receives about the table.
    ///
    /// ```
    /// use converter_sdk::testing::Table;
    ///
    /// assert_eq!(Table::new("weather").input().dataset, "weather");
    /// ```
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// What each row becomes: its points, one a line, or `rejected: CODE`, or `filtered`.
    ///
    /// ```
    /// # use converter_sdk::{Converter, Description, Input, Mapping, PlanBuilder, Point, Problem, ColumnType};
    /// # struct Weather;
    /// # impl Converter for Weather {
    /// #     fn describe() -> Description {
    /// #         let [name, version, summary] = ["weather", "1.0.0", "Stations"].map(String::from);
    /// #         Description { dataset: name.clone(), name, version, summary }
    /// #     }
    /// #     fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
    /// #         let mut plan = PlanBuilder::new(input);
    /// #         let mut point = Point::new("weather", plan.required("observed_at", &[ColumnType::Timestamp]));
    /// #         let station = plan.required("station", &[ColumnType::Text]);
    /// #         point.tag("station", plan.translate(station, |name| Some(name?.to_lowercase().into())));
    /// #         point.field("celsius", plan.required("celsius", &[ColumnType::Float])).or_reject("no-temperature");
    /// #         plan.finish([point])
    /// #     }
    /// # }
    /// use converter_sdk::testing::Table;
    ///
    /// let rows = Table::new("weather")
    ///     .timestamps("observed_at", [1, 2])
    ///     .texts("station", ["OSLO", "Bergen"])
    ///     .floats("celsius", [Some(4.5), None])
    ///     .convert::<Weather>();
    /// assert_eq!(rows.unwrap(), ["weather,station=oslo celsius=4.5 1", "rejected: no-temperature"]);
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong with the table, or with a batch of it.
    pub fn convert<C: Converter>(&self) -> Result<Vec<String>, Vec<Problem>> {
        let mapping = C::prepare(&self.input)?;
        let rows = Rows::new(self, &mapping).map_err(|problem| vec![problem])?;
        let outcomes = (0..self.rows).map(|row| match rows.points(row) {
            Ok(points) if points.is_empty() => "filtered".to_owned(),
            Ok(points) => points.join("\n"),
            Err(code) => format!("rejected: {code}"),
        });
        Ok(outcomes.collect())
    }
}

/// A value of a row.
#[derive(Clone, Debug)]
enum Value {
    Boolean(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    Timestamp(i64),
}

/// As a field is written.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(formatter, "{value}"),
            Self::Integer(value) | Self::Timestamp(value) => write!(formatter, "{value}i"),
            Self::Unsigned(value) => write!(formatter, "{value}u"),
            Self::Float(value) => write!(formatter, "{value}"),
            Self::Text(value) => write!(formatter, "{value:?}"),
        }
    }
}

impl Value {
    /// As a tag is written, and as a translation gets it.
    fn into_text(self) -> String {
        match self {
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Unsigned(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Text(value) => value,
            Self::Timestamp(value) => Timestamp::from_nanosecond(value.into()).unwrap_or_default().to_string(),
        }
    }

    fn is_missing(&self) -> bool {
        matches!(self, Self::Float(value) if !value.is_finite())
    }
}

/// A table and all that its rows' values come from.
struct Rows<'a> {
    plan: &'a Plan,
    columns: Vec<Vec<Option<Value>>>,
    translated: Vec<Vec<Option<String>>>,
    computed: Vec<Vec<Option<Value>>>,
    converted: Converted,
}

/// The code under which a row is rejected.
type Code = String;

impl<'a> Rows<'a> {
    fn new(table: &Table, mapping: &'a Mapping) -> Result<Self, Problem> {
        let plan = mapping.plan();
        let reads = plan.reads.iter().map(|&read| table.columns[read as usize].clone()).collect();
        let rows = u32::try_from(table.rows).map_err(|error| Problem::new("too-many-rows", error.to_string()))?;
        let converted = mapping.convert(&Batch { rows, columns: reads })?;
        let all = |columns: &[Column]| -> Result<Vec<_>, Problem> {
            columns.iter().map(|column| values(column, table.rows)).collect()
        };
        let (columns, computed) = (all(&table.columns)?, all(&converted.computed)?);
        let translate = |(translation, &column): (u32, &u32)| {
            let texts = columns[column as usize].iter().map(|value| value.clone().map(Value::into_text));
            let answers = mapping.translate(translation, &texts.collect())?;
            answers.iter().map(|answers| answers.map(|answer| answer.map(str::to_owned)).collect())
        };
        let translated = (0..).zip(&plan.translations).map(translate).collect::<Result<_, _>>()?;
        Ok(Self { plan, columns, translated, computed, converted })
    }

    fn points(&self, row: usize) -> Result<Vec<String>, Code> {
        let rejection = self.converted.rejected.iter().find(|rejection| rejection.row as usize == row);
        if let Some(rejection) = rejection {
            return Err(rejection.code.clone());
        }
        let points = self.plan.points.iter().filter(|point| self.is_chosen(point.when, row));
        points.map(|point| self.point(point, row)).collect()
    }

    fn point(&self, point: &Point, row: usize) -> Result<String, Code> {
        let time = match self.value(&point.time, row) {
            Some(Value::Timestamp(time)) => time,
            Some(number) => match written_as(number, Some(FieldType::Integer)) {
                Ok(Value::Integer(time)) => time,
                Ok(_) | Err(_) => return Err("invalid-timestamp".to_owned()),
            },
            None => return Err("invalid-timestamp".to_owned()),
        };
        let measurement = self.key(&point.measurement, row).ok_or_else(|| "invalid-measurement".to_owned())?;
        let mut tags = Vec::new();
        for Tag { key, source, when, missing } in &point.tags {
            let tag = self.item(key, source, *when, missing, row)?;
            push_new(&mut tags, tag.map(|(key, value)| (key, value.into_text())));
        }
        let mut fields = Vec::new();
        for Field { key, source, write_as, when, missing } in &point.fields {
            let field = self.item(key, source, *when, missing, row)?;
            let field = match field {
                Some((key, value)) => Some((key, written_as(value, *write_as)?.to_string())),
                None => None,
            };
            push_new(&mut fields, field);
        }
        if fields.is_empty() {
            return Err("no-fields".to_owned());
        }
        let join = |items: Vec<(String, String)>| {
            let items: Vec<_> = items.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
            items.join(",")
        };
        let separator = if tags.is_empty() { "" } else { "," };
        Ok(format!("{measurement}{separator}{} {} {time}", join(tags), join(fields)))
    }

    /// A tag or a field.
    fn item(
        &self,
        key: &Key,
        source: &Source,
        when: Option<u32>,
        missing: &Missing,
        row: usize,
    ) -> Result<Option<(String, Value)>, Code> {
        if !self.is_chosen(when, row) {
            return Ok(None);
        }
        let key = self.key(key, row);
        match (key.zip(self.value(source, row).filter(|value| !value.is_missing())), missing) {
            (Some(item), _) => Ok(Some(item)),
            (None, Missing::Omit) => Ok(None),
            (None, Missing::Reject(code)) => Err(code.clone()),
        }
    }

    fn key(&self, key: &Key, row: usize) -> Option<String> {
        let translated =
            |translation: u32| self.translated[translation as usize][row].clone().filter(|key| !key.is_empty());
        match key {
            Key::Name(name) => Some(name.clone()),
            Key::Translated(translation) => translated(*translation),
            Key::Joined(parts) => {
                let part = |part: &KeyPart| match part {
                    KeyPart::Text(text) => Some(text.clone()),
                    KeyPart::Translated(translation) => translated(*translation),
                };
                parts.iter().map(part).collect()
            }
        }
    }

    fn value(&self, source: &Source, row: usize) -> Option<Value> {
        match source {
            Source::Column(column) => self.columns[*column as usize][row].clone(),
            Source::Computed(column) => self.computed[*column as usize][row].clone(),
            Source::Translated(translation) => self.translated[*translation as usize][row].clone().map(Value::Text),
            Source::Constant(constant) => Some(match constant.clone() {
                Constant::Boolean(value) => Value::Boolean(value),
                Constant::Integer(value) => Value::Integer(value),
                Constant::Unsigned(value) => Value::Unsigned(value),
                Constant::Float(value) => Value::Float(value),
                Constant::Text(value) => Value::Text(value),
            }),
            Source::RowNumber => i64::try_from(row).ok().map(Value::Integer),
        }
    }

    fn is_chosen(&self, mask: Option<u32>, row: usize) -> bool {
        match mask.map(|mask| &self.converted.masks[mask as usize]) {
            None | Some(Mask::All) => true,
            Some(Mask::None) => false,
            Some(Mask::Rows(rows)) => crate::strings::is_set(Some(rows), row),
        }
    }
}

/// The first of two items with the same key stays.
fn push_new(items: &mut Vec<(String, String)>, item: Option<(String, String)>) {
    items.extend(item.filter(|(key, _)| items.iter().all(|(known, _)| known != key)));
}

/// A number that the type does not hold rejects its row.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "what is changed by it is rejected")]
fn written_as(value: Value, field_type: Option<FieldType>) -> Result<Value, Code> {
    let whole = match value {
        Value::Integer(value) => Some(i128::from(value)),
        Value::Unsigned(value) => Some(i128::from(value)),
        Value::Float(value) if value.fract() == 0.0 => Some(value as i128),
        Value::Boolean(_) | Value::Float(_) | Value::Text(_) | Value::Timestamp(_) => None,
    };
    let number = match (field_type, &value) {
        (Some(FieldType::Text), _) => return Ok(Value::Text(value.into_text())),
        (Some(FieldType::Float), Value::Integer(_) | Value::Unsigned(_)) => {
            whole.filter(|whole| *whole as f64 as i128 == *whole).map(|whole| Value::Float(whole as f64))
        }
        (Some(FieldType::Integer), Value::Unsigned(_) | Value::Float(_)) => {
            whole.and_then(|whole| whole.try_into().ok()).map(Value::Integer)
        }
        (Some(FieldType::Unsigned), Value::Integer(_) | Value::Float(_)) => {
            whole.and_then(|whole| whole.try_into().ok()).map(Value::Unsigned)
        }
        _ => return Ok(value),
    };
    number.ok_or_else(|| "unwritable".to_owned())
}

fn values(column: &Column, rows: usize) -> Result<Vec<Option<Value>>, Problem> {
    let view = ColumnView::new(column, rows);
    fn wrap<T>(rows: impl Iterator<Item = Option<T>>, value: fn(T) -> Value) -> Vec<Option<Value>> {
        rows.map(|row| row.map(value)).collect()
    }
    Ok(match &column.values {
        Values::Booleans(_) => wrap(view.booleans()?, Value::Boolean),
        Values::Integers(_) => wrap(view.integers()?, Value::Integer),
        Values::Unsigneds(_) => wrap(view.unsigneds()?, Value::Unsigned),
        Values::Floats(_) => wrap(view.floats()?, Value::Float),
        Values::Texts(_) => wrap(view.texts()?.iter(), |text| Value::Text(text.to_owned())),
        Values::Timestamps(_) => wrap(view.timestamps()?, Value::Timestamp),
    })
}
