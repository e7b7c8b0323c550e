//! Attacks by a converter that has been taken over: each is made, and what the user sees of it stands here.

use std::{fs, thread};

use insta::assert_snapshot;

use super::{Victim, memory_kib};

/// Fails to compile where an attack has no test of its name.
macro_rules! every_attack_has_a_test {
    ($($attack:ident,)*) => {
        $(
            #[expect(unused_imports, reason = "it only has to exist")]
            use self::$attack as _;
        )*
    };
}

evil_guest::for_each_attack!(every_attack_has_a_test);

/// Why the object failed.
fn stopped(attack: &str) -> String {
    Victim::with(|victim| victim.attack(attack)).unwrap_err()
}

/// The lines that were written.
fn allowed(attack: &str) -> String {
    Victim::with(|victim| victim.attack(attack)).unwrap()
}

// What WASI could give away.

#[test]
fn read_a_file() {
    assert_snapshot!(stopped("read_a_file"), @"DataConversionError: converter `evil` 6.6.6 rejected the input: open directories: [] (outcome)");
}

#[test]
fn forge_a_file_descriptor() {
    assert_snapshot!(stopped("forge_a_file_descriptor"), @"DataConversionError: converter `evil` 6.6.6 trapped in `prepare`: unknown handle index 3");
}

#[test]
fn open_a_socket() {
    assert_snapshot!(stopped("open_a_socket"), @r#"DataConversionError: converter `evil` 6.6.6 rejected the input: UDP socket: ErrorCode { code: 1, name: "access-denied", message: "Access denied.\n\n            POSIX equivalent: EACCES, EPERM" }, TCP socket: ErrorCode { code: 1, name: "access-denied", message: "Access denied.\n\n            POSIX equivalent: EACCES, EPERM" }, connection: none (outcome)"#);
}

#[test]
fn resolve_a_name() {
    assert_snapshot!(stopped("resolve_a_name"), @r#"DataConversionError: converter `evil` 6.6.6 rejected the input: ErrorCode { code: 20, name: "permanent-resolver-failure", message: "A permanent failure in name resolution occurred." } (outcome)"#);
}

#[test]
fn read_the_environment() {
    assert_snapshot!(stopped("read_the_environment"), @"DataConversionError: converter `evil` 6.6.6 rejected the input: variables: [], arguments: [], directory: None (outcome)");
}

#[test]
fn read_standard_input() {
    assert_snapshot!(stopped("read_standard_input"), @"DataConversionError: converter `evil` 6.6.6 rejected the input: Err(StreamError::Closed) (outcome)");
}

#[test]
fn look_at_the_clock() {
    assert_snapshot!(stopped("look_at_the_clock"), @"DataConversionError: converter `evil` 6.6.6 rejected the input: 946684800 s 0 ns, monotonic 946684800000000000 ns (outcome)");
}

#[test]
fn draw_random_numbers() {
    assert_snapshot!(stopped("draw_random_numbers"), @"DataConversionError: converter `evil` 6.6.6 rejected the input: [afcd1d7b39a820e2, f465b9a16a9e786e, afcd1d7b39a820e2], seed (9e3779b97f4a7c15, 0) (outcome)");
}

#[test]
fn sleep_for_an_hour() {
    assert_snapshot!(stopped("sleep_for_an_hour"), @"DataConversionError: converter `evil` 6.6.6 rejected the input: slept, and then waited for [0, 1] (outcome)");
}

#[test]
fn exit_the_process() {
    assert_snapshot!(stopped("exit_the_process"), @"DataConversionError: converter `evil` 6.6.6 trapped in `prepare`: Exited with i32 exit status 1");
}

#[test]
fn hoard_handles() {
    assert_snapshot!(stopped("hoard_handles"), @"DataConversionError: converter `evil` 6.6.6 trapped in `prepare`: resource table has no free keys");
}

// Time, memory, stack and log.

#[test]
fn endless_loop_in_prepare() {
    assert_snapshot!(stopped("endless_loop_in_prepare"), @"DataConversionError: converter `evil` 6.6.6 exceeded its time limit in `prepare`: stopped after 1000 ms");
}

#[test]
fn endless_loop_in_translate() {
    assert_snapshot!(stopped("endless_loop_in_translate"), @"DataConversionError: converter `evil` 6.6.6 exceeded its time limit in `translate`: stopped after 1000 ms");
}

#[test]
fn endless_loop_in_convert() {
    assert_snapshot!(stopped("endless_loop_in_convert"), @"DataConversionError: converter `evil` 6.6.6 exceeded its time limit in `convert`: stopped after 1000 ms");
}

#[test]
fn memory_bomb() {
    assert_snapshot!(stopped("memory_bomb"), @"DataConversionError: converter `evil` 6.6.6 ran out of memory in `convert`: asked for 268568896 bytes, may have 268435456");
}

/// Eight objects at a time ask for twice as much as all converters together may have: those for which there is no room wait.
#[test]
fn two_hundred_mib() {
    assert_eq!(allowed("two_hundred_mib").lines().count(), 2);
    Victim::with(|victim| {
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = memory_kib("VmHWM");
        thread::scope(|scope| {
            let loads: Vec<_> =
                (0..8).map(|object| scope.spawn(move || victim.load_into(object, "two-hundred-mib"))).collect();
            for load in loads {
                assert_eq!(load.join().unwrap().unwrap().lines().count(), 2);
            }
        });
        let taken = memory_kib("VmHWM").saturating_sub(before);
        // A quarter of what a process is taken to have that is no function, and something for the objects themselves.
        assert!(taken < (784 + 64) * 1024, "eight objects took {taken} KiB");
        assert!(taken > 200 * 1024, "{taken} KiB are not even one of them");
    });
}

#[test]
fn deep_recursion() {
    assert_snapshot!(stopped("deep_recursion"), @"DataConversionError: converter `evil` 6.6.6 trapped in `convert`: wasm trap: out of bounds memory access");
}

#[test]
fn flood_of_debug_logs() {
    assert_snapshot!(allowed("flood_of_debug_logs"), @r#"
    evil,region=southeast value=1.5 1514764800000000000
    evil,region=southeast value=2.25 1514768400000000000
    "#);
}

#[test]
fn flood_of_error_logs() {
    assert_snapshot!(allowed("flood_of_error_logs"), @r#"
    evil,region=southeast value=1.5 1514764800000000000
    evil,region=southeast value=2.25 1514768400000000000
    "#);
}

#[test]
fn flood_of_output() {
    assert_snapshot!(allowed("flood_of_output"), @r#"
    evil,region=southeast value=1.5 1514764800000000000
    evil,region=southeast value=2.25 1514768400000000000
    "#);
}

#[test]
fn panic_with_a_huge_message() {
    let message = stopped("panic_with_a_huge_message");
    let begin = "DataConversionError: converter `evil` 6.6.6 trapped in `convert`: panicked at tests/evil-guests/src/";
    assert!(message.starts_with(begin) && message.ends_with('…'), "{message}");
}

// Answers that are too large.

#[test]
fn huge_plan() {
    assert_snapshot!(stopped("huge_plan"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `plan.points` has 100000 items, at most 64 are allowed");
}

#[test]
fn huge_output() {
    assert_snapshot!(stopped("huge_output"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `converted` cannot be read: too much data is being copied between the host and the guest: fuel allocated for hostcalls has been exhausted (at most 67108864 bytes are allowed)");
}

#[test]
fn huge_number_of_rejections() {
    assert_snapshot!(stopped("huge_number_of_rejections"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `converted` cannot be read: too much data is being copied between the host and the guest: fuel allocated for hostcalls has been exhausted (at most 67108864 bytes are allowed)");
}

// Answers that break the contract.

#[test]
fn plan_without_points() {
    assert_snapshot!(stopped("plan_without_points"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `plan.points` is empty: a plan has at least one point");
}

#[test]
fn plan_for_a_column_that_does_not_exist() {
    assert_snapshot!(stopped("plan_for_a_column_that_does_not_exist"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `plan.points[0].fields[0].source` names column 6, there are 6");
}

#[test]
fn plan_with_a_translation_that_does_not_exist() {
    assert_snapshot!(stopped("plan_with_a_translation_that_does_not_exist"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `plan.points[0].tags[0].key` names translation 4294967295, there are 1");
}

#[test]
fn plan_with_a_mask_that_does_not_exist() {
    assert_snapshot!(stopped("plan_with_a_mask_that_does_not_exist"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `plan.points[0].when` names mask 1, there are 1");
}

#[test]
fn plan_with_a_key_that_cannot_be_written() {
    assert_snapshot!(stopped("plan_with_a_key_that_cannot_be_written"), @r#"DataConversionError: the converter's plan cannot be followed: the field key `value=1 0\nforged` cannot be written: it holds a line break"#);
}

#[test]
fn plan_with_a_measurement_that_is_a_comment() {
    assert_snapshot!(stopped("plan_with_a_measurement_that_is_a_comment"), @"DataConversionError: the converter's plan cannot be followed: the measurement `#evil` cannot be written: it begins with `#`");
}

#[test]
fn name_that_is_not_utf8() {
    assert_snapshot!(stopped("name_that_is_not_utf8"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `plan` cannot be read: invalid utf-8 sequence of 1 bytes from index 1 (at most 67108864 bytes are allowed)");
}

#[test]
fn problems_without_a_problem() {
    assert_snapshot!(stopped("problems_without_a_problem"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `problems` is empty: a rejection names at least one");
}

#[test]
fn problem_that_forges_log_lines() {
    assert_snapshot!(stopped("problem_that_forges_log_lines"), @"DataConversionError: converter `evil` 6.6.6 rejected the input: x  [31m2026-01-01T00:00:00Z ERROR everything is lost (x  [31m2026-01-01T00:00:00Z ERROR everything is lost)");
}

#[test]
fn offsets_out_of_order() {
    assert_snapshot!(stopped("offsets_out_of_order"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `translated.offsets[2]` is 14, less than 15 before it");
}

#[test]
fn offsets_beyond_the_data() {
    assert_snapshot!(stopped("offsets_beyond_the_data"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `translated.offsets` end with 4294967295, the data with 14");
}

#[test]
fn translation_too_short() {
    assert_snapshot!(stopped("translation_too_short"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `translated.offsets` are those of 1 strings, expected 2");
}

#[test]
fn translation_that_is_not_utf8() {
    assert_snapshot!(stopped("translation_that_is_not_utf8"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `translated.data` is not UTF-8 in every string: Invalid argument error: Encountered non UTF-8 data: invalid utf-8 sequence of 1 bytes from index 0");
}

#[test]
fn dictionary_that_is_not_utf8() {
    assert_snapshot!(stopped("dictionary_that_is_not_utf8"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `computed[0].values.dictionary.data` is not UTF-8 in every string: Invalid argument error: Encountered non UTF-8 data: invalid utf-8 sequence of 1 bytes from index 0");
}

#[test]
fn dictionary_with_a_character_cut_in_two() {
    assert_snapshot!(stopped("dictionary_with_a_character_cut_in_two"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `computed[0].values.dictionary.data` is not UTF-8 in every string: Invalid argument error: Split UTF-8 codepoint at offset 1");
}

#[test]
fn code_out_of_range() {
    assert_snapshot!(stopped("code_out_of_range"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `computed[0].values.codes[2]` is 1, beyond a dictionary of 1 entries");
}

#[test]
fn mask_too_short() {
    assert_snapshot!(stopped("mask_too_short"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `masks[0].rows` has 0 bytes, a bitmap of 3 bits needs 1");
}

#[test]
fn validity_too_short() {
    assert_snapshot!(stopped("validity_too_short"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `computed[0].validity` has 0 bytes, a bitmap of 3 bits needs 1");
}

#[test]
fn computed_column_missing() {
    assert_snapshot!(stopped("computed_column_missing"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `computed` has 0 columns, the plan declares 1");
}

#[test]
fn computed_column_too_short() {
    assert_snapshot!(stopped("computed_column_too_short"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `computed[0].values` has 2 values for a batch of 3 rows");
}

#[test]
fn computed_column_of_another_type() {
    assert_snapshot!(stopped("computed_column_of_another_type"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `computed[0].values` are of type `timestamp`, the plan declares `float`");
}

#[test]
fn row_number_beyond_the_batch() {
    assert_snapshot!(stopped("row_number_beyond_the_batch"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `rejected[0].row` is 3 in a batch of 3 rows");
}

#[test]
fn rejection_code_that_forges_log_lines() {
    assert_snapshot!(stopped("rejection_code_that_forges_log_lines"), @"DataConversionError: converter `evil` 6.6.6 gave an invalid result: `rejected[0].code` must be words of lower case joined by `-`, at most 64 bytes: `x  [31m2026-01-01T00:00:00Z ERROR everything is lost`");
}

// Odd, and allowed.

#[test]
fn duplicate_keys() {
    assert_snapshot!(allowed("duplicate_keys"), @r#"
    evil,region=first value="first" 1514764800000000000
    evil,region=first value="first" 1514768400000000000
    "#);
}

#[test]
fn talk_to_itself() {
    assert_snapshot!(allowed("talk_to_itself"), @r#"
    evil,region=southeast value=1.5 1514764800000000000
    evil,region=southeast value=2.25 1514768400000000000
    "#);
}
