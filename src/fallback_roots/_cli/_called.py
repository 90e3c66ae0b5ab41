"""Tier 4: how the command was called, and so how it can be called again; imports shutil.

What lives here: its name for suggestions. What must not: what is suggested.
"""

import os
import shlex
import shutil
import sys

from ._text import Suggestion

NAME = "fallback-roots"


def as_called(suggestions: tuple[Suggestion, ...]) -> tuple[Suggestion, ...]:
    """`suggestions` with the command as it was called: after ``pip install --target``, say, its launcher is not on PATH."""
    return tuple(
        suggestion._replace(command=f"{command()}{suggestion.command.removeprefix(NAME)}")
        if suggestion.command.startswith(f"{NAME} ")
        else suggestion
        for suggestion in suggestions
    )


def command() -> str:
    """What a shell has to be given for it: the launcher's name, or its path, or the interpreter with the package."""
    path, python = os.path.abspath(sys.argv[0]), shlex.quote(sys.executable)
    directory, name = os.path.split(path)
    if by_path():
        return f"{python} {shlex.quote(path)}"
    if name == "__main__.py":
        return f"{python} -m fallback_roots"
    if not name.startswith(NAME):  # a program that has called `main`
        return NAME
    return NAME if os.path.dirname(shutil.which(NAME) or "") == directory else shlex.quote(path)


def by_path() -> bool:
    """Whether it is ``python DIR/fallback_roots``, for which Python has put that directory on ``sys.path``."""
    main, here = sys.modules["__main__"], os.path.dirname(os.path.dirname(__file__))
    if getattr(main, "__package__", None) or not hasattr(main, "__file__"):
        return False
    return os.path.realpath(os.path.dirname(str(main.__file__))) == os.path.realpath(here)
