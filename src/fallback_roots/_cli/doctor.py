"""Tier 4: ``fallback-roots doctor``; imports ssl and what the hook would import.

What lives here: gather the facts, judge them, render them. What must not: anything that changes what it looks at; every load
goes into contexts of the doctor's own, by the original function and not by the hooked one, which would make records.
"""

import _ssl
import os
import ssl
import sys
from importlib import metadata
from typing import Any, NamedTuple

from .. import __version__, _armed, _detect, _fallback, _places, _settings, _watch, status
from .._fallback import Outcome, Status
from .._settings import Settings

DEPENDENCIES = ("certifi", "platformdirs", "wrapt")


class Facts(NamedTuple):
    """What the doctor has found: see `gather`."""

    versions: dict[str, str]
    status: Status
    found: int
    places: tuple[_places.Place, ...]
    verdict: _detect.Verdict
    settings: Settings | None
    outcome: Outcome


class Finding(NamedTuple):
    """Whether a default context of this interpreter has roots, and a sentence that says why."""

    has_roots: bool
    sentence: str


def run() -> int:
    """Print the report; 0 when a default context ends up with roots, else 1."""
    facts = gather()
    finding = judge(facts)
    print("\n".join([*render(facts), "", finding.sentence]))
    return 0 if finding.has_roots else 1


def gather() -> Facts:
    """Look at the interpreter, its default load, the settings and the sources."""
    hook_status = status()
    finder = _armed()
    if finder is not None and finder.hook is not None and finder.hook.sites:
        site = finder.hook.sites[-1]
    else:
        owner = _watch.owner_of_the_load(ssl.SSLContext) or ssl.SSLContext
        site = _watch.Site(_watch.Hook(), ssl, owner)  # holds the originals, and is put in no place
    context = site.owner(ssl.PROTOCOL_TLS_CLIENT)
    site.originals["load_default_certs"](context)
    found = context.cert_store_stats()["x509"]
    if found:
        verdict = _detect.Verdict("certificates", f"the default load found {found} certificates")
    else:
        verdict = _detect.judge(_detect.facts(site, context, 0))
    settings, outcome = _would_load()
    return Facts(_versions(), hook_status, found, _places.places(os.environ), verdict, settings, outcome)


def _would_load() -> tuple[Settings | None, Outcome]:
    """The settings, and what comes of loading what they choose into a context of our own; any failure is a finding."""
    settings = None
    try:
        settings = _settings.read()
        return settings, _fallback.choose(_ssl._SSLContext(ssl.PROTOCOL_TLS_CLIENT), settings)
    except Exception as error:
        return settings, Outcome("fault", problems=(f"{type(error).__name__}: {error}",))


def _versions() -> dict[str, str]:
    versions = {
        "fallback-roots": __version__,
        "Python": f"{sys.version.split()[0]} ({sys.executable})",
        "OpenSSL": ssl.OPENSSL_VERSION,
    }
    for name in DEPENDENCIES:
        try:
            versions[name] = metadata.version(name)
        except Exception as error:  # not installed, or its metadata is damaged, which is not what this is about
            versions[name] = f"unknown ({type(error).__name__})"
    return versions


def judge(facts: Facts) -> Finding:
    """Whether default contexts have roots, by what was found."""
    state = facts.status.state
    if facts.found:
        return Finding(True, f"Default contexts have roots: the default load finds {facts.found} certificates.")
    if facts.verdict.code == "directory":
        return Finding(True, f"Default contexts have roots: {facts.verdict.reason}.")
    if facts.verdict.code != "empty":
        return Finding(False, f"Default contexts have NO roots: {facts.verdict.reason}.")
    if state == "disabled":
        return Finding(False, "Default contexts have NO roots: FALLBACK_ROOTS_DISABLE is set. To switch on, unset it.")
    if state == "absent":
        return Finding(
            False,
            "Default contexts have NO roots: the hook is not armed, because no .pth file was read in this interpreter\n"
            "(python -S, or the package is in a directory that site does not process). import fallback_roots.auto arms it.",
        )
    outcome = facts.outcome
    if outcome.code == "loaded":
        return Finding(True, f"Default contexts have roots: {_sources(outcome)} in place of a default load that finds none.")
    if outcome.code == "disabled" and facts.settings is not None:
        where = facts.settings.origins["disable"]
        return Finding(False, f"Default contexts have NO roots: {where} says disable. To switch on, take that away.")
    if outcome.code == "honored":
        return Finding(False, "Default contexts have NO roots: honor_ssl_env is set, and so is SSL_CERT_FILE or SSL_CERT_DIR.")
    if outcome.code == "none":
        return Finding(False, "Default contexts have NO roots: certifi = false, and no other source is set.")
    return Finding(False, "Default contexts have NO roots: " + "; ".join(outcome.problems) + ".")


def _sources(outcome: Outcome) -> str:
    loaded = [source for source in outcome.sources if source.certificates != 0]
    return " and ".join(f"{source.kind}, {source.certificates} roots" for source in loaded)


def render(facts: Facts) -> list[str]:
    """The report, line by line, in plain ASCII as far as paths are."""
    lines = [f"{name:<16}{version}" for name, version in facts.versions.items()]
    lines += ["", "Hook", f"  {facts.status.state}"]
    lines += ["", "Default load", f"  finds {facts.found} certificates; it looks at"]
    for place in facts.places:
        lines += [f"  - {place.kind}, {place.origin}: {place.path or '(empty)'}", f"      {_state(place, facts.found)}"]
    lines += [f"  verdict: {facts.verdict.code}: {facts.verdict.reason}"]
    lines += ["", "Settings"]
    settings = facts.settings
    if settings is not None:
        lines += [f"  {name:<14} = {_value(value):<6} from {settings.origins[name]}" for name, value in settings.values.items()]
        lines += ["", "Config files, lowest precedence first"]
        lines += [f"  - {file.path} ({file.origin}): {'there' if file.exists else 'not there'}" for file in settings.files]
        lines += [f"  ! {problem}" for problem in settings.problems]
    lines += ["", "The fallback would be" if facts.verdict.code == "empty" else "The fallback, if it were needed, would be"]
    for source in facts.outcome.sources:
        lines.append(f"  - {source.kind}, {source.certificates} roots: {source.path}")
    lines += [f"  {facts.outcome.code}"] if not facts.outcome.sources else []
    lines += [f"  ! {problem}" for problem in facts.outcome.problems if settings is None or problem not in settings.problems]
    return lines


def _state(place: _places.Place, found: int) -> str:
    if found and place.kind == "file" and place.state == _places.IN_EFFECT:
        return "in effect: holds certificates"
    return f"{place.state}: {place.why}"


def _value(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
