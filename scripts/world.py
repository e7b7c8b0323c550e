"""What the function talks to, played by this process over the loopback interface: S3 with one object, and InfluxDB 2.x. For the
programs beside this one that start the function.
"""

import gzip
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

OBJECT = Path(__file__).parent.parent / "tests/data/dataset=consumption/sao-paulo-load-2018-2021.parquet"

HEALTH = {"action": "health"}
LOAD = {"bucket": "energy", "key": "dataset=consumption/sample.parquet"}

# What there is in the object. 13 rows have no usable time.
ROWS, POINTS = 75_453, 75_440


class World(BaseHTTPRequestHandler):
    """Answers as S3 and InfluxDB."""

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
        if self.path.startswith("/ping"):
            self.answer(204, X_Influxdb_Version="v2.7.0")
        elif self.path.startswith("/health"):
            self.answer(200, b'{"name": "influxdb", "status": "pass", "version": "v2.7.0"}')
        elif self.path.startswith("/energy/"):
            self.object()
        else:
            self.answer(404, self.path.encode())

    def do_HEAD(self):
        self.do_GET()

    def object(self):
        data = self.server.data
        start, end = 0, len(data) - 1
        if match := re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "")):
            if match[1]:
                start, end = int(match[1]), min(end, int(match[2] or end))
            else:
                start = max(0, len(data) - int(match[2]))
        self.answer(206, data[start : end + 1], ETag='"1"', Content_Range=f"bytes {start}-{end}/{len(data)}")

    def do_POST(self):
        body = self.body()
        if self.path.startswith("/api/v2/write"):
            # On one machine the loader compresses nothing.
            gzipped = self.headers.get("Content-Encoding") == "gzip"
            self.server.written.append(gzip.decompress(body) if gzipped else body)
            self.answer(204)
        else:
            self.answer(404, self.path.encode())

    def body(self):
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body


class Server(ThreadingHTTPServer):
    """Serves from its making until the end of its `with` block."""

    daemon_threads = True

    def __init__(self, handler=World):
        super().__init__(("127.0.0.1", 0), handler)
        self.data = OBJECT.read_bytes()
        # What was written to InfluxDB, the lines of a request each.
        self.written = []
        self.address = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, *_):
        """Connections break when the function is ended."""

    def points(self):
        """How many points InfluxDB has."""
        return sum(len(body.splitlines()) for body in self.written)

    def environment(self, runtime, directory):
        """The environment of a function that is handed its events at `runtime`."""
        return {
            "AWS_LAMBDA_RUNTIME_API": runtime, "AWS_LAMBDA_FUNCTION_NAME": "loader", "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769", "AWS_LAMBDA_LOG_GROUP_NAME": "l", "AWS_LAMBDA_LOG_STREAM_NAME": "s",
            "AWS_ENDPOINT_URL": f"http://{self.address}", "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "s", "INFLUXDB_URL": f"http://{self.address}", "INFLUXDB_TOKEN": "t",
            "METRICS_BACKEND": "none", "TMPDIR": str(directory), "LOG_LEVEL": "error",
        }  # fmt: skip


def require(condition, told):
    if not condition:
        sys.exit(f"{Path(sys.argv[0]).name}: {told}")
