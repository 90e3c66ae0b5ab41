"""Tier 4: ``fallback-roots sitecustomize``; imports pkgutil.

What lives here: the template, put into a directory that PYTHONPATH names or is to name, and what becomes of it there. What must
not: a change of any file that is there already.
"""

import argparse
import os
import pkgutil
import shlex
from collections.abc import Iterator

from .._say import plain
from ..errors import FallbackRootsError
from ._new_file import write
from ._start_up import arms, beginning, customize, start_up_path
from ._text import marked, say

NAME = "sitecustomize"
LINES = """\
try:
    import fallback_roots.auto
except Exception:
    pass"""


def run(options: argparse.Namespace) -> int:
    """Write the template into the directory that `options` name; returns the exit code."""
    try:
        directory = os.path.abspath(os.path.expanduser(options.directory))
    except OSError as error:  # the current one is gone
        raise FallbackRootsError(plain(f"{options.directory}: is relative to no directory ({error.strerror})")) from None
    if not os.path.isdir(directory):
        raise FallbackRootsError(plain(f"{directory}: is not a directory (expected one that PYTHONPATH names, or is to name)"))
    lines = [_write(directory)]
    for remark in _remarks(directory):
        lines += marked("!", remark)
    say("\n".join(lines))
    return 0


def _write(directory: str) -> str:
    """Write the template where nothing of its name is; what there is to be said of that."""
    path = os.path.join(directory, f"{NAME}.py")
    text = (pkgutil.get_data(__package__, "sitecustomize_template.py") or b"").decode()
    if customize(NAME, [directory]) is None and not os.path.lexists(path):
        try:
            write(path, text, force=False)
            return f"Written: {plain(path)}"
        except FileExistsError:  # by another process, meanwhile
            pass
        except OSError as error:
            raise FallbackRootsError(plain(f"{path}: cannot be written ({error.strerror})")) from None
    there = customize(NAME, [directory]) or path
    if there == path and os.path.isfile(path) and _is(path, text):  # a package of that name comes before it
        return f"There already: {plain(path)}"
    raise FallbackRootsError(_refusal(there, directory))


def _is(path: str, text: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read() == text
    except (OSError, ValueError):
        return False


def _is_older(path: str) -> bool:
    """Whether the file at `path` begins as the template does."""
    title = (pkgutil.get_data(__package__, "sitecustomize_template.py") or b"").partition(b"\n")[0]
    return beginning(path).startswith(title)


def _refusal(there: str, directory: str) -> str:
    """Why nothing is written, and how the one that is there and ours both come to run."""
    if _is_older(there):
        return f"{plain(there)}: is there already, as another version of this package writes it (remove it to have this one's)"
    so = "; it imports fallback_roots, so it may arm it as it is" if arms(there) else ""
    other = f"write ours into another directory, which PYTHONPATH names before {plain(directory)}: ours gives way to the next."
    if there.endswith(".py") and os.path.isfile(there):
        lines = "put these lines at its head, behind its docstring and what it imports from __future__"
        other = f"Either {lines}:\n\n{LINES}\n\nor {other}"
    else:  # a directory, bytecode, an extension module, a dangling link
        other = f"{other[0].upper()}{other[1:]}"
    return f"{plain(there)}: is there already, and stays as it is{so}\n\n{other}"


def _remarks(directory: str) -> Iterator[str]:
    """What is to be known of a sitecustomize.py of ours in `directory`, as this interpreter's path is."""
    entries = start_up_path()
    reals = [os.path.realpath(entry) for entry in entries]
    real = os.path.realpath(directory)
    is_named = real in reals
    position = reals.index(real) if is_named else -1  # PYTHONPATH comes first
    first = customize(NAME, entries[: max(position, 0)])
    if first is not None and arms(first):
        yield f"{first} comes before it on sys.path, and imports fallback_roots, too: that one is run"
    elif first is not None:
        yield f"{first} comes before it on sys.path, so it is not run"
    if not is_named and os.pathsep in directory:
        yield f"{directory} is not on sys.path, and PYTHONPATH cannot name it, for its {os.pathsep}"
    elif not is_named:
        yield f"{directory} is not on sys.path: PYTHONPATH={shlex.quote(directory)} has it run, but for python -I and -E"
    package = os.path.join(directory, NAME)
    if os.path.isdir(package):  # without an __init__.py, or the file would not be written
        yield f"{package} is a directory without __init__.py, and cannot be imported from any more"
    if not os.path.isdir(os.path.join(directory, "fallback_roots")):
        yield f"fallback_roots is not in {directory}: this arms nothing where it cannot be imported from elsewhere"
    behind = zip(entries[position + 1 :], reals[position + 1 :], strict=True)
    following = customize(NAME, [entry for entry, at in behind if at != real])
    if following is not None and first is None:
        yield f"it gives way to {following}, which runs as before"
