"""Tier 3: what was chosen; imports `_directories`, and `_config` only where a file exists or something is wrong.

What lives here: the settings, and every fault that a place of theirs can have. What must not: which places these are, which
`_directories` knows; what is in a file, which `_config` reads; and anything that looks at the roots, which `_sources` does.
The rule: if it cannot be known what was chosen, nothing is chosen.

Precedence, lowest to highest, key by key: built-in defaults; site files; the user's file; ``{sys.prefix}/fallback-roots.toml``
(``FALLBACK_ROOTS_CONFIG`` names one file to use in place of all of these); ``FALLBACK_ROOTS_<KEY>`` variables.
"""

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _directories, _files, _is_off, _places, _watch
from ._directories import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LARGEST_FILE = 1024 * 1024  # bytes
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
        for name in (*_directories.HOMES, *sorted(name for name in os.environ if name.startswith(PREFIX))):
            if os.environ.get(name) != _watch.ENVIRON.get(name):
                yield f"os.environ has been replaced, and {name} with it (expected what the process was given)"


# Last, so that a file that was cut short has none of it.
def read(environ: "Mapping[str, str]" = _watch.ENVIRON) -> Settings:
    """Read all places and merge them. Faults are in the result; an error that may pass (EMFILE, no memory) is raised."""
    problems = list(_replaced())
    raised = _directories.raised_privileges(environ, problems)
    values = {name: key.default for name, key in KEYS.items()}
    origins = dict.fromkeys(KEYS, "default")
    files = []
    for path, origin in _directories.config_files(environ, raised, problems):
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
