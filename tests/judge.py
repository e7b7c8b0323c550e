"""Shows a definition to LocalStack's interpreter, in the moto at AWS_ENDPOINT_URL: `python3 judge.py DEFINITION NAME=VALUE...`.

The interpreter takes the definition as it is deployed, except two fields of a Distributed Map, which are in the language and not
in its grammar. Each of them is tried alone, so that this fails once the interpreter has learnt one, and states.py does too much.
Prints what is refused.
"""

import copy
import json
import re
import sys

from botocore.exceptions import ClientError
from states import Machines, require, substituted

# The fields, and the word at which the interpreter stumbles: in a ResultWriter it knows `Parameters` alone.
REFUSED = {"ItemBatcher": "ItemBatcher", "ResultWriter": "Arguments"}


def faults(machines, definition, left_out):
    """The words at which the definition, without some fields of its maps, is refused."""
    definition = copy.deepcopy(definition)
    maps = [state for state in definition["States"].values() if state["Type"] == "Map"]
    require(maps, "the definition has no maps")
    for state in maps:
        for field in left_out:
            del state[field]
    try:
        machines.create("judged", definition)
    except ClientError as error:
        return re.findall(r'at "(\w+)", mismatched', str(error))
    return []


def main(path, *substitutions):
    definition = substituted(path, dict(each.split("=", 1) for each in substitutions))
    machines = Machines()
    told = faults(machines, definition, REFUSED)
    require(not told, f"refused at {told}")
    for field, word in REFUSED.items():
        told = faults(machines, definition, set(REFUSED) - {field})
        require(told, f"LocalStack takes `{field}` now: states.py need not do it")
        require(told[0] == word, f"`{field}` is refused at {told}")
    print(json.dumps(sorted(REFUSED)))


if __name__ == "__main__":
    main(*sys.argv[1:])
