"""Starts the function under cargo-lambda's emulator of Lambda, and has it answer a health check and load one object of S3, which is
moto:

    python3 scripts/smoke.py [QEMU] BOOTSTRAP

`cargo-lambda` has to be in the path, and this Python must have tests/requirements.txt. Fails, with what both have logged, where the function ends, gives no answer, or gives one that is
not as it should be.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

import boto3

from world import HEALTH, LOAD, OBJECT, POINTS, ROWS, Server, require

NAME = "loader"

MOTO = Path(__file__).parent.parent / "tests/moto_server.py"

# Seconds. The emulator comes up in one, and the function answers in another; machines may have other work, and QEMU takes long.
START_LIMIT, ANSWER_LIMIT, STOP_LIMIT = 60, 600, 5

MANIFEST = f'[package]\nname = "{NAME}"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n'


@contextmanager
def running(command, directory, **options):
    """A process that ends with the block. What it prints goes to a file in `directory`."""
    log = Path(directory, f"{Path(command[0]).name}.log")
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def project(directory):
    """The emulator knows functions by the names of the packages in its directory."""
    path = Path(directory, "project")
    (path / "src").mkdir(parents=True)
    (path / "Cargo.toml").write_text(MANIFEST)
    (path / "src/main.rs").write_text("fn main() {}\n")
    return path


def wait_for(port, process):
    end = time.monotonic() + START_LIMIT
    while time.monotonic() < end and process.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port} after {START_LIMIT} s; the process has ended: {process.poll()}")


def store(endpoint):
    s3 = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s"
    )
    s3.create_bucket(Bucket=LOAD["bucket"])
    s3.put_object(Bucket=LOAD["bucket"], Key=LOAD["key"], Body=OBJECT.read_bytes())


def invoke(port, event):
    url = f"http://127.0.0.1:{port}/2015-03-31/functions/{NAME}/invocations"
    request = urllib.request.Request(url, json.dumps(event).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_LIMIT) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise ValueError(f"{event} is answered by {error.code}: {error.read().decode(errors='replace')}") from error


def try_out(port, function, server):
    def ask(event):
        """The answer and the seconds that it took; an error as soon as the function has ended."""
        start = time.monotonic()
        answer = asking.submit(invoke, port, event)
        while not wait([answer], timeout=0.1).done:
            require_answer(function.poll() is None, f"the function has ended: {function.poll()}")
        return answer.result(), time.monotonic() - start

    # Not waited for: where it hangs, it ends with the emulator.
    asking = ThreadPoolExecutor(1)
    health, first = ask(HEALTH)
    require_answer(health.get("status") == "healthy", health)
    loaded, second = ask(LOAD)
    require_answer(loaded["status"] == "succeeded" and loaded["totals"]["points"] == POINTS, loaded)
    require_answer(server.points() == POINTS, f"InfluxDB got {server.points()} points")
    return first, second


def require_answer(condition, told):
    if not condition:
        raise ValueError(told)


def main(*command):
    command = [os.path.abspath(part) for part in command]
    port, moto_port = free_port(), free_port()
    watch = [
        "cargo-lambda", "lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1", "--invoke-port", str(port),
        "--timeout", str(ANSWER_LIMIT),
    ]  # fmt: skip
    clean = {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"}
    with (
        tempfile.TemporaryDirectory() as directory,
        Server() as server,
        running(watch, directory, cwd=project(directory), env=clean) as emulator,
        running([sys.executable, str(MOTO), str(moto_port)], directory) as moto,
    ):
        s3 = f"http://127.0.0.1:{moto_port}"
        environment = server.environment(f"http://127.0.0.1:{port}/.rt/{NAME}", directory) | {"AWS_ENDPOINT_URL": s3}
        try:
            wait_for(moto_port, moto)
            store(s3)
            wait_for(port, emulator)
            with running(command, directory, env=environment) as function:
                first, second = try_out(port, function, server)
        except (OSError, ValueError, KeyError) as error:
            logs = [f"{log.stem}:\n{log.read_text(errors='replace')}" for log in Path(directory).glob("*.log")]
            require(False, "\n".join([repr(error), *logs]))
    print(f"under the emulator a health check is answered in {first:.1f} s, and {ROWS:,} rows are loaded in {second:.1f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
