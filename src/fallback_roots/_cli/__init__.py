"""Tier 4: the command ``fallback-roots``; imports argparse, and each command's module when it is called.

What lives here: the parser and the exit codes, one table each. What must not: what a command does.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from .. import __version__

EXIT_CODES = {
    0: "doctor: default contexts have roots; demo: everything went as it should",
    1: "doctor: default contexts have no roots; demo: something did not go as it should",
    2: "usage, or something is missing that the command needs",
    130: "interrupted",
}
COMMANDS = {
    "doctor": "what Python's default CA load looks at and finds, and what comes of it",
    "demo": "the main job, shown on any machine without the internet (needs the extra: fallback-roots[demo])",
}


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    codes = "\n".join(f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES.items())
    made = argparse.ArgumentParser(
        prog="fallback-roots",
        description="Roots for Python programs whose default CA load comes back empty.",
        epilog=f"example:\n  fallback-roots doctor\n\nexit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"fallback-roots {__version__}")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, meaning in COMMANDS.items():
        commands.add_parser(name, help=meaning, description=meaning, epilog=f"example:\n  fallback-roots {name}")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` name (``sys.argv`` by default); returns one of `EXIT_CODES`."""
    chosen = parser().parse_args(arguments).command
    try:
        if chosen == "doctor":
            from . import doctor

            code = doctor.run()
        else:
            from . import demo

            code = demo.run()
        sys.stdout.flush()
    except BrokenPipeError:  # `fallback-roots doctor | head -1`: whoever reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except ImportError as error:  # a Python without _ssl
        print(f"fallback-roots: this needs {error.name}, and {error}", file=sys.stderr)
        return 2
    return code
