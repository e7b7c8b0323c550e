"""The loader with gzip."""

from markdown import count, paragraphs, table
from measuring import Failed, rate, ratio, spread

ROWS = 1_000_000
SETTINGS = ["none", "gzip"]


def measure(bench):
    file = bench.dataset("generation", ROWS)

    def contender(setting, **how):
        return lambda: bench.loader.convert(file, COMPRESSION=setting, **how)

    one_core = {"core": bench.core, "CONVERTER_THREADS": "1"}
    contenders = {setting: contender(setting, **one_core) for setting in SETTINGS}
    runs = bench.in_turns(contenders | {f"{setting}, all cores": contender(setting) for setting in SETTINGS})
    if runs["gzip"][0]["bytes_written"] >= runs["gzip"][0]["bytes"]:
        raise Failed("COMPRESSION=gzip does not compress: this loader does not have the setting")
    return {"cores": bench.cores, "runs": runs}


def section(found):
    runs = found["runs"]
    rows = []
    for name, of in runs.items():
        plain = runs[name.replace("gzip", "none")]
        share = "" if of is plain else f"**{ratio(of, plain).tell('{:.2f}')} ×**"
        rates, size, packed = spread(of, rate), spread(of, megabytes_a_second), spread(of, compressed)
        where = f"all {found['cores']} cores" if "all" in name else "one core"
        ratio_of_bytes = "" if of is plain else f"{packed.tell('{:.1f}')} ×"
        rows.append([f"`{name.split(',')[0]}`, {where}", share, ratio_of_bytes, rates.tell(), rates.between(), size.tell()])
    header = ["`COMPRESSION`", "speed without = 1", "smaller by", "rows a second", "least – most", "MB of lines a second"]
    return paragraphs(
        "## With compression",
        f"The same {count(runs['gzip'][0]['rows'])} rows, with `COMPRESSION=gzip` and without.",
        table(header, rows),
    )


def megabytes_a_second(run):
    return run["bytes"] / run["seconds"] / 1e6


def compressed(run):
    return run["bytes"] / run["bytes_written"]


def headlines(found):
    runs = found["runs"]
    yield (
        f"With gzip it makes {spread(runs['gzip'], rate).tell()} rows a second on one core, in "
        f"{spread(runs['gzip'], compressed).tell('{:.1f}')} times fewer bytes."
    )


def goals(_):
    return []
