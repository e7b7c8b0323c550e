"""The loader against what one would use instead, and against itself on all cores."""

import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from markdown import count, paragraphs, table
from measuring import FEW, rate, rates_without, ratio, run, spread

ROWS = 1_000_000
PEERS_PROGRAM = Path(__file__).parent.parent / "peers.py"

# Each as peers.py calls it, with its words, and the rows that it gets: fewer where more would only take longer.
PEERS = {
    "questdb": ("questdb, `Buffer.dataframe`", ROWS),
    "questdb-categories": ("questdb, tags read as categories", ROWS),
    "dataframe": ("influxdb-client, data frame", 100_000),
    "points": ("influxdb-client, a `Point` a row", 20_000),
}
WORDS = {"loader": "influxdb-loader"} | {name: words for name, (words, _) in PEERS.items()}


def measure(bench):
    file, short = bench.dataset("generation", ROWS), bench.dataset("generation", FEW)
    contenders = {
        "side by side": lambda: side_by_side(bench, file),
        "all cores": lambda: bench.loader.convert(file),
        "loader": lambda: bench.loader.convert(file, core=bench.core, CONVERTER_THREADS="1"),
        "start": lambda: bench.loader.convert(short, core=bench.core, CONVERTER_THREADS="1"),
        "first start": lambda: first_start(bench, short),
        "gzip": lambda: bench.loader.convert(file, core=bench.core, CONVERTER_THREADS="1", COMPRESSION="gzip"),
    }
    for name, (_, rows) in PEERS.items():
        contenders[name] = peer(name, bench.dataset("generation", rows), bench.core)
    return {"cores": bench.cores, "runs": bench.in_turns(contenders)}


def first_start(bench, file):
    """With no converter compiled before."""
    with tempfile.TemporaryDirectory() as directory:
        return bench.loader.convert(file, core=bench.core, CONVERTER_THREADS="1", CONVERTER_CACHE_DIRECTORY=directory)


def side_by_side(bench, file):
    """A loader on each core at the same time, which have nothing to do with each other: what the machine allows."""

    def alone(core):
        return bench.loader.convert(file, core=core, CONVERTER_THREADS="1")

    with ThreadPoolExecutor() as threads:
        runs = list(threads.map(alone, range(bench.cores)))
    return runs[0] | {"rows": sum(run["rows"] for run in runs), "seconds": max(run["seconds"] for run in runs)}


def peer(name, file, core):
    command = [sys.executable, PEERS_PROGRAM, name, file]
    return lambda: json.loads(run(command, None, core).output)


def section(found):
    runs, cores = found["runs"], found["cores"]
    rows = []
    for name, words in WORDS.items():
        of, rates = runs[name], spread(runs[name], rate)
        times = "" if name == "loader" else f"**{ratio(runs['loader'], of).tell('{:.1f}')} ×**"
        cpu, size, peak = (spread(of, what) for what in (nanoseconds, lambda run: run["bytes"] / run["rows"], "peak_mib"))
        rows.append([words, times, rates.tell(), rates.between(), cpu.tell(), size.tell(), count(of[0]["rows"]), peak.tell()])
    header = [
        "on one core", "the loader is faster by", "rows a second", "least – most", "processor, ns a row", "bytes a row", "rows",
        "peak MiB",
    ]  # fmt: skip
    start, first = (spread(runs[name], lambda run: run["seconds"] * 1000) for name in ("start", "first start"))
    running = rates_without(runs["loader"], runs["start"])
    faster, rates = ratio(runs["all cores"], runs["loader"]), spread(runs["all cores"], rate)
    allowed = ratio(runs["side by side"], runs["loader"])
    return paragraphs(
        "## Against what one would use instead",
        f"Parquet to line protocol, {count(runs['loader'][0]['rows'])} rows of generation data: a time, six tags, three numbers "
        "and a text. The loader writes to `/dev/null`, and its time is that of the whole program, from start to end. The others "
        "keep what they make in memory, and their time has neither the start of Python nor its imports in it. The loader also "
        "checks what a server would refuse, and accounts for every row, which they do not.",
        "![Rows a second on one core](benchmarks-speed.svg)",
        table(header, rows),
        f"Of the loader's time, {start.tell()} ms ({start.between()}) are its start, as measured with {count(FEW)} rows. Without "
        f"it, it makes **{running.tell()}** rows a second ({running.between()}). The first start of all, when no converter has "
        f"been compiled and kept, takes {first.tell()} ms ({first.between()}); no other figure has that in it.",
        f"On all {cores} cores the loader makes {rates.tell()} rows a second ({rates.between()}), **{faster.tell('{:.2f}')} ×** as "
        f"many as on one ({faster.between('{:.2f}')}). {cores} loaders beside each other, one on each core, make "
        f"**{allowed.tell('{:.2f}')} ×** as many as one ({allowed.between('{:.2f}')}): what the machine allows.",
    )


def nanoseconds(run):
    return run["cpu"] / run["rows"] * 1e9


def headlines(found):
    runs = found["runs"]
    times = {name: ratio(runs["loader"], runs[name]).tell("{:.1f}") for name in PEERS}
    yield (
        f"On one core the loader makes {spread(runs['loader'], rate).tell()} rows a second: {times['questdb']} × questdb's data "
        f"frames ({times['questdb-categories']} × at their best), {times['dataframe']} × those of influxdb-client, and "
        f"{times['points']} × a `Point` a row."
    )


def goals(found):
    runs = found["runs"]

    def at_least(what, faster, slower, least):
        times = ratio(runs[faster], runs[slower])
        return what, f"at least {least} ×", f"{times.tell('{:.2f}')} ×", times.middle >= least

    yield at_least("speed on one core, against questdb", "loader", "questdb", 4)
    yield at_least("speed on one core, against influxdb-client's data frames", "loader", "dataframe", 50)
    yield at_least("speed on one core with gzip, against questdb without", "gzip", "questdb", 2)
    packed = spread(runs["gzip"], lambda run: run["bytes"] / run["bytes_written"])
    yield "size with gzip", "at most a fifth", f"1 / {packed.tell('{:.1f}')}", packed.middle >= 5
    if found["cores"] == 2:
        yield at_least("speed on 2 cores, against one", "all cores", "loader", 1.7)
