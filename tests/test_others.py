"""What is said of others in the house is what was found, and nothing that is not as it should be is overlooked."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from benchmarks import peers
from benchmarks.machines import HEALTHY, NO_CAS
from compatibility import others
from compatibility.others import ORDERS, OTHERS, REFUSED, Found, Key, Known, Other, Result, told
from compatibility.probe import WAYS

# Those that the page promises to tell of.
LIST = (
    "truststore",
    "truststore, taken out",
    "auto-truststore",
    "pip-system-certs",
    "certifi-linux",
    "wassima",
    "gevent",
    "eventlet",
    "ddtrace-run",
    "import ddtrace.auto",
    "opentelemetry-instrument",
    "newrelic-admin run-program",
    "import newrelic.agent",
    "coverage",
    "setuptools' distutils",
    "an editable install by setuptools",
    "an editable install by hatchling",
    "pytest's assertion rewriting",
    "freezegun",
    "debugpy",
)
KNOWN = Known("2 (00000002)", "1 (00000001)")
GIVEN = {"roots": KNOWN.fallback, "known": "verified", "unknown": REFUSED}
OWN = {
    HEALTHY: {"roots": KNOWN.healthy, "known": "verified", "unknown": REFUSED},
    NO_CAS: {"roots": told(), "known": REFUSED, "unknown": REFUSED},
}
WITH_TRUSTSTORE = OTHERS[0]


def stage(ways: dict[str, dict[str, str]], state: str, imports: list[str], outcome: str | None = None) -> dict[str, Any]:
    ours: dict[str, Any] = {"state": state, "verdict": None, "outcome": outcome, "problems": []}
    return {"ways": ways, "imports": imports, "ours": ours, "in effect": True}


def result(before: dict[str, Any], after: dict[str, Any]) -> Result:
    return {"status": 0, "out": "", "err": "", "facts": {"before": before, "after": after}}


def a_run(other: Other) -> dict[Key, Result]:
    """What is found where all is as it should be."""
    imports = list(other.imports)
    results = {}
    for machine, own in OWN.items():
        for order in ORDERS:
            off = stage(dict.fromkeys(WAYS, own), "disabled", imports)
            results[machine, order.first, False] = result(off, off)
            gets = other.fallback if machine == NO_CAS else ()
            ways = {way: GIVEN if way in gets else own for way in WAYS}
            before = stage(ways, others.PATCHED if gets else order.state, imports, "loaded" if gets else None)
            results[machine, order.name, True] = result(before, stage(dict.fromkeys(WAYS, own), "absent", imports))
    return {key: json.loads(json.dumps(found)) for key, found in results.items()}  # no part in common with another


def change(*path: str, to: object) -> Callable[[Result], None]:
    """What puts `to` at the end of `path`."""

    def changed(found: Result) -> None:
        for name in path[:-1]:
            found = found[name]
        found[path[-1]] = to

    return changed


FACTS = ("facts", "before")
AFTER = ("facts", "after")
# On which machine, with us or without, what is changed, and what is said of it.
BREAKS: dict[str, tuple[str, bool, Callable[[Result], None], str]] = {
    "more roots": (HEALTHY, True, change(*FACTS, "ways", "urllib", "roots", to="3 (00000003)"), "urllib, before"),
    "an unknown server": (HEALTHY, True, change(*FACTS, "ways", "SSLContext", "unknown", to="verified"), "SSLContext, before"),
    "a server refused": (HEALTHY, True, change(*FACTS, "ways", "SSLContext", "known", to=REFUSED), "SSLContext, before"),
    "no fallback": (NO_CAS, True, change(*FACTS, "ways", "the standard class", to=OWN[NO_CAS]), "the standard class, before"),
    "too much fallback": (NO_CAS, True, change(*FACTS, "ways", "SSLContext", to=GIVEN), "SSLContext, before"),
    "a fallback that stays": (
        NO_CAS,
        True,
        change(*AFTER, "ways", "the standard class", to=GIVEN),
        "the standard class, after",
    ),
    "a patch lost": (HEALTHY, True, change(*FACTS, "in effect", to=False), "in effect, before"),
    "a patch taken off with us": (NO_CAS, True, change(*AFTER, "in effect", to=False), "in effect, after"),
    "no patch at all": (HEALTHY, False, change(*FACTS, "in effect", to=False), "in effect without us, before"),
    "output": (HEALTHY, True, change("out", to="hello"), "out"),
    "a warning": (NO_CAS, True, change("err", to="Warning"), "err"),
    "an exit status": (NO_CAS, True, change("status", to=1), "status"),
    "a process that died": (NO_CAS, True, change("facts", to=None), "no facts"),
    "a process that died without us": (HEALTHY, False, change("facts", to=None), "no facts"),
    "another layer": (HEALTHY, True, change(*FACTS, "ours", "state", to="armed"), "state"),
    "a fault": (NO_CAS, True, change(*FACTS, "ours", "outcome", to="fault"), "outcome"),
    "a problem": (NO_CAS, True, change(*FACTS, "ours", "problems", to=["certifi: no"]), "problems"),
    "not taken off": (HEALTHY, True, change(*AFTER, "ours", "state", to="watching"), "state, after"),
    "an import": (HEALTHY, True, change(*FACTS, "imports", to=["certifi"]), "imports"),
    "a machine with CA certificates": (
        NO_CAS,
        False,
        change(*FACTS, "ways", "the standard class", to=OWN[HEALTHY]),
        "the machine of truststore",
    ),
}


@pytest.mark.parametrize("other", OTHERS, ids=[other.name for other in OTHERS])
def test_all_as_it_should_be(other: Other) -> None:
    """Nothing is said of a run in which nothing is wrong."""
    assert list(others.mismatches(other, a_run(other), KNOWN)) == []


@pytest.mark.parametrize("name", BREAKS)
def test_a_fact_that_differs_is_found(name: str) -> None:
    """Whatever is changed in one process, its combination and the fact are named, and no others."""
    machine, us, break_it, what = BREAKS[name]
    results = a_run(WITH_TRUSTSTORE)
    order = ORDERS[2]
    break_it(results[machine, order.name if us else order.first, us])
    found = list(others.mismatches(WITH_TRUSTSTORE, results, KNOWN))
    assert any(said.startswith(f"truststore, {machine}, {order.name}: {what}") for said in found)
    if us:
        assert all(said.startswith(f"truststore, {machine}, {order.name}: {what}") for said in found)


def test_the_programs_are_in_order() -> None:
    """They first: the other's lines, ours, then those that come after; without us, all but ours, and nothing of ours first."""
    (other,) = (other for other in OTHERS if other.after)
    order = ORDERS[-1]
    text = others.program(other, order, us=True)
    positions = [text.index(lines) for lines in (other.program, order.ours, other.after, "def main(")]
    assert positions == sorted(positions)
    assert order.ours not in others.program(other, order, us=False)
    for order in ORDERS:
        assert others.first(order, us=False) == order.first
        assert others.first(order, us=True).startswith(order.first)
        assert (order.ours in others.first(order, us=True)) == (not order.they_first or not order.ours)


def test_what_is_written_can_be_read_again() -> None:
    """The JSON has everything that the page is made of."""
    written = [Found("truststore", ("truststore 1",), "", a_run(WITH_TRUSTSTORE)), Found("gevent", (), "no wheel", {})]
    assert others.from_json(others.as_json("- about it", KNOWN, written)) == ("- about it", KNOWN, written)


def test_what_a_row_says() -> None:
    """Who has the fallback where all is well; the first thing that is not; and why there is nothing to say."""
    results = a_run(WITH_TRUSTSTORE)
    right = others.row(Found("truststore", ("truststore 1",), "", results), KNOWN)
    results[NO_CAS, ORDERS[0].name, True]["facts"]["after"]["in effect"] = False
    wrong = others.row(Found("truststore", ("truststore 1",), "", results), KNOWN)
    refused = others.row(Found("truststore", (), "no wheel", {}), KNOWN)
    assert right[2:5] == (
        "yes",
        "the other's: `create_default_context()`, urllib, `SSLContext`; the fallback: the standard class",
        "works",
    )
    said = f"**no**: truststore, {NO_CAS}, {ORDERS[0].name}: in effect, after: False (expected True)"
    assert wrong[2:5] == ("yes", said, said)
    assert refused[2:] == ("not run", "not run", "not run", "could not be installed: no wheel")


def test_the_docs_show_what_was_found() -> None:
    """The page is made of the JSON beside it, which has everybody on the list in every order, and nothing that is wrong."""
    about, known, all_found = others.from_json((others.DOCS / "others.json").read_text(encoding="utf-8"))
    page = (others.DOCS / "others.md").read_text(encoding="utf-8")
    assert f"{peers.BEGIN}\n\n{others.page(about, known, all_found)}\n\n{peers.END}" in page
    assert [found.name for found in all_found] == [other.name for other in OTHERS]
    for name in LIST:
        assert any(found.name.strip("`").startswith(name) for found in all_found)
    by_name = {other.name: other for other in OTHERS}
    for found in all_found:
        assert found.refused or found.results.keys() == a_run(by_name[found.name]).keys()
        assert found.refused or list(others.mismatches(by_name[found.name], found.results, known)) == []
