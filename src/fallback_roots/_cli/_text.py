"""Tier 4: how commands print; imports textwrap and, when it is asked for, json.

What lives here: output that no terminal, pipe or encoding can break, lines of 80 columns, colour, and JSON. What must not: what
is said.
"""

import os
import sys
import textwrap
from typing import Any, NamedTuple

from .._say import plain

WIDTH = 80
COLOURS = {"good": "32", "bad": "31", "warning": "33"}  # SGR


class Suggestion(NamedTuple):
    """What may mend it: a `command` for a shell, and `why`, a sentence."""

    command: str
    why: str


def say(text: str = "", end: str = "\n") -> None:
    """Print `text` now, with escapes for what the encoding of standard output does not have.

    Whoever reads may have read enough (``fallback-roots doctor | head -1``): that ends the output, and not the command.
    """
    out = sys.stdout
    if out is None:  # closed: fallback-roots doctor >&-
        return
    encoding = out.encoding or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), end=end, flush=True)
    except OSError as error:
        # What is left in the buffer would be tried again when the interpreter ends, which would then exit with 120.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, out.fileno())
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            raise


def say_json(facts: dict[str, Any]) -> None:
    """Print `facts` as one JSON object and nothing else, in ASCII."""
    import json

    say(json.dumps(facts, indent=2))


def item(text: str, indent: int = 0, further: int = 2) -> list[str]:
    """`text` on lines as wide as its words allow, those after the first `further` in, where there is an `indent` at all."""
    first, others = " " * indent, " " * (indent + further if indent else 0)
    wrapper = textwrap.TextWrapper(
        WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
    return wrapper.wrap(plain(text))


def marked(mark: str, text: str, indent: int = 0) -> list[str]:
    """`text` as an `item` behind a `mark`, which is never alone on a line, however long the first word is."""
    first, *others = item(text, indent + 2, further=0)
    return [f"{' ' * indent}{mark} {first.lstrip()}", *others]


def count(number: int, what: str) -> str:
    """`number` of `what`, which has a plural in -s."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def coloured(line: str, kind: str) -> str:
    """`line` in the colour of `kind`: on a terminal, and never where NO_COLOR is set (no-color.org) or TERM is dumb."""
    out = sys.stdout
    if out is None or not out.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return line
    return f"\x1b[{COLOURS[kind]}m{line}\x1b[0m"


def suggested(suggestions: tuple[Suggestion, ...]) -> list[str]:
    """The lines that show `suggestions`, the most likely first; a command stays on one line, to be copied."""
    lines = []
    for suggestion in suggestions:
        # Its lines are not further in, where the command is.
        lines += [*item(suggestion.why, 2, further=0), f"    {plain(suggestion.command)}"]
    return ["", "What may mend it", *lines] if lines else []
