"""Tier 3: what one config file says; imports a TOML reader.

What lives here: from the bytes of a file to the settings in it and all its faults, and how a value is shown to people. What
must not: where files are and whose they are, which `_settings` knows.
"""

import os
import sys
from typing import TYPE_CHECKING, Any

from . import _places

if TYPE_CHECKING:
    from ._settings import Key

MOST_DOTS = 100  # in a line that is no comment


def _parse(data: bytes) -> dict[str, Any]:
    text = data.decode("utf-8-sig")
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    # A dotted key costs tomllib memory by the square of its parts: twenty thousand are more than a gigabyte.
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > MOST_DOTS and not line.lstrip().startswith("#"):
            raise ValueError(f"line {number} has more than {MOST_DOTS} dots")
    table: dict[str, Any] = tomllib.loads(text)
    return table


def _parse_problem(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"is not UTF-8 (byte {error.start})"
    if isinstance(error, ValueError):  # TOMLDecodeError
        return f"is not TOML ({error})"
    return f"cannot be read as TOML ({type(error).__name__}: {error})"


def _checked(name: str, value: Any, keys: "dict[str, Key]", directory: str, raised: bool) -> Any:
    """`value` as the setting `name`; a path is relative to `directory`. Raises ValueError with what was expected."""
    key = keys.get(name)
    if key is None:
        raise ValueError(f"is not a setting (expected one of {', '.join(keys)})")
    if key.type == "bool":
        if not isinstance(value, bool):
            raise ValueError("is not a boolean (true or false)")
        return value
    if not isinstance(value, str):
        raise ValueError("is not a string (a path)")
    if not value or "\0" in value:
        raise ValueError("is not a path")
    if not value.startswith("~"):
        return os.path.join(directory, value)
    path = os.path.expanduser(value)
    if raised or not os.path.isabs(path):
        raise ValueError("cannot be expanded to an absolute path")
    return path


def shown(value: Any) -> str:
    """`value` as TOML would have it, on one line of bounded length."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _shortened(f'"{_escaped(value)}"')
    try:
        return _shortened(repr(value))
    except ValueError:  # an integer beyond sys.get_int_max_str_digits()
        return f"(a large {type(value).__name__})"


def shown_name(name: str) -> str:
    return _shortened(_escaped(name), 96)


def _escaped(text: str) -> str:
    return repr(text)[1:-1].replace('"', '\\"')


def _shortened(text: str, length: int = 97) -> str:
    return text if len(text) <= length + 3 else text[:length] + "..."


# Last, so that a file that was cut short has none of it.
def said(data: bytes, path: str, keys: "dict[str, Key]", raised: bool) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The faults of the file at `path`, which holds `data`, and what its sound lines say of `keys`."""
    try:
        table = _parse(data)
    except Exception as error:
        if _places.may_pass(error):
            raise
        return (f"{path}: {_parse_problem(error)}",), {}
    problems, values = [], {}
    for name, value in table.items():
        try:
            # Of the file and not of a link to it: whoever makes a link need not be one who may say something.
            values[name] = _checked(name, value, keys, os.path.dirname(os.path.realpath(path)), raised)
        except ValueError as error:
            if _places.may_pass(error):
                raise
            problems.append(f"{path}: {shown_name(name)} = {shown(value)} {error}")
    return tuple(problems), values
