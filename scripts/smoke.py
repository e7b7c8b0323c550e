"""Starts the function under cargo-lambda's emulator of Lambda, and has it answer a health check and load one object:

    python3 scripts/smoke.py BOOTSTRAP

`cargo-lambda` has to be in the path. Fails, with what both have logged, where the function ends, gives no answer, or gives one that is
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

from world import HEALTH, LOAD, POINTS, ROWS, Server, require

NAME = "loader"

# Seconds. The emulator comes up in one, and the function answers in another; machines may have other work.
START_LIMIT, ANSWER_LIMIT, STOP_LIMIT = 30, 60, 5

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


def wait_for(port, emulator):
    end = time.monotonic() + START_LIMIT
    while time.monotonic() < end and emulator.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"the emulator does not listen after {START_LIMIT} s, or has ended: {emulator.poll()}")


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
        """The answer; an error as soon as there is nobody to give one."""
        answer = asking.submit(invoke, port, event)
        while not wait([answer], timeout=0.1).done:
            require_answer(function.poll() is None, f"the function has ended: {function.poll()}")
        return answer.result()

    # Not waited for: where it hangs, it ends with the emulator.
    asking = ThreadPoolExecutor(1)
    health = ask(HEALTH)
    require_answer(health.get("status") == "healthy", health)
    loaded = ask(LOAD)
    require_answer(loaded["status"] == "succeeded" and loaded["totals"]["points"] == POINTS, loaded)
    require_answer(server.points() == POINTS, f"InfluxDB got {server.points()} points")


def require_answer(condition, told):
    if not condition:
        raise ValueError(told)


def main(bootstrap):
    port = free_port()
    watch = [
        "cargo-lambda", "lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1", "--invoke-port", str(port),
        "--timeout", str(ANSWER_LIMIT),
    ]  # fmt: skip
    clean = {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"}
    with (
        tempfile.TemporaryDirectory() as directory,
        Server() as server,
        running(watch, directory, cwd=project(directory), env=clean) as emulator,
    ):
        environment = server.environment(f"http://127.0.0.1:{port}/.rt/{NAME}", directory)
        try:
            wait_for(port, emulator)
            with running([os.path.abspath(bootstrap)], directory, env=environment) as function:
                try_out(port, function, server)
        except (OSError, ValueError, KeyError) as error:
            logs = [f"{log.stem}:\n{log.read_text(errors='replace')}" for log in Path(directory).glob("*.log")]
            require(False, "\n".join([repr(error), *logs]))
    print(f"under the emulator a health check is answered and {ROWS:,} rows are loaded")


if __name__ == "__main__":
    main(sys.argv[1])
