"""What a load costs, as the loader itself estimates."""

import json

from markdown import paragraphs, table

ROWS = 1_000_000


def measure(bench):
    done = bench.loader.run("estimate", "--json", bench.dataset("generation", ROWS))
    return {"estimate": json.loads(done.output)}


def section(found):
    estimate = found["estimate"]
    rows = [
        [
            f"{cost['memory_mib']} MiB",
            f"{cost['processors']:.2f}",
            f"{cost['seconds']:.2f}",
            f"{cost['gigabyte_seconds']:.3f}",
            f"{cost['arm64_dollars'] * 1000:.3f}",
            f"{cost['x86_64_dollars'] * 1000:.3f}",
        ]
        for cost in estimate["million_rows"]
    ]
    header = ["memory", "processors", "seconds", "GB-seconds", "$ for a billion rows, arm64", "x86_64"]
    return paragraphs(
        "## Cost",
        "What a million rows of generation data cost in AWS Lambda, as `influxdb-loader estimate` computes after measuring "
        f"{estimate['rounds']} rounds: they take a processor {estimate['measured']['processor_seconds']:.3f} s, gzip among it. "
        "Waits for S3 and InfluxDB come to that, and the start of the function. Prices of us-east-1, November 2026.",
        table(header, rows),
    )


def headlines(_):
    return []


def goals(_):
    return []
