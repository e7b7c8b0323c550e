"""Executes a state machine: `python3 states.py DEFINITION INPUT NAME=VALUE...`; `NAME=VALUE` are its substitutions.

The interpreter is LocalStack's, in moto, which runs at AWS_ENDPOINT_URL. It refuses a Distributed Map with batches: `ItemBatcher` is
not in its grammar, nor is `Arguments` in a `ResultWriter` (judge.py holds it to that). It neither reads the input type `JSONL`, nor
lists more than a page, nor tolerates failures. Only that is done here:

- Each Distributed Map becomes a task that invokes a function, served by this process, with what the map's fields hold.
- The function reads the items, batches them, starts an execution for each batch, of a state machine of its own that is the
  map's processor, and writes the result files.

A map that fails is a function that fails, under the map's name for it. Everything else, in the processors and around the maps, is
the definition as it is deployed, and LocalStack's matter. Prints what became of the execution.

The map: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
"""

import json
import re
import sys
import threading
import time
import traceback
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3

# The function that runs maps, as moto knows it.
MAP_RUN = "map-run"
ROLE = "arn:aws:iam::123456789012:role/backfill"

# How long an execution may take, in seconds.
EXECUTION_LIMIT = 300

# What is understood of a map. Another field fails, so that none is ignored in silence.
MAP_FIELDS = {
    "Type", "Label", "ItemReader", "ItemBatcher", "MaxConcurrency", "ToleratedFailurePercentage", "ItemProcessor",
    "ResultWriter", "Next",
}  # fmt: skip

# What AWS takes, and LocalStack does not hold a machine to.
LONGEST_CAUSE = 32768
LARGEST_STATE = 256 * 1024


class MapFailed(Exception):
    """What a map fails with."""

    def __init__(self, error, cause):
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


def require(condition, message):
    if not condition:
        raise SystemExit(f"states.py: {message}")


class Machines:
    """The state machines in moto, and their executions."""

    def __init__(self):
        self.client = boto3.client("stepfunctions")

    def create(self, name, definition):
        """Creates one, which parses it."""
        name = f"{name}-{uuid.uuid4()}"
        created = self.client.create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE)
        return created["stateMachineArn"]

    def execute(self, machine, payload):
        """Runs one to its end. Returns its description and its events."""
        name, payload = str(uuid.uuid4()), json.dumps(payload)
        require(len(payload) <= LARGEST_STATE, f"an input of {len(payload)} bytes")
        execution = self.client.start_execution(stateMachineArn=machine, name=name, input=payload)["executionArn"]
        end = time.monotonic() + EXECUTION_LIMIT
        while (told := self.client.describe_execution(executionArn=execution))["status"] == "RUNNING":
            require(time.monotonic() < end, f"{execution} still runs")
            time.sleep(0.05)
        require(len(told.get("cause", "")) <= LONGEST_CAUSE, "a cause is longer than Step Functions takes")
        return told, self.client.get_execution_history(executionArn=execution, maxResults=1000)["events"]


class MapRuns:
    """What LocalStack lacks of Distributed Maps."""

    def __init__(self, machines):
        self.machines, self.processors = machines, {}
        self.s3 = boto3.client("s3")
        self.retries, self.counts = 0, {}

    def executable(self, definition):
        """The definition, with a task in the place of each map."""
        states, language = definition["States"], definition["QueryLanguage"]
        tasks = {name: self.task(name, it, language) if it["Type"] == "Map" else it for name, it in states.items()}
        return definition | {"States": tasks}

    def task(self, name, state, language):
        """The task that takes the place of a map."""
        unknown = set(state) - MAP_FIELDS
        require(not unknown, f"map `{name}` has fields that are not understood: {unknown}")
        processor = {"QueryLanguage": language} | state["ItemProcessor"]
        require(processor.pop("ProcessorConfig")["Mode"] == "DISTRIBUTED", f"map `{name}` is not distributed")
        self.processors[name] = self.machines.create("processor", processor)
        fields = {key: value for key, value in state.items() if key not in ("Type", "ItemProcessor", "Next")}
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": MAP_RUN, "Payload": fields | {"Name": name}},
            "Output": "{% $states.result.Payload %}",
            "Next": state["Next"],
        }

    def run(self, fields):
        """What the map comes to."""
        batcher = fields["ItemBatcher"]
        size, common = batcher["MaxItemsPerBatch"], batcher.get("BatchInput")
        require(size == int(size) and size > 0, f"a batch of {size} items")
        items = self.items(fields["ItemReader"])
        batches = [items[start : start + size] for start in range(0, len(items), size)]
        inputs = [{"Items": batch} | ({"BatchInput": common} if common else {}) for batch in batches]
        # What is begun is ended, what is not is left, once too much has failed.
        tolerated, failed = fields["ToleratedFailurePercentage"], 0
        children = []
        with ThreadPoolExecutor(max_workers=fields["MaxConcurrency"]) as pool:
            for batch, child in zip(batches, pool.map(lambda it: self.child(fields["Name"], it), inputs), strict=True):
                children.append(child)
                failed += len(batch) if child["Status"] == "FAILED" else 0
        self.counts = {"items": len(items), "children": len(children), "items_failed": failed}
        details = self.write_results(fields["ResultWriter"]["Arguments"], children)
        if failed * 100 > tolerated * len(items):
            raise MapFailed("States.ExceedToleratedFailureThreshold", f"{failed} of {len(items)} items failed")
        return {"MapRunArn": "arn:aws:states:local", "ResultWriterDetails": details}

    def child(self, name, batch):
        """A child as reports show it."""
        told, events = self.machines.execute(self.processors[name], batch)
        of = [event["type"] for event in events]
        # A state that is retried is entered once, and its task scheduled several times.
        self.retries += of.count("TaskScheduled") - of.count("TaskStateEntered")
        texts = {"Output": "output", "Error": "error", "Cause": "cause"}
        texts = {key: told[member] for key, member in texts.items() if told.get(member)}
        return {"Input": json.dumps(batch), "Status": told["status"], "ExecutionArn": told["executionArn"]} | texts

    def items(self, reader):
        service, arguments = reader["Resource"].rsplit(":", 1)[1], reader["Arguments"]
        if service == "listObjectsV2":
            pages = self.s3.get_paginator("list_objects_v2").paginate(**arguments)
            names = ("Key", "Size", "StorageClass")
            objects = (found for page in pages for found in page.get("Contents", []))
            return [{"Etag": found["ETag"]} | {name: found[name] for name in names} for found in objects]
        require(service == "getObject", f"resource `{reader['Resource']}`")
        require(reader["ReaderConfig"] == {"InputType": "JSONL"}, f"reader `{reader['ReaderConfig']}`")
        try:
            text = self.s3.get_object(**arguments)["Body"].read().decode()
        except self.s3.exceptions.NoSuchKey as error:
            raise MapFailed("States.ItemReaderFailed", str(error)) from error
        return [json.loads(line) for line in text.splitlines()]

    def write_results(self, arguments, children):
        """The results by their status, and a manifest of them."""
        bucket, prefix = arguments["Bucket"], f"{arguments['Prefix']}/{uuid.uuid4()}"
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

    def serve(self):
        """Serves the function, and gives moto its address. Returns the server."""
        runs = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                fields = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                try:
                    status, answer = 200, runs.run(fields)
                except MapFailed as failed:
                    # No function may fail with a name that belongs to Step Functions.
                    error = failed.error.replace("States.", "MapRun.")
                    status, answer = 500, {"errorType": error, "errorMessage": failed.cause}
                except BaseException:
                    status, answer = 500, {"errorType": "BrokenMapRun", "errorMessage": traceback.format_exc()}
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        endpoint = self.s3.meta.endpoint_url
        urllib.request.urlopen(
            urllib.request.Request(f"{endpoint}/tests/functions/{MAP_RUN}", url.encode(), method="PUT")
        ).close()
        return server


def substituted(path, substitutions):
    """The definition as it is deployed."""
    return json.loads(re.sub(r"\$\{(\w+)\}", lambda match: substitutions[match[1]], Path(path).read_text()))


def main(path, payload, *substitutions):
    substitutions = dict(each.split("=", 1) for each in substitutions)
    definition = substituted(path, substitutions)
    machines = Machines()
    runs = MapRuns(machines)
    server = runs.serve()
    told, _ = machines.execute(machines.create("backfill", runs.executable(definition)), json.loads(payload))
    server.shutdown()
    outcome = {"status": told["status"]}
    if told["status"] == "SUCCEEDED":
        outcome["output"] = json.loads(told["output"])
    else:
        outcome |= {"error": told["error"].replace("MapRun.", "States."), "cause": told["cause"]}
    require(outcome.get("error") != "BrokenMapRun", f"a map run broke: {outcome.get('cause')}")
    print(json.dumps(outcome | {"retries": runs.retries} | runs.counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
