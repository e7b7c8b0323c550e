"""One typed table, written by each of those who write Parquet today: `writers.py LOADER COMPONENT`.

What must be found are the values of the table as they stand here. Fails with the first writer and value that differ.
"""

import datetime
import decimal
import os
import sys
import tempfile
import uuid

import duckdb
import fastparquet
import numpy
import pandas
import polars
import pyarrow as pa
import pyarrow.parquet as pq

import lines

D = decimal.Decimal
UTC = datetime.timezone.utc
NANOSECONDS = [1_700_000_000_123_456_789, -1, None, 0]
TIMES = [datetime.datetime(2024, 2, 29, 23, 59, 59, 123456), datetime.datetime(1969, 7, 20, 20, 17), None, datetime.datetime(1970, 1, 1)]
# The columns that every writer has: a name, the kind of its values, and these.
COLUMNS = [
    ("tiny", "integer", [-128, 127, None, 0]),
    ("integer", "integer", [-(2**63), 2**63 - 1, None, 2**53 + 1]),
    ("unsigned", "integer", [0, 2**32 - 1, None, 7]),
    ("double", "float", [0.1, -1e300, None, 5e-324]),
    ("single", "float", [0.5, -2.25, None, 16777216.0]),
    ("flag", "boolean", [True, False, None, True]),
    ("text", "text", ["São Paulo", 'a "quoted" word', None, "日本語"]),
]
DECIMALS = [
    ("money", [D("0.10"), D("-123456789012345.67"), None, D("1.00")]),
    ("identity", [D(571313174160000019), D(571313174160000020), None, D(1)]),
]
IDENTIFIERS = [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), None, uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")]
DATES = [datetime.date(2024, 2, 29), datetime.date(1677, 9, 22), None, datetime.date(1970, 1, 1)]
OF_DAY = [datetime.time(23, 59, 59, 999999), datetime.time(0), None, datetime.time(12)]


def rows():
    return len(COLUMNS[0][2])


def microseconds(value):
    if value is None:
        return None
    return (value - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1) * 1000


def of_day(value):
    if value is None:
        return None
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 10**6 + value.microsecond


def simple():
    return list(COLUMNS)


def with_times(columns):
    return [*columns, ("at", "nanoseconds", [microseconds(value) for value in TIMES])]


def with_dates(columns):
    return [*columns, ("day", "date", DATES), ("of_day", "integer", [of_day(value) for value in OF_DAY])]


def with_decimals(columns):
    return [*columns, *((name, "decimal", values) for name, values in DECIMALS)]


def with_identifiers(columns):
    return [*columns, ("id", "text", [None if value is None else str(value) for value in IDENTIFIERS])]


def arrow():
    types = {
        "tiny": pa.int8(), "integer": pa.int64(), "unsigned": pa.uint32(), "double": pa.float64(), "single": pa.float32(),
        "flag": pa.bool_(), "text": pa.string(),
    }
    table = {"row": pa.array(range(rows()), pa.int64())}
    table |= {name: pa.array(values, types[name]) for name, _, values in COLUMNS}
    table |= {"at": pa.array(TIMES, pa.timestamp("us")), "exactly_at": pa.array(NANOSECONDS, pa.timestamp("ns", "UTC"))}
    table |= {"day": pa.array(DATES, pa.date32()), "of_day": pa.array(OF_DAY, pa.time64("us"))}
    table |= {"money": pa.array(DECIMALS[0][1], pa.decimal128(18, 2)), "identity": pa.array(DECIMALS[1][1], pa.decimal128(18, 0))}
    storage = pa.array([None if value is None else value.bytes for value in IDENTIFIERS], pa.binary(16))
    table["id"] = pa.ExtensionArray.from_storage(pa.uuid(), storage)
    table["category"] = pa.array(COLUMNS[6][2]).dictionary_encode()
    return pa.table(table)


def write_pyarrow(path):
    pq.write_table(arrow(), path)
    columns = with_identifiers(with_decimals(with_dates(with_times(simple()))))
    return [*columns, ("exactly_at", "nanoseconds", NANOSECONDS), ("category", "text", COLUMNS[6][2])]


def write_pandas(path):
    types = {
        "tiny": "Int8", "integer": "Int64", "unsigned": "UInt32", "double": "Float64", "single": "Float32",
        "flag": "boolean", "text": "string",
    }
    frame = {"row": pandas.Series(range(rows()), dtype="int64")}
    frame |= {name: pandas.Series(values, dtype=types[name]) for name, _, values in COLUMNS}
    frame["at"] = pandas.Series(TIMES, dtype="datetime64[us]")
    frame["money"] = pandas.Series(DECIMALS[0][1], dtype=object)
    frame["category"] = pandas.Series(["b", "a", None, "b"], dtype="category")
    frame["codes"] = pandas.Categorical([10, 20, None, 10])
    frame["nothing"] = pandas.Series([None] * rows(), dtype=object)
    frame["took"] = pandas.Series([1, None, 3, -4], dtype="Int64").astype("timedelta64[ns]")
    pandas.DataFrame(frame).to_parquet(path)
    return [
        *with_times(simple()), ("money", "decimal", DECIMALS[0][1]), ("category", "text", ["b", "a", None, "b"]),
        ("codes", "integer", [10, 20, None, 10]), ("took", "integer", [1, None, 3, -4]),
    ]


def write_duckdb(path):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    table = arrow().drop_columns(["id", "category", "exactly_at"])
    identifiers = pa.array([None if value is None else str(value) for value in IDENTIFIERS])
    table = table.append_column("id", identifiers).append_column("json", pa.array(['{"a": 1}', "[]", None, '"x"']))
    connection.register("source", table)
    connection.execute(
        "COPY (SELECT * REPLACE (id::UUID AS id, json::JSON AS json), text::ENUM ('São Paulo', 'a \"quoted\" word', '日本語')"
        " AS kind, 12345678901234567890::HUGEINT AS huge FROM source) TO '" + path + "' (FORMAT parquet)"
    )
    columns = with_identifiers(with_decimals(with_dates(with_times(simple()))))
    return [
        *columns, ("json", "text", ['{"a": 1}', "[]", None, '"x"']), ("kind", "text", COLUMNS[6][2]),
        ("huge", "float", [1.2345678901234567e19] * rows()),
    ]


def write_polars(path):
    frame = polars.from_arrow(arrow().drop_columns(["id"]))
    frame = frame.with_columns(polars.Series("took", [1, None, 3, -4], dtype=polars.Duration("us")))
    frame.write_parquet(path)
    columns = with_decimals(with_dates(with_times(simple())))
    # Its times of day are nanoseconds.
    columns = [(name, kind, values) for name, kind, values in columns if name != "of_day"]
    thousands = [None if value is None else of_day(value) * 1000 for value in OF_DAY]
    return [
        *columns, ("of_day", "integer", thousands), ("exactly_at", "nanoseconds", NANOSECONDS),
        ("category", "text", COLUMNS[6][2]), ("took", "integer", [1, None, 3, -4]),
    ]


def write_fastparquet(path):
    types = {"tiny": "Int8", "integer": "Int64", "unsigned": "UInt32", "double": "float64", "single": "float32", "flag": "boolean"}
    frame = {"row": pandas.Series(range(rows()), dtype="int64")}
    for name, _, values in COLUMNS:
        frame[name] = pandas.Series(values, dtype=types.get(name, object))
    frame["at"] = pandas.Series(TIMES, dtype="datetime64[us]")
    frame["json"] = pandas.Series([{"a": 1}, [], None, "x"], dtype=object)
    frame["raw"] = pandas.Series([b"bytes", b"", None, "é".encode()], dtype=object)
    frame["codes"] = pandas.Categorical([10, 20, 10, 10])
    encodings = {name: "infer" for name in frame} | {"json": "json", "raw": "bytes", "text": "utf8"}
    fastparquet.write(path, pandas.DataFrame(frame), object_encoding={name: encodings[name] for name in ("json", "raw", "text")}, times="int64")
    others = [(path + "96", write_int96(path + "96", frame)), (path + "0", write_nothing(path + "0"))]
    return [
        *with_times(simple()), ("json", "text", ['{"a":1}', "[]", None, '"x"']), ("raw", "text", ["bytes", "", None, "é"]),
        ("codes", "integer", [10, 20, 10, 10]),
    ], others


def write_int96(path, frame):
    times = pandas.Series(pandas.to_datetime([1_700_000_000_123_456_789, -1, 10, 0]))
    fastparquet.write(path, pandas.DataFrame({"row": frame["row"], "at": times}), times="int96")
    return [("at", "nanoseconds", [1_700_000_000_123_456_789, -1, 10, 0])]


def write_nothing(path):
    """A table without rows."""
    fastparquet.write(path, pandas.DataFrame({"row": pandas.Series([], dtype="int64"), "x": pandas.Series([], dtype="float64")}))
    return [("x", "float", [])]


WRITERS = {
    "pyarrow": write_pyarrow, "pandas": write_pandas, "DuckDB": write_duckdb, "Polars": write_polars,
    "fastparquet": write_fastparquet,
}


def main():
    loader, component = sys.argv[1], sys.argv[2]
    with tempfile.TemporaryDirectory() as directory:
        for name, write in WRITERS.items():
            path = os.path.join(directory, f"{name}.parquet")
            columns = write(path)
            columns, others = columns if isinstance(columns, tuple) else (columns, [])
            for path, columns in [(path, columns), *others]:
                found, said = lines.convert(loader, component, path)
                difference = lines.difference(found, lines.expected(columns))
                if difference:
                    sys.exit(f"what {name} wrote is read otherwise: {difference}\n{said}")
    names = list(WRITERS)
    print(f"the tables of {', '.join(names[:-1])} and {names[-1]} are read as they were meant")


if __name__ == "__main__":
    main()
