"""The doctor: patients of every kind, each examined and then held against a real default context; and its manners."""

import argparse
import datetime
import functools
import json
import os
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support import NO_CAS, ROOT, certifi_roots, python

from fallback_roots import _cli, _detect, _places, _sources
from fallback_roots._cli import _facts, _others, _report, _surroundings, doctor
from fallback_roots._cli._judge import judge
from fallback_roots._fallback import Outcome, Status
from fallback_roots._settings import File, Settings

# The doctor, and then what a default context of the same interpreter holds; the doctor's traces lie between the two.
EXAMINE = """
import json, sys
import fallback_roots, fallback_roots._cli
before = fallback_roots.status()
code = fallback_roots._cli.main(["doctor"])
after = fallback_roots.status()
import ssl
print("\\0", json.dumps([code, before.outcome == after.outcome == None, before.verdict is after.verdict is None, after.state]))
print("\\0", file=sys.stderr, flush=True)
try:
    context = ssl.create_default_context()
    print("\\0", context.cert_store_stats()["x509"])
except Exception:
    print("\\0", 0)
"""


class Patient(NamedTuple):
    """An environment, a program that runs before, and what the doctor should say of it."""

    code: int
    sentence: str  # in the last paragraph
    report: str  # somewhere
    env: Mapping[str, str] = NO_CAS
    before: str = ""
    directory: bool = False  # roots that no count shows


def no_cas(**variables: str) -> dict[str, str]:
    """A machine without CA certificates, with FALLBACK_ROOTS_ variables."""
    return {**NO_CAS, **{f"FALLBACK_ROOTS_{name}": value for name, value in variables.items()}}


def missing(name: str) -> str:
    return f"import sys; sys.modules[{name!r}] = None"


# A class in the place of ssl.SSLContext, whose properties would ask themselves for ever under another class's name.
SUBCLASS = """
import _ssl, ssl
class Other(ssl.SSLContext):
    verify_flags, verify_mode = _ssl._SSLContext.verify_flags, _ssl._SSLContext.verify_mode
    {}
ssl.SSLContext = Other
"""

# What stands in braces is a path, see `paths`. Lines of a report are broken, so a sentence is given as its words.
PATIENTS = {
    # The default load finds something.
    "a bundle": Patient(
        0, "has 1 root, from Python's own default load", "in effect: holds certificates", {**NO_CAS, "SSL_CERT_FILE": "{ca}"}
    ),
    "a leaf": Patient(
        0,
        "has 1 root, from Python's own default load",
        "certificates: the default load found 1 cert",
        {**NO_CAS, "SSL_CERT_FILE": "{leaf}"},
    ),
    "a bundle, and disabled": Patient(
        0, "has 1 root, from Python's own", "disabled: by", {**no_cas(DISABLE="1"), "SSL_CERT_FILE": "{ca}"}
    ),
    "a bundle, and faults": Patient(
        0,
        "has 1 root, from Python's own",
        "Fallback (not used here)\n  would load nothing: what was chosen cannot be known",
        {**no_cas(X="1"), "SSL_CERT_FILE": "{ca}"},
    ),
    "a hashed directory": Patient(
        0,
        "has roots, from a hashed directory: SSL_CERT_DIR: '{hashed}' has hashed certificates",
        "finds 0 certificates in ",
        {**NO_CAS, "SSL_CERT_DIR": "{hashed}"},
        directory=True,
    ),
    # The fallback.
    "no CAs": Patient(0, "roots, from certifi /", "- certifi, {certifi} roots: /"),
    "empty variables": Patient(
        0, "roots, from certifi /", "file, SSL_CERT_FILE: (empty)", {"SSL_CERT_FILE": "", "SSL_CERT_DIR": ""}
    ),
    "a cafile": Patient(
        0, "has 1 root, from cafile {ca}, because", "cafile        = {ca}\n    (FALLBACK_ROOTS_CAFILE)", no_cas(CAFILE="{ca}")
    ),
    "a capath": Patient(
        0, "has roots, from capath {hashed}, because", "- capath, 1 root: {hashed}", no_cas(CAPATH="{hashed}"), directory=True
    ),
    "both": Patient(
        0,
        "has 1 root, from cafile {ca} and capath {hashed}, because",
        "certifi       = false (default)",
        no_cas(CAFILE="{ca}", CAPATH="{hashed}"),
    ),
    "a cafile in a file": Patient(
        0, "has 1 root, from cafile {ca}", "cafile        = {ca}\n    ({config})", no_cas(CONFIG="{config}")
    ),
    "a cafile in the user's file": Patient(
        0, "has 1 root, from cafile {ca}", "- user, there: {home}/.config", {**NO_CAS, "HOME": "{home}"}
    ),
    "a broken cafile beside certifi": Patient(
        0, "roots, from certifi", "! /no/ca.pem: cannot be read", no_cas(CAFILE="/no/ca.pem", CERTIFI="1")
    ),
    "some bad certificates": Patient(0, "has 1 root, from cafile {half}", "! {half}: 1 of 2", no_cas(CAFILE="{half}")),
    "no file is to be read": Patient(0, "roots, from certifi", "Config files: none is read", no_cas(CONFIG=os.devnull)),
    # No roots, by the settings.
    "disabled": Patient(
        1,
        "has no roots because FALLBACK_ROOTS_DISABLE=yes switches fallback-roots off; to switch it on, unset that variable.",
        "disabled: by FALLBACK_ROOTS_DISABLE",
        no_cas(DISABLE="yes"),
    ),
    "disabled by a file": Patient(
        1,
        "because {off} says disable = true; to switch fallback-roots on, take that line out.",
        "would load nothing: it is switched off",
        no_cas(CONFIG="{off}"),
    ),
    "disabled after the start": Patient(
        1,
        "FALLBACK_ROOTS_DISABLE=1 switches fallback-roots off",
        "disable       = true (FALLBACK_ROOTS_DISABLE)",
        before="import os; os.environ['FALLBACK_ROOTS_DISABLE'] = '1'",
    ),
    "faults in a variable": Patient(
        1,
        "has no roots because what was chosen cannot be known, or the loading fails; FALLBACK_ROOTS_CAFIL: is not a variable",
        "  ! FALLBACK_ROOTS_CAFIL: is not",
        no_cas(CAFIL="x"),
    ),
    "faults in a file": Patient(
        1, '{faulty}: certifi = "yes" is not a boolean', "      ! {faulty}: cafil = ", no_cas(CONFIG="{faulty}")
    ),
    "no file where one is named": Patient(
        1, "/no/file: cannot be opened", "FALLBACK_ROOTS_CONFIG, not there: /no/file", no_cas(CONFIG="/no/file")
    ),
    "a broken cafile": Patient(
        1,
        "no chosen source gives a certificate; /no/ca.pem: cannot",
        "- cafile, 0 roots: /no/ca.pem\n      ! /no",
        no_cas(CAFILE="/no/ca.pem"),
    ),
    "a broken capath": Patient(
        1, "no chosen source gives a certificate; {home}: has no", "- capath, 0 roots: {home}", no_cas(CAPATH="{home}")
    ),
    "honored": Patient(
        1, "honor_ssl_env is set, and so is SSL_CERT_FILE or", "load nothing: honor_ssl_env", no_cas(HONOR_SSL_ENV="1")
    ),
    "nothing chosen": Patient(1, "certifi is false, and no other source is set", "load nothing: certifi", no_cas(CERTIFI="0")),
    "a device": Patient(
        1,
        "no roots because SSL_CERT_FILE: '/dev/null' is neither",
        "device: is neither",
        {**NO_CAS, "SSL_CERT_FILE": "/dev/null"},
    ),
    # No roots, or others, by the interpreter.
    "taken off": Patient(
        1,
        "is not armed here: its start-up file was read, and it has been taken off or has failed since; import",
        "absent: nothing is armed",
        before="import fallback_roots; fallback_roots.uninstall()",
    ),
    "an ssl that we did not see": Patient(
        1,
        "fallback-roots waits for ssl, and something else has imported the ssl that is used here",
        "armed: waits for ssl",
        before="""
import sys, importlib.machinery
class First:
    def find_spec(name, path=None, target=None):
        return importlib.machinery.PathFinder.find_spec(name) if name == "ssl" else None
assert "ssl" not in sys.modules
sys.meta_path.insert(0, First)
""",
    ),
    "another ssl than the one we saw": Patient(
        1,
        "fallback-roots waits for ssl, and something else",
        "armed: waits for ssl",
        before="""
import importlib.machinery, importlib.util, ssl, sys
spec = importlib.machinery.PathFinder.find_spec("ssl")
sys.modules["ssl"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["ssl"])
""",
    ),
    "a class that tells nothing": Patient(
        1,
        "Whether a default context has roots cannot be told: ssl.SSLContext is",
        "does not tell what it trusts",
        before=SUBCLASS.format("cert_store_stats = None"),
    ),
    "a class with a load of its own": Patient(
        1,
        "Whether a default context has roots cannot be told: ssl.SSLContext is",
        "whose default load cannot be seen",
        before=SUBCLASS.format("def load_default_certs(self, purpose=None): pass"),
    ),
    "a class with sockets of its own": Patient(
        1,
        "Whether a default context has roots cannot be told: the context has socket classes",
        "foreign: ",
        before=SUBCLASS.format("def __init__(self, *_): self.sslsocket_class = ssl.SSLSocket"),
    ),
    "a plain subclass": Patient(0, "roots, from certifi", "watching: ", before=SUBCLASS.format("pass")),
    "a load that fails": Patient(
        1,
        "has no roots because the default load fails (RuntimeError: no)",
        "error: the default",
        before=SUBCLASS.format("def set_default_verify_paths(self): raise RuntimeError('no')"),
    ),
    "a function in our place": Patient(
        0,
        "roots, from certifi",
        "! somebody has put a function of their own in the place of ssl's",
        before="import ssl; ours = ssl.create_default_context; ssl.create_default_context = lambda *a, **k: ours(*a, **k)",
    ),
    "patched": Patient(0, "roots, from certifi", "patched: wrapt", before="import fallback_roots; fallback_roots.install()"),
    # Packages that we need.
    "no certifi": Patient(
        1, "certifi: cannot be imported", "! certifi cannot be used (ModuleNotFoundError: ", before=missing("certifi")
    ),
    "a damaged certifi": Patient(
        1,
        "certifi: gives no roots",
        "certifi (version unknown)",
        before="import sys, types; sys.modules['certifi'] = types.ModuleType('certifi')",
    ),
    "no certifi, but a cafile": Patient(
        0, "has 1 root, from cafile", "its roots cannot be loaded", no_cas(CAFILE="{ca}"), missing("certifi")
    ),
    "no wrapt": Patient(0, "roots, from certifi", "! wrapt cannot be used (ModuleNotFoundError: ", before=missing("wrapt")),
    "a damaged wrapt": Patient(
        0,
        "roots, from certifi",
        "! wrapt cannot be used (AttributeError: ",
        before="import sys, types; sys.modules['wrapt'] = types.ModuleType('wrapt')",
    ),
    "no platformdirs": Patient(
        1, "platformdirs: cannot tell where config files are", "! platformdirs cannot be used (", before=missing("platformdirs")
    ),
    "no platformdirs, but a file": Patient(
        0, "has 1 root, from cafile {ca}", "where config files are", no_cas(CONFIG="{config}"), missing("platformdirs")
    ),
    "a fault of ours": Patient(
        1,
        "or the loading fails; TypeError: 'NoneType'",
        "  ! TypeError",
        before="from fallback_roots import _settings; _settings.read = None",
    ),
}
if sys.version_info < (3, 11):
    PATIENTS["no tomli"] = Patient(
        1, "cannot be read as TOML", "! tomli cannot be used (", no_cas(CONFIG="{config}"), missing("tomli")
    )


@pytest.fixture(scope="module")
def paths(ca_file: Path, leaf_file: Path, hashed_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What stands in braces in the table."""
    directory = tmp_path_factory.mktemp("doctor")
    texts = {
        "config": f'cafile = "{ca_file}"\n',
        "off": "disable = true\n",
        "faulty": 'cafil = "x"\ncertifi = "yes"\n',
        "half": ca_file.read_text() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    }
    found = {"ca": str(ca_file), "leaf": str(leaf_file), "hashed": str(hashed_directory), "home": str(directory)}
    for name, text in texts.items():
        found[name] = str(directory / name)
        Path(found[name]).write_text(text)
    users = directory / ".config" / "fallback-roots" / "config.toml"
    users.parent.mkdir(parents=True)
    users.write_text(texts["config"])
    return {**found, "certifi": str(certifi_roots())}


@pytest.fixture(scope="module")
def leaf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that is no CA's."""
    import trustme

    path = tmp_path_factory.mktemp("leaf") / "leaf.pem"
    trustme.CA().issue_cert("localhost").cert_chain_pems[0].write_to_path(str(path))
    return path


@pytest.mark.parametrize("name", PATIENTS)
def test_patient(name: str, paths: dict[str, str]) -> None:
    """The right words and exit code, which are true of a real context, and no trace of the examination."""
    patient = PATIENTS[name]
    env = {variable: value.format(**paths) for variable, value in patient.env.items()}
    done = python("-c", patient.before + EXAMINE, env=env)
    said, traces, real = done.stdout.split("\0")
    code, no_outcome, no_verdict, _ = json.loads(traces)
    sentence = " ".join(next(part for part in said.split("\n\n") if part.startswith(("A default", "Whether"))).split())
    assert patient.sentence.format(**paths) in sentence
    assert patient.report.format(**paths) in said
    assert code == patient.code
    assert (no_outcome, no_verdict, done.stderr.partition("\0")[0]) == (True, True, "")
    # A real context agrees.
    assert (int(real) > 0 or patient.directory) == (code == 0) or "cannot be told" in sentence
    if code == 0 and int(real):
        assert f"A default context has {int(real)} root" in sentence
    # For people: as wide as a path or a word lets it be.
    assert said.isascii()
    assert [line for line in said.splitlines() if len(line) > 80 and "/" not in line] == []


# ---------------------------------------------------------------- the doctor's manners


def test_it_touches_nothing(paths: dict[str, str]) -> None:
    """No file is written, made or removed, no process started and nothing sent; and the hook's layers stay as they are."""
    watch = """
import sys
touched = []
def note(event, args):
    import os
    if event == "open" and args[2] is not None and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
        touched.append(args[0])
    elif event.startswith(("os.mkdir", "os.re", "os.trunc", "os.link", "os.symlink", "os.fork", "subprocess.", "socket.conn")):
        touched.append(event)
    elif event in ("fallback_roots.arm", "fallback_roots.patch"):
        touched.append(event)
import fallback_roots._cli, ssl
sys.addaudithook(note)
placed = ssl.create_default_context, ssl.SSLContext.__dict__["load_default_certs"], list(sys.meta_path)
fallback_roots._cli.main(["doctor"])
assert placed == (ssl.create_default_context, ssl.SSLContext.__dict__["load_default_certs"], sys.meta_path)
print("\\0", touched)
"""
    done = python("-c", watch, env=no_cas(CONFIG=paths["config"]))
    assert (done.stdout.partition("\0")[2], done.stderr) == (" []\n", "")


def test_it_says_nothing_to_the_programs_logging() -> None:
    """A program that listens to the logger hears nothing of an examination."""
    program = "import logging; logging.basicConfig(level=0)\nfrom fallback_roots._cli import main; main(['doctor'])"
    assert python("-c", program, env=NO_CAS).stderr == ""


def test_an_outcome_of_the_process_is_told() -> None:
    """Where a default context has been made before, the report says what came of its load."""
    program = "import ssl; ssl.create_default_context()\nfrom fallback_roots._cli import main; main(['doctor'])"
    assert "  in this process it has come to: loaded\n" in python("-c", program, env=NO_CAS).stdout


def test_settings_that_the_hook_has_read_are_the_ones_that_count(ca_file: Path) -> None:
    """As later contexts do, the doctor goes by the settings that were read for the first one."""
    program = "import os, ssl; ssl.create_default_context(); os.environ['FALLBACK_ROOTS_CAFILE'] = '/no/ca.pem'\n"
    program += "from fallback_roots._cli import main; main(['doctor'])"
    said = python("-c", program, env=no_cas(CAFILE=str(ca_file))).stdout
    assert "has 1 root, from cafile" in said


def test_without_site() -> None:
    """Under python -S, where no .pth file is read and no dependency is found, it says so."""
    done = python("-S", "-m", "fallback_roots", "doctor", env={**NO_CAS, "PYTHONPATH": str(ROOT / "src")})
    said = " ".join(done.stdout.split())
    assert (done.returncode, done.stderr) == (1, "")
    assert "is not armed here: python -S reads no .pth file; import fallback_roots.auto arms it." in said
    assert all(f"! {name} cannot be used (ModuleNotFoundError: " in said for name in _facts.DEPENDENCIES)


def test_a_path_is_not_obeyed_by_the_terminal() -> None:
    """Control characters in a path are shown by their escapes, other characters as they are."""
    done = python(
        "-m",
        "fallback_roots",
        "doctor",
        env={**NO_CAS, "SSL_CERT_FILE": "/no/\x1b[31m\u202e\n\u00e9", "PYTHONIOENCODING": "utf-8"},
    )
    assert "- file, SSL_CERT_FILE: /no/\\x1b[31m\\u202e\\n\u00e9\n" in done.stdout


def test_a_path_that_is_no_text() -> None:
    """A path of bytes that are no text is shown by its escapes."""
    done = python("-m", "fallback_roots", "doctor", env={**NO_CAS, "SSL_CERT_FILE": "/no/\udcff"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "- file, SSL_CERT_FILE: /no/\\udcff\n" in done.stdout


def test_it_runs_in_the_process_that_calls_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ca_file: Path
) -> None:
    """main() may be called by a program, which gets the exit code as the result."""
    for variable, value in {**NO_CAS, "SSL_CERT_FILE": str(ca_file)}.items():
        monkeypatch.setenv(variable, value)
    assert _cli.main(["doctor"]) == 0
    assert "\nA default context has 1 root, from Python's own default load.\n" in capsys.readouterr().out


def test_a_wrapper_around_ours_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wraps our function, and says so by __wrapped__, is not reported as somebody in our place."""
    ours = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", functools.wraps(ours)(lambda *a, **k: ours(*a, **k)))
    assert _facts.gather().replaced == ()


# ---------------------------------------------------------------- the pure parts, for facts that no machine here has


def facts(**changed: Any) -> _facts.Facts:
    """Facts of an armed interpreter without CA certificates, and `changed` ones."""
    usual = _facts.Facts(
        interpreter=(),
        findings=(),
        status=Status("watching", None, None, None),
        armed_by="",
        absence=None,
        disabled_by="",
        replaced=(),
        found=0,
        seconds=0.0,
        verdict=_detect.Verdict("empty", "nothing"),
        places=(),
        settings=None,
        outcome=Outcome("loaded", (_sources.Source("certifi", None, 9),)),
        roots=9,
    )
    return usual._replace(**changed)


def test_a_certifi_that_is_in_no_file() -> None:
    """A source without a path (zip, frozen) is named by its kind."""
    found = facts()
    assert judge(found) == (
        True,
        "A default context has 9 roots, from certifi, because Python's own default load finds none.",
        (),
        "fallback",
    )
    assert "  - certifi, 9 roots" in _report.render(found)


def test_a_directory_that_cannot_be_listed() -> None:
    """A source whose certificates cannot be counted counts as one that has some."""
    found = facts(outcome=Outcome("loaded", (_sources.Source("capath", "/cas", None),)), roots=0)
    assert judge(found).sentence.startswith("A default context has roots, from capath /cas, ")
    assert "  - capath, an unknown number of roots: /cas" in _report.render(found)


def test_a_broken_source_is_not_named_as_one_that_gave_roots() -> None:
    """Of several sources, only those that gave certificates are in the sentence."""
    broken = _sources.Source("cafile", "/ca.pem", 0, "/ca.pem: is broken")
    found = facts(outcome=Outcome("loaded", (broken, _sources.Source("certifi", None, 9)), ("/ca.pem: is broken",)))
    assert "cafile" not in judge(found).sentence
    assert _report.render(found).count("      ! /ca.pem: is broken") == 1


@pytest.mark.parametrize("state", ["absent", "disabled", "armed"])
def test_a_fallback_that_nobody_calls_is_no_roots(state: str) -> None:
    """What the fallback would load counts only where the hook is in ssl, and the report says so."""
    found = facts(status=Status(state, None, None, None))
    assert not judge(found).has_roots
    assert "Fallback (not used here)" in _report.render(found)


def test_settings_that_cannot_be_read() -> None:
    """The report goes on without the settings, and names the problem once."""
    found = facts(outcome=Outcome("fault", problems=("OSError: no",)), roots=0)
    assert judge(found).sentence.endswith("; OSError: no.")
    assert "Settings" not in _report.render(found)
    assert _report.render(found).count("  ! OSError: no") == 1


def test_a_problem_is_rendered_where_it_is() -> None:
    """A file's fault is said under the file, a variable's below the files, and neither a second time."""
    problems = ("/config.toml: is bad", "VARIABLE is bad")
    settings = Settings({}, {"disable": "default"}, (File("/config.toml", "user", True, problems[:1]),), problems)
    lines = _report.render(facts(settings=settings, outcome=Outcome("fault", problems=problems)))
    at = lines.index("  - user, there: /config.toml")
    assert lines[at + 1 : at + 3] == ["      ! /config.toml: is bad", "  ! VARIABLE is bad"]
    assert sum("is bad" in line for line in lines) == 2


@pytest.mark.parametrize(
    ("place", "found", "expected"),
    [
        (_places.Place("file", "X", "/f", _places.IN_EFFECT, "holds some that were not read"), 2, "holds certificates"),
        (
            _places.Place("file", "X", "/f", _places.IN_EFFECT, "holds some that were not read"),
            0,
            "holds some that were not read",
        ),
        (_places.Place("file", "X", "/f", _places.NOTHING, "is empty"), 2, "is empty"),
        (_places.Place("directory", "X", "/d", _places.IN_EFFECT, "has hashes"), 2, "has hashes"),
    ],
)
def test_a_place_after_a_load_that_found_something(place: _places.Place, found: int, expected: str) -> None:
    """A file is only said not to have been read where the load came back empty."""
    lines = _report.render(facts(places=(_surroundings.seen(place, found),), found=found))
    assert f"      {place.state}: {expected}" in lines


def test_a_path_is_not_broken() -> None:
    """However long a path is, it stays whole, so that it can be copied."""
    path = "/" + "-".join(["long"] * 30)
    lines = _report.render(facts(outcome=Outcome("broken", problems=(f"{path}: is bad",)), roots=0))
    assert sum(path in line for line in lines) == 1


@pytest.mark.parametrize(("exists", "expected"), [(True, "there"), (False, "not there")])
def test_a_config_file_is_there_or_not(exists: bool, expected: str) -> None:
    """Every place of a config file is named, and whether there is one."""
    settings = Settings({}, {"disable": "default"}, (File("/config.toml", "user", exists),), ())
    assert f"  - user, {expected}: /config.toml" in _report.render(facts(settings=settings))


@pytest.mark.parametrize(("kind", "attention"), [("cafile", ("cafile /ca.pem: 2 certificates expired",)), ("system", ())])
def test_expired_roots(kind: str, attention: tuple[str, ...]) -> None:
    """Expired roots need attention in a source that somebody chose, and not in the operating system's bundle."""
    source = _sources.Source(kind, "/ca.pem", 3)
    found = facts(outcome=Outcome("loaded", (source,)), wrong=(_surroundings.Roots(expired=2),))
    assert judge(found).attention == attention


@pytest.mark.parametrize("code", ["disabled", "honored", "none", "broken", "fault"])
def test_an_outcome_that_is_no_roots(code: str) -> None:
    """Whatever the fallback comes to, there is a sentence, and the same reason in the report."""
    found = facts(outcome=Outcome(code, problems=("p",)), roots=0)
    assert not judge(found).has_roots
    assert any(line.startswith("  would load nothing: ") for line in _report.render(found))


# ---------------------------------------------------------------- the whole of it

FILE = File("/home/ann/.config/fallback-roots/config.toml", "user", True)
EVERYTHING = _facts.Facts(
    interpreter=("Python 3.13.0, /venv/bin/python", "OpenSSL 3.0.19 27 Jan 2026", "fallback-roots 0.1.0", "certifi 2020.12.05"),
    findings=("wrapt cannot be used (ImportError: no): the light stand-ins stay in ssl, and do the same work",),
    status=Status("watching", None, None, Outcome("loaded")),
    armed_by="/venv/lib/python3.13/site-packages/fallback_roots.pth",
    absence=None,
    disabled_by="",
    replaced=("create_default_context",),
    found=0,
    seconds=0.0023,
    verdict=_detect.Verdict("empty", "the default load found no certificate, and no certificate directory is in effect"),
    places=(
        _surroundings.Seen(
            "file", "SSL_CERT_FILE", "/etc/ssl/nowhere.pem", "missing", "nothing", "cannot be read (No such file)"
        ),
        _surroundings.Seen("directory", "compiled-in", "/usr/lib/ssl/certs", "directory", "nothing", "has no hashed name", 0),
    ),
    settings=Settings(
        {"cafile": "/home/ann/corp.pem", "certifi": True, "disable": False},
        {"cafile": FILE.path, "certifi": "FALLBACK_ROOTS_CERTIFI", "disable": "default"},
        (File("/etc/xdg/fallback-roots/config.toml", "site", False), FILE),
        (),
    ),
    outcome=Outcome(
        "loaded",
        (
            _sources.Source("cafile", "/home/ann/corp.pem", 0, "/home/ann/corp.pem: holds no certificate"),
            _sources.Source("certifi", "/venv/lib/python3.13/site-packages/certifi/__init__.py", 129),
        ),
        ("/home/ann/corp.pem: holds no certificate",),
    ),
    roots=129,
    wrong=(_surroundings.Roots(), _surroundings.Roots(expired=2, not_ca=1)),
    certifi_date=datetime.date(2020, 12, 5),
    bundles=(_surroundings.Bundle("/etc/pki/tls/certs/ca-bundle.crt", "Fedora, RHEL 6", 142),),
    others=(_others.Other("ssl.create_default_context", "corporate.tls"),),
    libraries=("pip", "requests"),
)


def test_the_whole_report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The report of an environment in which everything is to be told is that of the file, to the letter.

    To write the file anew, when the report was meant to change: GOLDEN=write pytest tests/test_doctor.py
    """
    monkeypatch.setattr(doctor, "gather", lambda: EVERYTHING)
    monkeypatch.setattr(sys, "executable", "/venv/bin/python")
    assert doctor.run(argparse.Namespace(json=False, strict=True)) == 3
    golden = ROOT / "tests" / "golden" / "doctor.txt"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(capsys.readouterr().out)
    else:
        assert capsys.readouterr().out == golden.read_text()
