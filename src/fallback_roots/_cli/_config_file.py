"""Tier 4: a new config file; imports tempfile and textwrap.

What lives here: the text of a config file, and how it comes to stand in its place. What must not: which place that is.
"""

import contextlib
import os
import stat
import tempfile
import textwrap
from typing import Any

from .. import _settings
from .._say import plain
from ..errors import FallbackRootsError

HEADER = """\
# Settings of fallback-roots: what Python programs trust where their default CA
# load comes back empty. A key behind a "#" has its default; a path has none.
# Here a relative path is relative to this file, and ~ is expanded.
# `fallback-roots config check` names every fault.
"""


def file_text(chosen: dict[str, Any]) -> str:
    """A config file that says what is `chosen`, and names all other keys in comments. Raises FallbackRootsError."""
    lines = [HEADER]
    for name, key in _settings.KEYS.items():
        lines += textwrap.wrap(key.meaning, 80, initial_indent="# ", subsequent_indent="# ")
        default = not chosen.keys() & {"cafile", "capath"} if name == "certifi" else key.default
        unset = f"/path/to/{name}" if key.type == "path" else default
        lines += [f"{name} = {_toml(chosen[name])}" if name in chosen else f"#{name} = {_toml(unset)}", ""]
    return "\n".join(lines[:-1]) + "\n"


def _toml(value: Any) -> str:
    """`value` as TOML, on one line of characters that can be seen."""
    if isinstance(value, bool):
        return "true" if value else "false"
    dot = "." if value.count(".") <= _settings.MOST_DOTS else "\\u002e"  # the reader refuses lines of more
    characters = []
    for c in value:
        if "\ud800" <= c <= "\udfff":
            raise FallbackRootsError(f"{plain(value)}: cannot be written as TOML, since it is not UTF-8")
        if c in '"\\':
            c = f"\\{c}"
        elif not c.isprintable():
            c = f"\\U{ord(c):08x}"
        characters.append(dot if c == "." else c)
    return f'"{"".join(characters)}"'


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
