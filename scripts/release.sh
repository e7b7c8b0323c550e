#!/bin/sh
# Builds a release into target/release-VERSION, from a clean tree: `scripts/release.sh`, run by the Makefile. What is in it stands at the top
# of release.py. scripts/lambda.sh builds and tries the programs, for both processors, against the glibc of provided.al2023.
set -eu

cd "$(dirname "$0")/.."
TOOLS=${TOOLS:-$PWD/target/tools}

say() {
    printf '%s\n' "release: $*"
}

fail() {
    printf '%s\n' "release: $1" "hint: $2" >&2
    exit 1
}

[ -z "$(git status --porcelain)" ] || fail "the tree has changes that are not committed" "commit or stash them: a release is that of a commit"
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
grep -q "^## $version " CHANGELOG.md || fail "CHANGELOG.md has no section \`## $version\`" "move \`Unreleased\` to it, with the date"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

PROGRAMS='lambda influxdb-loader' scripts/lambda.sh x86_64 arm64
staged=$PWD/target/lambda
for architecture in x86_64 arm64; do
    cp "$staged/$architecture/influxdb-loader/bootstrap" "$staged/$architecture/influxdb-loader/influxdb-loader"
    cp "$staged/$architecture/lambda/bootstrap.zip" "$staged/$architecture/influxdb-loader/lambda.zip"
done
output=$PWD/target/release-$version
say "packing into $output"
"$TOOLS/venv/bin/python3" scripts/release.py "$output" "$staged/x86_64/influxdb-loader" "$staged/arm64/influxdb-loader"
