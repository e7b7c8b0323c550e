"""Puts the document together from what the parts have found."""

from markdown import paragraphs, table

METHOD = """
- The loader is the release build, run as `influxdb-loader load FILE --to /dev/null --json` with `LOG_LEVEL=error` and
  `METRICS_BACKEND=none`. Its time, its processors' time and its most memory are those of the process, as the kernel reports them
  at its end.
- On one core: the process may use the last core alone, and `CONVERTER_THREADS=1`. On all cores: neither.
- The others are `benches/peers.py`, on the same core. Each run is a process of its own, which has read and converted a few rows
  before it is timed.
- Files are made by `benches/generate.py`, and those that are hard to read by `benches/hard_files.py`, the same each time, and are in
  the system's cache. Text is drawn at random from a few
  values to a few hundred, numbers from distributions; nothing is in order but the time.
"""


def text(results, parts):
    found = results["found"]
    headlines = [f"- {line}" for name in found for line in parts[name].headlines(found[name])]
    parted = paragraphs(
        "# Benchmarks",
        "Written by `make bench`, all from one run on one machine: see [how it was measured](#how-it-was-measured). Programs that "
        "are compared ran in turns, for several rounds. A figure is the middle one of those of the rounds, and so is a ratio.",
        "**A quick run, of few rounds: not for the record.**" if results["quick"] else "",
        "\n".join(headlines),
        "## Goals",
        goals_text(results, parts),
        *(parts[name].section(found[name]) for name in found),
        *(f"## {name.capitalize()}\n\nNot measured:\n\n```text\n{reason}\n```" for name, reason in results["failures"].items()),
        how(results["facts"]),
    )
    return f"{parted}\n"


def goals(results, parts):
    found = results["found"]
    return [goal for name in found for goal in parts[name].goals(found[name])]


def missed(results, parts):
    return [goal for goal in goals(results, parts) if not goal[-1]]


def goals_text(results, parts):
    rows = [[what, goal, measured, "met" if met else "**missed**"] for what, goal, measured, met in goals(results, parts)]
    rows += [[name, "to be measured", "failed", "**missed**"] for name in results["failures"]]
    return table(["what", "goal", "measured", ""], rows)


def how(facts):
    return paragraphs(
        "## How it was measured",
        METHOD,
        table(["", ""], facts.items()).replace("---:", "---"),
    )
