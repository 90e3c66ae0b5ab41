"""The sources of roots, loaded into real contexts: what each gives, and what is wrong with those that give less."""

import errno
import importlib.abc
import io
import json
import os
import re
import socket
import ssl
import sys
import types
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import certifi
import handshakes
import pytest
import trustme
from https_server import Server
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import NOWHERE, certifi_roots, on_windows, output, python, subject_hash

from fallback_roots import _files, _places, _settings, _sources, _system

NO_CERTIFICATE = "holds no certificate (expected PEM: -----BEGIN CERTIFICATE-----)"
UNHASHED = "has no readable file named like 9d04f354.0"
HASHED_EXPECTED = "(expected a hashed directory, as openssl rehash makes it)"
NOT_REGULAR = "is not a regular file (expected a PEM bundle)"
GONE = "cannot be read (No such file or directory)"
REFUSED = r"is refused by OpenSSL \(.+\)"

OF_THE_MOMENT = [
    MemoryError(),
    *(OSError(number, "no") for number in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EAGAIN, errno.EINTR)),
]


def client() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def held(context: ssl.SSLContext) -> set[bytes]:
    """The certificates in the store of `context`."""
    return set(context.get_ca_certs(binary_form=True))


def choose(**values: Any) -> _settings.Settings:
    """Settings with these values, and without certifi where it is not among them."""
    defaults = dict.fromkeys(_settings.KEYS, False)
    return _settings.Settings({**defaults, "cafile": None, "capath": None, "cache": None, **values}, {}, (), ())


class World:
    """Three CAs, of which A has a file and a hashed directory, and a place for more."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pems = {name: trustme.CA(organization_name=name).cert_pem.bytes().decode() for name in "ABC"}
        self.ders = {name: ssl.PEM_cert_to_DER_cert(pem) for name, pem in self.pems.items()}
        self.file = self.write("a.pem", self.pems["A"])
        self.hashed = root / "hashed"
        self.hashed.mkdir()
        (self.hashed / "01234567.0").symlink_to(self.file)

    def write(self, name: str, data: str | bytes) -> Path:
        (self.root / name).write_bytes(data if isinstance(data, bytes) else data.encode())
        return self.root / name


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Made once; no test changes what is in it."""
    return World(tmp_path_factory.mktemp("world"))


# Bundles


class Pem(NamedTuple):
    """The text of a bundle; the certificates that it gives; what is wrong with it, as a pattern; how many it counts.

    ``{A}``, ``{B}`` and ``{C}`` are the CAs, each on lines of its own, ``{A:x}`` is the first line of one and the beginning
    of the second.
    """

    text: str
    gives: str
    problem: str | None = None
    encoding: str = "utf-8"
    counts: int | None = None


def bad(number: int, of: int, first: int, line: int, why: str) -> str:
    return f"{number} of {of} certificates cannot be loaded: number {first}, in line {line}, {why}"


BAD = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
HOLLOW = BAD.replace("MIIB\n", "")  # for ssl the end of the data, not an error, unless it comes first
LINES = 12  # of each CA, which the table below relies on

PEMS = {
    "one": Pem("{A}", "A"),
    "three": Pem("{A}{B}{C}", "ABC"),
    "comments": Pem("# one\n{A}\n\n# another\n{B}# end", "AB"),
    "comments in UTF-8": Pem("# Főtanúsítvány\n{A}# é\n{B}", "AB"),
    "comments in Latin-1": Pem("# Autorité\n{A}# é\n{B}", "AB", encoding="latin-1"),
    "byte order mark": Pem("{A}{B}", "AB", encoding="utf-8-sig"),
    "CRLF": Pem("{CRLF}", "AB"),
    "spaces behind": Pem("{spaces}", "AB"),
    "one long line": Pem("{long}", "AB"),
    "no newline at the end": Pem("{A}{B-}", "AB"),
    "no newline between": Pem("{A-}{B}", "", bad(1, 1, 1, 1, "is not whole")),
    "X509 CERTIFICATE": Pem("{X509}{B}", "AB"),
    "twice the same": Pem("{A}{A}", "A", counts=2),
    "other blocks": Pem("-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n{A}", "A"),
    "ten thousand lines of comment": Pem("# no certificate\n" * 10_000 + "{A}", "A"),
    # Nothing in it
    "empty": Pem("", "", NO_CERTIFICATE),
    "comment": Pem("# -----BEGIN\n", "", NO_CERTIFICATE),
    "HTML": Pem("<!DOCTYPE html>\n<title>Log in to this network</title>\n<p>-----\n", "", NO_CERTIFICATE),
    "NULs": Pem("\0" * 1000, "", NO_CERTIFICATE),
    "private key": Pem("-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n", "", NO_CERTIFICATE),
    "PKCS 7": Pem("-----BEGIN PKCS7-----\nMIIB\n-----END PKCS7-----\n", "", NO_CERTIFICATE),
    "certificate request": Pem(
        "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n", "", NO_CERTIFICATE
    ),
    "UTF-16": Pem("{A}", "", NO_CERTIFICATE, encoding="utf-16"),
    # What OpenSSL takes for comment, since a block begins at the beginning of a line: somebody has commented it out.
    "commented out": Pem("#{A}{B}", "B"),
    "commented out, with a space": Pem("# {A}{B}", "B"),
    "commented out, each line": Pem("{#A}{B}", "B"),
    "commented out, the second": Pem("{A}# {B}", "A"),
    "a word before": Pem("old: {A}{B}", "B"),
    "a word in Latin-1 before": Pem("é{A}{B}", "B", encoding="latin-1"),
    "indented": Pem("{ A}{B}", "B"),
    "a space before": Pem(" {A}{B}", "B"),
    "a word behind": Pem("{A word}{B}", "B"),
    "a comment that mentions it": Pem("# -----BEGIN CERTIFICATE----- begins one\n{A}", "A"),
    "HTML around it": Pem("<pre>{A}</pre>\n", "", NO_CERTIFICATE),
    # Bad ones
    "one bad among good": Pem("{A}\n" + BAD + "{B}", "AB", bad(1, 3, 2, LINES + 2, REFUSED)),
    "bad ones, and a good one": Pem(BAD + "# c\n" + BAD + "{A}" + BAD, "A", bad(3, 4, 1, 1, REFUSED)),
    "one bad": Pem(BAD, "", bad(1, 1, 1, 1, REFUSED)),
    "only bad": Pem("# c\n" + BAD * 3, "", bad(3, 3, 1, 2, REFUSED)),
    "nothing in the block": Pem(HOLLOW + "{A}", "A", bad(1, 2, 1, 1, REFUSED)),
    "nothing in a block between": Pem("{A}" + HOLLOW + "{B}", "AB", bad(1, 3, 2, LINES + 1, REFUSED)),
    "nothing in the last block": Pem("{A}{B}" + HOLLOW, "AB", bad(1, 3, 3, 2 * LINES + 1, REFUSED)),
    "no base64": Pem(BAD.replace("MIIB", "!?") + "{A}", "A", bad(1, 2, 1, 1, REFUSED)),
    "truncated": Pem("{A}{B:x}", "A", bad(1, 2, 2, LINES + 1, "is not whole")),
    "truncated, with others behind": Pem("{A:x}\n{B}{C}", "BC", bad(1, 3, 1, 1, "is not whole")),
    "nothing but truncated": Pem("{A:x}", "", bad(1, 1, 1, 1, "is not whole")),
    "the end alone": Pem("-----BEGIN CERTIFICATE-----", "", bad(1, 1, 1, 1, "is not whole")),
    "another end": Pem("{A}{TRUSTED end}", "A", bad(1, 2, 2, LINES + 1, "is not whole")),
    "TRUSTED CERTIFICATE": Pem(
        "{A}{TRUSTED}", "A", bad(1, 2, 2, LINES + 1, "is a TRUSTED CERTIFICATE, whose restrictions Python cannot load")
    ),
    "nothing but TRUSTED CERTIFICATE": Pem(
        "{TRUSTED}", "", bad(1, 1, 1, 1, "is a TRUSTED CERTIFICATE, whose restrictions Python cannot load")
    ),
}


def written(name: str, world: World) -> Path:
    """The bundle of that name in the table."""
    text = PEMS[name].text
    a, b = world.pems["A"], world.pems["B"]
    body = a.split("-----")[2]
    parts = {
        **world.pems,
        "CRLF": (a + b).replace("\n", "\r\n"),
        "spaces": (a + b).replace("-----\n", "----- \t\n"),
        "long": a.replace(body, "\n" + body.replace("\n", "") + "\n") + b,
        "A-": a.rstrip(),
        "B-": b.rstrip(),
        "X509": a.replace(" CERTIFICATE-", " X509 CERTIFICATE-"),
        "TRUSTED": b.replace(" CERTIFICATE-", " TRUSTED CERTIFICATE-"),
        "TRUSTED end": b.replace("END CERTIFICATE-", "END TRUSTED CERTIFICATE-"),
        "#A": "".join(f"# {line}\n" for line in a.splitlines()),
        " A": "".join(f"  {line}\n" for line in a.splitlines()),
        "A word": a.replace("-----\n", "----- of A\n", 1),
        "A:x": a[:100],
        "B:x": b[:100],
    }
    for part, pem in parts.items():
        text = text.replace(f"{{{part}}}", pem)
    return world.write("bundle.pem", text.encode(PEMS[name].encoding))


@pytest.mark.parametrize("name", PEMS)
def test_a_bundle(name: str, world: World) -> None:
    """A bundle gives its good certificates; the bad ones are counted, and the first is named with its line."""
    path = written(name, world)
    _, gives, problem, _, counts = PEMS[name]
    context = client()
    source = _sources.load_one(context, _sources.bundle("cafile", str(path)))
    assert held(context) == {world.ders[ca] for ca in gives}
    assert source[:3] == ("cafile", str(path), len(gives) if counts is None else counts)
    if problem is None or problem == NO_CERTIFICATE:
        assert source.problem == (problem and f"{path}: {problem}")
    else:
        assert re.fullmatch(f"{re.escape(str(path))}: {problem}", str(source.problem))


@pytest.mark.parametrize("name", PEMS)
def test_a_bundle_is_what_openssl_makes_of_it(name: str, world: World) -> None:
    """Where OpenSSL takes a file as it is, a cafile gives the same certificates: never one more."""
    path = written(name, world)
    theirs, ours = client(), client()
    try:
        theirs.load_verify_locations(path)
    except ssl.SSLError:
        return  # one bad certificate costs OpenSSL the whole file
    _sources.load_one(ours, _sources.bundle("cafile", str(path)))
    restricted = {world.ders["B"]} if "TRUSTED" in name else set()
    assert held(ours) == held(theirs) - restricted


PIECES = [
    *("#", " ", "\t", "\r", "\n", "\r\n", "\x1c", "\x85", "\xa0", "é", "x", "=", "-", "-----", "a: b\n"),
    *(f"-----{side} {label}-----" for side in ("BEGIN", "END") for label in ("CERTIFICATE", "X509 CERTIFICATE", "PRIVATE KEY")),
]


@settings(max_examples=500, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(
        st.tuples(
            st.sampled_from(["before", "behind", "instead", "between"]), st.integers(0, 2 * LINES - 1), st.sampled_from(PIECES)
        ),
        min_size=1,
        max_size=3,
    ),
    encoding=st.sampled_from(["utf-8", "latin-1"]),
)
def test_a_mangled_bundle(edits: list[tuple[str, int, str]], encoding: str, world: World) -> None:
    """However a bundle was mangled, nothing is raised, and what it gives without a word of problems OpenSSL takes, too."""
    lines = (world.pems["A"] + world.pems["B"]).splitlines(keepends=True)
    for where, at, piece in edits:
        line = lines[at]
        lines[at] = {
            "before": piece + line,
            "behind": line.rstrip("\n") + piece + "\n",
            "instead": piece + "\n",
            "between": piece + "\n" + line,
        }[where]
    path = world.write("mangled.pem", "".join(lines).encode(encoding))
    ours, theirs = client(), client()
    source = _sources.load_one(ours, _sources.bundle("cafile", str(path)))
    assert len(held(ours)) == source.certificates
    try:
        theirs.load_verify_locations(path)
    except ssl.SSLError:
        return
    if source.problem is None:
        assert held(ours) <= held(theirs)


def test_der_is_no_bundle(world: World) -> None:
    """A bundle is PEM, as for OpenSSL."""
    path = world.write("a.der", world.ders["A"])
    context = client()
    assert _sources.load_one(context, _sources.bundle("cafile", str(path))).problem == f"{path}: {NO_CERTIFICATE}"
    assert held(context) == set()


def test_a_large_file_of_beginnings(world: World) -> None:
    """20 MiB of nothing but beginnings are read in one pass."""
    line = "-----BEGIN CERTIFICATE-----\n"
    path = world.write("begins.pem", line * (20 * 1024 * 1024 // len(line)))
    source = _sources.load_one(client(), _sources.bundle("cafile", str(path)))
    number = 20 * 1024 * 1024 // len(line)
    assert source.problem == f"{path}: {bad(number, number, 1, 1, 'is not whole')}"


def test_a_large_file_of_one_beginning(world: World) -> None:
    """So are 5 MiB of a body that does not end."""
    path = world.write("body.pem", "-----BEGIN CERTIFICATE-----\n" + "MIIB\n" * (1024 * 1024))
    source = _sources.load_one(client(), _sources.bundle("cafile", str(path)))
    assert source.problem == f"{path}: {bad(1, 1, 1, 1, 'is not whole')}"


def in_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.touch()


def too_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)


SHAPES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda _: None, GONE),
    "below a file": (in_a_file, "cannot be read (Not a directory)"),
    "dangling link": (lambda path: path.symlink_to(NOWHERE), GONE),
    "link to itself": (lambda path: path.symlink_to(path), "cannot be read (Too many levels of symbolic links)"),
    "directory": (Path.mkdir, NOT_REGULAR),
    "FIFO": (os.mkfifo, NOT_REGULAR),
    "null device": (lambda path: path.symlink_to(os.devnull), NOT_REGULAR),
    "too large": (too_large, "is larger than 67108864 bytes (expected a PEM bundle)"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_no_bundle(shape: str, tmp_path: Path) -> None:
    """What is no file, or no file of a sane size, is not read, and nobody waits for it."""
    path = tmp_path / "directory" / "ca.pem"
    path.parent.mkdir()
    make, problem = SHAPES[shape]
    make(path)
    found = _sources.bundle("cafile", str(path))
    assert str(found.problem).startswith(f"{path}: {problem}")
    context = client()
    assert _sources.load_one(context, found) == _sources.Source("cafile", str(path), 0, found.problem)
    assert held(context) == set()


def test_a_path_that_no_file_can_have() -> None:
    """A NUL in a path is a problem of the bundle."""
    problem = str(_sources.bundle("cafile", "/a\0b").problem)
    assert re.match(r"/a\x00b: cannot be read \(.*embedded null", problem)


def raising(error: BaseException) -> Callable[..., NoReturn]:
    def raises(*_: object, **__: object) -> NoReturn:
        raise error

    return raises


def test_a_bundle_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle of somebody who keeps it to himself is a problem of the bundle."""
    monkeypatch.setattr(_files, "read", raising(PermissionError(errno.EACCES, "Permission denied")))
    assert str(_sources.bundle("cafile", "/ca.pem").problem).startswith("/ca.pem: cannot be read (Permission denied)")


@pytest.mark.parametrize("error", OF_THE_MOMENT, ids=repr)
def test_a_bundle_meets_a_fault_of_the_moment(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that may pass tells nothing of the bundle."""
    monkeypatch.setattr(_files, "read", raising(error))
    with pytest.raises(type(error)):
        _sources.bundle("cafile", "/ca.pem")


# Hashed directories


@pytest.mark.parametrize(
    ("names", "number"),
    [
        (["01234567.0"], 1),
        (["01234567.10"], 1),
        (["ABCDEF01.0"], 1),
        (["abcdef01.0", "01234567.0", "01234567.1"], 3),
        (["01234567.0", "ca.pem", "01234567.r0", "1234567.0", "01234567.0~", "README"], 1),
    ],
    ids=str,
)
def test_a_hashed_directory(names: list[str], number: int, world: World, tmp_path: Path) -> None:
    """A directory gives the entries that OpenSSL would find in it; names in both cases, and with numbers of many digits."""
    for name in names:
        (tmp_path / name).symlink_to(world.file)
    os.mkfifo(tmp_path / "99999999.0")  # nobody knows what it will give
    source = _sources.load_one(client(), _sources.hashed_directory("capath", str(tmp_path)))
    assert source == _sources.Source("capath", str(tmp_path), number)


def directory_with(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    def make_both(path: Path) -> None:
        path.mkdir()
        make(path / name)

    return make_both


DIRECTORIES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda _: None, GONE),
    "dangling link": (lambda path: path.symlink_to(NOWHERE), GONE),
    "empty": (Path.mkdir, UNHASHED),
    "no hashed names": (directory_with("ca.pem", Path.touch), UNHASHED),
    "a CRL's name": (directory_with("01234567.r0", Path.touch), UNHASHED),
    "dangling entry": (directory_with("01234567.0", lambda entry: entry.symlink_to(NOWHERE)), UNHASHED),
    "directory as an entry": (directory_with("01234567.0", Path.mkdir), UNHASHED),
    "FIFO as an entry": (directory_with("01234567.0", os.mkfifo), UNHASHED),
    "file": (lambda path: path.write_text(BAD), "is a file"),
    "FIFO": (os.mkfifo, "is neither a file nor a directory, and taken at its word"),
    "null device": (lambda path: path.symlink_to(os.devnull), "is neither a file nor a directory, and taken at its word"),
}


@pytest.mark.parametrize("shape", DIRECTORIES)
def test_what_is_no_hashed_directory(shape: str, tmp_path: Path) -> None:
    """What OpenSSL would find nothing in is a problem, and not left for the first handshake to find out."""
    path = tmp_path / "certs"
    make, problem = DIRECTORIES[shape]
    make(path)
    source = _sources.load_one(client(), _sources.hashed_directory("capath", str(path)))
    assert source == _sources.Source("capath", str(path), 0, f"{path}: {problem} {HASHED_EXPECTED}")


def test_a_list_is_no_hashed_directory(world: World) -> None:
    """OpenSSL would take a path with a colon for several, and some of these may be anybody's."""
    path = f"{world.hashed}{os.pathsep}{world.root}"
    source = _sources.load_one(client(), _sources.hashed_directory("capath", path))
    assert source == _sources.Source("capath", path, 0, f"{path}: contains ':' (expected one directory)")


def test_a_name_that_openssl_takes_for_another(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows OpenSSL looks for a directory by the system's code page, and is given UTF-8: ASCII is the same in both."""
    path, problem = world.hashed.with_name("Jörg"), "OpenSSL on Windows does not find it (expected a path in ASCII)"
    path.symlink_to(world.hashed)
    with on_windows(monkeypatch):
        lost, found = (_sources.hashed_directory("capath", str(each)) for each in (path, world.hashed))
    assert lost.problem == f"{path}: {problem}"
    assert found == _sources.hashed_directory("capath", str(path))._replace(path=str(world.hashed))


def test_no_bundles_of_the_current_drive() -> None:
    """On Windows a path like /etc/ssl is on the drive of the moment, where any user may make it: not one is looked for."""
    program = "import os; os.name = 'nt'; from fallback_roots import _system as s; print(s.BUNDLES, s.DIRECTORIES)"
    assert output("-c", program) == "() ()"


@pytest.mark.parametrize("listed", [True, False])
def test_a_hashed_directory_verifies(
    listed: bool, hashed_directory: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hashed directory is read when it is needed, as OpenSSL does it; nobody knows the number of certificates in one that
    may be searched but not listed."""
    if not listed:
        monkeypatch.setattr(os, "scandir", raising(PermissionError(errno.EACCES, "no")))
    context = client()
    source = _sources.load_one(context, _sources.hashed_directory("capath", str(hashed_directory)))
    assert source == _sources.Source("capath", str(hashed_directory), 1 if listed else None)
    assert held(context) == set()
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection,
        context.wrap_socket(connection, server_hostname="localhost"),
    ):
        assert len(held(context)) == 1


def test_a_hashed_directory_verifies_beside_a_bundle(hashed_directory: Path, server: Server, world: World) -> None:
    """A bundle that is loaded with it does not stand in its place."""
    context = client()
    _sources.load(context, choose(cafile=str(world.file), capath=str(hashed_directory)))
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection,
        context.wrap_socket(connection, server_hostname="localhost"),
    ):
        assert len(held(context)) == 2


def gets_a_root(path: Path, ca: trustme.CA) -> None:
    """Make `path`, which may have been a file, a hashed directory of `ca`."""
    if path.is_file():
        path.unlink()
    path.mkdir(exist_ok=True)
    ca.cert_pem.write_to_path(path / "ca.pem")
    (path / f"{subject_hash(path / 'ca.pem')}.0").symlink_to("ca.pem")


@pytest.mark.parametrize("which", ["cafile", "capath"])
def test_a_place_that_becomes_a_directory(which: str, world: World, tmp_path: Path, ca: trustme.CA) -> None:
    """What was a bundle, or a directory without a root, when it was loaded is never looked at again: OpenSSL would read it at
    a handshake."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(server)
    place = tmp_path / "place"
    if which == "cafile":
        place.write_text(world.pems["A"])
    else:
        place.mkdir()
    context, late = client(), client()
    _sources.load(context, choose(certifi=True, **{which: str(place)}))
    gets_a_root(place, ca)
    assert not handshakes.verifies(context, server)
    _sources.load(late, choose(certifi=True, capath=str(place)))
    assert handshakes.verifies(late, server)


def test_what_is_chosen_is_read_in_order(world: World) -> None:
    """The sources that the settings name, as they are found, in the order of the settings' table."""
    found = list(_sources.named(choose(cafile=str(world.file), capath=str(world.hashed), certifi=True).values))
    assert [(one.kind, one.path, one.problem) for one in found] == [
        ("cafile", str(world.file), None),
        ("capath", str(world.hashed), None),
        ("certifi", certifi.__file__, None),
    ]


@pytest.mark.parametrize("error", OF_THE_MOMENT, ids=repr)
def test_a_hashed_directory_meets_a_fault_of_the_moment(
    error: Exception, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that may pass tells nothing of the directory."""
    monkeypatch.setattr(os, "scandir", raising(error))
    with pytest.raises(type(error)):
        _sources.load(client(), choose(capath=str(world.hashed)))


# certifi


def test_certifi_gives_all_of_its_roots() -> None:
    """What certifi gives is all of its bundle, and the number that is told is what the context holds."""
    ours, theirs = client(), client()
    (source,) = _sources.load(ours, choose(certifi=True))
    theirs.load_verify_locations(certifi.where())
    assert held(ours) == held(theirs)
    assert len(ours.get_ca_certs()) == source.certificates
    assert source == _sources.Source("certifi", certifi.__file__, len(theirs.get_ca_certs()))


class Loader:
    """A loader of certifi that has what is asked of it, or raises."""

    def __init__(self, world: World, has: str) -> None:
        self.pem = world.pems["A"].encode()
        self.has = has

    def get_resource_reader(self, name: str) -> "Loader":
        assert name == "certifi"
        if self.has != "resource":
            raise NotImplementedError("no resource reader")
        return self

    def open_resource(self, name: str) -> io.BytesIO:
        assert name == "cacert.pem"
        self.opened = io.BytesIO(b"# \xe9\n" + self.pem)
        return self.opened

    def get_data(self, path: str) -> bytes:
        if self.has != "get_data":
            raise OSError(errno.ENOENT, "no data")
        assert path == "/frozen/certifi/cacert.pem"
        return b"# \xe9\n" + self.pem


def fake_certifi(world: World, has: str, file: str | None = "/frozen/certifi/__init__.py", **more: Any) -> Any:
    """A certifi that gives its roots by one way alone: contents, where, resource, get_data, or by none."""

    def contents() -> str:
        if has != "contents":
            raise FileNotFoundError(errno.ENOENT, "no contents")
        return world.pems["A"]

    def where() -> str:
        if has != "where":
            raise RuntimeError("nowhere")
        return str(world.write("cacert.pem", b"# \xe9\n" + world.pems["A"].encode()))

    package = types.SimpleNamespace(__name__="certifi", __loader__=Loader(world, has), contents=contents, where=where, **more)
    if file is not None:
        package.__file__ = file
    return package


@pytest.mark.parametrize("has", ["contents", "where", "resource", "get_data"])
def test_certifi_by_the_first_way_that_works(has: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """certifi's roots need not be in a file: zip, frozen and in-memory importers each have a way of their own."""
    monkeypatch.setitem(sys.modules, "certifi", fake_certifi(world, has))
    context = client()
    assert _sources.load(context, choose(certifi=True)) == (_sources.Source("certifi", "/frozen/certifi/__init__.py", 1),)
    assert held(context) == {world.ders["A"]}


def test_a_certifi_that_is_in_no_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An in-memory importer gives certifi no __file__; its resource is closed, and its kind is what the audit event tells."""
    package = fake_certifi(world, "resource", file=None)
    monkeypatch.setitem(sys.modules, "certifi", package)
    events: list[tuple[object, ...]] = []
    monkeypatch.setattr(sys, "audit", lambda *event: events.append(event))
    assert _sources.load(client(), choose(certifi=True)) == (_sources.Source("certifi", None, 1),)
    assert package.__loader__.opened.closed
    assert events == [("fallback_roots.load", "certifi", 1)]


@pytest.mark.parametrize("file", ["/frozen/certifi/__init__.py", None])
def test_a_certifi_without_roots(file: str | None, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first reason is told where no way works."""
    monkeypatch.setitem(sys.modules, "certifi", fake_certifi(world, "nothing", file=file))
    problem = "certifi: gives no roots (FileNotFoundError: [Errno 2] no contents)"
    assert _sources.load(client(), choose(certifi=True)) == (_sources.Source("certifi", file, 0, problem),)


def test_a_certifi_of_old_without_contents(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certifi that has not even the function still has the others."""
    package = fake_certifi(world, "where")
    del package.contents
    monkeypatch.setitem(sys.modules, "certifi", package)
    context = client()
    _sources.load(context, choose(certifi=True))
    assert held(context) == {world.ders["A"]}


def test_debians_certifi(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's certifi reads the very file that is missing, and whoever is told so knows what to install."""
    file = "/usr/lib/python3/dist-packages/certifi/__init__.py"
    monkeypatch.setitem(sys.modules, "certifi", fake_certifi(world, "nothing", file=file))
    assert _sources.certifi() == _sources.Found(
        "certifi",
        file,
        None,
        "certifi: gives no roots (FileNotFoundError: [Errno 2] no contents); Debian's certifi reads the system's bundle,"
        " which apt-get install ca-certificates brings",
    )


def test_an_empty_certifi(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle without a certificate is told of certifi as of any other."""
    monkeypatch.setitem(sys.modules, "certifi", fake_certifi(world, "contents", file=None))
    monkeypatch.setattr(sys.modules["certifi"], "contents", lambda: "# nothing\n")
    assert _sources.load(client(), choose(certifi=True)) == (_sources.Source("certifi", None, 0, f"certifi: {NO_CERTIFICATE}"),)


def test_a_certifi_without_where(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package in its place that has no more than contents() contradicts nobody."""
    package = types.SimpleNamespace(contents=lambda: world.pems["A"], __file__="/elsewhere/certifi.py")
    monkeypatch.setitem(sys.modules, "certifi", package)
    assert _sources.load(client(), choose(certifi=True)) == (_sources.Source("certifi", "/elsewhere/certifi.py", 1),)


@pytest.mark.parametrize("core", [False, True])
@pytest.mark.parametrize("names", ["other roots", "the same", "no file"])
def test_a_replaced_where(names: str, core: bool, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a program has certifi name a bundle of its own, nobody knows whether contents() is meant, too: there are none."""
    other = {"other roots": world.pems["A"], "the same": certifi.contents(), "no file": ""}[names]
    path = world.write("where.pem", other) if other else world.root / "missing.pem"
    for module in [certifi, certifi.core][: 1 + core]:
        monkeypatch.setattr(module, "where", lambda: str(path))
    (source,) = _sources.load(client(), choose(certifi=True))
    if names != "the same":
        problem = "certifi: where() is not certifi's own, and names no file that has what contents() gives"
        assert (source.certificates, source.problem) == (0, problem)
    else:
        assert (source.certificates, source.problem) == (certifi_roots(), None)


def test_certifi_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without certifi there are none of its roots, and the reason is told."""
    monkeypatch.setitem(sys.modules, "certifi", None)
    problem = "certifi: cannot be imported (ModuleNotFoundError: import of certifi halted; None in sys.modules)"
    assert _sources.load(client(), choose(certifi=True)) == (_sources.Source("certifi", None, 0, problem),)


class Importer(importlib.abc.MetaPathFinder):
    """Raises `error` where certifi is imported."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def find_spec(self, name: str, _path: Sequence[str] | None, _target: types.ModuleType | None = None) -> ModuleSpec | None:
        if name == "certifi":
            raise self.error
        return None


@pytest.mark.parametrize("error", [*OF_THE_MOMENT, KeyboardInterrupt()], ids=repr)
def test_certifis_import_meets_a_fault_of_the_moment(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that may pass tells nothing of certifi."""
    monkeypatch.delitem(sys.modules, "certifi")
    monkeypatch.setattr(sys, "meta_path", [Importer(error), *sys.meta_path])
    with pytest.raises(type(error)):
        _sources.load(client(), choose(certifi=True))


@pytest.mark.parametrize("error", [*OF_THE_MOMENT, KeyboardInterrupt()], ids=repr)
def test_a_fault_of_the_moment_leaves_nothing_in_the_context(
    error: BaseException, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that may pass on one of certifi's ways is none of certifi's, and costs the sources before it, too: all or
    nothing is loaded."""
    package = fake_certifi(world, "where")
    package.contents = raising(error)
    monkeypatch.setitem(sys.modules, "certifi", package)
    context = client()
    with pytest.raises(type(error)):
        _sources.load(context, choose(cafile=str(world.file), certifi=True))
    assert held(context) == set()


# The choice


def test_without_a_choice() -> None:
    """Where certifi is false and no other source is set, nothing is loaded."""
    context = client()
    assert _sources.load(context, choose()) == ()
    assert held(context) == set()


ALL = -1  # as many as certifi has
CHOICES: dict[str, tuple[dict[str, str | bool], list[tuple[str, int, bool]]]] = {
    "cafile": ({"cafile": "{file}"}, [("cafile", 1, False)]),
    "capath": ({"capath": "{hashed}"}, [("capath", 1, False)]),
    "all": (
        {"cafile": "{file}", "capath": "{hashed}", "certifi": True},
        [("cafile", 1, False), ("capath", 1, False), ("certifi", ALL, False)],
    ),
    "broken cafile": ({"cafile": NOWHERE}, [("cafile", 0, True)]),
    "broken capath": ({"capath": NOWHERE}, [("capath", 0, True)]),
    "broken cafile and certifi": ({"cafile": NOWHERE, "certifi": True}, [("cafile", 0, True), ("certifi", ALL, False)]),
    "broken capath and certifi": ({"capath": NOWHERE, "certifi": True}, [("capath", 0, True), ("certifi", ALL, False)]),
    "broken cafile and capath": ({"cafile": NOWHERE, "capath": "{hashed}"}, [("cafile", 0, True), ("capath", 1, False)]),
    "broken capath and cafile": ({"cafile": "{file}", "capath": NOWHERE}, [("cafile", 1, False), ("capath", 0, True)]),
    "half a cafile and certifi": (
        {"cafile": "{half}", "certifi": True},
        [("cafile", 2, True), ("certifi", ALL, False)],
    ),
    "a hollow cafile and certifi": (
        {"cafile": "{hollow}", "certifi": True},
        [("cafile", 1, True), ("certifi", ALL, False)],
    ),
    "half a cafile and capath": ({"cafile": "{half}", "capath": "{hashed}"}, [("cafile", 2, True), ("capath", 1, False)]),
}


@pytest.mark.parametrize("name", CHOICES)
def test_each_source_stands_by_itself(name: str, world: World) -> None:
    """All that are set are loaded together, and a broken one costs no other its roots."""
    values, numbers = CHOICES[name]
    expected = [(kind, certifi_roots() if number == ALL else number, broken) for kind, number, broken in numbers]
    half = world.write("half.pem", world.pems["B"] + BAD + world.pems["C"])
    hollow = world.write("hollow.pem", world.pems["B"] + HOLLOW)
    paths = {"file": world.file, "hashed": world.hashed, "half": half, "hollow": hollow}
    chosen = {key: value.format(**paths) if isinstance(value, str) else value for key, value in values.items()}
    context = client()
    sources = _sources.load(context, choose(**chosen))
    assert [(source.kind, source.certificates, bool(source.problem)) for source in sources] == expected
    assert len(held(context)) == sum(number for kind, number, _ in expected if kind != "capath")


def test_the_same_again(world: World) -> None:
    """What came of a bundle is what comes of it at the next context, with another bundle between or not."""
    good = world.write("good.pem", world.pems["A"] + world.pems["B"])
    bad = world.write("bad.pem", world.pems["A"] + HOLLOW + world.pems["B"] + world.pems["C"])
    none = world.write("none.pem", HOLLOW)
    for path in (bad, bad, good, good, none, none, bad, good):
        gives = {bad: "ABC", good: "AB", none: ""}[path]
        context = client()
        (source,) = _sources.load(context, choose(cafile=str(path)))
        assert held(context) == {world.ders[ca] for ca in gives}
        assert (source.certificates, source.problem is None) == (len(gives), path == good)


def test_what_is_known_whole_is_not_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What OpenSSL has taken whole is loaded into the next context without a count, which is a large part of the work."""
    path = world.write("good.pem", world.pems["A"] + world.pems["B"])
    settings = choose(cafile=str(path))
    _sources.load(client(), settings)
    context = client()
    monkeypatch.setattr(_sources, "_ssl", types.SimpleNamespace(_SSLContext=Uncounted, SSLError=ssl.SSLError))
    _sources.load(context, settings)
    assert held(context) == {world.ders[ca] for ca in "AB"}


class Uncounted(ssl.SSLContext):
    """A class of which nobody asks a number."""

    def cert_store_stats(self) -> NoReturn:
        raise AssertionError("counted")


@pytest.mark.parametrize("known", ["", "A", "B"])
def test_a_context_that_holds_something(known: str, world: World) -> None:
    """In a context that holds certificates already, none of a bundle is lost behind a hollow block either."""
    context = client()
    if known:
        context.load_verify_locations(cadata=world.pems[known])
    path = world.write("besides.pem", world.pems["B"] + HOLLOW + world.pems["C"])
    (source,) = _sources.load(context, choose(cafile=str(path)))
    assert held(context) == {world.ders[ca] for ca in {*known, "B", "C"}}
    assert (source.certificates, bool(source.problem)) == (2, True)


def test_a_context_that_holds_many(world: World) -> None:
    """However many certificates a context holds, what it had before makes up for none that OpenSSL has left out."""
    context = client()
    context.load_verify_locations(certifi.where())
    path = world.write("besides.pem", world.pems["B"] + HOLLOW + world.pems["C"])
    _sources.load(context, choose(cafile=str(path)))
    assert {world.ders["B"], world.ders["C"]} <= held(context)


class Tripwire(ssl.SSLContext):
    """A context of a program that does other things when it names its roots itself."""

    def load_verify_locations(self, *_: Any, **__: Any) -> NoReturn:
        raise AssertionError("these are not the program's own roots")


def test_a_context_class_of_the_programs_own(world: World) -> None:
    """The roots are put in by the class of OpenSSL's, past a subclass's method."""
    context = Tripwire(ssl.PROTOCOL_TLS_CLIENT)
    _sources.load(context, choose(cafile=str(world.file)))
    assert held(context) == {world.ders["A"]}


# The system's places


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's places are three bundles, ``1.pem`` to ``3.pem``, and two directories, ``1`` and ``2``, in this one."""
    monkeypatch.setattr(_system, "BUNDLES", tuple((str(tmp_path / f"{n}.pem"), "x") for n in (1, 2, 3)))
    monkeypatch.setattr(_system, "DIRECTORIES", tuple((str(tmp_path / str(n)), "x") for n in (1, 2)))
    return tmp_path


# What is there, and which is taken (with how many certificates), or None.
SYSTEMS: dict[str, tuple[dict[str, str], tuple[str, int] | None]] = {
    "nothing": ({}, None),
    "the first": ({"1.pem": "A", "2.pem": "BC", "1": "A"}, ("1.pem", 1)),
    "the second": ({"2.pem": "BC", "3.pem": "A"}, ("2.pem", 2)),
    "broken ones before it": ({"1.pem": "", "2.pem": "bad", "3.pem": "C"}, ("3.pem", 1)),
    "one with a bad certificate": ({"1.pem": "A bad", "2.pem": "BC"}, ("1.pem", 1)),
    "a directory where a file should be": ({"1.pem/x": "A", "2.pem": "B"}, ("2.pem", 1)),
    "a hashed directory": ({"1/01234567.0": "A", "2/01234567.0": "B"}, ("1", 1)),
    "a bundle before a directory": ({"3.pem": "A", "1/01234567.0": "B"}, ("3.pem", 1)),
    "a directory without hashed names before it": ({"1/ca.pem": "A", "2/01234567.0": "B"}, ("2", 1)),
    "broken ones alone": ({"1.pem": "", "2.pem": "bad", "1/ca.pem": "A"}, None),
}


def furnish(there: dict[str, str], root: Path, world: World) -> None:
    for name, what in there.items():
        (root / name).parent.mkdir(exist_ok=True)
        pems = [world.pems[ca] for ca in what.split(" ")[0] if ca in world.pems]
        (root / name).write_text("".join(pems) + BAD * ("bad" in what))


@pytest.mark.parametrize(("there", "expected"), SYSTEMS.values(), ids=SYSTEMS)
def test_prefer_system(there: dict[str, str], expected: tuple[str, int] | None, system: Path, world: World) -> None:
    """The first of the system's places that gives certificates is used alone, and the named sources where none does."""
    furnish(there, system, world)
    context = client()
    *broken, source = _sources.load(context, choose(prefer_system=True, cafile=str(world.file)))
    before = sorted({name.partition("/")[0] for name in there if ".pem" in name.partition("/")[0]})
    before = before[: before.index(expected[0])] if expected and expected[0] in before else before
    assert [one[:3] for one in broken] == [("system", str(system / name), 0) for name in before]
    assert all(one.problem for one in broken)
    if expected is None:
        assert source == _sources.Source("cafile", str(world.file), 1)
        assert held(context) == {world.ders["A"]}
    else:
        name, number = expected
        assert source[:3] == ("system", str(system / name), number)
        assert bool(source.problem) == ("bad" in there.get(name, ""))
        given = [ca for ca in there.get(name, "") if ca in world.pems]
        assert held(context) == {world.ders[ca] for ca in given}


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
def test_a_bundle_of_the_systems_that_cannot_be_read(
    number: int, system: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may hold what was chosen, so nothing is loaded in its place."""
    furnish({"1.pem": "B"}, system, world)
    real = os.open

    def fail(path: Any, *args: Any, **kwargs: Any) -> Any:
        if str(path).endswith("1.pem"):
            raise OSError(number, os.strerror(number), path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", fail)
    context = client()
    with pytest.raises(OSError, match=re.escape(str(system / "1.pem"))):
        _sources.load(context, choose(prefer_system=True, cafile=str(world.file)))
    assert held(context) == set()


@pytest.mark.parametrize("target", [NOWHERE, f"{__file__}/ca.pem"], ids=["nowhere", "through a file"])
def test_a_directory_of_the_systems_with_a_dangling_link(target: str, system: Path) -> None:
    """It is there for all that, and what else it holds is the system's."""
    (system / "1").mkdir()
    (system / "1" / "11111111.0").symlink_to(target)
    assert list(_system.places()) == [(str(system / "1"), False)]


@pytest.mark.parametrize("what", ["too large", "a FIFO"])
def test_a_bundle_of_the_systems_that_may_hold_anything(what: str, system: Path, world: World) -> None:
    """It is not passed over, either."""
    if what == "a FIFO":
        os.mkfifo(system / "1.pem")
    else:
        with (system / "1.pem").open("wb") as file:
            file.truncate(_places.LARGEST_BUNDLE + 1)
    with pytest.raises(ValueError, match=re.escape(str(system / "1.pem"))):
        _sources.load(client(), choose(prefer_system=True, cafile=str(world.file)))


@pytest.mark.parametrize("call", ["scandir", "open"])
def test_a_directory_of_the_systems_that_cannot_be_read(
    call: str, system: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a directory, or a hashed certificate in it; a dangling link holds nothing."""
    furnish({"1/01234567.0": "B"}, system, world)
    (system / "1" / "01234567.1").symlink_to(system / "nothing")
    real = getattr(os, call)

    def fail(path: Any, *args: Any, **kwargs: Any) -> Any:
        if str(path).endswith("1" if call == "scandir" else "01234567.0"):
            raise PermissionError(errno.EACCES, "no", path)
        return real(path, *args, **kwargs)

    (source,) = _sources.load(client(), choose(prefer_system=True, cafile=str(world.file)))
    assert (source.kind, source.certificates) == ("system", 1)
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(PermissionError):
        _sources.load(client(), choose(prefer_system=True, cafile=str(world.file)))


def test_without_prefer_system(system: Path, world: World) -> None:
    """Where nobody prefers them the system's places are not looked at."""
    furnish({"1.pem": "BC"}, system, world)
    context = client()
    _sources.load(context, choose(cafile=str(world.file)))
    assert held(context) == {world.ders["A"]}


def test_a_system_without_any_place(system: Path) -> None:
    """Of places that are not there nothing is told."""
    assert list(_system.places()) == []
    (system / "2").mkdir()
    assert list(_system.places()) == [(str(system / "2"), False)]


def test_the_systems_places() -> None:
    """Each place is absolute, in the table once, and Fedora 44's, Debian's and Alpine's are there."""
    for table in (_system.BUNDLES, _system.DIRECTORIES):
        paths = [path for path, _ in table]
        assert len(set(paths)) == len(paths)
        assert all(map(os.path.isabs, paths))
    assert {
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/ssl/cert.pem",
    } <= {path for path, _ in _system.BUNDLES}


# What is seen of it from outside

AUDIT = """
import json, os, ssl, sys
from fallback_roots import _settings, _sources

events = []
sys.addaudithook(lambda name, args: events.append(args) if name == "fallback_roots.load" else None)
defaults = dict.fromkeys(_settings.KEYS)
result = []
for values in json.loads(sys.argv[1]):
    if "scandir" in values:
        def scandir(path):
            raise PermissionError(13, "no")
        os.scandir = scandir
    before = len(events)
    _sources.load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), _settings.Settings({**defaults, **values}, {}, (), ()))
    result.append([values, events[before:], "certifi" in sys.modules])
print(json.dumps(result))
"""


def test_audit_events(world: World) -> None:
    """Each load of a source raises an audit event with the source and the number of its certificates, a load of nothing
    none; certifi is imported only where it is chosen."""
    half = str(world.write("audited.pem", world.pems["B"] + BAD + BAD[:40] + "\n" + world.pems["C"]))
    file, hashed = str(world.file), str(world.hashed)
    expected: list[tuple[dict[str, Any], list[list[Any]], bool]] = [
        ({}, [], False),
        ({"cafile": NOWHERE}, [], False),
        ({"cafile": file}, [[file, 1]], False),
        ({"cafile": half, "capath": hashed}, [[half, 2], [hashed, 1]], False),
        ({"cafile": NOWHERE, "certifi": True}, [[certifi.__file__, certifi_roots()]], True),
        ({"capath": hashed, "scandir": 1}, [[hashed, None]], True),
    ]
    done = python("-c", AUDIT, json.dumps([values for values, _, _ in expected]))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [list(row) for row in expected]
