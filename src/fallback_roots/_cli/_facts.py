"""Tier 4: the facts that a doctor judges; imports ssl, what the hook would import, and each dependency to see if it is sound.

What lives here: one table of facts and what gathers it. What must not: judgements, and anything that changes what it looks at.

The facts come of the functions by which the hook works, called on contexts of the doctor's own, and not of a call of
``ssl.create_default_context``: that would leave a record, a verdict and an outcome behind, and a WARNING amid the report. A
subprocess would leave none, but it need not be like this interpreter (its options, what was imported before), and where
``sys.executable`` is a frozen application it would be that application. The tests hold the report against real contexts.
"""

import _ssl
import datetime
import importlib
import os
import ssl
import sys
import time
from typing import NamedTuple

from .. import __version__, _armed, _detect, _fallback, _places, _settings, _watch, status
from .._detect import Verdict
from .._fallback import Outcome, Status
from .._settings import Settings
from . import _others, _surroundings
from ._others import Other
from ._start_up import Absence, armed_by, why_absent
from ._surroundings import Bundle, Roots, Seen
from ._text import count

# What cannot be done without each of them.
DEPENDENCIES = {
    "certifi": "its roots cannot be loaded",
    "platformdirs": "where config files are cannot be known",
    "wrapt": "the light stand-ins stay in ssl, and do the same work",
    **({"tomli": "no config file can be read"} if sys.version_info < (3, 11) else {}),
}


class Facts(NamedTuple):
    """What the doctor has found: see `gather`."""

    interpreter: tuple[str, ...]  # versions
    findings: tuple[str, ...]  # what is wrong with the interpreter's packages
    status: Status
    armed_by: str  # the start-up file, or another reason
    absence: Absence | None  # why not, where the hook is absent
    disabled_by: str  # FALLBACK_ROOTS_DISABLE=…
    replaced: tuple[str, ...]  # functions of ssl in whose place somebody has put another one after us
    found: int  # certificates, by a default load without us
    seconds: float  # that it took
    verdict: Verdict
    places: tuple[Seen, ...]
    settings: Settings | None
    outcome: Outcome
    roots: int  # certificates that the fallback gives, those in hashed directories not counted
    wrong: tuple[Roots, ...] = ()  # with the roots of each of the outcome's sources
    certifi_date: datetime.date | None = None
    bundles: tuple[Bundle, ...] = ()  # where the operating system keeps roots
    others: tuple[Other, ...] = ()
    libraries: tuple[str, ...] = ()  # installed, and with roots of their own
    lazily: _surroundings.Lazily | None = None  # where lazy is set


def gather() -> Facts:
    """Look at the interpreter, its default load, the settings and the sources."""
    now = status()
    finder = _armed()
    hook = finder.hook if finder is not None else None
    site = _watched(hook)
    replaced = tuple(name for name in _watch.DOORS if site is not None and not _stands(site, name))
    if site is None:
        if finder is not None:
            now = now._replace(state="armed")  # if it watches an ssl at all, it is another one
        site = _unwatched()
    start = time.perf_counter()
    found, verdict = _default_load(site)
    seconds = time.perf_counter() - start
    settings, outcome, roots = _would_load(hook.settings if hook is not None else None)
    interpreter, findings = _packages()
    return Facts(
        interpreter,
        findings,
        now,
        armed_by() or "an import of fallback_roots.auto",
        why_absent() if finder is None else None,
        f"FALLBACK_ROOTS_DISABLE={os.environ.get('FALLBACK_ROOTS_DISABLE')}",
        replaced,
        found,
        seconds,
        verdict,
        (*_surroundings.stores(), *(_surroundings.seen(place, found) for place in _places.places(os.environ))),
        settings,
        outcome,
        roots,
        tuple(_surroundings.roots_of(source) for source in outcome.sources),
        _surroundings.certifi_date(),
        tuple(_surroundings.system_bundles()),
        tuple(_others.others(site)),
        tuple(_others.libraries()),
        _surroundings.lazily(outcome.sources, settings.values["cache"]) if settings and settings.values["lazy"] else None,
    )


def default_load() -> tuple[int, Verdict]:
    """How many certificates a default load of this interpreter finds by itself, and what the hook would make of it."""
    finder = _armed()
    return _default_load(_watched(finder.hook if finder is not None else None) or _unwatched())


def _watched(hook: _watch.Hook | None) -> _watch.Site | None:
    return next((site for site in hook.sites if site.module is ssl), None) if hook is not None else None


def _unwatched() -> _watch.Site:
    """What holds the originals, and is put in no place."""
    return _watch.Site(_watch.Hook(), ssl, _watch.owner_of_the_load(ssl.SSLContext) or ssl.SSLContext)


def _stands(site: _watch.Site, name: str) -> bool:
    """Whether our stand-in or wrapper is where function `name` is looked up, or inside of what somebody wrapped around it."""
    thing = vars(site.holder(name)).get(name)
    for _ in range(_others.LONGEST_CHAIN):
        if thing is site.placed[name]:
            return True
        thing = getattr(thing, "__wrapped__", None)
    return False


def _default_load(site: _watch.Site) -> tuple[int, Verdict]:
    """How many certificates a default load finds by itself, and what the hook would make of it."""
    kind = site.module.SSLContext
    definer = next(ancestor for ancestor in kind.__mro__ if "load_default_certs" in vars(ancestor))
    if definer is not site.owner:  # to call it would be to call the hook, too
        return 0, Verdict("foreign", f"ssl.SSLContext is {kind!r}, whose default load cannot be seen from here")
    try:
        context = kind(ssl.PROTOCOL_TLS_CLIENT)
        if any(place.state == _places.DEVICE and place.kind == "file" for place in _places.places(os.environ)):
            return 0, _detect.judge(_detect.facts(site, context, 0))  # OpenSSL would wait for a FIFO's other end
        site.originals["load_default_certs"](context)
    except Exception as error:  # Windows, with a broken certificate in its store
        return 0, Verdict("error", f"the default load fails ({_named(error)})")
    found = _watch.certificates(context)
    if found is None:
        return 0, Verdict("foreign", f"ssl.SSLContext is {kind!r}, which does not tell what it trusts")
    if found:
        return found, Verdict("certificates", f"the default load found {count(found, 'certificate')}")
    return 0, _detect.judge(_detect.facts(site, context, 0))


def _would_load(settings: Settings | None) -> tuple[Settings | None, Outcome, int]:
    """The settings (those that the hook has read, or else now), and what comes of them in a context of our own."""
    context = _ssl._SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        settings = settings or _settings.read()
        outcome = _fallback.choose(context, settings._replace(values={**settings.values, "lazy": False}))  # makes nothing
    except Exception as error:  # what the hook would say in a WARNING
        outcome = Outcome("fault", problems=(_named(error),))
    return settings, outcome, context.cert_store_stats()["x509"]


def _packages() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Versions, by attributes: frozen applications have no metadata; and what is wrong with the packages that we need."""
    versions = [f"Python {sys.version.split()[0]}, {sys.executable}", ssl.OPENSSL_VERSION, f"fallback-roots {__version__}"]
    findings = []
    for name, without in DEPENDENCIES.items():
        try:
            package = importlib.import_module(name)
            if name == "wrapt":
                importlib.import_module("fallback_roots._patch")  # finds out whether it has what we use
            versions.append(f"{name} {getattr(package, '__version__', '(version unknown)')}")
        except Exception as error:
            findings.append(f"{name} cannot be used ({_named(error)}): {without}")
    return tuple(versions), tuple(findings)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
