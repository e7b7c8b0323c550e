"""Runs the loader that is measured."""

import json
import os

from measuring import Failed, run

# Nothing but what is measured: no metrics, and no log.
QUIET = {"METRICS_BACKEND": "none", "LOG_LEVEL": "error"}


class Loader:
    """The loader with converters that it compiles and keeps in `cache`, and not where it has been used before."""

    def __init__(self, path, cache):
        self.path, self.cache = path, cache

    def run(self, *arguments, core=None, limit=600, **settings):
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | QUIET
        environment |= {"CONVERTER_CACHE_DIRECTORY": str(self.cache)} | settings
        return run([self.path, *arguments], environment, core, limit)

    def version(self):
        return self.run("--version").output.strip()

    def convert(self, file, **how):
        """Makes line protocol of a file, which nobody keeps. The time has the start of the program in it."""
        return self.load(file, "/dev/null", **how)

    def load(self, file, to="influxdb", **how):
        """Loads a file. Returns what it took, beside the report's totals and timings."""
        done = self.run("load", file, "--to", to, "--json", **how)
        report = json.loads(done.output)
        totals = report["totals"]
        if report["status"] != "succeeded" or totals["rows"] != totals["written"] + sum(totals["rejected"].values()):
            raise Failed(f"`{file}` was not loaded as it should be: {done.output[:2000]}")
        return {
            "rows": totals["rows"], "rejected": totals["rows"] - totals["written"], "bytes": totals["line_protocol_bytes"],
            "bytes_written": totals["bytes_written"], "requests": totals["requests"], "seconds": done.seconds, "cpu": done.cpu,
            "peak_mib": done.peak_mib, "timings": report["objects"][0]["timings"],
        }  # fmt: skip
