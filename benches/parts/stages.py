"""Where the time of a load goes: what the loader itself reports, and the benchmarks of its stages where they have been run."""

import json

from markdown import count, paragraphs, table
from measuring import rate, spread
from places import TARGET

ROWS = 1_000_000


def measure(bench):
    file = bench.dataset("generation", ROWS)
    contenders = {"one core": lambda: bench.loader.convert(file, core=bench.core, CONVERTER_THREADS="1")}
    return {"runs": bench.in_turns(contenders), "criterion": criterion()}


def criterion():
    """What criterion has estimated, by the name of each benchmark: nanoseconds, or a ratio, and for how many elements or bytes."""
    found = {}
    for path in sorted(TARGET.glob("criterion/**/new/estimates.json")):
        median, benchmark = json.loads(path.read_text())["median"], json.loads((path.parent / "benchmark.json").read_text())
        interval = median["confidence_interval"]
        throughput = benchmark.get("throughput") or {}
        unit, number = next(iter(throughput.items()), (None, None))
        found[benchmark["full_id"]] = {
            "middle": median["point_estimate"], "least": interval["lower_bound"], "most": interval["upper_bound"],
            "unit": unit, "number": number,
        }  # fmt: skip
    return found


def stages(of):
    """Milliseconds by stage, in the order of the report, with the whole at the end."""
    names = [name for name in of[0]["timings"] if name.endswith("_seconds")]
    names.sort(key=lambda name: name.startswith("total"))
    return {name.removesuffix("_seconds").replace("_", " "): milliseconds(of, name) for name in names}


def milliseconds(of, name):
    return spread(of, lambda run: run["timings"][name] * 1000)


def section(found):
    of = found["runs"]["one core"]
    number, found_stages = of[0]["rows"], stages(of)
    rows = []
    for name, took in found_stages.items():
        share = f"**{took.middle / found_stages['total'].middle:.0%}**"
        rows.append([name, share, f"{took.middle / number * 1e6:,.0f}", took.tell(), took.between()])
    return paragraphs(
        "## Stages",
        f"`timings` of the report, for {count(number)} rows of generation data on one core, where the loader makes "
        f"{spread(of, rate).tell()} rows a second. Stages run beside each other, and the time that one waits for another counts.",
        table(["stage", "of the whole", "ns a row", "ms", "least – most"], rows),
        criterion_section(found["criterion"]),
    )


def criterion_section(found):
    if not found:
        return ""
    rows = []
    for name, each in found.items():
        # A ratio, which is reported with the sandbox.
        if name.startswith("sandbox/"):
            continue
        each_one = f"{each['middle'] / each['number']:,.2f} ns, {each['unit'].lower()}" if each["number"] else ""
        rows.append([f"`{name}`", each_one, *(f"{each[which] / 1000:,.1f}" for which in ("middle", "least", "most"))])
    return paragraphs(
        "By themselves, as `cargo bench --workspace --bench stages` measures them with 100,000 rows of the same kind, with the "
        "bounds of what criterion is sure of by 95 %. An element is a row, or, for `guest/translate`, a value:",
        table(["benchmark", "each", "µs", "from", "to"], rows),
    )


def headlines(_):
    return []


def goals(_):
    return []
