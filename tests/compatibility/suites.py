"""Tests of libraries that use TLS, from their own sdists, test by test, with us and without.

From `tests`: ``python -m compatibility.suites [--quick] [NAME ...]``, on Linux, as root or where a user may make mount and
network namespaces, with an interpreter that has this project's `test` extra. pip fetches the newest sdist of each library, and
installs the same version with what its tests need into two venvs that differ in this package alone, and into a third with the
wrapt layer installed before anything else is imported. pytest runs the part of the tests that is about TLS, on the two machines
of `benchmarks.machines`, with no network but a loopback of its own; `compare` has what becomes of it. What is not as without us
is printed, and makes the exit status 1.

Writes the table between the marks of ``docs/suites.md``, and what it is made of to ``docs/suites.json``; with ``--quick`` or
with names it runs a part of it, and writes neither.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import run
from benchmarks.machines import Machine
from benchmarks.sides import Installed

from compatibility import compare
from compatibility.compare import WITHOUT, Comparison, Key

# Brings up the loopback of a new network namespace, goes to a directory, and becomes something else. 0x8914: SIOCSIFFLAGS
ALONE = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))
os.chdir(sys.argv[1])
os.execv(sys.argv[2], sys.argv[2:])
"""
# What the options of a suite's own would overrule, or ask for what is not installed: coverage, several processes.
OPTIONS = ("-q", "--tb=short", "-p", "no:cacheprovider", "-o", "addopts=")
# Of files that have both: what is about TLS, by the names of tests and files.
TLS = "cert or connector or fingerprint or https or proxy or secure or ssl or tls"


class Suite(NamedTuple):
    """A library, and the part of its tests that is about TLS.

    `kept`: what is taken from the sdist, which is not the library, so that the installed one is imported. Nothing where the
    tests are installed with it. `requirements`: what its tests need. `options`: pytest's.
    """

    name: str
    tests: tuple[str, ...]
    requirements: tuple[str, ...]
    kept: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


SUITES = (
    Suite(
        "urllib3",
        (
            "test/test_connection.py",
            "test/test_ssl.py",
            "test/test_ssltransport.py",
            "test/test_util.py",
            "test/contrib/test_pyopenssl.py",
            "test/with_dummyserver/test_https.py",
            "test/with_dummyserver/test_proxy_poolmanager.py",
            "test/with_dummyserver/test_socketlevel.py",
        ),
        (
            "pytest-socket",
            "pytest-timeout",
            "h2",
            "httpx",
            "hypercorn",
            "pysocks",
            "quart",
            "quart-trio",
            "trio",
            "trustme",
            "cryptography",
            "pyopenssl",
            "idna",
        ),
        ("test", "dummyserver", "pyproject.toml"),
        # One test compares the ids of two threads, the second of which may have that of the first.
        ("-m", "not requires_network", "-k", "not http2_probe_blocked_per_thread"),
    ),
    Suite(
        "aiohttp",
        (
            "tests/test_client_exceptions.py",
            "tests/test_client_fingerprint.py",
            "tests/test_client_functional.py",
            "tests/test_client_request.py",
            "tests/test_client_session.py",
            "tests/test_client_ws_functional.py",
            "tests/test_connector.py",
            "tests/test_proxy.py",
            "tests/test_proxy_functional.py",
            "tests/test_run_app.py",
            "tests/test_web_functional.py",
            "tests/test_web_sendfile_functional.py",
        ),
        (
            "pytest-mock",
            "pytest-timeout",
            "pytest-xdist",
            "pytest_codspeed",
            "blockbuster",
            "coverage",
            "freezegun",
            "gunicorn",
            "proxy.py>=2.4.4rc5",
            "trustme",
            "uvloop",
            "isal",
            "zlib_ng",
            "aiodns",
            "Brotli",
            "backports.zstd; python_version < '3.14'",
        ),
        ("tests", "pytest.ini", "README.rst"),
        ("-m", "not dev_mode and not autobahn and not internal", "-k", TLS),
    ),
    Suite(
        "requests",
        ("tests/test_adapters.py", "tests/test_lowlevel.py", "tests/test_requests.py", "tests/test_testserver.py"),
        ("httpbin~=0.10.0", "pysocks", "pytest-httpbin", "pytest-mock", "trustme"),
        ("tests", "pyproject.toml", "requirements-dev.txt"),
        ("-k", "not connect_timeout and not timeout_connect"),  # to an address of the internet
    ),
    Suite(
        "httpx",
        (
            "tests/test_config.py",
            "tests/client/test_client.py",
            "tests/client/test_async_client.py",
            "tests/client/test_proxies.py",
        ),
        ("brotli", "chardet<6", "h2", "socksio", "trio", "trustme", "uvicorn", "zstandard"),
        ("tests", "pyproject.toml"),
        ("-m", "not network"),
    ),
    Suite(
        "anyio",
        ("tests/streams/test_tls.py", "tests/test_sockets.py"),
        ("blockbuster", "hypothesis", "psutil", "pytest-mock", "pytest-timeout", "trio", "trustme", "truststore", "uvloop"),
        ("tests", "pyproject.toml"),
        ("-p", "anyio", "-m", "not network", "-k", TLS),
    ),
    Suite(
        "trio",
        ("trio/_tests/test_ssl.py", "trio/_tests/test_highlevel_ssl_helpers.py", "trio/_tests/test_dtls.py"),
        ("pyopenssl", "trustme"),
        options=("-p", "trio._tests.pytest_plugin"),
    ),
    Suite(
        "tornado",
        (
            "tornado/test/httpserver_test.py",
            "tornado/test/iostream_test.py",
            "tornado/test/simple_httpclient_test.py",
            "tornado/test/tcpclient_test.py",
        ),
        (),
        options=("--log-disable", "tornado.access"),  # as `tornado.test.runtests` does
    ),
)
QUICK = ("trio",)


class Sdist(NamedTuple):
    """What pip has fetched."""

    archive: Path
    version: str


def fetch(suite: Suite, directory: Path) -> Sdist:
    """The newest sdist."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    # pip may need this process's own variables: proxies, indexes, a bundle.
    arguments = ["--no-deps", "--no-binary", suite.name, "--dest", str(directory), suite.name]
    subprocess.run([*pip, *arguments], env={**os.environ}, check=True)
    (archive,) = directory.glob("*.tar.gz")
    return Sdist(archive, archive.name.removesuffix(".tar.gz").rpartition("-")[2])


def unpack(archive: Path, kept: Sequence[str], directory: Path) -> None:
    """Those parts of an sdist, without the directory that it has all in."""
    safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # not before 3.11.4
    with tarfile.open(archive) as sdist:
        for member in sdist.getmembers():
            member.name = member.name.partition("/")[2]
            if member.name.partition("/")[0] in kept:
                sdist.extract(member, directory, **safely)


class Suites(compare.Tests):
    """One suite, by pytest."""

    def __init__(
        self, suite: Suite, archive: Path, machines: Mapping[str, Machine], installed: Mapping[str, Installed], directory: Path
    ) -> None:
        super().__init__(machines, installed, directory)
        self.suite = suite
        self.files = suite.tests
        self.archive = archive

    def command(self, key: Key, own: Path, tests: Sequence[str]) -> list[str]:
        python = self.installed[key.side].python
        unpack(self.archive, self.suite.kept, own)
        (site,) = Path(python).parent.parent.glob("lib/*/site-packages")
        where = str(own if self.suite.kept else site)
        pytest = ["-m", "pytest", *OPTIONS, "--rootdir", where, "--junit-xml", str(own / "results.xml")]
        return [
            "unshare",
            "--net",
            python,
            "-I",
            "-S",
            "-c",
            ALONE,
            where,
            python,
            *pytest,
            *self.suite.options,
            *(tests or self.suite.tests),
        ]


def main() -> int:
    """Run, compare, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}; write nothing")
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these; write nothing")
    args = parser.parse_args()
    unknown = {*args.names} - {suite.name for suite in SUITES}
    if unknown:
        parser.error(f"no suite of this name: {', '.join(sorted(unknown))}")
    names = args.names or (QUICK if args.quick else [suite.name for suite in SUITES])
    comparisons: list[Comparison] = []
    versions = []
    pytests = set()
    with tempfile.TemporaryDirectory() as name, compare.both_machines(Path(name)) as (machines, ca):
        wheel = run.make_wheel(Path(name))
        for suite in (suite for suite in SUITES if suite.name in names):
            directory = Path(name) / suite.name
            directory.mkdir()
            sdist = fetch(suite, directory)
            requirements = (f"{suite.name}=={sdist.version}", "pytest", *suite.requirements)
            installed = compare.install(directory, wheel, ca, requirements)
            compare.check(machines, installed)
            tests = Suites(suite, sdist.archive, machines, installed, directory)
            comparisons += compare.compare(tests, tests.all_of([suite.name]))
            versions.append(f"{suite.name} {sdist.version}")
            pytests.add(f"pytest {installed[WITHOUT].versions['pytest']}")
    whole = not args.quick and not args.names
    return compare.tell(
        f"{run.machine()}\n- {', '.join([*versions, *sorted(pytests)])}", comparisons, "suites" if whole else None
    )


if __name__ == "__main__":
    sys.exit(main())
