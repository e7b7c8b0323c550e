"""What a load costs a real server, by the loader and by what one would use instead."""

import json
import sys
import time
from pathlib import Path

from engines import InfluxDb, InfluxDb2
from mapping import FIELDS, MEASUREMENT, TAGS, TIME
from markdown import count, paragraphs, table
from measuring import Failed, ratio, run, spread
from places import DATA, program

# Each with its words and its rows.
SHAPES = {
    "steady": ("500 series by the hour, in order of time", 1_000_000),
    "generation": ("nearly a new series with each row", 100_000),
    "daily": ("five years of daily values, series by series", 913_000),
    "five-minutes": ("a year of values every five minutes, ten series", 1_051_200),
}
LOADER, THOUSAND, LONG = "influxdb-loader", "influxdb-loader, 1,000 points a request, file order", "influxdb-loader, shards of 52 weeks"
STREAM, CLIENT = "500 kB a request, as `influx write`", "influxdb-client, a data frame"
TELEGRAF = {size: f"Telegraf, batches of {size:,}" for size in (1_000, 5_000)}
PEERS = [STREAM, CLIENT, *TELEGRAF.values()]
FIELD = next(iter(FIELDS.values()))
SENDERS = Path(__file__).parent.parent / "senders.py"

# The work that a server continues after a load is part of what the load costs.
SETTLING_SECONDS = 1.5
LIMIT = 1_200

# With a buffer that holds the file: of a million rows, the one that it comes with keeps 15,000, and Telegraf exits 0. With its own time
# limit of 5 s it gives up on a server that is busy.
TELEGRAF_CONFIGURATION = """[agent]
interval = "1s"
round_interval = false
metric_batch_size = {size}
metric_buffer_limit = {rows}
flush_interval = "1s"
omit_hostname = true
quiet = true
[[inputs.file]]
files = ["{file}"]
data_format = "parquet"
name_override = "{measurement}"
timestamp_column = "{time}"
timestamp_format = "unix_ns"
tag_columns = {tags}
[[outputs.influxdb_v2]]
urls = ["{url}"]
token = "bench"
organization = "bench"
bucket = "energy"
timeout = "120s"
"""


def measure(bench):
    return {"runs": bench.in_turns(dict(contenders(bench)), bench.rounds_of_writers)}


def contenders(bench):
    for shape, (_, rows) in SHAPES.items():
        file = bench.dataset(shape, rows)
        rows = min(rows, bench.most_rows)
        for server in (InfluxDb2, InfluxDb):
            name = lambda who, server=server, shape=shape: f"{server.name}: {shape}: {who}"
            yield name(LOADER), loads(bench, server, file, rows)
            yield name(THOUSAND), loads(bench, server, file, rows, MAX_BATCH_SIZE="1000", LOAD_ORDER="file")
            if shape == "daily":
                yield name(LONG), loads(bench, server, file, rows, long=True)
        name = lambda who, shape=shape: f"{InfluxDb2.name}: {shape}: {who}"
        yield name(STREAM), sends("stream", lines(bench, file), rows)
        yield name(CLIENT), sends("client", file, rows)
        for size, who in TELEGRAF.items():
            yield name(who), telegraf(size, file, rows)


def lines(bench, file):
    """The line protocol of a file, made once."""
    path = file.with_suffix(".lp")
    if not path.exists() or path.stat().st_mtime < file.stat().st_mtime:
        unfinished = path.with_suffix(".unfinished")
        bench.loader.load(file, unfinished, LOAD_ORDER="file")
        unfinished.rename(path)
    return path


def loads(bench, server, file, rows, long=False, **settings):
    def work(running):
        return bench.loader.load(file, **running.settings(), **settings)

    return onto(server, work, rows, FIELD, long)


def sends(how, file, rows):
    def work(running):
        return took(run([sys.executable, SENDERS, how, file, running.settings()["INFLUXDB_URL"]], None, limit=LIMIT))

    return onto(InfluxDb2, work, rows, FIELD)


def telegraf(size, file, rows):
    def work(running):
        names = {"size": size, "rows": rows, "file": file, "measurement": MEASUREMENT, "time": TIME, "tags": json.dumps(TAGS)}
        configuration = Path(running.directory.name) / "telegraf.conf"
        configuration.write_text(TELEGRAF_CONFIGURATION.format(**names, url=running.settings()["INFLUXDB_URL"]))
        return took(run([program("telegraf"), "--config", configuration, "--once"], None, limit=LIMIT))

    # It keeps the columns' own names.
    return onto(InfluxDb2, work, rows, next(iter(FIELDS)))


def took(done):
    return {"seconds": done.seconds, "cpu": done.cpu, "peak_mib": done.peak_mib}


def onto(server, work, rows, field, long=False):
    """Writes into an empty server of its own, looks that all has arrived, and returns what it took."""

    def contender():
        with server() as running:
            if long:
                running.lengthen_shards()
            cpu, written = running.cpu(), running.written_mib()
            done = work(running)
            time.sleep(SETTLING_SECONDS)
            done |= {
                "rows": rows, "server_cpu": running.cpu() - cpu, "server_written_mib": running.written_mib() - written,
                "server_peak_mib": running.peak_mib(),
            }  # fmt: skip
            if (points := running.count(MEASUREMENT, field)) != rows:
                raise Failed(f"{server.name} has {points} of {rows} points")
        return done

    return contender


def of_shape(found, server, shape):
    begin = f"{server.name}: {shape}: "
    return {name.removeprefix(begin): of for name, of in found["runs"].items() if name.startswith(begin)}


def per_million(name):
    return lambda run: run[name] / run["rows"] * 1_000_000


def section(found):
    tables = []
    header = ["", "wall, s a million", "server's processor", "least – most", "server writes, MiB a million", "server's peak, MiB"]
    for shape, (words, rows) in SHAPES.items():
        for server in (InfluxDb2, InfluxDb):
            lines = []
            for who, of in of_shape(found, server, shape).items():
                wall, work, written = (spread(of, per_million(name)) for name in ("seconds", "server_cpu", "server_written_mib"))
                peak, form = spread(of, "server_peak_mib"), "{:.1f}"
                lines.append([who, wall.tell(form), work.tell(form), work.between(form), written.tell(), peak.tell()])
            tables += [f"{server.name}, {words}, {count(rows)} rows:", table(header, lines)]
    return paragraphs(
        "## What a load costs the server",
        "Into an empty server on the same machine, no setting of the loader touched where none is named. The server's processor time is "
        f"measured until {SETTLING_SECONDS} s after the load. All points were counted in the server afterwards. Telegraf has a buffer that "
        "holds the file, and its build here writes to 2.x alone; `influx write` gets line protocol that was made before.",
        *tables,
    )


def headlines(found):
    of = of_shape(found, InfluxDb2, "daily")
    if other := of.get(TELEGRAF[5_000]):
        work, wall = (ratio(of[LOADER], other, per_million(name)).tell("{:.2f}") for name in ("server_cpu", "seconds"))
        yield f"Five years of daily values cost InfluxDB 2.x {work} × the processor time that Telegraf costs it, and take {wall} × as long."


def goals(found):
    for shape in SHAPES:
        of = of_shape(found, InfluxDb2, shape)
        peers = [of[peer] for peer in PEERS]
        best_wall = min(peers, key=lambda runs: spread(runs, "seconds").middle)
        best_work = min(peers, key=lambda runs: spread(runs, "server_cpu").middle)
        work, wall = (ratio(of[LOADER], best, per_million(name)) for best, name in ((best_work, "server_cpu"), (best_wall, "seconds")))
        yield f"server's processor, {shape}, of the best peer", "less than 1 ×", f"{work.tell('{:.2f}')} ×", work.middle < 1
        yield f"wall, {shape}, of the best peer", "at most 0.6 ×", f"{wall.tell('{:.2f}')} ×", wall.middle <= 0.6
    for server, limit in ((InfluxDb2, 0.85), (InfluxDb, 0.6)):
        of = of_shape(found, server, "steady")
        work = ratio(of[LOADER], of[THOUSAND], per_million("server_cpu"))
        what = f"{server.name}'s processor, steady, of 1,000 points a request"
        yield what, f"at most {limit} ×", f"{work.tell('{:.2f}')} ×", work.middle <= limit
    of = of_shape(found, InfluxDb2, "daily")
    for who, limits in ((LOADER, (0.35, 0.3)), (LONG, (0.14, 0.1))):
        for name, words, limit in (("server_cpu", "server's processor", limits[0]), ("seconds", "wall", limits[1])):
            of_telegraf = ratio(of[who], of[TELEGRAF[5_000]], per_million(name))
            what = f"{words}, daily, {who}, of Telegraf"
            yield what, f"at most {limit} ×", f"{of_telegraf.tell('{:.2f}')} ×", of_telegraf.middle <= limit
