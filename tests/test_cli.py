"""The command line: what it takes, its exit codes, and the shell's habits around it."""

import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from conftest import no_sitecustomize
from cryptography import x509
from https_server import Server
from support import NO_CAS, ROOT, environment, python

import fallback_roots
from fallback_roots import _cli
from fallback_roots._cli import _called, _text, doctor

HEALTHY_OR_NOT = [({}, 0), ({"FALLBACK_ROOTS_DISABLE": "1"}, 1)]
MODULE = [sys.executable, "-m", "fallback_roots"]


@pytest.fixture
def nobody_reads() -> Iterator[int]:
    """The end of a pipe whose other end is closed already."""
    theirs, ours = os.pipe()
    os.close(theirs)
    yield ours
    os.close(ours)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version says the name and the version, and is a success."""
    assert _cli.main(["--version"]) == 0
    assert capsys.readouterr() == (f"fallback-roots {fallback_roots.__version__}\n", "")


def test_help_has_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """--help names the commands and, from the one table, what each exit code means."""
    assert _cli.main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(re.search(rf"\n    {name}\s", said) for name in _cli.COMMANDS)
    assert all(f" {code}  {meanings[0]}\n" in said for code, meanings in _cli.EXIT_CODES.items())
    assert all(f"  {meaning}\n" in said for meanings in _cli.EXIT_CODES.values() for meaning in meanings)
    assert all(f"\n  {command.example}\n" in said for command in _cli.COMMANDS.values())


def test_the_exit_codes_of_the_documentation() -> None:
    """The page has the table of the code."""
    page = (ROOT / "docs" / "doctor-command.md").read_text(encoding="utf-8")
    table = page.partition("| code | |\n| --- | --- |\n")[2].partition("\n\n")[0]
    assert table.splitlines() == [f"| {code} | {'; '.join(meanings)} |" for code, meanings in _cli.EXIT_CODES.items()]


@pytest.mark.parametrize("command", _cli.COMMANDS)
def test_each_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help of a command ends in a line that can be typed."""
    assert _cli.main([command, "--help"]) == 0
    assert capsys.readouterr().out.endswith(f"example: {_cli.COMMANDS[command].example}\n")


@pytest.mark.parametrize("arguments", [[], ["--help"], *([command, "--help"] for command in _cli.COMMANDS)])
def test_help_is_plain_and_narrow(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Help and usage are ASCII and fit 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    _cli.main(arguments)
    said = "".join(capsys.readouterr())
    assert said.isascii()
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize("arguments", [[], ["cure"], ["doctor", "--now"], ["doctor", "x"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What is not a command exits with 2, with usage on standard error and nothing on standard output."""
    assert _cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err[:21]) == ("", "usage: fallback-roots")


def test_as_a_module() -> None:
    """python -m fallback_roots is the same command, and calls itself by the command's name."""
    done = python("-m", "fallback_roots")
    assert done.returncode == 2
    assert done.stderr.startswith("usage: fallback-roots [-h]")


@pytest.mark.parametrize(("variables", "code"), HEALTHY_OR_NOT)
def test_as_a_script(variables: dict[str, str], code: int) -> None:
    """The installed script passes the exit code on."""
    done = python("doctor", env={**NO_CAS, **variables}, executable=Path(sys.executable).with_name("fallback-roots"))
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.startswith("Interpreter\n")


@pytest.mark.parametrize(("variables", "code"), HEALTHY_OR_NOT)
def test_a_reader_that_has_read_enough(variables: dict[str, str], code: int, nobody_reads: int) -> None:
    """`fallback-roots doctor | head -1` says nothing of the closed pipe, and keeps its exit code."""
    env = environment({**NO_CAS, **variables})
    done = subprocess.run([*MODULE, "doctor"], env=env, stdout=nobody_reads, stderr=subprocess.PIPE, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (code, b"")


def test_help_that_nobody_reads(nobody_reads: int) -> None:
    """`fallback-roots --help | true` is quiet, too."""
    done = subprocess.run([*MODULE, "--help"], env=environment(), stdout=nobody_reads, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_closed_standard_output() -> None:
    """`fallback-roots doctor >&-` gives the exit code alone."""
    done = python("-m", "fallback_roots", "doctor", env=NO_CAS, prefix=["/bin/sh", "-c", 'exec "$@" >&-', "sh"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is Linux's")
def test_a_full_disk() -> None:
    """Output that could not be written is no success, and one line says so."""
    done = python("-m", "fallback_roots", "doctor", env=NO_CAS, prefix=["/bin/sh", "-c", 'exec "$@" >/dev/full', "sh"])
    assert done.returncode == 2
    assert done.stderr == "fallback-roots: [Errno 28] No space left on device\n"


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C gives 130 and not a word."""

    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "run", interrupt)
    assert _cli.main(["doctor"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_demo_that_is_interrupted(tmp_path: Path) -> None:
    """Ctrl-C in the middle of the demo gives 130 without a traceback, and leaves nothing on the disk."""
    program = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    program += "from fallback_roots._cli import main; sys.exit(main(['demo']))"
    env = environment({"TMPDIR": str(tmp_path)})
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        running.stdout.readline()  # the introduction: the first run has begun, or is about to
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (130, "")
    assert list(tmp_path.iterdir()) == []


# What is missing or in the way: the program before, and what standard error says.
BROKEN = {
    "no ssl": ("import sys; sys.modules['ssl'] = None", "fallback-roots: import of ssl halted; None in sys.modules"),
    "a program's own ssl": (
        "import sys, types; sys.modules['ssl'] = types.ModuleType('ssl')",
        "fallback-roots: <module 'ssl'> is not the standard library's module made of _ssl",
    ),
    "no file of ours": (
        "import sys; sys.modules['fallback_roots._settings'] = None",
        "fallback-roots: import of fallback_roots._settings halted; None in sys.modules",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_work(name: str) -> None:
    """Where the command cannot do its work, it exits with 2, and one line says why."""
    before, said = BROKEN[name]
    done = python("-c", f"{before}\nimport sys; from fallback_roots._cli import main; sys.exit(main(['doctor']))")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said + "\n")


@pytest.mark.parametrize(
    ("encoding", "expected"), [("utf-8", "\u00e9 \u20ac\n"), ("latin-1", "\u00e9 \\u20ac\n"), ("ascii", "\\xe9 \\u20ac\n")]
)
def test_what_the_encoding_does_not_have(encoding: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A character that standard output cannot encode is escaped, the others are not."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    monkeypatch.setattr(sys, "stdout", out)
    _text.say("\u00e9 \u20ac")
    assert out.buffer.getvalue().decode(encoding) == expected


def test_an_output_without_an_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """An object in the place of standard output need not have an encoding."""
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    _text.say("x")
    assert out.getvalue() == "x\n"


def test_from_the_error_to_the_cure(server: Server, ca: trustme.CA, ca_file: Path, tmp_path: Path) -> None:
    """A company's CA is missing: check names it and the line that puts it in, and after that line check verifies."""
    env = {**NO_CAS, "HOME": str(tmp_path), "PYTHONIOENCODING": "utf-8"}
    command = ("-m", "fallback_roots")
    off = python(*command, "doctor", env={**env, "FALLBACK_ROOTS_DISABLE": "1"})
    assert (off.returncode, "    unset FALLBACK_ROOTS_DISABLE\n" in off.stdout) == (1, True)
    on = python(*command, "doctor", env=env)
    assert (on.returncode, " roots, from certifi " in " ".join(on.stdout.split())) == (0, True)

    before = python(*command, "check", f"localhost:{server.port}", "--json", env=env)
    facts = json.loads(before.stdout)
    subject = x509.load_pem_x509_certificate(ca.cert_pem.bytes()).subject
    (unit,) = subject.get_attributes_for_oid(x509.NameOID.ORGANIZATIONAL_UNIT_NAME)
    assert (before.returncode, facts["cause"], unit.value in facts["cause_text"]) == (1, "unknown_root", True)
    line = facts["suggestions"][0]["command"]
    assert line.startswith(f"{shlex.quote(sys.executable)} -m fallback_roots config init --cafile /path/to/ca.pem")
    line = line.replace("/path/to/ca.pem", str(ca_file))
    subprocess.run(["/bin/sh", "-c", line], env=environment(env), check=True, stdout=subprocess.DEVNULL)
    after = python(*command, "check", f"localhost:{server.port}", "--json", env=env)
    facts = json.loads(after.stdout)
    assert (after.returncode, facts["verified"], facts["root"]["source"]) == (0, True, "cafile")


# ---------------------------------------------------------------- how it was called


def as_called(monkeypatch: pytest.MonkeyPatch, *, argv0: str, on_path: str | None) -> str:
    """The command of a suggestion, where the program is `argv0` and a launcher at `on_path`."""
    monkeypatch.setattr(sys, "argv", [argv0, "doctor"])
    monkeypatch.setattr(sys, "executable", "/my python/bin/python")
    monkeypatch.setattr(shutil, "which", lambda _: on_path)
    suggestions = (_text.Suggestion("fallback-roots config path", "w"), _text.Suggestion("unset FALLBACK_ROOTS_X", "v"))
    first, second = _called.as_called(suggestions)
    assert (first.why, second) == ("w", suggestions[1])
    return first.command.removesuffix(" config path")


@pytest.mark.parametrize(
    ("argv0", "on_path", "expected"),
    [
        ("/bin/fallback-roots", "/bin/fallback-roots", "fallback-roots"),
        ("/venv/bin/fallback-roots", "/bin/fallback-roots", "/venv/bin/fallback-roots"),
        ("/my venv/bin/fallback-roots", None, "'/my venv/bin/fallback-roots'"),
        ("/lib/fallback_roots/__main__.py", "/bin/fallback-roots", "'/my python/bin/python' -m fallback_roots"),
        ("/bin/pytest", None, "fallback-roots"),
        ("-c", None, "fallback-roots"),
    ],
)
def test_the_name_by_which_it_was_called(
    argv0: str, on_path: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A suggested command of ours is one that this shell can find."""
    assert as_called(monkeypatch, argv0=argv0, on_path=on_path) == expected


PATHS = {
    "itself": "{tree}/fallback_roots",
    "its __main__": "{tree}/fallback_roots/__main__.py",
    "a link to it": "{tmp}/link",
    "a link of the same name": "{tmp}/links/fallback_roots",
    "relative": "tree/fallback_roots",
}


@no_sitecustomize
@pytest.mark.parametrize("flags", [(), ("-I",)])
@pytest.mark.parametrize("name", PATHS)
def test_called_by_its_path(name: str, flags: tuple[str, ...], server: Server, installed: Path, tmp_path: Path) -> None:
    """Where it cannot be imported it is called by its path, and suggests that; the start-up path has no entry of its own."""
    (site_packages,) = installed.parent.parent.glob("lib/*/site-packages")
    tree = tmp_path / "tree"
    shutil.copytree(site_packages, tree, ignore=shutil.ignore_patterns("pip*"))
    (tmp_path / "links").mkdir()
    for link in ("link", "links/fallback_roots"):
        (tmp_path / link).symlink_to(tree / "fallback_roots")
    if name == "a link of the same name":  # then the package is where the link is, and so are its dependencies
        for path in tree.iterdir():
            if path.name != "fallback_roots":
                path.rename(tmp_path / "links" / path.name)
    (tree / "fallback_roots" / "sitecustomize.py").touch()  # would be found where the package itself is on sys.path
    called, base = PATHS[name].format(tree=tree, tmp=tmp_path), os.path.realpath(installed)
    env = {**NO_CAS, "FALLBACK_ROOTS_CONFIG": os.devnull}
    done = python(*flags, called, "check", f"localhost:{server.port}", "--json", env=env, executable=base, cwd=tmp_path)
    assert done.stderr == ""
    (line,) = (found["command"] for found in json.loads(done.stdout)["suggestions"] if "doctor" in found["command"])
    assert line == f"{base} {tmp_path / called} doctor"
    assert subprocess.run(["/bin/sh", "-c", line], env=environment(env), check=False, stdout=subprocess.DEVNULL).returncode == 1
    facts = json.loads(subprocess.run(["/bin/sh", "-c", f"{line} --json"], env=environment(env), capture_output=True).stdout)
    assert facts["interpreter"]["problems"] == []
    done = python(*flags, called, "sitecustomize", tree, env=env, executable=base, cwd=tmp_path)
    assert "gives way" not in done.stdout
    assert f"! {tree} is not on sys.path: PYTHONPATH={tree} has it run" in " ".join(done.stdout.split())
