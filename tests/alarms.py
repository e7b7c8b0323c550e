"""Holds the alarms of template.yaml against metrics: `python3 alarms.py METRICS.jsonl STACK`.

- Each alarm is on a metric that the loader has emitted in METRICS.jsonl (lines of the Embedded Metric Format), with exactly its
  dimensions, or on one of AWS's own, which are listed below with the documents that name them.
- Each alarm fires on series that it should fire on, and stays quiet on others, as CloudWatch evaluates them:
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html

Prints the names of the alarms.
"""

import json
import logging
import re
import sys

from stacks import ROOT, Evaluation, cfn_yaml, check_references, parameters, require, translate

LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html"
SQS = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html"
STATES = "https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html"
EVENTS = "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html"

# The dimensions that a metric of AWS is published with, and where that is written.
OF_FUNCTIONS = [{"FunctionName"}, {"FunctionName", "Resource"}]
OF_AWS = {
    ("AWS/Lambda", "Errors"): (OF_FUNCTIONS, LAMBDA),
    ("AWS/Lambda", "Invocations"): (OF_FUNCTIONS, LAMBDA),
    ("AWS/Lambda", "Duration"): (OF_FUNCTIONS, LAMBDA),
    ("AWS/Lambda", "Throttles"): (OF_FUNCTIONS, LAMBDA),
    ("AWS/Lambda", "DestinationDeliveryFailures"): (OF_FUNCTIONS, LAMBDA),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): ([{"QueueName"}], SQS),
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): ([{"QueueName"}], SQS),
    ("AWS/States", "ExecutionsFailed"): ([{"StateMachineArn"}], STATES),
    ("AWS/States", "ExecutionsAborted"): ([{"StateMachineArn"}], STATES),
    ("AWS/States", "ExecutionsTimedOut"): ([{"StateMachineArn"}], STATES),
    ("AWS/Events", "InvocationsFailedToBeSentToDlq"): ([{"RuleName"}], EVENTS),
}

# Nothing was measured in a period.
NONE = None

# For each alarm: parameters that differ from the defaults, the series by metric, a value a period, and whether it fires.
CASES = {
    "HealthAlarm": [
        ({}, {"Errors": [0, 0, 1, 0, 0, 0]}, False),
        ({}, {"Errors": [0, 0, 1, 0, 1]}, True),
        ({}, {"Errors": [0, 1, 1, 1]}, True),
        # The checks do not run.
        ({}, {"Errors": [0, 0, 0, NONE, NONE]}, True),
        ({"HealthMinutes": "60"}, {"Errors": [0, 1, 1]}, True),
    ],
    "FunctionErrorsAlarm": [({}, {"Errors": [0, NONE, 0]}, False), ({}, {"Errors": [0, 1, 0]}, True)],
    "ObjectErrorsAlarm": [
        ({}, {"ProcessingErrors": [NONE, NONE]}, False),
        ({}, {"ProcessingErrors": [NONE, 1, NONE]}, True),
    ],
    "RejectedRowsAlarm": [
        ({}, {"RowsRejected": [0, 1000, 0]}, False),
        ({}, {"RowsRejected": [0, 1001, 0]}, True),
        ({"RejectedRowsPerHour": "0"}, {"RowsRejected": [0, 1, 0]}, True),
    ],
    "RejectedShareAlarm": [
        ({}, {"RowsRejected": [0, 10], "SourceRecords": [0, 1000]}, False),
        ({}, {"RowsRejected": [NONE, NONE], "SourceRecords": [NONE, NONE]}, False),
        ({}, {"RowsRejected": [0, 11], "SourceRecords": [1000, 1000]}, True),
        ({}, {"RowsRejected": [1000], "SourceRecords": [1000]}, True),
        ({"RejectedPercent": "50"}, {"RowsRejected": [400], "SourceRecords": [1000]}, False),
    ],
    "SilenceAlarm": [
        ({}, {"Invocations": [1] + [NONE] * 47 + [1] + [NONE] * 47 + [1]}, False),
        ({}, {"Invocations": [1] + [NONE] * 48}, True),
        ({"SilenceHours": "2"}, {"Invocations": [5, NONE, 5, NONE, NONE]}, True),
        ({"SilenceHours": "2"}, {"Invocations": [5, NONE, 5, NONE]}, False),
    ],
    "DeadLettersAlarm": [
        ({}, {"ApproximateNumberOfMessagesVisible": [0, NONE]}, False),
        ({}, {"ApproximateNumberOfMessagesVisible": [0, 1]}, True),
    ],
    "LostEventsAlarm": [
        ({}, {"InvocationsFailedToBeSentToDlq": [NONE]}, False),
        ({}, {"InvocationsFailedToBeSentToDlq": [1]}, True),
    ],
    "LostInvocationsAlarm": [
        ({"Trigger": "s3"}, {"DestinationDeliveryFailures": [NONE]}, False),
        ({"Trigger": "s3"}, {"DestinationDeliveryFailures": [1]}, True),
    ],
    "BreakerOpenAlarm": [({}, {"BreakerOpen": [0, NONE]}, False), ({}, {"BreakerOpen": [0, 2]}, True)],
    "ConverterFallbackAlarm": [
        ({}, {"ConverterFallbacks": [0, NONE]}, False),
        ({}, {"ConverterFallbacks": [0, 3]}, True),
    ],
    "OldestMessageAlarm": [
        ({}, {"ApproximateAgeOfOldestMessage": [0, 7200]}, False),
        ({}, {"ApproximateAgeOfOldestMessage": [0, 7201]}, True),
    ],
    # Of 300 s a load stops after 290, and answers at once.
    "DurationAlarm": [
        ({}, {"Duration": [1000, 260_000]}, False),
        ({}, {"Duration": [1000, 290_500]}, True),
        ({"TimeoutSeconds": "60"}, {"Duration": [44_000]}, False),
        ({"TimeoutSeconds": "60"}, {"Duration": [50_500]}, True),
        ({"TimeoutSeconds": "60", "DeadlineMarginSeconds": "30"}, {"Duration": [30_500]}, True),
    ],
    "ThrottlesAlarm": [({}, {"Throttles": [3, 0, 5, 0]}, False), ({}, {"Throttles": [3, 2, 5]}, True)],
    "BackfillAlarm": [
        ({}, {"ExecutionsFailed": [NONE, 0], "ExecutionsAborted": [NONE, NONE], "ExecutionsTimedOut": [0, NONE]}, False),
        ({}, {"ExecutionsFailed": [NONE, 1], "ExecutionsAborted": [NONE, NONE], "ExecutionsTimedOut": [NONE, NONE]}, True),
        ({}, {"ExecutionsFailed": [0], "ExecutionsAborted": [1], "ExecutionsTimedOut": [NONE]}, True),
    ],
}  # fmt: skip

OURS = "ONS/InfluxDB"
FUNCTION = "InfluxDBLoader"


def resolved(it, values, mappings):
    """A value with parameters in it; names of resources stand for what they refer to."""
    if isinstance(it, list):
        return [resolved(each, values, mappings) for each in it]
    if not isinstance(it, dict):
        return it
    if len(it) == 1:
        [(function, argument)] = it.items()
        if function == "Ref":
            return values.get(argument, argument)
        if function == "Fn::GetAtt":
            return argument[0]
        if function == "Fn::FindInMap":
            name, first, second = resolved(argument, values, mappings)
            return mappings[name][first][second]
        if function == "Fn::Sub":
            text, more = argument if isinstance(argument, list) else (argument, {})
            names = values | resolved(more, values, mappings)
            return re.sub(r"\$\{([^}]+)\}", lambda match: str(names.get(match[1], match[1])), text)
    return {name: resolved(value, values, mappings) for name, value in it.items()}


def alarms(template, given):
    """The alarms of a stack with these parameters, by name."""
    values = parameters(template, given)
    translated = translate(template, values)
    resources = check_references(translated, Evaluation(template, values), values)
    found = {name: it["Properties"] for name, it in resources.items() if it["Type"] == "AWS::CloudWatch::Alarm"}
    return {name: resolved(it, values, template["Mappings"]) for name, it in found.items()}


def metrics(alarm):
    """What an alarm looks at: its metrics by the name under which its expression knows them."""
    if "Metrics" not in alarm:
        return {"result": alarm | {"Stat": alarm["Statistic"]}}
    stats = {it["Id"]: it["MetricStat"] for it in alarm["Metrics"] if "MetricStat" in it}
    return {name: it["Metric"] | {"Stat": it["Stat"], "Period": it["Period"]} for name, it in stats.items()}


def check_emitted(name, alarm, emitted, stack):
    periods = {int(metric["Period"]) for metric in metrics(alarm).values()}
    require(len(periods) == 1, f"{name} looks at several periods: {periods}")
    # AWS takes no alarm that looks further back: a day, or a week by hours.
    [period] = periods
    longest = 604_800 if period >= 3600 else 86_400
    require(period * int(alarm["EvaluationPeriods"]) <= longest, f"{name} looks back for too long")
    for metric in metrics(alarm).values():
        key = (metric["Namespace"], metric["MetricName"])
        dimensions = {it["Name"]: it["Value"] for it in metric["Dimensions"]}
        if key in OF_AWS:
            require(set(dimensions) in OF_AWS[key][0], f"{name}: {key} has no dimensions {set(dimensions)}")
        else:
            require(key[0] == OURS, f"{name}: {key} is not known")
            named = dimensions | {"Stack": stack} if "Stack" in dimensions else dimensions
            require((key[1], frozenset(named.items())) in emitted, f"{name}: {key} with {named} was not emitted")


def emitted_metrics(path):
    """What the loader has emitted: names and dimensions."""
    for line in map(json.loads, open(path)):
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"] if directive["Namespace"] == OURS else []:
                dimensions = frozenset((name, line[name]) for name in names)
                yield from ((metric["Name"], dimensions) for metric in directive["Metrics"])


def result(alarm, series):
    """The values that the alarm compares, one a period."""
    by_name = {name: series[metric["MetricName"]] for name, metric in metrics(alarm).items()}
    if "Metrics" not in alarm:
        return by_name["result"]
    [expression] = [it["Expression"] for it in alarm["Metrics"] if "Expression" in it]

    def fill(value, instead):
        return instead if value is NONE else value

    def at(place):
        names = {name: values[place] for name, values in by_name.items()}
        try:
            return eval(expression, {"FILL": fill, "__builtins__": {}}, names)
        except (TypeError, ZeroDivisionError):
            # What cannot be computed is missing.
            return NONE

    return [at(place) for place in range(len(next(iter(by_name.values()))))]


def fires(alarm, values):
    """Whether the alarm goes off at any time."""
    threshold = float(alarm["Threshold"])
    compare = {
        "GreaterThanThreshold": lambda value: value > threshold,
        "LessThanThreshold": lambda value: value < threshold,
    }[alarm["ComparisonOperator"]]
    missing = {"breaching": True, "notBreaching": False}[alarm["TreatMissingData"]]
    breaching = [missing if value is NONE else compare(value) for value in values]
    periods = int(alarm["EvaluationPeriods"])
    wanted = int(alarm.get("DatapointsToAlarm", periods))
    return any(sum(breaching[end - periods : end]) >= wanted for end in range(periods, len(breaching) + 1))


def main(path, stack):
    # SAM asks for toggles that nobody has.
    logging.disable(logging.WARNING)
    template = json.loads(json.dumps(cfn_yaml.load(str(ROOT / "template.yaml"))))
    emitted = set(emitted_metrics(path))
    made = set()
    for trigger in ("queue", "eventbridge", "s3"):
        for name, alarm in alarms(template, {"Trigger": trigger}).items():
            made.add(name)
            check_emitted(name, alarm, emitted, stack)
    require(made == set(CASES), f"alarms without cases, or the other way round: {made ^ set(CASES)}")
    without = alarms(template, {"MetricsBackend": "none"})
    ours = [name for name, it in without.items() if any(m["Namespace"] == OURS for m in metrics(it).values())]
    require(not ours, f"without metrics there are alarms on them: {ours}")
    require("SilenceAlarm" not in alarms(template, {"SilenceHours": "0"}), "an alarm that looks back for no hours")
    for name, cases in CASES.items():
        for given, series, expected in cases:
            alarm = alarms(template, given)[name]
            told = fires(alarm, result(alarm, series))
            require(told == expected, f"{name} with {given} {'fires' if told else 'is quiet'} on {series}")
        require({expected for _, _, expected in cases} == {True, False}, f"{name} is only tried one way")
    print(json.dumps(sorted(made)))


if __name__ == "__main__":
    main(*sys.argv[1:])
