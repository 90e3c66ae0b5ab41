"""Tier 4: how a doctor's facts are shown; imports no more than what holds them.

What lives here: the report for people, and the same facts as JSON. What must not: judgements.
"""

import ssl
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from .._say import plain
from .._sources import Source
from ._facts import Facts
from ._others import LIBRARIES
from ._shown import settings_lines
from ._surroundings import Roots
from ._text import Suggestion, count, item, marked

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


class Finding(NamedTuple):
    """Whether a default context of this interpreter has roots, a sentence that says why, what else needs attention, a code:
    healthy, fallback, empty, disabled, unknown, or attention for roots with something that needs it."""

    has_roots: bool
    sentence: str
    attention: tuple[str, ...] = ()
    code: str = ""

    def exit_code(self, strict: bool) -> int:
        """What the command exits with."""
        if not self.has_roots:
            return 1
        return 3 if strict and self.attention else 0


def is_used(facts: Facts) -> bool:
    """Whether the fallback is what a default context of this interpreter gets."""
    return facts.verdict.code == "empty" and facts.status.state in ("watching", "patched")


def where(what: str, path: str | None, before: str = " ") -> str:
    """`what` with the place that it is in, if it is in one."""
    return f"{what}{before}{plain(path)}" if path else what


def render(facts: Facts) -> list[str]:
    """The report, line by line."""
    state, places = facts.status.state, facts.places
    lines = ["Interpreter", *(line for text in facts.interpreter for line in item(text, 2))]
    lines += [line for text in facts.findings for line in marked("!", f"{text}", 2)]
    lines += ["", "Hook", *item(f"{state}: {STATES[state]}", 2)]
    lines += [] if state in ("absent", "disabled") else item(f"armed by {facts.armed_by}", 2)
    for name in facts.replaced:
        lines += marked("!", f"somebody has put a function of their own in the place of ssl's {name}, after fallback-roots", 2)
    lines += ["", "Default load"]
    lines += item(f"finds {count(facts.found, 'certificate')} in {1000 * facts.seconds:.1f} ms; it looks at", 2)
    for place in places:
        lines += [f"  - {place.kind}, {place.origin}: {plain(place.path) or '(empty)'}"]
        lines += item(f"{place.state}: {place.why}", 6)
    lines += item(f"{facts.verdict.code}: {facts.verdict.reason}", 2)
    lines += ["", *settings_lines(facts.settings)] if facts.settings is not None else []
    lines += ["", "Fallback" if is_used(facts) else "Fallback (not used here)", *_fallback_lines(facts)]
    return [*lines, *_surroundings(facts)]


def _surroundings(facts: Facts) -> Iterator[str]:
    if facts.bundles:
        yield from ("", "Where the operating system keeps roots")
        for bundle in facts.bundles:
            number = "an unknown number" if bundle.certificates is None else str(bundle.certificates)
            yield from marked("-", f"{bundle.path}: {number} ({bundle.system})", 2)
    if facts.others:
        yield from ("", "Others in ssl and certifi")
        for other in facts.others:
            yield from marked("-", f"{other.attribute}: {other.owner}", 2)
    if facts.libraries:
        yield from ("", "Installed, with roots of their own; to name others, set")
        for name in facts.libraries:
            yield from marked("-", f"{name}: {LIBRARIES[name]}", 2)


def _fallback_lines(facts: Facts) -> Iterator[str]:
    outcome = facts.outcome
    yield from item("would load" if outcome.code == "loaded" else f"would load nothing: {NOTHING[outcome.code]}", 2)
    for source in outcome.sources:
        number = "an unknown number of roots" if source.certificates is None else count(source.certificates, "root")
        yield f"  - {where(source.kind + ', ' + number, source.path, ': ')}"
        yield from marked("!", f"{source.problem}", 6) if source.problem else []
    if facts.lazily is not None:
        directory, why, doubt = facts.lazily
        yield from marked("!" if doubt else "-", f"lazily, by {directory}" if directory else f"not lazily: {why}", 2)
    said = {source.problem for source in outcome.sources} | set(facts.settings.problems if facts.settings else ())
    for problem in outcome.problems:
        if problem not in said:
            yield from marked("!", f"{problem}", 2)
    if facts.status.outcome is not None:
        yield f"  in this process it has come to: {facts.status.outcome.code}"


def as_json(facts: Facts, finding: Finding, suggestions: tuple[Suggestion, ...], code: int) -> dict[str, Any]:
    """The same facts for machines: see ``docs/doctor-schema.json``."""
    settings, outcome = facts.settings, facts.outcome
    values = settings.values if settings is not None else {}
    wrong = (*facts.wrong, *[Roots()] * len(outcome.sources))
    return {
        "schema_version": 1,
        "verdict": {
            "code": finding.code,
            "text": finding.sentence,
            "has_roots": finding.has_roots,
            "attention": list(finding.attention),
        },
        "interpreter": {
            "python": sys.version.split()[0],
            "executable": sys.executable,
            "openssl": ssl.OPENSSL_VERSION,
            "packages": list(facts.interpreter[2:]),
            "problems": list(facts.findings),
        },
        "hook": {
            "state": facts.status.state,
            "armed_by": _armed_by(facts),
            "absence": facts.absence.kind if facts.absence is not None else None,
            "replaced": list(facts.replaced),
        },
        "default_load": {
            "found_any": facts.found > 0 or facts.verdict.code == "directory",
            "certificates": facts.found,
            "milliseconds": round(1000 * facts.seconds, 3),
            "reason": {"code": facts.verdict.code, "text": facts.verdict.reason},
            "places": [{**place._asdict(), "problem": place.problem} for place in facts.places],
        },
        "fallback": {
            "used": is_used(facts) and outcome.code == "loaded",
            "outcome": outcome.code,
            "certifi_date": facts.certifi_date.isoformat() if facts.certifi_date else None,
            "sources": [_source(source) | roots._asdict() for source, roots in zip(outcome.sources, wrong, strict=False)],
            "lazy": facts.lazily._asdict() if facts.lazily is not None else None,
            "problems": list(outcome.problems),
        },
        "settings": {
            name: {"value": value, "origin": settings.origins[name]} for name, value in values.items() if settings is not None
        },
        "config_files": [
            {"path": file.path, "origin": file.origin, "exists": file.exists, "problems": list(file.problems)}
            for file in (settings.files if settings is not None else ())
        ],
        "system_bundles": [bundle._asdict() for bundle in facts.bundles],
        "others": [other._asdict() for other in facts.others],
        "libraries": [{"name": name, "variable": LIBRARIES[name]} for name in facts.libraries],
        "suggestions": [suggestion._asdict() for suggestion in suggestions],
        "exit_code": code,
    }


def _source(source: Source) -> dict[str, Any]:
    return {name: getattr(source, name) for name in ("kind", "path", "certificates", "problem")}


def _armed_by(facts: Facts) -> str | None:
    return None if facts.status.state in ("absent", "disabled") else facts.armed_by
