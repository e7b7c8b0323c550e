#!/bin/sh
# Builds the function for processors of Lambda, and tries it: `scripts/lambda.sh x86_64 arm64`, run by the Makefile. The zips are put
# into target/lambda. PROGRAMS names what else is built, for the same C library: scripts/release.sh wants the command line, too.
#
# cargo-lambda builds with zig as linker and C compiler, against the glibc of provided.al2023. Rust's standard library for the
# processor is that of the toolchain in use. Where that has none for arm64, and apt exists, Debian's Rust builds it. What is not
# for the processor of this machine runs under QEMU, where apt exists.
set -eu

cd "$(dirname "$0")/.."
TOOLS=${TOOLS:-$PWD/target/tools}
PATH=$TOOLS/venv/bin:$PATH
OUTPUT=$PWD/target/lambda
PROGRAMS=${PROGRAMS:-lambda}

# What AWS takes by direct upload is 50 MB; small ones start sooner.
LIMIT=20000000

# The minor version of provided.al2023's glibc 2.
GLIBC=34

say() {
    printf '%s\n' "lambda: $*"
}

has_library() {
    [ -d "$(rustc --print target-libdir --target "$1")" ]
}

build() {
    for program in $PROGRAMS; do
        cargo lambda build --quiet --profile deployed --locked "$flag" --package influxdb-loader --bin "$program" \
            --output-format zip --lambda-dir "$OUTPUT/$architecture"
        python3 -m zipfile -e "$OUTPUT/$architecture/$program/bootstrap.zip" "$OUTPUT/$architecture/$program"
        chmod +x "$OUTPUT/$architecture/$program/bootstrap"
    done
}

machine=$(uname -m | sed 's/aarch64/arm64/')
apt=
if [ "$machine" = x86_64 ]; then
    apt=$(command -v apt-get || true)
fi
missing=
for architecture in "$@"; do
    case $architecture in
    x86_64) triple=x86_64-unknown-linux-gnu flag=--x86-64 ;;
    arm64) triple=aarch64-unknown-linux-gnu flag=--arm64 ;;
    *)
        say "no processor of Lambda: $architecture" >&2
        exit 1
        ;;
    esac
    say "building for $architecture; the first time takes a quarter of an hour"
    if has_library "$triple"; then
        build
    elif [ "$architecture" = arm64 ] && [ -n "$apt" ]; then
        scripts/install.sh rust-arm64
        (
            # Not RUSTC, which converters are compiled with too.
            export RUSTC_WRAPPER="$TOOLS/arm64/rustc" PATH="$TOOLS/arm64/bin:$PATH"
            build
        )
    else
        missing="$missing $triple"
        continue
    fi
    zip=$OUTPUT/$architecture/lambda/bootstrap.zip
    bootstrap=$OUTPUT/$architecture/lambda/bootstrap
    size=$(wc -c <"$zip")
    say "$zip has $size bytes"
    if [ "$size" -ge $LIMIT ]; then
        say "that is more than $LIMIT bytes" >&2
        exit 1
    fi
    newest=$(grep --text --only-matching 'GLIBC_2\.[0-9]*' "$bootstrap" | cut -d . -f 2 | sort --numeric-sort | tail -n 1)
    say "it needs glibc 2.$newest"
    if [ "$newest" -gt $GLIBC ]; then
        say "Lambda has glibc 2.$GLIBC" >&2
        exit 1
    fi
    if [ "$architecture" = "$machine" ]; then
        say "starting it"
        python3 scripts/cold_start.py "$bootstrap"
        say "trying it under the emulator"
        python3 scripts/smoke.py "$bootstrap"
    elif [ "$architecture" = arm64 ] && [ -n "$apt" ]; then
        scripts/install.sh qemu-arm64
        say "trying it under the emulator and QEMU"
        python3 scripts/smoke.py "$TOOLS/arm64/qemu" "$bootstrap"
    else
        say "not tried: this machine is for $machine"
    fi
done

if [ -n "$missing" ]; then
    say "not built, because Rust's standard library is not here:$missing" >&2
    printf '%s\n' "hint: rustup target add$missing" >&2
    exit 1
fi
