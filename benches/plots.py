"""Draws what bench.py has measured: `python3 plots.py RESULTS.json DIRECTORY`. The same results give the same files."""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from measuring import rate, spread
from parts import memory, servers, speed

OURS, THEIRS, IDLE = "#1f6feb", "#9aa4b0", "#e3e7eb"
plt.rcParams |= {
    "svg.hashsalt": "benchmarks", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10, "axes.spines.top": False,
    "axes.spines.right": False, "axes.spines.left": False, "ytick.left": False, "axes.axisbelow": True, "axes.grid": True,
    "axes.grid.axis": "x", "grid.color": "#d8dee4", "axes.titlelocation": "left", "axes.titlesize": 11,
}  # fmt: skip


def figure(bars, title, unit):
    plot, axes = plt.subplots(figsize=(8, 0.8 + 0.42 * bars), layout="constrained")
    axes.set_title(title)
    axes.set_xlabel(unit)
    axes.invert_yaxis()
    return plot, axes


def bars(axes, names, values, colours):
    """Bars with their number behind them, and the least and the most as a line."""
    middles = [value.middle for value in values]
    errors = [[value.middle - value.least for value in values], [value.most - value.middle for value in values]]
    axes.barh(names, middles, color=colours, xerr=errors, error_kw={"elinewidth": 1, "capsize": 2, "ecolor": "#57606a"})
    for number, value in enumerate(values):
        axes.annotate(f"{value.middle:,.0f}", (value.most, number), (6, 0), textcoords="offset points", va="center")
    axes.locator_params(axis="x", nbins=6)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlim(0, max(value.most for value in values) * 1.15)


def draw_speed(found):
    names = list(speed.WORDS)
    plot, axes = figure(len(names), "Parquet to line protocol on one core", "rows a second, more is better")
    rates = [spread(found["runs"][name], rate) for name in names]
    words = [speed.WORDS[name].replace("`", "") for name in names]
    bars(axes, words, rates, [OURS] + [THEIRS] * (len(names) - 1))
    return plot


def draw_memory(found):
    plot, axes = figure(len(found["runs"]), "Peak memory of the loader", "MiB, less is better")
    words = [memory.words(name, of) for name, of in found["runs"].items()]
    bars(axes, words, [memory.peak(found, name) for name in found["runs"]], OURS)
    return plot


def draw_servers(found):
    runs = found["runs"]
    plot, axes = figure(len(runs) + 1, "Who uses the processor while a server is loaded", f"% of {found['cores']} cores")
    shares = [servers.shares(of, found["cores"]) for of in runs.values()]
    left = [0] * len(runs)
    for part, colour in {"server": THEIRS, "loader": OURS, "idle": IDLE}.items():
        widths = [share[part].middle * 100 for share in shares]
        axes.barh(list(runs), widths, left=left, color=colour, label=part)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set_xlim(0, 100)
    plot.legend(ncols=3, loc="outside lower center", frameon=False)
    return plot


DRAWN = {"speed": draw_speed, "memory": draw_memory, "servers": draw_servers}


def main(results, directory, suffix="svg"):
    found = json.loads(Path(results).read_text())["found"]
    for name in DRAWN.keys() & found.keys():
        plot = DRAWN[name](found[name])
        # Without the date, which would be another one each time.
        metadata = {"Date": None} if suffix == "svg" else None
        plot.savefig(Path(directory) / f"benchmarks-{name}.{suffix}", metadata=metadata, dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
