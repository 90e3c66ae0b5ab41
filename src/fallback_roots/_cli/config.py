"""Tier 4: ``fallback-roots config``; imports `_directories`, `_settings` and `_sources`.

What lives here: where settings come from, what they are, whether they are sound, and a file that says what is chosen. What must
not: any rule of theirs, which `_settings` and `_sources` have.
"""

import _ssl
import argparse
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .. import _directories, _settings, _sources
from .._directories import PREFIX
from .._say import plain
from .._settings import KEYS, Settings
from .._sources import Source
from ..errors import FallbackRootsError
from ._config_file import file_text
from ._facts import default_load
from ._new_file import write
from ._shown import file_lines, other_faults, place_line, settings_lines
from ._text import count, item, marked, say, say_json

VARIABLE = PREFIX + "CONFIG"
ORIGINS = {"user": "user", "site": "site", "env": "environment"}


def run(options: argparse.Namespace) -> int:
    """Do what the subcommand says; returns the exit code."""
    return {"path": _path, "show": _show, "init": _init, "check": _check}[options.config_command](options)


def _path(_: argparse.Namespace) -> int:
    settings = _settings.read()
    raised = _directories.raised_privileges(os.environ, [])
    lines = [*file_lines(settings.files)]
    read = {file.path for file in settings.files}
    aside = [place for place in _directories.config_files(_foreign(), raised, []) if place[0] not in read]
    if aside:
        lines += ["", f"Not read, because {VARIABLE} is set"]
        lines += [place_line(path, origin, os.path.lexists(path)) for path, origin in aside]
    lines += ["", "Variables, above all files" if any(map(_is_ours, os.environ)) else "Variables: none is set"]
    for name in filter(_is_ours, sorted(os.environ)):
        silent = raised and name != PREFIX + "DISABLE"
        why = " (has no say: the process has raised privileges)" if silent else ""
        lines += marked("-", f"{name}={os.environ[name]}{why}", 2)
    say("\n".join([*lines, *other_faults(settings)]))
    return 0


def _show(options: argparse.Namespace) -> int:
    settings = _settings.read()
    if options.json:
        values = {name: {"value": value, "origin": settings.origins[name]} for name, value in settings.values.items()}
        files = [file._asdict() for file in settings.files]
        say_json({"schema_version": 1, "settings": values, "config_files": files, "problems": settings.problems})
    else:
        say("\n".join(_shown(settings)))
    return 0


def _check(options: argparse.Namespace) -> int:
    if options.file is None:
        settings = _settings.read()
    else:
        path = _absolute(options.file)
        settings = _settings.read({VARIABLE: path})
        if any(file.path != path for file in settings.files):
            raise FallbackRootsError(f"with raised privileges {VARIABLE} has no say, so no file can be checked alone")
    values = dict(settings.values)
    if settings.problems and settings.origins["certifi"] == "default":
        values["certifi"] = False  # it is not known whether it is chosen
    sources = _loaded(values)
    problems = list(settings.problems)
    for source in sources:
        if source.problem:
            origin = settings.origins[source.kind]
            problems.append(source.problem + (f"; {source.kind} is set by {origin}" if origin != "default" else ""))
    for problem in problems:
        say("\n".join(marked("!", problem)))
    say("\n".join(item(f"{count(len(problems), 'fault')}." if problems else f"No fault: {_effect(settings, sources)}.")))
    return 1 if problems else 0


def _init(options: argparse.Namespace) -> int:
    chosen = {name: value for name in KEYS if (value := getattr(options, name)) is not None}
    chosen.update({name: _absolute(value) for name, value in chosen.items() if KEYS[name].type == "path"})
    text, path = file_text(chosen), _place(options.place)
    sources = _loaded({**dict.fromkeys(KEYS), **chosen})
    broken = [str(source.problem) for source in sources if source.certificates == 0]
    if broken and not options.force:
        raise FallbackRootsError(plain("; ".join([*broken, "nothing is written (--force writes it all the same)"])))
    before = {name for name, origin in _settings.read().origins.items() if origin == path}
    try:
        write(path, text, options.force)
    except FileExistsError:
        raise FallbackRootsError(plain(f"{path}: is there already (--force writes over it)")) from None
    except OSError as error:
        raise FallbackRootsError(plain(f"{path}: cannot be written ({error.strerror})")) from None
    settings = _settings.read()
    lines = [f"Written: {plain(path)}"]
    gone = [f"{name} was said in this file, and is not any more" for name in KEYS if name in before - chosen.keys()]
    problems = [source.problem for source in sources if source.problem]
    for remark in [*problems, *gone, *_overrides(path, chosen, settings), *_without_effect()]:
        lines += marked("!", remark)
    say("\n".join([*lines, "", *_shown(settings)]))
    return 1 if settings.problems or broken else 0


# ---------------------------------------------------------------- places and sources


def _is_ours(name: str) -> bool:
    return name.startswith(PREFIX)


def _foreign() -> dict[str, str]:
    """The environment without our variables."""
    return {name: value for name, value in os.environ.items() if not _is_ours(name)}


def _absolute(path: str) -> str:
    """`path` from the current directory; a ``..`` stays, since behind a link it leads elsewhere than its text says."""
    return str(Path(os.path.expanduser(path)).absolute())  # no shell expands --cafile=~/ca.pem


def _place(name: str) -> str:
    """Where the config file `name` (user, site, env) is: of several that of the highest precedence."""
    problems: list[str] = []
    raised = _directories.raised_privileges({}, problems)
    places = _directories.config_files(_foreign(), raised, problems)
    paths = [path for path, origin in places if origin == ORIGINS[name]]
    if not paths:
        why = "the process has raised privileges" if raised else "its directory is not an absolute path"
        raise FallbackRootsError(plain("; ".join(problems) or f"there is no place for --{name}, since {why}"))
    return paths[-1]


def _loaded(values: dict[str, Any]) -> tuple[Source, ...]:
    """The sources that `values` name, as loaded into a context of our own."""
    return _sources.load_all(_ssl._SSLContext(_ssl.PROTOCOL_TLS_CLIENT), list(_sources.named(values)))


# ---------------------------------------------------------------- what is said


def _without_effect() -> Iterator[str]:
    """Whether this machine needs no fallback, so that no setting has an effect."""
    found, verdict = default_load()
    if found or verdict.code in ("directory", "file"):
        yield "Python's own default load finds roots here, so no setting has an effect until it does not"


def _shown(settings: Settings) -> Iterator[str]:
    yield from settings_lines(settings)
    if settings.problems or settings.values["disable"]:
        yield from ("", *item(f"In effect: {_effect(settings, ())}."))


def _effect(settings: Settings, sources: tuple[Source, ...]) -> str:
    """What comes of `settings`, whose `sources` are these."""
    if settings.values["disable"]:
        return f"{settings.origins['disable']} switches fallback-roots off"
    if settings.problems:
        return "nothing is loaded while there is a fault"
    parts = []
    for kind, path, certificates, *_ in sources:
        number = "an unknown number of certificates" if certificates is None else count(certificates, "certificate")
        parts.append(f"{kind}{f' {path}' if path else ''} ({number})")
    named = " and ".join(parts) or "nothing, since no source is chosen"
    return f"the fallback is {'what the operating system keeps, or else ' if settings.values['prefer_system'] else ''}{named}"


def _overrides(path: str, chosen: Iterable[str], settings: Settings) -> Iterator[str]:
    """What keeps the file at `path` from having its way with what is `chosen` in it."""
    files = {file.path: file for file in settings.files}
    if path not in files:
        yield f"{VARIABLE} is set, so this file is not read"
    elif not files[path].problems:
        for name in chosen:
            if settings.origins[name] != path:
                yield f"{name} is set by {settings.origins[name]}, which has precedence over this file"
