"""Tier 4: what arms an interpreter, and why nothing has; imports site.

What lives here: start-up files, sitecustomize, and the directories that Python reads them in. What must not: what may mend it,
and anything that changes what it looks at.
"""

import os
import site
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from typing import NamedTuple


class Absence(NamedTuple):
    """Why no start-up file has armed this interpreter, as a word and as a sentence.

    `kind`: no_site, taken_off, users (its directory is the user's, which is ignored), base (the base interpreter's, which a
    venv does not see), ignored (PYTHONPATH names it, and is ignored), pythonpath (names it, but no .pth file is read there),
    unrun (likewise, with a sitecustomize.py that was not run, or failed), elsewhere (it came to be on sys.path later), or lost
    (there is no such file). `home`: the package's directory.
    """

    kind: str
    reason: str
    home: str


def armed_by() -> str | None:
    """The start-up file that arms this interpreter; None if only an import of ``fallback_roots.auto`` can have done it."""
    if not sys.flags.no_site:
        for path in start_up_files():
            return path
        for name in ("sitecustomize", "usercustomize"):
            # Ours gives way to the next one, which is then the module of that name.
            for file in (customize(name, start_up_path()), getattr(sys.modules.get(name), "__file__", None)):
                if file and mentions_us(file):
                    return file
    return None


def start_up_files() -> Iterator[str]:
    """The start-up files of ours in the directories that site reads."""
    names = ["fallback_roots.pth"]
    if sys.version_info >= (3, 15):
        names.insert(0, "fallback_roots.start")  # and then site reads no .pth of that name (PEP 829)
    for directory in site_directories():
        for name in names:
            if os.path.isfile(os.path.join(directory, name)):
                yield os.path.join(directory, name)


def site_directories() -> list[str]:
    """The directories whose start-up files site reads."""
    users = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    return [*site.getsitepackages(), *users]


def start_up_path() -> list[str]:
    """What was on ``sys.path`` when site was at work: the script's directory, or the current one, comes after that."""
    return sys.path if getattr(sys.flags, "safe_path", sys.flags.isolated) else sys.path[1:]  # -P is since Python 3.11


def customize(name: str, entries: list[str]) -> str | None:
    """The file of the first sitecustomize or usercustomize that is in one of `entries`, directories or zips."""
    spec = PathFinder.find_spec(name, entries)
    return spec.origin if spec is not None else None


def why_absent() -> Absence:
    """Why no start-up file has armed this interpreter."""
    home = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    named = any(path and _is_same(path, home) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if sys.flags.no_site:
        return Absence("no_site", "python -S reads no .pth file", home)
    if next(start_up_files(), None):
        return Absence("taken_off", "its start-up file was read, and it has been taken off or has failed since", home)
    if not os.path.isfile(os.path.join(home, "fallback_roots.pth")):
        return Absence("lost", "no .pth file of fallback-roots was read", home)
    if _is_same(home, site.getusersitepackages()):
        return Absence("users", f"{home} is the user's, and this interpreter ignores it (python -s or -I, or a venv)", home)
    if any(_is_same(home, path) for path in site.getsitepackages([sys.base_prefix])):
        return Absence("base", f"{home} is the base interpreter's, and this venv does not see it", home)
    if named and sys.flags.ignore_environment:
        return Absence("ignored", f"PYTHONPATH names {home}, and this interpreter ignores it (python -I or -E)", home)
    there, first = customize("sitecustomize", [home]), customize("sitecustomize", start_up_path())
    if named and there is not None and mentions_us(there):
        why = f"{first} comes before it" if first is not None and not _is_same(first, there) else "importing this package fails"
        return Absence("unrun", f"{there} does not arm it: {why}", home)
    return Absence("pythonpath" if named else "elsewhere", f"{home} is not a directory whose .pth files site reads", home)


def _is_same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def mentions_us(path: str) -> bool:
    """Whether the file at `path` names this package."""
    if not os.path.isfile(path):  # a FIFO would be waited for
        return False
    try:
        with open(path, "rb") as file:
            return b"fallback_roots" in file.read(100_000)
    except OSError:
        return False
