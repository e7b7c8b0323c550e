"""Measures the loader, as a whole program, against what one would use instead, and writes docs/benchmarks.md:

    python3 bench.py [--quick] [--only PART]... [--loader PROGRAM]

`make bench` runs it. All programs that are compared run in turns, in the same run and on the same machine. Data is made once and
kept in target/bench. Fails where a goal is missed or a part cannot be measured, after the document is written.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

# Nothing that takes memory: see `measuring.run`.
import document
import machine
from loader import Loader
from measuring import FEW, Failed, run
from parts import compression, cost, datasets, levels, memory, servers, speed, stages, writers
from places import CACHE, DATA, ROOT, TARGET

PARTS = {part.__name__.removeprefix("parts."): part for part in (speed, compression, datasets, levels, memory, servers, writers, stages, cost)}
ROUNDS, ROUNDS_OF_SERVERS, ROUNDS_OF_WRITERS = 7, 5, 3
QUICK_ROUNDS, QUICK_ROWS = 2, 2_000_000

HERE = Path(__file__).parent


class Bench:
    """What the parts measure with."""

    def __init__(self, loader, quick):
        self.loader, self.quick = loader, quick
        rounds = [ROUNDS, ROUNDS_OF_SERVERS, ROUNDS_OF_WRITERS]
        self.rounds, self.rounds_of_servers, self.rounds_of_writers = [QUICK_ROUNDS] * 3 if quick else rounds
        self.cores, self.core = machine.cores(), machine.one_core()
        self.part = None
        self.most_rows = QUICK_ROWS if quick else sys.maxsize

    def dataset(self, name, rows, rows_a_group=1 << 17):
        """A file with as many rows, or the most for a quick run; made anew where what makes it is newer."""
        rows = min(rows, self.most_rows)
        rows_a_group = min(rows, rows_a_group)
        directory = DATA / f"dataset={name if name in datasets.MADE else 'generation'}"
        path, generator = directory / f"{name}-{rows}-{rows_a_group}.parquet", HERE / "generate.py"
        if not path.exists() or path.stat().st_mtime < generator.stat().st_mtime:
            say(f"making {path}")
            directory.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".unfinished")
            run([sys.executable, generator, name, rows, unfinished, rows_a_group], None)
            unfinished.rename(path)
        return path

    def warm_up(self):
        """All converters are compiled and kept, so that no round compiles one but those that are to."""
        for name in datasets.MADE:
            self.loader.convert(self.dataset(name, FEW))

    def in_turns(self, contenders, rounds=None):
        """Each once in every round, so that what else the machine does falls on all of them. Returns the runs of each."""
        rounds = rounds or self.rounds
        runs = {name: [] for name in contenders}
        for number in range(1, rounds + 1):
            for name, contender in contenders.items():
                runs[name].append(done := contender())
                rate = f"{done['rows'] / done['seconds']:,.0f} rows/s"
                say(f"{self.part}, round {number} of {rounds}: {name}, {done['seconds']:.2f} s, {rate}, {done['peak_mib']:.0f} MiB")
        return runs


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def measure(bench, chosen):
    """What was found by each part, and why those that failed did."""
    found, failures = {}, {}
    for bench.part in chosen:
        try:
            found[bench.part] = PARTS[bench.part].measure(bench)
        except Failed as failed:
            failures[bench.part] = str(failed)
            say(f"{bench.part} fails: {failed}")
    return found, failures


def write(directory, results):
    """The document, its plots, and what was measured, from which both can be made again."""
    directory.mkdir(parents=True, exist_ok=True)
    path = DATA / "results.json"
    path.write_text(json.dumps(results, indent=1))
    (directory / "benchmarks.md").write_text(document.text(results, PARTS))
    subprocess.run([sys.executable, HERE / "plots.py", path, directory], check=True, timeout=120)
    say(f"{directory / 'benchmarks.md'} is written")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and rows; the document goes to target/bench")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part; the document goes to target/bench")
    parser.add_argument("--loader", type=Path, default=TARGET / "release/influxdb-loader", help="the program to measure")
    arguments = parser.parse_args()

    started = time.monotonic()
    shutil.rmtree(CACHE, ignore_errors=True)
    DATA.mkdir(parents=True, exist_ok=True)
    bench = Bench(Loader(arguments.loader.absolute(), CACHE), arguments.quick)
    try:
        facts = machine.facts(bench.loader)
        bench.warm_up()
    except OSError as error:
        sys.exit(f"bench: {error}\nhint: `make bench` builds the loader first")
    except Failed as failed:
        sys.exit(f"bench: {failed}")
    found, failures = measure(bench, arguments.only or PARTS)
    minutes = (time.monotonic() - started) / 60
    facts["rounds"] = f"{bench.rounds}, and {bench.rounds_of_servers} and {bench.rounds_of_writers} with servers, in {minutes:.0f} minutes"
    results = {"facts": facts, "quick": arguments.quick, "found": found, "failures": failures}
    write(DATA if arguments.quick or arguments.only else ROOT / "docs", results)
    print(document.goals_text(results, PARTS))
    sys.exit(1 if failures or document.missed(results, PARTS) else 0)


if __name__ == "__main__":
    main()
