//! A plan, written with names and functions instead of indexes.

use std::borrow::Cow;
use std::fmt;

use crate::{
    Batch, Column, ColumnSchema, ColumnType, ColumnView, Constant, Converted, FieldType, Input, Mask, Plan, Point,
    Problem, Rejection, Source, Strings,
};

/// A column of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnRef {
    index: u32,
    column_type: ColumnType,
}

impl ColumnRef {
    /// The type in which it is used: one of those that the converter accepts.
    pub fn column_type(self) -> ColumnType {
        self.column_type
    }

    pub(crate) fn index(self) -> u32 {
        self.index
    }
}

/// The translation of a column: see [`PlanBuilder::translate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translated(u32);

/// A computed column: see [`PlanBuilder::compute`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Computed(u32);

/// A choice of rows: see [`PlanBuilder::mask`].
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

type Translation = Box<dyn for<'a> Fn(Option<&'a str>) -> Option<Cow<'a, str>>>;

/// A function over the columns that `convert` is given.
type Step<T> = Box<dyn Fn(&[ColumnView<'_>]) -> Result<T, Problem>>;

#[derive(Default)]
struct Functions {
    translations: Vec<Translation>,
    computed: Vec<Step<Column>>,
    masks: Vec<Step<Mask>>,
    rejections: Vec<Step<Vec<Rejection>>>,
}

/// A plan being made for an object.
///
/// What is wrong with the object's columns is collected on the way, so that [`PlanBuilder::finish`] names all of it at
/// once.
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
    pub fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Translates a column: `translate` runs once for each distinct value, and once for the null, if there is one. What
    /// it gives depends on the value alone; `None` is no value. A column that is not text is translated as its text.
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
    pub fn mask<const N: usize>(
        &mut self,
        reads: [ColumnRef; N],
        choose: impl Fn([ColumnView<'_>; N]) -> Result<Mask, Problem> + 'static,
    ) -> MaskRef {
        let step = self.step(reads, choose);
        MaskRef(push(&mut self.functions.masks, step))
    }

    /// Rejects rows by the columns that it `reads`.
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
            masks: length(&self.functions.masks),
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
    let index = length(list);
    list.push(item);
    index
}

#[expect(clippy::expect_used, reason = "a plan is written by hand")]
fn length<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).expect("a plan has fewer items than 2^32")
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

/// A plan and the functions that it runs.
pub struct Mapping {
    plan: Plan,
    functions: Functions,
}

impl Mapping {
    /// The plan as the host gets it.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Runs a translation over distinct values.
    ///
    /// # Errors
    ///
    /// When the plan has no such translation or the strings break the contract.
    pub fn translate(&self, translation: u32, values: &Strings) -> Result<Strings, Problem> {
        let Some(translate) = self.functions.translations.get(translation as usize) else {
            return Err(Problem::new(
                "unknown-translation",
                format!("the plan has no such translation: {translation}"),
            ));
        };
        Ok(values.iter()?.map(translate).collect())
    }

    /// Computes the columns, masks and rejections of a batch.
    ///
    /// # Errors
    ///
    /// When one of the plan's functions fails or the batch has other columns than the plan reads.
    pub fn convert(&self, batch: &Batch) -> Result<Converted, Problem> {
        let [expected, found] = [self.plan.reads.len(), batch.columns.len()];
        if expected != found {
            let message = format!("the plan reads {expected} columns, but the batch has {found}");
            return Err(Problem::new("invalid-batch", message));
        }
        let rows = batch.rows as usize;
        let columns: Vec<_> = batch.columns.iter().map(|column| ColumnView::new(column, rows)).collect();
        let rejected: Vec<_> = run(&self.functions.rejections, &columns)?;
        Ok(Converted {
            computed: run(&self.functions.computed, &columns)?,
            masks: run(&self.functions.masks, &columns)?,
            rejected: rejected.into_iter().flatten().collect(),
        })
    }
}

fn run<T>(steps: &[Step<T>], columns: &[ColumnView<'_>]) -> Result<Vec<T>, Problem> {
    steps.iter().map(|step| step(columns)).collect()
}

impl fmt::Debug for Mapping {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mapping").field("plan", &self.plan).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use super::*;
    use crate::testing::Table;

    fn table() -> Table {
        Table::new("weather")
            .timestamps("at", [0])
            .texts("station", ["Oslo"])
            .floats("celsius", [1.0])
            .other("raw", "list<u8>")
    }

    fn point() -> Point {
        Point::new("weather", crate::Source::Column(0))
    }

    fn problems(plan: PlanBuilder<'_>) -> Vec<(String, String)> {
        plan.finish([point()]).unwrap_err().into_iter().map(|problem| (problem.code, problem.message)).collect()
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let table = table();
        let mut plan = PlanBuilder::new(table.input());
        plan.required("Station", &[ColumnType::Text]);
        plan.required("raw", &[ColumnType::Float, ColumnType::Integer]);
        plan.optional("celsius", &[ColumnType::Text]);
        plan.required_if_strict("wind", &[ColumnType::Text]);
        let expected = [
            (
                "missing-column",
                "the dataset `weather` requires the column `Station`, and names are matched exactly: `station`",
            ),
            ("invalid-column-type", "the column `raw` must be float or integer: `list<u8>`"),
            ("invalid-column-type", "the column `celsius` must be text: `float`"),
            ("missing-column", "the dataset `weather` requires the column `wind`"),
        ];
        assert_eq!(problems(plan), expected.map(|(code, message)| (code.to_owned(), message.to_owned())));
    }

    #[test]
    fn a_uuid_is_usable_where_text_is_and_a_time_of_day_is_no_integer() {
        let table = table().texts("id", ["00112233-4455-6677-8899-aabbccddeeff"]).of_type(ColumnType::Uuid);
        let table = table.integers("daily", [1]).of_type(ColumnType::TimeOfDay);
        let mut plan = PlanBuilder::new(table.input());
        assert_eq!(plan.required("id", &[ColumnType::Text]).column_type(), ColumnType::Text);
        assert_eq!(plan.required("id", &[ColumnType::Uuid]).column_type(), ColumnType::Uuid);
        assert_eq!(plan.required("daily", &[ColumnType::TimeOfDay]).column_type(), ColumnType::TimeOfDay);
        plan.required("daily", &[ColumnType::Integer]);
        let message = "the column `daily` must be integer: `time-of-day`".to_owned();
        assert_eq!(problems(plan), [("invalid-column-type".to_owned(), message)]);
    }

    #[test]
    fn an_optional_column_may_be_missing() {
        let table = table().lenient();
        let mut plan = PlanBuilder::new(table.input());
        assert_eq!(plan.optional("wind", &[ColumnType::Float]), None);
        assert_eq!(plan.required_if_strict("wind", &[ColumnType::Float]), None);
        assert!(plan.finish([point()]).is_ok());
    }

    #[test]
    fn a_name_that_two_columns_have_is_a_problem() {
        let table = table().floats("station", [2.0]);
        let mut plan = PlanBuilder::new(table.input());
        plan.required("station", &[ColumnType::Text, ColumnType::Float]);
        let message = "several columns have the name `station`".to_owned();
        assert_eq!(problems(plan), [("ambiguous-column".to_owned(), message)]);
    }

    #[test]
    fn columns_of_a_list_are_used_where_its_elements_give_the_points() {
        let table = table().floats("readings.wind", [2.0]).of_list("readings").floats("gusts", [3.0]).of_list("gusts");
        let mut plan = PlanBuilder::new(table.input());
        plan.each("readings");
        plan.required("readings.wind", &[ColumnType::Float]);
        plan.required("celsius", &[ColumnType::Float]);
        assert_eq!(plan.finish([point()]).unwrap().plan().each, Some(4));

        let mut plan = PlanBuilder::new(table.input());
        plan.each("winds");
        plan.each("readings");
        plan.required("gusts", &[ColumnType::Float]);
        let expected = [
            ("missing-list", "the dataset `weather` requires the list `winds`"),
            (
                "column-of-a-list",
                "the column `gusts` is part of the list `gusts`: it can be used after `each(\"gusts\")`, one list a plan",
            ),
        ];
        assert_eq!(problems(plan), expected.map(|(code, message)| (code.to_owned(), message.to_owned())));
    }

    #[test]
    fn a_partition_is_the_last_of_its_name_in_the_key_and_a_key_without_it_is_a_problem() {
        let key = [("host", "a"), ("host", "b"), ("rack", "__HIVE_DEFAULT_PARTITION__")];
        let table = key.iter().fold(table(), |table, (name, value)| table.partition(name, value));
        let mut plan = PlanBuilder::new(table.input());
        assert_eq!(plan.partition("host"), Constant::Text("b".into()));
        assert_eq!(plan.partition("rack"), Constant::Text(String::new()));
        plan.partition("room");
        let message =
            "the dataset `weather` requires the partition `room`: the object's key has no segment `room=VALUE/`";
        assert_eq!(problems(plan), [("missing-partition".to_owned(), message.to_owned())]);
    }

    #[test]
    fn a_column_is_read_once_whoever_reads_it() {
        let table = table();
        let mut plan = PlanBuilder::new(table.input());
        let celsius = plan.required("celsius", &[ColumnType::Float]);
        let station = plan.required("station", &[ColumnType::Text]);
        let kelvin = plan.compute(ColumnType::Float, [celsius], |[celsius]| {
            Ok(Column::floats(celsius.floats()?.map(|value| Some(value? + 273.15))))
        });
        let both = plan.compute(ColumnType::Text, [station, celsius], |[station, celsius]| {
            let rows = station.texts()?.iter().zip(celsius.floats()?);
            Ok(Column::texts(rows.map(|(station, celsius)| Some(format!("{} {}", station?, celsius?)))))
        });
        let warm = plan.mask([celsius], |[celsius]| {
            Ok(Mask::of(celsius.floats()?.map(|value| value.is_some_and(|value| value > 0.0))))
        });
        plan.reject([station], |[station]| {
            let nameless = station.texts()?.iter().zip(0..).filter(|(station, _)| station.is_none());
            let rejection =
                |row| Rejection { row, code: "no-station".into(), message: "a station must be named".into() };
            Ok(nameless.map(|(_, row)| rejection(row)).collect())
        });
        let mut point = point();
        point.field("kelvin", kelvin).when(warm);
        point.tag("both", both);
        let mapping = plan.finish([point]).unwrap();
        assert_eq!(mapping.plan().reads, [2, 1]);
        assert_eq!(mapping.plan().computed, [ColumnType::Float, ColumnType::Text]);

        let columns = vec![Column::floats([Some(1.0), None]), Column::texts([Some("Oslo"), None])];
        let converted = mapping.convert(&Batch { rows: 2, columns }).unwrap();
        assert_eq!(converted.computed[0], Column::floats([Some(274.15), None]));
        assert_eq!(converted.computed[1], Column::texts([Some("Oslo 1"), None]));
        assert_eq!(converted.masks, [Mask::Rows(vec![0b01])]);
        assert_eq!(converted.rejected.len(), 1);
        assert_eq!(converted.rejected[0].row, 1);
    }

    #[test]
    fn a_null_is_translated_too() {
        let table = table();
        let mut plan = PlanBuilder::new(table.input());
        let station = plan.required("station", &[ColumnType::Text]);
        plan.translate(station, |name| Some(name?.trim().into()));
        plan.translate(station, |name| Some(name.unwrap_or("unknown").into()));
        let mapping = plan.finish([point()]).unwrap();
        let values: Strings = [Some(" Oslo "), None].into_iter().collect();
        assert_eq!(mapping.translate(0, &values).unwrap(), [Some("Oslo"), None].into_iter().collect());
        assert_eq!(mapping.translate(1, &values).unwrap(), [Some(" Oslo "), Some("unknown")].into_iter().collect());
        assert_eq!(mapping.translate(2, &values).unwrap_err().code, "unknown-translation");
    }

    #[test]
    fn a_batch_with_other_columns_than_the_plan_reads_is_a_problem() {
        let table = table();
        let mapping = PlanBuilder::new(table.input()).finish([point()]).unwrap();
        let batch = Batch { rows: 1, columns: vec![Column::floats([Some(1.0)])] };
        assert_eq!(mapping.convert(&batch).unwrap_err().message, "the plan reads 0 columns, but the batch has 1");
    }
}
