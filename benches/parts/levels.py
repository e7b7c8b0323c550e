"""What the sandbox costs, at each level at which a converter works: as `influxdb-loader converter bench` measures it, and beside
the same mapping compiled natively, where criterion has measured both."""

import json

from markdown import count, paragraphs, table
from measuring import Failed
from parts import stages
from places import TARGET

ROWS = 1_000_000

# What all calls into the sandbox may take, in percent: of a pass on one thread, or beyond a pass without them.
LIMITS = {"generation": 3, "computed": 15}

# The benchmarks of a converter: what the sandbox costs, as a ratio, and the times with and without it.
COST, SANDBOX, NATIVE = "sandbox/{}", "whole/{}/sandbox", "whole/{}/native"

WORDS = {"generation": "generation: plans and translates", "computed": "reads and computes a column of floats"}


def measure(bench):
    file = bench.dataset("generation", ROWS)
    passes = {}
    for name in LIMITS:
        done = bench.loader.run("converter", "bench", "--json", "--seconds", "5", component(name), file)
        passes[name] = json.loads(done.output)
    criterion = stages.criterion()
    natively = {
        name: {key: criterion.get(key.format(name)) for key in (COST, SANDBOX, NATIVE)} for name in LIMITS
    }
    return {"passes": passes, "natively": {name: of for name, of in natively.items() if all(of.values())}}


def component(name):
    """The converter of the dataset as the build has made it, and that of benches/computed as the benchmarks of the stages have."""
    found = sorted(TARGET.glob(f"converters/**/converter/{name}.component.wasm"))
    if not found:
        raise Failed(f"there is no {name}.component.wasm below target/converters: `make bench` makes it")
    return found[-1]


def cost(of, which="middle"):
    """What the sandbox takes beyond the same mapping compiled natively, in percent."""
    return (of[COST][which] - 1) * 100


def section(found):
    rows, passes = [], found["passes"]
    for name, of in passes.items():
        for level, took in of["levels"].items():
            a_call = took["call_seconds"]
            rows.append([
                WORDS[name], level, count(took["calls"]), "" if a_call is None else f"{a_call * 1e6:.1f} µs",
                f"{took['ns_per_file_row']:.2f}", count(took.get("bytes_in", 0)), count(took.get("bytes_out", 0)),
            ])  # fmt: skip
    shares = [
        [
            WORDS[name], f"**{of['stages']['converter']['percent']:.1f}%**", f"{of['stages']['decode']['percent']:.1f}%",
            f"{of['stages']['encode']['percent']:.1f}%", f"{of['memory_bytes'] / 2**20:.1f}",
        ]
        for name, of in passes.items()
    ]  # fmt: skip
    return paragraphs(
        "## The sandbox",
        f"All calls into a converter, with {count(ROWS)} rows of generation data: crossings, checks of what comes back, and the "
        "converter's own work, which the same mapping would have to do in the loader, too. Medians of the passes of five seconds.",
        table(["converter", "sandbox", "decode", "encode", "MiB in the sandbox"], shares),
        table(["converter", "level", "calls", "a call", "ns a row of the file", "bytes in", "bytes out"], rows),
        natively_section(found["natively"]),
    )


def natively_section(natively):
    if not natively:
        return ""
    rows = []
    for name, of in natively.items():
        a_row = [f"{of[which]['middle'] / of[which]['number']:.1f}" for which in (SANDBOX, NATIVE)]
        rows.append([WORDS[name], f"**{cost(of):.1f}%**", f"{cost(of, 'least'):.1f}% – {cost(of, 'most'):.1f}%", *a_row])
    return paragraphs(
        "Beside the same mapping compiled into the program, which makes the same bytes: decode, plan, translate, convert and "
        "encode of 100,000 rows on one thread, with an instance made for them, as `cargo bench --workspace --bench stages` measures "
        "it. The cost is that of two loads that take their batches in turns, with the bounds of what criterion is sure of by 95 %; "
        "nanoseconds a row are those of each load by itself, one after the other.",
        table(["converter", "the sandbox costs", "from – to", "ns a row in the sandbox", "natively"], rows),
    )


def measured(found, name):
    """What the sandbox costs in percent, and of what."""
    if name in found["natively"]:
        return cost(found["natively"][name]), "beyond the same mapping compiled natively"
    return found["passes"][name]["stages"]["converter"]["percent"], "of the time"


def headlines(found):
    (generation, of), (computed, _) = (measured(found, name) for name in LIMITS)
    yield (
        f"The sandbox takes {generation:.1f}% {of} for generation data, and {computed:.1f}% where a converter computes a column "
        "of floats."
    )


def goals(found):
    for name, limit in LIMITS.items():
        percent, of = measured(found, name)
        yield f"the sandbox, {of}: {WORDS[name]}", f"at most {limit}%", f"{percent:.1f}%", percent <= limit
