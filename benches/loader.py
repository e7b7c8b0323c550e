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

    def run(self, *arguments, core=None, limit=600, status=0, **settings):
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | QUIET
        environment |= {"CONVERTER_CACHE_DIRECTORY": str(self.cache)} | settings
        return run([self.path, *arguments], environment, core, limit, status)

    def version(self):
        return self.run("--version").output.strip()

    def convert(self, file, **how):
        """Makes line protocol of a file, which nobody keeps. The time has the start of the program in it."""
        return self.load(file, "/dev/null", **how)

    def load(self, file, to="influxdb", dataset=None, converter=None, **how):
        """Loads a file. Returns what it took, beside the report's totals and timings."""
        options = {"--dataset": dataset, "--converter": converter}
        chosen = [word for option, value in options.items() if value is not None for word in (option, value)]
        done = self.run("load", file, "--to", to, "--json", *chosen, **how)
        report = json.loads(done.output)
        totals = report["totals"]
        if report["status"] != "succeeded" or totals["rows"] != totals["written"] + sum(totals["rejected"].values()):
            raise Failed(f"`{file}` was not loaded as it should be: {done.output[:2000]}")
        return {
            "rows": totals["rows"], "rejected": totals["rows"] - totals["written"], "bytes": totals["line_protocol_bytes"],
            "bytes_written": totals["bytes_written"], "requests": totals["requests"], "seconds": done.seconds, "cpu": done.cpu,
            "peak_mib": done.peak_mib, "timings": report["objects"][0]["timings"],
        }  # fmt: skip

    def refused(self, file, dataset):
        """Loads a file that is to be refused. Returns what that took, and why it was."""
        done = self.run("load", file, "--to", "/dev/null", "--json", "--dataset", dataset, status=1)
        report = json.loads(done.output)
        if report["status"] != "failed" or report["totals"]["rows"]:
            raise Failed(f"`{file}` was not refused as it should be: {done.output[:2000]}")
        message = report["objects"][0]["failure"]["message"].replace(str(file), os.path.basename(file))
        return {"rows": 0, "seconds": done.seconds, "peak_mib": done.peak_mib, "message": message.splitlines()[0]}
