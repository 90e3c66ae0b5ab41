"""Other libraries' own tests: what is taken from their sdists, what is run of it, and that the docs show what was found."""

import io
import socket
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from benchmarks import peers
from benchmarks.machines import HEALTHY, NO_CAS
from benchmarks.sides import Installed
from compatibility import compare, suites
from compatibility.compare import ARMED, DOCS, PATCHED, Key
from conftest import needs_root
from support import environment

FILES = ("library/__init__.py", "tests/test_a.py", "tests/deep/test_b.py", "pytest.ini", "setup.py")
SUITE = suites.Suite("library", ("tests/test_a.py", "tests/test_b.py"), (), ("tests", "pytest.ini"), ("-m", "not network"))
KEY = Key(NO_CAS, ARMED, "library")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An sdist."""
    path = tmp_path / "library-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as sdist:
        for name in FILES:
            sdist.addfile(tarfile.TarInfo(f"library-1.0/{name}"), io.BytesIO())
    return path


def runner(suite: suites.Suite, archive: Path, directory: Path) -> suites.Suites:
    """Of one venv, which has a directory of packages and nothing else."""
    (directory / "venv/lib/python3/site-packages").mkdir(parents=True)
    installed = {ARMED: Installed(str(directory / "venv/bin/python"), {}, {})}
    return suites.Suites(suite, archive, {}, installed, directory)


def test_no_library_is_taken_from_an_sdist(archive: Path, tmp_path: Path) -> None:
    """It would be imported in place of the installed one."""
    own = tmp_path / "own"
    suites.unpack(archive, SUITE.kept, own)
    found = {path.relative_to(own).as_posix() for path in own.rglob("*") if path.is_file()}
    assert found == {"tests/test_a.py", "tests/deep/test_b.py", "pytest.ini"}
    assert all({suite.name, "src"}.isdisjoint(suite.kept) for suite in suites.SUITES)


def test_what_is_run(archive: Path, tmp_path: Path) -> None:
    """All files, or some tests."""
    tests = runner(SUITE, archive, tmp_path)
    own = tmp_path / "own"
    whole, some = tests.command(KEY, own, ()), tests.command(KEY, own, ["tests/test_b.py::test_c"])
    assert whole[-4:] == ["-m", "not network", "tests/test_a.py", "tests/test_b.py"]
    assert some[-3:] == ["-m", "not network", "tests/test_b.py::test_c"]
    assert whole[whole.index("--junit-xml") + 1] == str(own / "results.xml")


def test_where_tests_are_run(archive: Path, tmp_path: Path) -> None:
    """Where they have been unpacked, or where they are installed with their library."""
    tests = runner(SUITE, archive, tmp_path)
    installed = suites.Suites(SUITE._replace(kept=()), archive, {}, tests.installed, tmp_path)
    places = {"own": tests, "venv/lib/python3/site-packages": installed}
    for place, each in places.items():
        command = each.command(KEY, tmp_path / "own", ())
        assert command[command.index("--rootdir") + 1] == str(tmp_path / place)
        assert command[command.index(suites.ALONE) + 1] == str(tmp_path / place)


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
@needs_root
def test_no_network_but_a_loopback_of_its_own(tmp_path: Path) -> None:
    """A server of this machine is not there, and one of its own is."""
    program = (
        "import errno, os, socket, sys\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname()).close()\n"
        "print(os.getcwd(), socket.socket().connect_ex(('127.0.0.1', int(sys.argv[1]))) == errno.ECONNREFUSED)\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        started = ["unshare", "--net", sys.executable, "-I", "-S", "-c", suites.ALONE, str(tmp_path)]
        command = [*started, sys.executable, "-c", program, str(server.getsockname()[1])]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == f"{tmp_path} True\n", done.stderr


def test_names_are_those_of_suites(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is none of them is an error, and not a run of nothing."""
    monkeypatch.setattr(sys, "argv", ["suites", "trio", "tri"])
    with pytest.raises(SystemExit, match="2"):
        suites.main()
    assert "tri" in capsys.readouterr().err
    assert {*suites.QUICK} < {suite.name for suite in suites.SUITES}


def test_the_docs_show_what_was_found() -> None:
    """The table is of the results beside it, has every suite, most tests pass, and the text tells of each difference."""
    about, comparisons = compare.from_json((DOCS / "suites.json").read_text(encoding="utf-8"))
    names = [suite.name for suite in suites.SUITES]
    assert [each.key for each in comparisons] == [
        Key(machine, side, name) for name in names for machine in (HEALTHY, NO_CAS) for side in (ARMED, PATCHED)
    ]
    assert all(f"{name} " in about for name in names)
    assert all(each.passed > 5 * each.failed for each in comparisons)
    page = (DOCS / "suites.md").read_text(encoding="utf-8")
    told = page.partition(peers.BEGIN)[0]
    assert all(f"`{test.partition('::')[2]}`" in told for each in comparisons for test in each.different)
    assert f"{peers.BEGIN}\n\n{compare.page(about, comparisons)}\n\n{peers.END}" in page
