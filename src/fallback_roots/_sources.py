"""Tier 3: where roots come from; imports certifi by `_certifi`, and that only when it is chosen.

What lives here: certifi, a bundle (cafile) and a hashed directory (capath). What must not: the decision whether any of them
may be loaded, and where operating systems keep theirs, which `_system` knows.
"""

import _ssl
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _certifi, _files, _pem, _places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._settings import Settings


class Source(NamedTuple):
    """One source of roots and what came of it.

    `kind`: certifi, cafile, capath or system. `path`: where it is; None for a certifi that is in no file. `certificates`: how
    many it gave (for a directory the number of its hashed entries, None where it cannot be listed). `problem`: a sentence
    saying what is wrong with it, or None. A source may have a problem and yet give its good certificates. `directory`: for
    ``lazy``, the hashed directory that its roots were given by, or None. `note`: why they were not, though that was chosen;
    `doubt`: the same, where there is something that should not be so.
    """

    kind: str
    path: str | None
    certificates: int | None
    problem: str | None = None
    directory: str | None = None
    note: str | None = None
    doubt: str | None = None


class Chosen(NamedTuple):
    """A source before anybody has looked at it: a bundle or a hashed directory; certifi has no path."""

    kind: str
    path: str | None
    is_bundle: bool


class Found(NamedTuple):
    """A source before it is loaded: the `text` of a bundle, or neither for a directory, or the `problem` with it.

    Or, for ``lazy``, how many `certificates` it has, and the `directory` of the same.
    """

    kind: str
    path: str | None
    text: str | None = None
    problem: str | None = None
    certificates: int | None = None
    directory: str | None = None


def load(context: Any, settings: "Settings") -> tuple[Source, ...]:
    """Load what `settings` choose into `context`: each source by itself, so that a broken one costs no other its roots."""
    values = settings.values
    if values["prefer_system"]:
        from . import _system

        broken: tuple[Source, ...] = ()
        for path, is_bundle in _system.places():
            (source,) = _load(context, [Chosen("system", path, is_bundle)], values)
            if source.certificates != 0:
                return (*broken, source)
            broken += (source,) if is_bundle else ()  # a directory without certificates is nothing to speak of
        return broken + _load(context, list(chosen(values)), values)
    return _load(context, list(chosen(values)), values)


def _load(context: Any, sources: list[Chosen], values: dict[str, Any]) -> tuple[Source, ...]:
    bundles = [one for one in sources if one.is_bundle]
    if not values["lazy"] or not bundles:
        return load_all(context, [read(one) for one in sources])
    try:
        lazily, reason, in_doubt = _lazily(bundles, values["cache"]), "", None
    except Exception as error:  # whatever it is, the same roots can be loaded as they are without `lazy`
        _reraise_if_it_may_pass(error)
        in_doubt = getattr(error, "doubt", None)
        lazily, reason = {}, str(error) if in_doubt is not None else f"{type(error).__name__}: {error}"
    loaded = load_all(context, [lazily.get(one) or read(one) for one in sources])
    if not reason:
        return loaded
    why: dict[str, Any] = {"note" if in_doubt is False else "doubt": f"not lazily, since {reason}"}
    are_bundles = [one.is_bundle for one in sources]
    return tuple(source._replace(**why) if is_bundle else source for source, is_bundle in zip(loaded, are_bundles, strict=True))


def _lazily(bundles: list[Chosen], cache: str | None) -> dict[Chosen, Found]:
    """The `bundles`, as found in the hashed directory of all of them; raises `_manifest.NotLazyError`."""
    from . import _lazy, _manifest

    def blocks(files: tuple[str, ...]) -> list[list[str]]:
        founds = [read(one) for one in bundles]
        counted = [_counted(found) for found in founds]
        if not _load_into(_ssl._SSLContext(_ssl.PROTOCOL_TLS_CLIENT), counted) or any(source.problem for source, _ in counted):
            raise _manifest.NotLazyError
        for found, file in zip(founds, files, strict=True):
            if found.kind == "certifi" and found.text != bundle("certifi", file).text:
                raise _manifest.NotLazyError(f"certifi gives other roots than those in {file}")
        return [blocks for _, blocks in counted]

    directory, places = _lazy.find(bundles, cache, blocks)
    return {
        one: Found(one.kind, path, certificates=certificates, directory=directory)
        for one, (path, certificates) in zip(bundles, places, strict=True)
    }


def named(values: dict[str, Any]) -> "Iterator[Found]":
    """The sources that the settings' `values` name, as they are found."""
    return map(read, chosen(values))


def chosen(values: dict[str, Any]) -> "Iterator[Chosen]":
    """The sources that the settings' `values` name, in the order of the settings' table."""
    if values["cafile"]:
        yield Chosen("cafile", values["cafile"], is_bundle=True)
    if values["capath"]:
        yield Chosen("capath", values["capath"], is_bundle=False)
    if values["certifi"]:
        yield Chosen("certifi", None, is_bundle=True)


def read(one: Chosen) -> Found:
    """A source as it is found now."""
    if one.path is None:
        return certifi()
    return bundle(one.kind, one.path) if one.is_bundle else hashed_directory(one.kind, one.path)


def certifi() -> Found:
    """certifi's roots, by the first way that works: they need not be in a file (zip, frozen and in-memory importers)."""
    return Found("certifi", *_certifi.read())


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
    if _places.is_lost_on_openssl(path):
        return Found(kind, path, problem=f"{path}: OpenSSL on Windows does not find it (expected a path in ASCII)")
    place = _places.directory(kind, path, alone=False, special=False)
    if place.state != _places.IN_EFFECT:
        return Found(kind, path, problem=f"{path}: {place.why} (expected a hashed directory, as openssl rehash makes it)")
    return Found(kind, path)


def load_one(context: Any, found: Found) -> Source:
    """Load one source into `context`, a bundle's good certificates if it has bad ones."""
    return load_all(context, [found])[0]


def load_all(context: Any, founds: list[Found]) -> tuple[Source, ...]:
    """Load sources into `context` at one go, so that a fault of the moment leaves none of them in it, or without memory a part.

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
    if found.directory:
        return Source(found.kind, found.path, found.certificates, directory=found.directory), []
    if found.text is None:
        return Source(found.kind, found.path, _places.hashed_entries(str(found.path))), []
    begun, blocks = _pem.blocks(found.text)
    if len(blocks) != begun:
        return _sifted(found)
    if not blocks:
        problem = f"{found.path or found.kind}: holds no certificate (expected PEM: -----BEGIN CERTIFICATE-----)"
        return Source(found.kind, found.path, 0, problem), []
    return Source(found.kind, found.path, len(blocks)), blocks


def _sifted(found: Found) -> Counted:
    """`found` with its good certificates, and the problem with the first of the bad ones."""
    kind, path, text = found.kind, found.path, str(found.text)
    scratch = _ssl._SSLContext(_ssl.PROTOCOL_TLS_CLIENT)
    blocks = {block.start(): block[0] for block in _pem.BLOCK.finditer(text)}
    good, bad, first = [], 0, ""
    for number, start in enumerate((match.start() for match in _pem.BEGIN.finditer(text)), 1):
        if start in blocks:
            refusal = _refusal(scratch, blocks[start])
        elif text.startswith(_pem.TRUSTED, start):
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
    listed = [source for source, blocks in counted if not blocks and source.certificates != 0]
    # In a list, which OpenSSL takes, the first directory that knows a name is the last one asked. What would be in the store
    # without lazy is asked first then, so it comes first here, too.
    paths = [source.directory for source in listed] + [source.path for source in listed if not source.directory]
    capath = os.pathsep.join(path for path in dict.fromkeys(paths) if path)
    if not cadata and not capath:
        return True
    kind = _ssl._SSLContext  # the class's own methods: a subclass may do other things when the program names its roots
    # What is known need not be counted, which makes OpenSSL parse each certificate's extensions.
    before = None if cadata == _whole else kind.cert_store_stats(context)["x509"]
    try:
        kind.load_verify_locations(context, capath=capath or None, cadata=cadata or None)
    except _ssl.SSLError:
        return False
    if before is not None:
        # Less also where the context held some of them: looking at each once more is harmless then.
        distinct = {block for _, blocks in counted for block in blocks}
        if kind.cert_store_stats(context)["x509"] - before < len(distinct):
            return False
        _whole = cadata
    return True


def _reraise_if_it_may_pass(error: Exception) -> None:
    if _places.may_pass(error):
        raise error
