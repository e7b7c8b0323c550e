"""What a load costs, as the loader itself estimates."""

import json

from markdown import paragraphs, table

ROWS = 1_000_000


def measure(bench):
    if "estimate" not in bench.loader.run("--help").output:
        return {}
    done = bench.loader.run("estimate", "--json", bench.dataset("generation", ROWS))
    return {"estimate": json.loads(done.output)}


def tables(value):
    """Every list of objects in it, as a table."""
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        names = [name for name in value[0] if not isinstance(value[0][name], dict | list)]
        yield table([name.replace("_", " ") for name in names], [[each.get(name, "") for name in names] for each in value])
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from tables(each)


def section(found):
    if not found:
        return ""
    return paragraphs(
        "## Cost", "What `influxdb-loader estimate` says of the same million rows of generation data:", *tables(found["estimate"])
    )


def headlines(_):
    return []


def goals(_):
    return []
