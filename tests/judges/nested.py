"""Nested columns, as pyarrow writes them and as the loader makes points of them: `nested.py LOADER COMPONENT DATASET TABLES SEED`.

Random tables of the two datasets that the examples convert: `stations`, a struct and a list of structs, and `quarters`, a struct and a
list of numbers; with nulls on every level, empty lists, long lists, in every layout that pyarrow writes. What must be found is
computed from the rows that were written. `nested.py LOADER COMPONENT limits` looks at lists that are too long.
"""

import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq

QUARTER = 15 * 60 * 10**9
DAY = 86_400 * 10**9
NAMES = ["Oslo", "São Paulo", "x" * 300, "a,b=c d", "0"]


def stations(chance, rows, lengths):
    """A table, and the rows in it."""
    unit = chance.choice(["ms", "us", "ns"])
    null = chance.choice([0, 0.1, 0.5])
    some = lambda value: None if chance.random() < null else value()
    at = lambda: chance.randrange(10**9) * (10**6 if unit == "ms" else 10**3)
    celsius = lambda: chance.choice([-4.5, 0.0, 21.25, chance.gauss(10, 10), float("nan"), 0.1])

    def reading():
        hot = chance.random() < 0.01
        return {"at": at() if chance.random() > null / 20 else None, "celsius": 150.0 if hot else some(celsius)}

    def station():
        position = lambda: {"latitude": some(lambda: chance.uniform(-90, 90)), "longitude": 7.0}
        return {"name": some(lambda: chance.choice(NAMES)), "position": some(position)}

    read = [some(lambda: [reading() if chance.random() > null / 20 else None for _ in range(chance.choice(lengths))]) for _ in range(rows)]
    made = {"noise": [chance.random() for _ in range(rows)], "station": [some(station) for _ in range(rows)], "readings": read}
    instants = pa.timestamp(unit, "UTC")
    count = {"ms": 10**6, "us": 10**3, "ns": 1}[unit]
    counted = [None if each is None else [None if it is None else {**it, "at": None if it["at"] is None else it["at"] // count} for it in each] for each in read]
    position = pa.struct([("latitude", pa.float64()), ("longitude", pa.float32())])
    columns = {
        "noise": pa.array(made["noise"]),
        "station": pa.array(made["station"], pa.struct([("name", pa.string()), ("position", position)])),
        "readings": pa.array(counted, pa.list_(pa.struct([("at", pa.int64()), ("celsius", pa.float64()), ("notes", pa.list_(pa.string()))]))),
    }
    target = pa.list_(pa.struct([("at", instants), ("celsius", pa.float64()), ("notes", pa.list_(pa.string()))]))
    columns["readings"] = columns["readings"].cast(target)
    order = list(columns)
    chance.shuffle(order)
    return pa.table({name: columns[name] for name in order}), made


def points_of_stations(made):
    """The points of each row in order, or the code that it is rejected with, or nothing."""
    for row, (station, read) in enumerate(zip(made["station"], made["readings"])):
        read = read or []
        if any(each and each["celsius"] is not None and each["celsius"] > 100 for each in read):
            yield "impossible"
            continue
        if any(each is None or each["at"] is None for each in read):
            yield "invalid-timestamp"
            continue
        station = station or {}
        tags = {} if station.get("name") is None else {"station": station["name"]}
        points = []
        for number, each in enumerate(read):
            fields = {"reading": ("i", number), "row": ("i", row)}
            latitude = (station.get("position") or {}).get("latitude")
            for name, value in (("latitude", latitude), ("celsius", each["celsius"])):
                if value is not None and math.isfinite(value):
                    fields[name] = ("f", value)
            points.append(("weather", tags, fields, each["at"]))
            if each["celsius"] is not None and each["celsius"] < 0:
                points.append(("frost", tags, {"celsius": fields["celsius"]}, each["at"]))
        yield points


def quarters(chance, rows, lengths):
    null = chance.choice([0, 0.1, 0.5])
    some = lambda value: None if chance.random() < null else value()
    made = {
        "day": [chance.randrange(20_000) for _ in range(rows)],
        "meter": [some(lambda: {"id": some(lambda: chance.choice(NAMES))}) for _ in range(rows)],
        "values": [some(lambda: [some(lambda: chance.gauss(5, 2)) for _ in range(chance.choice(lengths))]) for _ in range(rows)],
    }
    values = chance.choice([pa.list_(pa.float64()), pa.large_list(pa.float64())])
    columns = {
        "day": pa.array(made["day"], pa.int32()).cast(pa.date32()),
        "meter": pa.array(made["meter"], pa.struct([("id", pa.string())])),
        "values": pa.array(made["values"], values),
    }
    return pa.table(columns), made


def points_of_quarters(made):
    for day, meter, values in zip(made["day"], made["meter"], made["values"]):
        name = (meter or {}).get("id")
        tags = {} if name is None else {"meter": name}
        of = lambda number, value: ("energy", tags, {"kwh": ("f", value)}, day * DAY + number * QUARTER)
        yield [of(number, value) for number, value in enumerate(values or []) if value is not None]


DATASETS = {"stations": (stations, points_of_stations), "quarters": (quarters, points_of_quarters)}


def write(chance, path, table):
    dictionary = chance.random() < 0.6
    layout = {
        "compression": chance.choice(["NONE", "SNAPPY", "ZSTD"]),
        "version": "2.6",
        "data_page_version": chance.choice(["1.0", "2.0"]),
        "row_group_size": chance.choice([1, 7, 64, 1000]) if len(table) < 300 else chance.choice([64, 1000]),
        "data_page_size": chance.choice([1, 100, 1_000_000]),
        "write_batch_size": chance.choice([1, 16, 1024]),
        "use_dictionary": dictionary,
        "store_schema": chance.random() < 0.5,
        "use_compliant_nested_type": chance.random() < 0.7,
    }
    pq.write_table(table, path, **layout)
    return layout


def load(loader, component, dataset, path, target, **settings):
    """What the loader writes, and its report or what it prints."""
    environment = {**os.environ, "LOG_LEVEL": "off", **{name: str(value) for name, value in settings.items()}}
    command = [loader, "load", path, "--dataset", dataset, "--converter", component, "--to", target, "--json"]
    run = subprocess.run(command, capture_output=True, env=environment, timeout=300)
    with open(target, encoding="utf-8") as file:
        lines = file.read().split("\n")[:-1]
    return [parsed(line) for line in lines], run


def parsed(line):
    series, fields, time = re.split(r"(?<!\\) ", line)
    plain = lambda text: re.sub(r"\\([,= ])", r"\1", text)
    measurement, *tags = re.split(r"(?<!\\),", series)
    tags = dict(map(plain, re.split(r"(?<!\\)=", tag)) for tag in tags)

    def value(text):
        return ("i", int(text[:-1])) if text.endswith("i") else ("f", float(text))

    fields = {key: value(text) for key, text in (field.split("=") for field in fields.split(","))}
    return measurement, tags, fields, int(time)


def check(seed, loader, component, dataset, directory):
    chance = random.Random(seed)
    make, points_of = DATASETS[dataset]
    lengths = chance.choice([[0, 1, 2, 5], [1], [0], [0, 0, 0, 300], [96], [0, 1] * 100 + [9000]])
    rows = chance.choice([1, 2, 9, 100, 700])
    table, made = make(chance, rows, lengths)
    path, target = os.path.join(directory, f"{seed}.parquet"), os.path.join(directory, f"{seed}.lp")
    layout = write(chance, path, table)
    settings = {"CONVERTER_THREADS": chance.choice([1, 2]), "MAX_BATCH_SIZE": chance.choice([1, 10, 1000, 10_000])}
    # Little memory: batches of long lists are begun again with fewer rows.
    settings["OBJECT_MEMORY_MIB"] = chance.choice([16, 128])
    found, run = load(loader, component, dataset, path, target, **settings)
    said = f"seed {seed}: {layout}, {settings}, {rows} rows of {lengths}: {run.stdout.decode()}{run.stderr.decode()}"
    outcomes = list(points_of(made))
    expected = [point for outcome in outcomes if not isinstance(outcome, str) for point in outcome]
    for number, (one, other) in enumerate(zip(found, expected)):
        assert one == other, f"point {number} is {one}, expected {other}: {said}"
    assert len(found) == len(expected), f"{len(found)} points, expected {len(expected)}: {said}"
    rejected = {}
    for outcome in outcomes:
        if isinstance(outcome, str):
            rejected[outcome] = rejected.get(outcome, 0) + 1
    accounts = json.loads(run.stdout)["objects"][0]["accounts"]
    counted = accounts["rows"], accounts["filtered"], accounts["rejected"]
    assert counted == (rows, outcomes.count([]), rejected), f"{counted}, {rejected}: {said}"


def limits(loader, component, directory):
    """Lists that are too long: for a row, for the memory."""
    path, target = os.path.join(directory, "long.parquet"), os.path.join(directory, "long.lp")

    def table(lengths):
        readings = [[{"at": 1000 * (1 + number), "celsius": 5.0} for number in range(length)] for length in lengths]
        kind = pa.list_(pa.struct([("at", pa.timestamp("us")), ("celsius", pa.float64())]))
        position = {"latitude": 1.5}
        return pa.table({"station": [{"name": "Oslo", "position": position}] * len(lengths), "readings": pa.array(readings, kind)})

    # Too many points for a row: it is rejected, those beside it are not.
    pq.write_table(table([2, 40_000, 3]), path)
    found, run = load(loader, component, "stations", path, target, LOG_LEVEL="debug")
    assert len(found) == 5, (len(found), run)
    assert b"too-many-points" in run.stdout, run

    # Too long for the memory that an object has: named, before it is decoded.
    pq.write_table(table([2, 60_000, 3]), path)
    found, run = load(loader, component, "stations", path, target, OBJECT_MEMORY_MIB=16)
    said = (run.stdout + run.stderr).decode()
    assert run.returncode == 1 and "a list of column `readings.list.element." in said and "of at least 60000 elements" in said, said

    # Ten million elements that take a few thousand bytes in the file.
    count = 10_000_000
    times, celsius = pa.repeat(pa.scalar(0, pa.int64()), count).cast(pa.timestamp("us")), pa.repeat(pa.scalar(5.0), count)
    readings = pa.StructArray.from_arrays([times, celsius], ["at", "celsius"])
    lists = pa.ListArray.from_arrays(pa.array([0, count], pa.int32()), readings)
    station = pa.array([{"name": "Oslo", "position": {"latitude": 1.5}}])
    pq.write_table(pa.table({"station": station, "readings": lists}), path, data_page_size=1 << 30)
    assert os.path.getsize(path) < 1_000_000, os.path.getsize(path)
    found, run = load(loader, component, "stations", path, target)
    said = (run.stdout + run.stderr).decode()
    assert run.returncode == 1 and "of at least 10000000 elements" in said, said


def main():
    loader, component, dataset = sys.argv[1:4]
    with tempfile.TemporaryDirectory() as directory:
        if dataset == "limits":
            limits(loader, component, directory)
            print("lists that are too long are refused by name")
            return
        tables, seed = map(int, sys.argv[4:6])
        for each in range(seed, seed + tables):
            check(each, loader, component, dataset, directory)
    print(f"{tables} tables of {dataset} give the points of their elements")


if __name__ == "__main__":
    main()
