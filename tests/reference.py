"""The tables of the reference that the code itself has: from `tests`, ``python reference.py`` writes them into the pages.

Each table stands in its page between two marks that name it, and what is around them is written by hand. A table is made of
what the code works with (`_settings.KEYS`, the parser of the command line, the JSON schemas), or of what it did when it was
run: the records are those of processes on a machine without CA certificates, for which it takes Linux and root.
``test_reference.py`` holds the pages to it.
"""

import argparse
import ast
import inspect
import json
import os
import re
import sys
import tempfile
import textwrap
import unittest.mock
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import certifi
from platformdirs import macos, unix, windows
from support import ROOT, new_ca, python, without_cas

import fallback_roots
from fallback_roots import _cli, _config, _detect, _directories, _fallback, _places, _settings, _system

PACKAGE = ROOT / "src" / "fallback_roots"
HOME = "/home-of-the-user"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(
        "|" + "".join(f" {cell.replace('|', chr(92) + '|')} |" if cell else " |" for cell in line) for line in lines
    )


def code(text: object) -> str:
    return f"`{text}`" if text not in (None, "") else ""


def in_code(text: str, words: Iterable[str]) -> str:
    """`text` with each of `words` marked as code."""
    return re.sub(rf"(?<![\w`-])({'|'.join(map(re.escape, sorted(words, key=len, reverse=True)))})(?![\w`-])", r"`\1`", text)


# ---------------------------------------------------------------- settings

TYPES = {"path": "path", "bool": "boolean"}
# A link, where the code's own words have none.
LINKS = {"a hashed directory of the same roots": "[a hashed directory of the same roots](lazy.md)"}
VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
WORDS = (*VARIABLES, "/dev/null", "PROTOCOL_TLS_SERVER", "Purpose.SERVER_AUTH", "certifi = false", "honor_ssl_env")
HOMES = {
    "HOME": "`~`, the user's file and the cache, on Linux, other Unix and macOS",
    "XDG_CONFIG_HOME": "the user's file",
    "XDG_CONFIG_DIRS": "the site files",
    "XDG_CACHE_HOME": "the cache of `lazy`",
    "USERPROFILE": "`~` on Windows",
    "LOCALAPPDATA": "the user's file and the cache on Windows, where Windows itself cannot be asked",
    "PROGRAMDATA": "the site file on Windows, likewise",
    "ALLUSERSPROFILE": "the site file on Windows, likewise",
}


def default(key: _settings.Key) -> tuple[str, str]:
    """A setting's default and its meaning, which has the default where it takes words."""
    meaning, _, said = key.meaning.partition("; the default is ")
    meaning = meaning.replace("; the default is", "")
    return said or {None: "none", False: "false", True: "true"}[key.default], meaning


def keys() -> str:
    """Every setting."""
    rows = []
    for name, key in _settings.KEYS.items():
        said, meaning = default(key)
        meaning = in_code(meaning, [*VARIABLES, "lazy"])
        for plain, link in LINKS.items():
            meaning = meaning.replace(plain, link)
        rows.append((code(name), TYPES[key.type], said, meaning, code(_directories.PREFIX + name.upper())))
    return table(("key", "type", "default", "meaning", "variable"), rows)


class AtHome(NamedTuple):
    """Where platformdirs has things on one platform."""

    site: str
    user: str
    cache: str


def where(kind: Any) -> AtHome:
    """The places of a class of platformdirs, for a user who has set nothing."""
    windows_folders = {"LOCALAPPDATA": "%LOCALAPPDATA%", "ALLUSERSPROFILE": r"C:\ProgramData", "PROGRAMDATA": r"C:\ProgramData"}
    with (
        unittest.mock.patch.dict(os.environ, {"HOME": HOME, **windows_folders}, clear=True),
        # Of the ways to ask Windows the one that works elsewhere, too.
        unittest.mock.patch.object(windows, "get_win_folder", windows.get_win_folder_from_env_vars),
    ):
        found = kind("fallback-roots", appauthor=False, multipath=True)
        places = AtHome(
            f"{found.site_config_dir}/config.toml",
            f"{found.user_config_dir}/config.toml",
            found.user_cache_dir,
        )
    if kind is windows.Windows:
        return AtHome(*(place.replace("/", "\\") for place in places))
    return AtHome(*(place.replace(HOME, "~") for place in places))


def places() -> str:
    """Where config files and the cache are, on each platform."""
    kinds = {"Linux and other Unix": unix.Unix, "macOS": macos.MacOS, "Windows": windows.Windows}
    return table(("", "site", "user", "cache"), [(name, *map(code, where(kind))) for name, kind in kinds.items()])


def homes() -> str:
    """The variables of others that count."""
    assert tuple(HOMES) == _directories.HOMES
    ssl = [(name, "what Python's own default load looks at; [how it decides](how-it-decides.md)") for name in VARIABLES]
    known = [*ssl, *HOMES.items()]
    return table(("variable", "what it decides"), ((code(name), meaning) for name, meaning in known))


def bounds() -> str:
    """The numbers that bound what is read, and how long anything waits."""
    mib = 1024 * 1024
    return table(
        ("bound", "", "beyond it"),
        (
            ("a config file", f"{_settings.LARGEST_FILE // mib} MiB", "is a fault"),
            ("dots in a line of it", f"{_config.MOST_DOTS}", "is a fault"),
            ("a bundle that the fallback reads", f"{_places.LARGEST_BUNDLE // mib} MiB", "is a broken source"),
            ("a file that the default load did not read", f"{_places.LARGEST_BUNDLE // mib} MiB", "counts as one with roots"),
            (
                "waiting for another thread's first fallback",
                f"{_fallback.LONG_PATIENCE:.0f} s, inside an import {_fallback.PATIENCE:.0f} s",
                "no roots for this context, and a WARNING",
            ),
        ),
    )


# ---------------------------------------------------------------- commands


def meanings(command: str) -> Iterator[tuple[int, str]]:
    """The exit codes of a command, as far as it has words of its own for them."""
    for number, said in _cli.EXIT_CODES.items():
        for sentence in said:
            whose, _, meaning = sentence.rpartition(": ")
            if whose == command or whose.startswith(f"{command} --"):
                option = whose.removeprefix(command).strip()
                yield number, (f"with `{option}`: " if option else "") + meaning


def argument(action: argparse.Action) -> tuple[str, str]:
    """How an argument is typed, and what it means."""
    value = "" if action.nargs == 0 else " " + (action.metavar or "|".join(action.choices or ()) or action.dest.upper())  # type: ignore[operator]
    names = [name + value for name in action.option_strings] or [value.strip()]
    if action.nargs == "?":
        names = [f"[{name}]" for name in names]
    return ", ".join(map(code, names)), (action.help or "").partition(" (default: %")[0]


# Who runs the example of a command, where `test_docs.py` does not.
MARKS = {"demo": "<!-- run by: test_demo.py::test_it_is_a_success -->\n"}


def command(name: str, what: _cli.Command, parser: argparse.ArgumentParser) -> str:
    """A command's section."""
    arguments = [action for action in parser._actions if action.dest not in ("help", "config_command", "cache_command")]
    parts = [
        f"{'###' if ' ' in name else '##'} {name}",
        f"{what.meaning[0].upper()}{what.meaning[1:]}.",
        f"{MARKS.get(name, '')}```sh\n{what.example}\n```",
    ]
    if arguments:
        parts.append(table(("argument", "meaning"), map(argument, arguments)))
    codes = [f"{number}: {meaning}" for number, meaning in meanings(name)]
    return "\n\n".join([*parts, *(["\n".join(textwrap.wrap(f"Exit code {'. '.join(codes)}.", 128))] if codes else [])])


def commands() -> str:
    """Every command, by the parser that it has."""

    def sections(parser: argparse.ArgumentParser, known: Mapping[str, _cli.Command], above: str = "") -> Iterator[str]:
        (group,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
        assert list(group.choices) == list(known)
        for name, its in group.choices.items():
            yield command(f"{above}{name}", known[name], its)
            below = {"config": _cli.CONFIG_COMMANDS, "cache": _cli.CACHE_COMMANDS}.get(name)
            if below is not None:
                yield from sections(its, below, f"{name} ")

    return "\n\n".join(sections(_cli.parser(), _cli.COMMANDS))


def exit_codes() -> str:
    """The whole table, as on the page of the doctor."""
    return table(("code", ""), ((str(number), "; ".join(said)) for number, said in _cli.EXIT_CODES.items()))


# ---------------------------------------------------------------- records


class Case(NamedTuple):
    """What makes a record: in words, the variables, and lines that run before the load."""

    what: str
    variables: Mapping[str, str] = {}
    before: str = ""


PROGRAM = """
import logging, sys
logging.basicConfig(format="%(levelname)s|%(message)s", level="DEBUG", stream=sys.stdout)
import ssl
{before}
ssl.create_default_context()
ssl.create_default_context()
"""
PREFIX = "fallback-roots: Python's default CA load found no certificate; "
FEW_DESCRIPTORS = (
    "import os, resource; free = os.dup(0); os.close(free); resource.setrlimit(resource.RLIMIT_NOFILE, (free, free))"
)
# `{0}` is a directory, in which corp.pem has a root, bad.pem a cut one before it, and empty.pem none.
CASES = (
    Case("nothing is set"),
    Case("`SSL_CERT_FILE` names what is not there", {"SSL_CERT_FILE": "{0}/missing.pem"}),
    Case("the same, with `honor_ssl_env`", {"SSL_CERT_FILE": "{0}/missing.pem", "FALLBACK_ROOTS_HONOR_SSL_ENV": "1"}),
    Case("`cafile`", {"FALLBACK_ROOTS_CAFILE": "{0}/corp.pem"}),
    Case("`cafile` and `certifi`", {"FALLBACK_ROOTS_CAFILE": "{0}/corp.pem", "FALLBACK_ROOTS_CERTIFI": "1"}),
    Case("a `cafile` that is not there", {"FALLBACK_ROOTS_CAFILE": "{0}/missing.pem"}),
    Case("the same beside `certifi`", {"FALLBACK_ROOTS_CAFILE": "{0}/missing.pem", "FALLBACK_ROOTS_CERTIFI": "1"}),
    Case("a `cafile` without a certificate", {"FALLBACK_ROOTS_CAFILE": "{0}/empty.pem"}),
    Case("a `cafile` with a bad certificate", {"FALLBACK_ROOTS_CAFILE": "{0}/bad.pem"}),
    Case("a `capath` without hashed names", {"FALLBACK_ROOTS_CAPATH": "{0}"}),
    Case("`certifi = false`, and no other source", {"FALLBACK_ROOTS_CERTIFI": "0"}),
    Case("a variable's value is none", {"FALLBACK_ROOTS_CERTIFI": "maybe"}),
    Case("a config file has an unknown key", {"FALLBACK_ROOTS_CONFIG": "{0}/faulty.toml"}),
    Case("`lazy`", {"FALLBACK_ROOTS_LAZY": "1", "FALLBACK_ROOTS_CACHE": "{0}/cache"}),
    Case("`lazy`, and a group that may write to the cache", {"FALLBACK_ROOTS_LAZY": "1", "FALLBACK_ROOTS_CACHE": "{0}/group"}),
    Case("`lazy`, and everybody may", {"FALLBACK_ROOTS_LAZY": "1", "FALLBACK_ROOTS_CACHE": "{0}/everybody"}),
    Case("wrapt cannot be imported", before="sys.modules['wrapt'] = None"),
    Case("certifi cannot be imported", before="sys.modules['certifi'] = None"),
    Case("no file descriptor is left, so that [nothing can be looked at](how-it-decides.md)", before=FEW_DESCRIPTORS),
    Case("`disable`", {"FALLBACK_ROOTS_DISABLE": "1"}),
    Case("the default load finds a certificate", {"SSL_CERT_FILE": "{0}/corp.pem"}),
    Case("`SSL_CERT_FILE=/dev/null`: [taken at its word](how-it-decides.md)", {"SSL_CERT_FILE": "/dev/null"}),
)


def prepared(directory: Path) -> None:
    """Fill `directory` with what the cases name."""
    new_ca("Example", directory / "corp.pem")
    root = (directory / "corp.pem").read_text(encoding="ascii")
    (directory / "bad.pem").write_text(f"{root[:200]}\n{root}", encoding="ascii")
    (directory / "empty.pem").write_text("", encoding="ascii")
    (directory / "faulty.toml").write_text('cafil = "corp.pem"\n', encoding="ascii")
    for name, mode in (("cache", 0o755), ("group", 0o775), ("everybody", 0o777)):
        (directory / name).mkdir()
        (directory / name).chmod(mode)


def records() -> str:
    """What each case records, in a process on a machine without CA certificates; Linux, and root."""
    rows = []
    with tempfile.TemporaryDirectory(dir="/root") as name:  # not below /tmp, where everybody may write
        prepared(Path(name))
        for case in CASES:
            variables = {key: value.format(name) for key, value in case.variables.items()}
            done = python("-c", PROGRAM.format(before=case.before), env=variables, prefix=without_cas(), measured=False)
            assert (done.returncode, done.stderr) == (0, ""), done.stderr
            lines = [anonymous(line, name).split("|", 1) for line in done.stdout.splitlines()]
            rows += [(case.what, level, code(message.removeprefix(PREFIX))) for level, message in lines] or [
                (case.what, "none", "")
            ]
    return table(("what is so", "level", "record"), rows)


def anonymous(text: str, directory: str) -> str:
    """`text` as it is on any machine."""
    text = text.replace(certifi.__file__, "/venv/…/certifi/__init__.py").replace(directory, "/srv")
    text = text.replace(f"{certifi.contents().count('BEGIN CERTIFICATE')} roots", "117 roots")
    return re.sub(r"/1-[0-9a-f]{32}\b", "/1-e1b7…", text)


class Event(NamedTuple):
    """An audit event: its name, how many arguments it has, and the module that raises it."""

    name: str
    arguments: int
    module: str


def events() -> list[Event]:
    """The calls of ``sys.audit`` in the sources."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "sys.audit":
                name, *arguments = node.args
                found.append(Event(ast.literal_eval(name), len(arguments), path.stem))
    return found


# ---------------------------------------------------------------- JSON


def kind(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """The type of a value, in a word or two."""
    schema = resolved(schema, defs)
    if "enum" in schema:
        return ", ".join(code(json.dumps(value)) for value in schema["enum"])
    if "const" in schema:
        return code(json.dumps(schema["const"]))
    if "anyOf" in schema:
        return ", ".join(dict.fromkeys(kind(each, defs) for each in schema["anyOf"]))
    types = schema.get("type", "object")
    items = resolved(schema.get("items", {}), defs)
    if types == "array" and "type" in items:
        return f"array of {items['type']}s"
    return " or ".join([types] if isinstance(types, str) else types)


def resolved(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """`schema`, or what it refers to."""
    return defs[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def values(schema: Mapping[str, Any], defs: Mapping[str, Any], name: str = "") -> Iterator[tuple[str, str, str]]:
    """Name, type and meaning of all that is in a value."""
    schema = resolved(schema, defs)
    if name and not (name.endswith("[]") and schema.get("type") == "object"):
        yield code(name), kind(schema, defs), schema.get("description", "")
    for branch in (schema, *(resolved(each, defs) for each in schema.get("anyOf", ()))):
        for key, value in branch.get("properties", {}).items():
            yield from values(value, defs, f"{name}.{key}" if name else key)
        if isinstance(branch.get("additionalProperties"), dict):
            yield from values(branch["additionalProperties"], defs, f"{name}.KEY")
        if "items" in branch and resolved(branch["items"], defs).keys() & {"properties", "anyOf", "enum"}:
            yield from values(branch["items"], defs, f"{name}[]")


def schema(name: str) -> Callable[[], str]:
    """What makes the table of a schema."""

    def made() -> str:
        whole = json.loads((ROOT / "docs" / f"{name}-schema.json").read_text(encoding="utf-8"))
        return table(("name", "type", "meaning"), values(whole, whole.get("$defs", {})))

    return made


# ---------------------------------------------------------------- bundles, functions, modules


def bundles() -> str:
    return table(("file", "who keeps it there"), ((code(path), who) for path, who in _system.BUNDLES))


def directories() -> str:
    return table(("directory", "who keeps it there"), ((code(path), who) for path, who in _system.DIRECTORIES))


def verdict_codes() -> tuple[str, ...]:
    """The codes of `Verdict`, in the order of the rules: those that `judge` gives by name, then those of the places."""
    text = inspect.getdoc(_detect.Verdict) or ""
    documented = re.findall(r"``(\w+)``", text.partition("Codes:")[2])
    tree = ast.parse(inspect.getsource(_detect.judge))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Verdict"]
    named = [node.args[0].value for node in calls if isinstance(node.args[0], ast.Constant)]
    assert set(named) | {"directory", "file", "device"} == set(documented), (named, documented)
    return tuple(documented)


# For each code of `Verdict` the question that a yes answers with it, in the order in which `judge` asks.
QUESTIONS = {
    "purpose": "Was it for anything but Purpose.SERVER_AUTH?",
    "server": "Is the context a server's (PROTOCOL_TLS_SERVER)?",
    "foreign": "Is the context, or its load, not the standard library's own?",
    "environment": "Did SSL_CERT_FILE or SSL_CERT_DIR change while it ran?",
    "certificates": "Did the context hold what a default load finds already?",
    "directory": "May a certificate directory yield one when OpenSSL verifies?",
    "device": "Is a place neither a file nor a directory (/dev/null)?",
    "file": "Does the certificate file yield one now?",
}
# Likewise of `Outcome`, asked of the settings; but `loaded` is what is left.
OUTCOMES = {
    "disabled": "do they switch it off",
    "fault": "can they not be known, or is it a fault of the moment",
    "honored": "do they have honor_ssl_env, and is a variable set",
    "none": "is certifi = false, and no other source set",
    "broken": "did no chosen source give a certificate",
    "loaded": "the chosen roots are in the context",
}
STATES = {
    "absent": "nothing has armed this interpreter",
    "disabled": "`FALLBACK_ROOTS_DISABLE` says off",
    "armed": "it waits for `ssl`",
    "watching": "stand-ins are in `ssl`",
    "patched": "wrapt's wrappers are",
}


def told_codes(kind: type, field: str) -> set[str]:
    """The codes that a class says its `field` may have; without what stands in brackets."""
    text = (inspect.getdoc(kind) or "").partition(f"`{field}`:")[2].partition("`: ")[0]
    return set(re.findall(r"``(\w+)``", re.sub(r"\([^)]*\)", "", text)))


def codes() -> str:
    """The codes of a status, of a verdict and of an outcome."""
    assert list(QUESTIONS) == [name for name in verdict_codes() if name != "empty"]
    assert set(OUTCOMES) == told_codes(_fallback.Outcome, "code")
    assert set(STATES) == told_codes(_fallback.Status, "state")
    rows = [("`status().state`", code(name), meaning) for name, meaning in STATES.items()]
    verdicts = {**QUESTIONS, "empty": "None of these: the settings are asked."}
    rows += [("`status().verdict.code`", code(name), in_code(meaning, WORDS)) for name, meaning in verdicts.items()]
    outcomes = {name: f"{text[0].upper()}{text[1:]}{'.' if name == 'loaded' else '?'}" for name, text in OUTCOMES.items()}
    rows += [("`status().outcome.code`", code(name), in_code(text, WORDS)) for name, text in outcomes.items()]
    return table(("where", "code", "when"), rows)


def first_sentence(thing: object) -> str:
    text = " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())
    return re.sub(r"``", "`", re.split(r"(?<=\.) (?=[A-Z`])", text)[0])


def functions() -> str:
    """What the package exports, in a line each."""
    rows = []
    for name in fallback_roots.__all__:
        thing = getattr(fallback_roots, name)
        fields = getattr(thing, "_fields", None) or getattr(thing, "__slots__", None)
        if inspect.isfunction(thing):
            shown = f"{name}({', '.join(inspect.signature(thing).parameters)})"
        elif isinstance(thing, type) and issubclass(thing, Exception):
            shown = name
        else:
            shown = f"{name}({', '.join(fields or ())})"
        rows.append((code(shown), first_sentence(thing)))
    return table(("name", ""), rows)


def modules() -> str:
    """Every module with the first line of its docstring, by tier."""
    rows = []
    for path in PACKAGE.rglob("*.py"):
        match = re.match(r'"""Tier ([0-4]): (.*)', path.read_text(encoding="utf-8"))
        if match:
            name = path.relative_to(PACKAGE).as_posix()
            line = match[2].removesuffix('"""').replace("``", "`")
            rows.append((match[1], name, f"[{name}](src/fallback_roots/{name})", line))
    return table(("tier", "file", "what it is for"), ((tier, link, line) for tier, _, link, line in sorted(rows)))


# ---------------------------------------------------------------- pages


TABLES: dict[str, dict[str, Callable[[], str]]] = {
    "docs/settings.md": {"keys": keys, "places": places, "variables": homes, "bounds": bounds},
    "docs/commands.md": {"commands": commands},
    "docs/doctor-command.md": {"exit codes": exit_codes},
    "docs/records.md": {"records": records},
    "docs/json.md": {name: schema(name) for name in ("doctor", "check", "config")},
    "docs/bundles.md": {"bundles": bundles, "directories": directories},
    "docs/api.md": {"functions": functions, "codes": codes},
    "CONTRIBUTING.md": {"modules": modules},
}


def marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}, by tests/reference.py: begin -->", f"<!-- {name}: end -->"


def put(page: str, name: str, made: str) -> str:
    """`page` with `made` between the marks of `name`."""
    begin, end = marks(name)
    assert page.count(begin) == page.count(end) == 1, name
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n\n{made}\n\n{end}{rest.partition(end)[2]}"


def main() -> None:
    """Write all tables, or those that are named."""
    for file, tables in TABLES.items():
        path = ROOT / file
        page = path.read_text(encoding="utf-8")
        for name, make in tables.items():
            if not sys.argv[1:] or name in sys.argv[1:]:
                page = put(page, name, make())
        path.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
