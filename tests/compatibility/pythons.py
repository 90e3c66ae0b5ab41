"""The tests on every Python that can be had.

From `tests`: ``python -m compatibility.pythons [--machine DIRECTORY] [NAME ...]`` runs them on each of `PYTHONS` that is on
``PATH``, in a venv of its own and from a copy of the tracked files, and says which are not there. A *machine* is a directory
with a root file system, in which the same is done as root.

``python -m compatibility.pythons --fetch DIRECTORY`` makes one with debootstrap: Debian's unstable release with the newest
Pythons, and without a CA certificate. pip and debootstrap alone use the network.

`LEFT_OUT` are the tests that take long, as in tox. Writes the table between the marks of ``docs/pythons.md``, and what it is
made of to ``docs/pythons.json``; what is found now takes the place of what was found before on the same. The exit status is 1
where a test has failed.
"""

import argparse
import datetime
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
    "openssl",
    "util-linux",
)
# A free-threaded Python, which Debian does not have, takes these, and the source of its stable release's.
TO_BUILD = ("dpkg-dev", "gcc", "libc6-dev", "libffi-dev", "libssl-dev", "make", "xz-utils", "zlib1g-dev")
FINISH = """
set -eu
apt-get clean
printf '%s SUITE trixie main\\n' deb deb-src >/etc/apt/sources.list.d/stable.list
apt-get -q -o Acquire::Check-Valid-Until=false update
apt-get install -q -y --no-install-recommends -t trixie pypy3  # unstable's has no wheels
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
import json, platform, ssl, sys
version = platform.python_version()
if "PyPy" in sys.version:
    version += ", PyPy " + sys.version.partition("PyPy ")[2].split()[0]
try:
    roots = str(ssl.create_default_context().cert_store_stats()["x509"])
except OSError as error:
    roots = type(error).__name__
print(json.dumps([version, ssl.OPENSSL_VERSION, roots]))
"""
LEFT_OUT = ("benchmarks", "broken_installs", "faults", "pythons", "signals")  # they take long, or are of this command
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
    """What came of the tests on one Python, on one machine; `why` they were not run, and what `short` said then."""

    name: str
    machine: str = ""
    date: str = ""
    version: str = ""
    openssl: str = ""
    roots: str = ""
    passed: int = 0
    skipped: int = 0
    failed: tuple[str, ...] = ()
    why: str = ""
    short: str = ""


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
    """Run the tests on one Python, or where what they need is not to be had, `short` alone."""
    directory = machine.directory()
    found = Found(python.name, machine.name, datetime.datetime.now().astimezone().date().isoformat())
    try:
        inside = machine.inside(directory)
        tree, interpreter = f"{inside}/tree", f"{inside}/venv/bin/python"
        copy_tracked(directory / "tree")
        subprocess.run([*PIP, "download", "-q", "--no-deps", "-d", directory, "pip"], check=True)
        (pip,) = (f"{inside}/{wheel.name}/pip" for wheel in directory.glob("pip-*.whl"))
        machine.run(python.command, "-m", "venv", "--without-pip", *python.options, f"{inside}/venv")
        version, openssl, roots = json.loads(machine.run(interpreter, "-c", PROBE, env=run.environment({})))
        found = found._replace(version=version, openssl=openssl, roots=roots)
        install = [interpreter, pip, "install", "-q", "--prefer-binary"]
        try:
            machine.run(*install, "-e", f"{tree}[test]", "pip")
            machine.run(interpreter, "-c", "import trustme")
        except subprocess.CalledProcessError as error:
            machine.run(*install, tree)
            why = f"what they need: {last_line(error.stderr)}".replace(f"{inside}/", "")
            return found._replace(why=why, short=machine.run(interpreter, f"{tree}/tests/compatibility/short.py").strip())
        ignored = " ".join(f"--ignore=tests/test_{name}.py" for name in LEFT_OUT)
        command = f"cd {tree} && exec {interpreter} -m pytest -q {ignored} --junit-xml {inside}/results.xml"
        said = machine.run("sh", "-c", command, check=False)
        if not (directory / "results.xml").exists():
            return found._replace(why=last_line(said))
        passed, skipped, failed = counts((directory / "results.xml").read_text(encoding="utf-8"))
        if failed:
            print(said)
        return found._replace(passed=passed, skipped=skipped, failed=failed)
    except subprocess.CalledProcessError as error:
        return found._replace(why=last_line(f"{error.stdout}{error.stderr}"))
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
            yield Found(python.name, why=f"not here: {python.command}")


def page(founds: Sequence[Found]) -> str:
    """What stands between the marks."""
    lines = ["| Python | on | version | OpenSSL | the machine's own roots | tests |", "| --- | --- | --- | --- | --- | --- |"]
    for found in founds:
        failed = f", **{len(found.failed)} failed**" if found.failed else ""
        tests = f"{found.passed:,} passed, {found.skipped} skipped{failed} ({found.date})"
        if found.why:
            short = f"the promises in short: {found.short} ({found.date}); " if found.short else ""
            tests = f"{short}not run: {found.why}"
        openssl = " ".join(found.openssl.split()[:2])
        lines.append(f"| {found.name} | {found.machine} | {found.version} | {openssl} | {found.roots} | {tests} |")
    failures = [f"- {found.name}: `{name}`" for found in founds for name in found.failed]
    return "\n\n".join(filter(None, ["\n".join(lines), "\n".join(failures)]))


def as_json(founds: Sequence[Found]) -> str:
    """What `page` is made of."""
    lines = ",\n".join(json.dumps(found) for found in founds)
    return f"[\n{lines}\n]\n"


def from_json(text: str) -> list[Found]:
    """What `as_json` has written."""
    founds = [Found(*found) for found in json.loads(text)]
    return [found._replace(failed=tuple(found.failed)) for found in founds]


def merged(before: Sequence[Found], now: Sequence[Found]) -> list[Found]:
    """What was found before, with what has been found now in its place; in the order of `PYTHONS`, and this machine first."""
    known = {(found.name, found.machine): found for found in (*before, *now)}
    ran = {found.name for found in known.values() if found.machine}
    kept = [found for found in known.values() if found.machine or found.name not in ran]
    names, here = [python.name for python in PYTHONS], Machine(None).name
    return sorted(kept, key=lambda found: (names.index(found.name), found.machine != here, found.machine))


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
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these")
    args = parser.parse_args()
    if args.fetch:
        fetch(args.fetch.absolute())
        return 0
    pythons = [python for python in PYTHONS if not args.names or python.name in args.names]
    machines = [Machine(None), *([Machine(args.machine.absolute())] if args.machine else [])]
    founds = list(all_of(machines, pythons))
    print(page(founds))
    path = DOCS / "pythons.json"
    all_found = merged(from_json(path.read_text(encoding="utf-8")) if path.exists() else [], founds)
    path.write_text(as_json(all_found), encoding="utf-8")
    write_between(DOCS / "pythons.md", page(all_found))
    return int(any(found.failed for found in founds))


if __name__ == "__main__":
    sys.exit(main())
