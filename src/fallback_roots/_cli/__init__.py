"""Tier 4: the command ``fallback-roots``; imports argparse and `_watch`, and each command's module when it is called.

What lives here: the parser, the exit codes (one table), and the shell's habits. What must not: what a command does.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from .. import __version__, _watch, errors

EXIT_CODES = {
    0: "doctor: default contexts have roots; demo: each run did what it should",
    1: "doctor: they have none, or it cannot be told; demo: a run did not",
    2: "wrong usage, or the command could not do its work, and says why",
    130: "interrupted",
}
COMMANDS = {
    "doctor": "what Python's default CA load looks at and finds, and what comes of it",
    "demo": "the main job, shown on any machine without the internet (needs trustme: pip install 'fallback-roots[demo]')",
}


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    codes = "\n".join(f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES.items())
    made = argparse.ArgumentParser(
        prog="fallback-roots",  # also as python -m fallback_roots
        description="Roots for Python programs whose default CA load comes back empty.",
        epilog=f"example:\n  fallback-roots doctor\n\nexit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"fallback-roots {__version__}")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, meaning in COMMANDS.items():
        commands.add_parser(name, help=meaning, description=meaning, epilog=f"example: fallback-roots {name}")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` name (``sys.argv`` by default); returns one of `EXIT_CODES`."""
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return 130
    except (ImportError, OSError, errors.FallbackRootsError) as error:  # no _ssl, no descriptor left, a full disk
        print(f"fallback-roots: {error}", file=sys.stderr)
        return 2


def _run(arguments: Sequence[str] | None) -> int:
    try:
        command = parser().parse_args(arguments).command
    except SystemExit as end:  # --help, --version and wrong usage have said what they had to say
        say(end="")
        return int(end.code or 0)
    import ssl

    if _watch.owner_of_the_load(getattr(ssl, "SSLContext", None)) is None:
        raise errors.FallbackRootsError(f"{ssl!r} is not the standard library's module made of _ssl")
    code: int = importlib.import_module(f".{command}", __name__).run()
    return code


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
