"""What each step of a process's life imports, as exact sets: with us, less what the same program imports without us.

The other side is a venv with a `.pth` of one comment, since site itself imports a codec for any `.pth` (Python 3.13).
"""

import itertools
from pathlib import Path

import pytest
from conftest import make_venv
from support import NO_CAS, output, python

HEAVY = {"wrapt", "certifi", "platformdirs", "tomllib", "logging"}
START = {"fallback_roots", "fallback_roots.auto"}
SSL = START | {"fallback_roots._watch"}
JUDGED = SSL | {"fallback_roots._detect", "fallback_roots._files", "fallback_roots._places"}
OFF = {"FALLBACK_ROOTS_DISABLE": "1"}

# A default load that finds nothing on any machine, with no variable set that would make the record a WARNING.
NOTHING_FOUND = f"""
import ssl, _ssl
from fallback_roots import _watch
ssl.SSLContext.set_default_verify_paths = lambda self: None
_watch.Site.sets_standard_paths = lambda *_: True
_ssl.get_default_verify_paths = lambda: {tuple(itertools.chain(*NO_CAS.items()))}
"""


@pytest.fixture(scope="session")
def comment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a venv that has the dependencies, but not us; and a `.pth` of one comment, and a `.start` of one line.

    From Python 3.15 on site imports pkgutil and re for any `.start` file.
    """
    interpreter = make_venv(tmp_path_factory.mktemp("comment") / "venv", None)
    (site_packages,) = interpreter.parent.parent.glob("lib/*/site-packages")
    (site_packages / "comment.pth").write_text("# a comment\n")
    (site_packages / "comment.start").write_text("os:getpid\n")
    return interpreter


def modules(interpreter: Path, *steps: str, env: dict[str, str], flags: tuple[str, ...] = ()) -> list[set[str]]:
    """The names in sys.modules after start, and after each of `steps`."""
    program = "".join(f"{step}\nprint(*sys.modules)\n" for step in ("import sys", *steps))
    return [set(line.split()) for line in output(*flags, "-c", program, env=env, executable=interpreter).splitlines()]


def added(installed: Path, comment: Path, *steps: str, env: dict[str, str], flags: tuple[str, ...] = ()) -> list[set[str]]:
    """What is in sys.modules with us and not without us, or the other way round, after start and after each of `steps`."""
    both = (modules(interpreter, *steps, env=env, flags=flags) for interpreter in (installed, comment))
    return [ours ^ theirs for ours, theirs in zip(*both, strict=True)]


@pytest.mark.parametrize("flags", [(), ("-I",), ("-X", "dev")], ids=" ".join)
def test_start_and_ssl(flags: tuple[str, ...], installed: Path, comment: Path) -> None:
    """A start imports two modules of ours, `import ssl` one more, and neither anything else."""
    assert added(installed, comment, "import ssl", env={}, flags=flags) == [START, SSL]


def test_switched_off(installed: Path, comment: Path) -> None:
    """Switched off, `import ssl` and a default load import nothing more."""
    assert added(installed, comment, "import ssl", "ssl.create_default_context()", env=OFF) == [START, START, START]


def test_a_healthy_load_by_file(installed: Path, comment: Path, ca_file: Path) -> None:
    """A default load that finds a bundle imports nothing, through either door."""
    steps = ("import ssl", "ssl.create_default_context()", "ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_default_certs()")
    assert added(installed, comment, *steps, env={"SSL_CERT_FILE": str(ca_file)}) == [START, SSL, SSL, SSL]


def test_a_healthy_load_by_directory(installed: Path, comment: Path, hashed_directory: Path) -> None:
    """A default load that finds a hashed directory imports what judges it, and nothing else; from 3.14 on functools and re."""
    steps = ("import ssl", "import functools, re", "ssl.create_default_context()")
    env = {**NO_CAS, "SSL_CERT_DIR": str(hashed_directory)}
    assert added(installed, comment, *steps, env=env) == [START, SSL, SSL, JUDGED]


@pytest.mark.parametrize("variable", NO_CAS)
def test_a_healthy_machine_stays_light(variable: str, installed: Path, ca_file: Path, hashed_directory: Path) -> None:
    """On a healthy machine, by file or by directory, none of the heavy modules is there after a default load."""
    env = {**NO_CAS, variable: str({"SSL_CERT_FILE": ca_file, "SSL_CERT_DIR": hashed_directory}[variable])}
    program = f"import ssl, sys; ssl.create_default_context(); print({HEAVY} & set(sys.modules))"
    assert output("-c", program, env=env, executable=installed) == "set()"


def test_no_toml_without_a_file(installed: Path, ca_file: Path, home: Path) -> None:
    """A fallback imports a TOML reader only where there is a config file, and certifi only where it is chosen."""
    program = """
import ssl, sys
found = len(ssl.create_default_context().get_ca_certs())
print(found, *sorted({"certifi", "tomli", "tomllib", "wrapt"} & set(sys.modules)))
"""
    env = {**NO_CAS, "HOME": str(home), "FALLBACK_ROOTS_CAFILE": str(ca_file)}
    assert python("-c", program, env=env, executable=installed).stdout == "1 wrapt\n"
    (home / ".config" / "fallback-roots" / "config.toml").write_text("certifi = false\n")
    assert python("-c", program, env=env, executable=installed).stdout.split()[:-1] in (["1", "tomli"], ["1", "tomllib"])


FALLBACK = JUDGED | {
    f"fallback_roots.{name}"
    for name in ("_certifi", "_directories", "_fallback", "_patch", "_pem", "_say", "_settings", "_sources", "errors")
}


def test_a_first_fallback(installed: Path) -> None:
    """Without a config file, and not lazy, it imports no module of ours that it does not need, and opens one bundle once."""
    program = """
import sys
opened = []
def watch(event, args):
    if event == "open" and str(args[0]).endswith(".pem"):
        opened.append(args[0])
sys.addaudithook(watch)
import ssl
ssl.create_default_context()
print(len(opened), *sorted(name for name in sys.modules if name.partition(".")[0] == "fallback_roots"))
"""
    count, *found = python("-c", program, env=NO_CAS, executable=installed).stdout.split()
    assert (count, set(found)) == ("1", FALLBACK)


@pytest.mark.parametrize(("variable", "code"), [("FALLBACK_ROOTS_CERTIFI", "none"), ("FALLBACK_ROOTS_CAFILE", "loaded")])
def test_info_imports_no_logging(variable: str, code: str, installed: Path, ca_file: Path) -> None:
    """An INFO record imports no logging, nor does anything else on the road of a fallback but wrapt (which is kept out)."""
    program = f"""
import sys
{NOTHING_FOUND}
sys.modules["wrapt"] = None
ssl.create_default_context()
import fallback_roots
print(fallback_roots.status().outcome.code, "logging" in sys.modules)
"""
    env = {variable: str(ca_file) if code == "loaded" else "0"}
    assert python("-c", program, env=env, executable=installed).stdout == f"{code} False\n"
