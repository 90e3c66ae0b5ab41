"""The one question: the rules by which a default load "found nothing", and the facts that they are asked of."""

import itertools
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import NO_CAS
from test_doors import Copy, copied_ssl

from fallback_roots import _detect, _places, _watch
from fallback_roots._detect import Facts, judge
from fallback_roots._places import Place

GONE = Place("file", "SSL_CERT_FILE", "/f", "nothing", "is empty")
NO_DIRECTORY = Place("directory", "compiled-in", "/d", "nothing", "is empty")
DIRECTORY = Place("directory", "SSL_CERT_DIR", "/h", "in effect", "has hashed certificates")
DEVICE = Place("file", "SSL_CERT_FILE", "/dev/null", "device", "is taken at its word")
FILE = Place("file", "SSL_CERT_FILE", "/ca.pem", "in effect", "holds certificates")

# Highest first: a fact by which nothing is loaded, its code, and its reason.
RULES: list[tuple[dict[str, Any], str, str]] = [
    ({"purpose": False}, "purpose", "the load was not for Purpose.SERVER_AUTH"),
    ({"server": True}, "server", "the context is a server's, and web roots must not vouch for its clients"),
    ({"foreign": "it is not ours"}, "foreign", "it is not ours"),
    ({"unsure": "why"}, "environment", "why"),
    (
        {"preloaded_default": 2},
        "certificates",
        "the context held what a default load finds already: 2 certificates",
    ),
    ({"places": (GONE, DIRECTORY)}, "directory", "SSL_CERT_DIR: '/h' has hashed certificates"),
    ({"places": (NO_DIRECTORY, DEVICE)}, "device", "SSL_CERT_FILE: '/dev/null' is taken at its word"),
    ({"places": (NO_DIRECTORY, FILE)}, "file", "SSL_CERT_FILE: '/ca.pem' holds certificates"),
    (
        {"places": (NO_DIRECTORY, GONE)},
        "empty",
        "the default load found no certificate, and no certificate directory is in effect",
    ),
]


@pytest.mark.parametrize(("fact", "code", "reason"), RULES, ids=[code for _, code, _ in RULES])
def test_a_rule_alone(fact: dict[str, Any], code: str, reason: str) -> None:
    """Each fact by itself gives its verdict, whose reason names the place, and which carries all places."""
    verdict = judge(Facts(**fact))
    assert (verdict.code, verdict.reason, verdict.places) == (code, reason, fact.get("places", ()))


PAIRS = list(itertools.combinations(RULES, 2))


@pytest.mark.parametrize(("higher", "lower"), PAIRS, ids=[f"{higher[1]}-{lower[1]}" for higher, lower in PAIRS])
def test_the_order_of_the_rules(higher: tuple[dict[str, Any], str, str], lower: tuple[dict[str, Any], str, str]) -> None:
    """Where two facts hold, the verdict is that of the first; of two places, of the first one that yields something."""
    facts = {**lower[0], **higher[0]}
    facts["places"] = higher[0].get("places", ()) + lower[0].get("places", ())
    assert judge(Facts(**facts)).code == higher[1]


def test_no_place_at_all_is_empty() -> None:
    """Nothing that speaks against the fallback is enough."""
    assert judge(Facts()).code == "empty"


def test_a_verdict_shows_itself() -> None:
    """The repr of a verdict says all that is known."""
    verdict = judge(Facts(places=(GONE,)))
    assert repr(verdict) == f"Verdict(code='empty', reason={verdict.reason!r}, places=({GONE!r},))"


@pytest.fixture(autouse=True)
def no_cas(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without CA certificates."""
    for name, value in NO_CAS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> Copy:
    """A copy of ssl."""
    return copied_ssl(monkeypatch)


def client(copied: Copy) -> Any:
    return copied.ssl.SSLContext(copied.ssl.PROTOCOL_TLS_CLIENT)


def test_facts_of_an_ordinary_load(copied: Copy) -> None:
    """A client's context, no purpose, and the places of the environment, directories first."""
    facts = _detect.facts(copied.site, client(copied), 0)
    assert (facts.purpose, facts.server, facts.foreign, facts.preloaded_default) == (True, False, None, 0)
    assert [(place.origin, place.path) for place in facts.places] == [*NO_CAS.items()][::-1]


def test_the_fact_of_variables_that_have_changed(copied: Copy) -> None:
    """They are compared with what they named before; who does not say so has not asked."""
    file, directory = NO_CAS.values()
    cases = ((None, False), ((file, directory), False), ((file, None), True), ((directory, file), True))
    for named, changed in cases:
        unsure = _detect.facts(copied.site, client(copied), 0, named=named).unsure
        expected = "the variables that name certificates have changed while the default load ran"
        assert unsure == (expected if changed else None)


def test_the_fact_of_a_variable_that_changes_last(
    copied: Copy, hashed_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are compared when the places have been looked at: OpenSSL may have read what one named until then."""
    monkeypatch.setenv("SSL_CERT_DIR", str(hashed_directory))
    real = _places.places

    def places(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setenv("SSL_CERT_DIR", NO_CAS["SSL_CERT_DIR"])
        return real(*args, **kwargs)

    named = _watch.variables()
    monkeypatch.setattr(_detect, "places", places)
    verdict = _detect.judge(_detect.facts(copied.site, client(copied), 0, named=named))
    assert verdict.code == "environment"


@pytest.mark.parametrize("name", ["stat", "scandir"])
def test_the_fact_of_a_file_system_that_was_replaced(name: str, copied: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test puts in the place of these may say anything of the disk, and OpenSSL asks none of it."""
    real = getattr(os, name)
    monkeypatch.setattr(os, name, lambda *args, **kwargs: real(*args, **kwargs))
    verdict = _detect.judge(_detect.facts(copied.site, client(copied), 0))
    expected = "os.stat or os.scandir has been replaced, and OpenSSL looks at the disk by neither"
    assert (verdict.code, verdict.reason) == ("environment", expected)


@pytest.mark.parametrize(("name", "is_it"), [(None, True), ("SERVER_AUTH", True), ("CLIENT_AUTH", False)])
def test_the_fact_of_the_purpose(name: str | None, is_it: bool, copied: Copy) -> None:
    """No purpose is Purpose.SERVER_AUTH, the original's default."""
    purpose = name and getattr(copied.ssl.Purpose, name)
    assert _detect.facts(copied.site, client(copied), 0, purpose).purpose is is_it


@pytest.mark.parametrize(
    ("protocol", "is_one"),
    [("PROTOCOL_TLS_SERVER", True), ("PROTOCOL_TLS_CLIENT", False), ("PROTOCOL_TLS", False)],
)
def test_the_fact_of_a_server(protocol: str, is_one: bool, copied: Copy) -> None:
    """A server's context is known by its protocol; the old PROTOCOL_TLS does not tell."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of PROTOCOL_TLS
        context = copied.ssl.SSLContext(getattr(copied.ssl, protocol))
    assert _detect.facts(copied.site, context, 0).server is is_one


def test_the_fact_of_duplicates(copied: Copy, ca_file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many certificates a default load finds is found out for a context that held some before, and for no other."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    found = [_detect.facts(copied.site, client(copied), before).preloaded_default for before in (0, 1, 7)]
    monkeypatch.setenv("SSL_CERT_FILE", NO_CAS["SSL_CERT_FILE"])
    found.append(_detect.facts(copied.site, client(copied), 7).preloaded_default)
    assert found == [0, 1, 1, 0]


STRANGERS: dict[str, tuple[Callable[[Copy], Any], str | None]] = {
    "the class itself": (client, None),
    "a subclass": (lambda copied: type("Sub", (copied.ssl.SSLContext,), {})(copied.ssl.PROTOCOL_TLS_CLIENT), None),
    "a subclass with a socket class of its own": (
        lambda copied: type("Sub", (copied.ssl.SSLContext,), {"sslsocket_class": None})(copied.ssl.PROTOCOL_TLS_CLIENT),
        None,
    ),
    "an instance with attributes": (lambda copied: with_attribute(copied, "user_data"), None),
    "an instance with a socket class": (lambda copied: with_attribute(copied, "sslsocket_class"), "socket classes of its own"),
    "an instance with an object class": (lambda copied: with_attribute(copied, "sslobject_class"), "socket classes of its own"),
    "no context of this module's": (lambda _: Stranger(), "not one of the standard library's"),
}


def with_attribute(copied: Copy, name: str) -> Any:
    context = client(copied)
    setattr(context, name, object())
    return context


class Stranger:
    """Not a context of the standard library's."""

    __slots__ = ()
    protocol = None


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize(("make", "reason"), STRANGERS.values(), ids=STRANGERS)
def test_the_fact_of_a_foreign_context(make: Callable[[Copy], Any], reason: str | None, before: int, copied: Copy) -> None:
    """A context that verifies in a way that cannot be seen is foreign, and then no second load is made for it."""
    loads: list[Any] = []
    copied.site.originals["load_default_certs"] = loads.append
    foreign = _detect.facts(copied.site, make(copied), before).foreign
    assert (foreign is None) if reason is None else (foreign is not None and reason in foreign)
    assert len(loads) == (before if reason is None else 0)


def standard(self: Any, purpose: Any = None) -> None:  # noqa: ARG001  # as the original's
    self.set_default_verify_paths()


def test_the_fact_of_a_foreign_load(copied: Copy) -> None:
    """A default load that did not come by the first door is foreign, whatever its code seems to do."""
    context = type("Own", (copied.ssl.SSLContext,), {"load_default_certs": standard})(copied.ssl.PROTOCOL_TLS_CLIENT)
    reason = "Own.load_default_certs is not the standard library's and may name roots of its own"
    assert _detect.facts(copied.site, context, 0, foreign_load=True).foreign == reason
    assert _detect.facts(copied.site, context, 0).foreign is None


def by_the_class(copied: Copy) -> Any:
    copied.ssl.SSLContext.set_default_verify_paths = standard
    return client(copied)


def by_a_subclass(copied: Copy) -> Any:
    return type("Own", (copied.ssl.SSLContext,), {"set_default_verify_paths": standard})(copied.ssl.PROTOCOL_TLS_CLIENT)


@pytest.mark.parametrize("make", [by_the_class, by_a_subclass, lambda c: with_attribute(c, "set_default_verify_paths")])
def test_the_fact_of_paths_of_somebodys_own(make: Callable[[Copy], Any], copied: Copy) -> None:
    """Where set_default_verify_paths is somebody's own, what it names cannot be seen."""
    assert "is not the standard library's" in str(_detect.facts(copied.site, make(copied), 0).foreign)


def test_a_class_that_only_says_it_is_one(copied: Copy) -> None:
    """An object that passes for a context by its __class__ alone is none, and may do anything in a default load."""

    class Proxy:
        @property  # type: ignore[misc]  # as proxies do
        def __class__(self) -> Any:
            return copied.ssl.SSLContext

    assert _detect.facts(copied.site, Proxy(), 0).foreign == "the context is not one of the standard library's"


def test_the_protocol_is_what_openssl_has(copied: Copy) -> None:
    """A server's context is one though its class says otherwise."""
    kind = type("Own", (copied.ssl.SSLContext,), {"protocol": copied.ssl.PROTOCOL_TLS_CLIENT})
    assert _detect.facts(copied.site, kind(copied.ssl.PROTOCOL_TLS_SERVER), 0).server


def test_what_is_asked_changes_nothing(copied: Copy) -> None:
    """Gathering facts and judging leave the context, the environment and the modules as they are."""
    context = client(copied)
    before = dict(os.environ), set(sys.modules), context.cert_store_stats(), dict(vars(context))
    judge(_detect.facts(copied.site, context, 1, foreign_load=True))
    assert (dict(os.environ), set(sys.modules), context.cert_store_stats(), dict(vars(context))) == before


@pytest.mark.parametrize(("code", "lasting"), [("certificates", True), ("environment", True), ("purpose", False)])
def test_what_lasts_without_a_place(code: str, lasting: bool) -> None:
    """Windows' stores are no place that is looked at: what was found to be there already lasts, and no other purpose does."""
    assert _detect.lasts(_detect.Verdict(code, "")) is lasting
