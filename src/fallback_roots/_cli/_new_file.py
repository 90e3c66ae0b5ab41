"""Tier 4: a new file; imports tempfile.

What lives here: how a file comes to stand in its place. What must not: what it says, and which place that is.
"""

import contextlib
import os
import stat
import tempfile

from .._say import plain
from ..errors import FallbackRootsError


def write(path: str, text: str, force: bool) -> None:
    """Write `text` to `path`, whole or not at all; over what is there only with `force`, else raises FileExistsError."""
    if force:
        path = os.path.realpath(path)  # a link stays, and what it leads to is replaced
        if os.path.exists(path) and not os.path.isfile(path):
            raise FallbackRootsError(plain(f"{path}: is not a regular file, and stays as it is"))
    directory = os.path.dirname(path)
    _make_directory(directory)
    descriptor, temporary = tempfile.mkstemp(prefix=".fallback-roots-", dir=directory)
    try:
        with open(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(descriptor)
        os.chmod(temporary, 0o644)  # programs of all users read it
        if force:
            os.replace(temporary, path)
        else:
            _place_new(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _place_new(temporary: str, path: str) -> None:
    try:
        os.link(temporary, path)  # unlike rename(2) it never replaces anything
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: an empty file says as much as none does
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        try:
            os.replace(temporary, path)
        except BaseException:
            os.unlink(path)
            raise


def _make_directory(path: str) -> None:
    """Make the directory and its parents, with mode 0755 whatever the umask."""
    missing = []
    while not os.path.isdir(path) and path not in missing:  # a Windows drive that is not there is its own parent
        missing.append(path)
        path = os.path.dirname(path)
    for each in reversed(missing):
        try:
            os.mkdir(each, 0o755)
        except FileExistsError:  # somebody was faster, or it is no directory, which the next step will say
            continue
        os.chmod(each, stat.S_IMODE(os.stat(each).st_mode) | 0o755)  # noqa: S103  # programs of all users read below it
