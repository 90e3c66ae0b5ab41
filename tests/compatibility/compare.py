"""Tests that are not ours, with us and without: what `cpython` and `suites` have in common.

A suite is run in venvs that differ in this package alone, on the two machines of `benchmarks.machines`, and its results are
compared test by test. A test whose result is not the same is run again on both sides, three times; if it then has results that
it has without us, too, it is named as unsteady. Anything else is a difference.
"""

import contextlib
import json
import sys
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
from benchmarks.sides import OURS, Installed, Side
from benchmarks.sides import install as install_side

DOCS = run.ROOT / "docs"
WITHOUT, ARMED, PATCHED = "without us", "armed", "with the wrapt layer"
# A .pth of its own, read before ours.
FIRST = {"00-first.pth": "import fallback_roots; fallback_roots.install()\n"}
STATE = "import fallback_roots, ssl; print(fallback_roots.status().state)"
ROOTS = "import ssl; print(bool(ssl.create_default_context().get_ca_certs()))"
TIMEOUT = 1200  # seconds, for one suite

Results = dict[str, str]  # of each test: passed, failed, or why it was skipped


class Key(NamedTuple):
    """What one run of a suite is."""

    machine: str
    side: str
    suite: str


def results(xml: str, files: Sequence[str] = ()) -> Results:
    """Of each test, from what ``--junit-xml`` has written; a test that is run under its name several times has all of them.

    `files`: those that pytest was given. One that could not be imported is no test.
    """
    found: dict[str, list[str]] = {}
    for case in ET.fromstring(xml).iter("testcase"):  # noqa: S314  # of the tests that we have started
        skipped, bad = case.find("skipped"), [part for part in case if part.tag in ("error", "failure")]
        if any(part.get("message") == "collection failure" for part in bad):
            continue
        reason = "" if skipped is None else skipped.get("message") or skipped.text
        result = "failed" if bad else "passed" if skipped is None else f"skipped: {reason}"
        found.setdefault(name_of(case, files), []).append(result)
    return {name: ", ".join(several) for name, several in found.items()}


def name_of(case: ET.Element, files: Sequence[str]) -> str:
    """As pytest's command line has it; CPython's tests have all of theirs in one attribute."""
    classes = case.get("classname", "") + "."
    for file in files:
        module = file.removesuffix(".py").replace("/", ".") + "."
        if classes.startswith(module):
            return "::".join(filter(None, [file, *classes.removeprefix(module).split("."), case.get("name")]))
    return case.get("name", "")


class Tests:
    """Runs suites on a machine, in one of the venvs; `files`: see `results`."""

    files: Sequence[str] = ()

    def __init__(self, machines: Mapping[str, Machine], installed: Mapping[str, Installed], directory: Path) -> None:
        self.machines = machines
        self.installed = installed
        self.directory = directory

    def command(self, key: Key, own: Path, tests: Sequence[str]) -> list[str]:
        """What runs a suite, or some of its tests, in the directory `own`, and writes its ``results.xml``."""
        raise NotImplementedError

    def run(self, key: Key, *tests: str) -> Results:
        """The results of one suite; raises SystemExit where there are none. Of `tests` there may be none any more."""
        own = self.directory / f"{key.machine}-{key.side}-{key.suite}".replace(" ", "-")
        own.mkdir(exist_ok=True)
        xml = own / "results.xml"
        xml.unlink(missing_ok=True)
        env = run.environment({"HOME": str(own), "TMPDIR": str(own), "LANG": "C.UTF-8"})
        del env["PYTHONDONTWRITEBYTECODE"]  # tests of the import system write it
        done = self.machines[key.machine].run(["timeout", str(TIMEOUT), *self.command(key, own, tests)], env)
        text = xml.read_text(encoding="utf-8").replace(str(self.directory), "HERE") if xml.exists() else ""
        found = results(text, self.files) if text else {}
        if not found and not tests:
            sys.exit(f"{key.suite}, {key.side}, {key.machine}: no results (exit status {done.status})\n{done.out}{done.err}")
        return found

    def all_of(self, suites: Sequence[str]) -> dict[Key, Results]:
        """Everything, on both machines at the same time."""

        def run_on(machine: str) -> dict[Key, Results]:
            found = {}
            for key in (Key(machine, side, suite) for suite in suites for side in self.installed):
                found[key] = self.run(key)
                print(f"{key.suite}, {key.side}, {machine}: {len(found[key])} tests", file=sys.stderr, flush=True)
            return found

        with ThreadPoolExecutor() as pool:
            return {key: found for part in pool.map(run_on, self.machines) for key, found in part.items()}


def differences(mine: Results, theirs: Results) -> dict[str, str]:
    """Of each test whose result is not the same, both results."""
    names = sorted({*mine, *theirs})
    both = {name: (mine.get(name, "not run"), theirs.get(name, "not run")) for name in names}
    return {name: f"{found} (without us: {expected})" for name, (found, expected) in both.items() if found != expected}


def steady(test: str, mine: Sequence[Results], theirs: Sequence[Results]) -> bool:
    """Does a test have results with us that it never has without?"""
    return not {found.get(test) for found in mine} <= {found.get(test) for found in theirs}


class Comparison(NamedTuple):
    """One suite, on one machine, with us in one way: how many tests had which result, and what was not as without us."""

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
        without = key._replace(side=WITHOUT)
        theirs = found[without]
        different = differences(mine, theirs)
        unsteady: list[str] = []
        if different:
            # A run that has no results at all was refused: it was to run a test that is not there.
            again = [[*filter(None, (tests.run(each, *different) for _ in range(3)))] for each in (key, without)]
            unsteady = [test for test in different if not steady(test, [mine, *again[0]], [theirs, *again[1]])]
        counts = Counter(result.partition(":")[0].partition(",")[0] for result in mine.values())
        really = {test: both for test, both in different.items() if test not in unsteady}
        yield Comparison(key, counts["passed"], counts["skipped"], counts["failed"], really, unsteady)


# ---------------------------------------------------------------- the machines and the venvs


@contextlib.contextmanager
def both_machines(directory: Path) -> Iterator[tuple[dict[str, Machine], bytes]]:
    """The machines, and the CA that the healthy one has."""
    ca = trustme.CA().cert_pem.bytes()
    bundle = directory / "bundle.pem"
    bundle.write_bytes(ca)
    machines = {HEALTHY: Machine(bundle), NO_CAS: Machine(None)}
    try:
        yield machines, ca
    finally:
        for machine in machines.values():
            machine.close()


def install(directory: Path, wheel: Path, ca: bytes, requirements: Iterable[str] = ()) -> dict[str, Installed]:
    """The venvs: each has `requirements`, and what we depend on."""
    sides = (
        Side(WITHOUT, ("certifi", "platformdirs", "wrapt", *requirements)),
        Side(ARMED, (OURS, *requirements)),
        Side(PATCHED, (OURS, *requirements), FIRST),
    )
    return {side.name: install_side(side, directory, wheel, ca) for side in sides}


def check(machines: Mapping[str, Machine], installed: Mapping[str, Installed]) -> None:
    """Is each venv and each machine what its name says? Else everything would be the same, and prove nothing."""
    expected = {(ARMED, HEALTHY, STATE): "watching", (PATCHED, HEALTHY, STATE): "patched"}
    for side in installed:
        expected |= {(side, machine, ROOTS): str((side, machine) != (WITHOUT, NO_CAS)) for machine in machines}
    for (side, machine, program), answer in expected.items():
        done = machines[machine].run([installed[side].python, "-c", program], run.environment({}))
        if done.out.strip() != answer:
            sys.exit(f"{side}, {machine}: {done.out}{done.err} (expected {answer})")
    versions = {side: {name: it for name, it in each.versions.items() if name != OURS} for side, each in installed.items()}
    if any(each != versions[WITHOUT] for each in versions.values()):
        sys.exit(f"the venvs differ in more than {OURS}: {versions}")


# ---------------------------------------------------------------- the page


def page(about: str, comparisons: Sequence[Comparison]) -> str:
    """What stands between the marks."""
    header = ["tests", *(f"{side}, {machine}" for machine in (HEALTHY, NO_CAS) for side in (ARMED, PATCHED))]
    lines = [f"| {' | '.join(header)} |", f"| --- |{' --- |' * (len(header) - 1)}"]
    cells = {each.key: cell(each) for each in comparisons}
    for suite in dict.fromkeys(each.key.suite for each in comparisons):
        row = [cells[Key(machine, side, suite)] for machine in (HEALTHY, NO_CAS) for side in (ARMED, PATCHED)]
        lines.append(f"| `{suite}` | {' | '.join(row)} |")
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


def tell(about: str, comparisons: Sequence[Comparison], name: str | None) -> int:
    """Print what was found, and write it to the page and the JSON of this name, if there is one; the exit status."""
    print(page(about, comparisons))
    if name:
        write_between(DOCS / f"{name}.md", page(about, comparisons))
        (DOCS / f"{name}.json").write_text(as_json(about, comparisons), encoding="utf-8")
    return int(any(each.different for each in comparisons))
