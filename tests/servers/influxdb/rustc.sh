#!/bin/sh
# Runs the Rust compiler for Flux's library, which denies warnings: newer compilers than Flux's have more of them.
# Cargo calls it as `rustc.sh RUSTC ARGUMENT...`. The compiler takes `--cap-lints` once, and Cargo gives it for dependencies.
case " $* " in
*" --cap-lints "*) exec "$@" ;;
*) exec "$@" --cap-lints=warn ;;
esac
