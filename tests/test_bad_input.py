"""What broken settings get: the program's own output and exit status, exactly the trust of the table, and one WARNING."""

import os
import shlex
import socket
import ssl
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import certifi
import pytest
import trustme
from conftest import needs_root
from support import NO_CAS, NOWHERE, PROGRAM, python

BAD = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
NOTHING_FOUND = "fallback-roots: Python's default CA load found no certificate; "

# Root reads everything, by a capability that it can do without.
BOUND_BY_MODES = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


class Machine:
    """A machine without CA certificates, with a CA of its own and a home, and the trust that a process may come to."""

    def __init__(self, root: Path, ca: trustme.CA) -> None:
        self.root = root
        self.config = root / "home" / ".config" / "fallback-roots" / "config.toml"
        self.config.parent.mkdir(parents=True)
        self.pem = ca.cert_pem.bytes().decode()
        self.ca = self.write("ca.pem", self.pem)
        mine = {ssl.PEM_cert_to_DER_cert(self.pem)}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(certifi.where())
        everybodys = set(context.get_ca_certs(binary_form=True))
        self.trust = {"none": set[bytes](), "ca": mine, "certifi": everybodys, "both": mine | everybodys}

    def write(self, name: str, data: str | bytes) -> Path:
        (self.root / name).write_bytes(data if isinstance(data, bytes) else data.encode())
        return self.root / name

    def expected(self, trust: str) -> str:
        """The standard output of `PROGRAM` where it trusts that."""
        certificates = sorted(self.trust[trust])
        return f"before\n{len(certificates)} {zlib.crc32(b''.join(certificates))}\n"

    def run(
        self,
        *args: str,
        variables: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        program: str = PROGRAM,
    ) -> tuple[str, int, str]:
        """What a program writes, its exit status, and what it writes to standard error."""
        env = {**NO_CAS, "HOME": str(self.root / "home"), **(variables or {})}
        done = python(*args, "-c", program, env=env, cwd=self.root, prefix=prefix, timeout=60)
        return done.stdout, done.returncode, done.stderr


@pytest.fixture
def machine(tmp_path: Path, ca: trustme.CA) -> Machine:
    """A machine on which nothing is set."""
    return Machine(tmp_path, ca)


Setting = Callable[[Machine], Mapping[str, str] | None]


class Broken(NamedTuple):
    """How a setting is broken (returns variables), what the process then trusts, and what the WARNING must contain:
    place, key, what was found, what was expected, with ``{config}`` and ``{root}`` for the paths."""

    setting: Setting
    trust: str
    told: tuple[str, ...]
    bound_by_modes: bool = False


def says(text: str | bytes, mode: int = 0o644) -> Setting:
    """The user's config file says `text`."""

    def setting(machine: Machine) -> None:
        data = text if isinstance(text, bytes) else text.encode()
        machine.config.write_bytes(data)
        machine.config.chmod(mode)

    return setting


def is_made(make: Callable[[Path], object]) -> Setting:
    """Something is made where the user's config file should be."""

    def setting(machine: Machine) -> None:
        make(machine.config)

    return setting


def variable(name: str, text: str) -> Setting:
    """A variable of ours says `text`, with ``{root}`` for the machine's."""
    return lambda machine: {f"FALLBACK_ROOTS_{name}": text.replace("{root}", str(machine.root))}


def source(key: str, make: Callable[[Path], object] | None, more: str = "") -> Setting:
    """The user's config file names a source that is made so."""

    def setting(machine: Machine) -> None:
        if make is not None:
            make(machine.root / "source")
        machine.config.write_text(f'{key} = "{machine.root}/source"\n{more}')

    return setting


def a_socket(path: Path) -> None:
    os.chdir(path.parent)  # a socket's name has a limit; each test runs its own process from a directory of its own
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)


def in_a_world_writable_directory(path: Path) -> None:
    path.write_text("certifi = true")
    path.parent.chmod(0o777)


def of_somebody_else(path: Path) -> None:
    path.write_text("certifi = true")
    os.chown(path, 12345, 12345)


def an_unreadable_home(machine: Machine) -> None:
    machine.config.write_text("certifi = true")
    (machine.root / "home").chmod(0)


def two_sites(machine: Machine) -> Mapping[str, str]:
    file = machine.root / "site" / "fallback-roots" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("certifi = 0")
    return {"XDG_CONFIG_DIRS": f"{NOWHERE}:{machine.root / 'site'}"}


def unreadable(path: Path) -> None:
    path.touch(0)


def a_bundle(text: str | bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(text if isinstance(text, bytes) else text.encode())


SETTINGS = "(expected one of cafile, capath, certifi, "
FILE = ("{config}: ",)
CAFILE = ("{config}", "cafile", "{root}/source")
CAPATH = ("{config}", "capath", "{root}/source")
PEM = "expected a PEM bundle"
HASHED = "expected a hashed directory"
BROKEN = {
    # Faults of a file
    "file: mode 000": Broken(says("", mode=0), "none", (*FILE, "cannot be opened (Permission denied)"), True),
    "file: in a home of mode 000": Broken(an_unreadable_home, "none", (*FILE, "cannot be opened (Permission denied)"), True),
    "file: dangling link": Broken(
        is_made(lambda path: path.symlink_to(NOWHERE)), "none", (*FILE, "is a link to a file that does not exist")
    ),
    "file: link to itself": Broken(
        is_made(lambda path: path.symlink_to(path)), "none", (*FILE, "cannot be opened (Too many levels of symbolic links)")
    ),
    "file: directory": Broken(is_made(Path.mkdir), "none", (*FILE, "is not a regular file")),
    "file: FIFO": Broken(is_made(os.mkfifo), "none", (*FILE, "is not a regular file")),
    "file: socket": Broken(is_made(a_socket), "none", (*FILE, "cannot be opened (No such device or address)")),
    "file: link to the null device": Broken(
        is_made(lambda path: path.symlink_to(os.devnull)), "none", (*FILE, "is not a regular file")
    ),
    "file: not UTF-8": Broken(says(b"certifi = true # \xff"), "none", (*FILE, "is not UTF-8 (byte 17)")),
    "file: not TOML": Broken(says("certifi: yes"), "none", (*FILE, "is not TOML (Expected '='")),
    "file: 2 MiB": Broken(says("#" * 2**21), "none", (*FILE, "is larger than 1048576 bytes")),
    "file: unknown key": Broken(says('cafil = "corp.pem"'), "none", (*FILE, 'cafil = "corp.pem" is not a setting', SETTINGS)),
    "file: wrong type": Broken(says('certifi = "yes"'), "none", (*FILE, 'certifi = "yes" is not a boolean', "(true or false)")),
    "file: wrong type of a path": Broken(says("cafile = true"), "none", (*FILE, "cafile = true is not a string", "(a path)")),
    "file: empty path": Broken(says('cafile = ""'), "none", (*FILE, 'cafile = "" is not a path')),
    "file: empty path beside certifi": Broken(
        says('cafile = ""\ncertifi = true'), "none", (*FILE, 'cafile = "" is not a path')
    ),
    "file: two faults": Broken(
        says('cafil = "x"\ncertifi = 1'), "none", (*FILE, 'cafil = "x" is not a setting', "; ", "certifi = 1 is not a boolean")
    ),
    "file: world-writable": Broken(says("certifi = true", mode=0o666), "none", (*FILE, "is writable by everybody (mode 0666)")),
    "file: in a world-writable directory": Broken(
        is_made(in_a_world_writable_directory), "none", (*FILE, "which is writable by everybody (mode 0777)")
    ),
    "file: a site's": Broken(
        two_sites, "none", ("{root}/site/fallback-roots/config.toml: ", "certifi = 0 is not a boolean", "(true or false)")
    ),
    # Faults of variables
    "variable: unknown": Broken(
        variable("CAFIL", "/ca.pem"),
        "none",
        ("FALLBACK_ROOTS_CAFIL: ", "is not a variable", "expected one of FALLBACK_ROOTS_CONFIG, FALLBACK_ROOTS_CAFILE"),
    ),
    "variable: malformed": Broken(
        variable("CERTIFI", "perhaps"), "none", ('FALLBACK_ROOTS_CERTIFI="perhaps"', "is not a boolean", "(1, true, yes, on")
    ),
    "variable: empty": Broken(variable("CAFILE", ""), "none", ('FALLBACK_ROOTS_CAFILE=""', "is not an absolute path")),
    "variable: relative": Broken(
        variable("CAFILE", "ca.pem"), "none", ('FALLBACK_ROOTS_CAFILE="ca.pem"', "is not an absolute path")
    ),
    "variable: config empty": Broken(
        variable("CONFIG", ""), "none", ('FALLBACK_ROOTS_CONFIG=""', "names no file", "expected an absolute path")
    ),
    "variable: config relative": Broken(
        variable("CONFIG", "ca.pem"), "none", ('FALLBACK_ROOTS_CONFIG="ca.pem"', "names no file", "expected an absolute path")
    ),
    "variable: config missing": Broken(
        variable("CONFIG", NOWHERE), "none", (f"{NOWHERE}: ", "cannot be opened (No such file or directory)")
    ),
    "variable: config is no TOML": Broken(variable("CONFIG", "{root}/ca.pem"), "none", ("{root}/ca.pem: ", "is not TOML")),
    "variable: config is a directory": Broken(variable("CONFIG", "{root}"), "none", ("{root}: ", "is not a regular file")),
    "variable: config on two lines": Broken(
        variable("CONFIG", "/a\nb"), "none", ("/a\\nb: ", "cannot be opened (No such file or directory)")
    ),
    # Faults of a source
    "cafile: missing": Broken(source("cafile", None), "none", (*CAFILE, "No such file or directory", PEM)),
    "cafile: empty": Broken(source("cafile", Path.touch), "none", (*CAFILE, "holds no certificate", "expected PEM")),
    "cafile: comment": Broken(source("cafile", a_bundle("# c\n")), "none", (*CAFILE, "holds no certificate", "expected PEM")),
    "cafile: HTML": Broken(
        source("cafile", a_bundle("<!DOCTYPE html>\n")), "none", (*CAFILE, "holds no certificate", "expected PEM")
    ),
    "cafile: bad": Broken(source("cafile", a_bundle(BAD)), "none", (*CAFILE, "1 of 1 certificates cannot be loaded")),
    "cafile: FIFO": Broken(source("cafile", os.mkfifo), "none", (*CAFILE, "is not a regular file", PEM)),
    "cafile: directory": Broken(source("cafile", Path.mkdir), "none", (*CAFILE, "is not a regular file", PEM)),
    "cafile: dangling link": Broken(
        source("cafile", lambda path: path.symlink_to(NOWHERE)), "none", (*CAFILE, "No such file or directory", PEM)
    ),
    "cafile: null device": Broken(
        source("cafile", lambda path: path.symlink_to(os.devnull)), "none", (*CAFILE, "is not a regular file", PEM)
    ),
    "cafile: mode 000": Broken(source("cafile", unreadable), "none", (*CAFILE, "Permission denied", PEM), True),
    "cafile: broken, and certifi": Broken(
        source("cafile", None, "certifi = true"), "certifi", (*CAFILE, "No such file or directory", PEM)
    ),
    "capath: missing": Broken(source("capath", None), "none", (*CAPATH, "No such file or directory", HASHED)),
    "capath: nothing hashed": Broken(
        source("capath", Path.mkdir), "none", (*CAPATH, "has no readable file named like", HASHED)
    ),
    "capath: file": Broken(source("capath", Path.touch), "none", (*CAPATH, "is a file", HASHED)),
    "capath: broken, and certifi": Broken(
        source("capath", None, "certifi = true"), "certifi", (*CAPATH, "No such file or directory", HASHED)
    ),
    "capath: broken, and cafile": Broken(
        source("capath", None, 'cafile = "../../../ca.pem"'), "ca", (*CAPATH, "No such file or directory", HASHED)
    ),
    "variable's cafile: missing": Broken(
        variable("CAFILE", NOWHERE), "none", ("FALLBACK_ROOTS_CAFILE", NOWHERE, "No such file or directory", PEM)
    ),
    "variable's cafile: on two lines": Broken(
        variable("CAFILE", "/a\nb"), "none", ("FALLBACK_ROOTS_CAFILE", "/a\\nb", "No such file or directory", PEM)
    ),
    "variable's capath: a list": Broken(
        variable("CAPATH", "{root}:/etc"),
        "none",
        ("FALLBACK_ROOTS_CAPATH", "{root}:/etc", "contains ':'", "expected one directory"),
    ),
    "variable's cafile: missing, and certifi": Broken(
        lambda _: {"FALLBACK_ROOTS_CAFILE": NOWHERE, "FALLBACK_ROOTS_CERTIFI": "1"},
        "certifi",
        ("FALLBACK_ROOTS_CAFILE", NOWHERE, "No such file or directory", PEM),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_setting(name: str, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program never notices but by its trust, and one WARNING names place, key, what was found and what was expected."""
    setting, trust, told, bound_by_modes = BROKEN[name]
    monkeypatch.chdir(machine.root)
    variables = setting(machine)
    try:
        stdout, status, stderr = machine.run(variables=variables, prefix=BOUND_BY_MODES if bound_by_modes else ())
    finally:
        (machine.root / "home").chmod(0o755)
    assert (stdout, status) == (machine.expected(trust), 7), stderr
    (warning,) = stderr.splitlines()
    assert warning.startswith(NOTHING_FOUND + ("no roots loaded; " if trust == "none" else "loaded "))
    for part in told:
        assert part.format(config=machine.config, root=machine.root) in warning


@needs_root
def test_a_file_of_somebody_else(machine: Machine) -> None:
    """Likewise for a config file that belongs to somebody who has no say here."""
    of_somebody_else(machine.config)
    stdout, status, stderr = machine.run()
    assert (stdout, status) == (machine.expected("none"), 7)
    (warning,) = stderr.splitlines()
    assert f"{machine.config}: is owned by user id 12345 (expected root, this process's user or the owner of " in warning


def ca_in_a_file(text: str) -> Setting:
    """The user's config file names the machine's CA."""
    return lambda machine: says(text.format(ca=machine.ca))(machine)


def a_named_file_of_mode_777(machine: Machine) -> Mapping[str, str]:
    path = machine.write("any.toml", 'cafile = "ca.pem"')
    path.chmod(0o777)
    return {"FALLBACK_ROOTS_CONFIG": str(path)}


SOUND: dict[str, tuple[Setting, str]] = {
    "nothing": (lambda _: None, "certifi"),
    "byte order mark": (ca_in_a_file('\ufeffcafile = "{ca}"'), "ca"),
    "relative to the file": (says('cafile = "../../../ca.pem"'), "ca"),
    "relative to home": (says('cafile = "~/../ca.pem"'), "ca"),
    "both": (ca_in_a_file('cafile = "{ca}"\ncertifi = true'), "both"),
    "neither": (says("certifi = false"), "none"),
    "variable": (variable("CAFILE", "{root}/ca.pem"), "ca"),
    "named file of mode 777": (a_named_file_of_mode_777, "ca"),
    "home is the null device": (lambda _: {"HOME": os.devnull}, "certifi"),
    "no file, by the null device": (
        lambda machine: (says("not toml")(machine), {"FALLBACK_ROOTS_CONFIG": os.devnull})[1],
        "certifi",
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_setting(name: str, machine: Machine) -> None:
    """What looks odd and is sound gives exactly what was chosen, and the WARNING is about SSL_CERT_FILE alone."""
    setting, trust = SOUND[name]
    stdout, status, stderr = machine.run(variables=setting(machine))
    assert (stdout, status) == (machine.expected(trust), 7)
    (warning,) = stderr.splitlines()
    assert "SSL_CERT_FILE" in warning
    assert str(machine.config) not in warning


OFF: dict[str, Setting] = {
    "variable": variable("DISABLE", "1"),
    "file": says("disable = true"),
    "file with a fault": says("disable = true\nno = 1"),
    "variable beside faults": lambda _: {"FALLBACK_ROOTS_DISABLE": "1", "FALLBACK_ROOTS_CAFIL": "x"},
}


@pytest.mark.parametrize("name", OFF)
def test_switched_off(name: str, machine: Machine) -> None:
    """Off is off, and nothing is said."""
    assert machine.run(variables=OFF[name](machine)) == (machine.expected("none"), 7, "")


def test_without_us(machine: Machine) -> None:
    """What this file takes for a program's own output and exit status is what it does in an interpreter without us."""
    assert machine.run("-S") == (machine.expected("none"), 7, "")


# Where the WARNING goes

FAULTS: dict[str, tuple[Setting, str]] = {
    "settings": (says("certifi = 1"), "none"),
    "source": (variable("CAFILE", NOWHERE), "none"),
    "partly": (source("cafile", a_bundle(BAD), "certifi = true"), "certifi"),
    "variable of OpenSSL's": (lambda _: None, "certifi"),
}


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full", ">&2 2>/dev/full"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_standard_error_that_takes_nothing(fault: str, where: str, machine: Machine) -> None:
    """With a closed or a full standard error the exit status is still the program's, and so is what it writes."""
    setting, trust = FAULTS[fault]
    variables = setting(machine)
    stdout, status, stderr = machine.run(variables=variables, prefix=("bash", "-c", f'exec "$@" {where}', "_"))
    written, said = (stderr, stdout) if where.startswith(">&2") else (stdout, stderr)
    assert (written, status, said) == (machine.expected(trust), 7, "")


def test_the_exit_status_of_a_program_that_just_ends(machine: Machine) -> None:
    """A full standard error does not make the interpreter end with 120 where it would have ended with 0."""
    program = "import ssl; ssl.create_default_context()"
    assert machine.run(program=program, prefix=("bash", "-c", 'exec "$@" 2>/dev/full', "_")) == ("", 0, "")


LOGS = f"""
import logging, sys
logging.basicConfig(stream=sys.stdout, format="%(name)s|%(levelname)s|%(message)s")
{PROGRAM}"""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_program_that_has_set_up_logging(fault: str, machine: Machine) -> None:
    """The record goes to the program's handler, at WARNING, and nothing to standard error."""
    setting, trust = FAULTS[fault]
    stdout, status, stderr = machine.run(variables=setting(machine), program=LOGS)
    before, record, trusted = stdout.splitlines(keepends=True)
    assert (before + trusted, status, stderr) == (machine.expected(trust), 7, "")
    assert record.startswith(f"fallback_roots|WARNING|{NOTHING_FOUND}")


STRING_IO = f"""
import atexit, io, sys
real, sys.stderr = sys.stderr, io.StringIO()
atexit.register(lambda: print("said:", sys.stderr.getvalue(), end=""))
{PROGRAM}"""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_program_that_catches_its_standard_error(fault: str, machine: Machine) -> None:
    """An object in sys.stderr's place gets the one line."""
    setting, trust = FAULTS[fault]
    stdout, status, stderr = machine.run(variables=setting(machine), program=STRING_IO)
    *written, said = stdout.splitlines(keepends=True)
    assert ("".join(written), status, stderr) == (machine.expected(trust), 7, "")
    assert said.startswith(f"said: {NOTHING_FOUND}")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_strict_interpreter(fault: str, machine: Machine) -> None:
    """Where every warning is an error, one of our own making would show."""
    setting, trust = FAULTS[fault]
    options = shlex.split("-X dev -X warn_default_encoding -W error")
    stdout, status, stderr = machine.run(*options, variables=setting(machine))
    assert (stdout, status) == (machine.expected(trust), 7), stderr
    assert len(stderr.splitlines()) == 1
