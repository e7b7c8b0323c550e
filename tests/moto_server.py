"""Serves moto on a port of the loopback interface: `python3 moto_server.py PORT`.

Today's AWS clients speak Smithy RPC v2 CBOR to CloudWatch, which moto does not know yet. It does know the JSON protocol
of the same operations, so requests and answers are translated.
"""

import gzip
import io
import json
import re
import sys
from datetime import datetime

import cbor2
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

CBOR_PATH = re.compile(r"/service/(?P<service>\w+)/operation/(?P<operation>\w+)")


def seconds(value):
    """JSON has no timestamps: they are seconds since the epoch."""
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(f"no JSON for {type(value)}")


class CborTranslation:
    """A WSGI application around moto's."""

    def __init__(self, application):
        self.application = application

    def __call__(self, environment, start_response):
        match = CBOR_PATH.fullmatch(environment["PATH_INFO"])
        if match is None:
            return self.application(environment, start_response)

        body = environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
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


if __name__ == "__main__":
    application = DomainDispatcherApplication(create_backend_app)
    run_simple(
        "127.0.0.1", int(sys.argv[1]), CborTranslation(application), threaded=True, request_handler=MotoRequestHandler
    )
