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
