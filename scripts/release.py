"""Packs what people install: `python3 scripts/release.py OUTPUT X86_64 ARM64`, run by scripts/release.sh; `-` stands for a processor
that is not packed.

X86_64 and ARM64 are directories with the programs of a processor: `influxdb-loader`, and `lambda.zip` where there is one.

    OUTPUT/influxdb_loader-VERSION-py3-none-manylinux_2_N_ARCH.whl    the command line, for pip
    OUTPUT/influxdb-loader_VERSION_ARCH.deb                           the same for Debian, with man pages and completions
    OUTPUT/influxdb-loader-VERSION-linux-ARCH.tar.gz                  the same as it is
    OUTPUT/influxdb-loader-lambda-VERSION-ARCH.zip                    the function
    OUTPUT/influxdb-loader-VERSION-template.yaml                      the stack, which takes the zip from a bucket
    OUTPUT/influxdb-loader-VERSION.cdx.json                           the dependencies, as CycloneDX
    OUTPUT/SHA256SUMS

Times in packages are those of the commit (SOURCE_DATE_EPOCH). The wheel has the layout of maturin's bindings `bin`: a program in
`.data/scripts`. CONTRIBUTING.md has the reason why maturin does not pack it.
"""

import base64
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import uuid
import zipfile
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "influxdb-loader"

# What wheels and Debian call the processors, by Lambda's names.
PROCESSORS = {"x86_64": ("x86_64", "amd64"), "arm64": ("aarch64", "arm64")}

# The libraries that every Linux with glibc has, which a program may ask for.
LIBRARIES = re.compile(r"(libc|libm|libgcc_s|libdl|libpthread|librt|libutil|ld-linux[a-z0-9-]*)\.so\.\d+")


def fail(message, hint):
    sys.exit(f"release: {message}\nhint: {hint}")


def package():
    """Version, description and licence of the loader, from its manifests, and its authors, from the licence."""
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]
    manifest = tomllib.loads((ROOT / "host/Cargo.toml").read_text())["package"]
    authors = re.search(r"(?m)^Copyright \(c\) \d+ (.+)$", (ROOT / "LICENSE").read_text())[1]
    return {"version": workspace["version"], "license": workspace["license"], "description": manifest["description"], "authors": authors}


def glibc(program):
    """The minor version of glibc 2 that a program needs. Fails where it asks for other libraries than those of the system."""
    dynamic = subprocess.run(["readelf", "--wide", "--dynamic", program], check=True, capture_output=True, text=True).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
    others = [name for name in needed if not LIBRARIES.fullmatch(name)]
    if others or not needed:
        fail(f"`{program}` needs {others or 'no library at all'}", "link it with the C library alone")
    versions = re.findall(rb"GLIBC_2\.(\d+)", program.read_bytes())
    return max(map(int, versions))


class Packer:
    """Packages of one version."""

    def __init__(self, output):
        self.output, self.epoch = output, int(os.environ["SOURCE_DATE_EPOCH"])
        self.package = package()
        self.version = self.package["version"]

    def wheel(self, program, processor):
        """The command line as pip installs it. PEP 427; the SBOM as in PEP 770."""
        distribution = f"{NAME.replace('-', '_')}-{self.version}"
        tag = f"py3-none-manylinux_2_{glibc(program)}_{PROCESSORS[processor][0]}"
        information = f"{distribution}.dist-info"
        metadata = (
            f"Metadata-Version: 2.4\nName: {NAME}\nVersion: {self.version}\nSummary: {self.package['description']}\n"
            f"License-Expression: {self.package['license']}\nLicense-File: LICENSE\nRequires-Python: >=3.8\n"
            f"Description-Content-Type: text/markdown\n\n{(ROOT / 'README.md').read_text()}"
        )
        files = {
            f"{distribution}.data/scripts/{NAME}": program.read_bytes(),
            f"{information}/METADATA": metadata.encode(),
            f"{information}/WHEEL": f"Wheel-Version: 1.0\nGenerator: release.py\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
            f"{information}/licenses/LICENSE": (ROOT / "LICENSE").read_bytes(),
            f"{information}/sboms/{NAME}.cdx.json": self.sbom(),
        }
        digest = lambda data: base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record = "".join(f"{name},sha256={digest(data)},{len(data)}\n" for name, data in files.items())
        files[f"{information}/RECORD"] = f"{record}{information}/RECORD,,\n".encode()
        # A zip has no times before 1980.
        time = datetime.fromtimestamp(max(self.epoch, 315_532_800), timezone.utc).timetuple()[:6]
        with zipfile.ZipFile(self.output / f"{distribution}-{tag}.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
            for name, data in files.items():
                member = zipfile.ZipInfo(name, time)
                member.external_attr = (0o100755 if data is files[f"{distribution}.data/scripts/{NAME}"] else 0o100644) << 16
                member.compress_type = zipfile.ZIP_DEFLATED
                wheel.writestr(member, data)

    def extras(self, native):
        """Man pages and completions, which the program of this machine writes; by their places below /usr."""
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run([native, "man", directory], check=True)
            pages = {f"share/man/man1/{page.name}.gz": gzip.compress(page.read_bytes(), mtime=0) for page in Path(directory).iterdir()}
        places = {
            "bash": f"share/bash-completion/completions/{NAME}",
            "zsh": f"share/zsh/vendor-completions/_{NAME}",
            "fish": f"share/fish/vendor_completions.d/{NAME}.fish",
        }
        script = lambda shell: subprocess.run([native, "completions", shell], check=True, capture_output=True).stdout
        return pages | {place: script(shell) for shell, place in places.items()}

    def deb(self, program, processor, extras):
        """The command line as dpkg installs it."""
        architecture = PROCESSORS[processor][1]
        files = extras | {f"bin/{NAME}": program.read_bytes(), f"share/doc/{NAME}/copyright": (ROOT / "LICENSE").read_bytes()}
        control = (
            f"Package: {NAME}\nVersion: {self.version}\nArchitecture: {architecture}\nSection: database\nPriority: optional\n"
            f"Maintainer: {self.package['authors']}\nDepends: libc6 (>= 2.{glibc(program)}), libgcc-s1\n"
            f"Installed-Size: {sum(map(len, files.values())) // 1024}\nDescription: {self.package['description']}\n"
        )
        with tempfile.TemporaryDirectory() as root:
            placed = {f"usr/{name}": data for name, data in files.items()} | {"DEBIAN/control": control.encode()}
            for name, data in placed.items():
                path = Path(root) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                path.chmod(0o755 if name.startswith("usr/bin/") else 0o644)
            for path in [Path(root), *Path(root).rglob("*")]:
                if path.is_dir():
                    path.chmod(0o755)
            name = self.output / f"{NAME}_{self.version}_{architecture}.deb"
            subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", root, name], check=True, stdout=subprocess.DEVNULL)

    def archive(self, program, processor, extras):
        """The program, the licence, man pages and completions, in a directory."""
        directory = f"{NAME}-{self.version}"
        files = {NAME: program.read_bytes(), "LICENSE": (ROOT / "LICENSE").read_bytes()} | extras
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for name, data in sorted(files.items()):
                member = tarfile.TarInfo(f"{directory}/{name}")
                member.size, member.mtime, member.mode = len(data), self.epoch, 0o755 if name == NAME else 0o644
                archive.addfile(member, io.BytesIO(data))
        name = self.output / f"{directory}-linux-{processor}.tar.gz"
        name.write_bytes(gzip.compress(tar.getvalue(), 6, mtime=0))

    def template(self):
        """The stack, with the function's zip from a bucket instead of from a build."""
        text = (ROOT / "template.yaml").read_text()
        for old, new in [
            (
                "    Metadata:\n      BuildMethod: rust-cargolambda\n      BuildProperties:\n        Binary: lambda\n      checkov:",
                "    Metadata:\n      checkov:",
            ),
            ("      CodeUri: host\n", "      CodeUri: { Bucket: !Ref CodeBucket, Key: !Ref CodeKey }\n"),
            ("      DefinitionUri: statemachine/backfill.asl.json\n", f"      Definition: {self.definition()}\n"),
            ("      Architectures: [arm64]\n", "      Architectures: [!Ref Architecture]\n"),
            ("      - Label: { default: Data }\n", "      - Label: { default: Code }\n        Parameters: [CodeBucket, CodeKey, Architecture]\n"
             "      - Label: { default: Data }\n"),
            ("\nParameters:\n", f"""
Parameters:
  CodeBucket:
    Type: String
    Description: The bucket with the zip of the function, in the region of the stack.
    AllowedPattern: "[a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9]"
  CodeKey:
    Type: String
    Description: The key of the zip of the function.
    Default: {NAME}-lambda-{self.version}-arm64.zip
  Architecture:
    Type: String
    Description: The processor that the zip is for.
    AllowedValues: [arm64, x86_64]
    Default: arm64
"""),
        ]:
            if text.count(old) != 1:
                fail(f"template.yaml has {text.count(old)} times `{old.strip()}`", "adapt `template` in scripts/release.py")
            text = text.replace(old, new)
        (self.output / f"{NAME}-{self.version}-template.yaml").write_text(text)

    @staticmethod
    def definition():
        """The state machine, on a line: JSON is YAML."""
        return json.dumps(json.loads((ROOT / "statemachine/backfill.asl.json").read_text()))

    def sbom(self):
        """The crates that the programs are built of, as CycloneDX 1.5."""
        command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-gnu"]
        metadata = json.loads(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout)
        locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
        digests = {(it["name"], it["version"]): it.get("checksum") for it in locked}
        packages = {it["id"]: it for it in metadata["packages"]}
        nodes = {it["id"]: it for it in metadata["resolve"]["nodes"]}
        (root,) = (it["id"] for it in metadata["packages"] if it["name"] == NAME)
        # Normal dependencies alone: tests and build scripts are not in the programs.
        edges = lambda node: sorted(
            it["pkg"] for it in nodes[node]["deps"] if any(kind["kind"] is None for kind in it["dep_kinds"])
        )
        reached, open_ends = set(), [root]
        while open_ends:
            node = open_ends.pop()
            if node not in reached:
                reached.add(node)
                open_ends += edges(node)
        purl = lambda it: f"pkg:cargo/{it['name']}@{it['version']}"

        def component(identity):
            it = packages[identity]
            entry = {"type": "library", "bom-ref": purl(it), "name": it["name"], "version": it["version"]}
            if it["source"]:
                entry["purl"] = purl(it)
            if it["license"]:
                entry["licenses"] = [{"expression": it["license"].replace("/", " OR ")}]
            if digest := digests.get((it["name"], it["version"])):
                entry["hashes"] = [{"alg": "SHA-256", "content": digest}]
            return entry

        components = {identity: component(identity) for identity in sorted(reached)}
        main = components.pop(root) | {"type": "application"}
        document = {
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": {
                "timestamp": datetime.fromtimestamp(self.epoch, timezone.utc).isoformat().replace("+00:00", "Z"),
                "component": main,
            },
            "components": list(components.values()),
            "dependencies": [
                {"ref": purl(packages[it]), "dependsOn": sorted({purl(packages[edge]) for edge in edges(it)})}
                for it in sorted(reached)
            ],
        }
        serial = uuid.uuid5(uuid.NAMESPACE_URL, hashlib.sha256(json.dumps(document).encode()).hexdigest())
        return json.dumps(document | {"serialNumber": f"urn:uuid:{serial}"}, indent=1).encode()

    def checksums(self):
        """What `sha256sum --check` reads."""
        files = sorted(path for path in self.output.iterdir() if path.name != "SHA256SUMS")
        lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
        (self.output / "SHA256SUMS").write_text("".join(lines))


def main(output, *programs):
    for tool, package in {"readelf": "binutils", "dpkg-deb": "dpkg", "cargo": "cargo"}.items():
        if not shutil.which(tool):
            fail(f"`{tool}` is not in PATH", f"apt-get install {package}")
    output = Path(output)
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    packer = Packer(output)
    given = {processor: Path(place) for processor, place in zip(PROCESSORS, programs, strict=True) if place != "-"}
    native = given.get({"aarch64": "arm64"}.get(os.uname().machine, os.uname().machine))
    if native is None:
        fail("the program of this machine is not given", "it writes the man pages and completions of all packages")
    extras = packer.extras(native / NAME)
    for processor, place in given.items():
        program = place / NAME
        packer.wheel(program, processor)
        packer.deb(program, processor, extras)
        packer.archive(program, processor, extras)
        if (function := place / "lambda.zip").exists():
            shutil.copy(function, output / f"{NAME}-lambda-{packer.version}-{processor}.zip")
    packer.template()
    (output / f"{NAME}-{packer.version}.cdx.json").write_bytes(packer.sbom())
    packer.checksums()
    print(*sorted(path.name for path in output.iterdir()), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
