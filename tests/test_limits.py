"""A time limit, which a signal's handler raises while our code is at work: each place that catches exceptions lets it pass."""

import _signal  # type: ignore[import-not-found]  # built in
import importlib.util
import logging
import os
import signal
import ssl
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from test_doors import Copy, copied_ssl

from fallback_roots import (
    _config,
    _detect,
    _directories,
    _fallback,
    _files,
    _is_the_programs,
    _patch,
    _places,
    _say,
    _settings,
    _sources,
    _watch,
    auto,
)


class LimitError(TimeoutError, ValueError):
    """What is an OSError and a ValueError, for each of which there are clauses of their own."""


def end(*_: object) -> None:
    raise LimitError


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    """The program's handler of a signal."""
    before = signal.signal(signal.SIGUSR1, end)
    yield
    signal.signal(signal.SIGUSR1, before)


def limit(*_: object, **__: object) -> Any:
    """Does not return."""
    signal.raise_signal(signal.SIGUSR1)
    raise AssertionError("the handler raises")


class Uncounted(type):
    """The class of a class that is slow to say how it counts."""

    cert_store_stats = property(limit)


class Slow:
    """A finder of modules that takes too long."""

    find_spec = staticmethod(limit)


def finds_no_ssl(patch: pytest.MonkeyPatch) -> Any:
    patch.delitem(sys.modules, "_ssl")
    patch.setattr(sys, "meta_path", [Slow, *sys.meta_path])
    spec = importlib.util.spec_from_loader("ssl", loader=None)
    return lambda: _watch.Loader(types.SimpleNamespace(create_module=lambda _: None), auto.Finder()).create_module(spec)  # type: ignore[arg-type]  # a spec


def executes(patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(_watch, "watch", limit)
    real = types.SimpleNamespace(exec_module=lambda _: None)
    return lambda: _watch.Loader(real, auto.Finder()).exec_module(types.ModuleType("x"))


def closed(patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(os, "stat", limit)
    return lambda: _directories._is_closed("/home")


def of_a_bundle(patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(_files, "read", limit)
    return lambda: _sources.bundle("cafile", "/ca.pem")


def of_certifi(patch: pytest.MonkeyPatch) -> Any:
    patch.setattr("certifi.contents", limit)
    return _sources.certifi


def of_certifis_import(patch: pytest.MonkeyPatch) -> Any:
    patch.delitem(sys.modules, "certifi")
    patch.setattr(sys, "meta_path", [Slow, *sys.meta_path])
    return _sources.certifi


def patched(target: Any, name: str, call: Callable[[], object]) -> Callable[[pytest.MonkeyPatch], Any]:
    def prepare(patch: pytest.MonkeyPatch) -> Any:
        patch.setattr(target, name, limit)
        return call

    return prepare


def in_a_copy(target: Any, name: str) -> Callable[[pytest.MonkeyPatch], Any]:
    """A load that comes back empty."""

    def prepare(patch: pytest.MonkeyPatch) -> Any:
        patch.setenv("SSL_CERT_FILE", "/nonexistent/fallback-roots/cert.pem")
        patch.setenv("SSL_CERT_DIR", "/nonexistent/fallback-roots/certs")
        patch.setenv("FALLBACK_ROOTS_CONFIG", os.devnull)
        copied: Copy = copied_ssl(patch)
        patch.setattr(target, name, limit)
        return copied.ssl.create_default_context

    return prepare


def on_standard_error(patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(sys, "stderr", sys.__stderr__)
    patch.setattr(os, "write", limit)
    return lambda: _say._write("")


def reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> Any:
    class Environment(dict[str, str]):
        get = limit

    monkeypatch.setattr(_watch, "ENVIRON", Environment())
    return _watch.variables


FILE, DIRECTORY = (ssl.get_default_verify_paths().openssl_cafile_env, ssl.get_default_verify_paths().openssl_capath_env)
PLACES: dict[str, Callable[[pytest.MonkeyPatch], Any]] = {
    "find_spec": patched(_watch, "find_spec", lambda: auto.Finder().find_spec("ssl")),
    "the import of _ssl": finds_no_ssl,
    "watch": executes,
    "the class of a context": lambda _: lambda: _watch.certificates(Uncounted("Context", (), {})()),
    "the certificate file": patched(os, "stat", lambda: _watch.state_of_the_file("/ca.pem")),
    "the variables": reads_the_environment,
    "the facts of a load": in_a_copy(_detect, "facts"),
    "a complaint": patched(_say, "warning", lambda: _watch._complain(_watch.Hook(), OSError())),
    "the privileges": patched(_places, "raised_privileges", lambda: _places.places({})),
    "SSL_CERT_FILE": patched(os, "stat", lambda: _places._look_at_file("/ca.pem")),
    "SSL_CERT_DIR": patched(os, "stat", lambda: _places.directory(DIRECTORY, "/certs")),
    "the places of settings": patched(_directories, "_platformdirs", lambda: _directories.config_files({}, False, [])),
    "a home": closed,
    "a config file": patched(_files, "read", lambda: _settings._read_file("/config.toml", "user", False)),
    "a bundle": of_a_bundle,
    "certifi": of_certifi,
    "certifi's import": of_certifis_import,
    "a fallback": in_a_copy(_fallback, "choose"),
    "wrapt": in_a_copy(_patch, "wrap"),
    "logging": patched(logging, "getLogger", lambda: _say.warning({}, "x")),
    "standard error": on_standard_error,
}


@pytest.mark.parametrize("name", PLACES)
def test_a_limit_passes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it comes, the program gets what its handler has raised."""
    with monkeypatch.context() as patch, pytest.raises(LimitError):
        PLACES[name](patch)()


def a_file(tmp_path: Any, text: str) -> str:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", ["_parse", "_checked"])
def test_amid_a_config_file(name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is while a config file is read."""
    monkeypatch.setattr(_config, name, limit)
    with pytest.raises(LimitError):
        _settings._read_file(a_file(tmp_path, "certifi = true\n"), "FALLBACK_ROOTS_CONFIG", False)


def test_where_it_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of memory, or at shutdown, an exception is taken for ours."""
    with pytest.raises(LimitError) as raised:
        limit()
    assert _is_the_programs(raised.value)
    with monkeypatch.context() as patch:
        patch.setattr(_signal, "getsignal", lambda _: bytearray(sys.maxsize))  # more than there is
        assert not _is_the_programs(raised.value)
    monkeypatch.setitem(sys.modules, "_signal", None)
    assert not _is_the_programs(raised.value)


def test_a_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a call without a frame has raised costs no look at the handlers: healthy loads meet it each time."""
    monkeypatch.setattr(_signal, "getsignal", lambda _: pytest.fail("the handlers were looked at"))
    assert _watch.state_of_the_file("/nonexistent/fallback-roots/cert.pem") is None
