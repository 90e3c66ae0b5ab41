"""Tier 4: what arms an interpreter, and why nothing has; imports site, pkgutil and re.

What lives here: start-up files, sitecustomize, and the directories that Python reads them in. What must not: what may mend it,
and anything that changes what it looks at.
"""

import os
import pkgutil
import re
import site
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from typing import NamedTuple


class Absence(NamedTuple):
    """Why no start-up file has armed this interpreter, as a word and as a sentence.

    `kind`: no_site, taken_off, users (its directory is the user's, which is ignored), base (the base interpreter's, which a
    venv does not see), ignored (PYTHONPATH names it, and is ignored), pythonpath (names it, but no .pth file is read there),
    zip (likewise, and it is a zip), line (a line in somebody's .pth file names it, and no .pth file is read there), unrun
    (one of these three, with a sitecustomize.py that was not run, or failed), elsewhere (it came to be on sys.path later), or
    lost (there is no such file). `home`: the directory or zip that has the package. `obstacle`: why no sitecustomize.py can be
    put in there that would be run, or None.
    """

    kind: str
    reason: str
    home: str
    obstacle: str | None = None


def armed_by() -> str | None:
    """The start-up file that arms this interpreter; None if only an import of ``fallback_roots.auto`` can have done it."""
    if not sys.flags.no_site:
        for path in start_up_files():
            return path
        for name in ("sitecustomize", "usercustomize"):
            # Ours gives way to the next one, which is then the module of that name.
            for file in (customize(name, start_up_path()), getattr(sys.modules.get(name), "__file__", None)):
                if file and arms(file):
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
    if not by_path() and (is_safe or (_is_module() and not _has_current_directory())):
        return sys.path
    return sys.path[1:]


def by_path() -> bool:
    """Whether it is ``python DIR/fallback_roots``, for which Python has put that directory on ``sys.path``."""
    main, here = sys.modules["__main__"], os.path.dirname(os.path.dirname(__file__))
    if getattr(main, "__package__", None) or not hasattr(main, "__file__"):
        return False
    return os.path.realpath(os.path.dirname(str(main.__file__))) == os.path.realpath(here)


def _is_module() -> bool:
    """Whether it is ``python -m``."""
    return getattr(sys.modules["__main__"], "__spec__", None) is not None


def _has_current_directory() -> bool:
    """Whether there is one: for a directory that is gone ``python -m`` puts nothing on ``sys.path``."""
    try:
        os.getcwd()
    except OSError:
        return False
    return True


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
    is_named = is_on_pythonpath(at)
    line = next(_lines(at), None)
    if sys.flags.no_site:
        return Absence("no_site", "python -S reads no .pth file", at)
    if next(start_up_files(), None):
        return Absence("taken_off", "its start-up file was read, and it has been taken off or has failed since", at)
    is_read = any(_is_same(at, path) for path in site_directories())
    if not is_read and (line or (is_named and not sys.flags.ignore_environment)):
        return _behind_pythonpath(at, line)
    if os.path.isdir(at) and not os.path.isfile(os.path.join(at, "fallback_roots.pth")):
        return Absence("lost", "no .pth file of fallback-roots was read", at)
    if _is_same(at, site.getusersitepackages()):
        return Absence("users", f"{at} is the user's, and this interpreter ignores it (python -s or -I, or a venv)", at)
    if any(_is_same(at, path) for path in site.getsitepackages([sys.base_prefix])):
        return Absence("base", f"{at} is the base interpreter's, and this venv does not see it", at)
    if is_named:
        return Absence("ignored", f"PYTHONPATH names {at}, and this interpreter ignores it (python -I or -E)", at)
    return Absence("elsewhere", _unread(at), at)


def _behind_pythonpath(at: str, line: str | None) -> Absence:
    """Why nothing is armed in an interpreter that finds the package in `at`, by PYTHONPATH or by a .pth file's `line`."""
    there, first = customize("sitecustomize", [at]), customize("sitecustomize", start_up_path())
    if first is not None and (arms(first) or (there is not None and _is_same(first, there))):
        first = None
    obstacle = f"{first} comes before it" if first is not None else None
    if there is not None and arms(there):
        if obstacle:
            why = obstacle
        elif "fallback_roots.auto" in sys.modules:
            why = "it has, and was taken off since"
        else:
            why = "importing this package fails there, or another one was imported in its place"
        return Absence("unrun", f"{there} does not arm it: {why}", at, obstacle)
    if obstacle is None and there is not None:
        obstacle = f"{there} is there already"
    if not os.path.isdir(at):
        return Absence("zip", _unread(at), at, obstacle or "it is a zip")
    if obstacle is None and not os.access(at, os.W_OK):
        obstacle = "it may not be written"
    return Absence("line" if line else "pythonpath", _unread(at), at, obstacle)


def _unread(at: str) -> str:
    is_zip = not os.path.isdir(at)
    return f"{at} is {'a zip, in which site reads no .pth file' if is_zip else 'not a directory whose .pth files site reads'}"


def is_on_pythonpath(at: str) -> bool:
    """Whether PYTHONPATH names `at`, which this interpreter may ignore."""
    return any(path and _is_same(path, at) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep))


def _lines(path: str) -> Iterator[str]:
    """The .pth files that have site put `path` on ``sys.path``."""
    for directory in site_directories():
        try:
            names = [name for name in os.listdir(directory) if name.endswith(".pth")]
        except OSError:
            continue
        for name in names:
            file = os.path.join(directory, name)
            lines = beginning(file).decode(errors="replace").replace("\0", "").splitlines()
            paths = [line.rstrip() for line in lines if line.strip() and not line.startswith(("#", "import ", "import\t"))]
            if any(_is_same(os.path.join(directory, each), path) for each in paths):
                yield file


def _is_same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def arms(path: str) -> bool:
    """Whether the file at `path`, which may be in a zip, imports this package."""
    statement = rb"^[^#\n]*\bimport +fallback_roots\b|^\s*from +fallback_roots\b"
    return re.search(statement, beginning(path), re.MULTILINE) is not None


def beginning(path: str) -> bytes:
    """The beginning of the file at `path`, which may be in a zip; empty where there is none."""
    try:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                return file.read(100_000)
        importer = pkgutil.get_importer(os.path.dirname(path))
        return importer.get_data(path) if importer is not None and hasattr(importer, "get_data") else b""
    except (ImportError, OSError):  # no zlib
        return b""
