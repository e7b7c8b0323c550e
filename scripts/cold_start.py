"""Starts the function as Lambda does, several times, and measures the time and the memory that it takes:

    python3 scripts/cold_start.py BOOTSTRAP

Lambda's runtime API is played by this process too. The first event is a health check, the second one loads the object. Fails where an
answer is not as it should be, or where a goal is missed.
"""

import json
import os
import queue
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from world import HEALTH, LOAD, POINTS, ROWS, Server, World, require

STARTS = 7

# Milliseconds, and MiB.
FIRST_NEXT, AT_REST = 100, 64


class Runtime(World):
    """Lambda's runtime API as well."""

    def do_GET(self):
        if not self.path.endswith("/invocation/next"):
            return super().do_GET()
        run = self.server.run
        run.nexts.put(time.monotonic())
        event = run.events.get()
        deadline = str(int((time.time() + 300) * 1000))
        self.answer(
            200, json.dumps(event).encode(), Lambda_Runtime_Aws_Request_Id="request",
            Lambda_Runtime_Deadline_Ms=deadline, Lambda_Runtime_Invoked_Function_Arn="arn:aws:lambda",
        )  # fmt: skip

    def do_POST(self):
        if "/invocation/" not in self.path and "/init/" not in self.path:
            return super().do_POST()
        self.server.run.answers.put((time.monotonic(), self.path, json.loads(self.body())))
        self.answer(202)


class Run:
    """One start."""

    def __init__(self, bootstrap):
        self.events, self.nexts, self.answers = queue.Queue(), queue.Queue(), queue.Queue()
        with Server(Runtime) as server, tempfile.TemporaryDirectory() as directory:
            server.run = self
            started = time.monotonic()
            environment = server.environment(server.address, directory)
            process = subprocess.Popen([os.path.abspath(bootstrap)], env=environment, stdout=subprocess.DEVNULL)
            try:
                self.measure(process, started)
            finally:
                process.kill()
                process.wait()

    def measure(self, process, started):
        self.first_next = (self.nexts.get(timeout=30) - started) * 1000
        self.events.put(HEALTH)
        answered, _, health = self.answers.get(timeout=30)
        self.first_answer = (answered - started) * 1000
        self.nexts.get(timeout=30)
        self.at_rest = memory(process, "VmRSS")
        require(health.get("status") == "healthy", health)
        self.events.put(LOAD)
        _, path, loaded = self.answers.get(timeout=120)
        require(path.endswith("/response") and loaded["totals"]["points"] == POINTS, loaded)
        self.peak = memory(process, "VmHWM")


def memory(process, name):
    """In MiB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) / 1024


def main(bootstrap):
    runs = [Run(bootstrap) for _ in range(STARTS)]
    all_of = {name: [getattr(run, name) for run in runs] for name in TOLD}
    for name, (words, unit) in TOLD.items():
        least, middle = min(all_of[name]), statistics.median(all_of[name])
        print(f"{words:<42}{middle:6.0f} {unit} in the middle of {STARTS} starts, {least:.0f} at least")
    print(f"a health check and a load of {ROWS:,} rows are answered as they should be")
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
