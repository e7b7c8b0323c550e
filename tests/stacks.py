"""Creates the stack of template.yaml in moto, with parameters of which every pair of values occurs: `python3 stacks.py`.

- Nothing is left to the rules of the template: what they refuse is refused here too, and nothing else.
- The SAM translator, as CloudFormation runs it, makes plain resources of the template.
- Every Ref, GetAtt, Sub, Condition and DependsOn leads to a parameter, or to a resource that this stack has, and none of them in a
  circle.
- moto's CloudFormation creates the resources. Types that it does not know are listed below, with what is left unproved.
- npm's asl-validator takes the definition of each state machine, with everything substituted.

Prints what was created as JSON.
"""

import io
import itertools
import json
import logging
import re
import subprocess
import sys
import tempfile
import warnings
import zipfile
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import boto3
from cfnlint.decode import cfn_yaml
from moto import mock_aws
from moto.cloudformation.parsing import resource_class_from_type
from moto.core.common_models import CloudFormationModel
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

ROOT = Path(__file__).parent.parent
REGION = "us-east-1"
ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"

# Types that moto's CloudFormation ignores. It may be none of those that data goes through or that keep it safe.
UNKNOWN_TO_MOTO = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::SNS::Subscription",
}


class ByApi:
    """A resource that moto has, but not by CloudFormation: made by its API, whose client checks the names and types."""

    def __init__(self, name, attributes):
        self.physical_resource_id, self.attributes = name, attributes

    def get_cfn_attribute(self, attribute):
        return self.attributes[attribute]

    @staticmethod
    def cloudformation_name_type():
        return None

    @classmethod
    def cloudformation_type(cls):
        return cls.kind

    @classmethod
    def has_cfn_attr(cls, attr):
        return False

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, *_, **__):
        client = boto3.client(cls.service, region_name=REGION)
        made = cls.make(client, cloudformation_json["Properties"]) or resource_name
        return cls(*made) if isinstance(made, tuple) else cls(made, {})


def by_api(service, kind):
    """Makes a model of moto of a function that calls the API; moto looks for direct heirs of its own class."""

    def model(make):
        fields = {"__module__": "tests.stacks", "service": service, "kind": kind, "make": staticmethod(make)}
        return type(kind, (ByApi, CloudFormationModel), fields)

    return model


@by_api("cloudwatch", "AWS::CloudWatch::Alarm")
def alarm(client, properties):
    name = f"alarm-{len(client.describe_alarms()['MetricAlarms'])}"
    numbers = {"Threshold": float, "Period": int, "EvaluationPeriods": int, "DatapointsToAlarm": int}
    numbers = {key: number(properties[key]) for key, number in numbers.items() if key in properties}
    client.put_metric_alarm(**properties | numbers, AlarmName=name)
    return name


@by_api("lambda", "AWS::Lambda::Version")
def version(client, properties):
    """moto's own does not return its number."""
    published = client.publish_version(**properties)
    return published["FunctionArn"], {"Version": published["Version"]}


@by_api("lambda", "AWS::Lambda::Alias")
def alias(client, properties):
    return client.create_alias(**properties | {"FunctionVersion": str(properties["FunctionVersion"])})["AliasArn"]


@by_api("lambda", "AWS::Lambda::EventInvokeConfig")
def event_invoke_config(client, properties):
    client.put_function_event_invoke_config(**properties)


@by_api("sqs", "AWS::SQS::QueuePolicy")
def queue_policy(client, properties):
    for queue in properties["Queues"]:
        client.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(properties["PolicyDocument"])})


@by_api("s3", "AWS::S3::BucketPolicy")
def bucket_policy(client, properties):
    client.put_bucket_policy(Bucket=properties["Bucket"], Policy=json.dumps(properties["PolicyDocument"]))


@by_api("secretsmanager", "AWS::SecretsManager::Secret")
def secret(client, properties):
    password = client.get_random_password(**properties.pop("GenerateSecretString"))["RandomPassword"]
    return client.create_secret(Name="token", SecretString=password, **properties)["ARN"]


# The values that each parameter takes. A dictionary stands for parameters that make sense only together.
VALUES = {
    "CreateDataBucket": ["true", "false"],
    "KeyPrefix": ["", "dataset=generation/"],
    "Trigger": ["queue", "eventbridge", "s3"],
    "InfluxDBSecretArn": ["", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:influxdb-abcdef"],
    "KmsKeyArns": ["", f"{KEY},{KEY}"],
    "EncryptionKeyArn": ["", KEY],
    "PermissionsBoundaryArn": ["", f"arn:aws:iam::{ACCOUNT}:policy/boundary"],
    "Network": [
        {},
        {"VpcId": "vpc-1", "SubnetIds": "subnet-1", "InfluxDBSecurityGroupId": "sg-1"},
        {"VpcId": "vpc-1", "SubnetIds": "subnet-1,subnet-2", "InfluxDBCidr": "10.0.0.0/8", "RouteTableIds": "rtb-1"},
        {
            "VpcId": "vpc-1", "SubnetIds": "subnet-1", "InfluxDBSecurityGroupId": "sg-1", "InfluxDBCidr": "10.0.0.0/8",
            "CreateInterfaceEndpoints": "true",
        },
    ],
    "ConverterBucket": ["", "energy-converters"],
    "ReservedConcurrency": ["-1", "10"],
    "TimeoutSeconds": ["60", "300", "900"],
    "MetricsBackend": ["emf", "cloudwatch", "none"],
    "AlarmEmail": ["", "on-call@example.com"],
    "HealthMinutes": ["5", "10", "15", "30", "60"],
    "SilenceHours": ["0", "48"],
    "RejectsExpirationDays": ["0", "30"],
    "Deployment": ["AllAtOnce", "Canary10Percent5Minutes"],
    "CreateApi": ["true", "false"],
    "Tuning": [
        {},
        {
            "MaxBatchSize": "5000", "MaxBatchBytes": "1048576", "WriteConcurrency": "8", "MaxRetries": "5",
            "Compression": "none", "RowsPerBatch": "1024", "DeadlineMarginSeconds": "20", "ObjectMemoryMiB": "256",
            "ConverterMemoryMiB": "512", "ConverterTimeSeconds": "30", "ConverterResultMiB": "128",
        },
    ],
}  # fmt: skip

KEYS_OF_MAPPINGS = {"TimeoutSeconds", "HealthMinutes"}

REQUIRED = {"DataBucket": "energy-data", "InfluxDBUrl": "https://influxdb.example.com:8086"}

# What the rules are to refuse.
REFUSED = [
    {"VpcId": "vpc-1"},
    {"VpcId": "vpc-1", "InfluxDBSecurityGroupId": "sg-1"},
    {"VpcId": "vpc-1", "SubnetIds": "subnet-1"},
    {"SubnetIds": "subnet-1"},
    {"RouteTableIds": "rtb-1"},
    {"CreateInterfaceEndpoints": "true"},
]


def require(condition, message):
    if not condition:
        sys.exit(f"stacks.py: {message}")


def combinations():
    """Rows of values in which every pair occurs: each takes, of the values, those that bring most new pairs."""
    names = list(VALUES)
    places = {name: range(len(values)) for name, values in VALUES.items()}
    missing = {
        ((a, x), (b, y)) for a, b in itertools.combinations(names, 2) for x in places[a] for y in places[b]
    }
    while missing:
        (first, second) = min(missing)
        row = dict([first, second])
        for name in names:
            if name not in row:
                def new(place, name=name):
                    pairs = (tuple(sorted(((name, place), other), key=lambda it: names.index(it[0]))) for other in row.items())
                    return sum(pair in missing for pair in pairs)

                row[name] = max(places[name], key=new)
        missing -= {
            (a, b) for a, b in itertools.combinations(sorted(row.items(), key=lambda it: names.index(it[0])), 2)
        }
        yield {name: VALUES[name][row[name]] for name in names}


def parameters(template, row):
    """The values of all parameters."""
    given = dict(REQUIRED)
    for name, value in row.items():
        given |= value if isinstance(value, dict) else {name: value}
    defaults = {name: str(it["Default"]) for name, it in template["Parameters"].items() if "Default" in it}
    for name, value in given.items():
        allowed = template["Parameters"][name]
        require(value in map(str, allowed.get("AllowedValues", [value])), f"{name} may not be `{value}`")
        require(re.fullmatch(allowed.get("AllowedPattern", ".*"), value), f"{name} may not look like `{value}`")
    return defaults | given


class Evaluation:
    """Conditions and rules, for some values of the parameters."""

    def __init__(self, template, values):
        self.template, self.values = template, values

    def value(self, it):
        if not isinstance(it, dict):
            return str(it)
        [(function, argument)] = it.items()
        match function:
            case "Ref":
                return self.values[argument]
            case "Fn::Join":
                require(argument[1] == {"Ref": "KmsKeyArns"}, f"Join of {argument}")
                return argument[0].join(self.values["KmsKeyArns"].split(","))
            case _:
                return self.holds(it)

    def holds(self, it):
        [(function, argument)] = it.items()
        match function:
            case "Condition":
                return self.holds(self.template["Conditions"][argument])
            case "Fn::Equals":
                return self.value(argument[0]) == self.value(argument[1])
            case "Fn::Not":
                return not self.holds(argument[0])
            case "Fn::And":
                return all(map(self.holds, argument))
            case "Fn::Or":
                return any(map(self.holds, argument))
        sys.exit(f"stacks.py: {function} is not understood")

    def refused(self):
        """What the rules have against the values."""
        for rule in self.template["Rules"].values():
            if "RuleCondition" not in rule or self.holds(rule["RuleCondition"]):
                for assertion in rule["Assertions"]:
                    if not self.holds(assertion["Assert"]):
                        yield assertion["AssertDescription"]


class Policies:
    """SAM's own managed policies, of which the template uses none."""

    @staticmethod
    def load():
        return {}


def translate(template, values):
    template = json.loads(json.dumps(template))
    # What `sam package` does: code is in a bucket. The definition stays here, to be looked at.
    template["Resources"]["Function"]["Properties"]["CodeUri"] = "s3://code/lambda.zip"
    machine = template["Resources"]["Backfill"]["Properties"]
    text = (ROOT / machine["DefinitionUri"]).read_text()
    machine["DefinitionUri"] = "s3://code/backfill.asl.json"
    translated = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION)).translate(template, dict(values))
    properties = translated["Resources"]["Backfill"]["Properties"]
    del properties["DefinitionS3Location"]
    properties["DefinitionString"] = {"Fn::Sub": [text, properties.pop("DefinitionSubstitutions")]}
    return translated


PSEUDO = {"AWS::AccountId", "AWS::NoValue", "AWS::Partition", "AWS::Region", "AWS::StackName", "AWS::URLSuffix"}


def chosen(it, evaluation):
    """A value without what conditions drop."""
    if isinstance(it, list):
        return [kept for each in it if (kept := chosen(each, evaluation)) != {"Ref": "AWS::NoValue"}]
    if not isinstance(it, dict):
        return it
    if set(it) == {"Fn::If"}:
        condition, yes, no = it["Fn::If"]
        return chosen(yes if evaluation.holds({"Condition": condition}) else no, evaluation)
    kept = {name: chosen(value, evaluation) for name, value in it.items()}
    return {name: value for name, value in kept.items() if value != {"Ref": "AWS::NoValue"}}


def references(it, own=frozenset()):
    """The names that a value refers to."""
    if isinstance(it, list):
        for each in it:
            yield from references(each, own)
    elif isinstance(it, dict):
        for function, argument in it.items():
            if function == "Ref" and isinstance(argument, str):
                yield argument
            elif function == "Fn::GetAtt":
                yield argument.split(".")[0] if isinstance(argument, str) else argument[0]
            elif function == "Fn::Sub":
                text, more = argument if isinstance(argument, list) else (argument, {})
                yield from references(more, own)
                yield from (n.split(".")[0] for n in re.findall(r"\$\{([^!}]+)\}", text) if n not in more)
            else:
                yield from references(argument, own)


def check_references(template, evaluation, values):
    """What the stack has, with all that refers to something that it has not found out."""
    has = lambda it: "Condition" not in it or evaluation.holds({"Condition": it["Condition"]})
    resources = {name: chosen(it, evaluation) for name, it in template["Resources"].items() if has(it)}
    outputs = {name: chosen(it, evaluation) for name, it in template["Outputs"].items() if has(it)}
    known, graph = set(resources) | set(values) | PSEUDO, {}
    for name, it in [*resources.items(), *outputs.items()]:
        depends = it.get("DependsOn", [])
        named = [*references(it), *([depends] if isinstance(depends, str) else depends)]
        lost = set(named) - known
        require(not lost, f"`{name}` refers to {lost}, which the stack has not, with {values}")
        if it is resources.get(name):
            graph[name] = set(named) & set(resources)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        sys.exit(f"stacks.py: resources wait for each other: {error.args[1]}")
    return resources


def surroundings(values):
    """Makes what the stack does not, and returns the values of the parameters with its names."""
    s3, ec2 = boto3.client("s3"), boto3.client("ec2")
    s3.create_bucket(Bucket="code")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("bootstrap", "")
    s3.put_object(Bucket="code", Key="lambda.zip", Body=archive.getvalue())
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = lambda number: ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24")["Subnet"]["SubnetId"]
    names = {
        "vpc-1": vpc,
        "subnet-1": subnet(1),
        "subnet-2": subnet(2),
        "sg-1": ec2.create_security_group(GroupName="influxdb", Description="InfluxDB", VpcId=vpc)["GroupId"],
        "rtb-1": ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"],
    }
    pattern = re.compile("|".join(names))
    return {key: pattern.sub(lambda match: names[match[0]], value) for key, value in values.items()}


def create(template, resources, values, name):
    """Creates the stack. Returns the types that moto skipped, the definition of the state machine, and the outputs."""
    values = surroundings(values)
    client = boto3.client("cloudformation")
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
    left_out = {it["Type"] for it in resources.values() if resource_class_from_type(it["Type"]) is None}
    # moto trips over outputs that are attributes of what it ignores.
    unknown = {resource for resource, it in resources.items() if it["Type"] in left_out}
    outputs = {key: it for key, it in template["Outputs"].items() if not unknown & set(references(it))}
    # Keys of mappings are texts, which moto makes numbers of.
    kinds = {key: it | ({"Type": "String"} if key in KEYS_OF_MAPPINGS else {}) for key, it in template["Parameters"].items()}
    template = template | {"Outputs": outputs, "Parameters": kinds}
    client.create_stack(StackName=name, TemplateBody=json.dumps(template), Parameters=given)
    stack = client.describe_stacks(StackName=name)["Stacks"][0]
    require(stack["StackStatus"] == "CREATE_COMPLETE", f"{stack['StackStatus']} with {values}")
    created = {it["LogicalResourceId"] for it in client.list_stack_resources(StackName=name)["StackResourceSummaries"]}
    for resource, it in resources.items():
        require(it["Type"] in left_out or resource in created, f"moto has not created `{resource}` with {values}")
    alarms = boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]
    wanted = sum(it["Type"] == "AWS::CloudWatch::Alarm" for it in resources.values())
    require(len(alarms) == wanted, f"{len(alarms)} alarms instead of {wanted} with {values}")
    machines = boto3.client("stepfunctions")
    [machine] = machines.list_state_machines()["stateMachines"]
    definition = machines.describe_state_machine(stateMachineArn=machine["stateMachineArn"])["definition"]
    return left_out, definition, {it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]}


def validate(definitions):
    """Has the validator look at all of them at once."""
    # The environment that this runs in is one of the tools, and so is the validator.
    validator = Path(sys.prefix).parent / "npm/node_modules/.bin/asl-validator"
    require(validator.exists(), f"{validator} does not exist\nhint: scripts/install.sh npm")
    with tempfile.TemporaryDirectory() as directory:
        arguments = []
        for number, definition in enumerate(definitions):
            path = Path(directory, f"{number}.json")
            path.write_text(definition)
            arguments += ["--json-path", str(path)]
        told = subprocess.run([validator, *arguments], capture_output=True, text=True)
    require(told.returncode == 0, f"asl-validator: {told.stdout}{told.stderr}")
    # A validator that looks at nothing would be pleased, too.
    twice = definitions.pop().replace("Batch failed of the plan", "Batch failed of the prefix")
    told = subprocess.run([validator, "--json-definition", twice], capture_output=True, text=True)
    require("DUPLICATE_STATE_NAMES" in told.stdout + told.stderr, "asl-validator takes a state that stands twice")


def main():
    # What moto ignores is listed, and SAM asks for toggles that nobody has.
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore", message="Tried to parse")
    template = json.loads(json.dumps(cfn_yaml.load(str(ROOT / "template.yaml"))))
    for refused in REFUSED:
        told = list(Evaluation(template, parameters(template, refused)).refused())
        require(told, f"the rules have nothing against {refused}")
    left_out, definitions, stacks, resources_created = set(), set(), 0, 0
    for number, row in enumerate([{}, *combinations()]):
        values = parameters(template, row)
        evaluation = Evaluation(template, values)
        told = list(evaluation.refused())
        require(not told, f"the rules refuse {values}: {told}")
        translated = translate(template, values)
        resources = check_references(translated, evaluation, values)
        if number == 0:
            variables = resources["Function"]["Properties"]["Environment"]["Variables"]
        with mock_aws():
            types, definition, _ = create(translated, resources, values, f"stack-{number}")
        left_out |= types
        definitions.add(definition)
        stacks, resources_created = stacks + 1, resources_created + len(resources)
    require(left_out == UNKNOWN_TO_MOTO, f"moto skips {sorted(left_out)}, and {sorted(UNKNOWN_TO_MOTO)} are listed")
    validate(definitions)
    told = {"stacks": stacks, "resources": resources_created, "definitions": len(definitions)}
    print(json.dumps(told | {"variables": sorted(variables)}))


if __name__ == "__main__":
    main()
