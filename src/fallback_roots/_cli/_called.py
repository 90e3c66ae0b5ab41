"""Tier 4: how the command was called, and so how it can be called again; imports shutil.

What lives here: its name for suggestions. What must not: what is suggested.
"""

import os
import shlex
import shutil
import sys

from ._start_up import by_path, home, is_on_pythonpath
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
    if name == "__main__.py" and is_on_pythonpath(home()) and os.path.isdir(home()):
        # The variable may have been set for that one command.
        return f"{python} {shlex.quote(os.path.join(home(), 'fallback_roots'))}"
    if name == "__main__.py":
        return f"{python} -m fallback_roots"
    if not name.startswith(NAME):  # a program that has called `main`
        return NAME
    return NAME if os.path.dirname(shutil.which(NAME) or "") == directory else shlex.quote(path)
