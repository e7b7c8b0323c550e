"""Holds the commands of the AWS command line in documents against AWS: `python3 commands.py DOCUMENT...`.

Each operation exists, has the options that are given, and gets those that it requires. What stands in capitals for something of the
stack is among the outputs of template.yaml. Prints the commands.
"""

import json
import re
import shlex
import sys
from pathlib import Path

import botocore.session
from botocore import xform_name
from cfnlint.decode import cfn_yaml

ROOT = Path(__file__).parent.parent

# Options of the command line itself.
GLOBAL = {"query", "output", "cli-binary-format"}

# Commands that are no operations of a service, and their options.
CUSTOM = {
    ("s3", "cp"): set(),
    ("s3", "ls"): {"recursive"},
    ("s3", "sync"): set(),
    ("logs", "tail"): {"follow"},
    ("cloudformation", "deploy"): {"stack-name", "template-file", "s3-bucket", "capabilities", "parameter-overrides"},
}

SERVICES = {"s3api": "s3"}

# What is no output of the stack: the reader's own.
OWN = {"DATA-BUCKET", "CONVERTER-BUCKET", "DATASET", "REGION"}


def commands(text):
    """Commands in indented blocks, over several lines, and in running text."""
    blocks = re.findall(r"^ {4,}(aws (?:[^\n]*\\\n)*[^\n]*(?:\n +\"[^\n]*|\n +\S*\}[^\n]*)*)", text, re.MULTILINE)
    inline = re.findall(r"`(aws [^`]+)`", text)
    for command in blocks + inline:
        yield re.sub(r"\\\n\s*", "", command).split(" | ")[0]


def faults(command, session):
    try:
        words = shlex.split(command)
    except ValueError as error:
        yield f"is no line of a shell: {error}"
        return
    service, operation = words[1:3]
    # A position that stands for something, not an option.
    options = [re.sub(r"^--", "", word) for word in words[3:] if word.startswith("--")]
    if (service, operation) in CUSTOM:
        yield from (f"has no option --{name}" for name in set(options) - CUSTOM[service, operation])
        return
    model = session.get_service_model(SERVICES.get(service, service))
    kebab = lambda name: xform_name(name, "-")
    operations = {kebab(name): name for name in model.operation_names}
    if operation not in operations:
        yield "is no operation"
        return
    shape = model.operation_model(operations[operation]).input_shape
    members = {kebab(name): member for name, member in shape.members.items()}
    # A boolean is turned off by another option.
    members |= {f"no-{name}": member for name, member in members.items() if member.type_name == "boolean"}
    yield from (f"has no option --{name}" for name in set(options) - set(members) - GLOBAL)
    yield from (f"lacks --{name}" for name in {kebab(name) for name in shape.required_members} - set(options))


def main(*paths):
    session = botocore.session.get_session()
    outputs = {name.lower() for name in cfn_yaml.load(str(ROOT / "template.yaml"))["Outputs"]}
    found = []
    for path in paths:
        for command in commands((ROOT / path).read_text()):
            found.append(command)
            wrong = list(faults(command, session))
            for name in re.findall(r"(?<![A-Za-z_\"'{$])[A-Z]+(?:-[A-Z]+)*(?![A-Za-z:\"_])", re.sub(r"'[^']*'", "", command)):
                if name not in OWN and name.replace("-", "").lower() not in outputs:
                    wrong.append(f"`{name}` is no output of the stack")
            if wrong:
                sys.exit(f"commands.py: {path}: `{command}` {'; '.join(wrong)}")
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
