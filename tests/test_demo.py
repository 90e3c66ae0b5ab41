"""The demo: what it shows, that nothing around it disturbs it, and that it does not pretend."""

import argparse
import http.client
import socket
import ssl
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import certifi
import pytest
import trustme
from support import NOWHERE, certifi_roots, python

from fallback_roots import _cli
from fallback_roots._cli import demo
from fallback_roots._cli.demo import Run

FAILED, FETCHED, COUNTED = Run(1, "E: CERTIFICATE_VERIFY_FAILED"), Run(0, "hello"), Run(0, "9 roots from certifi")


class Shown(NamedTuple):
    """A demo that has been run, and the place for its temporary files."""

    done: "subprocess.CompletedProcess[str]"
    temporary: Path


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The installed command, in surroundings that would disturb a less careful one."""
    temporary, cwd = tmp_path_factory.mktemp("temporary"), tmp_path_factory.mktemp("cwd")
    (cwd / "ssl.py").write_text("raise RuntimeError('a file of the user')\n")
    env = {
        "TMPDIR": str(temporary),
        "FALLBACK_ROOTS_DISABLE": "1",
        "FALLBACK_ROOTS_CAFIL": "x",
        "SSL_CERT_FILE": certifi.where(),
        "https_proxy": "http://127.0.0.1:9",
        "PYTHONIOENCODING": "ascii",
    }
    return Shown(python(Path(sys.executable).with_name("fallback-roots"), "demo", env=env, cwd=cwd), temporary)


def test_it_is_a_success(shown: Shown) -> None:
    """On a machine where the hook is armed, whatever the environment says, it exits with 0 and says that all is well."""
    assert (shown.done.returncode, shown.done.stderr) == (0, "")
    assert shown.done.stdout.endswith("Each did what it should: the same program failed before, and verified after.\n")


def test_it_shows_the_error_of_the_before(shown: Shown) -> None:
    """The first run shows the very line by which users know their trouble."""
    before = shown.done.stdout.partition("1. Before")[2].partition("2. After")[0]
    assert "urllib.error.URLError: <urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable" in before


def test_it_shows_the_answer_of_the_after(shown: Shown) -> None:
    """The second run shows what the server says."""
    assert "\n    hello\n" in shown.done.stdout.partition("2. After")[2].partition("3. With")[0]


def test_it_counts_certifis_roots(shown: Shown) -> None:
    """The third run shows as many roots as certifi has, and that they are certifi's."""
    assert f"\n    {certifi_roots()} roots from certifi\n" in shown.done.stdout.partition("3. With")[2]


def test_it_shows_the_program(shown: Shown) -> None:
    """What is run can be read in full."""
    assert "".join(f"    {line}\n" for line in demo.FETCH.splitlines()) in shown.done.stdout


def test_it_is_plain_and_narrow(shown: Shown) -> None:
    """But for errors and paths, which it gives as they are, it is ASCII and fits 80 columns."""
    assert shown.done.stdout.isascii()
    lines = [line for line in shown.done.stdout.splitlines() if "URLError" not in line and "/" not in line]
    assert max(map(len, lines)) <= 80


def test_it_leaves_nothing_behind(shown: Shown) -> None:
    """Neither the CA nor a key stays on the disk."""
    assert list(shown.temporary.iterdir()) == []


def test_no_private_key_is_installed(wheel: Path) -> None:
    """No file of the wheel has a private key in it."""
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if b"PRIVATE KEY" in archive.read(name)]


def test_where_nothing_is_armed(tmp_path: Path) -> None:
    """Where interpreters come up without the hook, it says that, and which runs went wrong, and exits with 1."""
    (tmp_path / "sitecustomize.py").write_text("import fallback_roots\nfallback_roots.uninstall()\n")
    done = python("-m", "fallback_roots", "demo", env={"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (1, "")
    assert "    0 roots from nowhere\n" in done.stdout
    wrong = 'Run 2 should have printed "hello".\nRun 3 should have had certifi\'s roots.\n\n'
    assert wrong + f"Interpreters that {sys.executable} starts do not arm it:\n" in done.stdout


def test_where_it_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the interpreter that it starts does not have the package, it says that, and exits with 1."""
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    other.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(other))
    assert _cli.main(["demo"]) == 1
    assert (
        f"Interpreters that {other} starts have no fallback-roots:\nModuleNotFoundError: No module named 'fallback_roots'"
        in capsys.readouterr().out
    )


def test_where_certifi_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the hook is armed and yet a run goes wrong, it names the run, and who can tell more."""
    (tmp_path / "certifi.py").write_text("raise ImportError('broken')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert _cli.main(["demo"]) == 1
    assert capsys.readouterr().out.endswith(
        "\nRun 3 should have had certifi's roots.\n\nThe hook is armed there; fallback-roots doctor tells more.\n"
    )


@pytest.mark.parametrize("executable", ["/no/such/python", "", None])
def test_an_interpreter_that_cannot_be_started(
    executable: "str | None", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An embedded or frozen interpreter that has no executable is a run that went wrong."""
    monkeypatch.setattr(sys, "executable", executable)
    run = demo._python(str(tmp_path), "pass")
    assert run.code == -1
    assert run.said.startswith("([Errno ")


@pytest.mark.parametrize("error", [ImportError("not here"), AttributeError("half of it")])
def test_without_trustme(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where trustme is missing or broken, one line on standard error says what to install, and it exits with 2."""
    (tmp_path / "trustme.py").write_text(f"raise {error!r}\n")
    monkeypatch.delitem(sys.modules, "trustme", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert _cli.main(["demo"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(f' ({error}); to install it: pip install "fallback-roots[demo]"\n')
    assert err.count("\n") == 1


def test_a_run_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that hangs is a run that went wrong."""
    monkeypatch.setattr(demo, "SECONDS", 0.5)
    assert demo._python(str(tmp_path), "import threading; threading.Event().wait()") == (-1, "(nothing within 0.5 seconds)")


def test_a_run_that_says_nothing(tmp_path: Path) -> None:
    """A program without a word is shown as that, with its exit status."""
    assert demo._python(str(tmp_path), "import sys; sys.exit(3)") == (3, "(nothing; exit status 3)")


def test_a_run_that_says_anything(tmp_path: Path) -> None:
    """Bytes that are no text are shown with escapes."""
    assert demo._python(str(tmp_path), "import os; os.write(1, b'caf\\xe9')") == (0, "caf\\xe9")


def test_what_a_run_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run knows what an interpreter needs to start, nothing that chooses roots, and two places that are missing."""
    monkeypatch.setattr("os.environ", {"SYSTEMROOT": "C:", "FALLBACK_ROOTS_X": "1", "SSL_CERT_FILE": "/x", "LANG": "C"})
    program = "import os; print(*sorted(n for n in os.environ if n[:3] != 'LC_'), os.path.lexists(os.environ['SSL_CERT_DIR']))"
    run = demo._python(str(tmp_path), program, FALLBACK_ROOTS_CAFILE=NOWHERE)
    assert run.said == "FALLBACK_ROOTS_CAFILE FALLBACK_ROOTS_CONFIG SSL_CERT_DIR SSL_CERT_FILE SYSTEMROOT False"


def test_windows_stores_are_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows, whose roots are not at a place that a variable could replace, runs do not look into the stores."""
    monkeypatch.setattr(sys, "platform", "win32")
    assert demo._python(str(tmp_path), "print(ssl.SSLContext._windows_cert_stores)").said == "()"


def test_the_runs_differ_in_one_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first run is switched off, the second has a cafile, the third has no setting: nothing else tells them apart."""
    told: list[tuple[str, ...]] = []

    def note(_directory: str, program: str, *_url: str, **variables: str) -> Run:
        told.append((program, *variables))
        return [FAILED, FETCHED, COUNTED][len(told) - 1]

    monkeypatch.setattr(demo, "_python", note)
    assert demo.run(argparse.Namespace()) == 0
    assert told == [(demo.FETCH, "FALLBACK_ROOTS_DISABLE"), (demo.FETCH, "FALLBACK_ROOTS_CAFILE"), (demo.COUNT,)]


def test_a_client_that_says_nothing_holds_up_nobody(ca: trustme.CA) -> None:
    """While one client does not even begin the handshake, the server answers others."""
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ca.issue_cert("localhost").configure_cert(theirs)
    ca.configure_trust(ours)
    with demo._server(theirs) as url:
        port = int(url.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)):
            other = http.client.HTTPSConnection("localhost", port, context=ours, timeout=10)
            other.request("GET", "/")
            assert other.getresponse().read() == b"hello"
            other.close()


@pytest.mark.parametrize(
    ("runs", "number"),
    [
        ((FAILED._replace(code=0), FETCHED, COUNTED), 1),
        ((Run(1, "no route"), FETCHED, COUNTED), 1),
        ((FAILED, Run(1, "hello"), COUNTED), 2),
        ((FAILED, Run(0, "goodbye"), COUNTED), 2),
        ((FAILED, FETCHED, Run(0, "0 roots from certifi")), 3),
        ((FAILED, FETCHED, Run(0, "9 roots from nowhere")), 3),
        ((FAILED, FETCHED, COUNTED._replace(code=1)), 3),
    ],
)
def test_a_run_that_goes_wrong_is_named(runs: tuple[Run, Run, Run], number: int) -> None:
    """Each run is held to what it should have done."""
    (wrong,) = demo.judge(*runs)
    assert wrong.startswith(f"Run {number} ")
