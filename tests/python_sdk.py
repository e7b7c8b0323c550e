"""The reference of the Python SDK, and what runs its examples: `python3 tests/python_sdk.py`.

Reads the docstrings of guest-converters/python-sdk, without importing it: it runs in a component only. Prints JSON: the `reference` in
Markdown, a `converter` whose partition `example` chooses an example, the `sample` that it converts, and the `examples` with what they must
make of it. A docstring without an example is a fault.
"""

import ast
import json
import re
import sys
import textwrap
from pathlib import Path

SDK = Path(__file__).parent.parent / "guest-converters/python-sdk"

SAMPLE = {
    "at": ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z", "2024-01-01T02:00:00Z"],
    "read": ["2024-01-01 00:00:00.5", "2024-01-01 01:00:00", "yesterday"],
    "station": ["pico", "faial", None],
    "celsius": [14.5, None, 15.25],
    "gust": [12, 30, 7],
    "unit": ["kt", "km/h", "kt"],
    "rain": [[0.25, 0.5], [], [1.5]],
}

IMPORTS = """\
import converter_sdk
from converter_sdk import *
"""

# What the examples begin with.
BEGIN = """\
at = plan.required("at", ColumnType.TIMESTAMP)
station = plan.required("station", ColumnType.TEXT)
celsius = plan.required("celsius", ColumnType.FLOAT)
gust = plan.required("gust", ColumnType.INTEGER)
point = Point("weather", at)
point.field("gust", gust)
"""

INTRODUCTION = """\
# The Python SDK

This page is generated from the docstrings of [converter_sdk.py](../../guest-converters/python-sdk/converter_sdk.py):
`UPDATE_DOCUMENTS=1 cargo test --release --workspace --test languages the_reference_of_the_python_sdk`. A test runs every example in the
sandbox. `influxdb-loader converter new --language python` copies the SDK into the project; the guide is
[writing converters](../writing-converters.md#in-python).

{contents}

`{names}` are types of the contract, described in [wit/0.2/converter.wit](../../wit/0.2/converter.wit); their cases are in upper case, such as
`ColumnType.TEXT`.

The examples convert this object, `region=azores/weather.parquet`:

{sample}

They are parts of `Converter.plan`, continue these lines, and end with `return [point]`:

```python
{begin}```
"""

CONVERTER = '''\
{imports}

{functions}
class Converter(converter_sdk.Converter):
    def describe(self):
        return Description("weather", "1.0.0", "weather", "The examples of the reference")

    def plan(self, plan):
        return globals()["example_" + plan.partition("example")](plan)
'''


def items(nodes):
    """What the SDK defines for authors, as its name, its signature and its docstring."""
    names = next(
        ast.literal_eval(node.value)
        for node in nodes
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    defined = {node.name: node for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    found = []
    for name in names:
        node = defined.pop(name, None)
        if isinstance(node, ast.ClassDef):
            found.append((name, signature(name, node), ast.get_docstring(node)))
            for method in node.body:
                # What the loader calls is decorated; authors call and write the others.
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_") and not method.decorator_list:
                    path = f"{name}.{method.name}"
                    found.append((path, signature(path, method), ast.get_docstring(method)))
        elif node:
            found.append((name, signature(name, node), ast.get_docstring(node)))
    others = [name for name in defined if not name.startswith("_")]
    if others:
        sys.exit(f"python_sdk.py: neither in `__all__` nor private: {others}")
    return found, [name for name in names if name not in {name for name, _, _ in found}]


def signature(name, node):
    if isinstance(node, ast.FunctionDef):
        arguments = ast.unparse(node.args).removeprefix("self, ").removeprefix("self")
        result = f" -> {ast.unparse(node.returns)}" if node.returns and ast.unparse(node.returns) != "None" else ""
        return f"{name}({arguments}){result}"
    makes = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
    # The loader's input is what the loader makes it of.
    return signature(name, makes[0]) if makes and makes[0].args.args[1].arg != "input" else f"class {name}"


def parts(name, docstring):
    """A docstring's text, and its blocks by their titles."""
    text, *blocks = re.split(r"^(Example|Points|Message)::\n", docstring or "", flags=re.MULTILINE)
    blocks = {title: textwrap.dedent(block).strip() + "\n" for title, block in zip(blocks[::2], blocks[1::2])}
    if "Example" not in blocks or len(blocks) < 2:
        sys.exit(f"python_sdk.py: `{name}` has no example, or none of `Points::` and `Message::` that it makes")
    return text.strip(), blocks


def function(number, code):
    """An example as a function of the plan."""
    if "class Converter(" in code:
        body = f"{code}Converter.describe(None)\nreturn Converter.plan(None, plan)\n"
    else:
        body = BEGIN + code + ("" if code.splitlines()[-1].startswith("return ") else "return [point]\n")
    return f"def example_{number}(plan):\n{textwrap.indent(body, '    ')}\n"


def main():
    found, contract = items([node for module in SDK.glob("*.py") for node in ast.parse(module.read_text()).body])
    sections, functions, examples = [], [], []
    for number, (name, signed, docstring) in enumerate(found):
        text, blocks = parts(name, docstring)
        depth = "###" if "." in name else "##"
        shown = [f"{depth} `{name}`", f"```python\n{signed}\n```", text, f"Example:\n\n```python\n{blocks['Example']}```"]
        if "Points" in blocks:
            shown.append(f"Points:\n\n```text\n{blocks['Points']}```")
        if "Message" in blocks:
            shown.append(f"The loader reports:\n\n```text\n{blocks['Message']}```")
        sections.append("\n\n".join(shown) + "\n")
        functions.append(function(number, blocks["Example"]))
        expected = {"points": blocks.get("Points", ""), "messages": blocks.get("Message", "").splitlines()}
        examples.append({"item": name, **expected})
    for name in contract:
        if not any(re.search(rf"\b{name}\b", code) for code in functions):
            sys.exit(f"python_sdk.py: no example has `{name}`")
    rows = ["| " + " | ".join(SAMPLE) + " |", "|" + "---|" * len(SAMPLE)]
    rows += ["| " + " | ".join("" if it is None else str(it) for it in row) + " |" for row in zip(*SAMPLE.values())]
    link = lambda name: f"[`{name}`](#{re.sub(r'[^a-z_]', '', name.lower())})"
    introduction = INTRODUCTION.format(
        contents=" ".join(link(name) for name, _, _ in found), names="`, `".join(contract), sample="\n".join(rows), begin=BEGIN
    )
    print(
        json.dumps(
            {
                "reference": introduction + "\n" + "\n".join(sections),
                "converter": CONVERTER.format(imports=IMPORTS, functions="\n".join(functions)),
                "sample": SAMPLE,
                "examples": examples,
            }
        )
    )


if __name__ == "__main__":
    main()
