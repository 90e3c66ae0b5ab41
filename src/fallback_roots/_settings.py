"""Tier 3: what was chosen; imports platformdirs, and `_config` only where a file exists or something is wrong.

What lives here: the settings, their places, and every fault that a place can have. What must not: what is in a file, which
`_config` reads, and anything that looks at the roots themselves, which `_sources` does. The rule: if it cannot be known what
was chosen, nothing is chosen.

Precedence, lowest to highest, key by key: built-in defaults; site files; the user's file; ``{sys.prefix}/fallback-roots.toml``
(``FALLBACK_ROOTS_CONFIG`` names one file to use in place of all of these); ``FALLBACK_ROOTS_<KEY>`` variables.
"""

import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _files, _is_off, _places, _watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LARGEST_FILE = 1024 * 1024  # bytes
PREFIX = "FALLBACK_ROOTS_"
# By these platformdirs and `~` find the user's and the host's directories.
HOMES = (
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_CACHE_HOME",
    "USERPROFILE",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "ALLUSERSPROFILE",
)
TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class Key(NamedTuple):
    """One setting: its type (path or bool), the value where nobody says anything, and what it means."""

    type: str
    default: Any
    meaning: str


KEYS = {
    "cafile": Key("path", None, "PEM bundle to load"),
    "capath": Key("path", None, "OpenSSL hashed directory to load"),
    "certifi": Key("bool", None, "load certifi's roots; the default is true when neither of the above is set, else false"),
    "prefer_system": Key("bool", False, "first look where operating systems keep their bundle, and use that alone if found"),
    "honor_ssl_env": Key("bool", False, "where SSL_CERT_FILE or SSL_CERT_DIR is set, never use the fallback"),
    "lazy": Key("bool", False, "give OpenSSL a hashed directory of the same roots, which it reads when it needs them"),
    "cache": Key("path", None, "where lazy keeps that directory; the default is the user's cache directory"),
    "disable": Key("bool", False, "off"),
}


class File(NamedTuple):
    """A config file: where, whose (site, user, environment, or the variable's name), is it there, all its faults."""

    path: str
    origin: str
    exists: bool
    problems: tuple[str, ...] = ()


class Settings(NamedTuple):
    """The merged settings, where each value came from, the files that were looked at, and all faults."""

    values: dict[str, Any]
    origins: dict[str, str]
    files: tuple[File, ...]
    problems: tuple[str, ...]


def raised_privileges(environ: "Mapping[str, str]", problems: list[str]) -> bool:
    """Whether environment and user have no say, as with OpenSSL's own variables."""
    try:
        return _places.raised_privileges()
    except (FileNotFoundError, PermissionError) as error:
        if any(name.startswith(PREFIX) for name in environ):
            problems.append(
                f"/proc/self/auxv: cannot be read ({error.strerror}), so it is unknown whether {PREFIX} variables may be obeyed"
            )
        return True


def places(environ: "Mapping[str, str]", raised: bool, problems: list[str]) -> list[tuple[str, str]]:
    """Path and origin of every config file that has a say, lowest precedence first, whether it exists or not."""
    variable = PREFIX + "CONFIG"
    if variable in environ and not raised:
        path = environ[variable]
        if os.path.normcase(path) == os.path.normcase(os.devnull):
            return []
        named = os.path.expanduser(path)
        if os.path.isabs(named):
            return [(named, variable)]
        problems.append(f"{variable}={_shown(path)} names no file (expected an absolute path, or {os.devnull} for no file)")
        return []
    found = []
    try:
        found += [(directory, "site") for directory in _site_directories(environ, raised)]
        if not raised and not _homeless(environ):
            found.append((_platformdirs().user_config_dir, "user"))
    except Exception as error:
        if _places.may_pass(error):
            raise
        problems.append(f"platformdirs: cannot tell where config files are ({type(error).__name__}: {error})")
    files = [(os.path.join(directory, "config.toml"), origin) for directory, origin in found]
    files.append((os.path.join(sys.prefix, "fallback-roots.toml"), "environment"))
    return [(path, origin) for path, origin in files if os.path.isabs(path)]  # the current directory never has a say


def _homeless(environ: "Mapping[str, str]") -> bool:
    """Whether there is no place for the user's file: neither HOME nor the password database knows one, or it is closed."""
    if not hasattr(os, "getuid"):
        return False
    home = next((environ[name] for name in ("XDG_CONFIG_HOME", "HOME") if os.path.isabs(environ.get(name, ""))), None)
    if home is None:
        import pwd

        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:  # a container's arbitrary user id, for which platformdirs raises
            return True
    return not os.path.isabs(home) or _is_closed(home)


def _is_closed(home: str) -> bool:
    """Whether `home` is somebody else's, and may not be entered: root's, which setpriv and the like leave in HOME."""
    try:
        os.stat(os.path.join(home, "."))
    except PermissionError:
        try:
            return os.stat(home).st_uid != os.geteuid()
        except OSError:
            pass
    except OSError as error:  # what it means for the file shows when that is opened
        if _places.may_pass(error):
            raise
    return False


def _platformdirs() -> Any:
    from platformdirs import PlatformDirs

    return PlatformDirs("fallback-roots", appauthor=False, multipath=True)


def user_cache() -> str | None:
    """The user's cache directory for this package; None for a user who has no home."""
    try:
        path: str = _platformdirs().user_cache_dir
    except RuntimeError:  # a container's arbitrary user id, and no HOME
        return None
    return path if os.path.isabs(path) else None


def _site_directories(environ: "Mapping[str, str]", raised: bool) -> "Iterator[str]":
    if raised and "XDG_CONFIG_DIRS" in environ:  # what platformdirs says without the variable
        root = "/Library/Application Support" if sys.platform == "darwin" else "/etc/xdg"
        return iter([os.path.join(root, "fallback-roots")])
    directories: str = _platformdirs().site_config_dir
    return reversed(directories.split(os.pathsep))  # the first of the list has the highest precedence


def _variables(environ: "Mapping[str, str]", raised: bool, problems: list[str]) -> dict[str, tuple[str, Any]]:
    said: dict[str, tuple[str, Any]] = {}
    for variable in sorted(environ):
        name = variable[len(PREFIX) :].lower()
        if not variable.startswith(PREFIX) or variable == PREFIX + "CONFIG":
            continue
        text = environ[variable]
        known = name in KEYS and variable == PREFIX + name.upper()
        if known and name == "disable":
            if text.strip() and (_is_off(environ) or not raised):  # with raised privileges one may switch off, and not on
                said[name] = variable, _is_off(environ)
        elif raised:
            continue
        elif not known:
            expected = ", ".join(PREFIX + key.upper() for key in ("config", *KEYS))
            problems.append(
                f"{_shown(variable, is_name=True)}: is not a variable of fallback-roots (expected one of {expected})"
            )
        elif KEYS[name].type == "bool":
            word = text.strip().lower()
            if word in TRUE or word in FALSE:
                said[name] = variable, word in TRUE
            else:
                problems.append(f"{variable}={_shown(text)} is not a boolean (1, true, yes, on, 0, false, no or off)")
        else:
            path = os.path.expanduser(text)
            if os.path.isabs(path):
                said[name] = variable, path
            else:
                problems.append(f"{variable}={_shown(text)} is not an absolute path")
    return said


def _read_file(path: str, origin: str, raised: bool) -> tuple[File, dict[str, Any]]:
    """The file at `path` with its faults, and what its sound lines say."""
    named = origin == PREFIX + "CONFIG"
    try:
        data, problem = _files.read(path, LARGEST_FILE, found=not named)
    except OSError as error:
        if _places.may_pass(error):
            raise
        dangling = _dangling_link(path) if isinstance(error, FileNotFoundError) else None
        if dangling == path:
            return File(path, origin, True, (f"{path}: is a link to a file that does not exist",)), {}
        if dangling:
            return File(path, origin, True, (f"{path}: is behind {dangling}, a link to what does not exist",)), {}
        exists = not isinstance(error, (FileNotFoundError, NotADirectoryError))
        if not exists and not named:
            return File(path, origin, False), {}
        return File(path, origin, exists, (f"{path}: cannot be opened ({error.strerror})",)), {}
    if problem:
        return File(path, origin, True, (f"{path}: {problem}",)), {}
    from . import _config

    problems, said = _config.said(data, path, KEYS, raised)
    return File(path, origin, True, problems), said


def _dangling_link(path: str) -> str | None:
    """The part of `path` that is a link to nothing: somebody meant a file to be there."""
    while path != os.path.dirname(path):
        if os.path.islink(path) and not os.path.exists(path):
            return path
        path = os.path.dirname(path)
    return None


def _shown(text: str, is_name: bool = False) -> str:
    from . import _config

    return _config.shown_name(text) if is_name else _config.shown(text)


def _replaced() -> "Iterator[str]":
    """Whether somebody's object stands in the place of ``os.environ`` and says other things about where files are."""
    if os.environ is not _watch.ENVIRON:
        for name in (*HOMES, *sorted(name for name in os.environ if name.startswith(PREFIX))):
            if os.environ.get(name) != _watch.ENVIRON.get(name):
                yield f"os.environ has been replaced, and {name} with it (expected what the process was given)"


# Last, so that a file that was cut short has none of it.
def read(environ: "Mapping[str, str]" = _watch.ENVIRON) -> Settings:
    """Read all places and merge them. Faults are in the result; an error that may pass (EMFILE, no memory) is raised."""
    problems = list(_replaced())
    raised = raised_privileges(environ, problems)
    values = {name: key.default for name, key in KEYS.items()}
    origins = dict.fromkeys(KEYS, "default")
    files = []
    for path, origin in places(environ, raised, problems):
        file, said = _read_file(path, origin, raised)
        files.append(file)
        problems += file.problems
        values.update(said)
        origins.update(dict.fromkeys(said, path))
    for name, (variable, value) in _variables(environ, raised, problems).items():
        values[name], origins[name] = value, variable
    if values["certifi"] is None:
        values["certifi"] = not (values["cafile"] or values["capath"])
    return Settings(values, origins, tuple(files), tuple(problems))
