"""Tier 4: ``fallback-roots cache``; imports `_settings`, `_sources` and what makes hashed directories.

What lives here: the cache directory of ``lazy``, filled in advance or emptied. What must not: how, and what may be used.
"""

import _ssl
import argparse
import os
from collections.abc import Iterator

from .. import _lazy, _manifest, _rehash, _settings, _sources
from .._say import plain
from ..errors import FallbackRootsError, SettingsError
from ._text import count, marked, say


def run(options: argparse.Namespace) -> int:
    """Do what the subcommand says; returns the exit code."""
    settings = _settings.read()
    if settings.problems:
        raise SettingsError(tuple(map(plain, settings.problems)))
    try:
        root = _lazy.directory(settings.values["cache"])
    except _manifest.NotLazyError as error:
        raise FallbackRootsError(plain(f"there is no cache directory, since {error}")) from None
    if options.cache_command == "build":
        return _build(settings)
    return _clear(root) if options.cache_command == "clear" else _path(root)


def _path(root: str) -> int:
    say(plain(root))
    return 0


def _build(settings: _settings.Settings) -> int:
    context = _ssl._SSLContext(_ssl.PROTOCOL_TLS_CLIENT)
    sources = _sources.load(context, settings._replace(values={**settings.values, "lazy": True}))
    made = [source for source in sources if source.directory]
    lines = [plain(directory) for directory in dict.fromkeys(source.directory for source in made)]
    lines += [f"  {source.kind}, {count(source.certificates or 0, 'root')}: {plain(source.path)}" for source in made]
    for remark in dict.fromkeys(_remarks(settings, sources)):
        lines += marked("!", remark)
    say("\n".join(lines))
    return 0 if made else 1


def _remarks(settings: _settings.Settings, sources: tuple[_sources.Source, ...]) -> Iterator[str]:
    for source in sources:
        yield from (said for said in (source.problem, source.doubt, source.note) if said)
        if source.kind == "capath":
            yield f"{source.path} is a hashed directory as it is"
    if not sources:
        yield "no source of roots is chosen"
    if settings.values["disable"]:
        yield f"{settings.origins['disable']} switches fallback-roots off"
    elif not settings.values["lazy"]:
        yield "lazy is not set, so nothing is loaded lazily"


def _clear(root: str) -> int:
    try:
        names = _rehash.ours(root)
        if names:
            _lazy.check_way(root)
    except _manifest.NotLazyError as error:
        raise FallbackRootsError(plain(error)) from None
    except OSError as error:
        raise FallbackRootsError(plain(f"{root}: cannot be read ({error.strerror})")) from None
    # What somebody is making, or has left half made, goes when something else is made, a day later.
    paths = [os.path.join(root, name) for name in names if not name.startswith(_rehash.TEMPORARY)]
    for path in paths:
        _rehash.remove(path)
    left = [path for path in paths if os.path.lexists(path)]
    if left:
        raise FallbackRootsError(plain(f"{left[0]}: cannot be removed, or has something in it that is not ours"))
    manifests = sum(path.endswith(".manifest") for path in paths)
    directories = len(paths) - manifests
    say(f"Removed {'1 directory' if directories == 1 else f'{directories} directories'} and {count(manifests, 'manifest')}")
    return 0
