"""Runs a state machine of AWS Step Functions here: the states and fields that statemachine/backfill.asl.json uses.

    python3 states.py DEFINITION INPUT FUNCTION_URL NAME=VALUE...

`NAME=VALUE` are the substitutions of the template. Tasks that invoke Lambda go to FUNCTION_URL, as the emulator serves it;
S3 is where AWS_ENDPOINT_URL says. Waits of retries are left out and counted. What is unknown is an error, so that a
definition that uses more than is understood fails. Prints what became of the execution.

The language: https://states-language.net/spec.html, with JSONata as Step Functions has it.
"""

import itertools
import json
import re
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import cfnlint
import jsonschema
from jsonata.jsonata import Jsonata

EXPRESSION = re.compile(r"\{%(.*)%\}", re.DOTALL)

# The fields of each kind of state that are understood here.
FIELDS = {
    "Pass": {"Output", "Assign", "Next", "End"},
    "Choice": {"Choices", "Default"},
    "Succeed": {"Output"},
    "Fail": {"Error", "Cause"},
    "Task": {"Resource", "Arguments", "TimeoutSeconds", "Output", "Assign", "Retry", "Catch", "Next", "End"},
    "Map": {
        "Items", "ItemReader", "ItemSelector", "ItemBatcher", "ItemProcessor", "ResultWriter", "MaxConcurrency", "Label",
        "ToleratedFailurePercentage", "Output", "Assign", "Next", "End",
    },
}  # fmt: skip


class Failed(Exception):
    """What a state, or an execution, fails with."""

    def __init__(self, error, cause):
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


def require(condition, message):
    if not condition:
        raise SystemExit(f"states.py: {message}")


def check(definition):
    """Holds a definition against the schema that cfn-lint has of the language, and against what is understood here."""

    def states_of(machine):
        for name, state in machine["States"].items():
            # The schema looks for the language of a task in the task.
            if state["Type"] == "Task":
                state["QueryLanguage"] = "JSONata"
            unknown = set(state) - FIELDS[state["Type"]] - {"Type", "Comment", "QueryLanguage"}
            require(not unknown, f"state `{name}` has fields that are not understood: {unknown}")
            targets = [state.get("Next"), state.get("Default")]
            targets += [rule["Next"] for rule in state.get("Choices", []) + state.get("Catch", [])]
            for target in filter(None, targets):
                require(target in machine["States"], f"state `{name}` leads to `{target}`, which does not exist")
            if "ItemProcessor" in state:
                states_of(state["ItemProcessor"])

    states_of(definition)
    schema = Path(cfnlint.__file__).parent / "data/schemas/other/step_functions/statemachine.json"
    jsonschema.Draft7Validator(json.loads(schema.read_text())).validate(definition)


class Execution:
    """One run of a state machine, or of a part of it: a child of a distributed map, or an iteration of another one."""

    def __init__(self, services, machine, payload, context, variables=None):
        self.services, self.machine = services, machine
        self.payload, self.context, self.variables = payload, context, dict(variables or {})

    def run(self):
        name, value = self.machine["StartAt"], self.payload
        while name is not None:
            state = self.machine["States"][name]
            name, value = getattr(self, f"run_{state['Type'].lower()}")(state, value)
        return value

    def evaluate(self, template, value, **more):
        """A field with its expressions evaluated."""
        if isinstance(template, dict):
            return {key: self.evaluate(member, value, **more) for key, member in template.items()}
        if isinstance(template, list):
            return [self.evaluate(member, value, **more) for member in template]
        match = EXPRESSION.fullmatch(template) if isinstance(template, str) else None
        if match is None:
            return template
        expression = Jsonata(match[1].strip())
        expression.assign("states", {"input": value, "context": self.context} | more)
        expression.register_lambda("parse", json.loads)
        for name, variable in self.variables.items():
            expression.assign(name, variable)
        result = expression.evaluate(None)
        # Step Functions does not take an expression that comes to nothing.
        if result is None:
            raise Failed("States.QueryEvaluationError", f"`{match[1].strip()}` is undefined")
        return json.loads(json.dumps(result))

    def leave(self, state, value, output, **more):
        """Where the state leads, and with what."""
        assigned = self.evaluate(state.get("Assign", {}), value, **more)
        output = self.evaluate(state["Output"], value, **more) if "Output" in state else output
        self.variables |= assigned
        return state.get("Next"), output

    def run_pass(self, state, value):
        return self.leave(state, value, value)

    def run_succeed(self, state, value):
        return self.leave(state, value, value)

    def run_fail(self, state, value):
        raise Failed(self.evaluate(state["Error"], value), self.evaluate(state["Cause"], value))

    def run_choice(self, state, value):
        for rule in state["Choices"]:
            if self.evaluate(rule["Condition"], value) is True:
                return self.leave(rule, value, value)
        return state["Default"], value

    def run_task(self, state, value):
        attempts = [0] * len(state.get("Retry", []))
        while True:
            try:
                result = self.services.call(state["Resource"], self.evaluate(state["Arguments"], value))
                return self.leave(state, value, result, result=result)
            except Failed as failed:
                number = self.matching(state.get("Retry", []), failed)
                if number is not None and attempts[number] < state["Retry"][number].get("MaxAttempts", 3):
                    attempts[number] += 1
                    self.services.retries += 1
                    continue
                number = self.matching(state.get("Catch", []), failed)
                if number is None:
                    raise
                output = {"Error": failed.error, "Cause": failed.cause}
                return self.leave(state["Catch"][number], value, output, errorOutput=output)

    @staticmethod
    def matching(rules, failed):
        """The number of the first rule that names the error."""
        matches = (n for n, rule in enumerate(rules) if {failed.error, "States.ALL"} & set(rule["ErrorEquals"]))
        return next(matches, None)

    def run_map(self, state, value):
        mode = state["ItemProcessor"]["ProcessorConfig"]["Mode"]
        result = self.distributed(state, value) if mode == "DISTRIBUTED" else self.inline(state, value)
        return self.leave(state, value, result, result=result)

    def inline(self, state, value):
        results = []
        for index, item in enumerate(self.evaluate(state["Items"], value)):
            context = self.context | {"Map": {"Item": {"Index": index, "Value": item}}}
            results.append(Execution(self.services, state["ItemProcessor"], item, context, self.variables).run())
        return results

    def distributed(self, state, value):
        """Children of their own, which see nothing of the variables here."""
        reader = state["ItemReader"]
        items = self.services.items(reader, self.evaluate(reader["Arguments"], value))
        if "ItemSelector" in state:
            items = [self.selected(state["ItemSelector"], value, *numbered) for numbered in enumerate(items)]
        size = self.evaluate(state["ItemBatcher"]["MaxItemsPerBatch"], value)
        require(size == int(size) and size > 0, f"a batch of {size} items")
        batches = [{"Items": items[start : start + size]} for start in range(0, len(items), size)]
        tolerated = self.evaluate(state["ToleratedFailurePercentage"], value)
        concurrency = self.evaluate(state["MaxConcurrency"], value)
        with ThreadPoolExecutor(max_workers=concurrency) as pool:
            children = list(pool.map(lambda batch: self.child(state["ItemProcessor"], batch), batches))
        failed = [child for child in children if child["Status"] == "FAILED"]
        items_failed = sum(len(json.loads(child["Input"])["Items"]) for child in failed)
        self.services.counts = {"items": len(items), "children": len(children), "items_failed": items_failed}
        writer = self.evaluate(state["ResultWriter"]["Arguments"], value)
        details = self.services.write_results(writer, children)
        if items_failed * 100 > tolerated * len(items):
            raise Failed("States.ExceedToleratedFailureThreshold", f"{items_failed} of {len(items)} items failed")
        return {"MapRunArn": "arn:aws:states:local", "ResultWriterDetails": details}

    def selected(self, selector, value, index, item):
        inner = Execution(self.services, self.machine, None, self.context, self.variables)
        inner.context = self.context | {"Map": {"Item": {"Index": index, "Value": item}}}
        return inner.evaluate(selector, value)

    def child(self, machine, batch):
        """A child as reports tell of it."""
        told = {"Input": json.dumps(batch), "Status": "SUCCEEDED"}
        try:
            told["Output"] = json.dumps(Execution(self.services, machine, batch, self.context).run())
        except Failed as failed:
            require(len(failed.cause) <= 32768, "a cause is longer than Step Functions takes")
            told |= {"Status": "FAILED", "Error": failed.error, "Cause": failed.cause}
        return told


class Services:
    """S3 and Lambda."""

    def __init__(self, function_url):
        self.function_url = function_url
        self.s3 = boto3.client("s3")
        self.retries, self.counts = 0, {}
        self.reports = itertools.count(1)

    def call(self, resource, arguments):
        if resource == "arn:aws:states:::lambda:invoke":
            return {"Payload": self.invoke(arguments["Payload"])}
        require(resource == "arn:aws:states:::aws-sdk:s3:getObject", f"resource `{resource}`")
        return {"Body": self.s3.get_object(**arguments)["Body"].read().decode()}

    def invoke(self, payload):
        request = urllib.request.Request(self.function_url, json.dumps(payload).encode())
        try:
            with urllib.request.urlopen(request, timeout=900) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            cause = error.read().decode()
            raise Failed(json.loads(cause)["errorType"], cause) from None

    def items(self, reader, arguments):
        if reader["Resource"] == "arn:aws:states:::s3:listObjectsV2":
            pages = self.s3.get_paginator("list_objects_v2").paginate(**arguments)
            names = ("Key", "Size", "StorageClass")
            objects = (found for page in pages for found in page.get("Contents", []))
            return [{"Etag": found["ETag"]} | {name: found[name] for name in names} for found in objects]
        require(reader["Resource"] == "arn:aws:states:::s3:getObject", f"resource `{reader['Resource']}`")
        require(reader["ReaderConfig"] == {"InputType": "JSONL"}, f"reader `{reader['ReaderConfig']}`")
        return [json.loads(line) for line in self.s3.get_object(**arguments)["Body"].read().decode().splitlines()]

    def write_results(self, arguments, children):
        """The results by their status, and a manifest of them."""
        bucket, prefix = arguments["Bucket"], f"{arguments['Prefix']}/{next(self.reports)}"
        files = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
        for status, told in files.items():
            chosen = json.dumps([child for child in children if child["Status"] == status])
            if chosen != "[]":
                key = f"{prefix}/{status}_0.json"
                self.s3.put_object(Bucket=bucket, Key=key, Body=chosen)
                told.append({"Key": key, "Size": len(chosen)})
        manifest = {"DestinationBucket": bucket, "MapRunArn": "arn:aws:states:local", "ResultFiles": files}
        key = f"{prefix}/manifest.json"
        self.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(manifest))
        return {"Bucket": bucket, "Key": key}


def main(path, payload, function_url, *substitutions):
    substitutions = dict(each.split("=", 1) for each in substitutions)
    text = Path(path).read_text()
    definition = json.loads(re.sub(r"\$\{(\w+)\}", lambda match: substitutions[match[1]], text))
    check(definition)
    services = Services(function_url)
    context = {"Execution": {"Input": json.loads(payload)}}
    try:
        outcome = {"status": "SUCCEEDED", "output": Execution(services, definition, json.loads(payload), context).run()}
    except Failed as failed:
        outcome = {"status": "FAILED", "error": failed.error, "cause": failed.cause}
    print(json.dumps(outcome | {"retries": services.retries} | services.counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
