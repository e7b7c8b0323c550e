"""The most memory that the loader takes: for files of many rows, for files of large row groups, and for those that readers of
Parquet fall for."""

import os
import socket
import sys
import tempfile
from pathlib import Path

from engines import Server
from markdown import count, paragraphs, table
from measuring import Failed, rate, ratio, run, spread
from places import DATA, TARGET, program

FEW, MANY, GROUPED = 1_000_000, 20_000_000, 5_000_000
# What pyarrow makes by default.
ROWS_A_GROUP = 1 << 20

MANY_LIMIT, GROUPED_LIMIT, GROWTH_LIMIT = 160, 256, 0.1

# Files that are hard to read: each takes long, and is measured in fewer rounds.
HARD_ROUNDS = 2
HARD_LIMIT, REFUSED_LIMIT = 200, 100

GENERATOR = Path(__file__).parent.parent / "hard_files.py"


class Gateway(Server):
    """versitygw, an S3 server on a directory of files, with one object: moto would read the whole object for each request."""

    name = "versitygw"

    def __init__(self, file):
        self.file = file

    def command(self, root):
        bucket = root / "objects/bench"
        bucket.mkdir(parents=True)
        (bucket / "file.parquet").symlink_to(self.file)
        return [program("versitygw"), "--port", f"127.0.0.1:{self.port}", "--access", "bench", "--secret", "benchmark", "posix", bucket.parent]

    def ready(self):
        with socket.create_connection(("127.0.0.1", self.port), 30):
            pass

    def settings(self):
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}", "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "benchmark",
            "AWS_REGION": "us-east-1",
        }  # fmt: skip


def hard_file(name):
    """Made anew where what makes it is newer."""
    path = DATA / "hard" / f"{name}.parquet"
    if not path.exists() or path.stat().st_mtime < GENERATOR.stat().st_mtime:
        print(f"bench: making {path}", file=sys.stderr, flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        run([sys.executable, GENERATOR, name, unfinished], None)
        unfinished.rename(path)
    return path


def converter(bench, name, sample, replaced="", by=""):
    """A converter as `converter new` guesses it from a file, with one change."""
    with tempfile.TemporaryDirectory(prefix="influxdb-loader-bench-") as directory:
        project = Path(directory) / name
        target = {"CARGO_TARGET_DIR": str(TARGET / "bench/guests")} | {
            variable: os.environ[variable] for variable in ("CARGO_HOME", "RUSTUP_HOME") if variable in os.environ
        }
        bench.loader.run("converter", "new", name, "--from", sample, "--directory", project)
        source = project / "src/lib.rs"
        text = source.read_text()
        if replaced not in text:
            raise Failed(f"`converter new` writes no `{replaced}` any more")
        source.write_text(text.replace(replaced, by))
        bench.loader.run("converter", "build", project, **target)
        component = DATA / "hard" / f"{name}.wasm"
        component.write_bytes((project / "converter.wasm").read_bytes())
    return component


THREE_POINTS = """let mut second = point.clone();
        second.measurement = "second".into();
        let mut third = point.clone();
        third.measurement = "third".into();
        plan.finish([point, second, third])"""


def hard_contenders(bench):
    def loaded(name, dataset="consumption", **how):
        return lambda: bench.loader.load(hard_file(name), "/dev/null", dataset=dataset, **how)

    def refused(name):
        return lambda: bench.loader.refused(hard_file(name), dataset="consumption")

    many_columns = hard_file("many-columns")
    wide = converter(bench, "wide", hard_file("few-rows-of-many-columns"))
    three = converter(bench, "three", hard_file("many-rows"), "plan.finish([point])", THREE_POINTS)

    def from_s3():
        with Gateway(many_columns) as gateway:
            settings = gateway.settings()
            return bench.loader.load("s3://bench/file.parquet", "/dev/null", dataset="wide", converter=wide, **settings)

    return {
        "three points a row, 5 million rows": loaded("many-rows", "three", converter=three),
        "batches of 100,000 points, 5 million rows": loaded("many-rows", MAX_BATCH_SIZE="100000"),
        "one page a column, 15 million rows": loaded("one-page"),
        "450 columns, 150,000 rows": loaded("many-columns", "wide", converter=wide),
        "450 columns, 150,000 rows, from S3": from_s3,
        "30,000 texts of 60 kB": loaded("long-texts"),
        "a dictionary of 2 million texts": loaded("large-dictionary"),
    }, {
        "a header that declares 2 GiB": refused("lying-header"),
        "1 GiB in 32 kB of zstd": refused("bomb"),
        "the same, declared as 1 MiB": refused("hidden-bomb"),
    }


def measure(bench):
    files = {
        "few": bench.dataset("generation", FEW, ROWS_A_GROUP),
        "many": bench.dataset("generation", MANY, ROWS_A_GROUP),
        "grouped": bench.dataset("generation", GROUPED, GROUPED),
    }

    def contender(file):
        return lambda: bench.loader.convert(file)

    runs = bench.in_turns({name: contender(file) for name, file in files.items()})
    hard, refused = (bench.in_turns(contenders, HARD_ROUNDS) for contenders in hard_contenders(bench))
    return {"cores": bench.cores, "runs": runs, "hard": hard, "refused": refused}


def most(runs):
    return spread(runs, "peak_mib").most


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
    hard = [[name, f"{most(of):,.0f}", spread(of, rate).tell()] for name, of in found["hard"].items()]
    refused = [[name, f"{most(of):,.0f}", of[0]["message"]] for name, of in found["refused"].items()]
    return paragraphs(
        "## Memory",
        f"The most resident memory of the whole program, on all {found['cores']} cores, with generation data. Row groups are as "
        "pyarrow makes them, of up to 1,048,576 rows, except for the last file, which is a single one.",
        "![Peak memory](benchmarks-memory.svg)",
        table(["rows", "memory of the first = 1", "peak MiB", "least – most", "rows a second"], rows),
        f"Files that are hard to read, each loaded {HARD_ROUNDS} times. `OBJECT_MEMORY_MIB` is 128, its default.",
        table(["file", "peak MiB", "rows a second"], hard),
        "Files that are refused:",
        table(["file", "peak MiB", "message"], refused).replace("---: |\n", "--- |\n"),
    )


def headlines(found):
    few, many, grouped = (f"{peak(found, name).tell()} MiB for {words(name, of)}" for name, of in found["runs"].items())
    yield f"Its memory at most: {few}, {many}, and {grouped}."
    worst = max(found["hard"], key=lambda name: most(found["hard"][name]))
    yield f"Of the files that are hard to read, the worst takes {most(found['hard'][worst]):,.0f} MiB: {worst}."


def goals(found):
    for name, limit in (("many", MANY_LIMIT), ("grouped", GROUPED_LIMIT)):
        what, taken = f"peak memory, {words(name, found['runs'][name])}", peak(found, name).most
        yield what, f"under {limit} MiB in every round", f"{taken:.0f} MiB", taken < limit
    few, many = (count(found["runs"][name][0]["rows"]) for name in ("few", "many"))
    grown = times(found, "many").middle - 1
    yield f"peak memory, {many} rows against {few}", f"within {GROWTH_LIMIT:.0%}", f"{grown:+.1%}", abs(grown) <= GROWTH_LIMIT
    for runs, limit in ((found["hard"], HARD_LIMIT), (found["refused"], REFUSED_LIMIT)):
        for name, of in runs.items():
            yield f"peak memory, {name}", f"under {limit} MiB in every round", f"{most(of):.0f} MiB", most(of) < limit
