"""Tier 3: the hashed directory of ``lazy``; imports what ssl imports, hashlib for new bundles, `_rehash` to make one.

What lives here: how a directory of the very roots that would be loaded otherwise is found again without a look into the
bundles, and what must be true of it to be used. What must not: where roots come from, which `_sources` knows.

In the cache directory there is one directory for each content, named by the number of this format and a digest of the roots.
Manifests lead to it: one for the bundles' status, which costs no look into them, and one for their digests, which is still
true where an image was unpacked on another machine. Each is named by a checksum of what it is for. All of it appears under its
name whole, by a rename, so whoever comes at the same time, or dies in the middle, leaves something good or nothing.
"""

import os
import re
import stat
import time
import zlib
from typing import TYPE_CHECKING, NamedTuple

from . import _files, _is_the_programs, _places

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._sources import Chosen

    Blocks = Callable[[tuple[str, ...]], list[list[str]]]

FORMAT = "1"
HEAD, END = "fallback-roots lazy", "end"
NAME = re.compile(rf"{FORMAT}-[0-9a-f]{{32}}\Z")
LARGEST_MANIFEST = 1024 * 1024  # bytes; each root takes 11
DAY = 24 * 60 * 60.0  # seconds
KEPT = 30 * DAY  # what nobody has used for so long is removed when something is made


class NotLazyError(Exception):
    """Why the roots cannot be given lazily; without a text where the eager way will say it.

    `doubt`: there is something that should not be so, and not just no place for a directory.
    """

    def __init__(self, reason: str = "", doubt: bool = False) -> None:
        super().__init__(reason)
        self.doubt = doubt


class Manifest(NamedTuple):
    """What a manifest says: the `directory`'s name, how many certificates each bundle has, and the `names` in it."""

    directory: str
    counts: tuple[int, ...]
    names: frozenset[str]


Keys = tuple[tuple[object, ...], ...]  # what a manifest is for: a `State` or a `Content` for each bundle


class State(NamedTuple):
    """A bundle as it is now: `path` is what people are told (certifi's package), `file` is where the certificates are."""

    kind: str
    path: str
    file: str
    size: int
    mtime: int  # nanoseconds, as is the next
    ctime: int
    inode: int
    device: int


class Content(NamedTuple):
    """A bundle by what is in it: `sha256` of the file in hex digits."""

    kind: str
    path: str
    file: str
    sha256: str


class Known(NamedTuple):
    """What this process has found: the cache directory, its manifest, and the directory's status when it was checked."""

    cache: str
    manifest: Manifest
    status: tuple[int, ...]
    used: float  # seconds since the epoch, as the manifest's file says it


_known: dict[tuple[str | None, tuple[State, ...]], Known] = {}  # by the cache directory that is set, and the bundles


def find(bundles: "list[Chosen]", cache: str | None, blocks: "Blocks | None") -> "tuple[str, list[tuple[str, int]]]":
    """The hashed directory of all that is in `bundles`, made where there is none, and of each bundle its place and how many
    certificates it has.

    `cache`: the directory for it, None for the user's. `blocks`: what gives the PEM blocks of each bundle, out of the files
    that it is given; None to look only, and make nothing. Raises `NotLazyError`.
    """
    try:
        states = tuple(map(_state, bundles))
        known = _known.get((cache, states))
        if known is None or not _is_as_it_was(known):
            known = _look(cache, bundles, states, blocks)
        elif time.time() - known.used > DAY:
            known = known._replace(used=_touch(known.cache, states))
            _known[cache, states] = known
    except OSError as error:
        if _is_the_programs(error):
            raise
        raise NotLazyError(f"{error.filename or 'its directory'}: {error.strerror or error}") from error
    counts = known.manifest.counts
    return os.path.join(known.cache, known.manifest.directory), [
        (state.path, n) for state, n in zip(states, counts, strict=True)
    ]


def _look(cache: str | None, bundles: "list[Chosen]", states: tuple[State, ...], blocks: "Blocks | None") -> Known:
    root = directory(cache)
    manifest = read(root, states)
    if manifest is None and blocks is None:
        manifest = read(root, tuple(map(_content, states)))
    elif manifest is None and blocks is not None:
        manifest = _look_closely(root, bundles, states, blocks)
    if manifest is None:
        raise NotLazyError("the directory is not there yet; the first default load that needs it makes it")
    status = check(root, manifest)
    _known.clear()  # a bundle has changed; there is no more than one choice in a process
    known = _known[cache, states] = Known(root, manifest, status, _touch(root, states) if blocks else time.time())
    return known


def _look_closely(root: str, bundles: "list[Chosen]", states: tuple[State, ...], blocks: "Blocks") -> Manifest:
    """The manifest for what is in the bundles, and another one for their `states`, so that the next look need not be close."""
    from . import _rehash

    contents = tuple(map(_content, states))
    manifest = read(root, contents)
    made = blocks(tuple(state.file for state in states)) if manifest is None else None
    for one, state in zip(bundles, states, strict=True):
        if _state(one) != state:
            raise NotLazyError(f"{state.file} has changed while it was read")
    if made is not None:
        manifest = _rehash.make(root, contents, made)
    assert manifest is not None  # for type checkers
    try:
        _rehash.write_manifest(root, states, manifest)
    except OSError as error:  # prepared by somebody else, for whoever may not write there
        if _is_the_programs(error):
            raise
    return manifest


def _content(state: State) -> Content:
    import hashlib

    data, problem = _files.read(state.file, _places.LARGEST_BUNDLE)
    if problem:
        raise NotLazyError
    return Content(state.kind, state.path, state.file, hashlib.sha256(data, usedforsecurity=False).hexdigest())


def directory(cache: str | None) -> str:
    """The cache directory; whether it is there does not matter."""
    try:
        raised = _places.raised_privileges()
    except OSError as error:
        if _is_the_programs(error):
            raise
        raised = True
    if raised:
        raise NotLazyError("the process has raised privileges")
    if cache is None:
        from . import _settings

        cache = _settings.user_cache()
        if cache is None:
            raise NotLazyError("there is no home directory")
    if os.pathsep in cache:
        raise NotLazyError(f"{cache}: contains {os.pathsep!r}, which parts directories for OpenSSL")
    return cache


def _state(one: "Chosen") -> State:
    path, file = one.path, one.path
    if one.kind == "certifi":
        from . import _certifi

        path, file = _certifi.file()
    if path is None or file is None:
        raise NotLazyError(f"{one.kind} is not in a file")
    status = os.stat(file)
    if not stat.S_ISREG(status.st_mode):
        raise NotLazyError()
    return State(one.kind, path, file, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)


def _is_as_it_was(known: Known) -> bool:
    try:
        return _status(os.path.join(known.cache, known.manifest.directory)) == known.status
    except FileNotFoundError:
        return False


def _status(path: str) -> tuple[int, ...]:
    """What changes when somebody makes, removes or replaces something in the directory at `path`, or the directory."""
    status = os.lstat(path)
    return status.st_ino, status.st_dev, status.st_mtime_ns, status.st_mode, status.st_uid


def check(root: str, manifest: Manifest) -> tuple[int, ...]:
    """The status of the directory that `manifest` names, if it may be used: whoever may write to it decides whom to trust."""
    path = os.path.join(root, manifest.directory)
    state, status = _status(path), os.lstat(path)
    problem = None if stat.S_ISDIR(status.st_mode) else "is not a directory"
    if problem is None and hasattr(os, "getuid"):
        problem = _files.distrust(status, path)
        if problem is None and (above := _files.distrust(os.stat(root), root)):  # who could put another directory of ours here
            path, problem = root, above
    if problem is None and frozenset(os.listdir(path)) != manifest.names:
        problem = "does not hold what its manifest names"
    if problem is not None:
        raise NotLazyError(f"{path}: {problem}", doubt=True)
    return state


# ---------------------------------------------------------------- the manifest


def manifest_path(root: str, keys: Keys) -> str:
    """Where the manifest for these `keys` is. A checksum will do: what it stands for is in the manifest, too."""
    return os.path.join(root, f"{FORMAT}-{zlib.crc32(ascii(keys).encode()):08x}.manifest")


def written(keys: Keys, manifest: Manifest) -> str:
    """The text of a manifest."""
    bundles = [f"{count} {tuple(key)!a}" for count, key in zip(manifest.counts, keys, strict=True)]
    return "\n".join([f"{HEAD} {FORMAT}", manifest.directory, *bundles, " ".join(sorted(manifest.names)), END, ""])


def read(root: str, keys: Keys) -> Manifest | None:
    """The manifest for these `keys`; None if there is none, or no directory to it."""
    path = manifest_path(root, keys)
    try:
        data, problem = _files.read(path, LARGEST_MANIFEST, found=True)
    except FileNotFoundError:
        return None
    if problem:
        raise NotLazyError(f"{path}: {problem}", doubt=True)
    try:
        head, name, *bundles, names, end, rest = data.decode("ascii").split("\n")
        counts, shown = zip(*(bundle.split(" ", 1) for bundle in bundles), strict=True)
        manifest = Manifest(name, tuple(map(int, counts)), frozenset(names.split(" ")))
        if (head, end, rest) != (f"{HEAD} {FORMAT}", END, "") or not NAME.match(name):
            raise ValueError
    except ValueError:
        raise NotLazyError(f"{path}: is not a manifest", doubt=True) from None
    if shown != tuple(ascii(tuple(key)) for key in keys) or not os.path.lexists(os.path.join(root, name)):
        return None  # of other bundles with the same checksum; or somebody has removed the directory
    return manifest


def _touch(root: str, states: tuple[State, ...]) -> float:
    """Keep the manifest from being removed while it is in use; returns when that was last said."""
    path, now = manifest_path(root, states), time.time()
    try:
        if now - os.stat(path).st_mtime > DAY:
            os.utime(path)
    except OSError as error:  # somebody else's, or on a read-only file system: then nobody removes it either
        if _is_the_programs(error):
            raise
    return now
