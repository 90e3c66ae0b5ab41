"""CPython's own tests, test by test, with us and without.

From `tests`: ``python -m compatibility.cpython [--quick] [MODULE ...]``, on Linux, as root or where a user may make mount
namespaces, with an interpreter that has this project's `test` extra and CPython's `test` package. ``python -m test`` runs each
module in two venvs that differ in this package alone, on the two machines of `benchmarks.machines`, and in a third venv with
the wrapt layer installed before anything else is imported; `compare` has what becomes of it. No test uses the network. What is
not as without us is printed, and makes the exit status 1.

Writes the table between the marks of ``docs/cpython-tests.md``, and what it is made of to ``docs/cpython-tests.json``; with
``--quick`` or with modules it runs a part of it, and writes neither.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import run

from compatibility import compare
from compatibility.compare import Key

MODULES = (
    "test_ssl",
    "test_httplib",
    "test_urllib2_localnet",
    "test_asyncio.test_ssl",
    "test_asyncio.test_sslproto",
    "test_ftplib",
    "test_poplib",
    "test_imaplib",
    "test_smtplib",
    "test_importlib",
    "test_site",
    "test_pickle",
    "test_inspect",
)
QUICK = ("test_urllib2_localnet", "test_poplib")


class Modules(compare.Tests):
    """CPython's, each by its module."""

    def command(self, key: Key, own: Path, tests: Sequence[str]) -> list[str]:
        matches = [option for test in tests for option in ("--match", test)]
        return [self.installed[key.side].python, "-m", "test", "--junit-xml", str(own / "results.xml"), *matches, key.suite]


def main() -> int:
    """Run, compare, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two modules; write nothing")
    parser.add_argument("modules", metavar="MODULE", nargs="*", help="only these; write nothing")
    args = parser.parse_args()
    modules = args.modules or (QUICK if args.quick else MODULES)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with compare.both_machines(directory) as (machines, ca):
            installed = compare.install(directory, run.make_wheel(directory), ca)
            compare.check(machines, installed)
            tests = Modules(machines, installed, directory)
            comparisons = list(compare.compare(tests, tests.all_of(modules)))
    return compare.tell(run.machine(), comparisons, "cpython-tests" if modules is MODULES else None)


if __name__ == "__main__":
    sys.exit(main())
