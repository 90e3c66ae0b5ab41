"""The tests on every Python that can be had.

From `tests`: ``python -m compatibility.pythons [--machine DIRECTORY] [NAME ...]`` runs them on each of `PYTHONS` that is on
``PATH``, in a venv of its own and from a copy of the tracked files, and says which are not there. A *machine* is a directory
with a root file system, in which the same is done as root.

``python -m compatibility.pythons --fetch DIRECTORY`` makes one with debootstrap: Debian's unstable release with the newest
Pythons, and without a CA certificate. pip and debootstrap alone use the network.

Writes the table between the marks of ``docs/pythons.md``, and what it is made of to ``docs/pythons.json``; with names it writes
neither. The exit status is 1 where a test has failed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import certifi
from benchmarks import run
from benchmarks.peers import write_between

DOCS = run.ROOT / "docs"
SUITE = "http://deb.debian.org/debian"
# Not their -venv: these bring Debian's pip along, and that brings CA certificates.
PACKAGES = (
    "python3",
    "python3.14",
    "python3.15",
    "pypy3",
    "openssl",
    "util-linux",
)
# A free-threaded Python, which Debian does not have, takes these, and the source of its stable release's.
TO_BUILD = ("dpkg-dev", "gcc", "libc6-dev", "libffi-dev", "libssl-dev", "make", "xz-utils", "zlib1g-dev")
FINISH = """
set -eu
apt-get clean
echo 'deb-src SUITE trixie main' >/etc/apt/sources.list.d/source.list
apt-get -q -o Acquire::Check-Valid-Until=false update
cd /root
apt-get -q --download-only source python3.13
mkdir source
tar -C source --strip 1 -xf python3.13_*.orig.tar.xz
cd source
./configure -q --disable-gil
make -s -j"$(nproc)"
make -s altinstall
rm /usr/local/bin/python3.13 /root/python3.13_*
rm -r /root/source
""".replace("SUITE", SUITE)
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
PROBE = """
import json, platform, ssl, sysconfig
print(json.dumps([
    platform.python_implementation(),
    platform.python_version(),
    ssl.OPENSSL_VERSION,
    ssl.create_default_context().cert_store_stats()["x509"],
]))
"""
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
# Not chroot alone, in which no user namespace may be made.
MOUNTS = """
set -e
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
cd "$1"
shift
/usr/sbin/pivot_root . mnt
umount -l mnt
exec "$@"
"""


class Python(NamedTuple):
    """A Python, by the command that starts it, and the options for its venv."""

    name: str
    command: str
    options: tuple[str, ...] = ()


PYTHONS = (
    *(Python(f"CPython 3.{minor}", f"python3.{minor}") for minor in range(10, 16)),
    *(Python(f"CPython 3.{minor}, free-threaded", f"python3.{minor}t") for minor in (13, 14, 15)),
    Python("PyPy", "pypy3"),
    Python("Debian's python3", "/usr/bin/python3"),
    Python("Debian's python3, with its dist-packages", "/usr/bin/python3", ("--system-site-packages",)),
)


class Found(NamedTuple):
    """What came of the tests on one Python, on one machine; `why` it was not run."""

    name: str
    machine: str
    version: str = ""
    openssl: str = ""
    roots: int = 0
    passed: int = 0
    skipped: int = 0
    failed: tuple[str, ...] = ()
    why: str = ""


class Machine:
    """This machine, or one in a directory."""

    def __init__(self, root: Path | None) -> None:
        self.root = root or Path("/")
        self.way = ["unshare", "--mount", "--propagation", "private", "bash", "-c", MOUNTS, "_", str(root)] if root else []
        self.env = dict(os.environ)
        if root is not None:
            wanted = [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith("PIP_")]
            self.env = {name: os.environ[name] for name in wanted} | {"HOME": "/root", "PATH": PATH}
            # For pip alone: where Python looks, there is to be none.
            shutil.copy(self.env.get("PIP_CERT", certifi.where()), root / "root" / "pip.pem")
            self.env["PIP_CERT"] = "/root/pip.pem"
            shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")

    def run(self, *command: str, check: bool = True, env: dict[str, str] | None = None) -> str:
        """The standard output of a command; raises CalledProcessError where it fails, if `check`."""
        done = subprocess.run([*self.way, *command], env=env or self.env, check=check, stdout=-1, stderr=-1, text=True)
        return done.stdout

    def has(self, command: str) -> bool:
        """Is there such a command?"""
        try:
            self.run("sh", "-c", 'command -v "$1"', "_", command)
        except subprocess.CalledProcessError:
            return False
        return True

    @property
    def name(self) -> str:
        """As the system calls itself."""
        lines = (self.root / "etc" / "os-release").read_text(encoding="utf-8").splitlines()
        return next(line.partition("=")[2].strip('"') for line in lines if line.startswith("PRETTY_NAME="))

    def directory(self) -> Path:
        """A new directory, as it is called outside of the machine."""
        return Path(tempfile.mkdtemp(dir=self.root / "tmp"))

    def inside(self, path: Path) -> str:
        """How `path` is called inside of it."""
        return f"/{path.relative_to(self.root)}"


def copy_tracked(to: Path) -> None:
    """The files of this project, without what is built, installed or forgotten in it."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=run.ROOT, check=True, stdout=-1, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (run.ROOT / name).exists():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(run.ROOT / name, to / name, follow_symlinks=False)


def test(machine: Machine, python: Python) -> Found:
    """Run the tests on one Python."""
    directory = machine.directory()
    try:
        inside, tree = machine.inside(directory), directory / "tree"
        copy_tracked(tree)
        subprocess.run([*PIP, "download", "-q", "--no-deps", "-d", directory, "pip"], check=True)
        (pip,) = (f"{inside}/{wheel.name}/pip" for wheel in directory.glob("pip-*.whl"))
        machine.run(python.command, "-m", "venv", "--without-pip", *python.options, f"{inside}/venv")
        interpreter = f"{inside}/venv/bin/python"
        minimal = run.environment({})
        implementation, version, openssl, roots = json.loads(machine.run(interpreter, "-c", PROBE, env=minimal))
        machine.run(interpreter, pip, "install", "-q", "--prefer-binary", "-e", f"{inside}/tree[test]", "pip")
        command = f"cd {inside}/tree && exec {interpreter} -m pytest -q --junit-xml {inside}/results.xml"
        said = machine.run("sh", "-c", command, check=False)
        if not (directory / "results.xml").exists():
            return Found(python.name, machine.name, f"{implementation} {version}", openssl, roots, why=last_line(said))
        passed, skipped, failed = counts((directory / "results.xml").read_text(encoding="utf-8"))
        if failed:
            print(said)
        return Found(python.name, machine.name, f"{implementation} {version}", openssl, roots, passed, skipped, failed)
    except subprocess.CalledProcessError as error:
        return Found(python.name, machine.name, why=last_line(f"{error.stdout}{error.stderr}"))
    finally:
        shutil.rmtree(directory)


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["said nothing"])[-1]


def counts(xml: str) -> tuple[int, int, tuple[str, ...]]:
    """How many tests have passed and how many were skipped, and which have failed."""
    passed, skipped, failed = 0, 0, []
    for case in ET.fromstring(xml).iter("testcase"):  # noqa: S314  # of our own pytest
        tags = {part.tag for part in case}
        if tags & {"failure", "error"}:
            failed.append(f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}")
        elif "skipped" in tags:
            skipped += 1
        else:
            passed += 1
    return passed, skipped, tuple(failed)


def all_of(machines: Sequence[Machine], pythons: Sequence[Python]) -> Iterator[Found]:
    """Every Python on every machine that has it; and those that none has."""
    there = [(machine, python) for machine in machines for python in pythons if machine.has(python.command)]
    for machine, python in there:
        print(f"{python.name}, {machine.name}", file=sys.stderr, flush=True)
        yield test(machine, python)
    for python in pythons:
        if python not in [having for _, having in there]:
            yield Found(python.name, "", why=f"not here: {python.command}")


def page(about: str, founds: Sequence[Found]) -> str:
    """What stands between the marks."""
    lines = ["| Python | on | version | OpenSSL | the machine's own roots | tests |", "| --- | --- | --- | --- | ---: | --- |"]
    for found in founds:
        failed = f", **{len(found.failed)} failed**" if found.failed else ""
        tests = f"not run: {found.why}" if found.why else f"{found.passed:,} passed, {found.skipped} skipped{failed}"
        version, openssl = found.version.rpartition(" ")[2], " ".join(found.openssl.split()[:2])
        lines.append(f"| {found.name} | {found.machine} | {version} | {openssl} | {found.roots if version else ''} | {tests} |")
    failures = [f"- {found.name}: `{name}`" for found in founds for name in found.failed]
    return "\n\n".join(filter(None, [about, "\n".join(lines), "\n".join(failures)]))


def as_json(about: str, founds: Sequence[Found]) -> str:
    """What `page` is made of."""
    lines = ",\n".join(json.dumps(found) for found in founds)
    return f'{{"about": {json.dumps(about)},\n"pythons": [\n{lines}\n]}}\n'


def from_json(text: str) -> tuple[str, list[Found]]:
    """What `as_json` has written."""
    content = json.loads(text)
    return content["about"], [Found(*found)._replace(failed=tuple(found[7])) for found in content["pythons"]]


def fetch(directory: Path) -> None:
    """Make a machine in `directory`."""
    subprocess.run(["debootstrap", "--variant=minbase", "sid", str(directory), SUITE], check=True)
    machine = Machine(directory)
    machine.run("apt-get", "install", "-q", "-y", "--no-install-recommends", *PACKAGES, *TO_BUILD)
    machine.run("sh", "-c", FINISH)


def main() -> int:
    """Run, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fetch", type=Path, metavar="DIRECTORY", help="make a machine there, and run nothing")
    parser.add_argument("--machine", type=Path, metavar="DIRECTORY", help="run on its Pythons, too")
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these; write nothing")
    args = parser.parse_args()
    if args.fetch:
        fetch(args.fetch.absolute())
        return 0
    pythons = [python for python in PYTHONS if not args.names or python.name in args.names]
    machines = [Machine(None), *([Machine(args.machine.absolute())] if args.machine else [])]
    founds = list(all_of(machines, pythons))
    about = run.machine().splitlines()[0].partition(",")[0]
    print(page(about, founds))
    if not args.names:
        write_between(DOCS / "pythons.md", page(about, founds))
        (DOCS / "pythons.json").write_text(as_json(about, founds), encoding="utf-8")
    return int(any(found.failed for found in founds))


if __name__ == "__main__":
    sys.exit(main())
