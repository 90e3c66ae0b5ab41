"""Tier 4: ``fallback-roots doctor``; imports ssl, what the hook would import, and each dependency to see if it is sound.

What lives here: gather the facts, judge them, render them. What must not: anything that changes what it looks at.

The facts come of the functions by which the hook works, called on contexts of the doctor's own, and not of a call of
``ssl.create_default_context``: that would leave a record, a verdict and an outcome behind, and a WARNING amid the report. A
subprocess would leave none, but it need not be like this interpreter (its options, what was imported before), and where
``sys.executable`` is a frozen application it would be that application. The tests hold the report against real contexts.
"""

import _ssl
import importlib
import os
import ssl
import sys
import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from .. import __version__, _armed, _detect, _fallback, _places, _settings, _watch, status
from .._detect import Verdict
from .._fallback import Outcome, Status
from .._say import plain
from .._settings import Settings
from . import say

WIDTH = 80

# What cannot be done without each of them.
DEPENDENCIES = {
    "certifi": "its roots cannot be loaded",
    "platformdirs": "where config files are cannot be known",
    "wrapt": "the light stand-ins stay in ssl, and do the same work",
    **({"tomli": "no config file can be read"} if sys.version_info < (3, 11) else {}),
}
STATES = {
    "absent": "nothing is armed in this interpreter",
    "disabled": "by FALLBACK_ROOTS_DISABLE",
    "armed": "waits for ssl, and has not seen the one that is imported here",
    "watching": "waits in ssl for a default load that finds nothing",
    "patched": "wrapt wrappers wait in ssl for a default load that finds nothing",
}
# Why an outcome of the fallback is no roots.
NOTHING = {
    "disabled": "it is switched off",
    "honored": "honor_ssl_env is set, and so is SSL_CERT_FILE or SSL_CERT_DIR",
    "none": "certifi is false, and no other source is set",
    "broken": "no chosen source gives a certificate",
    "fault": "what was chosen cannot be known, or the loading fails",
}


class Facts(NamedTuple):
    """What the doctor has found: see `gather`."""

    interpreter: tuple[str, ...]  # versions
    findings: tuple[str, ...]  # what is wrong with the interpreter's packages
    status: Status
    disabled_by: str  # FALLBACK_ROOTS_DISABLE=…
    no_site: bool  # python -S
    replaced: tuple[str, ...]  # functions of ssl in whose place somebody has put another one after us
    found: int  # certificates, by a default load without us
    verdict: Verdict
    places: tuple[_places.Place, ...]
    settings: Settings | None
    outcome: Outcome
    roots: int  # certificates that the fallback gives, those in hashed directories not counted


class Finding(NamedTuple):
    """Whether a default context of this interpreter has roots, and a sentence that says why."""

    has_roots: bool
    sentence: str


def run() -> int:
    """Print the report; 0 when a default context ends up with roots, else 1."""
    facts = gather()
    finding = judge(facts)
    say("\n".join([*render(facts), "", *_item(finding.sentence)]))
    return 0 if finding.has_roots else 1


# ---------------------------------------------------------------- gather


def gather() -> Facts:
    """Look at the interpreter, its default load, the settings and the sources."""
    now = status()
    finder = _armed()
    hook = finder.hook if finder is not None else None
    site = next((site for site in hook.sites if site.module is ssl), None) if hook is not None else None
    replaced = tuple(name for name in _watch.DOORS if site is not None and not _stands(site, name))
    if site is None:
        if finder is not None:
            now = now._replace(state="armed")  # if it watches an ssl at all, it is another one
        owner = _watch.owner_of_the_load(ssl.SSLContext) or ssl.SSLContext
        site = _watch.Site(_watch.Hook(), ssl, owner)  # holds the originals, and is put in no place
    found, verdict = _default_load(site)
    settings, outcome, roots = _would_load(hook.settings if hook is not None else None)
    interpreter, findings = _packages()
    return Facts(
        interpreter,
        findings,
        now,
        f"FALLBACK_ROOTS_DISABLE={os.environ.get('FALLBACK_ROOTS_DISABLE')}",
        bool(sys.flags.no_site),
        replaced,
        found,
        verdict,
        _places.places(os.environ),
        settings,
        outcome,
        roots,
    )


def _stands(site: _watch.Site, name: str) -> bool:
    """Whether our stand-in or wrapper is where function `name` is looked up, or inside of what somebody wrapped around it."""
    thing = vars(site.holder(name)).get(name)
    while thing is not None and thing is not site.placed[name]:
        thing = getattr(thing, "__wrapped__", None)
    return thing is not None


def _default_load(site: _watch.Site) -> tuple[int, Verdict]:
    """How many certificates a default load finds by itself, and what the hook would make of it."""
    kind = site.module.SSLContext
    definer = next(ancestor for ancestor in kind.__mro__ if "load_default_certs" in vars(ancestor))
    if definer is not site.owner:  # to call it would be to call the hook, too
        return 0, Verdict("foreign", f"ssl.SSLContext is {kind!r}, whose default load cannot be seen from here")
    try:
        context = kind(ssl.PROTOCOL_TLS_CLIENT)
        site.originals["load_default_certs"](context)
    except Exception as error:  # Windows, with a broken certificate in its store
        return 0, Verdict("error", f"the default load fails ({_named(error)})")
    found = _watch.certificates(context)
    if found is None:
        return 0, Verdict("foreign", f"ssl.SSLContext is {kind!r}, which does not tell what it trusts")
    if found:
        return found, Verdict("certificates", f"the default load found {_count(found, 'certificate')}")
    return 0, _detect.judge(_detect.facts(site, context, 0))


def _would_load(settings: Settings | None) -> tuple[Settings | None, Outcome, int]:
    """The settings (those that the hook has read, or else now), and what comes of them in a context of our own."""
    context = _ssl._SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        settings = settings or _settings.read()
        outcome = _fallback.choose(context, settings)
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


# ---------------------------------------------------------------- judge


def judge(facts: Facts) -> Finding:
    """Whether default contexts have roots, by what was found."""
    outcome, code = facts.outcome, facts.verdict.code
    if facts.found:
        return Finding(True, f"A default context has {_count(facts.found, 'root')}, from Python's own default load.")
    if code == "directory":
        return Finding(True, f"A default context has roots, from a hashed directory: {facts.verdict.reason}.")
    if code == "foreign":
        return Finding(False, f"Whether a default context has roots cannot be told: {facts.verdict.reason}.")
    if _is_used(facts) and outcome.code == "loaded":
        number = _count(facts.roots, "root") if facts.roots else "roots"
        sources = " and ".join(_where(source.kind, source.path) for source in outcome.sources if source.certificates != 0)
        return Finding(True, f"A default context has {number}, from {sources}, because Python's own default load finds none.")
    return Finding(False, f"A default context has no roots because {_why_none(facts)}.")


def _is_used(facts: Facts) -> bool:
    return facts.verdict.code == "empty" and facts.status.state in ("watching", "patched")


def _why_none(facts: Facts) -> str:
    state, outcome = facts.status.state, facts.outcome
    origin = facts.settings.origins["disable"] if facts.settings is not None else ""
    if facts.verdict.code != "empty":
        return facts.verdict.reason
    if state == "disabled" or (outcome.code == "disabled" and origin == "FALLBACK_ROOTS_DISABLE"):
        return f"{facts.disabled_by} switches fallback-roots off; to switch it on, unset that variable"
    if outcome.code == "disabled":
        return f"{origin} says disable = true; to switch fallback-roots on, take that line out"
    if state == "absent":
        reason = "python -S reads no .pth file" if facts.no_site else "no .pth file of fallback-roots was read"
        return f"fallback-roots is not armed here: {reason}; import fallback_roots.auto arms it"
    if state == "armed":
        return "fallback-roots waits for ssl, and something else has imported the ssl that is used here"
    return "; ".join([NOTHING[outcome.code], *outcome.problems])


# ---------------------------------------------------------------- render


def render(facts: Facts) -> list[str]:
    """The report, line by line."""
    lines = ["Interpreter", *(line for text in facts.interpreter for line in _item(text, 2))]
    lines += [line for text in facts.findings for line in _item(f"! {text}", 2)]
    lines += ["", "Hook", *_item(f"{facts.status.state}: {STATES[facts.status.state]}", 2)]
    for name in facts.replaced:
        lines += _item(f"! somebody has put a function of their own in the place of ssl's {name}, after fallback-roots", 2)
    lines += ["", "Default load", f"  finds {_count(facts.found, 'certificate')}; it looks at"]
    for place in facts.places:
        lines += [f"  - {place.kind}, {place.origin}: {plain(place.path) or '(empty)'}", *_item(_state(place, facts.found), 6)]
    lines += _item(f"{facts.verdict.code}: {facts.verdict.reason}", 2)
    lines += _settings_lines(facts.settings) if facts.settings is not None else []
    lines += ["", "Fallback" if _is_used(facts) else "Fallback (not used here)"]
    return [*lines, *_fallback_lines(facts)]


def _settings_lines(settings: Settings) -> Iterator[str]:
    yield from ("", "Settings")
    for name, value in settings.values.items():
        shown = str(value).lower() if isinstance(value, bool) else plain(value or "none")
        yield f"  {name:<14} = {shown:<6} ({plain(settings.origins[name])})"
    yield from ("", "Config files, lowest precedence first" if settings.files else "Config files: none is looked for")
    for file in settings.files:
        yield f"  - {file.origin}, {'there' if file.exists else 'not there'}: {plain(file.path)}"
        for problem in file.problems:
            yield from _item(f"! {problem}", 6)
    of_files = {problem for file in settings.files for problem in file.problems}
    for problem in settings.problems:
        if problem not in of_files:
            yield from _item(f"! {problem}", 2)


def _fallback_lines(facts: Facts) -> Iterator[str]:
    outcome = facts.outcome
    yield from _item("would load" if outcome.code == "loaded" else f"would load nothing: {NOTHING[outcome.code]}", 2)
    for source in outcome.sources:
        number = "an unknown number of roots" if source.certificates is None else _count(source.certificates, "root")
        yield f"  - {_where(source.kind + ', ' + number, source.path, ': ')}"
        yield from _item(f"! {source.problem}", 6) if source.problem else []
    said = {source.problem for source in outcome.sources} | set(facts.settings.problems if facts.settings else ())
    for problem in outcome.problems:
        if problem not in said:
            yield from _item(f"! {problem}", 2)
    if facts.status.outcome is not None:
        yield f"  in this process it has come to: {facts.status.outcome.code}"


def _state(place: _places.Place, found: int) -> str:
    # `_places` describes what is left to say after a load that found nothing.
    if found and place.kind == "file" and place.state == _places.IN_EFFECT:
        return "in effect: holds certificates"
    return f"{place.state}: {place.why}"


def _where(what: str, path: str | None, before: str = " ") -> str:
    return f"{what}{before}{plain(path)}" if path else what


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _item(text: str, indent: int = 0) -> list[str]:
    """`text` on lines as wide as its words allow, those after the first a bit further in."""
    first, others = " " * indent, " " * (indent + 2 if indent else 0)
    wrapper = textwrap.TextWrapper(
        WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
    return wrapper.wrap(plain(text))
