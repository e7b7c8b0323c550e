//! From a [`Converter`] to the component's exports.

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::{Description, Input, Mapping, Plan, Problem};

/// What a converter is and how it maps an object.
///
/// ```
/// use converter_sdk::{ColumnType, Converter, Description, Input, Mapping, PlanBuilder, Point, Problem};
///
/// struct Weather;
///
/// impl Converter for Weather {
///     fn describe() -> Description {
///         let [name, version, summary] = ["weather", "1.0.0", "Stations"].map(String::from);
///         Description { dataset: name.clone(), name, version, summary }
///     }
///
///     fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
///         let mut plan = PlanBuilder::new(input);
///         let mut point = Point::new("weather", plan.required("at", &[ColumnType::Timestamp]));
///         point.field("celsius", plan.required("celsius", &[ColumnType::Float])).or_reject("no-temperature");
///         plan.finish([point])
///     }
/// }
///
/// assert_eq!(Weather::describe().dataset, "weather");
/// ```
pub trait Converter {
    /// Describes the converter: its name, its version, its dataset and what it is for.
    ///
    /// ```
    /// # use converter_sdk::{ColumnType, Converter, Description, Input, Mapping, PlanBuilder, Point, Problem};
    /// # struct Weather;
    /// #
    /// # impl Converter for Weather {
    /// #     fn describe() -> Description {
    /// #         let [name, version, summary] = ["weather", "1.0.0", "Stations"].map(String::from);
    /// #         Description { dataset: name.clone(), name, version, summary }
    /// #     }
    /// #
    /// #     fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
    /// #         let mut plan = PlanBuilder::new(input);
    /// #         let mut point = Point::new("weather", plan.required("at", &[ColumnType::Timestamp]));
    /// #         point.field("celsius", plan.required("celsius", &[ColumnType::Float])).or_reject("no-temperature");
    /// #         plan.finish([point])
    /// #     }
    /// # }
    /// let description = Weather::describe();
    /// assert_eq!((&*description.name, &*description.version), ("weather", "1.0.0"));
    /// ```
    fn describe() -> Description;

    /// Plans an object from its schema; [`crate::PlanBuilder`] makes the mapping.
    ///
    /// ```
    /// # use converter_sdk::{ColumnType, Converter, Description, Input, Mapping, PlanBuilder, Point, Problem};
    /// # struct Weather;
    /// #
    /// # impl Converter for Weather {
    /// #     fn describe() -> Description {
    /// #         let [name, version, summary] = ["weather", "1.0.0", "Stations"].map(String::from);
    /// #         Description { dataset: name.clone(), name, version, summary }
    /// #     }
    /// #
    /// #     fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
    /// #         let mut plan = PlanBuilder::new(input);
    /// #         let mut point = Point::new("weather", plan.required("at", &[ColumnType::Timestamp]));
    /// #         point.field("celsius", plan.required("celsius", &[ColumnType::Float])).or_reject("no-temperature");
    /// #         plan.finish([point])
    /// #     }
    /// # }
    /// use converter_sdk::testing::Table;
    ///
    /// let problems = Weather::prepare(Table::new("weather").timestamps("at", [1]).input()).unwrap_err();
    /// assert_eq!(problems[0].to_string(), "the dataset `weather` requires the column `celsius` (missing-column)");
    /// ```
    ///
    /// # Errors
    ///
    /// Every problem at once; the object fails with them.
    fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>>;
}

thread_local! {
    /// What `prepare` made in this instance, for the calls that follow.
    static MAPPING: RefCell<Option<Mapping>> = const { RefCell::new(None) };
}

/// The exports of a converter; [`crate::export!`] uses it.
#[doc(hidden)]
#[derive(Debug)]
pub struct Exported<C>(PhantomData<C>);

/// Prepares an object and keeps the mapping for the calls that follow.
pub(crate) fn prepared<C: Converter>(input: &Input) -> Result<Plan, Vec<Problem>> {
    let mapping = C::prepare(input)?;
    let plan = mapping.plan().clone();
    MAPPING.set(Some(mapping));
    Ok(plan)
}

pub(crate) fn with_mapping<T>(run: impl FnOnce(&Mapping) -> Result<T, Problem>) -> Result<T, Problem> {
    MAPPING.with_borrow(|mapping| match mapping {
        Some(mapping) => run(mapping),
        None => Err(Problem::new("not-prepared", "`prepare` must succeed before `translate` and `convert`")),
    })
}

/// Exports a [`Converter`] from the component; once in a crate, at its root. It speaks contract 0.1, or 0.2 with the feature
/// `contract-0-2` of this crate.
///
/// Natively it exports nothing, so that several converters can be tested together.
///
/// ```
/// # use converter_sdk::{ColumnType, Converter, Description, Input, Mapping, PlanBuilder, Point, Problem};
/// # struct Weather;
/// #
/// # impl Converter for Weather {
/// #     fn describe() -> Description {
/// #         let [name, version, summary] = ["weather", "1.0.0", "Stations"].map(String::from);
/// #         Description { dataset: name.clone(), name, version, summary }
/// #     }
/// #
/// #     fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
/// #         let mut plan = PlanBuilder::new(input);
/// #         let mut point = Point::new("weather", plan.required("at", &[ColumnType::Timestamp]));
/// #         point.field("celsius", plan.required("celsius", &[ColumnType::Float])).or_reject("no-temperature");
/// #         plan.finish([point])
/// #     }
/// # }
/// converter_sdk::export!(Weather);
/// ```
#[cfg(not(feature = "contract-0-2"))]
#[macro_export]
macro_rules! export {
    ($converter:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::Exported<$converter>;
    $crate::bindings::export!(Exported with_types_in $crate::bindings);
        };
    };
}

/// Exports a [`Converter`] from the component; once in a crate, at its root. It speaks contract 0.2.
///
/// Natively it exports nothing, so that several converters can be tested together.
///
/// ```
/// # use converter_sdk::{ColumnType, Converter, Description, Input, Mapping, PlanBuilder, Point, Problem};
/// # struct Weather;
/// #
/// # impl Converter for Weather {
/// #     fn describe() -> Description {
/// #         let [name, version, summary] = ["weather", "1.0.0", "Stations"].map(String::from);
/// #         Description { dataset: name.clone(), name, version, summary }
/// #     }
/// #
/// #     fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
/// #         let mut plan = PlanBuilder::new(input);
/// #         let mut point = Point::new("weather", plan.required("at", &[ColumnType::Timestamp]));
/// #         point.field("celsius", plan.required("celsius", &[ColumnType::Float])).or_reject("no-temperature");
/// #         plan.finish([point])
/// #     }
/// # }
/// converter_sdk::export!(Weather);
/// ```
#[cfg(feature = "contract-0-2")]
#[macro_export]
macro_rules! export {
    ($converter:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::Exported<$converter>;
    $crate::bindings_0_2::export!(Exported with_types_in $crate::bindings_0_2);
        };
    };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use super::*;
    use crate::bindings::exports::influxdb_loader::converter::converter::Guest as First;
    use crate::bindings::influxdb_loader::converter::types as first;
    use crate::bindings_0_2::exports::influxdb_loader::converter::converter::Guest as Second;
    use crate::bindings_0_2::influxdb_loader::converter::types as second;
    use crate::{Column, ColumnType, Key, PlanBuilder, Point, Source};

    struct Doubled;

    impl Converter for Doubled {
        fn describe() -> Description {
            let [name, version, dataset, summary] = ["doubled", "1.0.0", "numbers", ""].map(str::to_owned);
            Description { name, version, dataset, summary }
        }

        fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
            let mut plan = PlanBuilder::new(input);
            let time = plan.required("time", &[ColumnType::Timestamp]);
            let number = plan.required("number", &[ColumnType::Integer]);
            let name = plan.required("name", &[ColumnType::Text]);
            let doubled = plan.compute(ColumnType::Integer, [number], |[number]| {
                Ok(Column::integers(number.integers()?.map(|number| Some(number? * 2))))
            });
            let mut point = Point::new("numbers", time);
            point.tag("name", plan.translate(name, |name| Some(name?.to_uppercase().into())));
            point.field("doubled", doubled);
            plan.finish([point])
        }
    }

    /// What only contract 0.2 can express: each row names its measurement, and has its number.
    struct Named;

    impl Converter for Named {
        fn describe() -> Description {
            Doubled::describe()
        }

        fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
            let mut plan = PlanBuilder::new(input);
            let time = plan.required("time", &[ColumnType::Timestamp]);
            let name = plan.required("name", &[ColumnType::Text]);
            let measurement: Key = match input.parameters.as_deref() {
                Some(name) => Key::from(name),
                None => plan.translate(name, |name| name.map(Into::into)).into(),
            };
            let mut point = Point::new(measurement, time);
            point.tag("file", crate::Constant::from(input.object.file_name.as_str()));
            point.field("row", Source::RowNumber);
            plan.finish([point])
        }
    }

    const COLUMNS: [(&str, first::ColumnType, second::ColumnType); 3] = [
        ("time", first::ColumnType::Timestamp, second::ColumnType::Timestamp),
        ("number", first::ColumnType::Integer, second::ColumnType::Integer),
        ("name", first::ColumnType::Text, second::ColumnType::Text),
    ];

    fn first_input() -> first::Input {
        let column = |(name, column_type, _): (&str, first::ColumnType, _)| first::ColumnSchema {
            name: name.into(),
            column_type,
            source_type: String::new(),
            nullable: true,
        };
        first::Input {
            dataset: "numbers".into(),
            columns: COLUMNS.map(column).into(),
            partitions: vec![],
            strict: true,
        }
    }

    fn second_input(parameters: Option<&str>) -> second::Input {
        let column = |(name, _, column_type): (&str, _, second::ColumnType)| second::ColumnSchema {
            name: name.into(),
            column_type,
            source_type: String::new(),
            nullable: true,
        };
        let object = second::Object {
            bucket: Some("bucket".into()),
            key: "raw/a.parquet".into(),
            file_name: "a.parquet".into(),
            last_modified: Some(7),
            metadata: vec![],
        };
        let columns = COLUMNS.map(column).into();
        let parameters = parameters.map(str::to_owned);
        second::Input { dataset: "numbers".into(), object, parameters, columns, partitions: vec![], strict: true }
    }

    #[test]
    fn what_prepare_made_is_there_in_the_calls_that_follow() {
        // The state is the instance's; here, the thread's.
        let strings = |text: &str| first::Strings { offsets: vec![0, 1], data: text.into(), validity: None };
        let translate = |text| <Exported<Doubled> as First>::translate(0, strings(text));
        assert_eq!(translate("a").unwrap_err().code, "not-prepared");

        let plan = <Exported<Doubled> as First>::prepare(first_input()).unwrap();
        assert_eq!((plan.reads, &*plan.points[0].measurement), (vec![1], "numbers"));
        assert_eq!(translate("a").unwrap(), strings("A"));
        let numbers = |numbers| first::Column { values: first::Values::Integers(numbers), validity: None };
        let batch = first::Batch { rows: 1, columns: vec![numbers(vec![21])] };
        assert_eq!(<Exported<Doubled> as First>::convert(batch).unwrap().computed, [numbers(vec![42])]);
    }

    #[test]
    fn the_same_converter_is_exported_in_the_later_contract() {
        let plan = <Exported<Doubled> as Second>::prepare(second_input(None)).unwrap();
        assert_eq!((plan.reads, &plan.points[0].measurement), (vec![1], &second::Key::Name("numbers".into())));
        let strings = |text: &str| second::Strings { offsets: vec![0, 1], data: text.into(), validity: None };
        assert_eq!(<Exported<Doubled> as Second>::translate(0, strings("a")).unwrap(), strings("A"));
        let numbers = |numbers| second::Column { values: second::Values::Integers(numbers), validity: None };
        let batch = second::Batch { rows: 1, columns: vec![numbers(vec![21])] };
        assert_eq!(<Exported<Doubled> as Second>::convert(batch).unwrap().computed, [numbers(vec![42])]);
    }

    #[test]
    fn what_only_the_later_contract_can_say_is_a_problem_in_the_first() {
        let plan = <Exported<Named> as Second>::prepare(second_input(None)).unwrap();
        let [point] = &plan.points[..] else { unreachable!("there is one") };
        assert_eq!(point.measurement, second::Key::Translated(0));
        assert_eq!(point.fields[0].source, second::Source::RowNumber);
        let file = second::Source::Constant(second::Constant::Text("a.parquet".into()));
        assert_eq!(point.tags[0].source, file);
        let plan = <Exported<Named> as Second>::prepare(second_input(Some("load"))).unwrap();
        assert_eq!(plan.points[0].measurement, second::Key::Name("load".into()));

        let problems = <Exported<Named> as First>::prepare(first_input()).unwrap_err();
        let codes: Vec<_> = problems.iter().map(|problem| problem.code.as_str()).collect();
        assert_eq!(codes, ["needs-contract-0-2"]);
    }

    #[test]
    fn a_table_that_cannot_be_mapped_is_refused() {
        let input = first::Input { columns: vec![], ..first_input() };
        assert_eq!(<Exported<Doubled> as First>::prepare(input).unwrap_err().len(), 3);
    }
}
