"""Runs programs, keeps what they took, and shows it in the middle of several rounds."""

import os
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass

# So few rows that they take what it takes to start.
FEW = 1_000


class Failed(Exception):
    """Why a part cannot be measured."""


@dataclass
class Run:
    """What a program printed, and took: seconds on the wall, seconds of processors, and the most memory."""

    output: str
    seconds: float
    cpu: float
    peak_mib: float


def run(command, environment, core=None, limit=600, status=0, within=None):
    """Runs a program to its end, on one core where it is given. Another exit status than the one given is a failure.

    What the kernel calls a process's peak memory begins with that of the process that started it: whatever takes more than
    the programs that are measured must not be imported where this is called.
    """
    command = list(map(str, command))
    pin = None if core is None else lambda: os.sched_setaffinity(0, {core})
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, env=environment, cwd=within, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, preexec_fn=pin
        )  # fmt: skip
        clock = threading.Timer(limit, process.kill)
        clock.start()
        try:
            _, ended, usage = os.wait4(process.pid, 0)
        finally:
            clock.cancel()
        seconds = time.perf_counter() - start
        # Popen would wait for it again.
        process.returncode = os.waitstatus_to_exitcode(ended)
        if process.returncode != status:
            raise Failed(f"`{' '.join(command)}` ended with {process.returncode}: {text(errors)[-2000:].strip()}")
        return Run(text(output), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def text(file):
    file.seek(0)
    return file.read().decode(errors="replace")


@dataclass
class Spread:
    """Several measurements of one thing."""

    values: list

    @property
    def middle(self):
        return statistics.median(self.values)

    @property
    def least(self):
        return min(self.values)

    @property
    def most(self):
        return max(self.values)

    def tell(self, form="{:,.0f}"):
        return form.format(self.middle)

    def between(self, form="{:,.0f}"):
        return f"{form.format(self.least)} – {form.format(self.most)}"


def spread(runs, of):
    """Of each run what is named, or what the function makes of it."""
    return Spread([of(run) if callable(of) else run[of] for run in runs])


def rate(run):
    return run["rows"] / run["seconds"]


def rate_without(run, start):
    """As `rate`, beyond the rows and the time of a run that hardly does more than start."""
    return (run["rows"] - start["rows"]) / (run["seconds"] - start["seconds"])


def rates_without(runs, starts):
    return Spread(list(map(rate_without, runs, starts)))


def ratio(runs, others, of=rate):
    """Round by round, since those of one round ran beside each other."""
    return Spread([of(run) / of(other) for run, other in zip(runs, others, strict=True)])
