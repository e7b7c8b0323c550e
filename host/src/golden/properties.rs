//! What every converter must hold to, whatever its dataset: checked on every sample.

use std::fmt;
use std::fs;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;

use super::pair::{GoldenError, Pair, difference};
use super::run::{Cut, Loaded, Runner, Sample};
use crate::source;

/// The sizes of batches that must not matter, in rows: one by one, two, an odd number, and more than samples have.
const BATCH_SIZES: [usize; 4] = [1, 2, 7, 8192];

/// What every converter must hold to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property {
    /// An object yields the same points and rejects the same rows every time.
    Repeatable,
    /// It does not matter how many rows a batch has.
    BatchSize,
    /// It does not matter how many workers there are, or that another object is loaded at the same time.
    Workers,
    /// A rejected row gives no point: without the rejected rows, an object yields the same points.
    RejectedRowsAreNotWritten,
}

impl fmt::Display for Property {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Repeatable => "repeatable",
            Self::BatchSize => "batch-size",
            Self::Workers => "workers",
            Self::RejectedRowsAreNotWritten => "rejected-rows-are-not-written",
        })
    }
}

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub property: Property,
    /// How it is seen.
    pub message: String,
}

/// Checks every property on a sample that gave `first`.
pub(super) async fn check(
    runner: &Runner,
    pair: &Pair,
    sample: &Sample,
    first: &Loaded,
) -> Result<Vec<Broken>, GoldenError> {
    let mut broken = Vec::new();
    let again = runner.load(sample, Cut::IN_ORDER).await?;
    broken.extend(compare(Property::Repeatable, "loaded again", &shown(first), &shown(&again)));

    for rows_per_batch in BATCH_SIZES {
        let other = runner.load(sample, Cut { rows_per_batch, ..Cut::IN_ORDER }).await?;
        let how = format!("in batches of {rows_per_batch} rows");
        broken.extend(compare(Property::BatchSize, &how, &shown(first), &shown(&other)));
    }

    let many = Cut { rows_per_batch: 1, points_per_request: 1, concurrency: 4 };
    let (one, other) = futures_util::future::try_join(runner.load(sample, many), runner.load(sample, many)).await?;
    for loaded in [one, other] {
        let how = "with 4 workers, twice at the same time";
        broken.extend(compare(Property::Workers, how, &sorted(&shown(first)), &sorted(&shown(&loaded))));
    }

    if first.failure.is_none() && !first.rejected.is_empty() {
        let how = "without the rejected rows";
        let without = without_rejected(runner, pair, sample, first).await?;
        let property = Property::RejectedRowsAreNotWritten;
        broken.extend(compare(property, how, &first.lines, &shown(&without)));
    }
    Ok(broken)
}

/// Loads a sample without the rows that were rejected.
async fn without_rejected(
    runner: &Runner,
    pair: &Pair,
    sample: &Sample,
    first: &Loaded,
) -> Result<Loaded, GoldenError> {
    let bytes = fs::read(&sample.file).map_err(GoldenError::Temporary)?;
    let unreadable = |cause| GoldenError::Parquet { path: pair.sample().to_owned(), cause };
    let rows = source::decode_sample(bytes.into()).map_err(unreadable)?;
    let is_kept = |row: usize| first.rejected.binary_search_by_key(&(row as u64), |rejected| rejected.row).is_err();
    let kept: BooleanArray = (0..rows.num_rows()).map(|row| Some(is_kept(row))).collect();
    let rows = filter_record_batch(&rows, &kept).map_err(unreadable)?;
    let sample = runner.sample_of(pair, sample.settings.clone(), &rows)?;
    runner.load(&sample, Cut::IN_ORDER).await
}

/// The result of a load, as text: what must not differ. Messages of converters may name batches.
fn shown(loaded: &Loaded) -> String {
    let mut text = loaded.lines.clone();
    for row in &loaded.rejected {
        text.push_str(&format!("row {} is rejected: {}\n", row.row, row.code));
    }
    if let Some(failure) = &loaded.failure {
        // How much was rejected before it failed depends on how the work is cut up.
        return format!("the object fails: {}\n", failure.error_type());
    }
    text
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.sort_unstable();
    lines.concat()
}

fn compare(property: Property, how: &str, expected: &str, found: &str) -> Option<Broken> {
    (expected != found).then(|| Broken { property, message: format!("{how}:\n{}", difference(expected, found)) })
}
