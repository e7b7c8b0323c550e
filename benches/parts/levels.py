"""What the sandbox costs, at each level at which a converter works: as `influxdb-loader converter bench` measures it."""

import json
import shutil

from markdown import count, paragraphs, table
from measuring import Failed
from places import DATA, TARGET

ROWS = 1_000_000

# The shares of a pass, on one thread, that all calls into the sandbox may take.
PLANNED_LIMIT, COMPUTED_LIMIT = 3, 15

WORDS = {"generation": "generation: plans and translates", "computed": "reads and computes a column of floats"}


def measure(bench):
    file = bench.dataset("generation", ROWS)
    components = {"generation": built_in(), "computed": computed(bench)}
    found = {}
    for name, component in components.items():
        done = bench.loader.run("converter", "bench", "--json", "--seconds", "5", component, file)
        found[name] = json.loads(done.output)
    return found


def built_in():
    """The converter of the dataset, as the build has made it."""
    found = sorted(TARGET.glob("converters/**/converter/generation.component.wasm"))
    if not found:
        raise Failed("there is no generation.component.wasm below target/converters: run `make converters`")
    return found[-1]


def computed(bench):
    """A converter as `converter new` makes it, but for a column that it computes."""
    project, component = DATA / "computed", DATA / "computed" / "converter.wasm"
    if not component.exists():
        shutil.rmtree(project, ignore_errors=True)
        bench.loader.run(
            "converter", "new", "computed", "--from", bench.dataset("generation", 10_000), "--directory", project
        )
        source = project / "src" / "lib.rs"
        code = source.read_text()
        passed_through = 'point.field("value", plan.required("value", &[ColumnType::Float]));'
        if passed_through not in code:
            raise Failed(f"`converter new` has written another mapping than expected into {source}")
        code = code.replace(
            passed_through,
            'let value = plan.required("value", &[ColumnType::Float]);\n'
            "        let computed = plan.compute(ColumnType::Float, [value], |[value]| {\n"
            "            Ok(Column::floats(value.floats()?.map(|value| value.map(|value| value * 0.001))))\n"
            "        });\n"
            '        point.field("value", computed);',
        )
        source.write_text(code.replace("    ColumnType, Converter,", "    Column, ColumnType, Converter,", 1))
        bench.loader.run("converter", "build", project)
    return component


def section(found):
    rows = []
    for name, of in found.items():
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
        for name, of in found.items()
    ]  # fmt: skip
    return paragraphs(
        "## The sandbox",
        f"All calls into a converter, with {count(ROWS)} rows of generation data: crossings, checks of what comes back, and the "
        "converter's own work, which the same mapping would have to do in the loader, too. Medians of the passes of five seconds.",
        table(["converter", "sandbox", "decode", "encode", "MiB in the sandbox"], shares),
        table(["converter", "level", "calls", "a call", "ns a row of the file", "bytes in", "bytes out"], rows),
    )


def headlines(found):
    yield (
        f"The sandbox takes {found['generation']['stages']['converter']['percent']:.1f}% of the time for generation data, and "
        f"{found['computed']['stages']['converter']['percent']:.1f}% where a converter computes a column of floats."
    )


def goals(found):
    for name, limit in (("generation", PLANNED_LIMIT), ("computed", COMPUTED_LIMIT)):
        share = found[name]["stages"]["converter"]["percent"]
        yield f"the sandbox's share: {WORDS[name]}", f"at most {limit}%", f"{share:.1f}%", share <= limit
