//! Converters as the pipeline uses them: the built-in ones, and guests that misbehave.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod built_in;
mod guest;
mod refused;
mod sandbox;
mod wasi;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};

use self::guest::Guest;
use super::{Converter, ConverterError, Engine, Input, Instance, Limits};
use crate::source::{ColumnSchema, ColumnType, Meaning, Origin};

/// An engine as it is by default.
fn engine() -> Engine {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(Limits::default()).unwrap());
    ENGINE.clone()
}

/// An engine with little of everything, so that tests of its limits are quick.
fn small_engine() -> Engine {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
        Engine::new(Limits {
            memory_bytes: 1024 * 1024,
            call_time: Duration::from_millis(100),
            prepare_time: Duration::from_millis(200),
            result_bytes: 64 * 1024,
            log_bytes: 1024,
            ..Limits::default()
        })
        .unwrap()
    });
    ENGINE.clone()
}

/// A guest that has got past `prepare`.
fn prepared(engine: &Engine, guest: &Guest) -> Instance {
    let mut instance = engine.compile(&guest.component()).unwrap().instantiate().unwrap();
    instance.prepare(&input([("time", ColumnType::Timestamp), ("value", ColumnType::Float)])).unwrap();
    instance
}

fn input<const N: usize>(columns: [(&str, ColumnType); N]) -> Input {
    let columns = columns.map(|(name, column_type)| ColumnSchema {
        name: name.into(),
        column_type,
        meaning: Meaning::Plain,
        source_type: format!("{column_type:?}").to_lowercase(),
        nullable: true,
        list: None,
    });
    let origin = Origin { key: "load.parquet".into(), ..Origin::default() };
    Input { dataset: "generation".into(), origin, columns: columns.into(), partitions: Vec::new(), strict: true }
}

/// A batch of columns whose names do not matter.
fn batch(columns: impl IntoIterator<Item = ArrayRef>, rows: usize) -> RecordBatch {
    let columns: Vec<ArrayRef> = columns.into_iter().collect();
    let fields: Vec<Field> = columns.iter().map(|column| Field::new("", column.data_type().clone(), true)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).unwrap()
}

/// What guests that read nothing are given.
fn no_columns() -> RecordBatch {
    batch([], 3)
}

fn floats(rows: usize) -> ArrayRef {
    Arc::new(Float64Array::from(vec![1.5; rows]))
}

/// The error without what differs from build to build.
fn told(error: &ConverterError) -> String {
    let digest = without_digest(&error.to_string());
    format!("{}: {digest}", error.kind())
}

/// Digests of the guests become `…`.
fn without_digest(message: &str) -> String {
    match message.split_once("sha256:") {
        Some((before, after)) => {
            format!("{before}sha256:…{}", after.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
        }
        None => message.to_owned(),
    }
}

/// Converters and instances are used from many threads, and move between them.
#[test]
fn converters_can_be_shared_and_instances_can_be_sent() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    fn sent<T: Send + 'static>() {}
    shared::<Engine>();
    shared::<Converter>();
    sent::<Instance>();
}
