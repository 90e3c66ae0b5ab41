"""The two doors: which calls are default loads, for whom, and what stays untouched.

In process, on a copy of ``ssl`` that is watched for one test only.
"""

import _ssl
import copy
import functools
import importlib.util
import os
import ssl
import sys
import tempfile
import unittest.mock
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest
import trustme
from conftest import needs_root
from support import NO_CAS, python

from fallback_roots import _fallback, _patch, _watch, auto


class Copy(NamedTuple):
    """A copy of ``ssl`` with its own classes, watched by a hook of its own."""

    ssl: Any
    hook: Any
    site: Any


def copied_ssl(monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any] | None = None) -> Copy:
    """Execute ``ssl`` once more under another name and watch it, after a `change` by somebody who was there before us."""
    spec = importlib.util.spec_from_file_location("copied_ssl", ssl.__file__)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "copied_ssl", module)
    spec.loader.exec_module(module)
    if change is not None:
        change(module)
    finder = auto.Finder()
    _watch.watch(module, finder)
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])  # where status() and load() look for the hook
    assert finder.hook is not None, "the hook has found nothing to watch"
    return Copy(module, finder.hook, finder.hook.sites[0])


@pytest.fixture(autouse=True)
def no_cas(ca_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without CA certificates, and a fallback that is one CA."""
    for name, value in {**NO_CAS, "FALLBACK_ROOTS_CONFIG": os.devnull, "FALLBACK_ROOTS_CAFILE": str(ca_file)}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["stand-in", "wrapt"])
def layer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Copy:
    """A copy of ssl in either layer."""
    copied = copied_ssl(monkeypatch)
    if request.param == "wrapt":
        _patch.wrap(copied.site)
    return copied


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> Copy:
    """A copy of ssl with stand-ins."""
    return copied_ssl(monkeypatch)


def roots(context: Any) -> int:
    return len(context.get_ca_certs())


# ---------------------------------------------------------------- default loads


LOADS: dict[str, Callable[[Any], Any]] = {
    "create_default_context()": lambda ssl: ssl.create_default_context(),
    "create_default_context(purpose)": lambda ssl: ssl.create_default_context(ssl.Purpose.SERVER_AUTH),
    "create_default_context(purpose=)": lambda ssl: ssl.create_default_context(purpose=ssl.Purpose.SERVER_AUTH),
    "create_default_context(empty values)": lambda ssl: ssl.create_default_context(cafile="", capath=None, cadata=""),
    "_create_default_https_context()": lambda ssl: ssl._create_default_https_context(),
    "_create_stdlib_context(CERT_REQUIRED) and a load": lambda ssl: loaded(
        ssl._create_unverified_context(cert_reqs=ssl.CERT_REQUIRED)
    ),
    "load_default_certs()": lambda ssl: loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)),
    "load_default_certs(purpose)": lambda ssl: loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.Purpose.SERVER_AUTH),
    "load_default_certs(purpose=)": lambda ssl: loaded(
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), purpose=ssl.Purpose.SERVER_AUTH
    ),
    "through the class": lambda ssl: through_the_class(ssl, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)),
    "of a subclass": lambda ssl: loaded(type("Sub", (ssl.SSLContext,), {})(ssl.PROTOCOL_TLS_CLIENT)),
    "of a subclass that calls super": lambda ssl: loaded(calling_super(ssl)(ssl.PROTOCOL_TLS_CLIENT)),
    "a second one": lambda ssl: loaded(loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))),
}


def loaded(context: Any, *args: Any, **kwargs: Any) -> Any:
    context.load_default_certs(*args, **kwargs)
    return context


def through_the_class(ssl: Any, context: Any) -> Any:
    ssl.SSLContext.load_default_certs(context)
    return context


def calling_super(ssl: Any) -> Any:
    class Sub(ssl.SSLContext):  # type: ignore[misc]  # the copy's class is Any
        def load_default_certs(self, purpose: Any = ssl.Purpose.SERVER_AUTH) -> None:
            super().load_default_certs(purpose)

    return Sub


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
def test_an_empty_default_load_gets_the_fallback(load: Callable[[Any], Any], layer: Copy) -> None:
    """Every way to a default load that finds nothing ends with the fallback."""
    assert roots(load(layer.ssl)) == 1


NO_DEFAULT_LOADS: dict[str, Callable[[Any], Any]] = {
    "no load at all": lambda ssl: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    "_create_unverified_context()": lambda ssl: ssl._create_unverified_context(),
    "set_default_verify_paths()": lambda ssl: setting_paths(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)),
    "create_default_context(CLIENT_AUTH)": lambda ssl: ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
    "create_default_context(purpose=CLIENT_AUTH)": lambda ssl: ssl.create_default_context(purpose=ssl.Purpose.CLIENT_AUTH),
    "load_default_certs(CLIENT_AUTH)": lambda ssl: loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.Purpose.CLIENT_AUTH),
    "load_default_certs(purpose=CLIENT_AUTH)": lambda ssl: loaded(
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), purpose=ssl.Purpose.CLIENT_AUTH
    ),
    "a server's, CLIENT_AUTH": lambda ssl: loaded(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.Purpose.CLIENT_AUTH),
    "a server's, SERVER_AUTH": lambda ssl: loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.Purpose.SERVER_AUTH),
    "a server's, no purpose": lambda ssl: loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)),
    "a server's that verifies clients": lambda ssl: loaded(verifying(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))),
    "socket class on the instance": lambda ssl: loaded(with_socket_class(ssl, "sslsocket_class")),
    "object class on the instance": lambda ssl: loaded(with_socket_class(ssl, "sslobject_class")),
    "a subclass that does not call super": lambda ssl: loaded(not_calling_super(ssl)(ssl.PROTOCOL_TLS_CLIENT)),
}


def setting_paths(context: Any) -> Any:
    context.set_default_verify_paths()
    return context


def verifying(context: Any) -> Any:
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def with_socket_class(ssl: Any, attribute: str) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    setattr(context, attribute, getattr(ssl, {"sslsocket_class": "SSLSocket", "sslobject_class": "SSLObject"}[attribute]))
    return context


def not_calling_super(ssl: Any) -> Any:
    class Sub(ssl.SSLContext):  # type: ignore[misc]  # the copy's class is Any
        def load_default_certs(self, purpose: Any = None) -> None:
            pass

    return Sub


@pytest.mark.parametrize("make", NO_DEFAULT_LOADS.values(), ids=NO_DEFAULT_LOADS)
def test_what_is_not_a_clients_default_load_is_never_touched(make: Callable[[Any], Any], layer: Copy) -> None:
    """No other load, no server and no verification that cannot be seen from here gets a root."""
    assert roots(make(layer.ssl)) == 0
    assert layer.hook.outcome is None


# ---------------------------------------------------------------- explicit roots


@pytest.mark.parametrize("purpose", ["SERVER_AUTH", "CLIENT_AUTH"])
@pytest.mark.parametrize("named", ["cafile", "capath", "cadata", "cadata as bytes"])
def test_explicit_roots_are_all_there_is(
    named: str, purpose: str, layer: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A context whose roots the caller names holds these and nothing else, and nothing of ours is asked."""
    other = trustme.CA(organization_name="another").cert_pem
    other.write_to_path(str(tmp_path / "other.pem"))
    values: dict[str, dict[str, Any]] = {
        "cafile": {"cafile": tmp_path / "other.pem"},
        "capath": {"capath": tmp_path},  # of which no count tells
        "cadata": {"cadata": other.bytes().decode()},
        "cadata as bytes": {"cadata": ssl.PEM_cert_to_DER_cert(other.bytes().decode())},
    }
    monkeypatch.setattr(_fallback, "provide", None)
    context = layer.ssl.create_default_context(getattr(layer.ssl.Purpose, purpose), **values[named])
    assert ["another" in str(root) for root in context.get_ca_certs()] == ([] if named == "capath" else [True])
    assert layer.hook.verdict is None


BROKEN: dict[str, dict[str, Any]] = {
    "a missing cafile": {"cafile": "/nonexistent/ca.pem"},
    "a cafile that is a directory": {"cafile": "/"},
    "a cafile without a certificate": {"cafile": os.devnull},
    "a cafile that is no path": {"cafile": 1},
    "a capath that is no path": {"capath": 1.5},
    "a cadata without a certificate": {"cadata": "nothing"},
    "a cadata that is not ASCII": {"cadata": "é"},
    "a cadata of a wrong type": {"cadata": 1},
    "a wrong purpose": {"purpose": "SERVER_AUTH"},
    "an unknown argument": {"cafil": "ca.pem"},
}


def fault_of(call: Callable[[], Any]) -> tuple[type[BaseException], tuple[Any, ...], Any]:
    """Type, arguments and cause of what `call` raises."""
    try:
        call()
    except Exception as error:  # noqa: BLE001  # whatever it is
        return type(error), error.args, error.__context__
    raise AssertionError("raises nothing")


@pytest.mark.parametrize("arguments", BROKEN.values(), ids=BROKEN)
def test_exceptions_of_create_default_context_are_the_originals(arguments: dict[str, Any], layer: Copy) -> None:
    """Whatever the original raises for broken roots comes out as it is, with nothing of ours for a context."""
    original = fault_of(lambda: layer.site.originals["create_default_context"](**arguments))
    assert fault_of(lambda: layer.ssl.create_default_context(**arguments)) == original
    assert original[2] is None


CONTEXT, PURPOSE, COUNTING = "a context", "Purpose.SERVER_AUTH", "an object that has counts, but is no context"
WRONG_CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "too many arguments": ((CONTEXT, PURPOSE, 1), {}),
    "an unknown keyword": ((CONTEXT,), {"porpoise": PURPOSE}),
    "purpose twice": ((CONTEXT, PURPOSE), {"purpose": PURPOSE}),
    "no context": ((), {}),
    "no context but a purpose": ((), {"purpose": PURPOSE}),
    "a string for a purpose": ((CONTEXT, "SERVER_AUTH"), {}),
    "None for a purpose": ((CONTEXT, None), {}),
    "a number for a context": ((3,), {}),
    COUNTING: ((COUNTING,), {}),
}


class Counting:
    """Not a context, though it can be counted."""

    def cert_store_stats(self) -> dict[str, int]:
        return {"x509": 0}


@pytest.mark.parametrize(("args", "kwargs"), WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_exceptions_of_load_default_certs_are_the_originals(args: tuple[Any, ...], kwargs: dict[str, Any], layer: Copy) -> None:
    """A wrong call raises the original's exception with the original's message."""
    context = layer.ssl.SSLContext(layer.ssl.PROTOCOL_TLS_CLIENT)
    meant = {CONTEXT: context, PURPOSE: layer.ssl.Purpose.SERVER_AUTH, COUNTING: Counting()}
    args, kwargs = tuple(meant.get(arg, arg) for arg in args), {name: meant.get(arg, arg) for name, arg in kwargs.items()}
    original = fault_of(lambda: layer.site.originals["load_default_certs"](*args, **kwargs))
    assert fault_of(lambda: layer.ssl.SSLContext.load_default_certs(*args, **kwargs)) == original
    assert roots(context) == 0


@pytest.mark.parametrize(
    "call", [lambda context: context.load_default_certs(1, 2), lambda context: context.load_default_certs(purpos=1)]
)
def test_exceptions_of_the_bound_method_are_the_originals(call: Callable[[Any], Any], layer: Copy) -> None:
    """So does a wrong call of the bound method."""
    context = layer.ssl.SSLContext(layer.ssl.PROTOCOL_TLS_CLIENT)
    fault = fault_of(lambda: call(context))
    _patch._take_off(layer.site, "load_default_certs")
    assert fault == fault_of(lambda: call(context))


def test_the_result_is_the_originals(layer: Copy) -> None:
    """load_default_certs returns None, and create_default_context what the original has made."""
    assert layer.ssl.SSLContext(layer.ssl.PROTOCOL_TLS_CLIENT).load_default_certs() is None
    made = layer.ssl.create_default_context()
    original = layer.site.originals["create_default_context"]()
    for attribute in ("protocol", "verify_mode", "check_hostname", "verify_flags", "options", "post_handshake_auth"):
        assert getattr(made, attribute) == getattr(original, attribute)


# ---------------------------------------------------------------- healthy machines


def test_a_healthy_bundle_is_untouched(layer: Copy, ca: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the default load finds a bundle, the roots are exactly those that the original finds."""
    other = trustme.CA(organization_name="another")
    (tmp_path / "two.pem").write_bytes(ca.cert_pem.bytes() + other.cert_pem.bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "two.pem"))
    monkeypatch.setattr(_fallback, "provide", None)
    original = layer.ssl.SSLContext(layer.ssl.PROTOCOL_TLS_CLIENT)
    layer.site.originals["load_default_certs"](original)
    assert layer.ssl.create_default_context().get_ca_certs() == original.get_ca_certs() != []
    assert layer.hook.verdict == 2


def test_a_healthy_hashed_directory_is_untouched(layer: Copy, hashed_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where OpenSSL reads a hashed directory, the store stays as empty as the original leaves it."""
    monkeypatch.setenv("SSL_CERT_DIR", str(hashed_directory))
    context = layer.ssl.create_default_context()
    assert context.cert_store_stats() == {"x509": 0, "crl": 0, "x509_ca": 0}
    assert layer.hook.verdict.code == "directory"


def test_a_store_with_one_leaf_is_untouched(layer: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that holds one certificate, and no CA, is somebody's trust."""
    leaf = trustme.CA(organization_name="leaf").issue_cert("localhost").cert_chain_pems[0]
    leaf.write_to_path(str(tmp_path / "leaf.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "leaf.pem"))
    context = layer.ssl.create_default_context()
    assert context.cert_store_stats() == {"x509": 1, "crl": 0, "x509_ca": 0}


def test_each_load_is_judged_afresh(layer: Copy, hashed_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program may set SSL_CERT_DIR between two loads, and take it away again."""
    counts = [roots(layer.ssl.create_default_context())]
    monkeypatch.setenv("SSL_CERT_DIR", str(hashed_directory))
    counts.append(roots(layer.ssl.create_default_context()))
    monkeypatch.setenv("SSL_CERT_DIR", NO_CAS["SSL_CERT_DIR"])
    counts.append(roots(layer.ssl.create_default_context()))
    assert counts == [1, 0, 1]


# ---------------------------------------------------------------- a certificate file between two loads


def in_place(path: Path, data: bytes) -> None:
    """Overwrite the file, and leave its size and its time of modification what they were."""
    before = path.stat()
    path.write_bytes(data[: before.st_size].ljust(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def renamed(path: Path, data: bytes) -> None:
    """Put another file in its place."""
    (path.parent / "new").write_bytes(data)
    (path.parent / "new").rename(path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "emptied": lambda path: path.write_bytes(b""),
    "overwritten": lambda path: in_place(path, b"# no certificate here"),
    "removed": lambda path: path.unlink(),
    "another in its place": lambda path: renamed(path, b"# no certificate here"),
    "a directory in its place": lambda path: path.rename(path.with_name("old")) and path.mkdir(),  # type: ignore[func-returns-value]
    "the variable names another": lambda path: os.environ.update(SSL_CERT_FILE=str(path.parent / "missing")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_certificate_file_that_changes(
    name: str, layer: Copy, ca: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a certificate file gives nothing any more, the next default load gets the fallback; once it does, none."""
    path = tmp_path / "cert.pem"
    bundle = ca.cert_pem.bytes() + trustme.CA(organization_name="another").cert_pem.bytes()
    path.write_bytes(bundle)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    counts = [roots(layer.ssl.create_default_context()) for _ in range(3)]
    CHANGES[name](path)
    counts += [roots(layer.ssl.create_default_context()) for _ in range(2)]
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "again.pem"))
    (tmp_path / "again.pem").write_bytes(bundle)
    counts += [roots(layer.ssl.create_default_context()) for _ in range(2)]
    assert counts == [2, 2, 2, 1, 1, 2, 2]
    assert layer.hook.verdict == 2


def test_a_certificate_file_that_stays(layer: Copy, ca_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the certificate file is what it was when it gave certificates, a default load's are not counted again."""
    counts = []

    def profile(_: object, event: str, called: Any) -> None:
        if event == "c_call" and called.__name__ == "cert_store_stats":
            counts.append(1)

    for path, expected in ((str(ca_file), 2), (str(ca_file), 1), (NO_CAS["SSL_CERT_FILE"], 2), (str(ca_file), 1)):
        monkeypatch.setenv("SSL_CERT_FILE", path)
        context = layer.ssl.SSLContext(layer.ssl.PROTOCOL_TLS_CLIENT)
        counts.clear()
        sys.setprofile(profile)
        context.load_default_certs()
        sys.setprofile(None)
        assert len(counts) == expected
    assert layer.hook.verdict == 1


def test_a_certificate_file_and_a_context_that_holds_something(
    layer: Copy, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a context held before, and what it is given by hand, says nothing of the certificate file."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    context = layer.ssl.SSLContext(layer.ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=trustme.CA(organization_name="another").cert_pem.bytes().decode())
    context.load_default_certs()
    assert (roots(context), layer.hook.verdict, layer.hook.healthy) == (2, 2, None)


@needs_root
def test_a_certificate_file_that_may_not_be_read_any_more(ca_file: Path) -> None:
    """A process that gives up its user id counts again, since the file may be one that only root reads."""
    program = """
import os, ssl
import fallback_roots, fallback_roots._detect, fallback_roots._fallback
ssl.create_default_context()
print(fallback_roots.status().found)
os.setuid(65534)
ssl.create_default_context()
os.stat(os.environ["SSL_CERT_FILE"])
print(fallback_roots.status().found)
"""
    with tempfile.TemporaryDirectory() as directory:  # pytest's own may be searched by nobody else
        Path(directory).chmod(0o755)
        private = Path(directory) / "private.pem"
        private.write_bytes(ca_file.read_bytes())
        private.chmod(0o600)
        env = {"SSL_CERT_FILE": str(private), "SSL_CERT_DIR": "", "FALLBACK_ROOTS_CERTIFI": "no"}
        done = python("-c", f"import fallback_roots.auto{program}", env=env)
    assert (done.returncode, done.stdout.split()) == (0, ["1", "None"]), done.stderr


@pytest.mark.parametrize("name", ["cafile", "capath", "cadata", None])
def test_roots_that_are_named_and_show_in_no_count(name: str | None, layer: Copy) -> None:
    """A directory does not, nor a file with nothing but a CRL: by whatever keyword roots are named, no verdict is given."""

    class Own(layer.ssl.SSLContext):  # type: ignore[misc, name-defined]  # a module of its own
        def load_default_certs(self, *_: object) -> None:
            pass

    context = Own(layer.ssl.PROTOCOL_TLS_CLIENT)
    named = {} if name is None else {name: "something"}
    assert layer.site.create_default_context(lambda **_: context, None, (), named) is context
    assert (layer.hook.verdict and layer.hook.verdict.code) == ("foreign" if name is None else None)


# ---------------------------------------------------------------- variables that change


def test_variables_that_change_while_it_loads(layer: Copy, hashed_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL has read the variables of the moment of the load; one that names no roots afterwards speaks for nothing."""
    for name, value in {**NO_CAS, "SSL_CERT_DIR": str(hashed_directory)}.items():
        monkeypatch.setenv(name, value)
    context = layer.ssl.SSLContext(layer.ssl.PROTOCOL_TLS_CLIENT)
    real = layer.site.originals["load_default_certs"]

    def load(*args: Any, **kwargs: Any) -> None:
        real(*args, **kwargs)
        os.environ["SSL_CERT_DIR"] = NO_CAS["SSL_CERT_DIR"]

    layer.site.load_default_certs(load, None, (context,), {})
    assert (layer.hook.verdict.code, layer.hook.outcome, roots(context)) == ("environment", None, 0)
    context = layer.ssl.SSLContext(layer.ssl.PROTOCOL_TLS_CLIENT)
    layer.site.load_default_certs(load, None, (context,), {})  # nothing changes any more
    assert layer.hook.verdict.code == "empty"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), UnicodeDecodeError("utf-8", b"", 0, 1, "no")], ids=repr)
def test_variables_that_cannot_be_read(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt passes, and nothing else does: the program's own load comes next."""

    class Environment(dict[str, str]):
        def get(self, *_: object) -> Any:
            raise error

    monkeypatch.setattr(_watch, "ENVIRON", Environment())
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            _watch.variables()
    else:
        assert _watch.variables() is None


REPLACED = """
import os
real = os.environ
os.environ = {**real, "SSL_CERT_DIR": real["SSL_CERT_FILE"]}
import ssl
if RESTORED:
    os.environ = real
print(len(ssl.create_default_context().get_ca_certs()))
import fallback_roots
print(fallback_roots.status().verdict.code)
"""


@pytest.mark.parametrize("restored", [True, False])
def test_an_environment_that_was_replaced_when_ssl_was_imported(
    restored: bool, installed: Path, hashed_directory: Path
) -> None:
    """What stands in the place of os.environ for a while, a test's, is not what OpenSSL reads, whenever ssl is imported."""
    env = {**NO_CAS, "SSL_CERT_DIR": str(hashed_directory)}
    done = python("-c", REPLACED.replace("RESTORED", str(restored)), env=env, executable=installed)
    assert (done.stdout.split(), done.stderr) == (["0", "directory" if restored else "environment"], "")


def test_a_copy_of_the_environment_that_was_put_in_its_place(
    layer: Copy, hashed_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deep copy sets variables for OpenSSL, too, and what ours has not seen is not known."""
    monkeypatch.setattr(os, "environ", copy.deepcopy(os.environ))
    monkeypatch.setenv("SSL_CERT_DIR", str(hashed_directory))
    assert roots(layer.ssl.create_default_context()) == 0
    assert layer.hook.verdict.code == "environment"


MOCKED = """
import os, unittest.mock
def fake(path, *args):
    raise FileNotFoundError(2, "No such file or directory", path)
if EARLY:
    import ssl
with unittest.mock.patch("os.stat", fake), unittest.mock.patch("os.scandir", fake):
    import ssl
    print(len(ssl.create_default_context().get_ca_certs()))
import fallback_roots
print(fallback_roots.status().verdict.code)
print(len(ssl.create_default_context().get_ca_certs()))
"""


@pytest.mark.parametrize("early", [True, False])
def test_a_file_system_that_was_replaced(early: bool, installed: Path, hashed_directory: Path) -> None:
    """What a test puts in its place is not what OpenSSL reads, whether it was there before ssl or came later."""
    env = {**NO_CAS, "SSL_CERT_DIR": str(hashed_directory)}
    done = python("-c", MOCKED.replace("EARLY", str(early)), env=env, executable=installed)
    assert (done.stdout.split(), done.stderr) == (["0", "environment", "0"], "")


def test_an_open_that_was_replaced(layer: Copy, ca_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What mock_open gives is not believed of a file in the place of a directory, nor of settings."""
    monkeypatch.setattr("builtins.open", unittest.mock.mock_open(read_data=b""))
    monkeypatch.setenv("SSL_CERT_DIR", str(ca_file))
    assert roots(layer.ssl.create_default_context()) == 0
    assert layer.hook.verdict.code == "directory"


# ---------------------------------------------------------------- one context, loaded twice


@pytest.mark.parametrize("variable", NO_CAS)
def test_a_second_load_adds_nothing_to_the_first(
    variable: str, layer: Copy, ca_file: Path, hashed_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a context has by an earlier default load is somebody's choice, when its file or directory is gone, too."""
    monkeypatch.delenv("FALLBACK_ROOTS_CAFILE")  # certifi's would show
    monkeypatch.setenv(variable, str({"SSL_CERT_FILE": ca_file, "SSL_CERT_DIR": hashed_directory}[variable]))
    context = layer.ssl.create_default_context()
    count = roots(context)
    assert count == (variable == "SSL_CERT_FILE")
    monkeypatch.setenv(variable, NO_CAS[variable])
    context.load_default_certs()
    assert (roots(context), layer.hook.verdict.code) == (count, "certificates")
    assert roots(layer.ssl.create_default_context()) > 1  # another context has the fallback


def test_what_a_load_has_left_is_not_kept_alive(layer: Copy, hashed_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead contexts are forgotten, and by no callback: what a signal's handler raises in one never reaches the program."""
    monkeypatch.setenv("SSL_CERT_DIR", str(hashed_directory))
    for _ in range(200):
        context = layer.ssl.create_default_context()
    left = layer.hook.left
    assert layer.hook.has_left(context)
    assert len(left) < 40
    assert {known.__callback__ for known in left.values()} == {None}
    layer.hook.leave(object())  # of which there are no weak references
    left[id(layer)] = next(known for known in left.values() if known() is None)
    assert not layer.hook.has_left(layer)


def test_a_second_load_after_one_of_duplicates(layer: Copy, ca_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first default load found was in the context already; that its file is gone now makes it no empty one."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    context = layer.ssl.SSLContext(layer.ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca_file)
    for path in (str(ca_file), NO_CAS["SSL_CERT_FILE"]):
        monkeypatch.setenv("SSL_CERT_FILE", path)
        context.load_default_certs()
        assert (roots(context), layer.hook.verdict.code) == (1, "certificates")


def test_a_second_load_for_another_purpose(layer: Copy, hashed_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load for clients that has met a directory has left it in the context, for servers, too."""
    monkeypatch.setenv("SSL_CERT_DIR", str(hashed_directory))
    context = layer.ssl.SSLContext(layer.ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs(layer.ssl.Purpose.CLIENT_AUTH)
    monkeypatch.setenv("SSL_CERT_DIR", NO_CAS["SSL_CERT_DIR"])
    context.load_default_certs()
    assert (roots(context), layer.hook.verdict.code) == (0, "certificates")
    fresh = layer.ssl.SSLContext(layer.ssl.PROTOCOL_TLS_CLIENT)
    fresh.load_default_certs(layer.ssl.Purpose.CLIENT_AUTH)  # that has met nothing
    fresh.load_default_certs()
    assert (roots(fresh) > 0, layer.hook.verdict.code) == (True, "empty")


@pytest.mark.parametrize("thing", [None, object()], ids=["None", "an object"])
def test_an_environment_that_is_no_mapping(
    thing: object, layer: Copy, hashed_directory: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing is loaded, and nothing said."""
    monkeypatch.setenv("SSL_CERT_DIR", str(hashed_directory))
    context = layer.ssl.SSLContext(layer.ssl.PROTOCOL_TLS_CLIENT)
    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", thing)
        context.load_default_certs()
    assert (roots(context), layer.hook.verdict.code) == (0, "environment")
    assert capfd.readouterr().err == ""


# ---------------------------------------------------------------- preloaded contexts


@pytest.fixture
def preloaded(layer: Copy, tmp_path: Path) -> Any:
    """A context that holds another CA, which is in the bundle ``other.pem``."""
    trustme.CA(organization_name="another").cert_pem.write_to_path(str(tmp_path / "other.pem"))
    context = layer.ssl.SSLContext(layer.ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(tmp_path / "other.pem")
    return context


def test_a_default_load_of_duplicates_alone_is_untouched(
    layer: Copy, preloaded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A healthy machine adds nothing to a context that holds its roots already, and neither do we."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    preloaded.load_default_certs()
    assert roots(preloaded) == 1
    assert layer.hook.verdict.code == "certificates"


def test_an_empty_load_into_a_preloaded_context_gets_the_fallback(preloaded: Any) -> None:
    """On a machine without CA certificates it gets the fallback besides what it holds."""
    preloaded.load_default_certs()
    assert roots(preloaded) == 2


def test_duplicates_are_settled_by_the_original(layer: Copy, preloaded: Any) -> None:
    """What settles it is the original's load into a fresh context, of which our own question is not asked."""
    fresh: list[Any] = []
    original = layer.site.originals["load_default_certs"]

    def load_default_certs(context: Any) -> None:
        fresh.append(context)
        original(context)

    layer.site.originals["load_default_certs"] = load_default_certs
    preloaded.load_default_certs()
    assert [roots(context) for context in fresh] == [0]


# ---------------------------------------------------------------- other classes


@pytest.mark.parametrize("fault", [NotImplementedError, AttributeError, OSError, KeyError], ids=lambda fault: fault.__name__)
def test_a_context_that_cannot_be_counted_is_left_alone(fault: type[Exception], layer: Copy) -> None:
    """A class whose cert_store_stats raises (truststore's) has no say in what we can see."""

    class Uncounted(layer.ssl.SSLContext):  # type: ignore[misc,name-defined]  # the copy's class is Any
        def cert_store_stats(self) -> dict[str, int]:
            raise fault

    context = loaded(Uncounted(layer.ssl.PROTOCOL_TLS_CLIENT))
    assert (roots(context), layer.hook.outcome) == (0, None)


def test_a_context_that_counts_strangely_is_left_alone(layer: Copy) -> None:
    """So has one that gives something else than counts."""

    class Strange(layer.ssl.SSLContext):  # type: ignore[misc,name-defined]  # the copy's class is Any
        def cert_store_stats(self) -> None:
            return None

    assert roots(loaded(Strange(layer.ssl.PROTOCOL_TLS_CLIENT))) == 0


def test_a_context_that_is_filled_when_it_is_counted(layer: Copy, monkeypatch: pytest.MonkeyPatch, ca_file: Path) -> None:
    """A class that loads its roots when it is first counted does so once, and is not asked by us."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))

    class Lazy(layer.ssl.SSLContext):  # type: ignore[misc,name-defined]  # the copy's class is Any
        loads = 0

        def cert_store_stats(self) -> Any:
            if not super().cert_store_stats()["x509"]:
                self.loads += 1
                self.load_default_certs()
            return super().cert_store_stats()

    context = Lazy(layer.ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    assert (context.loads, context.cert_store_stats()["x509"], context.loads) == (0, 1, 0)


def replace_context_class(module: Any, **own: Any) -> None:
    """Put a subclass in the place of ``module.SSLContext``, as gevent does."""
    # The standard library's setters call super(SSLContext, SSLContext), which is this class then.
    for name in ("options", "verify_flags", "verify_mode", "minimum_version", "maximum_version"):
        own.setdefault(name, vars(_ssl._SSLContext)[name])
    module.SSLContext = type("Replacing", (module.SSLContext,), own)


def naming_no_roots(self: Any, purpose: Any = None) -> None:  # noqa: ARG001  # as the original's
    self.set_default_verify_paths()


def doing_nothing(self: Any, purpose: Any = None) -> None:
    pass


def naming_roots(self: Any, purpose: Any = None) -> None:  # noqa: ARG001  # as the original's
    self.load_verify_locations(capath=os.environ["CORPORATE"])


OTHER_LOADS: dict[str, Any] = {
    "calls set_default_verify_paths": naming_no_roots,
    "does nothing": doing_nothing,
    "names roots": naming_roots,
    "a partial method": functools.partialmethod(naming_roots),
    "a C function": id,
}


@pytest.mark.parametrize(
    ("place", "load_default_certs"),
    [
        *((place, load) for place in ("a class in the context's place", "the class itself") for load in OTHER_LOADS.values()),
        *(("before us", load) for load in (naming_no_roots, doing_nothing, naming_roots)),
    ],
)
def test_a_default_load_that_is_not_the_standard_librarys(
    place: str, load_default_certs: Any, hashed_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets no fallback: a directory that it names shows in no count, and naming nothing is a choice, too."""
    monkeypatch.setenv("CORPORATE", str(hashed_directory))

    def replace(module: Any) -> None:
        module.SSLContext.load_default_certs = load_default_certs

    if place == "before us":
        copied = copied_ssl(monkeypatch, replace)
    else:
        copied = copied_ssl(monkeypatch)
        if place == "the class itself":
            replace(copied.ssl)
        else:
            replace_context_class(copied.ssl, load_default_certs=load_default_certs)
    assert roots(copied.ssl.create_default_context()) == 0
    assert copied.hook.verdict.code == "foreign"


def test_a_class_in_the_contexts_place_that_inherits_the_load(copied: Copy) -> None:
    """One that has no default load of its own (gevent's) comes by the first door."""
    replace_context_class(copied.ssl)
    assert roots(copied.ssl.create_default_context()) == 1


def test_a_class_with_a_load_and_a_count_of_its_own(copied: Copy, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is known of it (truststore's), so nothing is loaded and nothing is said."""

    def count(_: object) -> NoReturn:
        raise NotImplementedError

    replace_context_class(copied.ssl, load_default_certs=doing_nothing, cert_store_stats=count)
    assert copied.ssl.create_default_context().get_ca_certs() == []
    assert (copied.hook.verdict, copied.hook.outcome, caplog.records) == (None, None, [])


PATHS: dict[str, Callable[[Any], Any]] = {
    "of the class": lambda ssl: setattr(ssl.SSLContext, "set_default_verify_paths", naming_roots),
    "of a class in the context's place": lambda ssl: replace_context_class(ssl, set_default_verify_paths=naming_roots),
}


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("when", ["before us", "after us"])
def test_default_paths_that_are_not_openssls(
    name: str, when: str, hashed_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a context get the fallback whose default paths are set by a method of somebody's own."""
    monkeypatch.setenv("CORPORATE", str(hashed_directory))
    copied = copied_ssl(monkeypatch, PATHS[name] if when == "before us" else None)
    if when == "after us":
        PATHS[name](copied.ssl)
    assert roots(copied.ssl.create_default_context()) == 0
    assert copied.hook.verdict.code == "foreign"


def test_paths_of_somebodys_own_say_nothing_of_the_file(layer: Copy, ca_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates that a class finds elsewhere are no reason to take the certificate file for one that gives some."""
    monkeypatch.setenv("SSL_CERT_FILE", __file__)
    kind = type("Own", (layer.ssl.SSLContext,), {"set_default_verify_paths": lambda self: self.load_verify_locations(ca_file)})
    assert roots(loaded(kind(layer.ssl.PROTOCOL_TLS_CLIENT))) == 1
    assert layer.hook.healthy is None
    assert roots(layer.ssl.create_default_context()) == 1
    assert layer.hook.verdict.code == "empty"


def test_explicit_roots_of_another_class_are_all_there_is(copied: Copy, hashed_directory: Path) -> None:
    """The second door leaves roots that the caller names alone, too."""
    replace_context_class(copied.ssl, load_default_certs=naming_no_roots)
    context = copied.ssl.create_default_context(capath=hashed_directory)
    assert (roots(context), copied.hook.verdict) == (0, None)


def test_another_class_for_clients_certificates_gets_nothing(copied: Copy) -> None:
    """Nor does the second door give a server's context a root."""
    replace_context_class(copied.ssl, load_default_certs=naming_no_roots)
    assert roots(copied.ssl.create_default_context(copied.ssl.Purpose.CLIENT_AUTH)) == 0


def test_another_class_that_finds_something_is_untouched(copied: Copy) -> None:
    """What another class's own load finds is all there is."""
    trusted = trustme.CA(organization_name="another").cert_pem.bytes().decode()
    replace_context_class(copied.ssl, load_default_certs=lambda self, _: self.load_verify_locations(cadata=trusted))
    assert roots(copied.ssl.create_default_context()) == 1
    assert copied.hook.verdict == 1


def test_a_context_of_no_such_class_is_left_alone(copied: Copy) -> None:
    """A class that is no SSLContext at all makes what it makes."""

    class Odd:
        verify_mode = verify_flags = 0

        def __init__(self, protocol: Any) -> None:
            self.protocol = protocol

        def __getattr__(self, name: str) -> Any:
            return lambda *_: {"x509": 0}

    copied.ssl.SSLContext = Odd
    assert type(copied.ssl.create_default_context()) is Odd
    assert copied.hook.verdict is None


def test_both_doors_judge_a_load_once(layer: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """create_default_context does not ask again what load_default_certs has asked."""
    verdicts: list[Any] = []
    monkeypatch.setattr(_fallback, "provide", lambda *args: verdicts.append(args[-1].code))
    layer.ssl.create_default_context()
    assert verdicts == ["empty"]


@pytest.mark.parametrize("own", [{}, {"load_default_certs": doing_nothing}], ids=["the first door", "the second door"])
def test_a_hook_that_is_off_asks_nothing(own: dict[str, Any], layer: Copy, caplog: pytest.LogCaptureFixture) -> None:
    """After uninstall() whoever still holds a stand-in or a wrapper gets the original's behaviour."""
    layer.hook.off = True
    replace_context_class(layer.ssl, **own)
    assert roots(layer.ssl.create_default_context()) == 0
    assert (layer.hook.verdict, caplog.messages) == (None, [])


def before_us(module: Any) -> None:
    """What gevent does, with a method that calls super."""
    base = module.SSLContext
    replace_context_class(module, load_default_certs=lambda self, purpose: base.load_default_certs(self, purpose))
    module.base = base


def test_a_class_that_took_the_contexts_place_before_us(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a subclass stands in the context's place already, the class whose load all others call is watched."""
    copied = copied_ssl(monkeypatch, before_us)
    assert roots(loaded(copied.ssl.base(ssl.PROTOCOL_TLS_CLIENT))) == 1
    assert roots(copied.ssl.create_default_context()) == 1
    assert copied.site.owner is copied.ssl.base


def test_nobody_finds_ssl(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no other finder knows ssl, ours knows nothing of it, either."""
    finder = auto.Finder()
    monkeypatch.setattr(sys, "meta_path", [finder])
    assert _watch.find_spec(finder, "ssl", None, None) is None
    assert finder.asking == set()
