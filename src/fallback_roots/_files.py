"""Tier 2: files that may be anything, and anybody's; imports nothing that ssl has not imported.

What lives here: one way to open a file that does not wait for a FIFO, does not read without end, and looks at what it has
opened and not at what stood there before. What must not: what the file is for.
"""

import _io
import errno
import os
import stat
import sys

TRUSTED = "root, this process's user or the owner of {}"
LONGEST_WAY = 10_000  # names; Linux follows 40 links, each of at most 4095 characters
# Neither waits for a FIFO's other end nor makes a terminal ours; not inherited by children (PEP 446).
FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


def read(path: str, limit: int, found: bool = False) -> "tuple[bytes, str | None]":
    """The bytes of the regular file at `path`, at most `limit`; or none, and why it is not to be read.

    `found`: nobody has named the file, so it must belong to somebody who may decide here. Raises OSError where it cannot be
    opened or read, ValueError for a path with a NUL.
    """
    descriptor = os.open(path, FLAGS)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return b"", "is not a regular file"
        problem = distrust(status, path) if found and hasattr(os, "getuid") else None
        if problem:
            return b"", problem
        with _io.open(descriptor, "rb", closefd=False) as file:  # whoever has mocked the built-in one
            # Not at one go: read() takes the memory for as much as it is asked for before it knows how much there is.
            chunks, left = [], limit + 1
            while left and (chunk := file.read(min(left, 65536))):  # None: /proc/kmsg says that it is a regular file
                chunks.append(chunk)
                left -= len(chunk)
            data = b"".join(chunks)
    finally:
        os.close(descriptor)
    return (b"", f"is larger than {limit} bytes") if len(data) > limit else (data, None)


def distrust(status: os.stat_result, path: str) -> "str | None":
    """Why a file with this `status` may be somebody else's word."""
    # Containers run under arbitrary user ids, in an environment that somebody else has built.
    trusted, expected = trusted_owners(), f"(expected {TRUSTED.format(sys.prefix)})"
    if status.st_uid not in trusted:
        return f"is owned by user id {status.st_uid} {expected}"
    if status.st_mode & stat.S_IWOTH:
        return f"is writable by everybody (mode {stat.S_IMODE(status.st_mode):04o})"
    for entry in way(path):
        status = os.lstat(entry)
        # Who owns a directory or a link on the way says which file it is, and may say so anew after this look.
        if status.st_uid not in trusted:
            return f"is behind {entry}, which is owned by user id {status.st_uid} {expected}"
        if stat.S_ISLNK(status.st_mode) or status.st_mode & stat.S_ISVTX:
            continue
        if status.st_mode & stat.S_IWOTH:
            return f"is in {entry}, which is writable by everybody (mode {stat.S_IMODE(status.st_mode):04o})"
    return None


def trusted_owners() -> "set[int | None]":
    """Who may decide here: root, this process's user, and whoever owns `sys.prefix` or the way to it, for they can replace this
    package itself."""
    return {0, os.geteuid(), owner(sys.prefix), *map(owner, way(sys.prefix))}


def owner(path: str) -> "int | None":
    try:
        return os.stat(path).st_uid
    except (FileNotFoundError, PermissionError):  # gone; behind what a server that has given up root may not enter
        return None


def way(path: str) -> "dict[str, None]":
    """What the way to `path` leads through: directories, those behind links and those in which the links are, and the links."""
    found: dict[str, None] = {}
    directory, parts = os.path.abspath(os.sep), path.split(os.sep)[::-1]
    for _ in range(LONGEST_WAY):
        if not parts:
            return found
        part = parts.pop()
        if part == os.pardir:
            directory = os.path.dirname(directory)
        elif part and part != os.curdir:
            found[directory] = None
            entry = os.path.join(directory, part)
            if os.path.islink(entry):
                found[entry] = None
                target = os.readlink(entry)
                parts += target.split(os.sep)[::-1]
                directory = os.path.abspath(os.sep) if os.path.isabs(target) else directory
            else:
                directory = entry
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
