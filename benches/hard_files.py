"""The most memory that `load` takes for files that readers of Parquet fall for, each in a process of its own.

    hard_files.py LOADER [NAME...]

Fails where a file takes 200 MiB or more, or is not loaded.
"""

import os
import subprocess
import sys
import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

LIMIT_MIB = 200


def constant(text, rows):
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array([text])).dictionary_decode()


def rows_of(rows, **more):
    """Rows of the consumption dataset, a second apart."""
    times = pc.add(pc.multiply(pa.array(np.arange(rows)), 1_000_000), 1_709_251_200_000_000)
    columns = {
        "timestamp": times.cast(pa.timestamp("us", "UTC")),
        "region": constant("SE", rows),
        "value": pa.array(np.arange(rows) * 0.37),
        "unit": constant("MW", rows),
        "consumer_type": constant("industrial", rows),
        "measurement_type": constant("measured", rows),
    }
    return pa.table({**columns, **more})


def one_page(path):
    """15 million rows of one page a column, as fastparquet makes them."""
    rows = 15_000_000
    extra = {"max_rows_per_page": rows} if "max_rows_per_page" in pq.write_table.__doc__ else {}
    options = {"data_page_size": 1 << 30, "row_group_size": rows, "write_batch_size": rows, "use_dictionary": False}
    pq.write_table(rows_of(rows), path, compression="snappy", **options, **extra)


def long_texts(path):
    """30,000 distinct texts of 60 kB."""
    rows = 30_000
    base = bytes(np.random.default_rng(1).integers(97, 123, 60_000, np.uint8)).decode()
    texts = [f"{row:06}" + base[row % 1000 :] + base[: row % 1000] for row in range(rows)]
    pq.write_table(rows_of(rows, sector=pa.array(texts)), path, compression="zstd")


def large_dictionary(path):
    """A dictionary of two million texts."""
    rows = 2_000_000
    texts = pa.array([f"sector number {row}" for row in range(rows)])
    options = {"dictionary_pagesize_limit": 1 << 30, "row_group_size": rows}
    pq.write_table(rows_of(rows, sector=texts), path, compression="snappy", **options)


FILES = {make.__name__.replace("_", "-"): make for make in (one_page, long_texts, large_dictionary)}


def measured(loader, path):
    """The exit status and the most resident memory in MiB."""
    environment = {"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true", "ENABLE_METRICS": "false"}
    command = [loader, "load", path, "--dataset", "consumption", "--to", "/dev/null"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss >> 10


def main(loader, *names):
    bad = 0
    with tempfile.TemporaryDirectory() as directory:
        for name in names or FILES:
            path = os.path.join(directory, f"{name}.parquet")
            FILES[name](path)
            status, mebibytes = measured(loader, path)
            print(f"{name}: exit {status}, {mebibytes} MiB")
            bad += status != 0 or mebibytes >= LIMIT_MIB
            os.remove(path)
    return bad > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
