"""What the doctor suggests, in prepared environments: the right verdict, the right first command, which then mends it.

And the JSON of each, which is what the schema in the documentation says.
"""

import datetime
import json
import os
import re
import shlex
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest
import trustme
from conftest import no_sitecustomize
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from support import NO_CAS, ROOT, new_ca, python

SCHEMA = json.loads((ROOT / "docs" / "doctor-schema.json").read_text(encoding="utf-8"))
UNSET = "unset SSL_CERT_FILE SSL_CERT_DIR"
PIP = f"{shlex.quote(sys.executable)} -m pip install --force-reinstall"


class Case(NamedTuple):
    """An environment, what the doctor makes of it, and its first suggestion; `after`: the verdicts that the suggestion may
    lead to, none where it is not executed here (pip would need an index)."""

    verdict: str
    first: str | None
    env: Mapping[str, str] = NO_CAS
    after: tuple[str, ...] = ()
    before: str = ""
    attention: str = ""  # in one of the sentences


def no_cas(**variables: str) -> dict[str, str]:
    """A machine without CA certificates, with FALLBACK_ROOTS_ variables."""
    return {**NO_CAS, **{f"FALLBACK_ROOTS_{name}": value for name, value in variables.items()}}


def missing(name: str) -> str:
    return f"import sys; sys.modules[{name!r}] = None"


ROOTS = ("healthy", "fallback", "attention")  # what the machine itself has is not ours to know
MENDED = ("attention",)  # by the fallback, on a machine whose variables lead nowhere

# What stands in braces is a path, see `paths`.
CASES = {
    # Roots.
    "a bundle": Case("healthy", None, {**NO_CAS, "SSL_CERT_FILE": "{ca}"}),
    "a hashed directory": Case("healthy", None, {**NO_CAS, "SSL_CERT_DIR": "{hashed}"}),
    "a bundle, and disabled": Case("healthy", None, {**no_cas(DISABLE="1"), "SSL_CERT_FILE": "{ca}"}),
    "a bundle, and a fault": Case(
        "attention",
        "unset FALLBACK_ROOTS_CAFIL",
        {**no_cas(CAFIL="x"), "SSL_CERT_FILE": "{ca}"},
        ("healthy",),
        attention="FALLBACK_ROOTS_CAFIL: is not a variable",
    ),
    "variables that lead nowhere": Case("attention", UNSET, after=ROOTS, attention="SSL_CERT_FILE=/nonexistent"),
    "a link that leads nowhere": Case(
        "attention", UNSET, {**NO_CAS, "SSL_CERT_FILE": "{dangling}"}, ROOTS, attention="is a link to nowhere, which does not"
    ),
    "a directory without hashed names": Case(
        "attention",
        "openssl rehash '{unhashed}'",
        {**NO_CAS, "SSL_CERT_DIR": "{unhashed}"},
        ("healthy",),
        attention="but 1 with certificates",
    ),
    "some bad certificates": Case("attention", UNSET, no_cas(CAFILE="{half}"), ROOTS, attention="1 of 2 certificates"),
    "an expired root": Case("attention", UNSET, no_cas(CAFILE="{expired}"), ROOTS, attention="1 certificate expired"),
    "a root of tomorrow": Case("attention", UNSET, no_cas(CAFILE="{tomorrow}"), ROOTS, attention="1 certificate not yet"),
    "a root that cannot be decoded": Case(
        "attention", UNSET, no_cas(CAFILE="{odd}"), ROOTS, attention="2 certificates that cannot be decoded"
    ),
    "a leaf for a root": Case("attention", UNSET, no_cas(CAFILE="{leaf}"), ROOTS, attention="1 certificate not a CA's"),
    "a broken cafile beside certifi": Case(
        "attention", "unset FALLBACK_ROOTS_CAFILE", no_cas(CAFILE="/no/ca.pem", CERTIFI="1"), MENDED, attention="/no/ca.pem"
    ),
    "an old certifi": Case(
        "attention",
        UNSET,
        before="import certifi; certifi.__version__ = '2020.12.05'",
        attention="certifi's roots are of 2020-12-05, more than twelve months ago",
    ),
    "no wrapt": Case("attention", f"{PIP} wrapt", before=missing("wrapt"), attention="wrapt cannot be used"),
    "a function in our place": Case(
        "attention",
        UNSET,
        before="import ssl; ours = ssl.create_default_context; ssl.create_default_context = lambda *a, **k: ours(*a, **k)",
        attention="somebody has put a function of their own in the place of ssl's create_default_context",
    ),
    # None.
    "disabled": Case("disabled", "unset FALLBACK_ROOTS_DISABLE", no_cas(DISABLE="yes"), MENDED),
    "disabled by a file": Case("disabled", "export FALLBACK_ROOTS_DISABLE=0", no_cas(CONFIG="{off}"), MENDED),
    "honored": Case("empty", UNSET, no_cas(HONOR_SSL_ENV="1"), ROOTS),
    "a device": Case("empty", UNSET, {**NO_CAS, "SSL_CERT_FILE": "/dev/null"}, ROOTS),
    "nothing chosen": Case("empty", "unset FALLBACK_ROOTS_CERTIFI", no_cas(CERTIFI="0"), MENDED),
    "nothing chosen by a file": Case("empty", "export FALLBACK_ROOTS_CERTIFI=1", no_cas(CONFIG="{none}"), MENDED),
    "a cafile that is missing": Case("empty", "unset FALLBACK_ROOTS_CAFILE", no_cas(CAFILE="/no/ca.pem"), MENDED),
    "a file's cafile that is missing": Case("empty", "export FALLBACK_ROOTS_CERTIFI=1", no_cas(CONFIG="{lost}"), MENDED),
    "a capath without hashed names": Case("empty", "openssl rehash '{unhashed}'", no_cas(CAPATH="{unhashed}"), MENDED),
    "an unknown variable": Case("empty", "unset FALLBACK_ROOTS_CAFIL", no_cas(CAFIL="x"), MENDED),
    "no boolean": Case("empty", "unset FALLBACK_ROOTS_CERTIFI", no_cas(CERTIFI="maybe"), MENDED),
    "a named file that is missing": Case("empty", "unset FALLBACK_ROOTS_CONFIG", no_cas(CONFIG="/no/file"), MENDED),
    "a user's file with faults": Case("empty", "mv -n {faulty} {faulty}.off", {**NO_CAS, "HOME": "{home}"}, MENDED),
    "a user's file that everybody may write": Case("empty", "chmod o-w {open}", {**NO_CAS, "HOME": "{openhome}"}, MENDED),
    "a user's file in a directory that everybody may write": Case(
        "empty", "chmod +t {wide}", {**NO_CAS, "HOME": "{widehome}"}, MENDED
    ),
    "no certifi": Case("empty", f"{PIP} certifi", before=missing("certifi")),
    "no platformdirs": Case("empty", f"{PIP} platformdirs", before=missing("platformdirs")),
    "taken off": Case("empty", None, before="import fallback_roots; fallback_roots.uninstall()"),
    "a class that tells nothing": Case(
        "unknown",
        None,
        before="""
import _ssl, ssl
class Other(ssl.SSLContext):
    verify_flags, verify_mode, cert_store_stats = _ssl._SSLContext.verify_flags, _ssl._SSLContext.verify_mode, None
ssl.SSLContext = Other
""",
    ),
}


def a_root(path: Path, days: int) -> None:
    """Write a root that is valid for a day, and began so many days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, path.name)])
    begin = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, begin, begin + datetime.timedelta(1))
    made = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    trustme.Blob(made.public_bytes(serialization.Encoding.PEM)).write_to_path(str(path))


def odd_roots(path: Path, good: str) -> None:
    """Write two roots that OpenSSL loads and cannot decode (a time, and the type of a name's string), and a good one."""
    a_root(path, 365 * 40)
    der = ssl.PEM_cert_to_DER_cert(path.read_text())
    ends = re.search(rb"\x18\x0f20[0-9]{12}Z0", der)
    assert ends
    odd_time = der.replace(ends[0], ends[0].replace(b"Z", b"X"))
    odd_name = der.replace(b"\x0c\x03odd", b"\x0d\x03odd")
    assert len({der, odd_time, odd_name}) == 3
    path.write_text("".join([*map(ssl.DER_cert_to_PEM_cert, (odd_time, odd_name)), good]))


@pytest.fixture
def paths(ca_file: Path, hashed_directory: Path, tmp_path: Path) -> dict[str, str]:
    """What stands in braces in the table; each test has its own."""
    home = tmp_path / "home"
    faulty = home / ".config" / "fallback-roots" / "config.toml"
    faulty.parent.mkdir(parents=True)
    faulty.write_text("cafil = 1\n")
    texts = {"off": "disable = true\n", "none": "certifi = false\n", "lost": 'cafile = "/no/ca.pem"\n'}
    texts["half"] = ca_file.read_text() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "un hashed").mkdir()
    new_ca("unhashed", tmp_path / "un hashed" / "ca.pem")
    trustme.CA().issue_cert("localhost").cert_chain_pems[0].write_to_path(str(tmp_path / "leaf"))
    a_root(tmp_path / "expired", -5)
    a_root(tmp_path / "tomorrow", 5)
    odd_roots(tmp_path / "odd", ca_file.read_text())
    made = {name: tmp_path / name for name in (*texts, "dangling", "leaf", "expired", "tomorrow", "odd", "home")}
    for name, mode in (("openhome", 0o666), ("widehome", 0o644)):
        file = tmp_path / name / ".config" / "fallback-roots" / "config.toml"
        file.parent.mkdir(parents=True)
        file.write_text("prefer_system = false\n")
        file.chmod(mode)
        made[name] = tmp_path / name
    made |= {"open": made["openhome"] / ".config/fallback-roots/config.toml", "wide": made["widehome"] / ".config"}
    made["wide"].chmod(0o777)
    made |= {"unhashed": tmp_path / "un hashed", "ca": ca_file, "hashed": hashed_directory, "faulty": faulty}
    return {name: str(path) for name, path in made.items()}


def examine(env: Mapping[str, str], before: str = "", first: str = "") -> tuple[dict[str, Any], int]:
    """The doctor's JSON and exit code after a shell has done `first`."""
    program = f"{before}\nimport sys; from fallback_roots._cli import main; sys.exit(main(['doctor', '--json', '--strict']))"
    done = python("-c", program, env=env, prefix=["/bin/sh", "-c", f'{first}\nexec "$@"', "sh"])
    assert done.stderr == ""
    facts = json.loads(done.stdout)
    jsonschema.validate(facts, SCHEMA)
    assert facts["exit_code"] == done.returncode
    return facts, done.returncode


@pytest.mark.parametrize("name", CASES)
def test_a_cure(name: str, paths: dict[str, str]) -> None:
    """The verdict and the first suggestion are right for the environment, and the suggestion mends it."""
    case = CASES[name]
    env = {variable: value.format(**paths) for variable, value in case.env.items()}
    facts, code = examine(env, case.before)
    has_roots = case.verdict in ROOTS
    assert (facts["verdict"]["code"], facts["verdict"]["has_roots"]) == (case.verdict, has_roots)
    assert code == (3 if case.verdict == "attention" else 0 if has_roots else 1)
    assert any(case.attention.format(**paths) in sentence for sentence in facts["verdict"]["attention"]) or not case.attention
    commands = [suggestion["command"] for suggestion in facts["suggestions"]]
    assert (commands[0] if commands else None) == (case.first and case.first.format(**paths))
    if case.after:
        after, _ = examine(env, case.before, commands[0])
        assert after["verdict"]["code"] in case.after
        assert commands[0] not in [suggestion["command"] for suggestion in after["suggestions"]]


@pytest.mark.parametrize("name", ["a cafile that is missing", "an unknown variable", "a named file that is missing"])
def test_what_comes_of_taking_a_variable_back(name: str) -> None:
    """Where a variable is to be taken back, it is said what is in effect then."""
    (first, *_) = examine(CASES[name].env)[0]["suggestions"]
    assert first["why"].endswith("other settings take its place, or else certifi's roots.")


def test_a_chain_that_bites_its_tail() -> None:
    """A function that says that it is wrapped around itself is somebody's in our place."""
    before = "import ssl\ndef traced(): pass\ntraced.__wrapped__ = traced\nssl.create_default_context = traced"
    facts = examine(NO_CAS, before)[0]
    assert "somebody has put a function of their own in the place of ssl's create_default_context" in str(facts["verdict"])


def test_a_fifo_for_a_certificate_file(tmp_path: Path) -> None:
    """The doctor does not wait for a FIFO's other end, as a default load does."""
    os.mkfifo(tmp_path / "fifo")
    facts, code = examine({**NO_CAS, "SSL_CERT_FILE": str(tmp_path / "fifo")})
    assert (facts["verdict"]["code"], code) == ("empty", 1)


def suggestions(env: Mapping[str, str]) -> list[str]:
    return [suggestion["command"] for suggestion in examine(env)[0]["suggestions"]]


def test_a_fault_behind_the_off_switch(paths: dict[str, str]) -> None:
    """What would stand in the way once it is switched on is told, too."""
    env = {**no_cas(DISABLE="1"), "HOME": paths["home"]}
    assert suggestions(env)[:2] == ["unset FALLBACK_ROOTS_DISABLE", f"mv -n {paths['faulty']} {paths['faulty']}.off"]


def test_init_is_suggested_where_it_may_write(tmp_path: Path, paths: dict[str, str]) -> None:
    """Where the user has a config file, which init would not write over, a variable says the same."""
    nobody, somebody = {**no_cas(), "HOME": str(tmp_path / "nobody")}, {**no_cas(), "HOME": paths["home"]}
    if not examine(nobody)[0]["system_bundles"]:
        pytest.skip("this machine keeps roots in no place that is known")
    assert "fallback-roots config init --prefer-system" in suggestions(nobody)
    Path(paths["faulty"]).write_text("prefer_system = false\n")
    assert "export FALLBACK_ROOTS_PREFER_SYSTEM=1" in suggestions(somebody)


def test_the_file_that_arms(installed: Path) -> None:
    """Where a start-up file has armed the interpreter, it is named; where a program has, that is said."""
    program = "import sys; from fallback_roots._cli import main; main(['doctor', '--json'])"
    by_file = json.loads(python("-c", program, env=NO_CAS, executable=installed).stdout)["hook"]
    (site_packages,) = installed.parent.parent.glob("lib/*/site-packages")
    name = "fallback_roots.start" if sys.version_info >= (3, 15) else "fallback_roots.pth"
    assert by_file["armed_by"] == str(site_packages / name)
    by_hand = python("-S", "-c", f"import fallback_roots.auto; {program}", env={**NO_CAS, "PYTHONPATH": str(site_packages)})
    assert json.loads(by_hand.stdout)["hook"]["armed_by"] == "an import of fallback_roots.auto"


@no_sitecustomize
def test_a_directory_that_site_does_not_read(installed: Path, bare: Path) -> None:
    """Where the package is in a directory whose .pth files site does not read, the doctor says so."""
    (site_packages,) = installed.parent.parent.glob("lib/*/site-packages")
    done = python("-m", "fallback_roots", "doctor", env={**NO_CAS, "PYTHONPATH": str(site_packages)}, executable=bare)
    said = " ".join(done.stdout.split())
    assert done.returncode == 1
    assert f"is not armed here: {site_packages} is not a directory whose .pth files site reads; import" in said
    assert said.endswith(f"/python {site_packages}/fallback_roots sitecustomize {site_packages}")


def test_a_sitecustomize_that_arms(installed: Path, tmp_path: Path) -> None:
    """A sitecustomize.py that arms the interpreter is named."""
    (site_packages,) = installed.parent.parent.glob("lib/*/site-packages")
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys; sys.path.append({str(site_packages)!r}); import fallback_roots.auto\n"
    )
    program = "import sys; from fallback_roots._cli import main; main(['doctor', '--json'])"
    done = python("-c", program, env={**NO_CAS, "PYTHONPATH": str(tmp_path)}, executable=Path(os.path.realpath(installed)))
    assert json.loads(done.stdout)["hook"]["armed_by"] == str(tmp_path / "sitecustomize.py")


OTHERS = {
    "nobody": ("", []),
    "a class": (
        "class Theirs(ssl.SSLContext): __module__ = 'theirs._api'\nssl.SSLContext = Theirs",
        [("ssl.SSLContext", "theirs._api")],
    ),
    "a function around ours": (
        """
import functools, types
theirs = types.ModuleType('theirs')
exec("def wrapper(*args, **kwargs): pass", theirs.__dict__)
ssl.create_default_context = functools.wraps(ssl.create_default_context)(theirs.wrapper)
""",
        [("ssl.create_default_context", "theirs")],
    ),
    "a wrapper of wrapt's": (
        """
import types, wrapt
theirs = types.ModuleType('theirs')
exec("def wrapper(wrapped, instance, args, kwargs): pass", theirs.__dict__)
wrapt.wrap_function_wrapper("ssl", "SSLContext.wrap_socket", theirs.wrapper)
""",
        [("ssl.SSLContext.wrap_socket", "theirs")],
    ),
    "certifi's where": (
        """
import certifi, types
theirs = types.ModuleType('theirs')
exec("def where(): pass", theirs.__dict__)
certifi.where = theirs.where
""",
        [("certifi.where", "theirs")],
    ),
    "nothing is verified": (
        "ssl._create_default_https_context = ssl._create_unverified_context",
        [("ssl._create_default_https_context", "ssl._create_unverified_context, which verifies nothing")],
    ),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("layer", ["", "import fallback_roots; fallback_roots.install()\n"], ids=["stand-ins", "wrappers"])
def test_others(name: str, layer: str) -> None:
    """Whoever has put something of theirs into ssl or certifi is found by what stands there; we are not."""
    before, expected = OTHERS[name]
    facts, _ = examine(NO_CAS, f"{layer}import ssl\n{before}")
    assert [(other["attribute"], other["owner"]) for other in facts["others"]] == expected


def test_colours(tmp_path: Path) -> None:
    """The verdict has a colour on a terminal, and none in a pipe, with NO_COLOR or on a dumb terminal."""
    program = """
import os, pty, sys
def read(descriptor):
    data = os.read(descriptor, 1024)
    seen.append(data)
    return data
seen = []
pty.spawn([sys.executable, "-m", "fallback_roots", "doctor"], read)
print("\\x1b[" in b"".join(seen).decode(errors="replace"))
"""
    answers = []
    for extra in ({"TERM": "xterm"}, {"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}):
        done = python("-c", program, env={**NO_CAS, **extra}, cwd=tmp_path)
        answers.append(done.stdout.splitlines()[-1])
    assert answers == ["True", "False", "False"]
    assert "\x1b[" not in python("-m", "fallback_roots", "doctor", env={**NO_CAS, "TERM": "xterm"}).stdout
