"""Makes line protocol of generation data as one would without the loader, in memory:

    python3 peers.py questdb|questdb-categories|dataframe|points FILE.parquet

`questdb` is the client of QuestDB, which serializes the columns of a data frame in native code; `questdb-categories` reads tags
as categories for it, which who knows pandas well may think of. `dataframe` is InfluxDB's client, which makes lines of a data frame
by code that it generates for its columns. `points` is the same client with a Point object for each row, as most programs use it.
Prints what it took, in JSON, without the start of Python and the import of packages.
"""

import io
import json
import resource
import sys
import time

import pandas
import pyarrow
import pyarrow.parquet as parquet
from mapping import FIELDS, MEASUREMENT, TAGS, TIME


def questdb():
    # Deprecated for those who send to QuestDB; the buffer alone is nowhere else.
    from questdb.ingress import Buffer

    def convert(frame):
        # The first version of the protocol is InfluxDB's; later ones are QuestDB's own.
        buffer = Buffer(protocol_version=1)
        buffer.dataframe(frame.rename(columns=FIELDS), table_name=MEASUREMENT, symbols=TAGS, at=TIME)
        return len(buffer)

    return pandas.read_parquet, convert


def questdb_categories():
    _, convert = questdb()
    return lambda path: parquet.read_table(path, read_dictionary=TAGS).to_pandas(), convert


def dataframe():
    from influxdb_client.client.write.dataframe_serializer import DataframeSerializer
    from influxdb_client.client.write_api import PointSettings

    def convert(frame):
        named = {"data_frame_measurement_name": MEASUREMENT, "data_frame_tag_columns": TAGS}
        frame = frame.rename(columns=FIELDS).set_index(TIME)
        return sum(len(line) for line in DataframeSerializer(frame, PointSettings(), **named).serialize())

    return pandas.read_parquet, convert


def points():
    from influxdb_client import Point, WritePrecision

    def line(row):
        point = Point(MEASUREMENT).time(row[TIME], WritePrecision.NS)
        for tag in TAGS:
            value = row[tag]
            if pandas.notna(value) and str(value).strip():
                point.tag(tag, str(value).strip())
        point.field("power_mw", float(row["value"])).field("unit", str(row["unit"]))
        point.field("capacity_mw", float(row["capacity_mw"])).field("efficiency", float(row["efficiency"]))
        return point.to_line_protocol()

    return pandas.read_parquet, lambda frame: sum(len(line(row)) + 1 for _, row in frame.iterrows())


# How each reads a file, and makes lines of the frame and counts their bytes. Only what is run is imported.
PEERS = {"questdb": questdb, "questdb-categories": questdb_categories, "dataframe": dataframe, "points": points}


def first_rows(path):
    """A file in memory with some of them."""
    file = io.BytesIO()
    batch = next(parquet.ParquetFile(path).iter_batches(100))
    parquet.write_table(pyarrow.Table.from_batches([batch]), file)
    return file


def main(peer, path):
    reads, convert = PEERS[peer]()
    # What is only imported when it is needed is not theirs either.
    convert(reads(first_rows(path)))
    start, start_cpu = time.perf_counter(), time.process_time()
    frame = reads(path)
    read = time.perf_counter()
    size = convert(frame)
    end, end_cpu = time.perf_counter(), time.process_time()
    told = {
        "rows": len(frame), "bytes": size, "seconds": end - start, "read_seconds": read - start, "cpu": end_cpu - start_cpu,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }  # fmt: skip
    print(json.dumps(told))


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in PEERS:
        sys.exit(__doc__)
    main(*sys.argv[1:])
