"""Tests that are not ours are compared test by test: what becomes of their results."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
from benchmarks.machines import HEALTHY, NO_CAS, Machine, Result
from benchmarks.sides import Installed
from compatibility import compare
from compatibility.compare import ARMED, PATCHED, WITHOUT, Comparison, Key, Results

CPYTHONS = """<testsuites><testsuite>
<testcase name="test_a" status="run" result="completed" time="0.1" />
<testcase name="test_b" status="run" result="completed"><skipped>no network</skipped></testcase>
<testcase name="test_c" status="run" result="completed"><failure>AssertionError</failure></testcase>
<testcase name="test_d" status="run" result="completed"><error>ValueError</error></testcase>
<testcase name="test_e" status="run" result="completed" />
<testcase name="test_e" status="run" result="completed"><error>no</error></testcase>
</testsuite></testsuites>"""
PYTESTS = """<testsuites><testsuite>
<testcase classname="tests.test_a" name="test_it[a.b::c]" time="0.1" />
<testcase classname="tests.test_a.TestIt.TestMore" name="test_it" time="0.1">
<skipped type="pytest.skip" message="no IPv6">/tmp/of/this/run/tests/test_a.py:9: no IPv6</skipped></testcase>
<testcase classname="tests.test_a_longer" name="test_it" time="0.1" />
<testcase classname="" name="tests.test_b" time="0.0"><error message="collection failure">ImportError</error></testcase>
</testsuite></testsuites>"""
NONE = """<testsuites><testsuite /></testsuites>"""
HERE = Key(NO_CAS, ARMED, "test_module")


class Recorded(compare.Tests):
    """Runs nothing: of the runs with us and of those without, which are given."""

    def __init__(self, mine: list[Results], theirs: list[Results]) -> None:
        self.runs = {ARMED: mine, WITHOUT: theirs}
        self.asked: list[tuple[str, ...]] = []

    def run(self, key: Key, *tests: str) -> Results:
        self.asked.append(tests)
        return self.runs[key.side].pop(0)


def compared(mine: list[Results], theirs: list[Results]) -> tuple[Comparison, Recorded]:
    """The first results are those of the whole run."""
    found = {HERE: mine.pop(0), HERE._replace(side=WITHOUT): theirs.pop(0)}
    tests = Recorded(mine, theirs)
    (comparison,) = compare.compare(tests, found)
    return comparison, tests


def test_results_are_of_each_test() -> None:
    """A test that is run twice under one name has both of its results."""
    assert compare.results(CPYTHONS) == {
        "test_a": "passed",
        "test_b": "skipped: no network",
        "test_c": "failed",
        "test_d": "failed",
        "test_e": "passed, failed",
    }


def test_results_of_pytest() -> None:
    """Tests have the names that pytest takes, no reason names a directory, and a file that cannot be imported is no test."""
    assert compare.results(PYTESTS, ["tests/test_a.py", "tests/test_a_longer.py", "tests/test_b.py"]) == {
        "tests/test_a.py::test_it[a.b::c]": "passed",
        "tests/test_a.py::TestIt::TestMore::test_it": "skipped: no IPv6",
        "tests/test_a_longer.py::test_it": "passed",
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
def test_a_test_that_always_differs_is_a_difference(mine: Results, theirs: Results) -> None:
    """Whichever way; and it is run again three times on either side."""
    comparison, tests = compared([mine] * 4, [theirs] * 4)
    assert list(comparison.different) == ["a"]
    assert comparison.unsteady == []
    assert tests.asked == [("a",)] * 6
    assert "**1 not as without us**" in compare.cell(comparison)


def test_a_test_that_is_now_this_and_now_that_is_unsteady() -> None:
    """It fails without us, too, if it is only asked often enough."""
    good, bad = {"a": "passed"}, {"a": "failed"}
    comparison, _ = compared([bad, good, good, good], [good, good, bad, good])
    assert (comparison.different, comparison.unsteady) == ({}, ["a"])


def test_a_run_that_was_refused_says_nothing() -> None:
    """One test is gone and another is new: neither side has all that it is to run again."""
    comparison, _ = compared([{"a": "passed"}, {}, {}, {}], [{"b": "passed"}, {}, {}, {}])
    assert (list(comparison.different), comparison.unsteady) == (["a", "b"], [])


def test_a_test_that_is_unsteady_with_us_alone_is_a_difference() -> None:
    """Failing once in four times is what nobody had before."""
    good, bad = {"a": "passed"}, {"a": "failed"}
    comparison, _ = compared([bad, good, good, good], [good] * 4)
    assert list(comparison.different) == ["a"]


def test_what_is_written_can_be_read_again() -> None:
    """The JSON has everything that the page is made of."""
    comparison = compared([{"a": "failed"}] * 4, [{"a": "passed"}] * 4)[0]._replace(unsteady=["b"])
    assert compare.from_json(compare.as_json("- about it", [comparison])) == ("- about it", [comparison])


def test_a_difference_makes_the_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    """And is printed."""
    four = [Comparison(Key(machine, side, "a"), 1, 0, 0, {}, []) for machine in (HEALTHY, NO_CAS) for side in (ARMED, PATCHED)]
    assert compare.tell("- about it", four, None) == 0
    four[1] = four[1]._replace(different={"test_it": "failed (without us: passed)"}, unsteady=["test_more"])
    assert compare.tell("- about it", four, None) == 1
    assert "- test_it: failed (without us: passed)\n- test_more: unsteady" in capsys.readouterr().out


# ---------------------------------------------------------------- one run


class Played(Machine):
    """Starts nothing, and answers with what is given for a side's python and a program; keeps what it was asked."""

    def __init__(self, answers: dict[tuple[str, str], str]) -> None:
        self.answers = answers
        self.asked: list[list[str]] = []

    def run(self, argv: list[str], env: dict[str, str]) -> Result:
        self.asked.append(argv)
        if argv[0] == "timeout":
            (Path(env["HOME"]) / "results.xml").write_text(self.answers["", argv[-1]], encoding="utf-8")
            return Result(0, 0, 7, "what was said", "")
        return Result(0, 0, 0, self.answers[argv[0], argv[2]], "")


class Named(compare.Tests):
    """The command is the name of the suite."""

    def command(self, key: Key, own: Path, tests: Sequence[str]) -> list[str]:  # noqa: ARG002
        return [key.suite]


def test_a_suite_without_results_is_no_suite_that_is_the_same(tmp_path: Path) -> None:
    """The command ends; but tests that are run again may be there on one side alone."""
    played = Played({("", "good"): CPYTHONS, ("", "none"): NONE})
    tests = Named({HEALTHY: played}, {}, tmp_path)
    assert len(tests.run(Key(HEALTHY, ARMED, "good"))) == 5
    assert tests.run(Key(HEALTHY, ARMED, "none"), "test_a") == {}
    with pytest.raises(SystemExit, match=r"none, armed, healthy: no results \(exit status 7\)\nwhat was said"):
        tests.run(Key(HEALTHY, ARMED, "none"))


ANSWERS = {
    (ARMED, HEALTHY, compare.STATE): "watching",
    (PATCHED, HEALTHY, compare.STATE): "patched",
    (WITHOUT, HEALTHY, compare.ROOTS): "True",
    (ARMED, HEALTHY, compare.ROOTS): "True",
    (PATCHED, HEALTHY, compare.ROOTS): "True",
    (WITHOUT, NO_CAS, compare.ROOTS): "False",
    (ARMED, NO_CAS, compare.ROOTS): "True",
    (PATCHED, NO_CAS, compare.ROOTS): "True",
}
INSTALLED = {side: Installed(side, {}, {"certifi": "1"}) for side in (WITHOUT, ARMED, PATCHED)}


def played_by(answers: dict[tuple[str, str, str], str]) -> dict[str, Machine]:
    return {
        name: cast(Machine, Played({(side, program): said for (side, of, program), said in answers.items() if of == name}))
        for name in (HEALTHY, NO_CAS)
    }


def test_venvs_and_machines_that_are_what_they_should_be() -> None:
    """This package itself is what the venvs differ in."""
    installed = {**INSTALLED, ARMED: Installed(ARMED, {}, {"certifi": "1", "fallback-roots": "1"})}
    compare.check(played_by(ANSWERS), installed)


@pytest.mark.parametrize(
    "which", ANSWERS, ids=lambda which: f"{which[0]}, {which[1]}, {'roots' if which[2] == compare.ROOTS else 'state'}"
)
def test_a_venv_or_machine_that_is_not_what_it_should_be(which: tuple[str, str, str]) -> None:
    """Whichever it is: the command ends, and says which."""
    with pytest.raises(SystemExit, match=re.escape(f"{which[0]}, {which[1]}: another (expected {ANSWERS[which]})")):
        compare.check(played_by({**ANSWERS, which: "another"}), INSTALLED)


def test_venvs_that_differ_in_more_than_this_package() -> None:
    """Then a difference might be of that."""
    with pytest.raises(SystemExit, match=r"the venvs differ in more than fallback-roots"):
        compare.check(played_by(ANSWERS), {**INSTALLED, PATCHED: Installed(PATCHED, {}, {"certifi": "2"})})
