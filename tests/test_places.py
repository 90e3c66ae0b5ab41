"""The places where a default load looks: each against what OpenSSL does there, told by a handshake without us."""

import _ssl
import datetime
import errno
import io
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
from conftest import needs_root
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from support import ROOT, python, subject_hash

from fallback_roots import _places

F, D = "SSL_CERT_FILE", "SSL_CERT_DIR"
RELATIVE = "is relative to the directory that is current when OpenSSL verifies"
GONE = "cannot be read (No such file or directory)"
DENIED = "cannot be read (Permission denied)"
NO_CERTIFICATE = "holds no certificate"
HASHED = "has hashed certificates, which OpenSSL reads when it needs them"
UNHASHED = "has no readable file named like 9d04f354.0"
AT_ITS_WORD = "is neither a file nor a directory, and taken at its word"
A_FILE = "is a file, which some OpenSSL 3 read, too"
A_URI = "is a URI, which some OpenSSL 3 read"
# By the store loader, to which OpenSSL gives the whole value: 3.0 does (measured), and 3.6 no more.
BY_STORE = "by the store loader"


class World(NamedTuple):
    """One variable's value (the other one's is a missing path), and what is there.

    `verifies`: does a handshake without us succeed? None where it is not tried, since OpenSSL itself would wait for ever;
    `BY_STORE` where it does with an OpenSSL that reads a file there.
    """

    name: str
    variable: str
    value: str
    code: str
    why: str  # of each place, in the order of the list
    verifies: bool | str | None = False
    another_user: bool = False


WORLDS = [
    # SSL_CERT_FILE. An ordinary bundle never comes before the judge; a load that met a fault of the moment would.
    World("file missing", F, "{missing}", "empty", GONE),
    World("file empty value", F, "", "empty", "is empty"),
    World("file dangling link", F, "{dangling}", "empty", GONE),
    World("file loop of links", F, "{loop}", "empty", "cannot be read (Too many levels of symbolic links)"),
    World("file too long", F, "{missing}/" + "a" * 5000, "empty", "cannot be read (File name too long)"),
    World("file below a file", F, "{ca}/ca.pem", "empty", "cannot be read (Not a directory)"),
    World("file empty", F, "{empty}", "empty", NO_CERTIFICATE),
    World("file comment", F, "{comment}", "empty", NO_CERTIFICATE),
    World("file key", F, "{key}", "empty", NO_CERTIFICATE),
    World("file broken", F, "{broken}", "empty", "holds no certificate that can be read"),
    World("file DER", F, "{der}", "empty", "holds no certificate that can be read"),
    World("file CRL", F, "{crl}", "empty", NO_CERTIFICATE),
    World("file CRL and the word", F, "{crl and word}", "empty", NO_CERTIFICATE),
    World("file directory", F, "{.0}", "empty", "is a directory"),
    World("file null device", F, "/dev/null", "device", AT_ITS_WORD),
    World("file FIFO", F, "{fifo}", "device", AT_ITS_WORD, None),
    World("file socket", F, "{socket}", "device", AT_ITS_WORD),
    World("file list", F, "{missing}:{ca}", "empty", GONE),
    World("file URI", F, "file:{ca}", "empty", GONE),
    World("file mode 000", F, "{ca 000}", "empty", DENIED, another_user=True),
    World("file in mode 000", F, "{directory 000}/ca.pem", "empty", DENIED, another_user=True),
    World("file bundle", F, "{ca}", "file", "holds certificates that the default load did not read", True),
    World("file trusted", F, "{trusted}", "file", "holds certificates that the default load did not read", True),
    World("file relative", F, "ca.pem", "file", "holds certificates that the default load did not read", True),
    World("file odd name", F, "{odd}", "file", "holds certificates that the default load did not read", True),
    # SSL_CERT_DIR, a directory
    World("missing", D, "{missing}", "empty", GONE),
    World("empty value", D, "", "empty", "is empty"),
    World("dangling link", D, "{dangling}", "empty", GONE),
    World("loop of links", D, "{loop}", "empty", "cannot be read (Too many levels of symbolic links)"),
    World("too long", D, "{missing}/" + "a" * 5000, "empty", "cannot be read (File name too long)"),
    World("home is not expanded", D, "~", "directory", RELATIVE),
    World("nothing in it", D, "{nothing}", "empty", UNHASHED),
    World("unhashed", D, "{ca.pem}", "empty", UNHASHED),
    World("hashed", D, "{.0}", "directory", HASHED, True),
    World("hashed, behind a link", D, "{link}", "directory", HASHED, True),
    World("hashed, a slash behind", D, "{.0}/", "directory", HASHED, True),
    World("hashed, relative", D, "hashed.0", "directory", RELATIVE, True),
    World("missing, relative", D, "nowhere", "directory", RELATIVE),
    World("hashed, odd name", D, "{odd directory}", "directory", HASHED, True),
    World("another CA's hash", D, "{other}", "directory", HASHED),
    World("ten", D, "{.10}", "directory", HASHED, BY_STORE),
    World("leading zero", D, "{.01}", "directory", HASHED, BY_STORE),
    World("large number", D, "{.99999999999999999999}", "directory", HASHED, BY_STORE),
    World("upper case", D, "{upper}", "directory", HASHED, BY_STORE),
    World("nine digits", D, "{nine}", "empty", UNHASHED),
    World("seven digits", D, "{seven}", "empty", UNHASHED),
    World("no number", D, "{.}", "empty", UNHASHED),
    World("no dot", D, "{}", "empty", UNHASHED),
    World("letter", D, "{.x0}", "empty", UNHASHED),
    World("backup", D, "{.0.bak}", "empty", UNHASHED),
    World("newline", D, "{.0\n}", "empty", UNHASHED),
    World("CRL's name", D, "{.r0}", "directory", HASHED, BY_STORE),
    World("CRL's name, a CRL", D, "{.r0 of a CRL}", "empty", UNHASHED),
    World("CRL's name, DER", D, "{.r0 of DER}", "directory", HASHED, BY_STORE),
    World("hashed DER", D, "{.0 of DER}", "directory", HASHED, BY_STORE),
    World("hashed, empty", D, "{.0 of nothing}", "directory", HASHED),
    World("hashed, dangling", D, "{.0 dangling}", "empty", UNHASHED),
    World("hashed, a directory", D, "{.0 directory}", "empty", UNHASHED),
    World("hashed, null device", D, "{.0 device}", "directory", HASHED),
    World("hashed, FIFO", D, "{.0 FIFO}", "directory", HASHED, None),
    World("hashed, mode 000", D, "{.0 000}", "empty", UNHASHED, another_user=True),
    World("mode 000", D, "{directory 000}", "empty", UNHASHED, another_user=True),
    World("listed, not searched", D, "{directory 444}", "empty", UNHASHED, another_user=True),
    World("searched, not listed", D, "{directory 111}", "directory", "may be searched but not listed", True, True),
    # SSL_CERT_DIR, no directory
    World("null device", D, "/dev/null", "device", AT_ITS_WORD),
    World("FIFO", D, "{fifo}", "device", AT_ITS_WORD, None),
    World("PEM", D, "{ca}", "directory", A_FILE, BY_STORE),
    World("trusted PEM", D, "{trusted}", "directory", A_FILE, BY_STORE),
    World("DER", D, "{der}", "directory", A_FILE, BY_STORE),
    World("broken PEM", D, "{broken}", "directory", A_FILE),
    World("comment", D, "{comment}", "empty", "is a file without a certificate"),
    World("empty file", D, "{empty}", "empty", "is a file without a certificate"),
    World("key", D, "{key}", "empty", "is a file without a certificate"),
    World("PEM, mode 000", D, "{ca 000}", "empty", DENIED, another_user=True),
    World("URI of a file", D, "file:{ca}", "directory", A_URI, BY_STORE),
    World("URI with slashes", D, "file://{ca}", "directory", A_URI, BY_STORE),
    World("URI in upper case", D, "FILE:{ca}", "directory", A_URI, BY_STORE),
    World("URI of a directory", D, "file:{.0}", "directory", A_URI, True),
    World("URI of a stranger", D, "pkcs11:token=roots", "directory", A_URI),
    # SSL_CERT_DIR, a list
    World("list, the first", D, "{.0}:{missing}", "directory", f"{HASHED}, {GONE}", True),
    World("list, the second", D, "{missing}:{.0}", "directory", f"{GONE}, {HASHED}", True),
    World("list, the empty and the second", D, ":{.0}", "directory", f"is empty, {HASHED}", True),
    World("list, none", D, "{missing}:{nothing}", "empty", f"{GONE}, {UNHASHED}"),
    World("list of empty values", D, ":", "empty", "is empty, is empty"),
    World("no list: only a colon", D, "::", "directory", f"is empty, is empty, is empty, {RELATIVE}", BY_STORE),
    World("list, ten", D, "{missing}:{.10}", "directory", f"{GONE}, {HASHED}"),
    World("list, CRL's name", D, "{missing}:{.r0}", "empty", f"{GONE}, {UNHASHED}"),
    World("list, null device", D, "{missing}:/dev/null", "device", f"{GONE}, {AT_ITS_WORD}"),
    World("list, PEM first", D, "{ca}:{missing}", "empty", f"is a file, {GONE}"),
    World("list, PEM second", D, "{missing}:{ca}", "empty", f"{GONE}, is a file"),
    World("list, URI of a file", D, "{missing}:file:{ca}", "directory", f"{GONE}, {RELATIVE}, is a file"),
    World("list, URI of a directory", D, "{missing}:file:{.0}", "directory", f"{GONE}, {RELATIVE}, {HASHED}", True),
    World("no list: a colon in its name", D, "{a:/b}", "directory", f"{GONE}, {GONE}, {HASHED}", BY_STORE),
    World("no list: a colon in a file's name", D, "{a:/c}", "directory", f"{GONE}, {GONE}, {A_FILE}", BY_STORE),
    World("no list: a colon, and nothing in it", D, "{a:/d}", "empty", f"{GONE}, {GONE}"),
    World("no list: a semicolon", D, "{missing};{.0}", "empty", GONE),
    World("no list: a comma", D, "{missing},{.0}", "empty", GONE),
]

# Without us: what the original's load finds and whether a handshake succeeds; and what we say of the same world.
DRIVER = """
import json, os, re, ssl, traceback
from fallback_roots import _detect, _places

server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain("server.pem")

def verifies():
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_default_certs()
    bios = [(ssl.MemoryBIO(), ssl.MemoryBIO()) for _ in range(2)]
    ends = [client.wrap_bio(*bios[0], server_hostname="localhost"), server.wrap_bio(*bios[1], server_side=True)]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                assert error.reason == "CERTIFICATE_VERIFY_FAILED", error
                return False
            else:
                if end is ends[0]:
                    return True
        bios[1][0].write(bios[0][1].read())
        bios[0][0].write(bios[1][1].read())

def measure(world):
    os.environ.update({"SSL_CERT_FILE": paths["missing"], "SSL_CERT_DIR": paths["missing"]})
    os.environ[world["variable"]] = world["path"]
    verdict = _detect.judge(_detect.Facts(places=_places.places(os.environ, everything=False)))
    places = [place for place in _places.places(os.environ) if place.origin == world["variable"]]
    assert {place.kind for place in places} == {"directory" if world["variable"] == "SSL_CERT_DIR" else "file"}
    found = [place.why for place in places]
    tried = world["verifies"] is not None
    why = re.sub(r" \\(\\[.*\\(_ssl.c:\\d+\\)\\)", "", ", ".join(found))  # OpenSSL's own words differ
    return world["name"], [verdict.code, why, verifies() if tried else None]

def as_another_user(worlds):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if not os.geteuid():
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
            os.write(writing, json.dumps([measure(world) for world in worlds]).encode())
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        result = json.load(pipe)
    os.waitpid(child, 0)
    return result

_places.raised_privileges()  # remembers what a process that gives up its user id may not read any more
paths, worlds = json.load(open("worlds.json"))
result = [measure(world) for world in worlds if not world["another_user"]]
result += as_another_user([world for world in worlds if world["another_user"]])
print(json.dumps(dict(result)))
"""


@pytest.fixture(scope="module")
def shapes(ca: trustme.CA) -> Iterator[dict[str, str]]:
    """Every thing that a world names, made once, where another user can get at it; "" is the directory of them all."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        root.chmod(0o755)
        ca.cert_pem.write_to_path(str(root / "ca.pem"))
        ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(root / "server.pem"))
        yield {"root": directory, **{name: str(path) for name, path in _make(root).items()}}


def _make(root: Path) -> dict[str, Path]:
    ca = root / "ca.pem"

    def openssl(*args: str | Path) -> str:
        command = ["openssl", *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    name_hash = subject_hash(ca)

    def file(name: str, data: bytes | str, mode: int = 0o644) -> Path:
        (root / name).write_bytes(data.encode() if isinstance(data, str) else data)
        (root / name).chmod(mode)
        return root / name

    def directory(name: str, entry: str, target: Path = ca, mode: int = 0o755) -> Path:
        (root / name).mkdir()
        (root / name / entry).symlink_to(target)
        (root / name).chmod(mode)
        return root / name

    empty, crl = file("empty", ""), _crl()
    (root / "colon:").mkdir()
    made = {
        "missing": root / "missing",
        "ca": ca,
        "ca 000": file("000.pem", ca.read_bytes(), 0o000),
        "empty": empty,
        "comment": file("comment", "# no certificate here\n"),
        "key": file("key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        "broken": file("broken", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
        "trusted": file("trusted", openssl("x509", "-trustout", "-in", ca)),
        "der": file("der", ssl.PEM_cert_to_DER_cert(ca.read_text())),
        "crl": file("crl", crl),
        "crl and word": file("crl and word", "# -----BEGIN CERTIFICATE-----\n" + crl),
        "dangling": root / "dangling",
        "loop": root / "loop",
        "fifo": root / "fifo",
        "socket": root / "socket",
        "odd": file("odd \n'\"\\ é\udcff", ca.read_bytes()) if sys.platform == "linux" else ca,
        "nothing": root / "nothing",
        "ca.pem": directory("unhashed", "ca.pem"),
        "a:/b": directory("colon:/b", f"{name_hash}.0"),
        "a:/c": file("colon:/c", ca.read_bytes()),
        "a:/d": directory("colon:/d", "ca.pem"),
        "link": root / "link",
        "odd directory": directory("odd \t\r$HOME %s {} é\udcfe", f"{name_hash}.0"),
        "other": directory("other", "00000000.0"),
        "upper": directory("upper", f"{name_hash.upper()}.0"),
        "nine": directory("nine", f"{name_hash}0.0"),
        "seven": directory("seven", f"{name_hash[1:]}.0"),
        ".r0 of a CRL": directory("r0 of a CRL", f"{name_hash}.r0", root / "crl"),
        ".r0 of DER": directory("r0 of DER", f"{name_hash}.r0", root / "der"),
        ".0 of DER": directory("0 of DER", f"{name_hash}.0", root / "der"),
        ".0 of nothing": directory("0 of nothing", f"{name_hash}.0", empty),
        ".0 dangling": directory("0 dangling", f"{name_hash}.0", root / "missing"),
        ".0 directory": directory("0 directory", f"{name_hash}.0", root),
        ".0 device": directory("0 device", f"{name_hash}.0", Path(os.devnull)),
        ".0 FIFO": directory("0 FIFO", f"{name_hash}.0", root / "fifo"),
        ".0 000": directory("0 000", f"{name_hash}.0", root / "000.pem"),
        "directory 000": directory("000", f"{name_hash}.0", mode=0o000),
        "directory 111": directory("111", f"{name_hash}.0", mode=0o111),
        "directory 444": directory("444", f"{name_hash}.0", mode=0o444),
    }
    for end in ("", ".", ".0", ".10", ".01", ".99999999999999999999", ".x0", ".0.bak", ".0\n", ".r0"):
        made[end] = directory(f"hashed{end}", name_hash + end)
    made["nothing"].mkdir()
    (root / "::").symlink_to(made[".0"])
    made["link"].symlink_to(made[".0"])
    made["dangling"].symlink_to(made["missing"])
    made["loop"].symlink_to(made["loop"])
    os.mkfifo(made["fifo"])
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(made["socket"]))
    return made


def _crl() -> str:
    now = datetime.datetime(2020, 1, 1)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "fallback-roots tests")])
    builder = x509.CertificateRevocationListBuilder().issuer_name(name).last_update(now).next_update(now.replace(year=2040))
    crl = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return crl.public_bytes(serialization.Encoding.PEM).decode()


def filled(value: str, shapes: Mapping[str, str]) -> str:
    """`value` with the shapes' paths in the place of their names in braces."""
    return re.sub(r"\{([^}]*)\}", lambda match: shapes[match[1]], value)


@pytest.fixture(scope="module")
def measured(shapes: dict[str, str]) -> dict[str, list[Any]]:
    """For each world's name the verdict's code, why each place is what it is, and whether a handshake without us succeeds."""
    worlds = [{**world._asdict(), "path": filled(world.value, shapes)} for world in WORLDS]
    root = Path(shapes["root"])
    (root / "worlds.json").write_text(json.dumps([shapes, worlds]))
    done = python("-c", DRIVER, env={"FALLBACK_ROOTS_DISABLE": "1", "PYTHONUTF8": "1"}, cwd=root)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    result: dict[str, list[Any]] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_a_world(world: World, measured: dict[str, list[Any]]) -> None:
    """The verdict and its reason are what the table says, and so is what OpenSSL does there."""
    by_store = measured["PEM"][2]
    assert by_store or ssl.OPENSSL_VERSION_INFO >= (3, 1)
    assert measured[world.name] == [world.code, world.why, by_store if world.verifies == BY_STORE else world.verifies]


def test_whatever_verifies_without_us_is_not_empty(measured: dict[str, list[Any]]) -> None:
    """Where OpenSSL verifies by itself, no verdict says that it found nothing."""
    assert [name for name, (code, _, verifies) in measured.items() if verifies and code == "empty"] == []
    assert sum(verifies is True for _, _, verifies in measured.values()) >= 15  # the handshakes do work


OF_THE_MOMENT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EAGAIN, errno.EINTR, errno.ESTALE)


def make_fail(monkeypatch: pytest.MonkeyPatch, name: str, path: str, number: int) -> None:
    """Let ``os.<name>`` of this one path fail."""
    original = getattr(os, name)

    def failing(given: Any, *args: Any, **kwargs: Any) -> Any:
        if given == path:
            raise OSError(number, os.strerror(number), given)
        return original(given, *args, **kwargs)

    monkeypatch.setattr(os, name, failing)


@pytest.mark.parametrize("number", OF_THE_MOMENT, ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize("call", ["stat", "scandir", "open of an entry", "stat of an entry", "open"])
def test_a_directory_that_cannot_be_looked_at_is_in_effect(
    call: str, number: int, shapes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that says nothing about what OpenSSL will find later leaves a place of SSL_CERT_DIR in effect."""
    path = shapes["ca" if call == "open" else ".0"]
    (entry,) = Path(shapes[".0"]).iterdir()
    make_fail(monkeypatch, call.split()[0], str(entry) if "entry" in call else path, number)
    (place,) = [place for place in _places.places({F: shapes["missing"], D: path}) if place.origin == D]
    assert (place.state, place.why) == ("in effect", f"cannot be looked at ({os.strerror(number)})")


@pytest.mark.parametrize("number", OF_THE_MOMENT, ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize("call", ["stat", "open"])
def test_a_file_that_cannot_be_looked_at_is_in_effect(
    call: str, number: int, shapes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does such an error with the file of SSL_CERT_FILE."""
    make_fail(monkeypatch, call, shapes["empty"], number)
    (place,) = [place for place in _places.places({F: shapes["empty"], D: ""}) if place.origin == F]
    assert (place.state, place.why) == ("in effect", f"cannot be looked at ({os.strerror(number)})")


CERTAINLY_NOTHING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM)


@pytest.mark.parametrize("number", CERTAINLY_NOTHING, ids=lambda number: errno.errorcode[number])
def test_what_openssl_cannot_read_either_is_nothing(
    number: int, shapes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that OpenSSL meets as surely as we do is nothing, for either variable."""
    make_fail(monkeypatch, "stat", shapes[".0"], number)
    places = _places.places({F: shapes[".0"], D: shapes[".0"]})
    assert {(place.state, place.why) for place in places} == {("nothing", f"cannot be read ({os.strerror(number)})")}


@pytest.mark.parametrize("path", ["/a\0b", "/\ud800"], ids=["NUL", "lone surrogate"])
@pytest.mark.parametrize("variable", [F, D])
def test_a_path_that_no_file_can_have_is_nothing(variable: str, path: str) -> None:
    """What cannot be a path yields nothing."""
    (place,) = [place for place in _places.places({F: "", D: "", variable: path}) if place.origin == variable]
    assert (place.state, place.why.split("(")[0]) == ("nothing", "cannot be read ")
    assert "(None)" not in place.why


def test_a_file_that_is_too_large_is_in_effect_unread(shapes: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A file behind SSL_CERT_DIR is read up to a bound, and one beyond it may hold certificates."""
    size = Path(shapes["comment"]).stat().st_size
    for bound, state in ((size, "nothing"), (size - 1, "in effect")):
        monkeypatch.setattr(_places, "LARGEST_BUNDLE", bound)
        assert _places.directory(D, shapes["comment"]).state == state


@pytest.mark.parametrize(
    ("number", "count"),
    [(errno.EACCES, 0), (errno.EPERM, 0), (errno.ENOENT, None), (None, None)],
    ids=["not searched", "not permitted", "searched", "searched and found"],
)
def test_hashed_entries_of_what_cannot_be_listed(
    number: int | None, count: int | None, shapes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that may not be listed has no entry if it may not be searched either, and an unknown number if it may."""
    make_fail(monkeypatch, "scandir", shapes["other"], errno.EACCES)
    if number is not None:
        make_fail(monkeypatch, "stat", f"{shapes['other']}/00000000.0", number)
    assert _places.hashed_entries(shapes["other"]) == count
    assert _places.directory(D, shapes["other"]).state == ("in effect" if count is None else "nothing")


def test_hashed_entries_counts_up_to_enough(tmp_path: Path) -> None:
    """The number of hashed names that lead to a file, no further than is asked for; a CRL's name counts only alone."""
    for name in ("00000000.0", "00000000.1", "ABCDEF01.r0", "00000000.0.bak", "x"):
        (tmp_path / name).write_text("-----BEGIN CERTIFICATE-----")
    assert _places.hashed_entries(str(tmp_path)) == 2
    assert _places.hashed_entries(str(tmp_path), alone=True) == 3
    assert _places.hashed_entries(str(tmp_path), enough=1) == 1


@pytest.mark.parametrize("name", [".0", "nothing", ".r0", "ca", "comment", ".0 dangling"])
def test_looking_leaves_no_descriptor_open(name: str, shapes: dict[str, str]) -> None:
    """Everything that is opened is closed again."""
    descriptors = len([*Path("/dev/fd").iterdir()])
    _places.places({F: shapes["comment"], D: shapes[name]})
    assert len([*Path("/dev/fd").iterdir()]) == descriptors


COMPILED_IN = (F, "/compiled-in/cert.pem", D, "/compiled-in/certs")
CERTAIN = ("OpenSSL 1.1.1", "OpenSSL 3.0.19 27 Jan 2026")
UNCERTAIN = ("LibreSSL 3.3.6", "BoringSSL", "AWS-LC 1.52.0", "OpenSSLish")


def looked_at(environ: dict[str, str], everything: bool = True) -> list[tuple[str, str]]:
    return [(place.origin, place.path) for place in _places.places(environ, everything)]


@pytest.fixture
def openssl(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Gives `_places` an OpenSSL of another version, and a process with raised privileges, or one that cannot know."""

    def set_up(version: str = CERTAIN[-1], raised: "bool | OSError" = False) -> None:
        def raised_privileges() -> bool:
            if isinstance(raised, OSError):
                raise raised
            return raised

        monkeypatch.setattr(_ssl, "get_default_verify_paths", lambda: COMPILED_IN)
        monkeypatch.setattr(_ssl, "OPENSSL_VERSION", version)
        monkeypatch.setattr(_places, "raised_privileges", raised_privileges)

    return set_up


VARIABLES = {
    "neither": ({}, [("compiled-in", COMPILED_IN[1]), ("compiled-in", COMPILED_IN[3])]),
    "file": ({F: "/f"}, [(F, "/f"), ("compiled-in", COMPILED_IN[3])]),
    "directory": ({D: "/d"}, [("compiled-in", COMPILED_IN[1]), (D, "/d")]),
    "both": ({F: "/f", D: "/d"}, [(F, "/f"), (D, "/d")]),
    "empty values": ({F: "", D: ""}, [(F, ""), (D, "")]),
    "a list": ({F: "/f", D: "/d:/e"}, [(F, "/f"), (D, "/d"), (D, "/e")]),
}


@pytest.mark.parametrize("version", CERTAIN)
@pytest.mark.parametrize(("environ", "expected"), VARIABLES.values(), ids=VARIABLES)
def test_a_variable_takes_the_place_of_what_is_compiled_in(
    version: str, environ: dict[str, str], expected: list[tuple[str, str]], openssl: Callable[..., None]
) -> None:
    """A variable counts when it is set, even to nothing, and the compiled-in place when it is not."""
    openssl(version)
    assert looked_at(environ) == expected


@pytest.mark.parametrize(
    "world",
    [
        *({"version": version} for version in UNCERTAIN),
        {"raised": True},
        {"raised": PermissionError(errno.EACCES, "no")},
        {"raised": OSError(errno.EMFILE, "no")},
    ],
    ids=str,
)
def test_where_the_variables_may_be_ignored_both_places_count(world: dict[str, Any], openssl: Callable[..., None]) -> None:
    """With raised privileges, or another library than OpenSSL, the variable and the compiled-in place are looked at."""
    openssl(**world)
    assert looked_at({F: "/f", D: "/d"}) == [
        (F, "/f"),
        ("compiled-in", COMPILED_IN[1]),
        (D, "/d"),
        ("compiled-in", COMPILED_IN[3]),
    ]


def test_the_first_place_that_yields_something_is_enough(shapes: dict[str, str]) -> None:
    """For a verdict directories are looked at before files, and nothing behind the first place in effect."""
    environ = {F: shapes["ca"], D: shapes[".0"]}
    assert looked_at(environ) == [(F, shapes["ca"]), (D, shapes[".0"])]
    assert looked_at(environ, everything=False) == [(D, shapes[".0"])]
    assert looked_at({**environ, D: shapes["nothing"]}, everything=False) == [(D, shapes["nothing"]), (F, shapes["ca"])]


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        *((OSError(number, "no"), True) for number in OF_THE_MOMENT if number != errno.ESTALE),
        *((OSError(number, "no"), False) for number in (errno.ENOENT, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG)),
        (MemoryError(), True),
        (ValueError("embedded null byte"), False),
    ],
    ids=repr,
)
def test_what_may_pass(error: Exception, passes: bool) -> None:
    """No descriptor, no memory and a disk's hiccup are of the moment; what is wrong with a path or its file is not."""
    assert _places.may_pass(error) is passes


def test_a_place_shows_itself() -> None:
    """The repr of a place says all that is known of it."""
    place = _places.Place("file", F, "/f", "nothing", GONE)
    assert repr(place) == f"Place('file', 'SSL_CERT_FILE', '/f', 'nothing', {GONE!r})"


class Auxv:
    """Stands in the place of ``open`` for /proc/self/auxv: the kernel's AT_SECURE, or an error."""

    def __init__(self, said: int | OSError) -> None:
        self.said = said
        self.opened = 0

    def __call__(self, path: str, mode: str) -> io.BytesIO:
        assert (path, mode) == ("/proc/self/auxv", "rb")
        self.opened += 1
        if isinstance(self.said, OSError):
            raise self.said
        size = 8 if sys.maxsize > 2**32 else 4
        return io.BytesIO(b"".join(number.to_bytes(size, sys.byteorder) for number in (6, 4096, 23, self.said, 0, 0)))


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int | OSError], Auxv]]:
    """Lets the kernel say something else about AT_SECURE."""

    def says(said: int | OSError) -> Auxv:
        _places._at_secure.cache_clear()
        auxv = Auxv(said)
        monkeypatch.setattr(_places, "_io", types.SimpleNamespace(open=auxv))
        return auxv

    yield says
    _places._at_secure.cache_clear()


UNKNOWN = [FileNotFoundError(errno.ENOENT, "no"), PermissionError(errno.EACCES, "no")]
linux = pytest.mark.skipif(sys.platform != "linux", reason="AT_SECURE is Linux's")


@linux
@pytest.mark.parametrize(("said", "raised"), [(0, False), (1, True), *((error, False) for error in UNKNOWN)], ids=str)
def test_raised_privileges_by_the_kernels_word(
    said: int | OSError, raised: bool, kernel: Callable[[int | OSError], Auxv]
) -> None:
    """AT_SECURE tells of raised privileges; where there is no /proc, or it may not be read any more, libc tells."""
    kernel(said)
    assert _places.raised_privileges() is raised


@linux
def test_the_kernels_word_is_remembered_and_an_error_is_not(
    kernel: Callable[[int | OSError], Auxv], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel is asked once in the life of a process, and again only where it could not be heard."""
    monkeypatch.setitem(sys.modules, "ctypes", None)
    deaf = kernel(0)
    for error in UNKNOWN:
        deaf.said = error
        with pytest.raises(type(error)):
            _places.raised_privileges()
    assert deaf.opened == 2
    deaf.said = 0
    assert [_places.raised_privileges() for _ in range(2)] == [False, False]
    assert deaf.opened == 3


@linux
@pytest.mark.parametrize("said", [0, 1])
def test_libc_has_the_kernels_word(said: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """libc's answer counts, and where it has none the error is the one before."""
    error = FileNotFoundError(errno.ENOENT, "no")
    assert _places._at_secure_by_libc(error) is False  # as these tests are run
    call = type("Call", (), {"__call__": lambda _, number: said if number == 23 else 7})  # with attributes, as ctypes' own
    libc = types.SimpleNamespace(getauxval=call())
    monkeypatch.setattr("ctypes.CDLL", lambda _: libc)
    assert _places._at_secure_by_libc(error) is bool(said)
    monkeypatch.setattr("ctypes.CDLL", lambda _: types.SimpleNamespace())
    with pytest.raises(FileNotFoundError):
        _places._at_secure_by_libc(error)


@pytest.mark.parametrize("name", ["geteuid", "getegid"])
@pytest.mark.parametrize(("platform", "raised"), [("linux", False), ("darwin", True)])
def test_raised_privileges_by_ids(name: str, platform: str, raised: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real and an effective id that differ are raised privileges where there is no word of the kernel's.

    On Linux a server that takes another user's id for a moment has not been started by another one.
    """
    monkeypatch.setattr(_places, "_at_secure", lambda: False)
    monkeypatch.setattr(sys, "platform", platform)
    real = getattr(os, name)()
    monkeypatch.setattr(os, name, lambda: real + 1)
    assert _places.raised_privileges() is raised


def test_a_system_without_user_ids_raises_no_privileges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has none."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(os, "getuid")
    assert _places.raised_privileges() is False


SET_USER_ID = """
import os, ssl
from fallback_roots import _places

context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.load_default_certs()
os.setresuid(0, 0, 0)  # now no id tells
print("fallback-roots tests" in str(context.get_ca_certs()), _places.raised_privileges())
print([place.origin for place in _places.places(os.environ)])
"""


@needs_root
def test_a_set_user_id_process(shapes: dict[str, str]) -> None:
    """OpenSSL ignores both variables in a set-user-ID process, so there the compiled-in places count as well."""
    with tempfile.TemporaryDirectory() as directory:
        if os.statvfs(directory).f_flag & os.ST_NOSUID:
            pytest.skip(f"{directory} is on a file system that knows no set-user-ID")
        Path(directory).chmod(0o755)
        copy = Path(directory, "python")
        shutil.copy(Path(sys.executable).resolve(), copy)
        copy.chmod(0o4755)
        done = subprocess.run(
            [copy, "-c", SET_USER_ID],
            user=65534,
            group=65534,
            extra_groups=[],
            cwd="/",
            env={
                "PYTHONHOME": sys.base_prefix,
                "PYTHONPATH": str(ROOT / "src"),
                "PYTHONDONTWRITEBYTECODE": "1",
                F: shapes["ca"],
                D: shapes[".0"],
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stdout.splitlines() == ["False True", str([F, "compiled-in", D, "compiled-in"])], done.stderr


def test_an_empty_value_is_a_directory_that_is_empty() -> None:
    """The place of an empty SSL_CERT_DIR is a directory without a path."""
    (place,) = [place for place in _places.places({F: "", D: ""}) if place.origin == D]
    assert (place.kind, place.path, place.state) == ("directory", "", _places.NOTHING)


def test_a_disks_hiccup_over_a_value_with_a_colon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path of which nothing can be known is in effect, also where it is the whole of what looks like a list."""
    real = os.stat

    def stat(path: str, *args: object, **kwargs: object) -> os.stat_result:
        if path == "/no/a:/no/b":
            raise OSError(errno.EIO, "hiccup")
        return real(path, *args, **kwargs)  # type: ignore[arg-type]  # as they come

    monkeypatch.setattr(os, "stat", stat)
    found = [place for place in _places.places({F: "", D: "/no/a:/no/b"}) if place.state != _places.NOTHING]
    assert [(place.path, place.why) for place in found] == [("/no/a:/no/b", "cannot be looked at (hiccup)")]


def test_an_interrupt_while_libc_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while ctypes is asked for what cannot be read goes to the program."""

    class Interrupted(types.ModuleType):
        def __getattr__(self, _: str) -> None:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "ctypes", Interrupted("ctypes"))
    with pytest.raises(KeyboardInterrupt):
        _places._at_secure_by_libc(PermissionError())


def test_a_time_limit_while_libc_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a signal's handler raises then goes to the program, too."""

    def limit(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGUSR1, limit)
    try:
        monkeypatch.setattr("ctypes.CDLL", lambda _: signal.raise_signal(signal.SIGUSR1))
        with pytest.raises(TimeoutError):
            _places._at_secure_by_libc(PermissionError())
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_disks_hiccup_over_a_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that cannot be looked at for now is a directory in effect."""
    make_fail(monkeypatch, "stat", "/no/a", errno.EIO)
    (place,) = [place for place in _places.places({F: "", D: "/no/a"}) if place.origin == D]
    assert (place.kind, place.state) == ("directory", _places.IN_EFFECT)


def test_equal_ids_raise_no_privileges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no word of the kernel's, and real and effective ids are the same, there are none."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert _places.raised_privileges() is False
