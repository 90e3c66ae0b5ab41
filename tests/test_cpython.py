"""CPython's own tests are compared test by test, and the docs show what was found."""

from pathlib import Path

from benchmarks import peers
from benchmarks.machines import HEALTHY, NO_CAS
from benchmarks.sides import Installed
from compatibility import compare, cpython
from compatibility.compare import ARMED, DOCS, PATCHED, Key


def test_what_is_run(tmp_path: Path) -> None:
    """A module, or some of its tests."""
    tests = cpython.Modules({}, {ARMED: Installed("python", {}, {})}, tmp_path)
    whole = ["python", "-m", "test", "--junit-xml", str(tmp_path / "results.xml")]
    key = Key(NO_CAS, ARMED, "test_module")
    assert tests.command(key, tmp_path, ()) == [*whole, "test_module"]
    assert tests.command(key, tmp_path, ("a", "b")) == [*whole, "--match", "a", "--match", "b", "test_module"]


def test_the_docs_show_what_was_found() -> None:
    """The table is of the results beside it, has every module, and no difference that the text does not know."""
    about, comparisons = compare.from_json((DOCS / "cpython-tests.json").read_text(encoding="utf-8"))
    assert [each.key for each in comparisons] == [
        Key(machine, side, module) for machine in (HEALTHY, NO_CAS) for module in cpython.MODULES for side in (ARMED, PATCHED)
    ]
    page = (DOCS / "cpython-tests.md").read_text(encoding="utf-8")
    told = page.partition(peers.BEGIN)[0]
    assert all(f"`{test.rpartition('.')[2]}`" in told for each in comparisons for test in each.different)
    assert sum(len(each.different) for each in comparisons) <= 4  # one test, in each column
    assert f"{peers.BEGIN}\n\n{compare.page(about, comparisons)}\n\n{peers.END}" in page
