"""Tier 4: settings as people read them; imports nothing but what holds them.

What lives here: the lines that `config` and `doctor` have in common. What must not: what is in effect, which each tells by
itself.
"""

from collections.abc import Iterable, Iterator

from .._say import plain
from .._settings import File, Settings
from ._text import item, marked


def settings_lines(settings: Settings) -> Iterator[str]:
    """Each setting with the place that it came from, the config files, and every fault."""
    yield "Settings"
    for name, value in settings.values.items():
        shown = str(value).lower() if isinstance(value, bool) else value or "none"
        yield from item(f"{name:<13} = {shown} ({settings.origins[name]})", 2)
    yield ""
    yield from file_lines(settings.files)
    yield from other_faults(settings)


def file_lines(files: Iterable[File]) -> Iterator[str]:
    """The config files, and the faults of each."""
    yield "Config files, lowest precedence first" if files else "Config files: none is read"
    for file in files:
        yield place_line(file.path, file.origin, file.exists)
        for problem in file.problems:
            yield from marked("!", problem, 6)


def place_line(path: str, origin: str, exists: bool) -> str:
    """One place of a config file."""
    return f"  - {origin}, {'there' if exists else 'not there'}: {plain(path)}"


def other_faults(settings: Settings) -> Iterator[str]:
    """Those that no file has."""
    of_files = {problem for file in settings.files for problem in file.problems}
    for problem in settings.problems:
        if problem not in of_files:
            yield from marked("!", problem, 2)
