"""Makes what UNLOAD of Timestream for LiveAnalytics leaves of two tables, and the points that they are: `python3 make.py` (pyarrow).

`sensors` has single-measure records of all types, times as INT96, and the dimension `site` only in the keys. `telemetry` has
multi-measure records, times as timestamp(9), and a result of a query that failed, which has no manifest.

Layout and files: https://docs.aws.amazon.com/timestream/latest/developerguide/export-unload-concepts.html
"""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
ROOT = "factory"
# 2025-04-17T16:42:54.702394001Z.
START = 1_744_908_174_702_394_001
TYPES = {"VARCHAR": pa.string(), "DOUBLE": pa.float64(), "BIGINT": pa.int64(), "BOOLEAN": pa.bool_(), "TIMESTAMP": pa.timestamp("ns")}
points = []


def write(path, columns, rows, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = [pa.array([row.get(name) for row in rows], TYPES[kind]) for name, kind in columns]
    table = pa.table(arrays, names=[name for name, _ in columns])
    pq.write_table(table, path, compression="gzip", store_schema=False, **options)


def unload(table, query, columns, files, **options):
    """The files of a query that succeeded: `files` are the partition, the columns that are only in the key, and rows."""
    folder = HERE / ROOT / table / "unload-20250417"
    results = []
    for number, (partition, rows) in enumerate(files):
        name = f"{query}_0341598655_{number:016d}.parquet"
        path = folder / "results" / "/".join(f"{key}={value}" for key, value in partition.items()) / name
        write(path, [column for column in columns if column[0] not in partition], rows, **options)
        url = "s3://exports/" + str(path.relative_to(HERE))
        metadata = {"content_length_in_bytes": path.stat().st_size, "row_count": len(rows)}
        results.append({"url": url, "file_metadata": metadata})
        for row in rows:
            row |= partition
    total = sum(result["file_metadata"]["content_length_in_bytes"] for result in results)
    manifest = {
        "result_files": results,
        "query_metadata": {
            "total_content_length_in_bytes": total,
            "total_row_count": sum(len(rows) for _, rows in files),
            "result_format": "PARQUET",
            "result_version": "Amazon Timestream version 1.0.0",
        },
        "author": {"name": "Amazon Timestream", "manifest_file_version": "1.0"},
    }
    metadata = {
        "ColumnInfo": [{"Name": name, "Type": {"ScalarType": kind}} for name, kind in columns],
        "Author": {"Name": "Amazon Timestream", "MetadataFileVersion": "1.0"},
    }
    (folder / f"{query}_8c1fcd5e_manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    (folder / f"{query}_8c1fcd5e_metadata.json").write_text(json.dumps(metadata, indent=1) + "\n")


def exact(value):
    return repr(value) if isinstance(value, float) else value


def expect(table, row, tags, fields):
    """A point, as AWS's guidance maps a row. Integers and times are integers; floats are text, which every reader reads exactly."""
    kinds = {float: "float", int: "integer", str: "text", bool: "boolean"}
    points.append({
        "measurement": table,
        "tags": {tag: row[tag] for tag in tags},
        "fields": {name: [kinds[type(row[name])], exact(row[name])] for name in fields if row.get(name) is not None},
        "time": row["time"],
    })  # fmt: skip


def sensors():
    measures = {
        "temperature": ("measure_value::double", lambda i: 20.25 + i / 7),
        "pieces": ("measure_value::bigint", lambda i: 2**60 + i),
        "state": ("measure_value::varchar", lambda i: f'state "{i % 3}", running'),
        "running": ("measure_value::boolean", lambda i: i % 2 == 0),
        "serviced": ("measure_value::timestamp", lambda i: START - i * 1_000_000_007),
    }
    columns = [("machine", "VARCHAR"), ("site", "VARCHAR"), ("measure_name", "VARCHAR"), ("time", "TIMESTAMP")]
    columns += [(column, column.split("::")[1].upper()) for column, _ in measures.values()]
    files = []
    for site in ["lisbon", "são paulo"]:
        rows = []
        for i in range(60):
            for name, (column, value) in measures.items():
                row = {"machine": f"press {i % 4}", "measure_name": name, "time": START + i * 3_600_000_000_013, column: value(i)}
                rows.append(row)
        files.append(({"site": site}, rows))
    unload("sensors", "AEDQCANSCVPS5T4SPHMG", columns, files, use_deprecated_int96_timestamps=True)
    for _, rows in files:
        for row in rows:
            expect("sensors", row, ["machine", "site", "measure_name"], [column for column, _ in measures.values()])


def telemetry():
    columns = [
        ("device", "VARCHAR"), ("measure_name", "VARCHAR"), ("time", "TIMESTAMP"), ("cpu_usage", "DOUBLE"),
        ("requests", "BIGINT"), ("healthy", "BOOLEAN"), ("zone", "VARCHAR"), ("last_seen", "TIMESTAMP"),
    ]  # fmt: skip
    rows = []
    for i in range(300):
        rows.append({
            "device": f"d{i % 5}", "measure_name": "metrics", "time": START + i * 60_000_000_001, "cpu_usage": i / 3,
            "requests": None if i % 10 == 0 else -i, "healthy": i % 3 == 0, "zone": f"z{i % 2}", "last_seen": START - i,
        })  # fmt: skip
    unload("telemetry", "AEDQCANKRX7M3R2HQZL4", columns, [({}, rows[:200]), ({}, rows[200:])])
    for row in rows:
        expect("telemetry", row, ["device", "measure_name", "zone"], ["cpu_usage", "requests", "healthy", "last_seen"])
    failed = HERE / ROOT / "telemetry" / "unload-20250417" / "results" / "AEDQFAILED_0341598655_x.parquet"
    write(failed, columns, [row | {"device": "lost"} for row in rows[:3]])


if __name__ == "__main__":
    shutil.rmtree(HERE / ROOT, ignore_errors=True)
    sensors()
    telemetry()
    (HERE / "points.jsonl").write_text("".join(json.dumps(point, ensure_ascii=False) + "\n" for point in points))
