//! A plan, written with names and functions instead of indexes.

use std::borrow::Cow;

use crate::mapping::{Functions, Step};
use crate::strings::length;
use crate::{
    Column, ColumnSchema, ColumnType, ColumnView, Constant, FieldType, Input, Mapping, Mask, Plan, Point, Problem,
    Rejection, Source,
};

/// A column of the object.
///
/// ```
/// use converter_sdk::{ColumnRef, ColumnType, PlanBuilder, testing::Table};
///
/// let table = Table::new("weather").floats("celsius", [4.5]);
/// let mut plan = PlanBuilder::new(table.input());
/// let celsius: ColumnRef = plan.required("celsius", &[ColumnType::Float]);
/// assert_eq!(plan.optional("celsius", &[ColumnType::Float]), Some(celsius));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnRef {
    index: u32,
    column_type: ColumnType,
}

impl ColumnRef {
    /// The type in which it is used: one of those that the converter accepts.
    ///
    /// ```
    /// use converter_sdk::{ColumnType, PlanBuilder, testing::Table};
    ///
    /// let table = Table::new("weather").integers("celsius", [4]);
    /// let mut plan = PlanBuilder::new(table.input());
    /// // Integers of the file are used as floats, each exactly or its row is rejected.
    /// assert_eq!(plan.required("celsius", &[ColumnType::Float]).column_type(), ColumnType::Float);
    /// ```
    pub fn column_type(self) -> ColumnType {
        self.column_type
    }

    pub(crate) fn index(self) -> u32 {
        self.index
    }
}

/// The translation of a column: see [`PlanBuilder::translate`].
///
/// ```
/// use converter_sdk::{ColumnType, PlanBuilder, Point, Translated, testing::Table};
///
/// let table = Table::new("metrics").timestamps("at", [1]).texts("name", ["cpu"]);
/// let mut plan = PlanBuilder::new(table.input());
/// let (at, name) = (plan.required("at", &[ColumnType::Timestamp]), plan.required("name", &[ColumnType::Text]));
/// let name: Translated = plan.translate(name, |name| Some(name?.trim().into()));
/// // As a value, or as a key.
/// let mut point = Point::new(name, at);
/// point.tag("name", name);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translated(u32);

/// A computed column: see [`PlanBuilder::compute`].
///
/// ```
/// use converter_sdk::{Column, ColumnType, Computed, PlanBuilder, Source, testing::Table};
///
/// let table = Table::new("weather").floats("fahrenheit", [50.0]);
/// let mut plan = PlanBuilder::new(table.input());
/// let fahrenheit = plan.required("fahrenheit", &[ColumnType::Float]);
/// let celsius: Computed = plan.compute(ColumnType::Float, [fahrenheit], |[fahrenheit]| {
///     Ok(Column::floats(fahrenheit.floats()?.map(|value| Some((value? - 32.0) / 1.8))))
/// });
/// assert_eq!(Source::from(celsius), Source::Computed(0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Computed(u32);

/// A choice of rows: see [`PlanBuilder::mask`].
///
/// ```
/// use converter_sdk::{ColumnType, Mask, MaskRef, PlanBuilder, Point, Source, testing::Table};
///
/// let table = Table::new("weather").booleans("valid", [true]);
/// let mut plan = PlanBuilder::new(table.input());
/// let valid = plan.required("valid", &[ColumnType::Boolean]);
/// let valid: MaskRef = plan.mask([valid], |[valid]| Ok(Mask::of(valid.booleans()?.map(|valid| valid == Some(true)))));
/// Point::new("weather", Source::Column(0)).when(valid);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskRef(u32);

impl Translated {
    pub(crate) fn index(self) -> u32 {
        self.0
    }
}

impl Computed {
    pub(crate) fn index(self) -> u32 {
        self.0
    }
}

impl MaskRef {
    pub(crate) fn index(self) -> u32 {
        self.0
    }
}

/// A plan being made for an object.
///
/// What is wrong with the object's columns is collected on the way, so that [`PlanBuilder::finish`] names all of it at
/// once.
///
/// ```
/// use converter_sdk::{ColumnType, PlanBuilder, Point, testing::Table};
///
/// let table = Table::new("weather").timestamps("at", [1]).texts("celsius", ["4.5"]);
/// let mut plan = PlanBuilder::new(table.input());
/// let mut point = Point::new("weather", plan.required("at", &[ColumnType::Timestamp]));
/// point.tag("station", plan.required("station", &[ColumnType::Text]));
/// point.field("celsius", plan.required("celsius", &[ColumnType::Float]));
/// let problems = plan.finish([point]).unwrap_err();
/// let codes: Vec<_> = problems.iter().map(|problem| &*problem.code).collect();
/// assert_eq!(codes, ["missing-column", "invalid-column-type"]);
/// ```
pub struct PlanBuilder<'a> {
    input: &'a Input,
    problems: Vec<Problem>,
    /// A column of the list whose elements give the points.
    each: Option<u32>,
    translated: Vec<u32>,
    reads: Vec<u32>,
    computed: Vec<ColumnType>,
    /// Columns that are used in another type than their own.
    widened: Vec<ColumnRef>,
    functions: Functions,
}

impl<'a> PlanBuilder<'a> {
    /// An empty plan for the object that `input` describes.
    ///
    /// ```
    /// use converter_sdk::{Input, PlanBuilder};
    ///
    /// assert!(PlanBuilder::new(&Input::default()).finish([]).unwrap().plan().points.is_empty());
    /// ```
    pub fn new(input: &'a Input) -> Self {
        let functions = Functions::default();
        Self {
            input,
            problems: vec![],
            each: None,
            translated: vec![],
            reads: vec![],
            computed: vec![],
            widened: vec![],
            functions,
        }
    }

    /// The column of this name, if there is one. Names are matched exactly. A column of a type that is not in `accepted`
    /// is a problem, `invalid-column-type`; so is a name that several columns have, `ambiguous-column`.
    ///
    /// Files of one dataset have the same numbers in several types, so that numbers of one type are used as those of
    /// another that is accepted: each value exactly, or its row is rejected. A column of nulls has every type.
    ///
    /// ```
    /// use converter_sdk::{ColumnType, PlanBuilder, testing::Table};
    ///
    /// let table = Table::new("weather").floats("celsius", [4.5]);
    /// let mut plan = PlanBuilder::new(table.input());
    /// assert!(plan.optional("celsius", &[ColumnType::Float]).is_some());
    /// assert!(plan.optional("wind", &[ColumnType::Float]).is_none());
    /// assert!(plan.finish([]).is_ok());
    /// ```
    pub fn optional(&mut self, name: &str, accepted: &[ColumnType]) -> Option<ColumnRef> {
        let mut named = self.input.columns.iter().zip(0..).filter(|(column, _)| column.name == name);
        let (column, index) = named.next()?;
        if named.next().is_some() {
            let message = format!("several columns have the name `{name}`");
            self.problem(Problem::new("ambiguous-column", message).with_column(name));
            return None;
        }
        if column.list.is_some() && column.list.as_deref() != self.list() {
            self.problem(of_a_list(column));
            return None;
        }
        if accepted.contains(&column.column_type) {
            return Some(ColumnRef { index, column_type: column.column_type });
        }
        let Some(column_type) = widened(column, accepted) else {
            self.problem(invalid_type(column, accepted));
            return None;
        };
        let column = ColumnRef { index, column_type };
        self.widened.push(column);
        Some(column)
    }

    /// The column of this name. That there is none is a problem, `missing-column`; otherwise as [`Self::optional`].
    ///
    /// Where there is a problem, the plan continues with a column that stands for it, of the first accepted type, so that
    /// the problems of other columns are found too. Such a plan never leaves [`Self::finish`].
    ///
    /// ```
    /// use converter_sdk::{ColumnType, PlanBuilder, testing::Table};
    ///
    /// let table = Table::new("weather").floats("celsius", [4.5]);
    /// let mut plan = PlanBuilder::new(table.input());
    /// plan.required("celsius", &[ColumnType::Float]);
    /// plan.required("wind", &[ColumnType::Float]);
    /// assert_eq!(plan.finish([]).unwrap_err()[0].message, "the dataset `weather` requires the column `wind`");
    /// ```
    pub fn required(&mut self, name: &str, accepted: &[ColumnType]) -> ColumnRef {
        if let Some(column) = self.optional(name, accepted) {
            return column;
        }
        if !self.input.columns.iter().any(|column| column.name == name) {
            let problem = missing(name, self.input);
            self.problem(problem);
        }
        ColumnRef { index: 0, column_type: accepted.first().copied().unwrap_or(ColumnType::Other) }
    }

    /// As [`Self::required`] where the host checks the schema ([`Input::strict`]), and else as [`Self::optional`].
    ///
    /// ```
    /// use converter_sdk::{ColumnType, PlanBuilder, testing::Table};
    ///
    /// let [strict, lenient] = [Table::new("weather"), Table::new("weather").lenient()];
    /// for (table, is_problem) in [(strict, true), (lenient, false)] {
    ///     let mut plan = PlanBuilder::new(table.input());
    ///     plan.required_if_strict("wind", &[ColumnType::Float]);
    ///     assert_eq!(plan.finish([]).is_err(), is_problem);
    /// }
    /// ```
    pub fn required_if_strict(&mut self, name: &str, accepted: &[ColumnType]) -> Option<ColumnRef> {
        if self.input.strict { Some(self.required(name, accepted)) } else { self.optional(name, accepted) }
    }

    /// Has each element of a list give the points, instead of each row. Call it before the list's columns are asked for. The columns of
    /// a list of structs are `LIST.FIELD`, that of a list of values is `LIST`, and the place of the element in its list, from 0, is
    /// `LIST.#`; other columns are copied for each element. That there is no such list is a problem, `missing-list`.
    ///
    /// ```
    /// # use converter_sdk::{ColumnType, Input, PlanBuilder, Point, Problem, Mapping};
    /// # fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
    /// let mut plan = PlanBuilder::new(input);
    /// plan.each("readings");
    /// let mut point = Point::new("weather", plan.required("readings.at", &[ColumnType::Timestamp]));
    /// point.tag("station", plan.required("station.name", &[ColumnType::Text]));
    /// point.field("celsius", plan.required("readings.celsius", &[ColumnType::Float]));
    /// plan.finish([point])
    /// # }
    /// ```
    pub fn each(&mut self, list: &str) {
        let is_usable = |column: &ColumnSchema| column.column_type != ColumnType::Other;
        let of_list = |(column, _): &(&ColumnSchema, u32)| column.list.as_deref() == Some(list) && is_usable(column);
        match self.input.columns.iter().zip(0..).find(of_list) {
            Some((_, index)) => self.each = Some(index),
            None => {
                let message = format!("the dataset `{}` requires the list `{list}`", self.input.dataset);
                self.problem(Problem::new("missing-list", message).with_column(list));
            }
        }
    }

    /// The list whose elements give the points.
    fn list(&self) -> Option<&str> {
        self.input.columns.get(self.each? as usize)?.list.as_deref()
    }

    /// The value of the partition of this name in the object's key: of the last `name=value` segment that has it. That
    /// there is none is a problem, `missing-partition`, since points without it would be of other series. Hive's name for
    /// null is an empty text: a tag goes without it.
    ///
    /// ```
    /// use converter_sdk::{Constant, PlanBuilder, testing::Table};
    ///
    /// // An object below `region=north/`.
    /// let table = Table::new("weather").partition("region", "north");
    /// let mut plan = PlanBuilder::new(table.input());
    /// assert_eq!(plan.partition("region"), Constant::from("north"));
    /// ```
    pub fn partition(&mut self, name: &str) -> Constant {
        const NULL: &str = "__HIVE_DEFAULT_PARTITION__";
        match self.input.partitions.iter().rev().find(|(known, _)| known == name) {
            Some((_, value)) if value == NULL => Constant::Text(String::new()),
            Some((_, value)) => Constant::Text(value.clone()),
            None => {
                let message = format!(
                    "the dataset `{}` requires the partition `{name}`: the object's key has no segment `{name}=VALUE/`",
                    self.input.dataset
                );
                self.problem(Problem::new("missing-partition", message));
                Constant::Text(String::new())
            }
        }
    }

    /// Adds a problem: [`Self::finish`] fails.
    ///
    /// ```
    /// use converter_sdk::{PlanBuilder, Problem, testing::Table};
    ///
    /// let table = Table::new("weather");
    /// let mut plan = PlanBuilder::new(table.input());
    /// if table.input().parameters.is_none() {
    ///     plan.problem(Problem::new("missing-parameters", "publish the list of stations with `--parameters`"));
    /// }
    /// assert_eq!(plan.finish([]).unwrap_err()[0].code, "missing-parameters");
    /// ```
    pub fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Translates a column: `translate` runs once for each distinct value, and once for the null, if there is one. What
    /// it gives depends on the value alone; `None` is no value. A column that is not text is translated as its text.
    ///
    /// ```
    /// use converter_sdk::{ColumnType, PlanBuilder, Strings, testing::Table};
    ///
    /// let table = Table::new("weather").texts("station", ["Oslo"]);
    /// let mut plan = PlanBuilder::new(table.input());
    /// let station = plan.required("station", &[ColumnType::Text]);
    /// plan.translate(station, |name| Some(name?.trim().to_lowercase().into()));
    /// let mapping = plan.finish([]).unwrap();
    /// let stations: Strings = [Some(" Oslo"), None].into_iter().collect();
    /// assert_eq!(mapping.translate(0, &stations).unwrap(), [Some("oslo"), None].into_iter().collect());
    /// ```
    pub fn translate(
        &mut self,
        column: ColumnRef,
        translate: impl for<'v> Fn(Option<&'v str>) -> Option<Cow<'v, str>> + 'static,
    ) -> Translated {
        self.functions.translations.push(Box::new(translate));
        Translated(push(&mut self.translated, column.index))
    }

    /// Computes a column of type `column_type` from the columns that it `reads`: `compute` runs once for each batch of
    /// rows and gives one value a row.
    ///
    /// ```
    /// use converter_sdk::{Batch, Column, ColumnType, PlanBuilder, testing::Table};
    ///
    /// let table = Table::new("weather").floats("fahrenheit", [50.0]);
    /// let mut plan = PlanBuilder::new(table.input());
    /// let fahrenheit = plan.required("fahrenheit", &[ColumnType::Float]);
    /// plan.compute(ColumnType::Float, [fahrenheit], |[fahrenheit]| {
    ///     Ok(Column::floats(fahrenheit.floats()?.map(|value| Some((value? - 32.0) / 1.8))))
    /// });
    /// let mapping = plan.finish([]).unwrap();
    /// let batch = Batch { rows: 2, columns: vec![Column::floats([Some(50.0), None])] };
    /// assert_eq!(mapping.convert(&batch).unwrap().computed, [Column::floats([Some(10.0), None])]);
    /// ```
    pub fn compute<const N: usize>(
        &mut self,
        column_type: ColumnType,
        reads: [ColumnRef; N],
        compute: impl Fn([ColumnView<'_>; N]) -> Result<Column, Problem> + 'static,
    ) -> Computed {
        let step = self.step(reads, compute);
        self.functions.computed.push(step);
        Computed(push(&mut self.computed, column_type))
    }

    /// Chooses rows by the columns that it `reads`.
    ///
    /// ```
    /// use converter_sdk::{Batch, Column, ColumnType, Mask, PlanBuilder, testing::Table};
    ///
    /// let table = Table::new("weather").floats("fahrenheit", [50.0]);
    /// let mut plan = PlanBuilder::new(table.input());
    /// let fahrenheit = plan.required("fahrenheit", &[ColumnType::Float]);
    /// plan.mask([fahrenheit], |[value]| Ok(Mask::of(value.floats()?.map(|value| value > Some(32.0)))));
    /// let mapping = plan.finish([]).unwrap();
    /// let batch = Batch { rows: 2, columns: vec![Column::floats([Some(50.0), None])] };
    /// assert_eq!(mapping.convert(&batch).unwrap().masks, [Mask::Rows(vec![0b01])]);
    /// ```
    pub fn mask<const N: usize>(
        &mut self,
        reads: [ColumnRef; N],
        choose: impl Fn([ColumnView<'_>; N]) -> Result<Mask, Problem> + 'static,
    ) -> MaskRef {
        let step = self.step(reads, choose);
        MaskRef(push(&mut self.functions.masks, step))
    }

    /// Rejects rows by the columns that it `reads`.
    ///
    /// ```
    /// use converter_sdk::{Batch, Column, ColumnType, PlanBuilder, Rejection, testing::Table};
    ///
    /// let table = Table::new("weather").floats("fahrenheit", [50.0]);
    /// let mut plan = PlanBuilder::new(table.input());
    /// let fahrenheit = plan.required("fahrenheit", &[ColumnType::Float]);
    /// plan.reject([fahrenheit], |[fahrenheit]| {
    ///     let missing = (0..).zip(fahrenheit.floats()?).filter(|(_, value)| value.is_none());
    ///     let [code, message] = ["no-temperature", "the sensor was off"].map(String::from);
    ///     Ok(missing.map(|(row, _)| Rejection { row, code: code.clone(), message: message.clone() }).collect())
    /// });
    /// let mapping = plan.finish([]).unwrap();
    /// let batch = Batch { rows: 2, columns: vec![Column::floats([Some(50.0), None])] };
    /// assert_eq!(mapping.convert(&batch).unwrap().rejected[0].row, 1);
    /// ```
    pub fn reject<const N: usize>(
        &mut self,
        reads: [ColumnRef; N],
        reject: impl Fn([ColumnView<'_>; N]) -> Result<Vec<Rejection>, Problem> + 'static,
    ) {
        let step = self.step(reads, reject);
        self.functions.rejections.push(step);
    }

    /// Ends the plan.
    ///
    /// ```
    /// use converter_sdk::{ColumnType, PlanBuilder, Point, testing::Table};
    ///
    /// let table = Table::new("weather").timestamps("at", [1]).floats("celsius", [4.5]);
    /// let mut plan = PlanBuilder::new(table.input());
    /// let mut point = Point::new("weather", plan.required("at", &[ColumnType::Timestamp]));
    /// point.field("celsius", plan.required("celsius", &[ColumnType::Float]));
    /// assert_eq!(plan.finish([point]).unwrap().plan().points.len(), 1);
    /// ```
    ///
    /// # Errors
    ///
    /// Everything that was found wrong.
    pub fn finish(self, points: impl IntoIterator<Item = Point>) -> Result<Mapping, Vec<Problem>> {
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let mut points: Vec<Point> = points.into_iter().collect();
        for field in points.iter_mut().flat_map(|point| &mut point.fields).filter(|field| field.write_as.is_none()) {
            let of_field = |column: &&ColumnRef| field.source == Source::Column(column.index);
            field.write_as = self.widened.iter().find(of_field).and_then(|column| written_as(column.column_type));
        }
        let plan = Plan {
            each: self.each,
            points,
            translations: self.translated,
            reads: self.reads,
            computed: self.computed,
            masks: length(self.functions.masks.len()),
        };
        Ok(Mapping { plan, functions: self.functions })
    }

    /// Has the columns pushed to `convert`, each once, and picks them there.
    fn step<const N: usize, T>(
        &mut self,
        columns: [ColumnRef; N],
        run: impl Fn([ColumnView<'_>; N]) -> Result<T, Problem> + 'static,
    ) -> Step<T> {
        let positions = columns.map(|column| {
            let known = self.reads.iter().position(|&read| read == column.index);
            known.unwrap_or_else(|| push(&mut self.reads, column.index) as usize)
        });
        // `Mapping::convert` has checked that there are as many columns as the plan reads.
        Box::new(move |columns| run(positions.map(|position| columns[position])))
    }
}

/// The type among those that are accepted in which a column of another type can be used.
fn widened(column: &ColumnSchema, accepted: &[ColumnType]) -> Option<ColumnType> {
    /// As the host calls the type of a column of nulls.
    const NULL: &str = "Null";
    // The first is the one that most values fit into.
    const NUMBERS: [ColumnType; 3] = [ColumnType::Integer, ColumnType::Unsigned, ColumnType::Float];
    if column.source_type == NULL {
        return accepted.first().copied();
    }
    // Contract 0.1 calls it text.
    if column.column_type == ColumnType::Uuid && accepted.contains(&ColumnType::Text) {
        return Some(ColumnType::Text);
    }
    let is_number = NUMBERS.contains(&column.column_type);
    NUMBERS.into_iter().find(|number| is_number && accepted.contains(number))
}

/// The type of a field that has values of a type.
fn written_as(column_type: ColumnType) -> Option<FieldType> {
    match column_type {
        ColumnType::Boolean => Some(FieldType::Boolean),
        ColumnType::Integer | ColumnType::Timestamp | ColumnType::TimeOfDay | ColumnType::Duration => {
            Some(FieldType::Integer)
        }
        ColumnType::Unsigned => Some(FieldType::Unsigned),
        ColumnType::Float => Some(FieldType::Float),
        ColumnType::Text | ColumnType::Uuid | ColumnType::Binary => Some(FieldType::Text),
        ColumnType::Other => None,
    }
}

fn push<T>(list: &mut Vec<T>, item: T) -> u32 {
    let index = length(list.len());
    list.push(item);
    index
}

fn missing(name: &str, input: &Input) -> Problem {
    let mut message = format!("the dataset `{}` requires the column `{name}`", input.dataset);
    if let Some(similar) = input.columns.iter().find(|column| column.name.trim().eq_ignore_ascii_case(name)) {
        message.push_str(&format!(", and names are matched exactly: `{}`", similar.name));
    }
    Problem::new("missing-column", message).with_column(name)
}

fn of_a_list(column: &ColumnSchema) -> Problem {
    let list = column.list.as_deref().unwrap_or_default();
    let message = format!(
        "the column `{}` is part of the list `{list}`: it can be used after `each(\"{list}\")`, one list a plan",
        column.name
    );
    Problem::new("column-of-a-list", message).with_column(&column.name)
}

fn invalid_type(column: &ColumnSchema, accepted: &[ColumnType]) -> Problem {
    let accepted = match accepted {
        [] => "absent".to_owned(),
        [only] => only.name().to_owned(),
        [others @ .., last] => {
            let others: Vec<_> = others.iter().map(|accepted| accepted.name()).collect();
            format!("{} or {}", others.join(", "), last.name())
        }
    };
    let message = format!("the column `{}` must be {accepted}: `{}`", column.name, column.source_type);
    Problem::new("invalid-column-type", message).with_column(&column.name)
}
