//! Guests that loop, grow, trap and lie.

use std::thread;
use std::time::{Duration, Instant};

use arrow::array::types::Int32Type;
use arrow::array::{Array, BooleanArray, DictionaryArray, Int64Array, TimestampNanosecondArray, UInt64Array};
use insta::assert_snapshot;

use super::guest::{CONVERTED, words};
use super::*;

const LOOP: &str = "(loop $forever (br $forever))";
const TRAP: &str = "(unreachable)";

fn convert(guest: &Guest) -> ConverterError {
    prepared(&small_engine(), guest).convert(&no_columns()).unwrap_err()
}

#[test]
fn a_guest_that_does_no_wrong_is_called_again_and_again() {
    let mut instance = prepared(&small_engine(), &Guest { reads: vec![1], ..Guest::default() });
    for _ in 0..100 {
        assert!(instance.convert(&batch([floats(1000)], 1000)).unwrap().computed.is_empty());
    }
}

/// A list of columns has one layout, whoever gives it.
const ECHO: &str = "(i32.store (i32.const 4356) (local.get 1)) (i32.store (i32.const 4360) (local.get 2))";

#[test]
fn columns_of_every_type_cross_into_a_guest_and_back() {
    let rows = 1000;
    let every = |n: usize| move |row: usize| (!row.is_multiple_of(n)).then_some(row);
    let columns: Vec<ArrayRef> = vec![
        Arc::new((0..rows).map(|row: usize| Some(row.is_multiple_of(3))).collect::<BooleanArray>()),
        Arc::new((0..rows).map(every(5)).map(|row| Some(-(row? as i64))).collect::<Int64Array>()),
        Arc::new((0..rows).map(|row| Some(u64::MAX - row as u64)).collect::<UInt64Array>()),
        Arc::new((0..rows).map(every(7)).map(|row| Some(row? as f64 / 3.0)).collect::<Float64Array>()),
        Arc::new(
            (0..rows)
                .map(every(3))
                .map(|row| Some(["é", "", "three"][row? % 3]))
                .collect::<DictionaryArray<Int32Type>>(),
        ),
        Arc::new((0..rows).map(|row| Some(row as i64)).collect::<TimestampNanosecondArray>()),
    ];
    let types = [
        ColumnType::Boolean,
        ColumnType::Integer,
        ColumnType::Unsigned,
        ColumnType::Float,
        ColumnType::Text,
        ColumnType::Timestamp,
    ];
    let guest =
        Guest { time: 5, reads: (0..6).collect(), computed: (0..6).collect(), convert: ECHO, ..Guest::default() };
    let mut instance = engine().compile(&guest.component()).unwrap().instantiate().unwrap();
    let plan = instance.prepare(&input(types.map(|column_type| ("", column_type)))).unwrap();
    assert_eq!(plan.computed, types);
    for (start, length) in [(0, 1000), (1, 999), (13, 501), (999, 1)] {
        let sliced = batch(columns.iter().map(|column| column.slice(start, length)), length);
        let echoed = instance.convert(&sliced).unwrap().computed;
        for (column, echoed) in sliced.columns().iter().zip(&echoed) {
            assert_eq!(&column.to_data(), &echoed.to_data(), "from row {start}");
        }
    }
}

#[test]
fn an_endless_loop_is_stopped_wherever_it_is() {
    let start = Instant::now();
    let error = convert(&Guest { convert: LOOP, ..Guest::default() });
    assert_snapshot!(told(&error), @"out-of-time: converter `wat-guest` 1.0.0 exceeded its time limit in `convert`: stopped after 100 ms");
    assert!(!error.detail().is_empty(), "it names the place");

    let converter = |guest: Guest| small_engine().compile(&guest.component());
    let error = converter(Guest { describe: LOOP, ..Guest::default() }).unwrap_err();
    assert_snapshot!(told(&error), @"out-of-time: component `sha256:…` exceeded its time limit in `describe`: stopped after 200 ms");
    let items = format!("(func $start {LOOP}) (start $start)");
    let error = converter(Guest { items, ..Guest::default() }).unwrap_err();
    assert_snapshot!(told(&error), @"out-of-time: component `sha256:…` exceeded its time limit while it started: stopped after 200 ms");

    let error = prepared_error(&Guest { prepare: LOOP, ..Guest::default() });
    assert_snapshot!(told(&error), @"out-of-time: converter `wat-guest` 1.0.0 exceeded its time limit in `prepare`: stopped after 200 ms");
    // Four time slices of at most 200 ms, and much for a busy machine.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

fn prepared_error(guest: &Guest) -> ConverterError {
    let mut instance = small_engine().compile(&guest.component()).unwrap().instantiate().unwrap();
    instance.prepare(&input([("time", ColumnType::Timestamp), ("value", ColumnType::Float)])).unwrap_err()
}

#[test]
fn a_time_slice_is_a_call_s_own() {
    // 60 ms each, of a slice of 100 ms.
    let work = "(local $n i64) (loop $on
        (local.set $n (i64.add (local.get $n) (i64.const 1)))
        (br_if $on (i64.lt_u (local.get $n) (i64.const 20000000))))";
    let mut instance = prepared(&small_engine(), &Guest { convert: work, ..Guest::default() });
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(400) {
        instance.convert(&no_columns()).unwrap();
    }
}

#[test]
fn a_guest_that_grows_without_end_is_told_from_one_that_traps() {
    let grow = "(block $full (loop $on
        (br_if $full (i32.eq (memory.grow (i32.const 1)) (i32.const -1))) (br $on))) (unreachable)";
    let error = convert(&Guest { convert: grow, ..Guest::default() });
    assert_snapshot!(told(&error), @"out-of-memory: converter `wat-guest` 1.0.0 ran out of memory in `convert`: asked for 1048592 bytes, may have 1048576");

    // A guest that can do with less is not disturbed.
    let ask = "(drop (memory.grow (i32.const 1000)))";
    prepared(&small_engine(), &Guest { convert: ask, ..Guest::default() }).convert(&no_columns()).unwrap();
    // And one that traps later for its own reasons is not taken for one that lacks memory.
    let error = convert(&Guest { prepare: ask, convert: TRAP, ..Guest::default() });
    assert_eq!(error.kind(), "trapped");
}

#[test]
fn memory_that_a_guest_begins_with_counts() {
    let error = small_engine().compile(&Guest { pages: 17, ..Guest::default() }.component()).unwrap_err();
    assert_snapshot!(told(&error), @"out-of-memory: component `sha256:…` ran out of memory while it started: asked for 1114128 bytes, may have 1048576");
}

#[test]
fn tables_count_as_memory() {
    let items = "(table $table 1 funcref)".to_owned();
    let grow =
        "(if (i32.eq (table.grow $table (ref.null func) (i32.const 1000000)) (i32.const -1)) (then (unreachable)))";
    let error = convert(&Guest { items, convert: grow, ..Guest::default() });
    assert_eq!(error.kind(), "out-of-memory");
}

#[test]
fn a_trap_tells_the_guest_s_last_words_and_its_stack() {
    let items = "(func $boom (call $log (i32.const 3) (i32.const 1024) (i32.const 9)) (unreachable))".to_owned();
    let error = convert(&Guest { items, convert: "(call $boom)", ..Guest::default() });
    assert_snapshot!(told(&error), @"trapped: converter `wat-guest` 1.0.0 trapped in `convert`: wat-guest");
    assert!(error.detail()[0].contains("boom"), "{:?}", error.detail());
}

#[test]
fn a_trap_without_last_words_tells_its_kind() {
    assert_snapshot!(told(&convert(&Guest { convert: TRAP, ..Guest::default() })), @"trapped: converter `wat-guest` 1.0.0 trapped in `convert`: wasm trap: wasm `unreachable` instruction executed");
    let items = "(func $deep (call $deep) (call $deep))".to_owned();
    assert_snapshot!(told(&convert(&Guest { items, convert: "(call $deep)", ..Guest::default() })), @"trapped: converter `wat-guest` 1.0.0 trapped in `convert`: wasm trap: call stack exhausted");
    // Words of an earlier call are not the last ones.
    let prepare = "(call $log (i32.const 3) (i32.const 1024) (i32.const 9))";
    assert_snapshot!(told(&convert(&Guest { prepare, convert: TRAP, ..Guest::default() })), @"trapped: converter `wat-guest` 1.0.0 trapped in `convert`: wasm trap: wasm `unreachable` instruction executed");
}

#[test]
fn an_instance_that_trapped_is_not_called_again() {
    let engine = small_engine();
    let converter = engine.compile(&Guest { convert: TRAP, ..Guest::default() }.component()).unwrap();
    let schema = input([("time", ColumnType::Timestamp), ("value", ColumnType::Float)]);
    let mut instance = converter.instantiate().unwrap();
    instance.prepare(&schema).unwrap();
    instance.convert(&no_columns()).unwrap_err();
    assert_snapshot!(told(&instance.convert(&no_columns()).unwrap_err()), @"spent: converter `wat-guest` 1.0.0 cannot be called again: an earlier call of this instance failed");
    assert_eq!(instance.prepare(&schema).unwrap_err().kind(), "spent");
    // Another instance knows nothing of it.
    converter.instantiate().unwrap().prepare(&schema).unwrap();
}

#[test]
fn an_answer_that_is_too_large_is_not_copied() {
    // 100,000 bytes of a message, where the answer may have 65,536.
    let large = "(i32.store8 (i32.const 4352) (i32.const 1)) (i32.store (i32.const 4356) (i32.const 0))
        (i32.store (i32.const 4360) (i32.const 100000))";
    assert_eq!(CONVERTED, 4352);
    assert_snapshot!(told(&convert(&Guest { convert: large, ..Guest::default() })), @"invalid-result: converter `wat-guest` 1.0.0 gave an invalid result: `converted` cannot be read: too much data is being copied between the host and the guest: fuel allocated for hostcalls has been exhausted (at most 65536 bytes are allowed)");
}

#[test]
fn an_answer_outside_of_the_guest_s_memory_is_refused() {
    let outside = "(i32.store (i32.const 4356) (i32.const 131064)) (i32.store (i32.const 4360) (i32.const 1))";
    assert_snapshot!(told(&convert(&Guest { convert: outside, ..Guest::default() })), @"invalid-result: converter `wat-guest` 1.0.0 gave an invalid result: `converted` cannot be read: list pointer/length out of bounds of memory (at most 65536 bytes are allowed)");
    let misaligned = "(i32.store (i32.const 4356) (i32.const 1025)) (i32.store (i32.const 4360) (i32.const 1))";
    assert_eq!(convert(&Guest { convert: misaligned, ..Guest::default() }).kind(), "invalid-result");
    let variant = "(i32.store8 (i32.const 4352) (i32.const 7))";
    assert_eq!(convert(&Guest { convert: variant, ..Guest::default() }).kind(), "invalid-result");
}

#[test]
fn an_answer_that_breaks_the_contract_names_the_item() {
    // A mask, where the plan has none.
    let mask = "(i32.store (i32.const 4364) (i32.const 4096)) (i32.store (i32.const 4368) (i32.const 1))";
    assert_snapshot!(told(&convert(&Guest { convert: mask, ..Guest::default() })), @"invalid-result: converter `wat-guest` 1.0.0 gave an invalid result: `masks` has 1 masks, the plan declares 0");
    // No point.
    let prepare = "(i32.store (i32.const 2312) (i32.const 0))";
    assert_snapshot!(told(&prepared_error(&Guest { prepare, ..Guest::default() })), @"invalid-result: converter `wat-guest` 1.0.0 gave an invalid result: `plan.points` is empty: a plan has at least one point");
    // A rejection without a problem.
    let prepare = "(i32.store8 (i32.const 2304) (i32.const 1)) (i32.store (i32.const 2312) (i32.const 0))";
    assert_snapshot!(told(&prepared_error(&Guest { prepare, ..Guest::default() })), @"invalid-result: converter `wat-guest` 1.0.0 gave an invalid result: `problems` is empty: a rejection names at least one");
    // An answer for two values that has none.
    let mut instance = prepared(&small_engine(), &Guest::default());
    let error = instance.translate(0, &vec![Some("a"), None].into()).unwrap_err();
    assert_snapshot!(told(&error), @"invalid-result: converter `wat-guest` 1.0.0 gave an invalid result: `translated.offsets` are those of 0 strings, expected 2");
    // That is no reason not to call it again.
    assert_eq!(instance.convert(&no_columns()).unwrap().masks.len(), 0);
}

#[test]
fn the_codes_of_rejections_are_few_enough_to_be_counted() {
    // Rows 0 to 119, each with a code of its own: `a`, `aa`, …, then `b`, `bb`, ….
    let rejections: Vec<u32> = (0..120).flat_map(|row| [row, 20_000 + row / 60 * 60, 1 + row % 60, 0, 0]).collect();
    let letters = ["a".repeat(60), "b".repeat(60)].concat();
    let items = format!("{} (data (i32.const 20000) \"{letters}\")", words(24_000, &rejections));
    let convert = "(i32.store (i32.const 4372) (i32.const 24000)) (i32.store (i32.const 4376) (local.get 0))";
    let mut instance = prepared(&engine(), &Guest { items, convert, ..Guest::default() });
    assert_eq!(instance.convert(&batch([], 100)).unwrap().rejected.len(), 100);
    // The same ones again.
    assert_eq!(instance.convert(&batch([], 100)).unwrap().rejected.len(), 100);
    assert_snapshot!(told(&instance.convert(&batch([], 101)).unwrap_err()), @"invalid-result: converter `wat-guest` 1.0.0 gave an invalid result: `rejected` has more than 100 different codes");
}

#[test]
fn a_guest_may_log_without_end_and_only_loses_what_it_says() {
    let log = "(local $n i32) (loop $on
        (call $log (i32.const 1) (i32.const 1024) (i32.const 9))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $on (i32.lt_u (local.get $n) (i32.const 10000))))";
    prepared(&small_engine(), &Guest { convert: log, ..Guest::default() }).convert(&no_columns()).unwrap();
    let huge = "(call $log (i32.const 1) (i32.const 0) (i32.const 100000))";
    let error = convert(&Guest { convert: huge, ..Guest::default() });
    assert_eq!(error.kind(), "trapped");
}

#[test]
fn batches_that_are_not_those_of_the_plan_are_the_host_s_own_fault() {
    let mut instance = prepared(&small_engine(), &Guest { reads: vec![1], ..Guest::default() });
    let error = instance.convert(&no_columns()).unwrap_err();
    assert_snapshot!(told(&error), @"engine: converter engine: a batch has 0 columns, the plan reads 1");
    let ints: ArrayRef = Arc::new(arrow::array::Int64Array::from(vec![1]));
    let error = instance.convert(&batch([ints], 1)).unwrap_err();
    assert_snapshot!(told(&error), @"engine: converter engine: column 0 of a batch is of type `Int64`, expected Float");
    assert_eq!(instance.translate(1, &vec!["x"].into()).unwrap_err().kind(), "engine");
}

#[test]
fn calls_work_with_a_runtime_and_without_one() {
    let converter = small_engine().compile(&Guest::default().component()).unwrap();
    let call = move || {
        let mut instance = converter.instantiate().unwrap();
        instance.prepare(&input([("time", ColumnType::Timestamp), ("value", ColumnType::Float)])).unwrap();
        instance.convert(&no_columns()).unwrap();
    };
    thread::spawn(call.clone()).join().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { tokio::task::spawn_blocking(call).await }).unwrap();
}

#[test]
fn a_stack_that_threads_do_not_have_is_refused() {
    let limits = Limits { stack_bytes: 8 * 1024 * 1024, ..Limits::default() };
    assert_snapshot!(Engine::new(limits).err().unwrap(), @"converter engine: a stack must have 1 to 1048576 bytes: 8388608");
}
