"""Where things are: the workspace, what the Makefile installs, and the data."""

import os
from pathlib import Path

from measuring import Failed

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
TOOLS = Path(os.environ.get("TOOLS", ROOT / "target/tools"))

DATA = TARGET / "bench"
CACHE = DATA / "converters"
REAL_FILE = ROOT / "tests/data/dataset=consumption/sao-paulo-load-2018-2021.parquet"


def program(name):
    """The path of a program of others, where `make bench-tools` links it."""
    found = TOOLS / "bin" / name
    if not found.exists():
        raise Failed(f"`{name}` is not installed\nhint: run `make bench-tools`")
    return found
