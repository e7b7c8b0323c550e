"""Starts the function as Lambda does, several times, and tells how long it takes and how much memory it holds:

    python3 scripts/cold_start.py BOOTSTRAP

Lambda's runtime API, S3 with one object and InfluxDB are played by this process, over the loopback interface. The first event is a
health check, the second one loads the object. Fails where an answer is not as it should be, or where a goal is missed.
"""

import json
import os
import queue
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STARTS = 7

# Milliseconds, and MiB.
FIRST_NEXT, AT_REST = 100, 64

OBJECT = Path(__file__).parent.parent / "tests/data/dataset=consumption/sao-paulo-load-2018-2021.parquet"
EVENTS = [{"action": "health"}, {"bucket": "energy", "key": "dataset=consumption/sample.parquet"}]


class World(BaseHTTPRequestHandler):
    """All that the function talks to."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        run = self.server.run
        if self.path.endswith("/invocation/next"):
            run.nexts.put(time.monotonic())
            event = run.events.get()
            deadline = str(int((time.time() + 300) * 1000))
            self.answer(
                200, json.dumps(event).encode(), Lambda_Runtime_Aws_Request_Id="request",
                Lambda_Runtime_Deadline_Ms=deadline, Lambda_Runtime_Invoked_Function_Arn="arn:aws:lambda",
            )  # fmt: skip
        elif self.path.startswith("/ping"):
            self.answer(204, X_Influxdb_Version="v2.7.0")
        elif self.path.startswith("/health"):
            self.answer(200, b'{"name": "influxdb", "status": "pass", "version": "v2.7.0"}')
        elif self.path.startswith("/energy/"):
            self.object()
        else:
            self.answer(404, self.path.encode())

    do_HEAD = do_GET

    def object(self):
        data = self.server.run.data
        start, end = 0, len(data) - 1
        if match := re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "")):
            if match[1]:
                start, end = int(match[1]), min(end, int(match[2] or end))
            else:
                start = max(0, len(data) - int(match[2]))
        self.answer(206, data[start : end + 1], ETag='"1"', Content_Range=f"bytes {start}-{end}/{len(data)}")

    def do_POST(self):
        run = self.server.run
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) if "Content-Length" in self.headers else self.chunks()
        if "/invocation/" in self.path or "/init/" in self.path:
            run.answers.put((time.monotonic(), self.path, json.loads(body)))
            self.answer(202)
        else:
            self.answer(204)

    def chunks(self):
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Connections break when the function is ended."""


class Run:
    """One start."""

    def __init__(self, bootstrap):
        self.events, self.nexts, self.answers = queue.Queue(), queue.Queue(), queue.Queue()
        self.data = OBJECT.read_bytes()
        server = Server(("127.0.0.1", 0), World)
        server.run = self
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_port}"
        with tempfile.TemporaryDirectory() as directory:
            environment = {
                "AWS_LAMBDA_RUNTIME_API": address, "AWS_LAMBDA_FUNCTION_NAME": "loader", "AWS_LAMBDA_FUNCTION_VERSION": "1",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769", "AWS_LAMBDA_LOG_GROUP_NAME": "l", "AWS_LAMBDA_LOG_STREAM_NAME": "s",
                "AWS_ENDPOINT_URL": f"http://{address}", "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "k",
                "AWS_SECRET_ACCESS_KEY": "s", "INFLUXDB_URL": f"http://{address}", "INFLUXDB_TOKEN": "t",
                "METRICS_BACKEND": "none", "TMPDIR": directory, "LOG_LEVEL": "error",
            }  # fmt: skip
            started = time.monotonic()
            process = subprocess.Popen([os.path.abspath(bootstrap)], env=environment, stdout=subprocess.DEVNULL)
            try:
                self.measure(process, started)
            finally:
                process.kill()
                process.wait()
                server.shutdown()

    def measure(self, process, started):
        self.first_next = (self.nexts.get(timeout=30) - started) * 1000
        self.events.put(EVENTS[0])
        answered, _, health = self.answers.get(timeout=30)
        self.first_answer = (answered - started) * 1000
        self.nexts.get(timeout=30)
        self.at_rest = memory(process, "VmRSS")
        require(health.get("status") == "healthy", health)
        self.events.put(EVENTS[1])
        _, path, loaded = self.answers.get(timeout=120)
        require(path.endswith("/response") and loaded["totals"]["points"] == 75_440, loaded)
        self.peak = memory(process, "VmHWM")


def memory(process, name):
    """In MiB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) / 1024


def require(condition, told):
    if not condition:
        sys.exit(f"cold_start.py: {told}")


def main(bootstrap):
    runs = [Run(bootstrap) for _ in range(STARTS)]
    all_of = {name: [getattr(run, name) for run in runs] for name in TOLD}
    for name, (words, unit) in TOLD.items():
        least, middle = min(all_of[name]), statistics.median(all_of[name])
        print(f"{words:<42}{middle:6.0f} {unit} in the middle of {STARTS} starts, {least:.0f} at least")
    print("a health check and a load of 75,453 rows are answered as they should be")
    # What other work on this machine adds is not the function's.
    require(min(all_of["first_next"]) < FIRST_NEXT, f"the goal is {FIRST_NEXT} ms from start to the first call")
    require(statistics.median(all_of["at_rest"]) < AT_REST, f"the goal is {AT_REST} MiB at rest")


TOLD = {
    "first_next": ("from start to the first call for an event", "ms"),
    "first_answer": ("from start to the first answer", "ms"),
    "at_rest": ("memory at rest", "MiB"),
    "peak": ("memory at most, with the load", "MiB"),
}

if __name__ == "__main__":
    main(sys.argv[1])
