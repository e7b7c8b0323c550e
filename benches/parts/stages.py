"""Where the time of a load goes: what the loader itself reports, and its stages by themselves: the times of criterion where they have
been measured, and the instructions that callgrind counts."""

import json
import os
import re
import tempfile
from pathlib import Path

from markdown import count, paragraphs, table
from measuring import Failed, rate, run, spread
from places import ROOT, TARGET, program

ROWS = 1_000_000

# The benchmarks that have a number of instructions; `sandbox/` is a ratio of times.
COUNTED = "^(compress|decode|encode|guest|whole)/"
# The function of host/benches/stages that runs what is measured, whatever it is compiled for.
MEASURED = "*stages*counted*"


def measure(bench):
    file = bench.dataset("generation", ROWS)
    contenders = {"one core": lambda: bench.loader.convert(file, core=bench.core, CONVERTER_THREADS="1")}
    return {"runs": bench.in_turns(contenders), "criterion": criterion(), "instructions": instructions()}


def instructions():
    """The instructions of each benchmark, which runs once under callgrind, by its name."""
    build = ["cargo", "bench", "--locked", "--workspace", "--bench", "stages"]
    messages = run([*build, "--no-run", "--message-format", "json"], os.environ, limit=3600, within=ROOT).output.splitlines()
    built = [it for it in map(json.loads, messages) if it["reason"] == "compiler-artifact" and it["target"]["name"] == "stages"]
    test = [built[-1]["executable"], "--bench", "--test"]
    names = re.findall(r"(?m)^Testing (\S+)$", run([*test, COUNTED], os.environ, within=ROOT).output)
    if not names:
        raise Failed(f"no benchmark has a name like {COUNTED}")
    return {name: counted(name, [*test, f"^{name}$"]) for name in names}


def counted(name, test):
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "count"
        callgrind = [program("valgrind"), "--tool=callgrind", f"--toggle-collect={MEASURED}", f"--callgrind-out-file={file}"]
        run([*callgrind, *test], os.environ, limit=1_200, within=ROOT)
        number = re.search(r"(?m)^(?:summary|totals): (\d+)$", file.read_text())
    if not number or not int(number[1]):
        raise Failed(f"callgrind has counted nothing of {name}")
    return int(number[1])


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
        by_themselves(found["criterion"], found["instructions"]),
    )


def by_themselves(times, instructions):
    rows = []
    for name, counted in sorted(instructions.items()):
        each = times.get(name, {"number": None})
        micros = [f"{each[which] / 1000:,.1f}" if which in each else "" for which in ("middle", "least", "most")]
        of_one = ["", ""]
        if elements := each["number"]:
            of_one = [f"{each['middle'] / elements:,.2f} ns, {each['unit'].lower()}", f"{counted / elements:,.1f}"]
        rows.append([f"`{name}`", *of_one, *micros, f"{counted / 1e6:,.2f}"])
    return paragraphs(
        "By themselves, as `cargo bench --workspace --bench stages` measures them with 100,000 rows of the same kind, with the "
        "bounds of what criterion is sure of by 95 %. An element is a row, or, for `guest/translate`, a value. Instructions are "
        "those of one run, as callgrind counts them, on the processor that it emulates, which has AVX2 and no AVX-512. They hardly "
        "differ from run to run, so a change shows in them that times of a busy machine hide:",
        table(["benchmark", "each", "instructions", "µs", "from", "to", "million instructions"], rows),
    )


def headlines(_):
    return []


def goals(_):
    return []
