"""All datasets, and a file that nobody has made for a benchmark."""

from markdown import count, paragraphs, table
from measuring import FEW, rate, rates_without, spread
from places import REAL_FILE, ROOT

ROWS = 1_000_000
MADE = ["generation", "consumption", "transmission"]


def measure(bench):
    files = {"start": bench.dataset("generation", FEW)} | {name: bench.dataset(name, ROWS) for name in MADE} | {"real": REAL_FILE}

    def contender(file):
        return lambda: bench.loader.convert(file, core=bench.core, CONVERTER_THREADS="1")

    return {"runs": bench.in_turns({name: contender(file) for name, file in files.items()})}


def section(found):
    rows = []
    runs = dict(found["runs"])
    starts = runs.pop("start")
    for name, of in runs.items():
        rates, running = spread(of, rate), rates_without(of, starts)
        size = spread(of, lambda run: run["bytes"] / run["rows"])
        words = "a real file" if name == "real" else name
        rows.append([words, count(of[0]["rows"]), size.tell(), rates.tell(), rates.between(), running.tell(), running.between()])
    return paragraphs(
        "## Datasets",
        f"One core. The real file is `{REAL_FILE.relative_to(ROOT)}`, the load of São Paulo's distributors by the hour; it is so "
        "small that the start of the program counts, which the last figures are without.",
        table(["dataset", "rows", "bytes a row", "rows a second", "least – most", "without the start", "least – most"], rows),
    )


def headlines(_):
    return []


def goals(_):
    return []
