"""Starts the servers that the tests use, with empty databases, on free ports of the loopback interface."""

import json
import os
import random
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from measuring import Failed
from places import program

# Below the ports that the system gives to outgoing connections.
PORTS = range(20_000, 32_000)
START_LIMIT, STOP_LIMIT = 60, 30

# Without a log of requests, so that the time of the server is that of points.
INFLUXDB_CONFIGURATION = """reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{root}/meta"
[data]
dir = "{root}/data"
wal-dir = "{root}/wal"
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
[monitor]
store-enabled = false
"""


class Server:
    """A process that is ended, and whose files are deleted, at the end of the `with`."""

    # Of each question.
    headers = {}

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="influxdb-loader-bench-")
        self.port = free_port()
        root = Path(self.directory.name)
        self.log = root / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self.command(root), env={"PATH": os.environ["PATH"], "HOME": str(root)}, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log,
            )  # fmt: skip
        try:
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.directory.cleanup()

    def wait(self):
        limit = time.monotonic() + START_LIMIT
        while True:
            try:
                return self.ready()
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > limit:
                    raise Failed(f"{self.name} does not start: {error}\n{self.log.read_text()[-2000:]}") from None
                time.sleep(0.02)

    def ask(self, path, **form):
        body = urllib.parse.urlencode(form).encode() if form else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, self.headers)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.read()

    def count(self, measurement, field):
        """The points that it has of a field."""
        query = f'SELECT count("{field}") FROM "{measurement}"'
        answer = json.loads(self.ask("/query?" + urllib.parse.urlencode({"db": "energy", "q": query})))
        series = answer["results"][0].get("series")
        return series[0]["values"][0][1] if series else 0

    def peak_mib(self):
        """The most memory that it has had."""
        return self.told("status", "VmHWM") / 1024

    def written_mib(self):
        """What it has written to disk: its log of writes, and files that are made of it."""
        return self.told("io", "write_bytes") / 2**20

    def told(self, file, name):
        """A number that the kernel reports of the process."""
        lines = Path(f"/proc/{self.process.pid}/{file}").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])

    def cpu(self):
        """The seconds of processors that it has used."""
        # The name of the program, which may hold anything, ends with the last parenthesis.
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class InfluxDb2(Server):
    name, file_name = "InfluxDB 2.x", "influxd-2"
    headers = {"Authorization": "Token bench"}

    def command(self, root):
        files = [f"--bolt-path={root}/influxd.bolt", f"--sqlite-path={root}/influxd.sqlite", f"--engine-path={root}/engine"]
        # Without a log of what is not wrong, as the other.
        options = ["--reporting-disabled", "--log-level=error", f"--http-bind-address=127.0.0.1:{self.port}"]
        return [program(self.file_name), *options, *files]

    def ready(self):
        setup = {"username": "bench", "password": "correct-horse", "org": "bench", "bucket": "energy", "token": "bench"}
        body = json.dumps(setup).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v2/setup", body, timeout=30) as answer:
            self.bucket = json.loads(answer.read())["bucket"]["id"]

    def lengthen_shards(self):
        """As `influx bucket update --shard-group-duration 52w`."""
        rules = [{"type": "expire", "everySeconds": 0, "shardGroupDurationSeconds": 52 * 7 * 86_400}]
        url = f"http://127.0.0.1:{self.port}/api/v2/buckets/{self.bucket}"
        request = urllib.request.Request(url, json.dumps({"retentionRules": rules}).encode(), self.headers, method="PATCH")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30):
            pass

    def settings(self):
        return {
            "INFLUXDB_API": "v2", "INFLUXDB_URL": f"http://127.0.0.1:{self.port}", "INFLUXDB_ORG": "bench",
            "INFLUXDB_BUCKET": "energy", "INFLUXDB_TOKEN": "bench",
        }  # fmt: skip


class InfluxDb(Server):
    name, file_name = "InfluxDB 1.x", "influxd-1"

    def command(self, root):
        configuration = root / "influxdb.conf"
        configuration.write_text(INFLUXDB_CONFIGURATION.format(root=root, port=self.port, rpc=free_port()))
        return [program(self.file_name), "run", "-config", configuration]

    def ready(self):
        self.ask("/query", q="CREATE DATABASE energy")

    def lengthen_shards(self):
        self.ask("/query", q='ALTER RETENTION POLICY "autogen" ON "energy" SHARD DURATION 52w')

    def settings(self):
        return {"INFLUXDB_API": "v1", "INFLUXDB_URL": f"http://127.0.0.1:{self.port}", "INFLUXDB_BUCKET": "energy"}


SERVERS = [InfluxDb2, InfluxDb]


def free_port():
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Failed(f"no port of {PORTS} is free")
