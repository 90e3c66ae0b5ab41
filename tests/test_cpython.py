"""CPython's own tests are compared test by test, and the docs show what was found."""

import pytest
from benchmarks import peers
from benchmarks.machines import HEALTHY, NO_CAS
from compatibility import cpython
from support import ROOT

DOCS = ROOT / "docs"
XML = """<testsuites><testsuite>
<testcase name="test_a" status="run" result="completed" time="0.1" />
<testcase name="test_b" status="run" result="completed"><skipped>no network</skipped></testcase>
<testcase name="test_c" status="run" result="completed"><failure>AssertionError</failure></testcase>
<testcase name="test_d" status="run" result="completed"><error>ValueError</error></testcase>
<testcase name="test_e" status="run" result="completed" />
<testcase name="test_e" status="run" result="completed"><error>no</error></testcase>
</testsuite></testsuites>"""
HERE = cpython.Key(NO_CAS, cpython.ARMED, "test_module")


class Recorded(cpython.Tests):
    """Runs nothing: of the runs with us and of those without, which are given."""

    def __init__(self, mine: list[cpython.Results], theirs: list[cpython.Results]) -> None:
        self.runs = {cpython.ARMED: mine, cpython.WITHOUT: theirs}
        self.asked: list[tuple[str, ...]] = []

    def run(self, key: cpython.Key, *options: str) -> cpython.Results:
        self.asked.append(options)
        return self.runs[key.side].pop(0)


def compared(mine: list[cpython.Results], theirs: list[cpython.Results]) -> tuple[cpython.Comparison, Recorded]:
    """The first results are those of the whole run."""
    found = {HERE: mine.pop(0), HERE._replace(side=cpython.WITHOUT): theirs.pop(0)}
    tests = Recorded(mine, theirs)
    (comparison,) = cpython.compare(tests, found)
    return comparison, tests


def test_results_are_of_each_test() -> None:
    """A test that is run twice under one name has both of its results."""
    assert cpython.results(XML) == {
        "test_a": "passed",
        "test_b": "skipped: no network",
        "test_c": "failed",
        "test_d": "failed",
        "test_e": "passed, failed",
    }


def test_equal_results_are_not_asked_for_again() -> None:
    """A test that fails without us, too, is as without us."""
    results = {"a": "passed", "b": "failed", "c": "skipped: no network"}
    comparison, tests = compared([results], [dict(results)])
    assert comparison == (HERE, 1, 1, 1, {}, [])
    assert tests.asked == []


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ({"a": "failed"}, {"a": "passed"}),
        ({}, {"a": "passed"}),
        ({"a": "skipped: now"}, {"a": "passed"}),
        ({"a": "passed"}, {}),
    ],
    ids=["fails", "gone", "skipped", "new"],
)
def test_a_test_that_always_differs_is_a_difference(mine: cpython.Results, theirs: cpython.Results) -> None:
    """Whichever way; and it is run again three times on either side."""
    comparison, tests = compared([mine] * 4, [theirs] * 4)
    assert list(comparison.different) == ["a"]
    assert comparison.unsteady == []
    assert tests.asked == [("--match", "a")] * 6
    assert "**1 not as without us**" in cpython.cell(comparison)


def test_a_test_that_is_now_this_and_now_that_is_unsteady() -> None:
    """It fails without us, too, if it is only asked often enough."""
    good, bad = {"a": "passed"}, {"a": "failed"}
    comparison, _ = compared([bad, good, good, good], [good, good, bad, good])
    assert (comparison.different, comparison.unsteady) == ({}, ["a"])


def test_a_test_that_is_unsteady_with_us_alone_is_a_difference() -> None:
    """Failing once in four times is what nobody had before."""
    good, bad = {"a": "passed"}, {"a": "failed"}
    comparison, _ = compared([bad, good, good, good], [good] * 4)
    assert list(comparison.different) == ["a"]


def test_what_is_written_can_be_read_again() -> None:
    """The JSON has everything that the page is made of."""
    comparison, _ = compared([{"a": "failed"}] * 4, [{"a": "passed"}] * 4)
    assert cpython.from_json(cpython.as_json("- about it", [comparison])) == ("- about it", [comparison])


def test_the_docs_show_what_was_found() -> None:
    """The table is of the results beside it, has every module, and no difference that the text does not know."""
    about, comparisons = cpython.from_json((DOCS / "cpython-tests.json").read_text(encoding="utf-8"))
    assert [each.key for each in comparisons] == [
        cpython.Key(machine, side, module)
        for machine in (HEALTHY, NO_CAS)
        for module in cpython.MODULES
        for side in (cpython.ARMED, cpython.PATCHED)
    ]
    assert [each.different for each in comparisons] == [{}] * len(comparisons)
    page = (DOCS / "cpython-tests.md").read_text(encoding="utf-8")
    assert f"{peers.BEGIN}\n\n{cpython.page(about, comparisons)}\n\n{peers.END}" in page
