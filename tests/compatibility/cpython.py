"""CPython's own tests, test by test, with us and without.

From `tests`: ``python -m compatibility.cpython [--quick] [MODULE ...]``, on Linux, as root or where a user may make mount
namespaces, with an interpreter that has this project's `test` extra and CPython's `test` package. ``python -m test`` runs each
module in two venvs that differ in this package alone, on the two machines of `benchmarks.machines`, and in a third venv with
the wrapt layer installed before anything else is imported. No test uses the network. A test whose result is not the same is run
again on both sides, three times; if it then has results that it has without us, too, it is named as unsteady. Anything else is
printed, and makes the exit status 1.

Writes the table between the marks of ``docs/cpython-tests.md``, and what it is made of to ``docs/cpython-tests.json``; with
``--quick`` or with modules it runs a part of it, and writes neither.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import trustme
from benchmarks import run
from benchmarks.machines import HEALTHY, NO_CAS, Machine
from benchmarks.peers import write_between
from benchmarks.sides import OURS, Installed, Side, install

DOCS = run.ROOT / "docs"
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
WITHOUT, ARMED, PATCHED = "without us", "armed", "with the wrapt layer"
# A .pth of its own, read before ours.
FIRST = {"00-first.pth": "import fallback_roots; fallback_roots.install()\n"}
SIDES = (
    Side(WITHOUT, ("certifi", "platformdirs", "wrapt")),
    Side(ARMED, (OURS,)),
    Side(PATCHED, (OURS,), FIRST),
)
STATE = "import fallback_roots, ssl; print(fallback_roots.status().state)"
TIMEOUT = 1200  # seconds, for one module

Results = dict[str, str]  # of each test: passed, failed, or why it was skipped


class Key(NamedTuple):
    """What one run of a module is."""

    machine: str
    side: str
    module: str


def results(xml: str) -> Results:
    """Of each test, from what ``--junit-xml`` has written; a test that is run under its name several times has all of them."""
    found: dict[str, list[str]] = {}
    for case in ET.fromstring(xml).iter("testcase"):  # noqa: S314  # of CPython's own tests
        skipped, bad = case.find("skipped"), [part.tag for part in case if part.tag in ("error", "failure")]
        result = "failed" if bad else f"skipped: {skipped.text}" if skipped is not None else "passed"
        found.setdefault(case.get("name", ""), []).append(result)
    return {name: ", ".join(several) for name, several in found.items()}


class Tests:
    """Runs modules on a machine, in one of the venvs."""

    def __init__(self, machines: Mapping[str, Machine], installed: Mapping[str, Installed], directory: Path) -> None:
        self.machines = machines
        self.installed = installed
        self.directory = directory

    def run(self, key: Key, *options: str) -> Results:
        """The results of one module; raises SystemExit where there are none."""
        own = self.directory / f"{key.machine}-{key.side}-{key.module}".replace(" ", "-")
        own.mkdir(exist_ok=True)
        xml = own / "results.xml"
        xml.unlink(missing_ok=True)
        arguments = ["-m", "test", "--junit-xml", str(xml), *options, key.module]
        env = run.environment({"HOME": str(own), "TMPDIR": str(own), "LANG": "C.UTF-8"})
        del env["PYTHONDONTWRITEBYTECODE"]  # tests of the import system write it
        limited = ["timeout", str(TIMEOUT), self.installed[key.side].python, *arguments]
        done = self.machines[key.machine].run(limited, {**env, **self.installed[key.side].env})
        found = results(xml.read_text(encoding="utf-8")) if xml.exists() else {}
        if not found:
            sys.exit(f"{key.module}, {key.side}, {key.machine}: no results (exit status {done.status})\n{done.out}{done.err}")
        return found

    def again(self, machine: str, side: str, module: str, tests: Iterable[str]) -> list[Results]:
        """The results of three more runs of some tests, with us or without."""
        matches = [option for test in sorted(tests) for option in ("--match", test)]
        return [self.run(Key(machine, side, module), *matches) for _ in range(3)]

    def all_of(self, modules: Sequence[str]) -> Iterator[tuple[Key, Results]]:
        """Everything, on both machines at the same time, in the order that it ends in."""

        def run_on(machine: str) -> list[tuple[Key, Results]]:
            found = []
            for module in modules:
                for side in self.installed:
                    key = Key(machine, side, module)
                    found.append((key, self.run(key)))
                    print(f"{module}, {side}, {machine}: {len(found[-1][1])} tests", file=sys.stderr, flush=True)
            return found

        with ThreadPoolExecutor() as pool:
            for part in pool.map(run_on, self.machines):
                yield from part


def differences(mine: Results, theirs: Results) -> dict[str, str]:
    """Of each test whose result is not the same, both results."""
    names = sorted({*mine, *theirs})
    both = {name: (mine.get(name, "not run"), theirs.get(name, "not run")) for name in names}
    return {name: f"{found} (without us: {expected})" for name, (found, expected) in both.items() if found != expected}


def steady(test: str, mine: Sequence[Results], theirs: Sequence[Results]) -> bool:
    """Does a test have results with us that it never has without?"""
    return not {found.get(test) for found in mine} <= {found.get(test) for found in theirs}


class Comparison(NamedTuple):
    """One module, on one machine, with us in one way: how many tests had which result, and what was not as without us."""

    key: Key
    passed: int
    skipped: int
    failed: int
    different: dict[str, str]
    unsteady: list[str]


def compare(tests: Tests, found: Mapping[Key, Results]) -> Iterator[Comparison]:
    """All runs with us to those without."""
    for key, mine in found.items():
        if key.side == WITHOUT:
            continue
        theirs = found[key._replace(side=WITHOUT)]
        different = differences(mine, theirs)
        unsteady: list[str] = []
        if different:
            more, without = (tests.again(key.machine, side, key.module, different) for side in (key.side, WITHOUT))
            unsteady = [test for test in different if not steady(test, [*more, mine], [*without, theirs])]
        counts = Counter(result.partition(":")[0].partition(",")[0] for result in mine.values())
        really = {test: both for test, both in different.items() if test not in unsteady}
        yield Comparison(key, counts["passed"], counts["skipped"], counts["failed"], really, unsteady)


# ---------------------------------------------------------------- the page


def page(about: str, comparisons: Sequence[Comparison]) -> str:
    """What stands between the marks."""
    header = ["module", *(f"{side}, {machine}" for machine in (HEALTHY, NO_CAS) for side in (ARMED, PATCHED))]
    lines = [f"| {' | '.join(header)} |", f"| --- |{' --- |' * (len(header) - 1)}"]
    cells = {each.key: cell(each) for each in comparisons}
    for module in dict.fromkeys(each.key.module for each in comparisons):
        row = [cells[Key(machine, side, module)] for machine in (HEALTHY, NO_CAS) for side in (ARMED, PATCHED)]
        lines.append(f"| `{module}` | {' | '.join(row)} |")
    notes = [
        *(f"- {test}: {both}" for each in comparisons for test, both in each.different.items()),
        *(f"- {test}: unsteady" for test in sorted({test for each in comparisons for test in each.unsteady})),
    ]
    return "\n\n".join(filter(None, [about, "\n".join(lines), "\n".join(dict.fromkeys(notes))]))


def cell(each: Comparison) -> str:
    """How many tests were compared, and how they went."""
    counts = f"{each.passed:,} passed, {each.skipped} skipped, {each.failed} failed"
    return f"{counts}: **{len(each.different)} not as without us**" if each.different else f"the same: {counts}"


def as_json(about: str, comparisons: Sequence[Comparison]) -> str:
    """What `page` is made of."""
    lines = ",\n".join(json.dumps([each.key, *each[1:]]) for each in comparisons)
    return f'{{"about": {json.dumps(about.splitlines())},\n"comparisons": [\n{lines}\n]}}\n'


def from_json(text: str) -> tuple[str, list[Comparison]]:
    """What `as_json` has written."""
    content = json.loads(text)
    return "\n".join(content["about"]), [Comparison(Key(*key), *rest) for key, *rest in content["comparisons"]]


def check(tests: Tests) -> None:
    """Does each venv have what its name says? Else everything would be the same, and prove nothing."""
    for side, expected in ((ARMED, "watching"), (PATCHED, "patched")):
        done = tests.machines[HEALTHY].run([tests.installed[side].python, "-c", STATE], run.environment({}))
        if done.out.strip() != expected:
            sys.exit(f"{side}: {done.out}{done.err} (expected {expected})")


def main() -> int:
    """Run, compare, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two modules; write nothing")
    parser.add_argument("modules", metavar="MODULE", nargs="*", help="only these; write nothing")
    args = parser.parse_args()
    modules = args.modules or (QUICK if args.quick else MODULES)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        ca = trustme.CA().cert_pem.bytes()
        bundle = directory / "bundle.pem"
        bundle.write_bytes(ca)
        wheel = run.make_wheel(directory)
        installed = {side.name: install(side, directory, wheel, ca) for side in SIDES}
        machines = {HEALTHY: Machine(bundle), NO_CAS: Machine(None)}
        try:
            tests = Tests(machines, installed, directory)
            check(tests)
            comparisons = list(compare(tests, dict(tests.all_of(modules))))
        finally:
            for machine in machines.values():
                machine.close()
    about = run.machine()
    print(page(about, comparisons))
    if modules is MODULES:
        write_between(DOCS / "cpython-tests.md", page(about, comparisons))
        (DOCS / "cpython-tests.json").write_text(as_json(about, comparisons), encoding="utf-8")
    return int(any(each.different for each in comparisons))


if __name__ == "__main__":
    sys.exit(main())
