//! What is not taken as a converter.

use insta::assert_snapshot;

use super::*;

fn refused(bytes: &[u8]) -> String {
    let error = engine().compile(bytes).unwrap_err();
    assert!(error.is_unusable_component(), "{error}");
    told(&error)
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[test]
fn bytes_that_are_no_component_say_what_they_are() {
    let module = wat::parse_str("(module)").unwrap();
    assert_snapshot!(refused(&module), @"not-a-component: component `sha256:…` is not a WebAssembly component: it is a core WebAssembly module, not a component");
    assert_snapshot!(engine().compile(&module).unwrap_err().hint().unwrap(), @"build it with `influxdb-loader converter build`");
    assert_snapshot!(refused(b""), @"not-a-component: component `sha256:…` is not a WebAssembly component: it is empty");
    assert_snapshot!(refused(b"\0as"), @"not-a-component: component `sha256:…` is not a WebAssembly component: it ends in its first eight bytes");
    assert_snapshot!(refused(b"\x7fELF\x02\x01\x01\x00 and more"), @"not-a-component: component `sha256:…` is not a WebAssembly component: it is no WebAssembly at all");
    assert_snapshot!(refused(b"(component)"), @"not-a-component: component `sha256:…` is not a WebAssembly component: it is WebAssembly text, not binary");
}

#[test]
fn a_component_that_is_cut_off_or_spoiled_does_not_compile() {
    let whole = Guest::default().component();
    assert!(refused(&whole[..whole.len() / 2]).contains("unexpected end-of-file"));
    assert_snapshot!(refused(b"\0asm\x0d\0\x01\0\xff\xff\xff"), @"compile: component `sha256:…` does not compile: failed to parse WebAssembly module: malformed section id (at offset 0x8)");
    // Wherever it is cut: where only names are missing, at the end, it still works.
    for end in (0..whole.len()).step_by(7) {
        match engine().compile(&whole[..end]) {
            Ok(converter) => assert_eq!(converter.description().name, "wat-guest"),
            Err(error) => assert!(error.is_unusable_component(), "{error}"),
        }
    }
}

#[test]
fn a_component_that_is_too_large_is_not_even_read() {
    let engine = Engine::new(Limits { component_bytes: 100, ..Limits::default() }).unwrap();
    let large = [&b"\0asm\x0d\0\x01\0"[..], &[0; 93]].concat();
    assert_snapshot!(told(&engine.compile(&large).unwrap_err()), @"compile: component `sha256:…` does not compile: it has 101 bytes, at most 100 are allowed");
}

#[test]
fn all_imports_that_converters_do_not_get_are_named() {
    let text = r#"(component
        (import "wasi:cli/stdout@0.2.0" (instance))
        (import "wasi:http/outgoing-handler@0.2.0" (instance))
        (import "acme:telemetry/sink@1.0.0" (instance)))"#;
    assert_snapshot!(refused(&component(text)), @"unsupported-imports: component `sha256:…` imports what converters do not get: `wasi:http/outgoing-handler@0.2.0`, `acme:telemetry/sink@1.0.0`");
}

#[test]
fn another_version_of_the_contract_is_named() {
    let text = r#"(component (instance $i) (export "influxdb-loader:converter/converter@0.3.0" (instance $i)))"#;
    assert_snapshot!(refused(&component(text)), @"contract-version: component `sha256:…` speaks contract version 0.3.0, this loader speaks 0.1.0 and 0.2.0");
    let text = r#"(component (import "influxdb-loader:converter/host@1.0.0" (instance)))"#;
    assert_snapshot!(refused(&component(text)), @"contract-version: component `sha256:…` speaks contract version 1.0.0, this loader speaks 0.1.0 and 0.2.0");
}

#[test]
fn a_component_of_another_world_is_no_converter() {
    assert_snapshot!(refused(&component("(component)")), @"not-a-converter: component `sha256:…` is not a converter: it exports nothing, a converter exports `influxdb-loader:converter/converter@0.2.0`");
    let text = r#"(component (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))"#;
    assert_snapshot!(refused(&component(text)), @"not-a-converter: component `sha256:…` is not a converter: it exports `wasi:cli/run@0.2.0`, a converter exports `influxdb-loader:converter/converter@0.2.0`");
    // The right name on something else.
    let text = r#"(component (instance $i) (export "influxdb-loader:converter/converter@0.1.0" (instance $i)))"#;
    assert_snapshot!(refused(&component(text)), @"not-a-converter: component `sha256:…` is not a converter: instance export `influxdb-loader:converter/converter@0.1.0` does not have export `describe`");
    let text = r#"(component
        (core module $m (func (export "f")))
        (core instance $m (instantiate $m))
        (func $f (canon lift (core func $m "f")))
        (instance $i (export "describe" (func $f)) (export "prepare" (func $f))
            (export "translate" (func $f)) (export "convert" (func $f)))
        (export "influxdb-loader:converter/converter@0.1.0" (instance $i)))"#;
    assert_snapshot!(refused(&component(text)), @"not-a-converter: component `sha256:…` is not a converter: failed to convert function to given type: type mismatch with results: expected 1-tuple, found 0-tuple");
}

#[test]
fn a_description_that_breaks_the_contract_is_refused() {
    // The name becomes `WAT-guest`.
    let describe = "(i32.store (i32.const 1024) (i32.const 0x2d544157))";
    let error = engine().compile(&Guest { describe, ..Guest::default() }.component()).unwrap_err();
    assert_snapshot!(told(&error), @"invalid-result: component `sha256:…` gave an invalid result: `description.name` must be words of lower case joined by `-`: `WAT-guest`");
}
