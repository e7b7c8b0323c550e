"""Creates the stack of template.yaml in the moto that runs at AWS_ENDPOINT_URL: `python3 deploy.py OUTPUT NAME=VALUE...`, with
parameters.

Its state machine is executed by LocalStack's interpreter, as states.py describes, which is why this process continues after it has written
the outputs of the stack and the variables of the function, as JSON, into the file OUTPUT.
"""

import json
import logging
import sys
import threading
import urllib.request
from pathlib import Path

import boto3
import stacks
from states import ROLE, Machines, MapRuns

NAME = "energy-loader"


def execute_state_machines(endpoint):
    """Has moto execute the state machines that are created from now on. It does not know those before any more."""
    config = json.dumps({"stepfunctions": {"execute_state_machine": True}}).encode()
    request = urllib.request.Request(f"{endpoint}/moto-api/config", config, {"Content-Type": "application/json"})
    urllib.request.urlopen(request).close()


def main(output, *given):
    logging.disable(logging.WARNING)
    template = json.loads(json.dumps(stacks.cfn_yaml.load(str(stacks.ROOT / "template.yaml"))))
    values = stacks.parameters(template, dict(each.split("=", 1) for each in given))
    translated = stacks.translate(template, values)
    evaluation = stacks.Evaluation(template, values)
    resources = stacks.check_references(translated, evaluation, values)
    _, definition, outputs = stacks.create(translated, resources, values, NAME)
    # It denies what does not come by TLS, which moto does not speak; moto heeds no conditions.
    boto3.client("s3").delete_bucket_policy(Bucket=outputs["OperationsBucket"])
    client = boto3.client("lambda")
    variables = client.get_function_configuration(FunctionName=outputs["Function"])["Environment"]["Variables"]

    execute_state_machines(client.meta.endpoint_url)
    machines = Machines()
    runs = MapRuns(machines)
    definition = runs.executable(json.loads(definition))
    name = outputs["Backfill"].rsplit(":", 1)[1]
    created = machines.client.create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE)
    stacks.require(created["stateMachineArn"] == outputs["Backfill"], "the state machine has another ARN")
    runs.serve()
    Path(output).write_text(json.dumps({"outputs": outputs, "variables": variables}) + "\n")
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
