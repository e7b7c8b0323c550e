"""What a judge compares: rows as one reader has them, and as the lines of the loader have them.

A cell is what the loader must write for a value: `i` and the digits of an integer, `u` for an unsigned one, `f` and a float,
`b` and a boolean, `t` and a text. A row is a dictionary of cells by column, without the columns where it has no value.
"""

import datetime
import decimal
import math
import os
import subprocess
import uuid

EPOCH = datetime.date(1970, 1, 1)


def convert(loader, component, path, threads=1, rows_per_batch=None):
    """The rows of a file as `influxdb-loader convert` writes them, by number, and what it reports of the others."""
    environment = {**os.environ, "CONVERTER_THREADS": str(threads), "LOG_LEVEL": "off"}
    if rows_per_batch is not None:
        environment["MAX_BATCH_SIZE"] = str(rows_per_batch)
    command = [loader, "convert", path, "--dataset", "every-column", "--converter", component]
    run = subprocess.run(command, capture_output=True, env=environment, timeout=120)
    said = run.stderr.decode()
    if run.returncode != 0:
        raise AssertionError(f"the loader fails for {path}: {said}")
    rows = {}
    for line in run.stdout.decode().split("\n")[:-1]:
        cells = read_line(line)
        number = int(cells.pop("row")[1])
        assert number not in rows, f"row {number} is written twice"
        rows[number] = cells
    return rows, said


def read_line(line):
    """The cells of a line of the measurement `rows`, which has no tags."""
    prefix = "rows "
    assert line.startswith(prefix), line
    cells, at = {}, len(prefix)
    while True:
        end = line.index("=", at)
        key, at = line[at:end], end + 1
        if line[at] == '"':
            text = []
            at += 1
            while line[at] != '"':
                if line[at] == "\\":
                    at += 1
                text.append(line[at])
                at += 1
            cells[key] = ("t", "".join(text))
            at += 1
        else:
            end = min(place for place in (line.find(",", at), line.find(" ", at)) if place >= 0)
            cells[key], at = read_number(line[at:end]), end
        if line[at] == " ":
            return cells
        at += 1


def read_number(token):
    if token in ("true", "false"):
        return ("b", token == "true")
    if token[-1] in "iu":
        return (token[-1], int(token[:-1]))
    return ("f", float(token))


def cell(value, kind):
    """The cell that a value of a column of this kind must become; None where it is missing."""
    if value is None:
        return None
    if kind == "float":
        return ("f", float(value)) if math.isfinite(value) else None
    if kind == "decimal":
        # The nearest float, by Python's own reading of the digits.
        return ("f", float(value))
    if kind == "boolean":
        return ("b", bool(value))
    if kind == "text":
        return ("t", str(value))
    if kind == "date":
        return nanoseconds((value - EPOCH).days * 86_400_000_000_000)
    if kind == "nanoseconds":
        return nanoseconds(int(value))
    return ("i", int(value))


def nanoseconds(value):
    return ("i", value) if -(2**63) <= value < 2**63 else None


def text(value, kind):
    """The text that a value must have as a tag, or none where it is not checked here."""
    if kind == "decimal":
        return ("t", format(value, "f"))
    if kind == "boolean":
        return ("t", "true" if value else "false")
    if kind in ("integer", "text"):
        return ("t", str(value))
    return None


def expected(columns):
    """Rows of columns, each a name, a kind and a list of values."""
    rows = {}
    for name, kind, values in columns:
        for number, value in enumerate(values):
            row = rows.setdefault(number, {})
            found = cell(value, kind)
            if found is None:
                continue
            row[name] = found
            row[name + "_text"] = text(value, kind)
    return rows


def difference(found, wanted):
    """The first difference of two sets of rows, in words; None where there is none."""
    for number in sorted(wanted.keys() | found.keys()):
        if number not in found or number not in wanted:
            return f"row {number}: found {found.get(number)}, wanted {wanted.get(number)}"
        one, other = found[number], wanted[number]
        for name in sorted(one.keys() | other.keys()):
            if name in other and name in one and other[name] is None:
                continue
            if one.get(name) != other.get(name):
                return f"row {number}, `{name}`: found {one.get(name)}, wanted {other.get(name)}"
    return None


__all__ = ["cell", "convert", "decimal", "difference", "expected", "uuid"]
