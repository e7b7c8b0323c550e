//! From a [`Converter`] to the component's exports.

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::bindings::exports::influxdb_loader::converter::converter::Guest;
use crate::log::log_panics;
use crate::{Batch, Converted, Description, Input, Mapping, Plan, Problem, Strings};

/// What a converter is and how it maps an object.
pub trait Converter {
    /// Says what the converter is.
    fn describe() -> Description;

    /// Plans an object from its schema; [`crate::PlanBuilder`] makes the mapping.
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

impl<C: Converter> Guest for Exported<C> {
    fn describe() -> Description {
        log_panics();
        C::describe()
    }

    fn prepare(input: Input) -> Result<Plan, Vec<Problem>> {
        log_panics();
        let mapping = C::prepare(&input)?;
        let plan = mapping.plan().clone();
        MAPPING.set(Some(mapping));
        Ok(plan)
    }

    fn translate(translation: u32, values: Strings) -> Result<Strings, Problem> {
        with_mapping(|mapping| mapping.translate(translation, &values))
    }

    fn convert(batch: Batch) -> Result<Converted, Problem> {
        with_mapping(|mapping| mapping.convert(&batch))
    }
}

fn with_mapping<T>(run: impl FnOnce(&Mapping) -> Result<T, Problem>) -> Result<T, Problem> {
    MAPPING.with_borrow(|mapping| match mapping {
        Some(mapping) => run(mapping),
        None => Err(Problem::new("not-prepared", "`prepare` must succeed before `translate` and `convert`")),
    })
}

/// Exports a [`Converter`] from the component; once in a crate, at its root.
///
/// Natively it exports nothing, so that several converters can be tested together.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use super::*;
    use crate::testing::Table;
    use crate::{Column, ColumnType, PlanBuilder, Point};

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

    #[test]
    fn what_prepare_made_is_there_in_the_calls_that_follow() {
        // The state is the instance's; here, the thread's.
        let values = || [Some("a")].into_iter().collect();
        assert_eq!(Exported::<Doubled>::translate(0, values()).unwrap_err().code, "not-prepared");

        let table = Table::new("numbers").timestamps("time", [0]).integers("number", [21]).texts("name", ["a"]);
        let plan = Exported::<Doubled>::prepare(table.input().clone()).unwrap();
        assert_eq!(plan.reads, [1]);
        assert_eq!(Exported::<Doubled>::translate(0, values()).unwrap(), [Some("A")].into_iter().collect());
        let batch = Batch { rows: 1, columns: vec![Column::integers([Some(21)])] };
        assert_eq!(Exported::<Doubled>::convert(batch).unwrap().computed, [Column::integers([Some(42)])]);
    }

    #[test]
    fn a_table_that_cannot_be_mapped_is_refused() {
        let problems = Exported::<Doubled>::prepare(Table::new("numbers").input().clone()).unwrap_err();
        assert_eq!(problems.len(), 3);
    }
}
