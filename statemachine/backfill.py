#!/usr/bin/env python3
"""Writes `backfill.asl.json`, the state machine of backfills: `python3 statemachine/backfill.py`.

    input ──► Load the prefix ──┐
         └──► Load the plan ────┴─► Summarize ──┬─► Verify, where the input asks for it ──┬─► Backfill succeeded
                                                │                                         └─► Database differs
                                                └─► Objects failed, Nothing to load

Both maps are Distributed Maps that run the same steps on each batch of objects. A name may stand for one state only in the
whole definition, so the steps of each map carry its name. `${…}` are the substitutions of `template.yaml`.

The steps on a batch invoke the function with all of it. What stopped at the deadline is resumed; what failed for a reason
that may pass is loaded once more, one object at a time, so that it is retried and named alone.
"""

import json
from pathlib import Path

# What the function counts for each item, a batch adds up, and the report is summed up by: another count is one word here.
TOLD = ["objects", "rows", "written", "rejected", "filtered", "points"]
COUNTS = [*TOLD, "skipped"]

# The function has failed, or InfluxDB is unreachable: about ten minutes of retries.
AWAY = {
    "ErrorEquals": ["InfluxDBConnectionError"],
    "IntervalSeconds": 10,
    "BackoffRate": 2,
    "MaxDelaySeconds": 300,
    "MaxAttempts": 6,
    "JitterStrategy": "FULL",
}

# Lambda is busy.
BUSY = {
    "ErrorEquals": [
        "Lambda.TooManyRequestsException",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.ClientExecutionTimeoutException",
    ],
    "IntervalSeconds": 2,
    "BackoffRate": 2,
    "MaxDelaySeconds": 60,
    "MaxAttempts": 8,
    "JitterStrategy": "FULL",
}

# The object or its converter: it fails again.
PERMANENT = {"ErrorEquals": ["DataConversionError"], "MaxAttempts": 0}

# A crash, an out-of-memory kill or a time-out has one of the last five names, by the version of Lambda's runtime.
CRASHED = {
    "ErrorEquals": [
        "InfluxDBWriteError",
        "UnexpectedError",
        "Lambda.Unknown",
        "Runtime.ExitError",
        "Sandbox.Timedout",
        "States.TaskFailed",
        "States.Timeout",
    ],
    "IntervalSeconds": 5,
    "BackoffRate": 2,
    "MaxAttempts": 2,
    "JitterStrategy": "FULL",
}

# S3, or the function, while the report is read.
REPORT = CRASHED | {"ErrorEquals": ["States.ALL"], "MaxAttempts": 4}


def jsonata(expression):
    """An expression as Step Functions takes it, in one line."""
    return "{% " + " ".join(expression.split()) + " %}"


def invoke(payload):
    return {
        "Type": "Task",
        "Resource": "arn:${Partition}:states:::lambda:invoke",
        "Arguments": {"FunctionName": "${Function}", "Payload": payload},
        # Longer than the function's own limit, so that a time-out is the function's, with its name.
        "TimeoutSeconds": jsonata("${FunctionTimeout} + 30"),
    }


def added(counts, results):
    """`counts` with those of the items of an answer that are loaded, or loaded up to the deadline."""
    sums = ", ".join(f"'{name}': {counts}.{name} + $sum([$loaded.{name}])" for name in TOLD)
    return jsonata(
        f"""( $loaded := {results}.items[status in ['succeeded', 'partial']];
            {{ {sums}, 'skipped': {counts}.skipped + {results}.skipped }} )"""
    )


# What a failed item is called: its place in the batch, by which the function finds it in the report, and its name for people.
NAME = """'s3://' & [{event}.bucket, {event}.objects.bucket, $common.bucket][0] & '/'
    & [{event}.Key, {event}.key, {event}.prefix, {event}.objects.key, {event}.objects.prefix][0]"""

def shortened(cause):
    """A cause, of which 25 fit into the 256 KiB of a state's output; those of Lambda have up to 16 KiB."""
    return f"$substring({cause}, 0, 1000)"


ZERO = dict.fromkeys(COUNTS, 0)


def steps(of):
    """The states of a batch, of the map that is called `of`."""

    def name(state):
        return f"{state} of the {of}"

    def choice(condition, leads_to, **more):
        return {"Condition": jsonata(condition)} | more | {"Next": name(leads_to)}

    failed_item = f"""{{ 'item': $items[$place].index, 'name': {NAME.format(event="$items[$place].event")},
        'error': $told.status = 'rejected' ? 'ObjectRejected' : $told.failure.error_type,
        'cause': {shortened("$told.failure.message")} }}"""
    permanent = "($told.status = 'rejected' or ($told.status = 'failed' and $told.failure.error_type = 'DataConversionError'))"
    states = {
        "Take the batch": {
            "Type": "Pass",
            "Assign": {
                # What is still to be loaded, each with its place in the batch.
                "items": jsonata("[$map([$states.input.Items], function($event, $place) { {'index': $place, 'event': $event} })]"),
                "common": jsonata("$states.input.BatchInput"),
                "counts": ZERO,
                "alone": [],
                "failed": [],
            },
            "Next": name("Load the batch"),
        },
        "Load the batch": invoke({"Items": jsonata("[$items.event]"), "BatchInput": jsonata("$common")})
        | {
            "Assign": {
                "counts": added("$counts", "$states.result.Payload"),
                "failed": jsonata(
                    f"""[$failed, $map([$states.result.Payload.items], function($told, $place) {{
                        {permanent} ? {failed_item} }})]"""
                ),
                "alone": jsonata(
                    f"""[$alone, $map([$states.result.Payload.items], function($told, $place) {{
                        $told.status = 'failed' and $not({permanent}) ? $items[$place] }})]"""
                ),
                "items": jsonata(
                    """[$map([$states.result.Payload.items], function($told, $place) {
                        $told.status = 'partial' ? {'index': $items[$place].index, 'event': $told.remaining} })]"""
                ),
            },
            "Retry": [AWAY, BUSY],
            "Catch": [
                {
                    "Comment": "The function crashed, or every object failed: each is loaded alone, to be named alone.",
                    "ErrorEquals": ["States.ALL"],
                    "Assign": {"alone": jsonata("[$alone, $items]"), "items": []},
                    "Next": name("Load the objects"),
                }
            ],
            "Next": name("Is anything left"),
        },
        "Is anything left": {
            "Type": "Choice",
            "Choices": [
                choice("$count($items) > 0", "Load the batch"),
                choice("$count($alone) > 0", "Load the objects"),
            ],
            "Default": name("Has anything failed"),
        },
        "Load the objects": {
            "Type": "Map",
            "Items": jsonata("$alone"),
            "MaxConcurrency": 1,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": name("Take an object"),
                "States": {
                    name(state): fields
                    for state, fields in {
                        "Take an object": {
                            "Type": "Pass",
                            "Assign": {
                                "place": jsonata("$states.input.index"),
                                "event": jsonata("$states.input.event"),
                                "subtotals": ZERO,
                            },
                            "Next": name("Load an object"),
                        },
                        "Load an object": invoke({"Items": [jsonata("$event")], "BatchInput": jsonata("$common")})
                        | {
                            "Assign": {
                                "subtotals": added("$subtotals", "$states.result.Payload"),
                                "event": jsonata(
                                    """$states.result.Payload.items[0].status = 'partial'
                                        ? $states.result.Payload.items[0].remaining : $event"""
                                ),
                            },
                            "Output": jsonata("$states.result.Payload.items[0]"),
                            "Retry": [PERMANENT, AWAY, BUSY, CRASHED],
                            "Catch": [
                                {
                                    "ErrorEquals": ["States.ALL"],
                                    "Output": {
                                        "item": jsonata("$place"),
                                        "name": jsonata(NAME.format(event="$event")),
                                        "error": jsonata("$states.errorOutput.Error"),
                                        "cause": jsonata(shortened("$states.errorOutput.Cause")),
                                    },
                                    "Next": name("Object failed"),
                                }
                            ],
                            "Next": name("Is any of it left"),
                        },
                        "Is any of it left": {
                            "Type": "Choice",
                            "Choices": [
                                choice("$states.input.status = 'partial'", "Load an object"),
                                choice("$states.input.status in ['succeeded', 'skipped']", "Object loaded"),
                            ],
                            "Default": name("Object rejected"),
                        },
                        "Object loaded": {
                            "Type": "Pass",
                            "Output": {"counts": jsonata("$subtotals")},
                            "End": True,
                        },
                        "Object rejected": {
                            "Type": "Pass",
                            "Output": {
                                "item": jsonata("$place"),
                                "name": jsonata(NAME.format(event="$event")),
                                "error": "ObjectRejected",
                                "cause": jsonata(shortened("$string($states.input.failure.message)")),
                            },
                            "End": True,
                        },
                        "Object failed": {"Type": "Pass", "End": True},
                    }.items()
                },
            },
            "Assign": {
                "counts": jsonata(
                    "{" + ", ".join(f"'{name}': $counts.{name} + $sum([$states.result.counts.{name}])" for name in COUNTS) + "}"
                ),
                "failed": jsonata("[$failed, $states.result[$exists(error)]]"),
            },
            "Next": name("Has anything failed"),
        },
        "Has anything failed": {
            "Type": "Choice",
            "Choices": [choice("$count($failed) > 0", "Batch failed")],
            "Default": name("Batch loaded"),
        },
        "Batch failed": {
            "Type": "Fail",
            "Error": jsonata("$failed[0].error"),
            # At most 30,000 characters, as JSON: the causes share what names and counts leave, and each character of a cause
            # may take two. Step Functions takes 32,768.
            "Cause": jsonata(
                """( $named := [$failed.{'item': item, 'name': name, 'error': error}];
                    $left := 30000 - $length($string({'counts': $counts, 'failed': $named})) - 12 * $count($failed);
                    $room := $max([0, $floor($left / $count($failed) / 2)]);
                    $string({'counts': $merge([$counts, {'refused': $count($failed[error = 'ObjectRejected'])}]),
                        'failed': [$failed.{'item': item, 'name': name, 'error': error, 'cause': $substring(cause, 0, $room)}]}) )"""
            ),
        },
        "Batch loaded": {"Type": "Succeed", "Output": jsonata("$counts")},
    }
    return {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": name("Take the batch"),
        "States": {name(state): fields for state, fields in states.items()},
    }


def distributed_map(of, reader, common):
    return {
        "Type": "Map",
        "Label": of.capitalize(),
        "ItemReader": reader,
        "ItemBatcher": {"MaxItemsPerBatch": jsonata("${BatchSize}"), "BatchInput": common},
        "MaxConcurrency": jsonata("${MaxConcurrency}"),
        "ToleratedFailurePercentage": jsonata("${ToleratedFailurePercentage}"),
        "ItemProcessor": steps(of),
        "ResultWriter": {
            "Resource": "arn:${Partition}:states:::s3:putObject",
            "Arguments": {"Bucket": "${ReportBucket}", "Prefix": "${ReportPrefix}"},
            "WriterConfig": {"Transformation": "NONE", "OutputType": "JSON"},
        },
        "Next": "Summarize the report",
    }


def definition():
    return {
        "Comment": "Loads every object below a prefix, or every line of a plan. Made by statemachine/backfill.py. Input: "
        '{"prefix": "dataset=generation/2024/"}, optionally with "verify": true, or {"plan": "plans/generation.jsonl"}; with '
        '"skip_loaded": true, without what the ledger records as loaded.',
        "QueryLanguage": "JSONata",
        "StartAt": "What is to be loaded",
        "States": {
            "What is to be loaded": {
                "Type": "Choice",
                "Choices": [
                    {
                        "Condition": jsonata("$type($states.input.prefix) = 'string'"),
                        "Assign": {
                            "verify": jsonata("$states.input.verify = true"),
                            "verified": jsonata("$states.input.prefix"),
                        },
                        "Next": "Load the prefix",
                    },
                    {"Condition": jsonata("$states.input.verify = true"), "Next": "Plans are not verified"},
                    {
                        "Condition": jsonata("$type($states.input.plan) = 'string'"),
                        "Assign": {"verify": False, "verified": "nothing"},
                        "Next": "Load the plan",
                    },
                ],
                "Default": "Nothing is named",
            },
            "Nothing is named": {
                "Type": "Fail",
                "Error": "BadInput",
                "Cause": "The input names neither a `prefix` of ${DataBucket} nor a `plan` in ${ReportBucket}.",
            },
            "Plans are not verified": {
                "Type": "Fail",
                "Error": "BadInput",
                "Cause": "Only a `prefix` can be verified: start another execution for it, or run `influxdb-loader verify`.",
            },
            "Load the prefix": distributed_map(
                "prefix",
                {
                    "Resource": "arn:${Partition}:states:::s3:listObjectsV2",
                    "Arguments": {"Bucket": "${DataBucket}", "Prefix": jsonata("$states.input.prefix")},
                },
                {
                    "bucket": "${DataBucket}",
                    "prefix": jsonata("$states.input.prefix"),
                    "skip_loaded": jsonata("$states.input.skip_loaded = true"),
                },
            ),
            "Load the plan": distributed_map(
                "plan",
                {
                    "Resource": "arn:${Partition}:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "JSONL"},
                    "Arguments": {"Bucket": "${ReportBucket}", "Key": jsonata("$states.input.plan")},
                },
                {"bucket": "${DataBucket}", "skip_loaded": jsonata("$states.input.skip_loaded = true")},
            ),
            "Summarize the report": invoke(
                {
                    "action": "summarize",
                    "bucket": jsonata("$states.input.ResultWriterDetails.Bucket"),
                    "manifest": jsonata("$states.input.ResultWriterDetails.Key"),
                    "plan": jsonata("'plans/again/' & $states.context.Execution.Name & '.jsonl'"),
                }
            )
            | {"Output": jsonata("$states.result.Payload"), "Retry": [REPORT], "Next": "Is everything loaded"},
            "Is everything loaded": {
                "Type": "Choice",
                "Choices": [
                    {"Condition": jsonata("$states.input.counts.failed > 0"), "Next": "Objects failed"},
                    {
                        "Comment": "A backfill that is begun again may find that all is loaded.",
                        "Condition": jsonata(
                            """$states.input.counts.objects = 0
                                and $not($states.context.Execution.Input.skip_loaded = true and $states.input.counts.skipped > 0)"""
                        ),
                        "Next": "Nothing to load",
                    },
                ],
                "Default": "Is it verified",
            },
            "Is it verified": {
                "Type": "Choice",
                "Choices": [{"Condition": jsonata("$verify"), "Next": "Verify the database"}],
                "Default": "Backfill succeeded",
            },
            "Verify the database": invoke(
                {"action": "verify", "bucket": "${DataBucket}", "prefix": jsonata("$verified")}
            )
            | {
                "Output": jsonata("$merge([$states.input, {'verified': $states.result.Payload}])"),
                "Retry": [PERMANENT, AWAY, BUSY, CRASHED],
                "Next": "Is the database as expected",
            },
            "Is the database as expected": {
                "Type": "Choice",
                "Choices": [{"Condition": jsonata("$states.input.verified.clean"), "Next": "Backfill succeeded"}],
                "Default": "Database differs",
            },
            "Database differs": {
                "Type": "Fail",
                "Error": "DatabaseDiffers",
                # Step Functions takes 32,768 characters.
                "Cause": jsonata(
                    """$substring($string({'totals': $states.input.verified.totals,
                        'differences': $states.input.verified.differences}), 0, 30000)"""
                ),
            },
            "Objects failed": {
                "Type": "Fail",
                "Error": "ObjectsFailed",
                "Cause": jsonata("$string($states.input)"),
            },
            "Nothing to load": {
                "Type": "Fail",
                "Error": "NothingToLoad",
                "Cause": jsonata(
                    """'The prefix or the plan names no object that is loaded: is it misspelled? '
                        & $string($states.input)"""
                ),
            },
            "Backfill succeeded": {"Type": "Succeed"},
        },
    }


if __name__ == "__main__":
    text = json.dumps(definition(), indent=2, ensure_ascii=False) + "\n"
    Path(__file__).with_suffix(".asl.json").write_text(text)
