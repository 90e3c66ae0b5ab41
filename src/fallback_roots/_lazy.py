"""Tier 3: the hashed directory of ``lazy``; imports what ssl imports, hashlib for new bundles, `_rehash` to make one.

What lives here: how a directory of the very roots that would be loaded otherwise is found again without a look into the
bundles, and what must be true of it to be used. What must not: where roots come from, which `_sources` knows; and what leads
from bundles to their directory, which `_manifest` does.
"""

import os
import stat
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from . import _files, _is_the_programs, _manifest, _places
from ._manifest import Manifest, NotLazyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._sources import Chosen

    Blocks = Callable[[tuple[str, ...]], list[list[str]]]

SETTLED = 2_000_000_000  # nanoseconds; FAT counts in twos of seconds


class State(NamedTuple):
    """A bundle as it is now: `path` is what people are told, `files` are the bundle and, of certifi, its code; each with its
    size, times of change (nanoseconds), inode and device."""

    kind: str
    path: str
    files: tuple[tuple[str, int, int, int, int, int], ...]

    @property
    def file(self) -> str:
        """The bundle."""
        return self.files[0][0]

    @property
    def changed(self) -> int:
        """When one of the files was last changed, in nanoseconds since the epoch."""
        return max(max(mtime, ctime) for _, _, mtime, ctime, _, _ in self.files)


class Content(NamedTuple):
    """A bundle by what is in it: each file with its SHA-256 in hex digits."""

    kind: str
    path: str
    files: tuple[tuple[str, str], ...]


class Known(NamedTuple):
    """What this process has found: the cache directory, its manifest, and the directory's status when it was checked."""

    cache: str
    manifest: Manifest
    status: tuple[int, ...]
    used: float  # seconds since the epoch, as the manifest's file says it


Choice = tuple[str | None, tuple[State, ...], int]  # the cache directory that is set, the bundles, and for which user
_known: dict[Choice, Known] = {}
_failed: dict[Choice, str] = {}  # why it could not be made: a full disk is not asked again for each context


def _said(error: OSError) -> str:
    return f"{error.filename or 'the cache directory'}: {error.strerror or error}"


def _look(choice: Choice, bundles: "list[Chosen]", blocks: "Blocks | None") -> Known:
    cache, states, _ = choice
    root, now = directory(cache), time.time_ns()
    manifest = _manifest.read(root, states)
    if manifest is None and blocks is None:
        manifest = _manifest.read(root, tuple(map(_content, states)))
    elif manifest is None and blocks is not None:
        manifest = _look_closely(root, choice, bundles, blocks)
    if manifest is None:
        raise NotLazyError("the directory is not there yet; the first default load that needs it makes it")
    status = check(root, manifest)
    known = Known(root, manifest, status, _manifest.touch(root, states) if blocks else time.time())
    _known.clear()  # a bundle has changed; there is no more than one choice in a process
    if _is_settled(states, now):
        _known[choice] = known
    return known


def _is_settled(states: tuple[State, ...], now: int) -> bool:
    """Whether a change that comes after `now` will show: a file's time is that of a clock that ticks (git's "racy" files)."""
    return all(abs(now - state.changed) > SETTLED for state in states)


def _look_closely(root: str, choice: Choice, bundles: "list[Chosen]", blocks: "Blocks") -> Manifest:
    """The manifest for what is in the bundles, and another one for their states, so that the next look need not be close."""
    states, now = choice[1], time.time_ns()
    contents = tuple(map(_content, states))
    manifest = _manifest.read(root, contents)
    if manifest is None and choice in _failed:
        raise NotLazyError(_failed[choice])
    made = blocks(tuple(state.file for state in states)) if manifest is None else None
    for one, state in zip(bundles, states, strict=True):
        if _state(one) != state:
            raise NotLazyError(f"{state.file} has changed while it was read")
    if made is not None:
        from . import _rehash

        try:
            manifest = _rehash.make(root, contents, made)
        except OSError as error:
            if not _is_the_programs(error):
                _failed[choice] = _said(error)
            raise
    assert manifest is not None  # for type checkers
    if not _is_settled(states, now):
        return manifest
    check(root, manifest)  # before something is written there
    from . import _rehash

    try:
        _rehash.write_manifest(root, states, manifest)
    except OSError as error:  # prepared by somebody else, for whoever may not write there
        if _is_the_programs(error):
            raise
    return manifest


def _content(state: State) -> Content:
    import hashlib

    found = []
    for path, *_ in state.files:
        data, problem = _files.read(path, _places.LARGEST_BUNDLE)
        if problem:
            raise NotLazyError
        found.append((path, hashlib.sha256(data, usedforsecurity=False).hexdigest()))
    return Content(state.kind, state.path, tuple(found))


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
        from . import _directories

        cache = _directories.user_cache()
        if cache is None:
            raise NotLazyError("there is no home directory")
    if os.pathsep in cache:
        raise NotLazyError(f"{cache}: contains {os.pathsep!r}, which parts directories for OpenSSL")
    if _places.is_lost_on_openssl(cache):  # a user's name, perhaps
        raise NotLazyError(f"{cache}: OpenSSL on Windows does not find it (expected a path in ASCII)")
    return cache


def _state(one: "Chosen") -> State:
    if one.path is None:
        from . import _certifi

        paths = _certifi.files()
        if not paths:
            raise NotLazyError(f"{one.kind} is not in a file, or gives other roots than those in it")
        return State(one.kind, paths[1], tuple(map(_state_of, paths)))
    return State(one.kind, one.path, (_state_of(one.path),))


def _state_of(path: str) -> tuple[str, int, int, int, int, int]:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise NotLazyError
    return path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev


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
    if not stat.S_ISDIR(status.st_mode):
        raise NotLazyError(f"{path}: is not a directory {_manifest.CLEAR}", doubt=True)
    check_way(path)
    if frozenset(os.listdir(path)) != manifest.names:
        raise NotLazyError(f"{path}: does not hold what its manifest names {_manifest.CLEAR}", doubt=True)
    return state


def check_way(path: str, is_there: bool = True) -> None:
    """Raise `NotLazyError` where somebody may put another directory in the place of `path`, or something into it.

    Where it is not there yet, the way to it is looked at: what is made on somebody else's way may become anything. OpenSSL
    opens it at a handshake, so what is true now must stay true: all that it leads through, links too, belongs to those who may
    decide here, and nobody else may write to it, unless a sticky bit keeps them from what is not theirs.
    """
    if not hasattr(os, "getuid"):
        return
    trusted = _files.trusted_owners()
    for entry in (*_files.way(path), *([path] if is_there else [])):
        status = os.lstat(entry)
        if status.st_uid not in trusted:
            expected = _files.TRUSTED.format(sys.prefix)
            raise NotLazyError(f"{entry}: is owned by user id {status.st_uid} (expected {expected})", doubt=True)
        if stat.S_ISLNK(status.st_mode) or (status.st_mode & stat.S_ISVTX and entry != path):
            continue
        if status.st_mode & stat.S_IWOTH:
            raise NotLazyError(f"{entry}: is writable by everybody (mode {stat.S_IMODE(status.st_mode):04o})", doubt=True)
        if status.st_mode & stat.S_IWGRP:  # a user's own group, perhaps, which nobody else is in
            raise NotLazyError(f"{entry}: is writable by its group (mode {stat.S_IMODE(status.st_mode):04o})")


# Last, so that a file that was cut short has none of it.
def find(bundles: "list[Chosen]", cache: str | None, blocks: "Blocks | None") -> "tuple[str, list[tuple[str, int]]]":
    """The hashed directory of all that is in `bundles`, made where there is none, and of each bundle its place and how many
    certificates it has.

    `cache`: the directory for it, None for the user's. `blocks`: what gives the PEM blocks of each bundle, out of the files
    that it is given; None to look only, and make nothing. Raises `NotLazyError`.
    """
    try:
        states = tuple(map(_state, bundles))
        choice = (cache, states, os.geteuid() if hasattr(os, "geteuid") else 0)
        known = _known.get(choice)
        if known is None or not _is_as_it_was(known):
            known = _look(choice, bundles, blocks)
        elif time.time() - known.used > _manifest.DAY:
            known = _known[choice] = known._replace(used=_manifest.touch(known.cache, states))
    except OSError as error:
        if _is_the_programs(error):
            raise
        raise NotLazyError(_said(error)) from error
    places = [(state.path, count) for state, count in zip(states, known.manifest.counts, strict=True)]
    return os.path.join(known.cache, known.manifest.directory), places
