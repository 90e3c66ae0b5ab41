"""The policy: one fallback for all threads, settings read once, faults of ours that nobody sees, and what is told of it."""

import _frozen_importlib
import _ssl
import contextlib
import json
import logging
import os
import shutil
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import certifi
import pytest
import trustme
from conftest import needs_root
from support import NO_CAS, certifi_roots, output, python
from test_doors import Copy, copied_ssl, roots

import fallback_roots
from fallback_roots import _detect, _fallback, _patch, _say, _settings, _sources, _system, _watch, auto

GONE = "cannot be read (No such file or directory)"
NOTHING_FOUND = "fallback-roots: Python's default CA load found no certificate; "


@pytest.fixture(autouse=True)
def no_cas(ca_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without CA certificates, and a fallback that is one CA."""
    for name, value in {**NO_CAS, "FALLBACK_ROOTS_CONFIG": os.devnull, "FALLBACK_ROOTS_CAFILE": str(ca_file)}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> Copy:
    """A copy of ssl with a hook of its own."""
    return copied_ssl(monkeypatch)


def client() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


Settings = dict[str, str | None]
ALL = -1  # as many as certifi has
# Variables, the outcome's code, how many roots, the level of the record, and how its text ends.
OUTCOMES: dict[str, tuple[Settings, str, int, str | None, str]] = {
    "loaded": ({}, "loaded", 1, "WARNING", ""),
    "certifi": ({"FALLBACK_ROOTS_CAFILE": None}, "loaded", ALL, "WARNING", ""),
    "partly": (
        {"FALLBACK_ROOTS_CAPATH": "/nonexistent/capath"},
        "loaded",
        1,
        "WARNING",
        f"; /nonexistent/capath: {GONE} (expected a hashed directory, as openssl rehash makes it)",
    ),
    "disabled": ({"FALLBACK_ROOTS_DISABLE": "1"}, "disabled", 0, None, ""),
    "honored": ({"FALLBACK_ROOTS_HONOR_SSL_ENV": "1"}, "honored", 0, "WARNING", "; honor_ssl_env is set"),
    "none": (
        {"FALLBACK_ROOTS_CAFILE": None, "FALLBACK_ROOTS_CERTIFI": "0"},
        "none",
        0,
        "WARNING",
        "; certifi = false, and no other source is set",
    ),
    "broken": (
        {"FALLBACK_ROOTS_CAFILE": "/nonexistent/ca.pem"},
        "broken",
        0,
        "WARNING",
        f"; /nonexistent/ca.pem: {GONE}",
    ),
    "fault": (
        {"FALLBACK_ROOTS_CERTIFI": "perhaps"},
        "fault",
        0,
        "WARNING",
        '; FALLBACK_ROOTS_CERTIFI="perhaps" is not a boolean (1, true, yes, on, 0, false, no or off)',
    ),
}


def set_variables(monkeypatch: pytest.MonkeyPatch, variables: Settings) -> None:
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


@pytest.mark.parametrize(("variables", "code", "count", "level", "end"), OUTCOMES.values(), ids=OUTCOMES)
def test_an_outcome(
    variables: Settings,
    code: str,
    count: int,
    level: str | None,
    end: str,
    copied: Copy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What was chosen is what the context gets; one record says so, however many contexts are made."""
    count = certifi_roots() if count == ALL else count
    set_variables(monkeypatch, variables)
    with caplog.at_level(logging.DEBUG):
        assert [roots(copied.ssl.create_default_context()) for _ in range(3)] == [count] * 3
    status = fallback_roots.status()
    assert status.outcome is not None
    assert status.verdict is not None
    assert (status.outcome.code, status.verdict.code, status.found) == (code, "empty", None)
    assert status.state == ("patched" if count else "watching")
    assert [(record.name, record.levelname) for record in caplog.records] == ([("fallback_roots", level)] if level else [])
    for record in caplog.records:
        text = record.getMessage()
        assert text.startswith(NOTHING_FOUND + ("loaded " if count else "no roots loaded; "))
        assert text.endswith(end)


@pytest.mark.parametrize(("variables", "code", "count", "level", "end"), OUTCOMES.values(), ids=OUTCOMES)
def test_load(
    variables: Settings, code: str, count: int, level: str | None, end: str, monkeypatch: pytest.MonkeyPatch, copied: Copy
) -> None:
    """load() gives a context the chosen fallback, whatever it holds, or raises what is wrong with the choice."""
    count = certifi_roots() if count == ALL else count
    set_variables(monkeypatch, variables)
    context = client()
    if code in ("fault", "broken"):
        with pytest.raises(fallback_roots.FallbackRootsError) as caught:
            fallback_roots.load(context)
        fault: Any = caught.value
        assert type(fault) is (fallback_roots.SettingsError if code == "fault" else fallback_roots.SourceError)
        assert (fault.problems, str(fault)) == ((end[2:],), end[2:])
    else:
        outcome = fallback_roots.load(context)
        assert outcome.code == code
        assert sum(source.certificates or 0 for source in outcome.sources) == count
        assert bool(outcome.problems) == (level == "WARNING" and end.startswith("; /nonexistent"))
    assert roots(context) == count
    assert copied.hook.outcome is None  # what the hook has come to is another matter


def test_load_besides_what_a_context_holds(hashed_directory: Path) -> None:
    """load() asks nothing: a context of a healthy machine, or one whose roots were named, is given the fallback, too."""
    context = ssl.create_default_context(capath=hashed_directory)
    context.load_verify_locations(cadata=certifi.contents())
    fallback_roots.load(context)
    assert roots(context) == certifi_roots() + 1


def test_load_for_a_server() -> None:
    """Web roots must not vouch for a server's clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(ValueError, match="is a server's"):
        fallback_roots.load(context)
    assert roots(context) == 0


class Uncounted(ssl.SSLContext):
    """As truststore's."""

    def cert_store_stats(self) -> dict[str, int]:
        raise NotImplementedError


@pytest.mark.parametrize(
    "thing", [None, object(), ssl, ssl.SSLContext, Uncounted(ssl.PROTOCOL_TLS_CLIENT)], ids=lambda thing: type(thing).__name__
)
def test_load_into_what_is_no_context(thing: Any) -> None:
    """What is not a context of the standard library's is refused."""
    with pytest.raises(TypeError, match="is not a context of the standard library's ssl"):
        fallback_roots.load(thing)


def test_load_reads_the_hooks_settings(copied: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the hook has read the settings, they are the process's."""
    copied.ssl.create_default_context()
    monkeypatch.setenv("FALLBACK_ROOTS_CAFILE", "/nonexistent/ca.pem")
    assert fallback_roots.load(client()).code == "loaded"


@pytest.mark.parametrize("finder", [None, auto.Finder()], ids=["no finder", "no hook"])
def test_load_without_a_hook_reads_the_settings(finder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is armed or watched, load() reads the settings for itself, each time."""
    others = [other for other in sys.meta_path if type(other).__module__ != auto.__name__]
    monkeypatch.setattr(sys, "meta_path", [finder, *others] if finder else others)
    assert fallback_roots.load(client()).code == "loaded"
    monkeypatch.setenv("FALLBACK_ROOTS_CAFILE", "/nonexistent/ca.pem")
    with pytest.raises(fallback_roots.SourceError):
        fallback_roots.load(client())


def test_load_lets_a_fault_of_the_moment_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that may be gone next time says nothing of the choice, and is the caller's."""

    def failing(*_: Any) -> Any:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(_sources, "load", failing)
    with pytest.raises(OSError, match="Too many open files"):
        fallback_roots.load(client())


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"SSL_CERT_FILE": None, "SSL_CERT_DIR": None}, "loaded"),
        ({"SSL_CERT_DIR": None}, "honored"),
        ({"SSL_CERT_FILE": None}, "honored"),
        ({"SSL_CERT_FILE": "", "SSL_CERT_DIR": None}, "honored"),
    ],
    ids=["neither", "file", "directory", "an empty value"],
)
def test_honor_ssl_env(
    variables: Settings, code: str, copied: Copy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With honor_ssl_env any set variable is the last word; without one the fallback is loaded, at INFO."""
    set_variables(monkeypatch, {**variables, "FALLBACK_ROOTS_HONOR_SSL_ENV": "yes"})
    nowhere = tuple(part for pair in NO_CAS.items() for part in pair)
    monkeypatch.setattr(_ssl, "get_default_verify_paths", lambda: nowhere)
    copied.ssl.SSLContext.set_default_verify_paths = lambda self: None  # noqa: ARG005  # a machine without CA certificates
    monkeypatch.setattr(_watch.Site, "sets_standard_paths", lambda *_: True)
    with caplog.at_level(logging.INFO):
        copied.ssl.create_default_context()
    assert (copied.hook.outcome.code, copied.hook.verdict.code) == (code, "empty")
    assert [record.levelname for record in caplog.records] == ["INFO" if code == "loaded" else "WARNING"]


def test_the_warning_names_the_variables(
    copied: Copy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever set a variable meant something by it: the WARNING names both and what is wrong with their values."""
    monkeypatch.setenv("SSL_CERT_DIR", "")
    copied.ssl.create_default_context()
    (record,) = caplog.records
    assert f"; SSL_CERT_FILE={NO_CAS['SSL_CERT_FILE']} cannot be read (No such file or directory)" in record.getMessage()
    assert "; SSL_CERT_DIR= is empty" in record.getMessage()


def test_a_source_of_an_unknown_number(copied: Copy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A directory that may not be listed gives an unknown number of roots, and the record says so."""
    source = _sources.Source("capath", "/corporate", None)
    monkeypatch.setattr(_sources, "load", lambda *_: (source,))
    copied.ssl.create_default_context()
    assert "; loaded an unknown number of roots from capath (/corporate)" in caplog.text
    assert copied.hook.outcome == _fallback.Outcome("loaded", (source,))


# ---------------------------------------------------------------- once


def test_settings_are_read_once(copied: Copy) -> None:
    """Sound settings are read at the first empty load and never again."""
    with mock.patch.object(_settings, "read", side_effect=_settings.read) as read:
        assert [roots(copied.ssl.create_default_context()) for _ in range(3)] == [1, 1, 1]
    assert read.call_count == 1


def test_settings_read_while_the_user_changes_are_not_kept(copied: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is root again by then has not made root's what a user has said."""
    ids = iter([(0, 1000), (0, 1000), (0, 0), (0, 0), (0, 0), (0, 0)])
    monkeypatch.setattr(_fallback, "_ids", lambda: next(ids))
    copied.ssl.create_default_context()
    assert copied.hook.settings is None
    copied.ssl.create_default_context()
    assert (copied.hook.settings is not None, copied.hook.reader) == (True, (0, 0))


def test_settings_with_a_fault_are_read_again(copied: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """While they have a fault, somebody may mend them."""
    monkeypatch.setenv("FALLBACK_ROOTS_CAFIL", "ca.pem")
    assert roots(copied.ssl.create_default_context()) == 0
    monkeypatch.delenv("FALLBACK_ROOTS_CAFIL")
    assert roots(copied.ssl.create_default_context()) == 1


def test_a_healthy_load_reads_no_settings(copied: Copy, ca_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the default load finds something no setting is read and nothing is recorded."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    monkeypatch.setattr(_settings, "read", None)
    copied.ssl.create_default_context()
    assert fallback_roots.status() == _fallback.Status("watching", None, 1, None)


# ---------------------------------------------------------------- status


def test_status_of_a_directory_in_effect(copied: Copy, hashed_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A healthy machine whose directory is read when it is needed has a verdict, and no outcome."""
    monkeypatch.setenv("SSL_CERT_DIR", str(hashed_directory))
    copied.ssl.create_default_context()
    status = fallback_roots.status()
    assert status.verdict is not None
    assert (status.state, status.verdict.code, status.found, status.outcome) == ("watching", "directory", None, None)


@pytest.mark.parametrize("said", ["", "1"])
def test_status_without_a_finder(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is armed, the off switch is why, or nobody knows."""
    monkeypatch.setenv("FALLBACK_ROOTS_DISABLE", said)
    monkeypatch.setattr(sys, "meta_path", [])
    assert fallback_roots.status() == (("disabled" if said else "absent"), None, None, None)


@pytest.mark.parametrize("hook", [None, _watch.Hook()], ids=["no hook", "no site"])
def test_status_before_ssl_is_imported(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finder that has seen no ssl is armed."""
    finder = auto.Finder()
    finder.hook = hook
    monkeypatch.setattr(sys, "meta_path", [finder])
    assert fallback_roots.status() == ("armed", None, None, None)


# ---------------------------------------------------------------- logging that works against us


class Handler(logging.Handler):
    """Does something at each record."""

    def __init__(self, act: Callable[[], Any]) -> None:
        super().__init__()
        self.act = act
        self.results: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002  # as the original's
        self.results.append(self.act())


@pytest.fixture
def handle() -> Iterator[Callable[[Callable[[], Any]], Handler]]:
    """Adds a handler to our logger."""
    added: list[Handler] = []

    def add(act: Callable[[], Any]) -> Handler:
        added.append(Handler(act))
        logging.getLogger("fallback_roots").addHandler(added[-1])
        return added[-1]

    yield add
    for handler in added:
        logging.getLogger("fallback_roots").removeHandler(handler)


def test_a_handler_that_speaks_https(copied: Copy, handle: Callable[[Callable[[], Any]], Handler]) -> None:
    """A handler that makes a default context of its own (logging's HTTPHandler) for our very record has the fallback."""
    handler = handle(lambda: roots(copied.ssl.create_default_context()))
    assert roots(copied.ssl.create_default_context()) == 1
    assert handler.results == [1]


def test_a_handler_that_raises(copied: Copy, handle: Callable[[Callable[[], Any]], Handler]) -> None:
    """A handler that raises costs nobody the fallback, nor the truth about it."""
    handle(lambda: 1 / 0)
    for _ in range(2):
        assert (roots(copied.ssl.create_default_context()), copied.hook.outcome.code) == (1, "loaded")


def test_a_handler_that_waits_for_another_thread(copied: Copy, handle: Callable[[Callable[[], Any]], Handler]) -> None:
    """A handler that waits for a thread which makes a default context (a queue's listener) does not wait for ever."""
    counts: list[int] = []

    def act() -> None:
        thread = threading.Thread(target=lambda: counts.append(roots(copied.ssl.create_default_context())), daemon=True)
        thread.start()
        thread.join(5)

    handle(act)
    counts.append(roots(copied.ssl.create_default_context()))
    assert counts == [1, 1]


# ---------------------------------------------------------------- forks and faults, in this process


@pytest.mark.parametrize("whose", ["nobody's", "another thread's", "this thread's"])
def test_a_fork_gives_the_child_a_lock_that_it_can_take(whose: str, copied: Copy) -> None:
    """The child has a new lock where another thread may hold the old one, and the old one where it goes on with its load."""
    hook = copied.hook
    lock = hook.lock
    if whose == "another thread's":
        thread = threading.Thread(target=lock.acquire)
        thread.start()
        thread.join()
    elif whose == "this thread's":
        lock.acquire()
    hook.loading = True
    hook._after_fork()
    assert hook.loading == (whose == "this thread's")
    assert (hook.lock is lock) == (whose == "this thread's")
    assert hook.lock.acquire(blocking=False)
    assert hook.half_imported == ()


def test_a_fork_amid_an_import(copied: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the modules that another thread was importing, the child begins ours anew and knows the others."""
    locks = vars(_frozen_importlib)["_module_locks"]
    owners = {"fallback_roots.ours": 1, "certifi.core": 1, "json.mine": threading.get_ident(), "json.nobodys": None}
    for name, owner in owners.items():
        lock = SimpleNamespace(owner=owner)
        monkeypatch.setitem(locks, name, lambda lock=lock: lock)
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(locks, "json.gone", lambda: None)
    copied.hook._after_fork()
    assert copied.hook.half_imported == ("certifi.core",)
    assert {name for name in owners if name not in sys.modules} == {"fallback_roots.ours"}
    assert "fallback_roots.ours" not in locks


def test_what_waits_for_a_fork_keeps_nothing_alive() -> None:
    """What the interpreter keeps for a fork does not keep the hook, and ssl with it, to the interpreter's very end."""
    program = """
import fallback_roots.auto, gc, os, ssl, sys, weakref
from fallback_roots import _armed
ssl.create_default_context()
hook = weakref.ref(_armed().hook)
fallback_roots.uninstall()
gc.collect()
print(hook())
child = os.fork()
if not child:
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""
    assert output("-W", "ignore", "-c", program, env={"FALLBACK_ROOTS_CERTIFI": "no"}) == "None\n0"


def test_a_system_that_cannot_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no os.register_at_fork."""
    monkeypatch.delattr(os, "register_at_fork")
    assert _watch.Hook().half_imported == ()


def test_a_half_imported_module_that_is_needed(
    copied: Copy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A child that would wait for ever for an import has no fallback and a WARNING; one of somebody's own is no matter."""
    monkeypatch.setattr(copied.hook, "half_imported", ("somebody.else", "certifi.core", "json"))
    assert roots(copied.ssl.create_default_context()) == 0
    assert "another thread was importing certifi.core, json when this process was forked" in caplog.text
    monkeypatch.setattr(copied.hook, "half_imported", ("typing",))
    assert roots(copied.ssl.create_default_context()) == 0
    assert "another thread was importing typing when this process was forked" in caplog.text
    monkeypatch.setattr(copied.hook, "half_imported", ("somebody.else",))
    assert roots(copied.ssl.create_default_context()) == 1
    monkeypatch.setattr(copied.hook, "half_imported", ("certifi.core",))
    assert roots(copied.ssl.create_default_context()) == 1  # everything is there


def test_a_fault_of_ours(copied: Copy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """An Exception in our own code ends in a WARNING, and the next load tries again."""
    with monkeypatch.context() as patch:
        patch.setattr(_settings, "read", lambda: 1 / 0)
        assert roots(copied.ssl.create_default_context()) == 0
    assert caplog.messages[0].startswith(NOTHING_FOUND + "no roots loaded; ")
    assert caplog.messages[0].endswith("; ZeroDivisionError: division by zero")
    assert copied.hook.outcome.code == "fault"
    assert roots(copied.ssl.create_default_context()) == 1


@pytest.mark.parametrize("asked", [True, False])
def test_certifi_that_was_asked_for(
    asked: bool, copied: Copy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a source is broken that somebody chose, it is told who did and what was expected; of no other source."""
    set_variables(monkeypatch, {"FALLBACK_ROOTS_CERTIFI": "1"} if asked else {"FALLBACK_ROOTS_CAFILE": None})
    monkeypatch.setitem(sys.modules, "certifi", None)
    assert roots(copied.ssl.create_default_context()) == asked  # the cafile, which is sound
    blame = "; certifi is set by FALLBACK_ROOTS_CERTIFI (expected its roots)" if asked else ""
    assert f"{blame}; certifi: cannot be imported" in caplog.text
    assert caplog.text.count("is set by") == asked


@pytest.mark.parametrize(("problems", "level"), [((), "INFO"), (("half of it",), "WARNING")])
def test_the_level_of_a_record(problems: tuple[str, ...], level: str, copied: Copy, caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody has set a variable of OpenSSL's, a record is a WARNING if something is wrong, and else none."""
    with caplog.at_level(logging.DEBUG):
        _say.tell(copied.site, _fallback.Outcome("loaded", problems=problems), _detect.Verdict("empty", "nothing there"))
    assert [record.levelname for record in caplog.records] == [level]


def test_roots_that_are_in_no_file() -> None:
    """Of a source that has no path none is told."""
    outcome = _fallback.Outcome("loaded", (_sources.Source("certifi", None, 3),))
    sentence = _say._sentence(outcome, _detect.Verdict("empty", "nothing there"), [])
    assert sentence == f"{NOTHING_FOUND}loaded 3 roots from certifi"


def test_what_a_fallback_may_import() -> None:
    """Ourselves, what we depend on, and the standard library."""
    needed = ["fallback_roots", "certifi.core", "wrapt", "platformdirs.unix", "tomli", "json.decoder"]
    assert _fallback._needed((*needed, "somebody.else")) == needed


def test_a_path_of_several_lines(copied: Copy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A record is one line, whatever is in a path."""
    monkeypatch.setenv("FALLBACK_ROOTS_CAFILE", "/nonexistent/a\nb\rc")
    assert roots(copied.ssl.create_default_context()) == 0
    assert "; /nonexistent/a\\nb\\rc: cannot be read" in caplog.messages[0]


def test_a_bad_certificate_of_the_systems(
    copied: Copy, ca_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the system's bundle it is told what is wrong with it, and no setting is blamed."""
    bundle = tmp_path / "system.pem"
    bundle.write_text(f"{ca_file.read_text()}\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    monkeypatch.setattr(_system, "BUNDLES", ((str(bundle), "x"),))
    monkeypatch.setenv("FALLBACK_ROOTS_PREFER_SYSTEM", "1")
    assert roots(copied.ssl.create_default_context()) == 1
    assert f"{bundle}: 1 of 2 certificates cannot be loaded" in caplog.text
    assert "is set by" not in caplog.text


@pytest.mark.parametrize("fault", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_the_users_passes(
    fault: type[BaseException], copied: Copy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An interrupt is the user's and passes, is no matter of ours, and the next load works."""

    def interrupted() -> Any:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(_settings, "read", interrupted)
        with pytest.raises(fault):
            copied.ssl.create_default_context()
    assert (caplog.messages, copied.hook.outcome) == ([], None)
    assert roots(copied.ssl.create_default_context()) == 1


def test_a_context_that_our_own_work_makes(
    copied: Copy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A default load within our own is left as it is, which is said; it neither hangs nor recurses."""
    counts: list[int] = []
    read = _settings.read

    def reading() -> Any:
        counts.append(roots(copied.ssl.create_default_context()))
        return read()

    monkeypatch.setattr(_settings, "read", reading)
    counts.append(roots(copied.ssl.create_default_context()))
    assert counts == [0, 1]
    assert "no roots loaded; " in caplog.messages[0]
    assert "in the middle of loading the fallback for another context" in caplog.messages[0]


@contextlib.contextmanager
def held_by_another_thread(copied: Copy) -> Iterator[threading.Event]:
    """The lock of the fallback, until the end or until the event is set."""
    held, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with copied.hook.lock:
            held.set()
            enough.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    yield enough
    enough.set()
    thread.join()


@pytest.mark.parametrize("importing", [True, False])
@pytest.mark.parametrize("ends", [True, False], ids=["soon", "never"])
def test_a_thread_that_may_be_waited_for(
    importing: bool, ends: bool, copied: Copy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A thread waits a while for another one's first load, inside an import not so long, and then goes on without."""
    monkeypatch.setattr(_fallback, "PATIENCE", 0.01)
    monkeypatch.setattr(_fallback, "LONG_PATIENCE", 30 if ends else 0.01)
    module_lock = SimpleNamespace(owner=threading.get_ident() if importing else 1)
    monkeypatch.setattr(_frozen_importlib, "_module_locks", {"certifi": lambda: module_lock, "gone": lambda: None})
    waits = ends and not importing
    with held_by_another_thread(copied) as enough:
        if waits:
            threading.Timer(0.1, enough.set).start()  # beyond PATIENCE
        context = copied.ssl.create_default_context()
    assert roots(context) == waits
    assert ("another thread is loading the fallback" in caplog.text) != waits
    assert roots(copied.ssl.create_default_context()) == 1


def test_a_lock_that_an_interrupt_has_left(copied: Copy) -> None:
    """A thread that has kept the lock, for an interrupt came before it let it go, loads the next time."""
    with copied.hook.lock:
        assert roots(copied.ssl.create_default_context()) == 1


def test_wrapt_is_left_out_of_a_frozen_application(
    copied: Copy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """There it is not missed, and elsewhere it is."""
    monkeypatch.setitem(sys.modules, "wrapt", None)
    monkeypatch.delitem(sys.modules, "fallback_roots._patch", raising=False)
    monkeypatch.delattr(fallback_roots, "_patch", raising=False)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert roots(copied.ssl.create_default_context()) == 1
    assert "wrapt failed" not in caplog.text
    monkeypatch.delattr(sys, "frozen")
    assert roots(copied.ssl.create_default_context()) == 1
    assert "wrapt failed" in caplog.text


def test_wrapt_fails_in_a_frozen_application(
    copied: Copy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that has been taken along, and is broken, is missed there, too."""
    monkeypatch.setattr(_patch, "wrap", raising_value_error)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert roots(copied.ssl.create_default_context()) == 1
    assert "wrapt failed, and is done without (ValueError: broken)" in caplog.text


def raising_value_error(*_: object) -> None:
    raise ValueError("broken")


@pytest.mark.parametrize("why", ["amid another load", "another thread loads", "wrapt fails"])
def test_where_logging_may_not_be_imported(why: str, copied: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that may never be let on, and one in which imports fail, does not import logging for its WARNING."""
    told: list[tuple[bool, str]] = []
    monkeypatch.setattr(_say, "warning", lambda _, text, may_import=True: told.append((may_import, text)))
    monkeypatch.setattr(_fallback, "LONG_PATIENCE", 0.01)
    if why == "amid another load":
        monkeypatch.setattr(copied.hook, "loading", True)
        with copied.hook.lock:
            copied.ssl.create_default_context()
    elif why == "another thread loads":
        with held_by_another_thread(copied):
            copied.ssl.create_default_context()
    else:
        monkeypatch.setitem(sys.modules, "wrapt", None)
        monkeypatch.delitem(sys.modules, "fallback_roots._patch", raising=False)
        monkeypatch.delattr(fallback_roots, "_patch", raising=False)
        copied.ssl.create_default_context()
    assert told[0][0] is False


def test_later_loads_wait_for_nobody(copied: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first fallback has been loaded to its end, no thread waits for another's load."""
    copied.ssl.create_default_context()
    monkeypatch.setattr(_fallback, "LONG_PATIENCE", 0.01)
    with held_by_another_thread(copied):
        assert roots(copied.ssl.create_default_context()) == 1


def test_a_fault_of_a_later_load(copied: Copy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """What fails in one is a WARNING as in the first, and costs that context alone its roots."""

    def failing(*_: object) -> None:
        raise MemoryError("no")

    copied.ssl.create_default_context()
    with monkeypatch.context() as patch:
        patch.setattr(_sources, "load", failing)
        assert roots(copied.ssl.create_default_context()) == 0
    assert "; MemoryError: no" in caplog.text
    assert roots(copied.ssl.create_default_context()) == 1


# ---------------------------------------------------------------- in a process of its own

PROCESS = """
import os, ssl, sys, threading

def load():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    return len(context.get_ca_certs())

class Finder:
    '''Acts when one of the named modules is looked for.'''
    def __init__(self, act, *names):
        self.act, self.names = act, names
        sys.meta_path.insert(0, self)
    def find_spec(self, name, path=None, target=None):
        if name in self.names:
            self.act(name)
"""


QUIET = """
import logging
logging.getLogger("fallback_roots").addHandler(logging.NullHandler())
"""


def run(program: str, *args: str, **env: str) -> list[str]:
    """The standard output, by line, of a program that begins with the above, on a machine without CA certificates."""
    return output("-c", PROCESS + QUIET + program, *args, env={**NO_CAS, **env}).splitlines()


# In the order in which a first load imports them; the middle of a package leaves modules without their parent.
IMPORTED = (
    "fallback_roots._detect",
    "fallback_roots._places",
    "fallback_roots._fallback",
    "fallback_roots._settings",
    "fallback_roots._directories",
    "platformdirs",
    "platformdirs.unix",
    "fallback_roots._sources",
    "certifi",
    "certifi.core",
    "fallback_roots._patch",
    "wrapt",
    "wrapt.decorators",
    "asyncio.events",
    "asyncio.tasks",
)
FAULTS = ("KeyboardInterrupt()", "SystemExit(3)", "MemoryError()", "ImportError('injected')", "OSError(24, 'EMFILE')")


@pytest.mark.parametrize("name", IMPORTED)
def test_a_fault_in_the_middle_of_an_import(name: str) -> None:
    """An interrupt passes; any other fault is swallowed and leaves none or all of the fallback; the next load works."""
    program = f"""
import json, warnings
warnings.simplefilter("error")

def attempt(fault):
    def act(name):
        if not met:
            met.append(name)
            raise fault
    met, results = [], []
    Finder(act, sys.argv[1])
    for _ in range(2):
        try:
            results.append(load())
        except BaseException as error:
            results.append(type(error).__name__)
    return [len(met), *results, type(vars(ssl.SSLContext)["load_default_certs"]).__name__]

for fault in ({", ".join(FAULTS)}):
    child = os.fork()
    if not child:
        print(json.dumps(attempt(fault)), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""
    results = [json.loads(line) for line in run(program, name)]
    first = [result.pop(1) for result in results]
    assert first[:2] == ["KeyboardInterrupt", "SystemExit"]
    assert set(first[2:]) <= {0, certifi_roots()}
    assert results == [[1, certifi_roots(), "Wrapper"]] * len(FAULTS)


@pytest.mark.parametrize("name", [*IMPORTED, "fallback_roots._say"])
def test_a_module_that_is_missing(name: str) -> None:
    """Without one of our own modules, or one of those that we depend on, the program runs as without us, or with its roots."""
    program = """
def act(name):
    raise ModuleNotFoundError(f"No module named {name!r}", name=name)
Finder(act, sys.argv[1])
print(load(), load())
"""
    done = python("-c", PROCESS + program, name, env=NO_CAS)
    costs_nothing = name.startswith(("wrapt", "asyncio", "fallback_roots._patch"))
    assert (done.returncode, done.stdout) == (0, f"{certifi_roots()} {certifi_roots()}\n" if costs_nothing else "0 0\n")
    if name != "fallback_roots._say":
        assert "fallback-roots: " in done.stderr
        assert "Traceback" not in done.stderr


def test_many_threads_at_the_first_load(tmp_path: Path, ca_file: Path) -> None:
    """64 threads at the first empty load each see the whole fallback; settings are read once, and one record is made."""
    config = tmp_path / "config.toml"
    config.write_text(f'cafile = "{ca_file}"\ncertifi = true\n')
    program = """
opened, records, counts, raised = [], [], [], []
sys.addaudithook(lambda event, args: event == "open" and args[0] == os.environ["FALLBACK_ROOTS_CONFIG"] and opened.append(1))
handler = logging.Handler()
handler.emit = records.append
logging.getLogger("fallback_roots").addHandler(handler)
barrier = threading.Barrier(64)

def work():
    barrier.wait()
    try:
        counts.append(load())
    except BaseException as error:
        raised.append(error)

threads = [threading.Thread(target=work) for _ in range(64)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(set(counts), len(counts), raised, len(opened), len(records))
"""
    assert run(program, FALLBACK_ROOTS_CONFIG=str(config)) == [f"{{{certifi_roots() + 1}}} 64 [] 1 1"]


@pytest.mark.parametrize("name", [*IMPORTED, "fallback_roots._say", "typing", "logging"])
def test_a_fork_amid_another_threads_first_load(name: str) -> None:
    """The child of a fork while another thread is in the middle of an import neither hangs nor raises: it has the whole
    fallback, or none and a WARNING."""
    program = """
import signal, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads
parent = os.getpid()
there, go = threading.Event(), threading.Event()

def stop(event, args):  # not in a finder: there a fork would wait for the import lock
    if event == "exec" and args[0].co_filename.endswith(files) and os.getpid() == parent and not there.is_set():
        there.set()
        go.wait()

file = sys.argv[1].replace(".", os.sep)
files = (f"{os.sep}{file}.py", f"{os.sep}{file}{os.sep}__init__.py")
sys.modules.pop(sys.argv[1], None)  # coverage has brought typing
sys.addaudithook(stop)
counts = []
thread = threading.Thread(target=lambda: counts.append(load()))
thread.start()
assert there.wait(60)
child = os.fork()
if not child:
    signal.alarm(10)
    print(load(), flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
go.set()
thread.join()
print(os.waitstatus_to_exitcode(status), counts, load())
"""
    done = python("-c", PROCESS + program, name, env=NO_CAS)
    assert done.returncode == 0, done.stderr
    child, parent = done.stdout.splitlines() if done.stdout.count("\n") == 2 else ("", done.stdout.strip())
    assert parent == f"0 [{certifi_roots()}] {certifi_roots()}", done.stderr  # -14: the alarm has ended a child that hangs
    assert child in ("0", str(certifi_roots()))
    assert "Traceback" not in done.stderr
    if child == "0":
        assert "no roots loaded" in done.stderr
        assert "when this process was forked" in done.stderr


def test_a_fork_by_the_thread_that_loads() -> None:
    """A child that is forked in the middle of our own imports goes on with them."""
    program = """
def act(name):
    global child
    sys.meta_path.remove(finder)
    child = os.fork()
finder = Finder(act, "certifi.core")
print(load(), flush=True)
if child:
    print(os.waitpid(child, 0)[1])
else:
    os._exit(0)
"""
    assert run(program, SSL_CERT_FILE="") == [str(certifi_roots()), str(certifi_roots()), "0"]


@pytest.mark.parametrize("fault", ["", "raise MemoryError"], ids=["all is well", "an interrupted import"])
def test_a_plugin_that_another_thread_loads_meanwhile(fault: str) -> None:
    """Of modules without a package that somebody else puts into sys.modules while we import ours, none is lost."""
    program = f"""
import types
def act(name):
    sys.modules["plugins.one"] = types.ModuleType("plugins.one")
    {fault}
finder = Finder(act, "certifi")
load()
print("plugins.one" in sys.modules)
"""
    assert run(program) == ["True"]


def test_what_was_imported_stays() -> None:
    """A first fallback takes no module away that it has imported with its package."""
    done = python("-c", PROCESS + "load(); print({'certifi.core', 'platformdirs.unix'} <= set(sys.modules))", env=NO_CAS)
    assert done.stdout == "True\n", done.stderr


def test_a_handler_that_waits_for_a_thread() -> None:
    """A signal's handler amid a first load may wait for a thread that makes a default context: neither waits for ever."""
    program = """
import signal
from fallback_roots import _fallback, _sources
_fallback.LONG_PATIENCE = 0.2
counts = []
def handler(number, frame):
    thread = threading.Thread(target=lambda: counts.append(load()))
    thread.start()
    thread.join()
def chosen(values, real=_sources.chosen):
    if not counts:
        signal.raise_signal(signal.SIGINT)
    return real(values)
_sources.chosen = chosen
signal.signal(signal.SIGINT, handler)
print(load(), counts, load())
"""
    done = python("-c", PROCESS + program, env=NO_CAS, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"{certifi_roots()} [0] {certifi_roots()}\n"), done.stderr
    assert "another thread is loading the fallback, and may be waiting for this one" in done.stderr


def test_an_import_that_makes_a_default_context() -> None:
    """A module that we need, and another thread is importing, may make a default context itself: neither waits for ever."""
    program = """
from fallback_roots import _fallback, _sources
_fallback.PATIENCE, _fallback.LONG_PATIENCE = 0.2, 600
inside, loading = threading.Event(), threading.Event()
counts = []
def chosen(values, real=_sources.chosen):
    loading.set()  # this thread has the lock, and is going to wait for the other's import
    return real(values)
_sources.chosen = chosen
def watch(event, args):
    if event == "exec" and args[0].co_filename.endswith(f"certifi{os.sep}__init__.py"):
        inside.set()
        loading.wait()
        counts.append(load())
sys.addaudithook(watch)
other = threading.Thread(target=lambda: __import__("certifi"))
other.start()
inside.wait()
print(load(), counts, load())
other.join()
"""
    done = python("-c", PROCESS + program, env=NO_CAS, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"{certifi_roots()} [0] {certifi_roots()}\n"), done.stderr
    assert "another thread is loading the fallback, and may be waiting for this one" in done.stderr


def test_no_descriptor_is_left() -> None:
    """A first load without a descriptor raises nothing and loads nothing; when there are some again, the next one works."""
    program = """
import resource
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
counts = [load(), load()]
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(counts, load(), type(vars(ssl.SSLContext)["load_default_certs"]).__name__)
"""
    assert run(program) == [f"[0, 0] {certifi_roots()} Wrapper"]


def test_ssl_is_first_imported_at_exit() -> None:
    """A program that imports ssl in an exit handler has the fallback."""
    program = """
import atexit, sys
def at_exit():
    import ssl
    print(len(ssl.create_default_context().get_ca_certs()))
atexit.register(at_exit)
print("ssl" in sys.modules)
"""
    done = python("-c", program, env={**NO_CAS, "FALLBACK_ROOTS_CONFIG": os.devnull})
    assert (done.returncode, done.stdout) == (0, f"False\n{certifi_roots()}\n"), done.stderr


@pytest.mark.parametrize("before", ["0", "1"], ids=["the first load", "a later load"])
@pytest.mark.parametrize("holder", ["__main__", "sys", "builtins"])
def test_a_default_context_at_shutdown(holder: str, before: str) -> None:
    """While modules are taken down, a default context comes out or fails exactly as without us."""
    program = """
import importlib, logging, os, ssl, sys
class Last:
    def __init__(self):
        self.ssl, self.write = ssl, os.write
    def __del__(self):
        try:
            said = type(self.ssl.create_default_context()).__name__
        except BaseException as error:
            said = repr(error)
        self.write(1, said.encode())
logging.getLogger("fallback_roots").addHandler(logging.NullHandler())
for _ in range(int(sys.argv[2])):
    ssl.create_default_context()
importlib.import_module(sys.argv[1]).last = Last()
"""
    env = {**NO_CAS, "FALLBACK_ROOTS_CONFIG": os.devnull}
    ours, bare = (python("-c", program, holder, before, env={**env, "FALLBACK_ROOTS_DISABLE": off}) for off in ("", "1"))
    assert (ours.returncode, ours.stdout, ours.stderr) == (bare.returncode, bare.stdout, bare.stderr)
    assert bare.stdout != ""


@pytest.mark.parametrize("program", ["import ssl", "import ssl; ssl.create_default_context()"])
def test_an_import_of_ssl_at_shutdown_fails_as_without_us(program: str) -> None:
    """When there is no import any more, ours is no other."""
    program = f"""
class Last:
    def __del__(self):
        {program}
last = Last()
"""
    env = {**NO_CAS, "FALLBACK_ROOTS_CONFIG": os.devnull}
    ours, bare = (python("-c", program, env={**env, "FALLBACK_ROOTS_DISABLE": off}) for off in ("", "1"))
    assert (ours.returncode, ours.stdout) == (bare.returncode, bare.stdout)
    assert ours.stderr.splitlines()[-1:] == bare.stderr.splitlines()[-1:]
    assert "fallback" not in ours.stderr


AS_ANOTHER = """
import os, ssl, sys
# All that is imported later: where it is, the other user may not enter.
import ctypes, pwd, platformdirs.unix, wrapt
from fallback_roots import _config, _detect, _fallback, _patch, _say, _settings, _sources
_config._parse(b"certifi = true")
sys.prefix, theirs, others, real = sys.argv[1], sys.argv[1] + "/theirs", sys.argv[1] + "/others", os.environ["HOME"]
counts = []
for home, user in ((theirs, 65534), (others, 65533), (theirs, 65534), (real, 0), (theirs, 65534)):
    os.environ["HOME"] = home
    os.seteuid(0)
    os.seteuid(user)
    counts.append(len(ssl.create_default_context().get_ca_certs()))
print(*counts)
"""


@needs_root
def test_what_a_user_has_said_holds_for_nobody_else(installed: Path, ca_file: Path) -> None:
    """A daemon that makes contexts as one user, as another and as root reads the settings of each; what root has said holds
    when it gives up its rights."""
    with tempfile.TemporaryDirectory() as name:  # pytest's own may be searched by nobody else
        directory = Path(name)
        directory.chmod(0o755)
        config = directory / "theirs" / ".config" / "fallback-roots"
        config.mkdir(parents=True)
        (config / "config.toml").write_text(f'cafile = "{directory / "ca.pem"}"\n')
        (directory / "ca.pem").write_bytes(ca_file.read_bytes())
        shutil.copytree(directory / "theirs", directory / "others")
        (directory / "others" / ".config" / "fallback-roots" / "config.toml").write_text(f'capath = "{directory / "hashed"}"\n')
        for home, user in (("theirs", 65534), ("others", 65533)):
            for path in (directory / home, *(directory / home).rglob("*")):
                os.chown(path, user, user)
        (directory / "hashed").mkdir()
        (directory / "hashed" / "01234567.0").write_bytes(ca_file.read_bytes())
        (directory / "real" / ".config" / "fallback-roots").mkdir(parents=True)
        two = "".join(trustme.CA(organization_name=name).cert_pem.bytes().decode() for name in "AB")
        (directory / "real" / ".config" / "fallback-roots" / "two.pem").write_text(two)
        (directory / "real" / ".config" / "fallback-roots" / "config.toml").write_text('cafile = "two.pem"\n')
        env = {**NO_CAS, "HOME": str(directory / "real")}
        done = python("-c", AS_ANOTHER, name, env=env, executable=installed)
    assert done.stdout.split() == ["1", "0", "1", "2", "2"], done.stderr
