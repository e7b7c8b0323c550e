"""The most memory that the loader takes, for files of many rows and for files of large row groups."""

from markdown import count, paragraphs, table
from measuring import rate, ratio, spread

FEW, MANY, GROUPED = 1_000_000, 20_000_000, 5_000_000
# What pyarrow makes unless it is told otherwise.
ROWS_A_GROUP = 1 << 20

MANY_LIMIT, GROUPED_LIMIT, GROWTH_LIMIT = 160, 256, 0.1


def measure(bench):
    files = {
        "few": bench.dataset("generation", FEW, ROWS_A_GROUP),
        "many": bench.dataset("generation", MANY, ROWS_A_GROUP),
        "grouped": bench.dataset("generation", GROUPED, GROUPED),
    }

    def contender(file):
        return lambda: bench.loader.convert(file)

    runs = bench.in_turns({name: contender(file) for name, file in files.items()})
    return {"cores": bench.cores, "runs": runs}


def peak(found, name):
    return spread(found["runs"][name], "peak_mib")


def words(name, of):
    rows = of[0]["rows"]
    groups = 1 if name == "grouped" else -(-rows // ROWS_A_GROUP)
    return f"{count(rows)} rows in {groups} row group{'s' * (groups > 1)}"


def times(found, name):
    """As many times as much memory as for few rows."""
    return ratio(found["runs"][name], found["runs"]["few"], lambda run: run["peak_mib"])


def section(found):
    rows = []
    for name, of in found["runs"].items():
        peaks = peak(found, name)
        share = "" if name == "few" else f"**{times(found, name).tell('{:.2f}')} ×**"
        rows.append([words(name, of), share, peaks.tell(), peaks.between(), spread(of, rate).tell()])
    return paragraphs(
        "## Memory",
        f"The most resident memory of the whole program, on all {found['cores']} cores, with generation data. Row groups are as "
        "pyarrow makes them, of up to 1,048,576 rows, but for the last file, which is a single one.",
        "![Peak memory](benchmarks-memory.svg)",
        table(["rows", "memory of the first = 1", "peak MiB", "least – most", "rows a second"], rows),
    )


def headlines(found):
    few, many, grouped = (f"{peak(found, name).tell()} MiB for {words(name, of)}" for name, of in found["runs"].items())
    yield f"Its memory at most: {few}, {many}, and {grouped}."


def goals(found):
    for name, limit in (("many", MANY_LIMIT), ("grouped", GROUPED_LIMIT)):
        what, most = f"peak memory, {words(name, found['runs'][name])}", peak(found, name).most
        yield what, f"under {limit} MiB in every round", f"{most:.0f} MiB", most < limit
    few, many = (count(found["runs"][name][0]["rows"]) for name in ("few", "many"))
    grown = times(found, "many").middle - 1
    yield f"peak memory, {many} rows against {few}", f"within {GROWTH_LIMIT:.0%}", f"{grown:+.1%}", abs(grown) <= GROWTH_LIMIT
