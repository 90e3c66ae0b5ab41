"""The settings: every place that has a say, in every order, and every fault with its exact message."""

import errno
import importlib.abc
import json
import os
import pwd
import shutil
import socket
import stat
import sys
import types
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest
from conftest import needs_root
from support import NOWHERE, python

from fallback_roots import _files, _places, _settings

TOML = "tomllib" if sys.version_info >= (3, 11) else "tomli"
DEFAULTS = {
    "cafile": None,
    "capath": None,
    "certifi": True,
    "prefer_system": False,
    "honor_ssl_env": False,
    "lazy": False,
    "cache": None,
    "disable": False,
}
SETTINGS = ", ".join(DEFAULTS)
VARIABLES = ", ".join(f"FALLBACK_ROOTS_{name.upper()}" for name in ("config", *DEFAULTS))

# Config files, lowest precedence first; XDG_CONFIG_DIRS is "first:second".
FILES = {
    "second site": "second/fallback-roots/config.toml",
    "first site": "first/fallback-roots/config.toml",
    "user": "home/.config/fallback-roots/config.toml",
    "environment": "prefix/fallback-roots.toml",
}
ORDER = (*FILES, "variable")


class Machine:
    """A machine of its own: below `root` is a directory for each place that a config file may be in."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.home = root / "home"
        self.files = {place: root / name for place, name in FILES.items()}
        self.files["named"] = root / "named" / "any name.toml"
        for file in self.files.values():
            file.parent.mkdir(parents=True)
        for name in os.environ:
            if name.startswith(("FALLBACK_ROOTS_", "XDG_")):
                monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(self.home))
        monkeypatch.setenv("XDG_CONFIG_DIRS", f"{root / 'first'}:{root / 'second'}")
        monkeypatch.setattr(sys, "prefix", str(root / "prefix"))

    def write(self, place: str, text: str | bytes) -> str:
        """Write the config file of `place`; returns its path."""
        path = self.files[place]
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    def read(self, **variables: str) -> _settings.Settings:
        """The settings, with these FALLBACK_ROOTS_ variables."""
        return _settings.read({**os.environ, **{f"FALLBACK_ROOTS_{name}": text for name, text in variables.items()}})

    def problems(self, text: str | bytes) -> tuple[str, ...]:
        """What is wrong with a config file that says `text`, less its path."""
        path = self.write("named", text)
        problems = self.read(CONFIG=path).problems
        assert all(problem.startswith(f"{path}: ") for problem in problems)
        return tuple(problem[len(path) + 2 :] for problem in problems)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine on which nothing is set."""
    return Machine(tmp_path, monkeypatch)


# Precedence


def test_where_nobody_says_anything(machine: Machine) -> None:
    """Without a file and a variable the defaults hold, and it is known where was looked."""
    assert machine.read() == _settings.Settings(
        DEFAULTS,
        dict.fromkeys(DEFAULTS, "default"),
        tuple(
            _settings.File(str(machine.files[place]), place.removeprefix("first ").removeprefix("second "), False)
            for place in FILES
        ),
        (),
    )


def test_the_environment_is_the_process_s(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument the variables are those of this process."""
    monkeypatch.setenv("FALLBACK_ROOTS_CERTIFI", "no")
    assert _settings.read().values["certifi"] is False
    assert machine.read().origins["certifi"] == "FALLBACK_ROOTS_CERTIFI"


@pytest.mark.parametrize("key", DEFAULTS)
@pytest.mark.parametrize("highest", ORDER)
def test_precedence(highest: str, key: str, machine: Machine) -> None:
    """Of all places that say a key the highest has its way, and is the key's origin."""
    is_path = _settings.KEYS[key].type == "path"
    variables = {}
    origin, expected = "", None
    for place in ORDER[: ORDER.index(highest) + 1]:
        expected = f"/{place}/pem" if is_path else place == highest
        if place == "variable":
            variables[key.upper()] = str(expected)
            origin = f"FALLBACK_ROOTS_{key.upper()}"
        else:
            origin = machine.write(place, f"{key} = {json.dumps(expected)}")
    settings = machine.read(**variables)
    assert (settings.values[key], settings.origins[key]) == (expected, origin)
    assert settings.problems == ()


@pytest.mark.parametrize("key", [key for key, what in _settings.KEYS.items() if what.type == "bool"])
@pytest.mark.parametrize("highest", ORDER[1:])
def test_a_false_counts_as_much_as_a_true(highest: str, key: str, machine: Machine) -> None:
    """A higher place's false takes back what a lower one's true has said."""
    machine.write("second site", f"{key} = true")
    if highest != "variable":
        machine.write(highest, f"{key} = false")
    assert machine.read(**({key.upper(): "0"} if highest == "variable" else {})).values[key] is False


def test_places_are_merged_key_by_key(machine: Machine) -> None:
    """A place that says one key leaves those of all others as they are."""
    origins = {
        "cafile": machine.write("second site", 'cafile = "/ca.pem"'),
        "capath": machine.write("first site", 'capath = "/certs"'),
        "certifi": machine.write("user", "certifi = true"),
        "prefer_system": machine.write("environment", "prefer_system = true"),
        "honor_ssl_env": "FALLBACK_ROOTS_HONOR_SSL_ENV",
        "lazy": "default",
        "cache": "FALLBACK_ROOTS_CACHE",
        "disable": "default",
    }
    settings = machine.read(HONOR_SSL_ENV="on", CACHE="/cache")
    assert settings.values == {
        "cafile": "/ca.pem",
        "capath": "/certs",
        "certifi": True,
        "prefer_system": True,
        "honor_ssl_env": True,
        "lazy": False,
        "cache": "/cache",
        "disable": False,
    }
    assert settings.origins == origins
    assert [file.exists for file in settings.files] == [True] * 4


def test_xdg_config_home(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's directory is where platformdirs says it is."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(machine.root / "first"))
    path = machine.write("first site", "certifi = false")
    assert machine.read().files[2] == _settings.File(path, "user", True)


def test_a_named_file_stands_in_the_place_of_all_files(machine: Machine) -> None:
    """FALLBACK_ROOTS_CONFIG names the one file that is read; variables stay above it."""
    for place in FILES:
        machine.write(place, 'cafile = "/ca.pem"\nno key')
    path = machine.write("named", 'capath = "/certs"\ndisable = true')
    settings = machine.read(CONFIG=path, DISABLE="0")
    assert settings.values == {**DEFAULTS, "capath": "/certs", "certifi": False}
    assert settings.origins["capath"] == path
    assert settings.files == (_settings.File(path, "FALLBACK_ROOTS_CONFIG", True),)
    assert settings.problems == ()


def test_the_null_device_is_no_file(machine: Machine) -> None:
    """With FALLBACK_ROOTS_CONFIG at the null device no file is read, and variables are."""
    machine.write("user", "no key")
    settings = machine.read(CONFIG=os.devnull, HONOR_SSL_ENV="1")
    assert settings.values == {**DEFAULTS, "honor_ssl_env": True}
    assert (settings.files, settings.problems) == ((), ())


def test_a_named_file_below_home(machine: Machine) -> None:
    """A ~ in FALLBACK_ROOTS_CONFIG is expanded."""
    path = machine.write("user", "certifi = false")
    assert machine.read(CONFIG="~/.config/fallback-roots/config.toml").files == (
        _settings.File(path, "FALLBACK_ROOTS_CONFIG", True),
    )


@pytest.mark.parametrize(
    "said",
    ["", " ", "config.toml", "./config.toml", "../config.toml", "~nobody-of-that-name/config.toml", "a\n\"b'\\"],
    ids=repr,
)
def test_a_named_file_without_a_place(said: str, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative FALLBACK_ROOTS_CONFIG is a fault even where there is such a file, and no other file is read instead."""
    machine.write("user", "certifi = false")
    monkeypatch.chdir(machine.root)
    (machine.root / "config.toml").write_text("certifi = false")
    settings = machine.read(CONFIG=said)
    shown = {"a\n\"b'\\": '"a\\n\\"b\\\'\\\\"'}.get(said, f'"{said}"')
    assert settings.problems == (
        f"FALLBACK_ROOTS_CONFIG={shown} names no file (expected an absolute path, or /dev/null for no file)",
    )
    assert settings.files == ()
    assert settings.values["certifi"] is True


SOURCES_SAID: dict[str, tuple[dict[str, str], bool]] = {
    "nothing": ({}, True),
    "cafile": ({"cafile": '"/ca.pem"'}, False),
    "capath": ({"capath": '"/certs"'}, False),
    "both": ({"cafile": '"/ca.pem"', "capath": '"/certs"'}, False),
    "cafile and certifi": ({"cafile": '"/ca.pem"', "certifi": "true"}, True),
    "capath and certifi": ({"capath": '"/certs"', "certifi": "true"}, True),
    "no certifi": ({"certifi": "false"}, False),
    "prefer_system": ({"prefer_system": "true"}, True),
}


@pytest.mark.parametrize("place", ["user", "variable"])
@pytest.mark.parametrize(("said", "expected"), SOURCES_SAID.values(), ids=SOURCES_SAID)
def test_certifi_is_chosen_where_no_other_source_is(said: dict[str, str], expected: bool, place: str, machine: Machine) -> None:
    """certifi is true when neither cafile nor capath is set, else false; what is said of it in so many words holds."""
    if place == "user":
        machine.write(place, "\n".join(f"{key} = {value}" for key, value in said.items()))
        settings = machine.read()
    else:
        settings = machine.read(**{key.upper(): value.strip('"') for key, value in said.items()})
    assert settings.values["certifi"] is expected
    assert (settings.origins["certifi"] == "default") == ("certifi" not in said)


# Values


@pytest.mark.parametrize("key", ["cafile", "capath"])
@pytest.mark.parametrize("place", [*FILES, "named"])
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("/certs/ca.pem", "/certs/ca.pem"),
        ("ca.pem", "{directory}/ca.pem"),
        ("../ca.pem", "{directory}/../ca.pem"),
        ("./~ca.pem", "{directory}/./~ca.pem"),
        (" ", "{directory}/ "),
        ("~", "{home}"),
        ("~/ca.pem", "{home}/ca.pem"),
        ("$HOME/ca.pem", "{directory}/$HOME/ca.pem"),
    ],
)
def test_a_path_in_a_file(said: str, expected: str, place: str, key: str, machine: Machine) -> None:
    """A relative path is relative to the file that says it, and ~ is the user's home; nothing else is expanded."""
    path = machine.write(place, f"{key} = '{said}'")
    settings = machine.read(**({"CONFIG": path} if place == "named" else {}))
    assert settings.values[key] == expected.format(directory=Path(path).parent, home=machine.home)
    assert settings.problems == ()


@pytest.mark.parametrize("key", ["cafile", "capath"])
@pytest.mark.parametrize(("said", "expected"), [("/ca.pem", "/ca.pem"), ("~/ca.pem", "{home}/ca.pem"), ("~", "{home}")])
def test_a_path_in_a_variable(said: str, expected: str, key: str, machine: Machine) -> None:
    """A variable's path is absolute or below a home."""
    assert machine.read(**{key.upper(): said}).values[key] == expected.format(home=machine.home)


@pytest.mark.parametrize("key", ["CAFILE", "CAPATH"])
@pytest.mark.parametrize("said", ["", " ", "ca.pem", "./ca.pem", "~nobody-of-that-name/ca.pem"], ids=repr)
def test_a_relative_path_in_a_variable(key: str, said: str, machine: Machine) -> None:
    """A variable has no directory that a path could be relative to."""
    settings = machine.read(**{key: said})
    assert settings.problems == (f'FALLBACK_ROOTS_{key}="{said}" is not an absolute path',)
    assert settings.values == DEFAULTS


@pytest.mark.parametrize("word", ["1", "true", "yes", "on", "True", "YES", " on "])
@pytest.mark.parametrize("key", ["certifi", "prefer_system", "honor_ssl_env", "lazy", "disable"])
def test_a_variable_says_true(key: str, word: str, machine: Machine) -> None:
    """Variables say true in four ways, in either case."""
    machine.write("user", f"{key} = false")
    settings = machine.read(**{key.upper(): word})
    assert (settings.values[key], settings.origins[key]) == (True, f"FALLBACK_ROOTS_{key.upper()}")
    assert settings.problems == ()


@pytest.mark.parametrize("word", ["0", "false", "no", "off", "False", "NO", " off "])
@pytest.mark.parametrize("key", ["certifi", "prefer_system", "honor_ssl_env", "lazy", "disable"])
def test_a_variable_says_false(key: str, word: str, machine: Machine) -> None:
    """Variables say false in four ways, in either case."""
    machine.write("user", f"{key} = true")
    settings = machine.read(**{key.upper(): word})
    assert (settings.values[key], settings.origins[key]) == (False, f"FALLBACK_ROOTS_{key.upper()}")
    assert settings.problems == ()


@pytest.mark.parametrize("word", ["", " ", "2", "y", "t", "enabled", "tru e", '"true"', "\n"], ids=repr)
@pytest.mark.parametrize("key", ["CERTIFI", "PREFER_SYSTEM", "HONOR_SSL_ENV", "LAZY"])
def test_a_variable_that_is_no_boolean(key: str, word: str, machine: Machine) -> None:
    """Any other word is a fault and changes nothing."""
    settings = machine.read(**{key: word})
    shown = {'"true"': '"\\"true\\""', "\n": '"\\n"'}.get(word, f'"{word}"')
    assert settings.problems == (f"FALLBACK_ROOTS_{key}={shown} is not a boolean (1, true, yes, on, 0, false, no or off)",)
    assert settings.values == DEFAULTS


@pytest.mark.parametrize("word", ["2", "y", "ON!", "nope", "faIse"])
def test_the_off_switch_errs_towards_off(word: str, machine: Machine) -> None:
    """FALLBACK_ROOTS_DISABLE takes every word that does not mean on for off."""
    settings = machine.read(DISABLE=word)
    assert settings.values["disable"] is True
    assert settings.problems == ()


@pytest.mark.parametrize("word", ["", " "], ids=repr)
def test_an_empty_off_switch_says_nothing(word: str, machine: Machine) -> None:
    """An empty FALLBACK_ROOTS_DISABLE leaves the say to the files."""
    path = machine.write("user", "disable = true")
    settings = machine.read(DISABLE=word)
    assert (settings.values["disable"], settings.origins["disable"]) == (True, path)


@pytest.mark.parametrize("place", [*FILES, "named"])
def test_disable_in_a_file(place: str, machine: Machine) -> None:
    """Any config file may switch the fallback off, though the rest of it has a fault."""
    path = machine.write(place, 'disable = true\nlazyness = "great"')
    settings = machine.read(**({"CONFIG": path} if place == "named" else {}))
    assert (settings.values["disable"], settings.origins["disable"]) == (True, path)


@pytest.mark.parametrize(
    "name", ["CAFIL", "CAFILES", "CA_FILE", "", "_CAFILE", "LAZYNESS", "cafile ", "DISABLED", "CONFIG_FILE", "NO-CERTIFI", "é"]
)
def test_an_unknown_variable(name: str, machine: Machine) -> None:
    """A variable of ours that there is not is a fault: it may have been meant to narrow trust."""
    settings = machine.read(**{name: "1"})
    assert settings.problems == (f"FALLBACK_ROOTS_{name}: is not a variable of fallback-roots (expected one of {VARIABLES})",)
    assert settings.values == DEFAULTS


@pytest.mark.parametrize("name", ["config", "Config", "disable", "Disable", "cafile", "certifi"])
def test_a_variable_in_the_wrong_case(name: str, machine: Machine) -> None:
    """POSIX tells names in upper and lower case apart, so such a variable is unknown: not obeyed, and not overlooked."""
    machine.write("user", "disable = true")
    settings = machine.read(**{name: "1"})
    assert settings.problems == (f"FALLBACK_ROOTS_{name}: is not a variable of fallback-roots (expected one of {VARIABLES})",)
    assert settings.values["disable"] is True


@pytest.mark.usefixtures("machine")
def test_other_peoples_variables() -> None:
    """A variable without our prefix is none of our business."""
    environ = {**os.environ, "FALLBACK_ROOTS": "1", "MY_FALLBACK_ROOTS_CAFILE": "x", "fallback_roots_cafile": "x"}
    settings = _settings.read(environ)
    assert (settings.values, settings.problems) == (DEFAULTS, ())


# Faults of a file


class Fault(NamedTuple):
    """What a config file says, and what is wrong with it (less the file's path)."""

    text: str | bytes
    problem: str


FAULTS = {
    "unknown key": Fault('cafil = "corp.pem"', f'cafil = "corp.pem" is not a setting (expected one of {SETTINGS})'),
    "unknown table": Fault("[tls]\ncafile = '/ca'", f"tls = {{'cafile': '/ca'}} is not a setting (expected one of {SETTINGS})"),
    "key in upper case": Fault("CERTIFI = true", f"CERTIFI = true is not a setting (expected one of {SETTINGS})"),
    "empty key": Fault('"" = 1', f" = 1 is not a setting (expected one of {SETTINGS})"),
    "nasty key": Fault('"a\\n\\"b" = 1', f'a\\n\\"b = 1 is not a setting (expected one of {SETTINGS})'),
    "variable's name": Fault("config = '/c'", f'config = "/c" is not a setting (expected one of {SETTINGS})'),
    "string for a boolean": Fault('certifi = "yes"', 'certifi = "yes" is not a boolean (true or false)'),
    "number for a boolean": Fault("certifi = 1", "certifi = 1 is not a boolean (true or false)"),
    "date for a boolean": Fault("disable = 2026-01-01", "disable = datetime.date(2026, 1, 1) is not a boolean (true or false)"),
    "boolean for a path": Fault("cafile = false", "cafile = false is not a string (a path)"),
    "number for a path": Fault("capath = 0.5", "capath = 0.5 is not a string (a path)"),
    "array for a path": Fault('cafile = ["/a", "/b"]', "cafile = ['/a', '/b'] is not a string (a path)"),
    "dotted key": Fault('cafile.path = "/a"', "cafile = {'path': '/a'} is not a string (a path)"),
    "empty path": Fault('cafile = ""', 'cafile = "" is not a path'),
    "NUL in a path": Fault('capath = "/a\\u0000b"', 'capath = "/a\\x00b" is not a path'),
    "nobody's home": Fault(
        'cafile = "~nobody-of-that-name/a"', 'cafile = "~nobody-of-that-name/a" cannot be expanded to an absolute path'
    ),
    "quotes": Fault("certifi = '\"a\"'", 'certifi = "\\"a\\"" is not a boolean (true or false)'),
    "newline": Fault('certifi = "a\\nb"', 'certifi = "a\\nb" is not a boolean (true or false)'),
    "long value": Fault(f'certifi = "{"a" * 5000}"', f'certifi = "{"a" * 96}... is not a boolean (true or false)'),
    "nested value": Fault(f"certifi = {'[' * 300}{']' * 300}", f"certifi = {'[' * 97}... is not a boolean (true or false)"),
    "long integer": Fault(
        f"certifi = {'9' * 5000}",
        "is not TOML (Exceeds the limit (4300{digits}) for integer string conversion: value has 5000 digits;"
        " use sys.set_int_max_str_digits() to increase the limit)",
    ),
    "not UTF-8": Fault(b'# a comment\ncafile = "\xe9.pem"', "is not UTF-8 (byte 22)"),
    "UTF-16": Fault("certifi = true".encode("utf-16"), "is not UTF-8 (byte 0)"),
    "no value": Fault("cafile", "is not TOML (Expected '=' after a key in a key/value pair (at end of document))"),
    "no quotes": Fault("cafile = /ca.pem", "is not TOML (Invalid value (at line 1, column 10))"),
    "key twice": Fault("certifi = true\ncertifi = true", "is not TOML (Cannot overwrite a value (at end of document))"),
    "INI": Fault(
        "[fallback-roots]\ncertifi: yes", "is not TOML (Expected '=' after a key in a key/value pair (at line 2, column 8))"
    ),
    "two marks": Fault(b"\xef\xbb\xbf" * 2 + b"certifi = true", "is not TOML (Invalid statement (at line 1, column 1))"),
    "NUL": Fault(b"\0", "is not TOML (Invalid statement (at line 1, column 1))"),
    "many dots": Fault(f"certifi = true\ndisable = true # {'.' * 101}", "is not TOML (line 2 has more than 100 dots)"),
    "too large": Fault("#" * (1024 * 1024 + 1), "is larger than 1048576 bytes"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_a_file(name: str, machine: Machine) -> None:
    """Each fault is told in one line, with the file, the key, what was found and what was expected; it sets nothing."""
    text, problem = FAULTS[name]
    digits = "" if sys.version_info < (3, 11) else " digits"
    assert machine.problems(text) == (problem.replace("{digits}", digits),)
    settings = machine.read(CONFIG=str(machine.files["named"]))
    assert (settings.values, [file.exists for file in settings.files]) == (DEFAULTS, [True])


def test_an_integer_that_cannot_be_shown(machine: Machine) -> None:
    """A hexadecimal integer has no limit in TOML, but Python writes none so long: it is a fault like any other value."""
    (problem,) = machine.problems(f"certifi = 0x{'f' * 5000}")
    shown = "(a large int)" if hasattr(sys, "get_int_max_str_digits") else f"{16**5000 - 1}"[:97] + "..."
    assert problem == f"certifi = {shown} is not a boolean (true or false)"


def test_a_long_name_is_shortened(machine: Machine) -> None:
    """However long a name is, the message about it ends soon, and says that something is left out."""
    for length, shown in ((99, "k" * 99), (100, "k" * 96 + "..."), (5000, "k" * 96 + "...")):
        (problem,) = machine.problems(f"{'k' * length} = 1")
        assert problem == f"{shown} = 1 is not a setting (expected one of {SETTINGS})"


def test_all_faults_of_all_places_at_once(machine: Machine) -> None:
    """Whoever mends one fault finds no next one behind it: all of all files and variables are told, lowest place first."""
    site = machine.write("first site", 'cafil = "a"\ncertifi = "no"\ndisable = false\ncapath = ""')
    user = machine.write("user", "not toml")
    settings = machine.read(CERTIFI="perhaps", CAFILE="ca.pem")
    assert settings.problems == (
        f'{site}: cafil = "a" is not a setting (expected one of {SETTINGS})',
        f'{site}: certifi = "no" is not a boolean (true or false)',
        f'{site}: capath = "" is not a path',
        f"{user}: is not TOML (Expected '=' after a key in a key/value pair (at line 1, column 5))",
        'FALLBACK_ROOTS_CAFILE="ca.pem" is not an absolute path',
        'FALLBACK_ROOTS_CERTIFI="perhaps" is not a boolean (1, true, yes, on, 0, false, no or off)',
    )
    assert [len(file.problems) for file in settings.files] == [0, 3, 1, 0]


SOUND = {
    "empty": b"",
    "comment": b"# certifi = false\n",
    "byte order mark": b"\xef\xbb\xbfcertifi = false",
    "nothing but a byte order mark": b"\xef\xbb\xbf",
    "CRLF": b"certifi = false\r\nhonor_ssl_env = false\r\n",
    "no newline": b"certifi = false",
    "UTF-8": "certifi = false # é".encode(),
    "as many dots as may be": b"certifi = false # " + b"." * 100,
    "many dots in a comment": b"certifi = false\n  # " + b"." * 1000,
    "as large as may be": b"certifi = false\n" + b"#" * (1024 * 1024 - 16),
}


@pytest.mark.parametrize("data", SOUND.values(), ids=SOUND)
def test_a_sound_file(data: bytes, machine: Machine) -> None:
    """A byte order mark is fine, and so is whatever else TOML is."""
    assert machine.problems(data) == ()
    said = machine.read(CONFIG=str(machine.files["named"])).values["certifi"]
    assert said is (b"certifi = false" not in data or data.startswith(b"# "))


BOMB = """
import os, resource, sys
from fallback_roots import _settings

resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28))
sys.stdout.write("\\n".join(_settings.read().problems))
"""


def test_a_file_that_costs_too_much(tmp_path: Path) -> None:
    """A dotted key of 20000 parts, for which tomllib takes 1.6 GB, is a fault of its file and costs the program nothing."""
    path = tmp_path / "config.toml"
    path.write_text(".".join("a" * 20_000) + " = 1")
    done = python("-c", BOMB, env={"FALLBACK_ROOTS_CONFIG": str(path)})
    assert done.stdout.startswith(f"{path}: "), done.stderr
    assert (done.returncode, done.stdout.count("\n")) == (0, 0)


def in_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.touch()


def of_a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


class Shape(NamedTuple):
    """How something is put where a config file should be, and what is wrong with it; None is nothing at all."""

    make: Callable[[Path], Any]
    problem: str | None
    problem_of_a_named: str | None


DANGLING = "is a link to a file that does not exist"
SHAPES = {
    "missing": Shape(lambda _: None, None, "cannot be opened (No such file or directory)"),
    "no directory": Shape(in_a_file, None, "cannot be opened (Not a directory)"),
    "directory": Shape(Path.mkdir, "is not a regular file", "is not a regular file"),
    "FIFO": Shape(os.mkfifo, "is not a regular file", "is not a regular file"),
    "link to the null device": Shape(
        lambda path: path.symlink_to("/dev/null"), "is not a regular file", "is not a regular file"
    ),
    "socket": Shape(
        of_a_socket, "cannot be opened (No such device or address)", "cannot be opened (No such device or address)"
    ),
    "dangling link": Shape(lambda path: path.symlink_to(NOWHERE), DANGLING, DANGLING),
    "link to itself": Shape(
        lambda path: path.symlink_to(path),
        "cannot be opened (Too many levels of symbolic links)",
        "cannot be opened (Too many levels of symbolic links)",
    ),
}


@pytest.mark.parametrize("place", [*FILES, "named"])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_no_file(shape: str, place: str, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no regular file is a fault, and none that is found is none; one that was named must be there."""
    path = machine.files[place]
    monkeypatch.chdir(path.parent.parent)  # a socket's name has a limit
    SHAPES[shape].make(Path(path.parent.name, path.name) if shape == "socket" else path)
    settings = machine.read(**({"CONFIG": str(path)} if place == "named" else {}))
    problem = SHAPES[shape].problem_of_a_named if place == "named" else SHAPES[shape].problem
    problems = () if problem is None else (f"{path}: {problem}",)
    assert settings.problems == problems
    exists = shape not in ("missing", "no directory")
    assert [file for file in settings.files if file.path == str(path)] == [
        _settings.File(str(path), place.rpartition(" ")[2] if place != "named" else "FALLBACK_ROOTS_CONFIG", exists, problems)
    ]


@pytest.mark.parametrize("part", [".config", ".config/fallback-roots"])
def test_a_file_behind_a_link_to_nothing(part: str, machine: Machine) -> None:
    """Where a directory on the way to a file is a link to nothing (a share that is not mounted), somebody meant a file."""
    link = Path(machine.home, part)
    shutil.rmtree(Path(machine.home, ".config"))
    link.parent.mkdir(exist_ok=True)
    link.symlink_to("/nonexistent/share")
    settings = machine.read()
    assert settings.problems == (f"{machine.files['user']}: is behind {link}, a link to what does not exist",)
    assert [file.exists for file in settings.files if file.origin == "user"] == [True]


def test_a_link_to_a_file(machine: Machine) -> None:
    """A link is followed, and what the file says is relative to the file: anybody may make a link."""
    target = machine.write("named", 'cafile = "ca.pem"')
    machine.files["user"].symlink_to(target)
    settings = machine.read()
    assert settings.values["cafile"] == str(Path(target).parent / "ca.pem")
    assert settings.problems == ()


def test_a_home_that_is_no_directory(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """HOME=/dev/null, as system services have it, is a user without a config file."""
    monkeypatch.setenv("HOME", os.devnull)
    assert machine.read().problems == ()


UNREADABLE = """
import json, os, sys
from pathlib import Path
from fallback_roots import _settings

Path("named.toml").touch(0)
Path("home/.config/fallback-roots/config.toml").touch(0)
Path("first/fallback-roots").chmod(0)
problems = _settings.read(os.environ).problems
problems += _settings.read({**os.environ, "FALLBACK_ROOTS_CONFIG": os.path.abspath("named.toml")}).problems
Path("home").chmod(0)
problems += _settings.read(os.environ).problems
Path("home").chmod(0o700)
print(json.dumps(problems))
"""

# Root reads everything, by a capability that it can do without.
BOUND_BY_MODES = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


def test_what_may_not_be_read(machine: Machine) -> None:
    """A file or a home that this user may not read may say anything, so nothing is chosen."""
    root = machine.root
    done = python(
        "-c",
        UNREADABLE,
        env={"HOME": str(machine.home), "XDG_CONFIG_DIRS": f"{root / 'first'}:{root / 'second'}"},
        cwd=root,
        prefix=BOUND_BY_MODES,
    )
    assert done.returncode == 0, done.stderr
    denied = "cannot be opened (Permission denied)"
    site, user = machine.files["first site"], machine.files["user"]
    assert json.loads(done.stdout) == [
        *(f"{path}: {denied}" for path in (site, user, root / "named.toml")),
        *(f"{path}: {denied}" for path in (site, user)),
    ]


@pytest.mark.parametrize("place", FILES)
def test_a_found_file_that_everybody_may_write(place: str, machine: Machine) -> None:
    """A file that was found and that anybody may have written is a fault."""
    path = machine.write(place, "certifi = false")
    Path(path).chmod(0o646)
    settings = machine.read()
    assert settings.problems == (f"{path}: is writable by everybody (mode 0646)",)
    assert settings.values == DEFAULTS


@pytest.mark.parametrize("which", ["its own", "one above", "of a link", "of the link's target"])
def test_a_found_file_in_a_directory_that_everybody_may_write(which: str, machine: Machine) -> None:
    """Whoever may write to a directory may put another file there, behind a link or not."""
    path = machine.write("user", "certifi = false")
    directory = Path(path).parent
    if which == "one above":
        directory = directory.parent
    elif "link" in which:
        target = machine.write("named", "certifi = false")
        Path(path).unlink()
        Path(path).symlink_to(target)
        directory = Path(target if "target" in which else path).parent
    directory.chmod(0o757)
    assert machine.read().problems == (f"{path}: is in {directory}, which is writable by everybody (mode 0757)",)


def test_a_link_on_the_way_in_a_directory_that_everybody_may_write(machine: Machine) -> None:
    """A link between the first one and the file may be turned elsewhere by whoever may write where it is."""
    path = machine.write("user", "certifi = false")
    open_to_all, kept = machine.root / "open", machine.root / "kept"
    open_to_all.mkdir()
    Path(path).parent.rename(kept)
    (open_to_all / "link").symlink_to("../open/./../kept")
    Path(path).parent.symlink_to(open_to_all / "link")
    assert machine.read().problems == ()
    open_to_all.chmod(0o757)
    assert machine.read().problems == (f"{path}: is in {open_to_all}, which is writable by everybody (mode 0757)",)


def test_a_way_without_end(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that is turned into a loop after the file was opened is a fault."""
    path = machine.write("user", "certifi = false")
    monkeypatch.setattr(os.path, "islink", lambda _: True)
    monkeypatch.setattr(os, "readlink", lambda _: "again")
    assert f"{path}: cannot be opened (Too many levels of symbolic links)" in machine.read().problems


def test_a_found_file_in_a_sticky_directory(machine: Machine) -> None:
    """In a directory like /tmp nobody may take away another's file."""
    path = machine.write("user", "certifi = false")
    Path(path).parent.chmod(0o1777)
    assert machine.read().problems == ()


def test_a_named_file_is_the_word_of_who_named_it(machine: Machine) -> None:
    """FALLBACK_ROOTS_CONFIG may name a file that everybody may write: bind mounts from some hosts show every file so."""
    path = machine.write("named", "certifi = false")
    Path(path).chmod(0o777)
    Path(path).parent.chmod(0o777)
    assert machine.read(CONFIG=path).problems == ()


@needs_root
@pytest.mark.parametrize("place", FILES)
def test_a_found_file_of_somebody_else(place: str, machine: Machine) -> None:
    """A found file that belongs neither to root, nor to us, nor to the owner of sys.prefix is a fault."""
    path = machine.write(place, "certifi = false")
    os.chown(path, 12345, 0)
    settings = machine.read()
    assert settings.problems == (
        f"{path}: is owned by user id 12345 (expected root, this process's user or the owner of {sys.prefix})",
    )
    assert settings.values == DEFAULTS


@needs_root
@pytest.mark.parametrize("what", ["directory", "link", "link to its directory"])
def test_a_found_file_on_a_way_of_somebody_elses(what: str, machine: Machine) -> None:
    """Who owns a directory or a link on the way to a file says which one it is, and may say otherwise in the next moment: there
    a file of root's is no more root's word."""
    path = Path(machine.write("user", "certifi = false"))
    real = path.parent.parent / "elsewhere"
    entry = path.parent
    if what == "link":
        real.mkdir()
        path.rename(real / path.name)
        path.symlink_to(real / path.name)
        entry = path
    elif what == "link to its directory":
        path.parent.rename(real)
        entry.symlink_to(real)
    os.chown(entry, 12345, 0, follow_symlinks=False)
    settings = machine.read()
    assert settings.problems == (
        (
            f"{path}: is behind {entry}, which is owned by user id 12345 "
            f"(expected root, this process's user or the owner of {sys.prefix})"
        ),
    )
    assert settings.values == DEFAULTS


@needs_root
def test_who_owns_the_way_to_the_prefix(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Can replace this package itself, so that what leads through their directories is no more theirs than that is."""
    app = tmp_path / "app"
    (app / "venv").mkdir(parents=True)
    os.chown(app, 12345, 0)
    monkeypatch.setattr(sys, "prefix", str(app / "venv"))
    (app / "venv" / "fallback-roots.toml").write_text("certifi = false\n")
    assert machine.read().problems == ()
    assert machine.read().values["certifi"] is False


@needs_root
@pytest.mark.parametrize("place", FILES)
def test_a_found_file_of_the_owner_of_the_prefix(place: str, machine: Machine) -> None:
    """Whoever owns the environment has installed us into it, and may say more."""
    path = machine.write(place, "certifi = false")
    os.chown(path, 12345, 0)
    os.chown(sys.prefix, 12345, 0)
    assert machine.read().problems == ()


@needs_root
def test_a_named_file_of_somebody_else(machine: Machine) -> None:
    """FALLBACK_ROOTS_CONFIG may name anybody's file."""
    path = machine.write("named", "certifi = false")
    os.chown(path, 12345, 0)
    assert machine.read(CONFIG=path).problems == ()


@pytest.mark.parametrize(("owner", "trusted"), [("root", True), ("us", True), ("another", False)])
def test_whose_file_is_found(owner: str, trusted: bool, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of root's or of our own is obeyed, in a container whose prefix has gone, too."""
    path = machine.write("user", "certifi = false")
    monkeypatch.setattr(sys, "prefix", NOWHERE)
    uid = {"root": 0, "us": 1000, "another": 1001}[owner]
    real = os.fstat
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(
        os, "fstat", lambda fd: os.stat_result([uid if at == stat.ST_UID else x for at, x in enumerate(real(fd))])
    )
    found = "is owned by user id 1001"
    expected = f"{path}: {found} (expected root, this process's user or the owner of {NOWHERE})"
    assert machine.read().problems == (() if trusted else (expected,))


def test_a_system_without_owners(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows neither mode nor owner says anything."""
    Path(machine.write("user", "certifi = false")).chmod(0o777)
    monkeypatch.delattr(os, "getuid")
    monkeypatch.setitem(sys.modules, "platformdirs", platformdirs_that_say(str(machine.files["user"].parent)))
    settings = machine.read()
    assert (settings.values["certifi"], settings.problems) == (False, ())


def test_a_system_without_a_password_database(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows platformdirs alone knows where the user's file is, and neither HOME nor pwd is needed."""
    path = machine.write("user", "certifi = false")
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "pwd", None)
    monkeypatch.delattr(os, "getuid")
    monkeypatch.setitem(sys.modules, "platformdirs", platformdirs_that_say(str(Path(path).parent)))
    assert machine.read().values["certifi"] is False


# Where platformdirs looks


def platformdirs_that_say(user: str | BaseException, site: str = NOWHERE) -> Any:
    """Stands in the place of platformdirs."""

    class PlatformDirs:
        site_config_dir = site

        def __init__(self, appname: str, appauthor: bool, multipath: bool) -> None:
            assert (appname, appauthor, multipath) == ("fallback-roots", False, True)

        @property
        def user_config_dir(self) -> str:
            if isinstance(user, BaseException):
                raise user
            return user

    return types.SimpleNamespace(PlatformDirs=PlatformDirs)


@pytest.mark.parametrize("home", [".", "", "home"], ids=repr)
def test_a_relative_home(home: str, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current directory never has a say, whatever HOME is."""
    for directory in (machine.root, machine.home):
        file = directory / ".config" / "fallback-roots" / "config.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("certifi = false")
    monkeypatch.chdir(machine.root)
    monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: types.SimpleNamespace(pw_dir=NOWHERE))
    assert machine.read().values["certifi"] is True


@pytest.mark.parametrize("said", ["./.config/fallback-roots", ".config/fallback-roots", ""])
def test_a_relative_place(said: str, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place that platformdirs gives as a relative path is not read: the current directory never has a say."""
    monkeypatch.chdir(machine.home)
    machine.write("user", "certifi = false")
    (machine.home / "config.toml").write_text("certifi = false")
    path = machine.write("first site", "honor_ssl_env = true")
    site = f"etc{os.pathsep}{os.pathsep}{Path(path).parent}"
    monkeypatch.setitem(sys.modules, "platformdirs", platformdirs_that_say(said, site))
    settings = machine.read()
    assert settings.values == {**DEFAULTS, "honor_ssl_env": True}
    assert [file.path for file in settings.files] == [path, str(machine.files["environment"])]


def test_a_relative_prefix(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it where an embedded interpreter has a relative prefix."""
    monkeypatch.chdir(machine.root)
    machine.write("environment", "certifi = false")
    monkeypatch.setattr(sys, "prefix", "prefix")
    settings = machine.read()
    assert settings.values == DEFAULTS
    assert len(settings.files) == 3


def test_without_home(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without HOME the password database knows the user's home, for the file and for a ~ in it."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", lambda _: types.SimpleNamespace(pw_dir=str(machine.home)))
    machine.write("user", "cafile = '~/ca.pem'")
    assert machine.read().values["cafile"] == f"{machine.home}/ca.pem"


def nobody(uid: int) -> NoReturn:
    raise KeyError(uid)


def test_without_any_home(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who has neither HOME nor an entry in the password database has no home that a ~ could mean."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    path = machine.write("named", 'cafile = "~/ca.pem"')
    assert machine.read(CONFIG=path).problems == (f'{path}: cafile = "~/ca.pem" cannot be expanded to an absolute path',)


@pytest.mark.parametrize("getpwuid", [nobody, lambda _: types.SimpleNamespace(pw_dir="")], ids=["no entry", "no home"])
def test_a_user_without_any_home_has_no_file(getpwuid: Any, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's arbitrary user id has no user's file, which is no fault; the other places are read."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", getpwuid)
    machine.write("environment", "certifi = false")
    settings = machine.read()
    assert (settings.problems, settings.values["certifi"]) == ((), False)
    assert "user" not in {file.origin for file in settings.files}


@needs_root
@pytest.mark.parametrize(("owner", "problems"), [(12345, 0), (0, 1)], ids=["another's", "its own"])
@pytest.mark.parametrize("variable", ["HOME", "XDG_CONFIG_HOME", None])
def test_a_home_that_may_not_be_entered(variable: str | None, owner: int, problems: int, machine: Machine) -> None:
    """A home of somebody else's that is closed to the process, as setpriv leaves root's, has no file; its own is a fault."""
    program = """
import json, os, pwd, sys, types
from fallback_roots import _settings
pwd.getpwuid = lambda _: types.SimpleNamespace(pw_dir=sys.argv[1])
settings = _settings.read()
print(len(settings.problems), "user" in {file.origin for file in settings.files})
"""
    os.chown(machine.home, owner, -1)
    machine.home.chmod(0)
    env = {"HOME": "", variable: str(machine.home)} if variable else {"HOME": ""}
    other = machine.root / "other"  # what the password database says has no say where a variable does
    other.mkdir()
    done = python("-c", program, other if variable else machine.home, env=env, prefix=BOUND_BY_MODES)
    machine.home.chmod(0o755)
    assert (done.stdout.split(), done.stderr) == ([str(problems), str(bool(problems))], "")


@needs_root
def test_a_home_behind_a_closed_directory(machine: Machine) -> None:
    """Where it cannot even be seen whose a home is, it cannot be known what was chosen."""
    program = "from fallback_roots import _settings; print(*_settings.read().problems)"
    os.chown(machine.root, 12345, -1)
    machine.root.chmod(0)
    done = python("-c", program, env={"HOME": str(machine.home)}, prefix=BOUND_BY_MODES)
    machine.root.chmod(0o755)
    path = machine.home / ".config" / "fallback-roots" / "config.toml"
    assert (done.stdout, done.stderr) == (f"{path}: cannot be opened (Permission denied)\n", "")


def test_a_directory_behind_a_link(machine: Machine) -> None:
    """A link to a directory that has no config file is no fault."""
    (machine.root / "elsewhere").mkdir()
    directory = Path(machine.files["user"]).parent
    directory.rmdir()
    directory.symlink_to(machine.root / "elsewhere")
    settings = machine.read()
    assert (settings.problems, settings.values) == ((), DEFAULTS)


REPLACED = """
import json, os, sys
from fallback_roots import _settings
real = os.environ
os.environ = {**real, **json.loads(sys.argv[1])} if sys.argv[1] != "empty" else {}
settings = _settings.read()
os.environ = real
print(json.dumps([settings.values["cafile"], settings.problems]))
"""


@pytest.mark.parametrize(
    ("replaced", "name"),
    [
        ("empty", "HOME"),
        *(
            (json.dumps({name: "/elsewhere"}), name)
            for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_CACHE_HOME", "USERPROFILE", "LOCALAPPDATA")
        ),
        *((json.dumps({name: "/elsewhere"}), name) for name in ("PROGRAMDATA", "ALLUSERSPROFILE")),
        (json.dumps({"FALLBACK_ROOTS_CAFILE": "/other.pem"}), "FALLBACK_ROOTS_CAFILE"),
        (json.dumps({"FALLBACK_ROOTS_LAZY": "1"}), "FALLBACK_ROOTS_LAZY"),
        ("{}", None),
    ],
)
def test_an_environment_in_the_place_of_the_real_one(replaced: str, name: str | None, machine: Machine) -> None:
    """While another object is in the place of os.environ, variables are the process's; others, or other homes, are faults."""
    env = {"HOME": str(machine.home), "FALLBACK_ROOTS_CAFILE": "/ca.pem"}
    cafile, problems = json.loads(python("-c", REPLACED, replaced, env=env).stdout)
    assert cafile == "/ca.pem"
    said = f"os.environ has been replaced, and {name} with it (expected what the process was given)"
    assert (said in problems) == bool(problems) == (name is not None)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("no home"), "RuntimeError: no home"),
        (PermissionError(errno.EACCES, "no"), "PermissionError: [Errno 13] no"),
        (None, "ModuleNotFoundError: import of platformdirs halted; None in sys.modules"),
    ],
    ids=repr,
)
def test_platformdirs_fails(error: Exception | None, told: str, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it cannot be known which files there are, nothing is chosen; what can be read is read nevertheless."""
    monkeypatch.setitem(sys.modules, "platformdirs", platformdirs_that_say(error) if error else None)
    machine.write("environment", "disable = true")
    settings = machine.read()
    assert settings.problems == (f"platformdirs: cannot tell where config files are ({told})",)
    assert settings.values["disable"] is True


OF_THE_MOMENT = [
    MemoryError(),
    *(OSError(number, "no") for number in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EAGAIN, errno.EINTR)),
]


@pytest.mark.parametrize("error", [*OF_THE_MOMENT, KeyboardInterrupt()], ids=repr)
def test_platformdirs_meets_a_fault_of_the_moment(
    error: BaseException, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that may pass is no fault of the settings."""
    monkeypatch.setitem(sys.modules, "platformdirs", platformdirs_that_say(error))
    with pytest.raises(type(error)):
        machine.read()


def test_platformdirs_is_not_asked_for_a_named_file(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where FALLBACK_ROOTS_CONFIG names the file, nobody needs to be asked where files are."""
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    assert machine.read(CONFIG=os.devnull).problems == ()
    assert machine.read(CONFIG=machine.write("named", "certifi = true")).problems == ()


# The TOML reader


class Importer(importlib.abc.MetaPathFinder):
    """Raises `error` where `name` is imported."""

    def __init__(self, name: str, error: BaseException) -> None:
        self.name = name
        self.error = error

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == self.name:
            raise self.error
        return None


def test_a_toml_reader_is_imported_only_where_a_file_exists(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file nobody needs a reader."""
    monkeypatch.setitem(sys.modules, TOML, None)
    assert machine.read().problems == ()


def test_no_toml_reader(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be read for want of a reader is a fault."""
    monkeypatch.setitem(sys.modules, TOML, None)
    assert machine.problems("") == (
        f"cannot be read as TOML (ModuleNotFoundError: import of {TOML} halted; None in sys.modules)",
    )


def test_arrays_without_end(machine: Machine) -> None:
    """Arrays nested too deep for the reader are a fault."""
    (problem,) = machine.problems("certifi = " + "[" * 100_000)
    assert problem.startswith("cannot be read as TOML (RecursionError: ")


@pytest.mark.parametrize("error", [*OF_THE_MOMENT, KeyboardInterrupt()], ids=repr)
def test_a_toml_reader_meets_a_fault_of_the_moment(
    error: BaseException, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that may pass, in the import of the reader or in its work, is no fault of the file."""
    monkeypatch.delitem(sys.modules, TOML, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Importer(TOML, error), *sys.meta_path])
    with pytest.raises(type(error)):
        machine.problems("certifi = true")


@pytest.mark.parametrize("error", [error for error in OF_THE_MOMENT if isinstance(error, OSError)], ids=repr)
def test_a_file_meets_a_fault_of_the_moment(error: OSError, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no descriptor is left, or the disk has a hiccup, nothing is known of the file."""
    machine.write("user", "certifi = false")

    def fails(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setattr(_files, "read", fails)
    with pytest.raises(type(error)):
        machine.read()


# Raised privileges


def says(answer: bool | Exception) -> Callable[[], bool]:
    def raised_privileges() -> bool:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return raised_privileges


UNKNOWN = PermissionError(errno.EACCES, "Permission denied")
NO_PROC = FileNotFoundError(errno.ENOENT, "No such file or directory")


@pytest.mark.parametrize("answer", [True, UNKNOWN, NO_PROC], ids=repr)
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_raised_privileges_leave_the_user_no_say(
    answer: bool | Exception, platform: str, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With raised privileges neither the user's file nor a variable's directories are read."""
    for place in FILES:
        machine.write(place, "no key")
    path = machine.write("environment", "honor_ssl_env = true")
    monkeypatch.setattr(_places, "raised_privileges", says(answer))
    monkeypatch.setattr(sys, "platform", platform)
    settings = machine.read()
    site = {"linux": "/etc/xdg", "darwin": "/Library/Application Support"}[platform]
    assert [file[:3] for file in settings.files] == [
        (f"{site}/fallback-roots/config.toml", "site", False),
        (path, "environment", True),
    ]
    assert settings.values == {**DEFAULTS, "honor_ssl_env": True}
    assert settings.problems == ()


def test_raised_privileges_without_xdg_config_dirs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no variable says otherwise, the site's place is where platformdirs says it is."""
    monkeypatch.delenv("XDG_CONFIG_DIRS")
    monkeypatch.setattr(_places, "raised_privileges", says(True))
    monkeypatch.setitem(sys.modules, "platformdirs", platformdirs_that_say(RuntimeError("is not asked"), "/opt/etc"))
    settings = machine.read()
    assert [file.path for file in settings.files] == ["/opt/etc/config.toml", str(machine.files["environment"])]
    assert settings.problems == ()


def test_raised_privileges_leave_variables_no_say(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """With raised privileges no variable is read, a broken one neither, but for the off switch."""
    monkeypatch.setattr(_places, "raised_privileges", says(True))
    variables = {"CONFIG": "relative", "CAFILE": "/ca.pem", "CERTIFI": "perhaps", "CAFIL": "/ca.pem", "DISABLE": "1"}
    settings = machine.read(**variables)
    assert settings.values == {**DEFAULTS, "disable": True}
    assert settings.problems == ()
    assert [file.origin for file in settings.files] == ["site", "environment"]


@pytest.mark.parametrize("word", ["0", "no", "1"])
def test_raised_privileges_leave_the_off_switch_one_direction(
    word: str, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With raised privileges whoever starts the program may switch off, and not on again what a file switches off."""
    machine.write("environment", "disable = true")
    monkeypatch.setattr(_places, "raised_privileges", says(True))
    assert machine.read(DISABLE=word).values["disable"] is True
    machine.write("environment", "")
    assert machine.read(DISABLE=word).values["disable"] is (word == "1")


def test_raised_privileges_leave_home_no_say(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """With raised privileges HOME may be anybody's, so that a ~ in a file means nothing."""
    monkeypatch.setattr(_places, "raised_privileges", says(True))
    path = machine.write("environment", 'cafile = "~/ca.pem"\ncapath = "certs"')
    settings = machine.read()
    assert settings.problems == (f'{path}: cafile = "~/ca.pem" cannot be expanded to an absolute path',)
    assert settings.values["capath"] == str(Path(path).parent / "certs")


def test_privileges_that_cannot_be_known(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is unknown whether variables may be obeyed, and there are some, nothing is chosen."""
    monkeypatch.setattr(_places, "raised_privileges", says(UNKNOWN))
    assert machine.read(CAFILE="/ca.pem").problems == (
        "/proc/self/auxv: cannot be read (Permission denied), so it is unknown whether FALLBACK_ROOTS_ variables may be obeyed",
    )


def test_privileges_meet_a_fault_of_the_moment(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no descriptor is left to ask the kernel with, nothing is known."""
    monkeypatch.setattr(_places, "raised_privileges", says(OSError(errno.EMFILE, "no")))
    with pytest.raises(OSError, match="no"):
        machine.read()


def test_the_keys_are_those_of_the_reference() -> None:
    """Eight keys, three of them paths, each with its meaning."""
    assert {key: what.type for key, what in _settings.KEYS.items()} == {
        key: "path" if key in ("cafile", "capath", "cache") else "bool" for key in DEFAULTS
    }
    assert all(what.meaning for what in _settings.KEYS.values())
