"""Tier 4: where a default load looks and where roots are, as a person would describe it; imports ssl.

What lives here: the kinds of places and sources, and the operating system's bundles. What must not: judgements, and anything
that changes what it looks at.
"""

import _ssl
import datetime
import os
import ssl
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from .. import _lazy, _places, _sources, _system
from .._sources import Source
from ._certificates import iso, roots_shown, when

CERTIFICATE_SUFFIXES = (".pem", ".crt", ".cer")


class Seen(NamedTuple):
    """A place of the default load: where it comes from, what kind of thing is there, and what it yields.

    `what`: missing, empty (no path), file, directory, dangling link, device, uri or store. `state` and `why`: as those of
    a `_places.Place`. `certificates`: in a file or a store, or a directory's hashed names; None where it cannot be counted.
    """

    kind: str
    origin: str
    path: str
    what: str
    state: str
    why: str
    certificates: int | None = None

    @property
    def problem(self) -> str | None:
        """Why it yields nothing."""
        return None if self.state == _places.IN_EFFECT else self.why


class Bundle(NamedTuple):
    """Where an operating system keeps roots, whose place that is, and how many are there."""

    path: str
    system: str
    certificates: int | None


class Lazily(NamedTuple):
    """The `directory` by which roots are given, or `why` there is none; `doubt`: something is not as it should be."""

    directory: str | None
    why: str | None
    doubt: bool


class Roots(NamedTuple):
    """What is wrong with the roots of a source, as numbers."""

    expired: int = 0
    not_yet_valid: int = 0
    not_ca: int = 0
    unreadable: int = 0  # OpenSSL loads them, and cannot say what their names or times are


# ---------------------------------------------------------------- places and roots


def seen(place: _places.Place, found: int) -> Seen:
    """`place` as a person would describe it, after a default load that found so many certificates."""
    kind, origin, path, state, why = place.kind, place.origin, place.path, place.state, place.why
    what, certificates = _what(path), None
    try:
        if what == "directory" and kind == "directory":
            certificates = _places.hashed_entries(path)
        elif what == "file" and kind == "file":
            certificates = _certificates(path)
    except OSError:
        pass
    if what == "dangling link":
        why = f"is a link to {_target(path)}, which does not exist"
    elif kind == "directory" and what == "directory" and state == _places.NOTHING:
        unhashed = unhashed_files(path)
        if unhashed:
            why += f", but {unhashed} with certificates (openssl rehash makes the names)"
    elif kind == "file" and state == _places.IN_EFFECT and found:
        why = "holds certificates"  # `_places` describes what is left to say after a load that found nothing
    return Seen(kind, origin, path, what, state, why, certificates)


def stores() -> Iterator[Seen]:
    """The certificate stores of Windows that a default load reads."""
    for name in ("CA", "ROOT") if os.name == "nt" else ():
        number = len(ssl.enum_certificates(name))  # type: ignore[attr-defined,unused-ignore]  # Windows alone has it
        state, why = (_places.IN_EFFECT, "holds certificates") if number else (_places.NOTHING, "is empty")
        yield Seen("store", "windows", name, "store", state, why, number)


def _what(path: str) -> str:
    try:
        if not path:
            return "empty"
        if _places.URI.match(path):
            return "uri"
        if os.path.islink(path) and not os.path.exists(path):
            return "dangling link"
        if os.path.isdir(path):
            return "directory"
        if os.path.isfile(path):
            return "file"
        return "device" if os.path.lexists(path) else "missing"
    except ValueError:  # a NUL
        return "missing"


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return "a place that cannot be read"


def _certificates(path: str) -> int:
    context = _ssl._SSLContext(_ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(path)
    except _ssl.SSLError:
        return 0
    return int(context.cert_store_stats()["x509"])


def unhashed_files(path: str) -> int:
    """How many files in directory `path` look like certificates and have no hashed name."""
    try:
        return sum(name.endswith(CERTIFICATE_SUFFIXES) for name in os.listdir(path))
    except OSError:
        return 0


def system_bundles() -> Iterator[Bundle]:
    """The places where operating systems keep roots that hold some here; a file that others link to comes once."""
    known = set()
    for path, system in (*_system.BUNDLES, *_system.DIRECTORIES):
        real = os.path.realpath(path)
        if real in known or not os.path.exists(path):
            continue
        known.add(real)
        try:
            number = _places.hashed_entries(path) if os.path.isdir(path) else _certificates(path)
        except OSError:
            continue
        if number != 0:
            yield Bundle(path, system, number)


def roots_of(source: Source) -> Roots:
    """What is wrong with the roots that `source` gives; nothing is known of a directory's, which nobody has read."""
    if source.kind == "certifi":
        found = _sources.certifi()
    elif source.path is not None and os.path.isfile(source.path):
        found = _sources.bundle(source.kind, source.path)
    else:
        return Roots()
    context = _ssl._SSLContext(_ssl.PROTOCOL_TLS_CLIENT)
    _sources.load_one(context, found)
    now, stats = iso(time.time()), context.cert_store_stats()
    times = [(when(info.get("notBefore")), when(info.get("notAfter"))) for info in roots_shown(context)]
    known = [(before, after) for before, after in times if before is not None and after is not None]
    return Roots(
        sum(after < now for _, after in known),
        sum(before > now for before, _ in known),
        stats["x509"] - stats["x509_ca"],
        stats["x509_ca"] - len(known),
    )


def lazily(sources: tuple[Source, ...], cache: str | None) -> Lazily | None:
    """The hashed directory of the bundles among `sources`, if it is there; makes none. None where there is no bundle."""
    paths = {source: None if source.kind == "certifi" else source.path for source in sources if source.kind != "capath"}
    bundles = [_sources.Chosen(source.kind, path, True) for source, path in paths.items() if not os.path.isdir(path or "")]
    if not bundles:
        return None
    if any(source.problem for source in paths):
        return Lazily(None, "a bundle has a problem, and is loaded without what is wrong in it", False)
    try:
        return Lazily(_lazy.find(bundles, cache, None)[0], None, False)
    except Exception as error:  # whatever it is, the hook then loads the same roots at once
        return Lazily(None, f"{error}", getattr(error, "doubt", True))


def certifi_date() -> datetime.date | None:
    """The date that the version of certifi is, where it is imported."""
    try:
        year, month, day = (int(part) for part in sys.modules["certifi"].__version__.split(".")[:3])
        return datetime.date(year, month, day)
    except Exception:  # missing, damaged, or an operating system's with a version of its own
        return None
