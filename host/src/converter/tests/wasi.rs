//! Guests that were built for WASI: they run, get nothing, and cannot wait.

use std::time::{Duration, Instant};

use insta::assert_snapshot;

use super::*;

/// As much of WASI as the guests below use.
const WIT: &str = "
    package wasi:io@0.2.0 {
      interface poll { resource pollable { block: func(); } }
      interface error { resource error; }
      interface streams {
        use error.{error};
        variant stream-error { last-operation-failed(error), closed }
        resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
        resource input-stream { blocking-read: func(len: u64) -> result<list<u8>, stream-error>; }
      }
    }
    package wasi:clocks@0.2.0 {
      interface monotonic-clock {
        use wasi:io/poll@0.2.0.{pollable};
        now: func() -> u64;
        subscribe-duration: func(when: u64) -> pollable;
      }
    }
    package wasi:cli@0.2.0 {
      interface stdin { use wasi:io/streams@0.2.0.{input-stream}; get-stdin: func() -> input-stream; }
      interface stderr { use wasi:io/streams@0.2.0.{output-stream}; get-stderr: func() -> output-stream; }
      interface environment { get-environment: func() -> list<tuple<string, string>>; }
      interface exit { exit: func(status: result); }
    }
    package wasi:random@0.2.0 { interface random { get-random-u64: func() -> u64; } }
    package wasi:filesystem@0.2.0 {
      interface types { resource descriptor; }
      interface preopens {
        use types.{descriptor};
        get-directories: func() -> list<tuple<descriptor, string>>;
      }
    }
    package wasi:sockets@0.2.0 {
      interface network { enum error-code { unknown, access-denied } enum ip-address-family { ipv4, ipv6 } }
    }";

fn guest(world: &'static str, items: &str, convert: &'static str) -> Guest {
    Guest { wit: WIT, world, items: items.to_owned(), convert, ..Guest::default() }
}

fn convert(guest: &Guest) -> Result<super::super::Converted, ConverterError> {
    prepared(&small_engine(), guest).convert(&no_columns())
}

#[test]
fn a_sleep_of_an_hour_is_over_at_once() {
    let guest = guest(
        "import wasi:clocks/monotonic-clock@0.2.0;",
        r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $subscribe (param i64) (result i32)))
           (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
           (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#,
        "(local $now i64) (local.set $now (call $now))
         (call $block (call $subscribe (i64.const 3600000000000)))
         (if (i64.ne (local.get $now) (call $now)) (then (unreachable)))",
    );
    let start = Instant::now();
    convert(&guest).unwrap();
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    // And on a thread of a runtime.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let called = runtime.block_on(async { tokio::task::spawn_blocking(move || convert(&guest).map(drop)).await });
    called.unwrap().unwrap();
}

#[test]
fn a_guest_that_waits_again_and_again_runs_out_of_time() {
    let guest = guest(
        "import wasi:clocks/monotonic-clock@0.2.0;",
        r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $subscribe (param i64) (result i32)))
           (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
           (import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop (param i32)))"#,
        "(local $wait i32) (loop $forever
           (local.set $wait (call $subscribe (i64.const 1000000000)))
           (call $block (local.get $wait)) (call $drop (local.get $wait)) (br $forever))",
    );
    assert_eq!(convert(&guest).unwrap_err().kind(), "out-of-time");
}

#[test]
fn a_guest_cannot_hoard_resources_of_the_host() {
    let guest = guest(
        "import wasi:clocks/monotonic-clock@0.2.0;",
        r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $subscribe (param i64) (result i32)))"#,
        "(loop $forever (drop (call $subscribe (i64.const 1))) (br $forever))",
    );
    assert_eq!(convert(&guest).unwrap_err().kind(), "trapped");
}

#[test]
fn standard_error_is_in_the_detail_of_a_trap() {
    let guest = guest(
        "import wasi:cli/stderr@0.2.0;",
        r#"(import "wasi:cli/stderr@0.2.0" "get-stderr" (func $stderr (result i32)))
           (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
             (func $write (param i32 i32 i32 i32)))"#,
        "(call $write (call $stderr) (i32.const 1024) (i32.const 9) (i32.const 7000)) (unreachable)",
    );
    let error = convert(&guest).unwrap_err();
    assert_eq!(error.kind(), "trapped");
    assert_eq!(error.detail()[0], "wat-guest");
}

#[test]
fn standard_input_has_ended() {
    let guest = guest(
        "import wasi:cli/stdin@0.2.0;",
        r#"(import "wasi:cli/stdin@0.2.0" "get-stdin" (func $stdin (result i32)))
           (import "wasi:io/streams@0.2.0" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))"#,
        // An error, and of the kind `closed`.
        "(call $read (call $stdin) (i64.const 100) (i32.const 7000))
         (if (i32.ne (i32.load8_u (i32.const 7000)) (i32.const 1)) (then (unreachable)))
         (if (i32.ne (i32.load8_u (i32.const 7004)) (i32.const 1)) (then (unreachable)))",
    );
    convert(&guest).unwrap();
}

#[test]
fn there_is_no_environment_and_no_directory_and_random_numbers_are_the_same_everywhere() {
    let guest = guest(
        "import wasi:cli/environment@0.2.0; import wasi:random/random@0.2.0; import wasi:filesystem/preopens@0.2.0;",
        r#"(import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
           (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))
           (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))"#,
        "(i32.store (i32.const 7004) (i32.const 1)) (call $environment (i32.const 7000))
         (if (i32.load (i32.const 7004)) (then (unreachable)))
         (i32.store (i32.const 7004) (i32.const 1)) (call $directories (i32.const 7000))
         (if (i32.load (i32.const 7004)) (then (unreachable)))
         (if (i64.ne (call $random) (i64.const 0xafcd1d7b39a820e2)) (then (unreachable)))",
    );
    convert(&guest).unwrap();
}

#[test]
fn a_guest_that_exits_has_failed() {
    let guest = guest(
        "import wasi:cli/exit@0.2.0;",
        r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#,
        "(call $exit (i32.const 0))",
    );
    assert_snapshot!(told(&convert(&guest).unwrap_err()), @"trapped: converter `wat-guest` 1.0.0 trapped in `convert`: Exited with i32 exit status 0");
}
