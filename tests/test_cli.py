"""The command: the doctor in prepared environments, the demo, and the shell's habits around them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import NO_CAS, environment, python

import fallback_roots
from fallback_roots import _cli, _detect, _places
from fallback_roots._cli import demo, doctor
from fallback_roots._fallback import Outcome, Status


def cli(*args: str, env: dict[str, str] | None = None, before: str = "") -> "subprocess.CompletedProcess[str]":
    """Run the command in the interpreter under test, after the program `before`."""
    program = f"{before}\nimport sys, fallback_roots._cli\nsys.exit(fallback_roots._cli.main({list(args)!r}))"
    return python("-c", program, env=env)


# ---------------------------------------------------------------- doctor

# Name: (variables, program before, exit status, what the last lines say, what else the report says).
PATIENTS: dict[str, tuple[dict[str, str], str, int, str, str]] = {
    "a bundle": ({"SSL_CERT_FILE": "{ca}"}, "", 0, "have roots: the default load finds 1 certificates", "holds certificates"),
    "a hashed directory": ({**NO_CAS, "SSL_CERT_DIR": "{hashed}"}, "", 0, "have roots: SSL_CERT_DIR", "hashed certificates"),
    "no CAs": (NO_CAS, "", 0, "have roots: certifi,", "cannot be read (No such file or directory)"),
    "a cafile": ({**NO_CAS, "FALLBACK_ROOTS_CAFILE": "{ca}"}, "", 0, "cafile, 1 roots", "from FALLBACK_ROOTS_CAFILE"),
    "a cafile in a file": ({**NO_CAS, "FALLBACK_ROOTS_CONFIG": "{config}"}, "", 0, "cafile, 1 roots", "from {config}"),
    "disabled": ({**NO_CAS, "FALLBACK_ROOTS_DISABLE": "1"}, "", 1, "FALLBACK_ROOTS_DISABLE is set", "\n  disabled\n"),
    "disabled by a file": ({**NO_CAS, "FALLBACK_ROOTS_CONFIG": "{off}"}, "", 1, "{off} says disable", "disable        = true"),
    "a fault": ({**NO_CAS, "FALLBACK_ROOTS_CAFIL": "x"}, "", 1, "FALLBACK_ROOTS_CAFIL: is not a variable", "  ! FALLBACK"),
    "a broken cafile": (
        {**NO_CAS, "FALLBACK_ROOTS_CAFILE": "/no/ca.pem"},
        "",
        1,
        "/no/ca.pem: cannot be read",
        "cafile, 0 roots",
    ),
    "a broken capath": ({**NO_CAS, "FALLBACK_ROOTS_CAPATH": "/no/cas"}, "", 1, "/no/cas: cannot be read", "  ! /no/cas"),
    "honored": ({**NO_CAS, "FALLBACK_ROOTS_HONOR_SSL_ENV": "1"}, "", 1, "honor_ssl_env is set", "honored"),
    "none chosen": ({**NO_CAS, "FALLBACK_ROOTS_CERTIFI": "0"}, "", 1, "certifi = false", "none"),
    "a device": ({**NO_CAS, "SSL_CERT_FILE": "/dev/null"}, "", 1, "taken at its word", "device: is neither"),
    "nothing armed": (NO_CAS, "import fallback_roots; fallback_roots.uninstall()", 1, "the hook is not armed", "\n  absent\n"),
    "no certifi": (NO_CAS, "import sys; sys.modules['certifi'] = None", 1, "certifi: cannot be imported", "certifi, 0 roots"),
    "no wrapt": (NO_CAS, "import sys; sys.modules['wrapt'] = None", 0, "have roots: certifi,", "wrapt"),
    "no platformdirs": (
        NO_CAS,
        "import sys; sys.modules['platformdirs'] = None",
        1,
        "platformdirs: cannot tell",
        "  ! platform",
    ),
    "no metadata": (NO_CAS, "from importlib import metadata; metadata.version = None", 0, "certifi,", "unknown (TypeError)"),
    "a fault of ours": (
        NO_CAS,
        "from fallback_roots import _settings; _settings.read = None",
        1,
        "'NoneType' object is not callable",
        "fault",
    ),
    "truststore's like": (
        NO_CAS,
        "import ssl\nclass Other(ssl.SSLContext):\n    cert_store_stats = None\nssl.SSLContext = Other",
        0,
        "certifi,",
        "watching",
    ),
}


@pytest.fixture(scope="module")
def paths(ca_file: Path, hashed_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What stands in braces in the table."""
    directory = tmp_path_factory.mktemp("doctor")
    (directory / "config.toml").write_text(f'cafile = "{ca_file}"\n')
    (directory / "off.toml").write_text("disable = true\n")
    named = {"config": directory / "config.toml", "off": directory / "off.toml", "ca": ca_file, "hashed": hashed_directory}
    return {name: str(path) for name, path in named.items()}


@pytest.mark.parametrize("patient", PATIENTS)
def test_the_doctor(patient: str, paths: dict[str, str]) -> None:
    """Each patient gets the right exit status and sentence, on standard output alone."""
    variables, before, code, sentence, report = PATIENTS[patient]
    done = cli("doctor", env={name: value.format(**paths) for name, value in variables.items()}, before=before)
    assert (done.returncode, done.stderr) == (code, "")
    assert sentence.format(**paths) in done.stdout.rpartition("\n\n")[2]
    assert report.format(**paths) in done.stdout
    assert done.stdout.isascii()


@pytest.mark.parametrize(
    "patient", ["a bundle", "a hashed directory", "no CAs", "a cafile", "disabled", "a broken cafile", "a device"]
)
def test_the_doctor_is_right(patient: str, paths: dict[str, str]) -> None:
    """Exit status 0 is said where a default context has roots or a directory of them, and nowhere else."""
    variables, before, code, _, _ = PATIENTS[patient]
    program = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"
    done = python("-c", f"{before}\n{program}", env={name: value.format(**paths) for name, value in variables.items()})
    assert (done.stdout != "0\n" or patient == "a hashed directory") == (code == 0)


def test_the_doctor_changes_nothing() -> None:
    """Neither records nor outcomes nor verdicts come of a report."""
    after = "import atexit, fallback_roots; atexit.register(lambda: print(fallback_roots.status()))"
    done = cli("doctor", env=NO_CAS, before=f"import ssl\n{after}")
    assert done.stdout.endswith("Status(state='watching', verdict=None, found=None, outcome=None)\n")
    assert done.stderr == ""


def facts(**changed: Any) -> doctor.Facts:
    """Facts of an armed interpreter without CA certificates."""
    verdict = _detect.Verdict("empty", "nothing")
    usual = doctor.Facts({}, Status("watching", None, None, None), 0, (), verdict, None, Outcome("loaded"))
    return usual._replace(**changed)


def test_a_doctor_without_settings_names_the_problem() -> None:
    """Where the settings could not even be read, the report goes on without them."""
    found = facts(
        outcome=Outcome("fault", problems=("OSError: no",)), places=(_places.Place("file", "X", "", "nothing", "is empty"),)
    )
    assert "OSError: no" in doctor.judge(found).sentence
    assert "  - file, X: (empty)" in doctor.render(found)


def test_disabled_without_settings_is_a_plain_no() -> None:
    """An outcome of which nobody knows the setting is still no roots."""
    assert not doctor.judge(facts(outcome=Outcome("disabled"))).has_roots


# ---------------------------------------------------------------- demo


def test_the_demo() -> None:
    """The real error of the before, the answer of the after, certifi's roots, and exit status 0."""
    done = cli("demo")
    assert (done.returncode, done.stderr) == (0, "")
    before, _, after = done.stdout.partition("\n2. ")
    assert "CERTIFICATE_VERIFY_FAILED" in before
    assert "\n    hello\n" in after
    assert f"{certifi_count()} roots from certifi" in after


def certifi_count() -> str:
    return python("-c", "import certifi; print(certifi.contents().count('BEGIN CERTIFICATE'))").stdout.strip()


def test_the_demo_where_nothing_is_armed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It says which run went wrong, and exits with 1."""
    real: Callable[..., Any] = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **rest: real([command[0], "-S", *command[1:]], **rest))
    assert demo.run() == 1
    said = capsys.readouterr().out
    assert "Run 2 should have" in said
    assert "fallback-roots doctor tells" in said


def test_the_demo_without_trustme(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.setitem(sys.modules, "trustme", None)
    assert _cli.main(["demo"]) == 2
    assert 'pip install "fallback-roots[demo]"' in capsys.readouterr().err


def test_a_run_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that hangs is a run that went wrong."""
    monkeypatch.setattr(demo, "SECONDS", 0.5)
    assert demo._python("import threading; threading.Event().wait()").code == -1


def test_a_run_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program without a word is a run like any other, and Windows' variable is handed on."""
    monkeypatch.setenv("SYSTEMROOT", "C:\\Windows")
    assert demo._python("pass") == (0, "(nothing)")
    assert demo._python("import os; print(os.environ['SYSTEMROOT'])").said == "C:\\Windows"


@pytest.mark.parametrize(
    ("runs", "number"),
    [
        ([(0, "hello"), (0, "hello"), (0, "9 roots from certifi")], 1),
        ([(1, "no route"), (0, "hello"), (0, "9 roots from certifi")], 1),
        ([(1, "CERTIFICATE_VERIFY_FAILED"), (1, "x"), (0, "9 roots from certifi")], 2),
        ([(1, "CERTIFICATE_VERIFY_FAILED"), (0, "hello"), (0, "0 roots from certifi")], 3),
        ([(1, "CERTIFICATE_VERIFY_FAILED"), (0, "hello"), (0, "9 roots from nowhere")], 3),
        ([(1, "CERTIFICATE_VERIFY_FAILED"), (0, "hello"), (1, "x")], 3),
    ],
)
def test_a_run_that_goes_wrong_is_named(runs: list[tuple[int, str]], number: int) -> None:
    """Each run is held to what it should have done."""
    assert demo.judge(*(demo.Run(*run) for run in runs))[0].startswith(f"Run {number} ")


# ---------------------------------------------------------------- the shell's habits


def test_version_and_help() -> None:
    """--version and --help answer, and the help has every exit code and an example."""
    assert cli("--version").stdout == f"fallback-roots {fallback_roots.__version__}\n"
    said = cli("--help").stdout
    assert all(f"{code}  {meaning}" in said for code, meaning in _cli.EXIT_CODES.items())
    assert "example:\n  fallback-roots doctor" in said


@pytest.mark.parametrize("args", [[], ["cure"], ["doctor", "--now"]])
def test_usage(args: list[str]) -> None:
    """What is not a command exits with 2 and no traceback."""
    done = cli(*args)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: fallback-roots")


def test_as_a_module() -> None:
    """python -m fallback_roots is the same command."""
    done = python("-m", "fallback_roots", "doctor", env=NO_CAS)
    assert done.returncode == 0
    assert "certifi" in done.stdout


def test_a_reader_that_has_read_enough() -> None:
    """A closed pipe is not an error."""
    command = f"{sys.executable} -m fallback_roots doctor | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], env=environment(NO_CAS), capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends it with 130 and no traceback."""

    def interrupt() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "run", interrupt)
    assert _cli.main(["doctor"]) == 130


def test_a_python_without_ssl() -> None:
    """It says what is missing."""
    done = cli("doctor", before="import sys; sys.modules['ssl'] = None")
    assert done.returncode == 2
    assert done.stderr.startswith("fallback-roots: this needs ssl")
