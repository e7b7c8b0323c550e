//! `plan`: large objects in parts, each an event of its own.

use std::io::Write as _;
use std::ops::Range;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{CliError, PlanArguments, complain, inputs, print};
use crate::aws;
use crate::event::ObjectReference;
use crate::pipeline::{LoadError, Location};
use crate::report::Failure;
use crate::source::{Memory, ParquetObject, S3Location};

/// How many objects are opened at a time: one or two small requests each.
const AT_A_TIME: usize = 16;

/// What a plan comes to.
#[derive(Debug, Default)]
struct Totals {
    objects: usize,
    items: usize,
    rows: u64,
    largest: u64,
}

/// Prints the events that load what is named. Returns whether every object could be opened.
pub(super) async fn plan(arguments: &PlanArguments) -> Result<bool, CliError> {
    let PlanArguments { inputs, rows, array } = arguments;
    // Asked of all first, so that nothing is printed where one is wrong.
    if let Some(file) = inputs.iter().find(|input| !input.starts_with("s3://")) {
        return Err(CliError::S3Url(file.clone()));
    }
    let locations = inputs::find(inputs).await?;
    let objects = locations.into_iter().filter_map(|location| match location {
        Location::S3(object) => Some(object),
        Location::File(_) => None,
    });
    let mut opened = stream::iter(objects.map(async |object| {
        let parts = open(&object).await;
        (object, parts)
    }))
    .buffered(AT_A_TIME);
    let (mut totals, mut complete, mut separator) = (Totals::default(), true, "[\n");
    while let Some((object, opened)) = opened.next().await {
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                complete = false;
                complain(&Failure::new(error.kind(), &error), Some(&object.to_string()));
                continue;
            }
        };
        totals.objects += 1;
        for part in parts(opened.row_groups(), *rows) {
            totals.items += 1;
            totals.rows += part.rows;
            totals.largest = totals.largest.max(part.rows);
            let item = item(&object, opened.etag(), part.row_groups.as_ref());
            print(&if *array { format!("{separator}{item}") } else { format!("{item}\n") })?;
            separator = ",\n";
        }
    }
    if *array {
        print(if totals.items == 0 { "[]\n" } else { "\n]\n" })?;
    }
    let Totals { objects, items, rows, largest } = totals;
    let summary = format!("{objects} objects, {rows} rows: {items} items of at most {largest} rows\n");
    // When standard error is closed, there is no reader.
    drop(std::io::stderr().write_all(summary.as_bytes()));
    Ok(complete)
}

async fn open(object: &ObjectReference) -> Result<ParquetObject, LoadError> {
    let location = S3Location { bucket: object.bucket.clone(), key: object.key.clone(), version: None, etag: None };
    Ok(ParquetObject::open_s3(aws::s3().await, location, Memory::default()).await?)
}

/// A part of an object.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    /// None: all of it.
    row_groups: Option<Range<usize>>,
    rows: u64,
}

/// Parts of at most `limit` rows, or of a single row group that has more.
fn parts(groups: Vec<u64>, limit: u64) -> Vec<Part> {
    let mut parts: Vec<(Range<usize>, u64)> = Vec::new();
    for (number, rows) in groups.into_iter().enumerate() {
        match parts.last_mut() {
            Some((range, sum)) if sum.saturating_add(rows) <= limit => {
                range.end = number + 1;
                *sum += rows;
            }
            Some(_) | None => parts.push((number..number + 1, rows)),
        }
    }
    match parts[..] {
        [] => vec![Part { row_groups: None, rows: 0 }],
        [(_, rows)] => vec![Part { row_groups: None, rows }],
        _ => parts.into_iter().map(|(range, rows)| Part { row_groups: Some(range), rows }).collect(),
    }
}

/// The event. Row groups mean something only in the state in which they were counted, so that it names the entity tag.
fn item(object: &ObjectReference, etag: Option<&str>, row_groups: Option<&Range<usize>>) -> Value {
    let mut item = json!({ "bucket": object.bucket, "key": object.key });
    if let Some(etag) = etag {
        item["etag"] = json!(etag);
    }
    if let Some(Range { start, end }) = row_groups {
        item["row_groups"] = json!([start, end]);
    }
    item
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges(groups: &[u64], limit: u64) -> Vec<Option<Range<usize>>> {
        parts(groups.to_vec(), limit).into_iter().map(|part| part.row_groups).collect()
    }

    #[test]
    fn row_groups_are_gathered_up_to_the_limit() {
        assert_eq!(ranges(&[5, 5, 5, 20, 5], 10), [Some(0..2), Some(2..3), Some(3..4), Some(4..5)]);
    }

    #[test]
    fn an_object_that_is_small_or_empty_stays_whole() {
        assert_eq!(ranges(&[5, 5], 10), [None]);
        assert_eq!(ranges(&[50], 10), [None]);
        assert_eq!(ranges(&[], 10), [None]);
    }

    proptest! {
        #[test]
        fn every_row_is_in_one_part(groups in prop::collection::vec(any::<u32>(), 0..50), limit in 1_u64..1 << 33) {
            let groups: Vec<u64> = groups.into_iter().map(u64::from).collect();
            let parts = parts(groups.clone(), limit);
            prop_assert_eq!(parts.iter().map(|part| part.rows).sum::<u64>(), groups.iter().sum::<u64>());
            if parts.len() > 1 {
                let all: Vec<usize> = parts.into_iter().flat_map(|part| part.row_groups.unwrap_or_default()).collect();
                prop_assert_eq!(all, (0..groups.len()).collect::<Vec<_>>());
            }
        }
    }
}
