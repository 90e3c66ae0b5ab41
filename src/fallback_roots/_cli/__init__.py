"""Tier 4: the command ``fallback-roots``; imports argparse and `_watch`, and each command's module when it is called.

What lives here: the parser, the exit codes (one table), and the shell's habits. What must not: what a command does.
"""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .. import __version__, _watch, errors
from ._text import say

# What each means, by command where that makes a difference.
EXIT_CODES = {
    0: (
        "doctor: default contexts have roots",
        "check: verified",
        "config check: no fault",
        "cache build: the directory is there",
        "sitecustomize: it is there",
        "demo: each run did what it should",
    ),
    1: (
        "doctor: default contexts have no roots, or it cannot be told",
        "check: not verified",
        "config check: a fault",
        "config init: written, but the settings in effect have a fault",
        "cache build: no directory is there, and why",
        "demo: a run did not do what it should",
    ),
    2: ("wrong usage, or the command could not do its work, and says why",),
    3: ("doctor --strict: they have roots, but something needs attention",),
    4: ("check: no connection",),
    130: ("interrupted",),
}


class Command(NamedTuple):
    """A command: what it is for, how it is typed, and what gives its parser its arguments."""

    meaning: str
    example: str
    arguments: Callable[[argparse.ArgumentParser], object] = lambda _: None


def _doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    parser.add_argument("--strict", action="store_true", help="exit with 3 where something needs attention")


def _check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", metavar="HOST[:PORT]", help="a name, an IPv4 address, or an IPv6 address in brackets")
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    parser.add_argument("--timeout", type=_seconds, default=10.0, metavar="S", help="seconds for each connection (default: 10)")
    parser.add_argument("--starttls", choices=("smtp", "imap", "pop3", "ftp"), help="the protocol in which TLS is asked for")


def _config(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="config_command", required=True, metavar="COMMAND")
    _add(commands, CONFIG_COMMANDS)


def _cache(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="cache_command", required=True, metavar="COMMAND")
    _add(commands, CACHE_COMMANDS)


def _config_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the settings as JSON")


def _config_init(parser: argparse.ArgumentParser) -> None:
    place = parser.add_mutually_exclusive_group()
    for name, whose in (("user", "the user's file (default)"), ("site", "the host's"), ("env", "this environment's")):
        place.add_argument(f"--{name}", dest="place", action="store_const", const=name, default="user", help=whose)
    for name, meaning in (
        ("cafile", "PEM bundle to load"),
        ("capath", "OpenSSL hashed directory to load"),
        ("cache", "where lazy keeps its directory"),
    ):
        parser.add_argument(f"--{name}", type=_path, metavar="P", help=f"{meaning}; written as an absolute path")
    for name, meaning in (
        ("certifi", "load certifi's roots, as is the default where no other source is chosen"),
        ("prefer-system", "first look where operating systems keep their bundle"),
        ("honor-ssl-env", "where SSL_CERT_FILE or SSL_CERT_DIR is set, never use the fallback"),
        ("lazy", "give OpenSSL a hashed directory of the same roots, which it reads when it needs them"),
        ("disable", "switch the fallback off, or on whatever places of lower precedence say"),
    ):
        parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, default=None, help=meaning)
    parser.add_argument("--force", action="store_true", help="write over a file that is there, and write what gives no roots")


def _config_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", type=_path, metavar="FILE", help="a config file (default: all that are in effect)")


def _sitecustomize(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=_path, metavar="DIR", help="the directory that PYTHONPATH names, or is to name")


CONFIG_COMMANDS = {
    "path": Command("all places, lowest precedence first, and which are there", "fallback-roots config path"),
    "show": Command("the settings in effect, and where each came from", "fallback-roots config show --json", _config_show),
    "init": Command(
        "write a config file with comments, and say what is in effect then",
        "fallback-roots config init --cafile /etc/ssl/corp.pem --certifi",
        _config_init,
    ),
    "check": Command(
        "every fault of the settings in effect, or of FILE", "fallback-roots config check corp.toml", _config_check
    ),
}
CACHE_COMMANDS = {
    "path": Command("the cache directory of lazy", "fallback-roots cache path"),
    "build": Command(
        "make the hashed directory for what the settings choose, if it is not there: in an image, say",
        "FALLBACK_ROOTS_CACHE=/var/cache/fallback-roots fallback-roots cache build",
    ),
    "clear": Command("remove all that this package has made in the cache directory", "fallback-roots cache clear"),
}
COMMANDS = {
    "doctor": Command(
        "what Python's default CA load looks at and finds, and what comes of it", "fallback-roots doctor --json", _doctor
    ),
    "check": Command(
        "a verified handshake with a host, as a program would make it, and why it fails",
        "fallback-roots check example.org:443",
        _check,
    ),
    "config": Command(
        "where settings come from, what they are, and whether they are sound",
        "fallback-roots config init --cafile /etc/ssl/corp.pem",
        _config,
    ),
    "cache": Command("the hashed directories of lazy", "fallback-roots cache build", _cache),
    "sitecustomize": Command(
        "write a sitecustomize.py that arms interpreters where no .pth file is read: packages on PYTHONPATH",
        "PYTHONPATH=DIR python -m fallback_roots sitecustomize DIR",
        _sitecustomize,
    ),
    "demo": Command(
        "the main job, shown on any machine without the internet (needs trustme: pip install 'fallback-roots[demo]')",
        "fallback-roots demo",
    ),
}


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds (expected more than 0, at most 3600)")
    return seconds


def _path(text: str) -> str:
    if not text or "\0" in text:  # --cafile "$UNSET"
        raise argparse.ArgumentTypeError(f"{text!r} is not a path")
    return text


def _add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", table: dict[str, Command]) -> None:
    for name, command in table.items():
        command.arguments(
            commands.add_parser(name, help=command.meaning, description=command.meaning, epilog=f"example: {command.example}")
        )


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    codes = "\n".join(
        f"  {'' if number else code:>3}  {meaning}"
        for code, meanings in EXIT_CODES.items()
        for number, meaning in enumerate(meanings)
    )
    examples = "\n".join(f"  {command.example}" for command in COMMANDS.values())
    made = argparse.ArgumentParser(
        prog="fallback-roots",  # also as python -m fallback_roots
        description="Roots for Python programs whose default CA load comes back empty.",
        epilog=f"examples:\n{examples}\n\nexit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"fallback-roots {__version__}")
    _add(made.add_subparsers(dest="command", required=True, metavar="COMMAND"), COMMANDS)
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
        options = parser().parse_args(arguments)
    except SystemExit as end:  # --help, --version and wrong usage have said what they had to say
        say(end="")
        return int(end.code or 0)
    import ssl

    if _watch.owner_of_the_load(getattr(ssl, "SSLContext", None)) is None:
        raise errors.FallbackRootsError(f"{ssl!r} is not the standard library's module made of _ssl")
    code: int = importlib.import_module(f".{options.command}", __name__).run(options)
    return code
