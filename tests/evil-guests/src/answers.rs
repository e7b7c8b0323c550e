//! Answers that break a rule of the contract each, by as little as possible.

use crate::bindings::influxdb_loader::converter::types::{Constant, Rejection, Text};
use crate::{
    Batch, Column, ColumnType, Converted, Field, HONEST, Key, Mask, Plan, Point, Problem, Source, Strings, Tag, Values,
    column, converted, outcome, plan,
};

type Prepared = Result<Plan, Vec<Problem>>;
type Translated = Result<Strings, Problem>;
type Answer = Result<Converted, Problem>;

/// Text that a log would show as a line of its own, in red.
const FORGED: &str = "x\n\u{1b}[31m2026-01-01T00:00:00Z ERROR everything is lost";

fn with_point(change: impl FnOnce(&mut Point)) -> Prepared {
    let mut plan = plan(ColumnType::Float);
    change(&mut plan.points[0]);
    Ok(plan)
}

pub(crate) fn plan_without_points() -> Prepared {
    Ok(Plan { points: Vec::new(), ..plan(ColumnType::Float) })
}

pub(crate) fn plan_for_a_column_that_does_not_exist() -> Prepared {
    with_point(|point| point.fields[0].source = Source::Column(6))
}

pub(crate) fn plan_with_a_translation_that_does_not_exist() -> Prepared {
    with_point(|point| point.tags[0].key = Key::Translated(u32::MAX))
}

pub(crate) fn plan_with_a_mask_that_does_not_exist() -> Prepared {
    with_point(|point| point.when = Some(1))
}

pub(crate) fn plan_with_a_key_that_cannot_be_written() -> Prepared {
    with_point(|point| point.fields[0].key = Key::Name("value=1 0\nforged".into()))
}

pub(crate) fn plan_with_a_measurement_that_is_a_comment() -> Prepared {
    with_point(|point| point.measurement = "#evil".into())
}

#[allow(unsafe_code, reason = "to make text of what is none")]
pub(crate) fn name_that_is_not_utf8() -> Prepared {
    // SAFETY: nobody looks at it but the host, which has to refuse it.
    with_point(|point| point.measurement = unsafe { String::from_utf8_unchecked(vec![b'e', 0xff]) })
}

pub(crate) fn problem_that_forges_log_lines() -> Prepared {
    Err(vec![Problem { code: FORGED.into(), column: Some(FORGED.into()), ..outcome(FORGED) }])
}

pub(crate) fn offsets_out_of_order(mut values: Strings) -> Translated {
    let last = values.data.len();
    values.offsets[1] = u32::try_from(last).unwrap() + 1;
    Ok(values)
}

pub(crate) fn offsets_beyond_the_data(mut values: Strings) -> Translated {
    *values.offsets.last_mut().unwrap() = u32::MAX;
    Ok(values)
}

pub(crate) fn translation_too_short(mut values: Strings) -> Translated {
    values.offsets.pop();
    Ok(values)
}

pub(crate) fn translation_that_is_not_utf8(mut values: Strings) -> Translated {
    values.data[0] = 0xff;
    Ok(values)
}

/// A column of text, all rows of which have code 0.
fn text(batch: &Batch, dictionary: &[u8], offsets: Vec<u32>) -> Text {
    let dictionary = Strings { offsets, data: dictionary.to_vec(), validity: None };
    Text { codes: vec![0; batch.rows as usize], dictionary }
}

pub(crate) fn dictionary_that_is_not_utf8(batch: Batch) -> Answer {
    Ok(converted(column(Values::Texts(text(&batch, b"\xc3\x28", vec![0, 2])))))
}

/// UTF-8 as a whole, and not in its parts.
pub(crate) fn dictionary_with_a_character_cut_in_two(batch: Batch) -> Answer {
    Ok(converted(column(Values::Texts(text(&batch, "é".as_bytes(), vec![0, 1, 2])))))
}

pub(crate) fn code_out_of_range(batch: Batch) -> Answer {
    let mut text = text(&batch, b"evil", vec![0, 4]);
    *text.codes.last_mut().unwrap() = 1;
    Ok(converted(column(Values::Texts(text))))
}

pub(crate) fn mask_too_short(batch: Batch) -> Answer {
    Ok(Converted { masks: vec![Mask::Rows(Vec::new())], ..(HONEST.convert)(batch)? })
}

pub(crate) fn validity_too_short(batch: Batch) -> Answer {
    let values = Values::Floats(vec![0.0; batch.rows as usize]);
    Ok(converted(Column { values, validity: Some(Vec::new()) }))
}

pub(crate) fn computed_column_missing(batch: Batch) -> Answer {
    Ok(Converted { computed: Vec::new(), ..(HONEST.convert)(batch)? })
}

pub(crate) fn computed_column_too_short(batch: Batch) -> Answer {
    Ok(converted(column(Values::Floats(vec![0.0; batch.rows as usize - 1]))))
}

pub(crate) fn computed_column_of_another_type(batch: Batch) -> Answer {
    Ok(converted(column(Values::Timestamps(vec![0; batch.rows as usize]))))
}

fn reject(batch: Batch, row: u32, code: &str) -> Answer {
    let rejected = vec![Rejection { row, code: code.into(), message: "evil".into() }];
    Ok(Converted { rejected, ..(HONEST.convert)(batch)? })
}

pub(crate) fn row_number_beyond_the_batch(batch: Batch) -> Answer {
    let rows = batch.rows;
    reject(batch, rows, "evil")
}

pub(crate) fn rejection_code_that_forges_log_lines(batch: Batch) -> Answer {
    reject(batch, 0, FORGED)
}

/// Allowed: the first that has a value wins.
pub(crate) fn duplicate_keys() -> Prepared {
    with_point(|point| {
        let constant = |text: &str| Source::Constant(Constant::Text(text.into()));
        point.tags.insert(0, Tag { source: constant("first"), ..point.tags[0].clone() });
        point.fields.insert(0, Field { source: constant("first"), ..point.fields[0].clone() });
    })
}
