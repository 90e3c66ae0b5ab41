"""Tier 3: what leads from the bundles of ``lazy`` to their hashed directory; imports what ssl imports.

What lives here: where a manifest is, what it says, and when it was last used. What must not: whether the directory that it
leads to may be used, which `_lazy` knows.

In the cache directory there is one directory for each content, named by the number of this format and a digest of the roots.
Manifests lead to it: one for the bundles' status, which costs no look into them, and one for their digests, which is still
true where an image was unpacked on another machine. Each is named by a checksum of what it is for. All of it appears under its
name whole, by a rename, so whoever comes at the same time, or dies in the middle, leaves something good or nothing.
"""

import os
import re
import time
import zlib
from typing import NamedTuple

from . import _files, _is_the_programs

FORMAT = "1"
HEAD, END = "fallback-roots lazy", "end"
NAME = re.compile(rf"{FORMAT}-[0-9a-f]{{32}}\Z")
LARGEST = 1024 * 1024  # bytes; each root takes 11
CLEAR = "(fallback-roots cache clear removes it)"
DAY = 24 * 60 * 60.0  # seconds


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


Keys = tuple[tuple[object, ...], ...]  # of each bundle its kind, its place, and what tells it from others


def path_of(root: str, keys: Keys) -> str:
    """Where the manifest for these `keys` is. A checksum will do: what it stands for is in the manifest, too."""
    return os.path.join(root, f"{FORMAT}-{zlib.crc32(ascii(keys).encode()):08x}.manifest")


def written(keys: Keys, manifest: Manifest) -> str:
    """The text of a manifest."""
    bundles = [f"{count} {tuple(key)!a}" for count, key in zip(manifest.counts, keys, strict=True)]
    return "\n".join([f"{HEAD} {FORMAT}", manifest.directory, *bundles, " ".join(sorted(manifest.names)), END, ""])


def read(root: str, keys: Keys) -> Manifest | None:
    """The manifest for these `keys`; None if there is none, or no directory to it."""
    path = path_of(root, keys)
    try:
        data, problem = _files.read(path, LARGEST, found=True)
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
        raise NotLazyError(f"{path}: is not a manifest {CLEAR}", doubt=True) from None
    if shown != tuple(ascii(tuple(key)) for key in keys) or not os.path.lexists(os.path.join(root, name)):
        return None  # of other bundles with the same checksum; or somebody has removed the directory
    return manifest


def touch(root: str, keys: Keys) -> float:
    """Keep the manifest for these `keys` from being removed while it is in use; returns when that was last said."""
    path, now = path_of(root, keys), time.time()
    try:
        if now - os.stat(path).st_mtime > DAY:
            os.utime(path)
    except OSError as error:  # somebody else's, or on a read-only file system
        if _is_the_programs(error):
            raise
    return now
