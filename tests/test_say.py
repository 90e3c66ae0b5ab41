"""What is said, at which level, how often, and where it comes out."""

import io
import json
import logging
import os
import sys
import types
import unittest.mock
from collections.abc import Callable
from pathlib import Path
from typing import Any

import certifi
import pytest
from conftest import needs_root
from support import NO_CAS, NOWHERE, certifi_roots, environment, on_windows, python, without_cas

from fallback_roots import _say

MESSAGE = "fallback-roots: a message"
FOUND_NOTHING = "fallback-roots: Python's default CA load found no certificate; "


class Records(logging.Handler):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[tuple[str, str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append((record.name, record.levelname, record.getMessage()))


@pytest.fixture
def logger(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """Our logger in a program that has not set up logging: no handler hears it, not even pytest's."""
    ours = logging.Logger("fallback_roots", logging.WARNING)  # with no parent
    monkeypatch.setitem(logging.root.manager.loggerDict, "fallback_roots", ours)
    return ours


# One record


@pytest.mark.parametrize("say", [_say.info, _say.warning])
def test_a_message_is_recorded_once(say: Callable[..., None], logger: logging.Logger) -> None:
    """The same message makes one record, another one its own."""
    handler = Records()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    said: dict[str, object] = {}
    for message in (MESSAGE, MESSAGE, "another", MESSAGE):
        say(said, message)
    level = say.__name__.upper()
    assert handler.records == [("fallback_roots", level, MESSAGE), ("fallback_roots", level, "another")]


def test_a_message_is_no_format(logger: logging.Logger) -> None:
    """A per cent sign in a path is a per cent sign."""
    handler = Records()
    logger.addHandler(handler)
    _say.warning({}, "100%s %d%")
    assert [text for _, _, text in handler.records] == ["100%s %d%"]


def half_imported() -> types.ModuleType:
    """logging in the middle of its import."""
    module = types.ModuleType("logging")
    module.__spec__ = types.SimpleNamespace(_initializing=True)  # type: ignore[assignment]  # as importlib's spec has it
    return module


@pytest.mark.parametrize("module", [None, half_imported()], ids=["not", "half"])
def test_info_while_logging_is_not_imported(
    module: types.ModuleType | None, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing has imported logging no INFO record is made, and a later one is still the first."""
    handler = Records()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    said: dict[str, object] = {}
    if module is None:
        monkeypatch.delitem(sys.modules, "logging")
    else:
        monkeypatch.setitem(sys.modules, "logging", module)
    _say.info(said, MESSAGE)
    assert sys.modules.get("logging") is module
    monkeypatch.setitem(sys.modules, "logging", logging)
    assert handler.records == []
    _say.info(said, MESSAGE)
    assert handler.records == [("fallback_roots", "INFO", MESSAGE)]


@pytest.mark.parametrize("module", [None, half_imported()], ids=["not", "half"])
def test_a_warning_that_may_not_import_logging(
    module: types.ModuleType | None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where an import could hang a WARNING goes to standard error without one."""
    if module is None:
        monkeypatch.delitem(sys.modules, "logging")
    else:
        monkeypatch.setitem(sys.modules, "logging", module)
    _say.warning({}, MESSAGE, may_import=False)
    assert sys.modules.get("logging") is module
    assert capfd.readouterr().err == f"{MESSAGE}\n"


def test_a_warning_that_need_not_import_logging(logger: logging.Logger) -> None:
    """Where logging is imported already a WARNING is a record in any case."""
    handler = Records()
    logger.addHandler(handler)
    _say.warning({}, MESSAGE, may_import=False)
    assert handler.records == [("fallback_roots", "WARNING", MESSAGE)]


@pytest.mark.parametrize("may_import", [True, False])
@pytest.mark.usefixtures("logger")
def test_a_warning_before_logging_is_imported_reaches_what_stands_for_standard_error(
    may_import: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that has put a StringIO in sys.stderr's place finds the WARNING there, whether logging was imported or not."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.delitem(sys.modules, "logging")
    _say.warning({}, MESSAGE, may_import=may_import)
    assert stream.getvalue() == f"{MESSAGE}\n"


# Standard error


@pytest.mark.usefixtures("logger")
def test_a_warning_without_a_handler_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    """As logging's last resort has it: the message and nothing else."""
    _say.warning({}, MESSAGE)
    assert capfd.readouterr() == ("", f"{MESSAGE}\n")


@pytest.mark.usefixtures("logger")
def test_info_without_a_handler_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    """Nobody has asked for an INFO record."""
    _say.info({}, MESSAGE)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("say", [_say.info, _say.warning])
def test_a_record_is_one_line(say: Callable[..., None], logger: logging.Logger) -> None:
    """What ends a line, or what a terminal would obey, is shown by its escape."""
    handler = Records()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    say({}, "/a\n\r\x0b\x1b[31m\x85\u2028\u202e\0é")
    assert [message for _, _, message in handler.records] == ["/a\\n\\r\\x0b\\x1b[31m\\x85\\u2028\\u202e\\x00é"]


@pytest.mark.usefixtures("logger")
def test_a_name_that_is_no_text(capfd: pytest.CaptureFixture[str]) -> None:
    """A path of bytes that are no text is shown in escapes."""
    _say.warning({}, "caf\udce9 é")
    assert capfd.readouterr().err == "caf\\udce9 é\n"


class Stream(io.StringIO):
    """A stream whose ``fileno`` does what it is told."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result

    def fileno(self) -> Any:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


class WriteOnly:
    """The least that a program puts in standard error's place."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def getvalue(self) -> str:
        return self.text


STREAMS: dict[str, Callable[[], Any]] = {
    "StringIO": io.StringIO,
    "write only": WriteOnly,
    "fileno not implemented": lambda: Stream(NotImplementedError()),
    "fileno unsupported": lambda: Stream(io.UnsupportedOperation("fileno")),
    "fileno raises": lambda: Stream(RuntimeError("no")),
    "fileno is None": lambda: Stream(None),
    "fileno is a mock": lambda: Stream(unittest.mock.MagicMock()),  # which would be 1 as a number
}


@pytest.mark.parametrize("make", STREAMS.values(), ids=STREAMS)
@pytest.mark.usefixtures("logger")
def test_an_object_in_the_place_of_standard_error(make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test, an IDE or a notebook puts in sys.stderr's place has no descriptor, and gets the message, too."""
    stream = make()
    monkeypatch.setattr(sys, "stderr", stream)
    _say.warning({}, MESSAGE)
    assert stream.getvalue() == f"{MESSAGE}\n"


@pytest.mark.usefixtures("logger")
def test_a_console_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its stream is in UTF-8, and what is written to its descriptor is taken for the console's code page."""
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "__stderr__", stream)
    with on_windows(monkeypatch):
        _say.warning({}, "caf\u00e9")
    assert stream.getvalue() == "caf\u00e9\n"


@pytest.mark.parametrize("may_import", [True, False])
@pytest.mark.usefixtures("logger")
def test_no_standard_error(may_import: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Where standard error was closed nobody hears it, least of all standard output, and nothing is raised."""
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.delitem(sys.modules, "logging")
    _say.warning({}, MESSAGE, may_import)
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("logger")
def test_a_closed_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed stream has no descriptor either, and nothing is raised."""
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(logging, "raiseExceptions", False)
    _say.warning({}, MESSAGE)


@pytest.mark.parametrize("device", ["/dev/full", "pipe"])
@pytest.mark.usefixtures("logger")
def test_a_full_standard_error(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full, and a pipe that nobody reads, raise nothing, and leave nothing in the stream's buffer."""
    if device == "pipe":
        reading, writing = os.pipe()
        os.close(reading)
        stream = os.fdopen(writing, "w")
    else:
        stream = os.fdopen(os.open(device, os.O_WRONLY), "w")
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "__stderr__", stream)
    _say.warning({}, MESSAGE)
    stream.close()  # would raise for what is left


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "ascii"])
@pytest.mark.usefixtures("logger")
def test_a_message_comes_behind_what_was_written_before(encoding: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message is in the stream's encoding, behind what the stream still had in its buffer."""
    with (tmp_path / "err").open("w", encoding=encoding) as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(sys, "__stderr__", stream)
        stream.write("before ")
        _say.warning({}, "caf\u00e9")
    said = (tmp_path / "err").read_bytes().decode(encoding)
    assert said == ("before caf\\xe9\n" if encoding == "ascii" else "before caf\u00e9\n")


@pytest.mark.parametrize("was_imported", [True, False])
def test_a_compressed_standard_error(was_imported: bool, tmp_path: Path) -> None:
    """A stream of the program's own that has a descriptor is written through, and not beside it."""
    program = f"""
import gzip, ssl, sys
{"import logging" if was_imported else ""}
with gzip.open("log.gz", "wt") as sys.stderr:
    ssl.create_default_context()
print(gzip.open("log.gz", "rt").read().count("fallback-roots: "))
"""
    done = python("-c", program, env=NO_CAS, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


# Whoever does not want to hear it


def below(logger: logging.Logger, _: pytest.MonkeyPatch) -> None:
    logger.setLevel(logging.ERROR)


def disabled(logger: logging.Logger, _: pytest.MonkeyPatch) -> None:
    logger.disabled = True


def all_disabled(_: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.root.manager, "disable", logging.WARNING)


def filtered(logger: logging.Logger, _: pytest.MonkeyPatch) -> None:
    logger.addFilter(lambda _: False)


def null_handler(logger: logging.Logger, _: pytest.MonkeyPatch) -> None:
    logger.addHandler(logging.NullHandler())


def no_last_resort(_: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "lastResort", None)
    monkeypatch.setattr(logging, "raiseExceptions", False)  # else logging complains that there is no handler


def last_resort_for_errors(_: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.lastResort, "level", logging.ERROR)


def last_resort_filtered(_: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.lastResort, "filters", [lambda _: False])


@pytest.mark.parametrize(
    "silence",
    [
        below,
        disabled,
        all_disabled,
        filtered,
        null_handler,
        no_last_resort,
        last_resort_for_errors,
        last_resort_filtered,
    ],
)
def test_whoever_silences_the_logger_has_silence(
    silence: Callable[[logging.Logger, pytest.MonkeyPatch], None],
    logger: logging.Logger,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Every way by which logging keeps a WARNING from standard error keeps ours from it."""
    silence(logger, monkeypatch)
    _say.warning({}, MESSAGE)
    logger.warning("logging's own")
    assert capfd.readouterr() == ("", "")


def test_a_last_resort_of_the_programs_own(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A program that has put a handler in the last resort's place gets the record."""
    assert not logger.handlers
    handler = Records()
    monkeypatch.setattr(logging, "lastResort", handler)
    _say.warning({}, MESSAGE)
    assert handler.records == [("fallback_roots", "WARNING", MESSAGE)]
    assert capfd.readouterr() == ("", "")


def test_a_last_resort_with_a_format(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A program that has given the last resort a format finds ours in it."""
    monkeypatch.setattr(logging.lastResort, "formatter", logging.Formatter("%(name)s|%(levelname)s|%(message)s"))
    _say.warning({}, MESSAGE)
    logger.warning("logging's own")
    assert capfd.readouterr().err.splitlines() == [
        f"fallback_roots|WARNING|{MESSAGE}",
        "fallback_roots|WARNING|logging's own",
    ]


def test_a_handler_gets_the_record_and_standard_error_does_not(
    logger: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    """A program that has set up logging hears it there alone."""
    handler = Records()
    logger.addHandler(handler)
    _say.warning({}, MESSAGE)
    assert handler.records == [("fallback_roots", "WARNING", MESSAGE)]
    assert capfd.readouterr() == ("", "")


# Whole processes

MANY = """
import os, ssl, sys, threading

if "logging" in sys.argv:
    import logging
    logging.basicConfig(level=logging.DEBUG, format="%(name)s|%(levelname)s|%(message)s", stream=sys.stdout)

def make():
    for _ in range(2):
        numbers.add(len(ssl.create_default_context().get_ca_certs()))
        numbers.add(len(ssl._create_default_https_context().get_ca_certs()))

numbers = set()
threads = [threading.Thread(target=make) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("numbers", *numbers)
print("logging" in sys.modules)
"""


@pytest.mark.parametrize("imported", ["logging", ""], ids=["logging", "no logging"])
def test_one_record_for_many_contexts(imported: str, installed: Path) -> None:
    """However many contexts a process makes, in however many threads, there is one WARNING; it imports logging."""
    done = python("-c", MANY, imported, env=NO_CAS, executable=installed)
    *records, numbers, logging_imported = done.stdout.splitlines()
    assert (done.returncode, numbers, logging_imported) == (0, f"numbers {certifi_roots(installed)}", "True")
    if imported:
        assert done.stderr == ""
        (record,) = records
        record = record.removeprefix("fallback_roots|WARNING|")
    else:
        assert records == []
        (record,) = done.stderr.splitlines()
    assert record.startswith(f"{FOUND_NOTHING}loaded {certifi_roots(installed)} roots from certifi (")


REASONS = """
import os, ssl
for number in (1, 2, 1, 2):
    os.environ["SSL_CERT_FILE"] = f"/nonexistent/{number}"
    ssl.create_default_context()
"""


def test_one_record_for_each_reason() -> None:
    """Another reason is another record."""
    done = python("-c", REASONS, env=NO_CAS)
    assert [line.partition("SSL_CERT_FILE=")[2] for line in done.stderr.splitlines()] == [
        f"/nonexistent/{number} cannot be read (No such file or directory)" for number in (1, 2)
    ]


VARIABLES = """
import json, os, ssl, sys
for variables in json.loads(sys.argv[1]):
    os.environ.update(variables)
    print(len(ssl.create_default_context().get_ca_certs()))
"""


def test_a_warning_names_the_variables(tmp_path: Path) -> None:
    """A WARNING names SSL_CERT_FILE and SSL_CERT_DIR and says why each yields nothing: somebody meant something by it."""
    comment, directory = tmp_path / "comment.pem", tmp_path / "empty"
    comment.write_text("# no certificate\n")
    directory.mkdir()
    worlds = {
        (f"{NOWHERE}/cert.pem", f"{NOWHERE}/certs"): (
            f"SSL_CERT_DIR={NOWHERE}/certs cannot be read (No such file or directory)",
            f"SSL_CERT_FILE={NOWHERE}/cert.pem cannot be read (No such file or directory)",
        ),
        ("", ""): ("SSL_CERT_DIR= is empty", "SSL_CERT_FILE= is empty"),
        (str(comment), str(directory)): (
            f"SSL_CERT_DIR={directory} has no readable file named like 9d04f354.0",
            f"SSL_CERT_FILE={comment} holds no certificate",
        ),
        (str(directory), str(comment)): (
            f"SSL_CERT_DIR={comment} is a file without a certificate",
            f"SSL_CERT_FILE={directory} is a directory",
        ),
        ("", f"{directory}:{NOWHERE}"): (
            f"SSL_CERT_DIR={directory} has no readable file named like 9d04f354.0",
            f"SSL_CERT_DIR={NOWHERE} cannot be read (No such file or directory)",
            "SSL_CERT_FILE= is empty",
        ),
    }
    values = json.dumps([{"SSL_CERT_FILE": file, "SSL_CERT_DIR": path} for file, path in worlds])
    done = python("-c", VARIABLES, values, env=NO_CAS)
    assert done.stdout.split() == [str(certifi_roots())] * len(worlds)
    head = f"{FOUND_NOTHING}loaded {certifi_roots()} roots from certifi ({certifi.__file__}); "
    assert done.stderr.splitlines() == [head + "; ".join(told) for told in worlds.values()]


@needs_root
@pytest.mark.parametrize(
    ("imported", "variables", "record"),
    [
        ("logging", {}, "INFO"),
        ("", {}, None),
        ("logging", {"SSL_CERT_FILE": NOWHERE}, "WARNING"),
        ("", {"SSL_CERT_DIR": ""}, "WARNING"),
        ("logging", {"FALLBACK_ROOTS_CERTIFI": "false"}, "INFO"),
        ("logging", {"FALLBACK_ROOTS_CAFILE": NOWHERE}, "WARNING"),
        ("logging", {"FALLBACK_ROOTS_DISABLE": "1"}, None),
    ],
)
def test_a_machine_without_cas(imported: str, variables: dict[str, str], record: str | None, installed: Path) -> None:
    """On a machine that just has no CA certificates the record is INFO, and none is made while nobody can be listening;
    where a variable or a setting was meant to give some, it is a WARNING."""
    done = python("-c", MANY, imported, env=variables, executable=installed, prefix=without_cas())
    *records, numbers, _ = done.stdout.splitlines()
    narrowed = any(name.startswith("FALLBACK_ROOTS_") for name in variables)
    assert (done.returncode, numbers) == (0, f"numbers {0 if narrowed else certifi_roots(installed)}"), done.stderr
    if not imported and record:
        records = [f"fallback_roots|{record}|{line}" for line in done.stderr.splitlines()]
    else:
        assert done.stderr == ""
    assert [line.split("; ")[0] for line in records] == (
        [f"fallback_roots|{record}|{FOUND_NOTHING.removesuffix('; ')}"] if record else []
    )
    assert all(name in records[0] for name in variables if name.startswith("SSL_"))


def test_the_environment_of_these_tests() -> None:
    """No variable of the machine's reaches a subprocess but by a test's own word."""
    assert not {name for name in environment() if name.startswith(("SSL_", "FALLBACK_"))}
