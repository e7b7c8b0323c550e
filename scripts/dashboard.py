"""Draws the dashboard of template.yaml from metrics of a local run:

    python3 scripts/dashboard.py METRICS.jsonl dashboard.png

METRICS.jsonl has lines of the Embedded Metric Format, as the loader writes them with METRICS_BACKEND=emf; those of AWS itself are in
the same form, with the names of resources in the template as the values of dimensions. Prints how many lines each widget has.
"""

import json
import math
import re
import sys
import textwrap
from collections import defaultdict

import matplotlib

matplotlib.use("Agg")
import matplotlib.dates as dates
import matplotlib.pyplot as plt
from cfnlint.decode import cfn_yaml
from matplotlib.ticker import FuncFormatter

COLUMNS = 24
COLOURS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"]


def read(path):
    """Values by namespace, name and dimensions: lists of time and value."""
    series = defaultdict(list)
    for line in map(json.loads, open(path)):
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = tuple(sorted((name, line[name]) for name in names))
                for metric in directive["Metrics"]:
                    values = line[metric["Name"]]
                    key = (directive["Namespace"], metric["Name"], dimensions)
                    for value in values if isinstance(values, list) else [values]:
                        series[key].append((line["_aws"]["Timestamp"] / 1000, value))
    return series


def dashboard(path):
    """The body, with the names of resources and the defaults of parameters in it."""
    template = cfn_yaml.load(path)
    body = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]

    def fill(match):
        default = template["Parameters"].get(match[1], {}).get("Default")
        name = {"AWS::Region": "us-east-1"}.get(match[1], match[1].split(".")[0])
        return name if default is None else str(default)

    return json.loads(re.sub(r"\$\{([^}]+)\}", fill, body))


def statistic(name, values):
    if name == "SampleCount":
        return len(values)
    if name.startswith("p"):
        values = sorted(values)
        return values[max(0, math.ceil(float(name[1:]) / 100 * len(values)) - 1)]
    return {"Sum": sum, "Maximum": max, "Minimum": min, "Average": lambda all: sum(all) / len(all)}[name](values)


def periods(points, stat, period):
    """A value for each period that has any."""
    found = defaultdict(list)
    for time, value in points:
        found[time // period * period].append(value)
    return {time: statistic(stat, values) for time, values in sorted(found.items())}


def search(series, expression):
    """The series that a SEARCH finds, by the dimensions in which they differ."""
    match = re.search(r"SEARCH\('\{([^}]+)\} MetricName=\"(\w+)\" Stack=\"[^\"]+\"', '(\w+)', (\d+)\)", expression)
    namespace, *names = match[1].split(",")
    found = {}
    for (their_namespace, name, dimensions), points in sorted(series.items()):
        if (their_namespace, name, [name for name, _ in dimensions]) == (namespace, match[2], sorted(names)):
            label = " ".join(value for name, value in dimensions if name not in ("Function", "Stack"))
            found[label] = periods(points, match[3], int(match[4]))
            if expression.startswith("FILL("):
                # What was not measured is nothing.
                times = sorted({time // int(match[4]) * int(match[4]) for all in series.values() for time, _ in all})
                found[label] = {time: found[label].get(time, 0) for time in times}
    if expression.startswith("SUM("):
        total = defaultdict(float)
        for values in found.values():
            for time, value in values.items():
                total[time] += value
        return {"": total} if total else {}
    return found


def lines(series, properties):
    """What a graph shows: labels, values by time, and whether the axis is the right one."""
    shown, before = [], []
    for row in properties["metrics"]:
        options = row[-1] if isinstance(row[-1], dict) else {}
        if "expression" in options:
            for name, values in search(series, options["expression"]).items():
                shown.append((options["label"] + name, values, False))
            continue
        texts = [text for text in row if isinstance(text, str)]
        if texts[0] == "...":
            texts = before[: len(before) - len(texts) + 1] + texts[1:]
        before = [before[place] if text == "." else text for place, text in enumerate(texts)]
        dimensions = tuple(sorted(zip(before[2::2], before[3::2])))
        points = series.get((before[0], before[1], dimensions), [])
        if points:
            values = periods(points, options.get("stat", "Average"), properties["period"])
            shown.append((options["label"], values, options.get("yAxis") == "right"))
    return shown


def short(value, _=None):
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def graph(axes, shown, properties):
    right = axes.twinx() if any(on_right for _, _, on_right in shown) else None
    times = sorted({time for _, values, _ in shown for time in values})
    # Dates are days since the epoch.
    stamps = [time / 86400 for time in times]
    axes.xaxis_date()
    floor = [0.0] * len(times)
    for number, (label, values, on_right) in enumerate(shown):
        colour = COLOURS[number % len(COLOURS)]
        if properties.get("stacked"):
            top = [below + values.get(time, 0) for below, time in zip(floor, times)]
            axes.fill_between(stamps, floor, top, color=colour, alpha=0.6, label=label, linewidth=0.8)
            floor = top
        else:
            own = [(stamp, values[time]) for stamp, time in zip(stamps, times) if time in values]
            target = right if on_right else axes
            style = "--" if on_right else "-"
            target.plot(*zip(*own), style, color=colour, linewidth=1.3, label=label)
    sides = [(axes, "left"), (right, "right")] if right else [(axes, "left")]
    for side, name in sides:
        side.set_ylim(bottom=0)
        side.set_ylabel(properties.get("yAxis", {}).get(name, {}).get("label", ""), fontsize=7)
        side.yaxis.set_major_formatter(FuncFormatter(short))
        side.tick_params(labelsize=7)
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
    axes.grid(alpha=0.25)
    handles = [handle for side, _ in sides for handle in side.get_legend_handles_labels()[0]]
    axes.legend(
        handles, [handle.get_label() for handle in handles], fontsize=6, ncols=3, loc="upper center",
        bbox_to_anchor=(0.5, -0.13), frameon=False,
    )  # fmt: skip


def draw(body, series, path):
    widgets = body["widgets"]
    rows = max(widget["y"] + widget["height"] for widget in widgets)
    figure = plt.figure(figsize=(18, rows * 0.62), facecolor="#f2f3f3", dpi=80)
    for widget in widgets:
        left, width = widget["x"] / COLUMNS, widget["width"] / COLUMNS
        bottom, height = 1 - (widget["y"] + widget["height"]) / rows, widget["height"] / rows
        gap = 0.003
        card = figure.add_axes([left + gap, bottom + gap, width - 2 * gap, height - 2 * gap], facecolor="white")
        card.set_xticks([])
        card.set_yticks([])
        for spine in card.spines.values():
            spine.set_color("#d5dbdb")
        properties = widget["properties"]
        if widget["type"] == "text":
            text = textwrap.fill(properties["markdown"].replace("`", ""), 200)
            card.text(0.01, 0.5, text, va="center", fontsize=9)
            continue
        card.set_title(properties["title"], loc="left", fontsize=10, fontweight="bold", y=1, pad=-15, x=0.015)
        shown = lines(series, properties)
        print(f"{len(shown)} {properties['title']}")
        if not shown:
            card.text(0.5, 0.45, "no data", ha="center", color="#879596")
        elif properties["view"] == "singleValue":
            for number, row in enumerate(properties["metrics"]):
                label = row[-1]["label"]
                values = next((values for name, values, _ in shown if name == label), None)
                middle = (number + 0.5) / len(properties["metrics"])
                total = "–" if values is None else short(max(values.values()) if label == "Dead-letter queue" else sum(values.values()))
                card.text(middle, 0.42, total, ha="center", va="center", fontsize=22, color="#16191f")
                card.text(middle, 0.13, label, ha="center", fontsize=9, color="#545b64")
        else:
            inner = figure.add_axes([left + width * 0.11, bottom + height * 0.26, width * 0.79, height * 0.58])
            graph(inner, shown, properties)
    figure.savefig(path, metadata={"Software": None})


def main(metrics, picture):
    draw(dashboard("template.yaml"), read(metrics), picture)


if __name__ == "__main__":
    main(*sys.argv[1:])
