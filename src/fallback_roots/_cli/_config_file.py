"""Tier 4: the text of a new config file; imports textwrap.

What lives here: what stands in the file. What must not: where it goes, and how.
"""

import textwrap
from typing import Any

from .. import _config, _settings
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
    dot = "." if value.count(".") <= _config.MOST_DOTS else "\\u002e"  # the reader refuses lines of more
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
