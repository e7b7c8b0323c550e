//! Attacks on the loader's way from bytes to a converter.

use influxdb_loader::converter::ConverterError;
use insta::assert_snapshot;

use super::module::Module;
use super::{Victim, evil_component, nest};

/// Why the bytes are not taken as a converter.
fn refused(component: &[u8]) -> String {
    let error = Victim::with(|victim| victim.compile(component)).unwrap_err();
    let hint = error.hint().map_or(String::new(), |hint| format!(" ({hint})"));
    let message = error.to_string();
    assert!(message.len() <= 2048 && !message.contains(char::is_control), "{message:?}");
    without_digest(&message) + &hint
}

/// Digests become `…`.
fn without_digest(message: &str) -> String {
    let Some((before, after)) = message.split_once("sha256:") else { return message.to_owned() };
    format!("{before}sha256:…{}", after.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
}

fn text(component: &str) -> Vec<u8> {
    wat::parse_str(component).unwrap()
}

#[test]
fn the_module_that_the_others_vary_is_a_converter() {
    let converter = Victim::with(|victim| victim.compile(&Module::default().component())).unwrap();
    assert_eq!(converter.description().name, "evil");
}

#[test]
fn an_empty_file() {
    assert_snapshot!(refused(b""), @"component `sha256:…` is not a WebAssembly component: it is empty");
}

#[test]
fn a_file_of_something_else() {
    assert_snapshot!(refused(b"\x7fELF\x02\x01\x01\x00"), @"component `sha256:…` is not a WebAssembly component: it is no WebAssembly at all");
}

#[test]
fn a_module_that_is_no_component() {
    assert_snapshot!(refused(&text("(module)")), @"component `sha256:…` is not a WebAssembly component: it is a core WebAssembly module, not a component (build it with `influxdb-loader converter build`)");
}

#[test]
fn a_component_of_another_world() {
    let component = r#"(component (instance $run) (export "wasi:cli/run@0.2.0" (instance $run)))"#;
    assert_snapshot!(refused(&text(component)), @"component `sha256:…` is not a converter: it exports `wasi:cli/run@0.2.0`, a converter exports `influxdb-loader:converter/converter@0.2.0`");
}

#[test]
fn a_component_of_another_contract_version() {
    assert_snapshot!(refused(&Module { contract: "0.3.0", ..Module::default() }.component()), @"component `sha256:…` speaks contract version 0.3.0, this loader speaks 0.1.0 and 0.2.0 (update the loader, or build the converter against the `wit` directory of this loader)");
}

#[test]
fn an_import_that_converters_do_not_get() {
    let component = r#"(component
        (import "wasi:http/outgoing-handler@0.2.0" (instance))
        (import "evil:shell/run@1.0.0" (instance)))"#;
    assert_snapshot!(refused(&text(component)), @"component `sha256:…` imports what converters do not get: `wasi:http/outgoing-handler@0.2.0`, `evil:shell/run@1.0.0` (converters read no files, network or environment; build for `wasm32-unknown-unknown`)");
}

/// A kilobyte that the compiler would write out to gigabytes.
#[test]
fn a_nest_of_instantiations_that_double_at_each_of_26_levels() {
    let component = text(&nest());
    assert!(component.len() < 2048, "{}", component.len());
    assert_snapshot!(refused(&component), @"component `sha256:…` does not compile: it has 134217727 instances when nested ones are written out, at most 1000 are allowed");
}

#[test]
fn an_import_of_ours_that_is_of_another_type() {
    let component = r#"(component
        (import "influxdb-loader:converter/host@0.1.0" (instance (export "log" (func (param "all" bool)))))
        (instance $converter)
        (export "influxdb-loader:converter/converter@0.1.0" (instance $converter)))"#;
    assert_snapshot!(refused(&text(component)), @"component `sha256:…` is not a converter: component imports instance `influxdb-loader:converter/host@0.1.0`, but a matching implementation was not found in the linker: instance export `log` has the wrong type: type mismatch with parameters: expected 2-tuple, found 1-tuple");
}

#[test]
fn a_start_function_that_traps() {
    let items = "(func $start unreachable) (start $start)";
    assert_snapshot!(refused(&Module { items, ..Module::default() }.component()), @"component `sha256:…` trapped while it started: wasm trap: wasm `unreachable` instruction executed");
}

#[test]
fn a_start_function_that_never_ends() {
    let items = "(func $start (loop $forever (br $forever))) (start $start)";
    assert_snapshot!(refused(&Module { items, ..Module::default() }.component()), @"component `sha256:…` exceeded its time limit while it started: stopped after 1000 ms");
}

#[test]
fn a_memory_that_is_too_large_from_the_start() {
    assert_snapshot!(refused(&Module { pages: 65_536, ..Module::default() }.component()), @"component `sha256:…` ran out of memory while it started: asked for 4294967296 bytes, may have 268435456");
}

#[test]
fn a_table_that_is_too_large_from_the_start() {
    let items = "(table 0xffff_ffff funcref)";
    assert_snapshot!(refused(&Module { items, ..Module::default() }.component()), @"component `sha256:…` ran out of memory while it started: asked for 68719542256 bytes, may have 268435456");
}

#[test]
fn an_endless_loop_in_describe() {
    let describe = "(loop $forever (br $forever))";
    assert_snapshot!(refused(&Module { describe, ..Module::default() }.component()), @"component `sha256:…` exceeded its time limit in `describe`: stopped after 1000 ms");
}

#[test]
fn a_recursion_without_end_in_describe() {
    let items = "(func $deeper (call $deeper))";
    let module = Module { items, describe: "(call $deeper)", ..Module::default() };
    assert_snapshot!(refused(&module.component()), @"component `sha256:…` trapped in `describe`: wasm trap: call stack exhausted");
}

#[test]
fn a_trap_in_describe() {
    assert_snapshot!(refused(&Module { describe: "unreachable", ..Module::default() }.component()), @"component `sha256:…` trapped in `describe`: wasm trap: wasm `unreachable` instruction executed");
}

#[test]
fn a_description_beyond_the_memory() {
    let describe = "(return (i32.const 0x7fff_fff0))";
    assert_snapshot!(refused(&Module { describe, ..Module::default() }.component()), @"component `sha256:…` gave an invalid result: `description` cannot be read: pointer out of bounds of memory (at most 67108864 bytes are allowed)");
}

#[test]
fn a_name_that_is_longer_than_the_memory() {
    let describe = "(i32.store (i32.const 4) (i32.const 0x7fff_ffff))";
    assert_snapshot!(refused(&Module { describe, ..Module::default() }.component()), @"component `sha256:…` gave an invalid result: `description` cannot be read: string pointer/length out of bounds of memory (at most 67108864 bytes are allowed)");
}

#[test]
fn a_name_that_leads_out_of_its_directory() {
    // The name `evil` becomes `../l`.
    let describe = "(i32.store (i32.const 64) (i32.const 0x6c2f_2e2e))";
    assert_snapshot!(refused(&Module { describe, ..Module::default() }.component()), @"component `sha256:…` gave an invalid result: `description.name` must be words of lower case joined by `-`: `../l`");
}

#[test]
fn a_component_that_is_cut_in_half() {
    let whole = evil_component();
    let message = refused(&whole[..whole.len() / 2]);
    assert!(message.starts_with("component `sha256:…` does not compile: "), "{message}");
}

/// Whatever becomes of it: it is refused, or it is a converter that is as harmless as any other.
#[test]
fn a_component_with_a_flipped_bit() {
    const PLACES: usize = 24;
    let whole = evil_component();
    let mut refused = 0;
    for place in 0..PLACES {
        let mut spoiled = whole.to_vec();
        // Every place between the first byte and the last, and each bit of a byte in turn.
        spoiled[place * (whole.len() - 1) / (PLACES - 1)] ^= 1 << (place % 8);
        let outcome = Victim::with(|victim| {
            let converter = victim.compile(&spoiled)?;
            victim.loader.catalog().insert("evil", converter);
            Ok(victim.survives(|| victim.load("evil")))
        });
        match outcome {
            Ok(Ok(lines)) => assert!(lines.lines().count() <= 2, "{lines}"),
            Ok(Err(message)) => assert!(message.starts_with("DataConversionError: converter `"), "{message}"),
            Err(error @ ConverterError::Engine { .. }) => panic!("the host takes the blame: {error}"),
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().contains(char::is_control), "{error}");
            }
        }
    }
    assert!(refused > 0, "at least the first byte matters");
}
