#!/bin/sh
# Builds the function for each processor of Lambda, as far as this machine can, and tries the one that runs here:
# `scripts/lambda.sh`, run by the Makefile. The zips are put into target/lambda.
#
# cargo-lambda builds with zig as linker and C compiler, against the glibc of provided.al2023. What has to be there is Rust's
# standard library for the processor.
set -eu

cd "$(dirname "$0")/.."
TOOLS=${TOOLS:-$PWD/target/tools}
PATH=$TOOLS/venv/bin:$PATH
OUTPUT=$PWD/target/lambda

# What AWS takes by direct upload is 50 MB; small ones start sooner.
LIMIT=20000000

missing=
for architecture in x86_64 arm64; do
    case $architecture in
    x86_64) triple=x86_64-unknown-linux-gnu flag=--x86-64 ;;
    arm64) triple=aarch64-unknown-linux-gnu flag=--arm64 ;;
    esac
    if [ ! -d "$(rustc --print target-libdir --target "$triple")" ]; then
        missing="$missing $triple"
        continue
    fi
    printf '%s\n' "lambda: building for $architecture; the first time takes a quarter of an hour"
    cargo lambda build --quiet --profile deployed --locked "$flag" --package influxdb-loader --bin lambda \
        --output-format zip --lambda-dir "$OUTPUT/$architecture"
    zip=$OUTPUT/$architecture/lambda/bootstrap.zip
    size=$(wc -c <"$zip")
    printf '%s\n' "lambda: $zip has $size bytes"
    if [ "$size" -ge $LIMIT ]; then
        printf '%s\n' "lambda: that is more than $LIMIT bytes" >&2
        exit 1
    fi
    if [ "$architecture" = "$(uname -m | sed 's/aarch64/arm64/')" ]; then
        printf '%s\n' "lambda: starting it"
        python3 -m zipfile -e "$zip" "$OUTPUT/$architecture/lambda"
        chmod +x "$OUTPUT/$architecture/lambda/bootstrap"
        python3 scripts/cold_start.py "$OUTPUT/$architecture/lambda/bootstrap"
        printf '%s\n' "lambda: trying it under the emulator"
        python3 scripts/smoke.py "$OUTPUT/$architecture/lambda/bootstrap"
    fi
done

if [ -n "$missing" ]; then
    printf '%s\n' "lambda: not built, because Rust's standard library is not here:$missing" "hint: rustup target add$missing" >&2
    exit 1
fi
