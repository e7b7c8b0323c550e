"""What the measurements were made on, and with."""

import datetime
import os
import platform
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from engines import SERVERS
from measuring import Failed
from places import ROOT, program

PACKAGES = ["questdb", "influxdb-client", "pandas", "pyarrow", "numpy"]


def facts(loader):
    """Rows of a table: what, and which."""
    memory = int(find(r"MemTotal:\s+(\d+)", "/proc/meminfo")) / 2**20
    system = find(r'PRETTY_NAME="(.*)"', "/etc/os-release")
    this = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "commit": commit(),
        "command": shlex.join(["python3", os.path.relpath(sys.argv[0], ROOT), *sys.argv[1:]]),
        "processor": f"{processor()}, {cores()} cores",
        "memory": f"{memory:.0f} GiB",
        "load before the run": f"{os.getloadavg()[0]:.2f} processes in the last minute",
        "system": f"{system}, Linux {platform.release()}, {platform.machine()}",
        "loader": loader.version(),
        "compiler": said(["rustc", "--version"]),
        "Python": platform.python_version(),
    }
    return this | {name: version(name) for name in PACKAGES} | servers()


def cores():
    return len(os.sched_getaffinity(0))


def one_core():
    """The core on which what is measured on one runs: the last, since others begin with the first."""
    return max(os.sched_getaffinity(0))


def idle():
    """The seconds for which cores have had nothing to do, of all cores together, since the machine was started."""
    _, _, _, _, nothing, waiting, *_ = Path("/proc/stat").read_text().splitlines()[0].split()
    return (int(nothing) + int(waiting)) / os.sysconf("SC_CLK_TCK")


def processor():
    """Its name; that of a virtual machine shows little, so that its numbers are shown too."""
    name, family, model = (find(rf"^{name}\s*: (.*)", "/proc/cpuinfo") for name in ("model name", "cpu family", "model"))
    virtual = " hypervisor" in find(r"^flags\s*: (.*)", "/proc/cpuinfo")
    return f"{name} (family {family}, model {model})" + (" of a virtual machine" if virtual else "")


def servers():
    """What each reports as its version: `InfluxDB v2.7.12 (git: …)`."""
    return {server.name: said([program(server.file_name), "version"]).split()[1] for server in SERVERS}


def commit():
    changed = said(["git", "status", "--porcelain", "--", ".", ":!docs/benchmarks*"])
    return said(["git", "rev-parse", "--short=12", "HEAD"]) + (", with changes that are not committed" if changed else "")


def said(command):
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise Failed(f"`{shlex.join(command)}` fails: {error}") from None
    return (done.stdout or done.stderr).strip()


def find(pattern, path):
    match = re.search(pattern, Path(path).read_text(), re.MULTILINE)
    return match[1].strip() if match else "unknown"
