"""The tests are run on every Python that is there, and the docs show what came of it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import peers, run
from compatibility import pythons
from support import ROOT, python

DOCS = ROOT / "docs"
XML = """<testsuites><testsuite>
<testcase classname="tests.test_one" name="test_a" time="0.1" />
<testcase classname="tests.test_one" name="test_b[x]"><failure message="no" /></testcase>
<testcase classname="tests.test_one" name="test_c"><skipped message="not here" /></testcase>
<testcase classname="tests.test_two" name="test_d"><error message="at setup" /></testcase>
</testsuite></testsuites>"""
HERE = pythons.Machine(None)
needs_git = pytest.mark.skipif(not (shutil.which("git") and (ROOT / ".git").exists()), reason="this is no clone")
THIS = pythons.Python("this one", sys.executable)


def test_tests_are_counted() -> None:
    """What fails at its set-up has failed, too."""
    assert pythons.counts(XML) == (1, 1, ("test_one::test_b[x]", "test_two::test_d"))


def test_a_python_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is run on it."""
    monkeypatch.setattr(pythons, "test", lambda machine, python: pythons.Found(python.name, machine.name, passed=1))
    missing = pythons.Python("CPython 2.9", "python2.9")
    found = list(pythons.all_of([HERE], [missing, THIS]))
    assert found == [
        pythons.Found("this one", HERE.name, passed=1),
        pythons.Found("CPython 2.9", why="not here: python2.9"),
    ]


@needs_git
def test_the_tests_are_those_of_the_tracked_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies about in the tree is not among them."""
    root = tmp_path / "project"
    (root / "tests").mkdir(parents=True)
    for name in ("tests/test_it.py", "tests/gone.py", "README.md"):
        (root / name).write_text(name)
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *command], cwd=root, check=True)
    (root / "tests/gone.py").unlink()
    (root / "forgotten.py").touch()
    monkeypatch.setattr(run, "ROOT", root)
    pythons.copy_tracked(tmp_path / "copy")
    copied = sorted(str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*.*"))
    assert copied == ["README.md", "tests/test_it.py"]


@needs_git
def test_a_python_without_venv_is_not_run() -> None:
    """Why is the last thing that it said."""
    found = pythons.test(HERE, pythons.Python("broken", "false"))
    assert found == pythons.Found("broken", HERE.name, found.date, why="said nothing")


def test_pip_alone_has_certificates_on_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are where no Python looks, and of this process's variables only pip's and those for proxies are there."""
    for name in ("etc", "root"):
        (tmp_path / name).mkdir()
    (tmp_path / "bundle.pem").write_text("a bundle")
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "bundle.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "bundle.pem"))
    monkeypatch.setenv("HTTPS_PROXY", "http://localhost:1")
    machine = pythons.Machine(tmp_path)
    assert Path(f"{tmp_path}{machine.env['PIP_CERT']}").read_text() == "a bundle"
    assert machine.env["HTTPS_PROXY"] == "http://localhost:1"
    assert "SSL_CERT_FILE" not in machine.env


FOUND = pythons.Found(
    "CPython 3.10", "a machine", "2026-11-28", "3.10.1", "OpenSSL 3.0.1 1 Jan 2026", "0", 10, 2, ("test_a::b",)
)


def test_a_failure_is_shown() -> None:
    """In its row and by its name."""
    page = pythons.page([FOUND])
    row = "| CPython 3.10 | a machine | 3.10.1 | OpenSSL 3.0.1 | 0 | 10 passed, 2 skipped, **1 failed** (2026-11-28) |"
    assert row in page
    assert "- CPython 3.10: `test_a::b`" in page


def test_what_was_not_run_is_shown() -> None:
    """With what was run in its place."""
    short = pythons.Found("PyPy", "a machine", "2026-11-28", "3.11", "OpenSSL 3.6.5", "0", why="what they need: no", short="ok")
    assert "| the promises in short: ok (2026-11-28); not run: what they need: no |" in pythons.page([short])
    assert "| not run: not here: pypy3 |" in pythons.page([pythons.Found("PyPy", why="not here: pypy3")])


def test_what_is_written_can_be_read_again() -> None:
    """The JSON has everything that the page is made of."""
    founds = [FOUND, pythons.Found("PyPy", why="not here: pypy3")]
    assert pythons.from_json(pythons.as_json(founds)) == founds


def test_what_is_found_anew_takes_the_place_of_what_was() -> None:
    """On the same Python of the same machine; one that is somewhere is not missing."""
    newer, here = FOUND._replace(failed=()), FOUND._replace(machine=HERE.name)
    missing = pythons.Found("PyPy", why="not here: pypy3")
    assert pythons.merged([FOUND, missing], [newer]) == [newer, missing]
    assert pythons.merged([FOUND], [here]) == [here, FOUND]
    assert pythons.merged([missing], [FOUND._replace(name="PyPy")]) == [FOUND._replace(name="PyPy")]


def test_the_promises_in_short() -> None:
    """They hold on this Python, too."""
    done = python(Path(pythons.__file__).with_name("short.py"))
    assert (done.stdout, done.stderr, done.returncode) == ("ok\n", "", 0)


def test_the_docs_show_what_was_found() -> None:
    """The table is of the results beside it, and has no failure."""
    founds = pythons.from_json((DOCS / "pythons.json").read_text(encoding="utf-8"))
    assert {found.name for found in founds} == {python.name for python in pythons.PYTHONS}
    assert [found.failed for found in founds] == [()] * len(founds)
    assert {found.short for found in founds} <= {"", "ok"}
    page = (DOCS / "pythons.md").read_text(encoding="utf-8")
    assert f"{peers.BEGIN}\n\n{pythons.page(founds)}\n\n{peers.END}" in page
