"""Tier 3: where roots come from; imports certifi, and that only when it is chosen.

What lives here: certifi, a bundle (cafile), a hashed directory (capath), and the places where operating systems keep
theirs. What must not: the decision whether any of them may be loaded.
"""

import _ssl
import functools
import os
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _files, _places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._settings import Settings

# As OpenSSL has it (pem_lib.c): a line of its own from its first character on, so that what somebody has commented out or
# indented stays out; blanks behind it are nothing. The body is ASCII without a hyphen, so an unfinished block costs no second
# look. The hyphens come before what looks behind them: `re` searches for a literal beginning ten times as fast as for `^`.
HYPHENS = r"-----(?<![^\n]-----)"
BLANKS = r"[\x00-\t\x0b- ]*"
BEGIN = re.compile(rf"{HYPHENS}BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----{BLANKS}$", re.MULTILINE)
BLOCK = re.compile(
    rf"{HYPHENS}BEGIN (?P<label>(?:X509 )?CERTIFICATE)-----{BLANKS}\n"
    r"[\x00-,.-\x7f]*"
    rf"^-----END (?P=label)-----{BLANKS}$",
    re.MULTILINE,
)
TRUSTED = "-----BEGIN TRUSTED CERTIFICATE-----"

# Where operating systems keep their roots, most specific first, with who keeps them there. From Go's crypto/x509
# (root_linux.go, root_bsd.go, root_solaris.go, root_aix.go), openssl-probe's list, and what Fedora 44 has left.
SYSTEM_BUNDLES = (
    ("/etc/ssl/certs/ca-certificates.crt", "Debian, Ubuntu, Gentoo, Arch"),
    ("/etc/pki/tls/certs/ca-bundle.crt", "Fedora, RHEL 6"),
    ("/etc/ssl/ca-bundle.pem", "openSUSE"),
    ("/etc/pki/tls/cacert.pem", "OpenELEC"),
    ("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "CentOS, RHEL 7, Fedora 44"),
    ("/etc/ssl/cert.pem", "Alpine, OpenBSD, macOS"),
    ("/etc/pki/tls/cert.pem", "Fedora, RHEL"),
    ("/usr/local/etc/ssl/cert.pem", "FreeBSD"),
    ("/usr/local/share/certs/ca-root-nss.crt", "DragonFly, FreeBSD"),
    ("/etc/openssl/certs/ca-certificates.crt", "NetBSD"),
    ("/etc/certs/ca-certificates.crt", "Solaris 11.2"),
    ("/etc/ssl/certs/ca-bundle.crt", "NixOS"),
    ("/etc/ssl/certs/cacert.pem", "OmniOS"),
    ("/opt/etc/ssl/certs/ca-certificates.crt", "Entware"),
    ("/system/etc/security/cacerts.pem", "Android, Termux"),
    ("/var/ssl/certs/ca-bundle.crt", "AIX"),
)
SYSTEM_DIRECTORIES = (
    ("/etc/ssl/certs", "Debian, Ubuntu, Alpine, openSUSE"),
    ("/etc/pki/tls/certs", "Fedora, RHEL"),
    ("/system/etc/security/cacerts", "Android"),
    ("/etc/openssl/certs", "NetBSD"),
    ("/usr/share/certs/trusted", "FreeBSD"),
    ("/usr/local/share/certs", "FreeBSD"),
    ("/etc/certs/CA", "Solaris"),
    ("/usr/local/ssl/certs", "OpenSSL's own default"),
)


class Source(NamedTuple):
    """One source of roots and what came of it.

    `kind`: certifi, cafile, capath or system. `path`: where it is; None for a certifi that is in no file. `certificates`: how
    many it gave (for a directory the number of its hashed entries, None where it cannot be listed). `problem`: a sentence
    saying what is wrong with it, or None. A source may have a problem and yet give its good certificates.
    """

    kind: str
    path: str | None
    certificates: int | None
    problem: str | None = None


class Found(NamedTuple):
    """A source before it is loaded: the `text` of a bundle, or neither for a directory, or the `problem` with it."""

    kind: str
    path: str | None
    text: str | None = None
    problem: str | None = None


def load(context: Any, settings: "Settings") -> tuple[Source, ...]:
    """Load what `settings` choose into `context`: each source by itself, so that a broken one costs no other its roots."""
    values = settings.values
    if values["prefer_system"]:
        for found in system():
            source = load_one(context, found)
            if source.certificates != 0:
                return (source,)
    return load_all(context, list(named(values)))


def named(values: dict[str, Any]) -> "Iterator[Found]":
    """The sources that the settings' `values` name, in the order of the settings' table."""
    if values["cafile"]:
        yield bundle("cafile", values["cafile"])
    if values["capath"]:
        yield hashed_directory("capath", values["capath"])
    if values["certifi"]:
        yield certifi()


def certifi() -> Found:
    """certifi's roots, by the first way that works: they need not be in a file (zip, frozen and in-memory importers)."""
    try:
        import certifi as package
    except Exception as error:
        _reraise_if_it_may_pass(error)
        return Found("certifi", None, problem=f"certifi: cannot be imported ({type(error).__name__}: {error})")
    where = getattr(package, "__file__", None)
    reasons = []
    for way in (_contents, _where, _resource, _get_data):
        try:
            return Found("certifi", where, way(package))
        except Exception as error:
            _reraise_if_it_may_pass(error)
            reasons.append(f"{type(error).__name__}: {error}")
    problem = f"certifi: gives no roots ({reasons[0]})"
    if where is not None and "dist-packages" in where:
        problem += "; Debian's certifi reads the system's bundle, which apt-get install ca-certificates brings"
    return Found("certifi", where, problem=problem)


def _contents(package: Any) -> str:
    return package.contents()  # type: ignore[no-any-return]  # certifi has had it since 2018


def _where(package: Any) -> str:  # py2exe: the file is there, the resource is not
    with open(package.where(), encoding="latin-1") as file:
        return file.read()


def _resource(package: Any) -> str:
    reader = package.__loader__.get_resource_reader(package.__name__)
    with reader.open_resource("cacert.pem") as file:
        return file.read().decode("latin-1")  # type: ignore[no-any-return]  # whatever reader this is


def _get_data(package: Any) -> str:  # a loader that has nothing else
    data = package.__loader__.get_data(os.path.join(os.path.dirname(package.__file__), "cacert.pem"))
    return data.decode("latin-1")  # type: ignore[no-any-return]  # likewise


def bundle(kind: str, path: str) -> Found:
    """The text of the PEM file at `path`."""
    try:
        data, problem = _files.read(path, _places.LARGEST_BUNDLE)
    except (OSError, ValueError) as error:
        _reraise_if_it_may_pass(error)
        return Found(kind, path, problem=f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})")
    if problem:
        return Found(kind, path, problem=f"{path}: {problem} (expected a PEM bundle)")
    # OpenSSL skips a byte order mark, too; comments may be in any encoding.
    return Found(kind, path, data.removeprefix(b"\xef\xbb\xbf").decode("latin-1"))


def hashed_directory(kind: str, path: str) -> Found:
    """The OpenSSL hashed directory at `path`; what OpenSSL takes is a list, so the list's separator must not be in it."""
    if os.pathsep in path:
        return Found(kind, path, problem=f"{path}: contains {os.pathsep!r} (expected one directory)")
    place = _places.directory(kind, path, alone=False, special=False)
    if place.state != _places.IN_EFFECT:
        return Found(kind, path, problem=f"{path}: {place.why} (expected a hashed directory, as openssl rehash makes it)")
    return Found(kind, path)


def system() -> "Iterator[Found]":
    """Every bundle and hashed directory that an operating system is known to keep and that is there; broken ones, too."""
    for path, _ in SYSTEM_BUNDLES:
        if os.path.exists(path):
            yield bundle("system", path)
    for path, _ in SYSTEM_DIRECTORIES:
        if os.path.exists(path):
            yield hashed_directory("system", path)


def load_one(context: Any, found: Found) -> Source:
    """Load one source into `context`, a bundle's good certificates if it has bad ones."""
    return load_all(context, [found])[0]


def load_all(context: Any, founds: list[Found]) -> tuple[Source, ...]:
    """Load sources into `context` at one go, so that a fault of the moment leaves none of them in it.

    Raises the audit event ``fallback_roots.load`` (path or kind of the source, number of certificates in it) for each before.
    """
    counted = [_counted(found) for found in founds]
    for source, _ in counted:
        if source.certificates != 0:
            sys.audit("fallback_roots.load", source.path or source.kind, source.certificates)
    if not _load_into(context, counted):
        counted = [
            (source, blocks) if found.text is None else _sifted(found)
            for found, (source, blocks) in zip(founds, counted, strict=True)
        ]
        _load_into(context, counted)
    return tuple(source for source, _ in counted)


Counted = tuple[Source, list[str]]  # the list has the PEM blocks to load; a directory has none


def _counted(found: Found) -> Counted:
    """`found` with the number of certificates that it seems to have."""
    if found.problem:
        return Source(found.kind, found.path, 0, found.problem), []
    if found.text is None:
        return Source(found.kind, found.path, _places.hashed_entries(found.path or "")), []
    begun, blocks = _blocks(found.text)
    if len(blocks) != begun:
        return _sifted(found)
    if not blocks:
        problem = f"{found.path or found.kind}: holds no certificate (expected PEM: -----BEGIN CERTIFICATE-----)"
        return Source(found.kind, found.path, 0, problem), []
    return Source(found.kind, found.path, len(blocks)), blocks


@functools.lru_cache(maxsize=4)  # a process reads the same bundle for each of its contexts
def _blocks(text: str) -> tuple[int, list[str]]:
    """How many blocks `text` begins, and those that it ends, too."""
    return len(BEGIN.findall(text)), [block[0] for block in BLOCK.finditer(text)]


def _sifted(found: Found) -> Counted:
    """`found` with its good certificates, and the problem with the first of the bad ones."""
    kind, path, text = found.kind, found.path, found.text or ""
    scratch = _ssl._SSLContext(_ssl.PROTOCOL_TLS_CLIENT)
    blocks = {block.start(): block[0] for block in BLOCK.finditer(text)}
    good, bad, first = [], 0, ""
    for number, start in enumerate((match.start() for match in BEGIN.finditer(text)), 1):
        if start in blocks:
            refusal = _refusal(scratch, blocks[start])
        elif text.startswith(TRUSTED, start):
            refusal = "is a TRUSTED CERTIFICATE, whose restrictions Python cannot load"
        else:
            refusal = "is not whole"
        if refusal is None:
            good.append(blocks[start])
            continue
        bad += 1
        if bad == 1:
            first = f"number {number}, in line {text.count(chr(10), 0, start) + 1}, {refusal}"
    problem = f"{path or kind}: {bad} of {len(good) + bad} certificates cannot be loaded: {first}" if bad else None
    return Source(kind, path, len(good), problem), good


def _refusal(scratch: Any, pem: str) -> str | None:
    """Why OpenSSL does not take `pem`; None if it does."""
    try:
        scratch.load_verify_locations(cadata=pem)
    except _ssl.SSLError as error:
        return f"is refused by OpenSSL ({error.reason or error})"
    return None


_whole = ""  # what OpenSSL has last taken whole: a process loads the same again and again


def _load_into(context: Any, counted: list[Counted]) -> bool:
    """Load it all; False where OpenSSL has left something out: it stops at a bad block, with or without an error."""
    global _whole
    cadata = "\n".join(block for _, blocks in counted for block in blocks)
    capaths = [source.path for source, blocks in counted if not blocks and source.certificates != 0]
    if not cadata and not capaths:
        return True
    kind = _ssl._SSLContext  # the class's own methods: a subclass may do other things when the program names its roots
    known = cadata == _whole  # then it need not be counted, which makes OpenSSL parse each certificate's extensions
    before = 0 if known else kind.cert_store_stats(context)["x509"]
    try:
        kind.load_verify_locations(context, capath=capaths[0] if capaths else None, cadata=cadata or None)
    except _ssl.SSLError:
        return False
    if not known:
        # Less also where the context held some of them: looking at each once more is harmless then.
        distinct = {block for _, blocks in counted for block in blocks}
        if kind.cert_store_stats(context)["x509"] - before < len(distinct):
            return False
        _whole = cadata
    return True


def _reraise_if_it_may_pass(error: Exception) -> None:
    if _places.may_pass(error):
        raise error
