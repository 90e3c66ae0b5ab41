"""Tier 4: whether default contexts have roots, by what was found; imports nothing but that.

What lives here: the verdict of ``fallback-roots doctor``, and what somebody should look after. What must not: what may mend it,
which `_suggestions` knows.
"""

import datetime
from collections.abc import Iterator

from ._facts import Facts
from ._report import NOTHING, Finding, is_used, where
from ._surroundings import Seen
from ._text import count

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def judge(facts: Facts) -> Finding:
    """Whether default contexts have roots, by what was found."""
    outcome, code = facts.outcome, facts.verdict.code
    if facts.found:
        return _with_roots(facts, "healthy", f"{count(facts.found, 'root')}, from Python's own default load.")
    if code == "directory":
        return _with_roots(facts, "healthy", f"roots, from a hashed directory: {facts.verdict.reason}.")
    if code == "foreign":
        sentence = f"Whether a default context has roots cannot be told: {facts.verdict.reason}."
        return Finding(False, sentence, code="unknown")
    if is_used(facts) and outcome.code == "loaded":
        number = count(facts.roots, "root") if facts.roots else "roots"
        sources = " and ".join(where(source.kind, source.path) for source in outcome.sources if source.certificates != 0)
        said = f"{number}, from {sources}, because Python's own default load finds none."
        return _with_roots(facts, "fallback", said)
    off = code == "empty" and "disabled" in (facts.status.state, outcome.code)
    sentence = f"A default context has no roots because {_why_none(facts)}."
    return Finding(False, sentence, code="disabled" if off else "empty")


def _with_roots(facts: Facts, code: str, said: str) -> Finding:
    attention = tuple(_attention(facts, code == "fallback"))
    return Finding(True, f"A default context has {said}", attention, "attention" if attention else code)


def _attention(facts: Facts, fallback: bool) -> Iterator[str]:
    """What somebody should look after though default contexts have roots."""
    yield from facts.findings
    for name in facts.replaced:
        yield f"somebody has put a function of their own in the place of ssl's {name}, after fallback-roots"
    yield from facts.settings.problems if facts.settings is not None else ()
    if not fallback:
        return
    for place in meant(facts):
        yield f"{place.origin}={place.path} {place.problem}"
    for source, wrong in zip(facts.outcome.sources, facts.wrong, strict=False):
        if source.problem:
            yield source.problem
        if source.kind == "system":  # the operating system's to look after, as where the default load finds it
            continue
        for number, what in zip(wrong, ("expired", "not yet valid", "not a CA's", "that cannot be decoded"), strict=True):
            if number:
                yield f"{where(source.kind, source.path)}: {count(number, 'certificate')} {what}"
    if facts.lazily is not None and facts.lazily.doubt:
        yield f"the roots are not given lazily: {facts.lazily.why}"
    if is_old(facts):
        yield f"certifi's roots are of {facts.certifi_date}, more than twelve months ago"


def meant(facts: Facts) -> list[Seen]:
    """The places that somebody has named by a variable, and that yield nothing."""
    return [place for place in facts.places if place.problem and place.origin in VARIABLES]


def is_old(facts: Facts) -> bool:
    """Whether certifi's roots are in use, and older than twelve months."""
    used = any(source.kind == "certifi" for source in facts.outcome.sources)
    return used and facts.certifi_date is not None and datetime.date.today() - facts.certifi_date > datetime.timedelta(366)


def _why_none(facts: Facts) -> str:
    state, outcome = facts.status.state, facts.outcome
    origin = disabled_by(facts)
    if facts.verdict.code != "empty":
        return facts.verdict.reason
    if state == "disabled" or (outcome.code == "disabled" and origin == "FALLBACK_ROOTS_DISABLE"):
        return f"{facts.disabled_by} switches fallback-roots off; to switch it on, unset that variable"
    if outcome.code == "disabled":
        return f"{origin} says disable = true; to switch fallback-roots on, take that line out"
    if state == "absent":
        reason = f"{facts.absence.reason}; " if facts.absence is not None else ""
        fails = facts.absence is not None and facts.absence.kind == "unrun" and facts.absence.obstacle is None
        return f"fallback-roots is not armed here: {reason if not fails else reason.removesuffix('; ')}" + (
            "" if fails else "import fallback_roots.auto arms it"
        )
    if state == "armed":
        return "fallback-roots waits for ssl, and something else has imported the ssl that is used here"
    return "; ".join([NOTHING[outcome.code], *outcome.problems])


def disabled_by(facts: Facts) -> str:
    """Who has said `disable`: a variable, a path, or ``default``; nothing where the settings are not known."""
    return facts.settings.origins["disable"] if facts.settings is not None else ""
