//! A plan that is finished, and the functions that it runs.

use std::borrow::Cow;
use std::fmt;

use crate::{Batch, Column, ColumnView, Converted, Mask, Plan, Problem, Rejection, Strings};

/// A plan and the functions that it runs.
///
/// ```
/// use converter_sdk::{ColumnType, Mapping, PlanBuilder, testing::Table};
///
/// let table = Table::new("weather").texts("station", ["Oslo"]);
/// let mut plan = PlanBuilder::new(table.input());
/// let station = plan.required("station", &[ColumnType::Text]);
/// // What functions capture is kept in the mapping, as the converter's state.
/// let unknown = "unknown".to_owned();
/// plan.translate(station, move |name| Some(name.unwrap_or(&unknown).to_owned().into()));
/// let mapping: Mapping = plan.finish([]).unwrap();
/// let answer = mapping.translate(0, &[None::<&str>].into_iter().collect()).unwrap();
/// assert_eq!(answer, [Some("unknown")].into_iter().collect());
/// ```
pub struct Mapping {
    pub(crate) plan: Plan,
    pub(crate) functions: Functions,
}

impl Mapping {
    /// The plan as the host gets it.
    ///
    /// ```
    /// use converter_sdk::{Input, PlanBuilder};
    ///
    /// let mapping = PlanBuilder::new(&Input::default()).finish([]).unwrap();
    /// assert!(mapping.plan().reads.is_empty(), "no row enters the sandbox");
    /// ```
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Runs a translation over distinct values.
    ///
    /// ```
    /// use converter_sdk::{Input, PlanBuilder, Strings};
    ///
    /// let mapping = PlanBuilder::new(&Input::default()).finish([]).unwrap();
    /// assert_eq!(mapping.translate(0, &Strings::default()).unwrap_err().code, "unknown-translation");
    /// ```
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
    /// ```
    /// use converter_sdk::{Batch, Input, PlanBuilder};
    ///
    /// let mapping = PlanBuilder::new(&Input::default()).finish([]).unwrap();
    /// let converted = mapping.convert(&Batch { rows: 1, columns: vec![] }).unwrap();
    /// assert!(converted.computed.is_empty() && converted.masks.is_empty() && converted.rejected.is_empty());
    /// ```
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

pub(crate) type Translation = Box<dyn for<'a> Fn(Option<&'a str>) -> Option<Cow<'a, str>>>;

/// A function over the columns that `convert` is given.
pub(crate) type Step<T> = Box<dyn Fn(&[ColumnView<'_>]) -> Result<T, Problem>>;

/// The functions of a plan, by their numbers in it.
#[derive(Default)]
pub(crate) struct Functions {
    pub(crate) translations: Vec<Translation>,
    pub(crate) computed: Vec<Step<Column>>,
    pub(crate) masks: Vec<Step<Mask>>,
    pub(crate) rejections: Vec<Step<Vec<Rejection>>>,
}
