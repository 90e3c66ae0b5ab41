"""Tier 4: what arms an interpreter, and why nothing has; imports site and pkgutil.

What lives here: start-up files, sitecustomize, and the directories that Python reads them in. What must not: what may mend it,
and anything that changes what it looks at.
"""

import os
import pkgutil
import site
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from typing import NamedTuple

from ._called import by_path


class Absence(NamedTuple):
    """Why no start-up file has armed this interpreter, as a word and as a sentence.

    `kind`: no_site, taken_off, users (its directory is the user's, which is ignored), base (the base interpreter's, which a
    venv does not see), ignored (PYTHONPATH names it, and is ignored), pythonpath (names it, but no .pth file is read there),
    zip (likewise, and it is a zip), line (a line in somebody's .pth file names it, and no .pth file is read there), unrun
    (one of these three, with a sitecustomize.py that was not run, or failed), elsewhere (it came to be on sys.path later), or
    lost (there is no such file). `home`: the directory or zip that has the package.
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
    is_safe = getattr(sys.flags, "safe_path", sys.flags.isolated)  # -P is since Python 3.11
    return sys.path if is_safe and not by_path() else sys.path[1:]


def customize(name: str, entries: list[str]) -> str | None:
    """The file of the first sitecustomize or usercustomize that is in one of `entries`, directories or zips."""
    spec = PathFinder.find_spec(name, entries)
    return spec.origin if spec is not None else None


def home() -> str:
    """The directory or zip that has this package."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def target() -> str | None:
    """Where ``pip install --target`` has put this package; None where it is in a directory of the interpreter's."""
    directory = home()
    if any(_is_same(directory, path) for path in site_directories()):
        return None
    try:
        names = os.listdir(directory)
    except OSError:  # a zip
        return None
    # Without them it is a project's source tree.
    return directory if any(name.startswith("fallback_roots-") and name.endswith(".dist-info") for name in names) else None


def why_absent() -> Absence:
    """Why no start-up file has armed this interpreter."""
    at = home()
    is_named = any(path and _is_same(path, at) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep))
    line = next(_lines(at), None)
    if sys.flags.no_site:
        return Absence("no_site", "python -S reads no .pth file", at)
    if next(start_up_files(), None):
        return Absence("taken_off", "its start-up file was read, and it has been taken off or has failed since", at)
    if os.path.isdir(at) and not os.path.isfile(os.path.join(at, "fallback_roots.pth")):
        return Absence("lost", "no .pth file of fallback-roots was read", at)
    if _is_same(at, site.getusersitepackages()):
        return Absence("users", f"{at} is the user's, and this interpreter ignores it (python -s or -I, or a venv)", at)
    if any(_is_same(at, path) for path in site.getsitepackages([sys.base_prefix])):
        return Absence("base", f"{at} is the base interpreter's, and this venv does not see it", at)
    if is_named and line is None and sys.flags.ignore_environment:
        return Absence("ignored", f"PYTHONPATH names {at}, and this interpreter ignores it (python -I or -E)", at)
    there, first = customize("sitecustomize", [at]), customize("sitecustomize", start_up_path())
    if (is_named or line) and there is not None and mentions_us(there):
        is_behind = first is not None and not _is_same(first, there) and not mentions_us(first)
        why = f"{first} comes before it" if is_behind else "importing this package fails"
        return Absence("unrun", f"{there} does not arm it: {why}", at)
    if not os.path.isdir(at):
        return Absence("zip" if is_named or line else "elsewhere", f"{at} is a zip, in which site reads no .pth file", at)
    kind = "line" if line else "pythonpath" if is_named else "elsewhere"
    return Absence(kind, f"{at} is not a directory whose .pth files site reads", at)


def _lines(path: str) -> Iterator[str]:
    """The .pth files that have site put `path` on ``sys.path``."""
    for directory in site_directories():
        try:
            names = [name for name in os.listdir(directory) if name.endswith(".pth")]
        except OSError:
            continue
        for name in names:
            file = os.path.join(directory, name)
            lines = _read(file).decode(errors="replace").replace("\0", "").splitlines()
            paths = [line.rstrip() for line in lines if line.strip() and not line.startswith(("#", "import ", "import\t"))]
            if any(_is_same(os.path.join(directory, each), path) for each in paths):
                yield file


def _is_same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def mentions_us(path: str) -> bool:
    """Whether the file at `path`, which may be in a zip, names this package."""
    return b"fallback_roots" in _read(path)


def _read(path: str) -> bytes:
    """The beginning of the file at `path`, which may be in a zip; empty where there is none."""
    try:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                return file.read(100_000)
        importer = pkgutil.get_importer(os.path.dirname(path))
        return importer.get_data(path) if importer is not None and hasattr(importer, "get_data") else b""
    except (ImportError, OSError):  # no zlib
        return b""
