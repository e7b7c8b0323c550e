"""Serves moto on a port of the loopback interface: `python3 moto_server.py PORT [stacks]`. With `stacks`, CloudFormation makes the
types that stacks.py adds, and state machines are executed only after deploy.py has asked for it.

Four things are added to moto:

- Today's AWS clients speak Smithy RPC v2 CBOR to CloudWatch, which moto does not know yet. It does know the JSON protocol of
  the same operations, so requests and answers are translated.
- Invocations of Lambda go to where the function runs: `PUT /tests/functions/NAME` with its URL sets where. moto itself would
  run it in Docker, or answer without it.
- State machines are executed, by the interpreter of LocalStack that moto contains. moto lacks its JSONata engine, so
  jsonata-python, a translation of the one in Java that Step Functions uses, takes its place.
- Retries of a state machine do not wait.
"""

import gzip
import io
import json
import os
import re
import sys
import urllib.error
import urllib.request
from datetime import datetime
from types import SimpleNamespace
from urllib.parse import unquote

import cbor2
from jsonata.jsonata import Jsonata
from moto.core.config import default_user_config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.jsonata import jsonata
from werkzeug.serving import run_simple

CBOR_PATH = re.compile(r"/service/(?P<service>\w+)/operation/(?P<operation>\w+)")
FUNCTION_PATH = re.compile(r"/tests/functions/(?P<name>[\w-]+)")
INVOCATION_PATH = re.compile(r"/2015-03-31/functions/(?P<name>[^/]+)/invocations")

# The longest that Lambda lets a function run.
INVOCATION_SECONDS = 900


def seconds(value):
    """JSON has no timestamps: they are seconds since the epoch."""
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(f"no JSON for {type(value)}")


def body_of(environment):
    return environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))


class CborTranslation:
    """A WSGI application around moto's."""

    def __init__(self, application):
        self.application = application

    def __call__(self, environment, start_response):
        match = CBOR_PATH.fullmatch(environment["PATH_INFO"])
        if match is None:
            return self.application(environment, start_response)

        body = body_of(environment)
        if environment.pop("HTTP_CONTENT_ENCODING", None) == "gzip":
            body = gzip.decompress(body)
        body = json.dumps(cbor2.loads(body) if body else {}, default=seconds).encode()
        environment |= {
            "PATH_INFO": "/",
            "REQUEST_URI": "/",
            "RAW_URI": "/",
            "CONTENT_TYPE": "application/x-amz-json-1.0",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_X_AMZ_TARGET": f"{match['service']}.{match['operation']}",
            "wsgi.input": io.BytesIO(body),
        }

        head = []
        answer = b"".join(self.application(environment, lambda status, headers, *_: head.append((status, headers))))
        answer = cbor2.dumps(json.loads(answer or b"{}"))
        status, headers = head[0]
        headers = [(name, value) for name, value in headers if name.lower() not in ("content-length", "content-type")]
        headers += [
            ("Content-Length", str(len(answer))),
            ("Content-Type", "application/cbor"),
            ("smithy-protocol", "rpc-v2-cbor"),
        ]
        start_response(status, headers)
        return [answer]


class Invocations:
    """A WSGI application around moto's, which forwards invocations of the functions that it knows."""

    def __init__(self, application):
        self.application = application
        self.urls = {}

    def __call__(self, environment, start_response):
        path = environment["PATH_INFO"]
        if match := FUNCTION_PATH.fullmatch(path):
            self.urls[match["name"]] = body_of(environment).decode()
            start_response("200 OK", [("Content-Length", "0")])
            return []
        if match := INVOCATION_PATH.fullmatch(path):
            # A name, an ARN, or either of them with a version or an alias.
            name = re.sub(r"^arn:[^:]+:lambda:[^:]*:[^:]*:function:", "", unquote(match["name"])).split(":")[0]
            if name in self.urls:
                return self.invoke(self.urls[name], body_of(environment), start_response)
        return self.application(environment, start_response)

    @staticmethod
    def invoke(url, payload, start_response):
        """As Lambda answers: 200, with a header where the function failed."""
        headers = [("Content-Type", "application/json"), ("X-Amz-Executed-Version", "$LATEST")]
        request = urllib.request.Request(url, payload)
        try:
            with urllib.request.urlopen(request, timeout=INVOCATION_SECONDS) as response:
                answer = response.read()
                failed = response.headers.get("X-Amz-Function-Error")
        except urllib.error.HTTPError as error:
            answer, failed = error.read(), "Unhandled"
        headers += [("X-Amz-Function-Error", failed)] if failed else []
        start_response("200 OK", [*headers, ("Content-Length", str(len(answer)))])
        return [answer]


def evaluate(expression):
    """An expression of a state machine, with the variables that it uses, as the interpreter composes it."""
    try:
        value = Jsonata(expression).evaluate(None)
    except Exception as error:
        raise jsonata.JSONataException("UNKNOWN", str(error)) from error
    # Plain lists instead of those of the engine.
    return json.loads(json.dumps(value))


def main(port, mode=""):
    # Where the interpreter finds S3 and Lambda.
    os.environ["MOTO_PORT"] = port
    default_user_config["stepfunctions"] = {"execute_state_machine": mode != "stacks"}
    if mode == "stacks":
        # Its resources are made by calls of this server.
        credentials = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
        os.environ |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"} | credentials
        import stacks  # noqa: F401
    jsonata._eval_jsonata = evaluate
    retrier_decl.time = SimpleNamespace(sleep=lambda _: None)
    application = Invocations(CborTranslation(DomainDispatcherApplication(create_backend_app)))
    run_simple("127.0.0.1", int(port), application, threaded=True, request_handler=MotoRequestHandler)


if __name__ == "__main__":
    main(*sys.argv[1:])
