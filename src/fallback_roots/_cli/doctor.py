"""Tier 4: ``fallback-roots doctor``; imports what gathers the facts and what renders them.

What lives here: the judgement of the facts, what may mend it, and the exit code.
"""

import argparse
import datetime
import re
import shlex
import sys
from collections.abc import Iterator

from .._settings import File
from . import _report, _surroundings
from ._called import as_called, command
from ._facts import DEPENDENCIES, Facts, gather
from ._report import NOTHING, Finding, is_used, where
from ._start_up import Absence, target
from ._surroundings import Seen
from ._text import Suggestion, coloured, count, item, marked, say, say_json, suggested

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def run(options: argparse.Namespace) -> int:
    """Print the report; 0 when a default context ends up with roots, else 1; 3 where they do and --strict wants more."""
    facts = gather()
    finding = judge(facts)
    suggestions = as_called(suggest(facts, finding))
    code = finding.exit_code(options.strict)
    if options.json:
        say_json(_report.as_json(facts, finding, suggestions, code))
        return code
    kind = "bad" if not finding.has_roots else "warning" if finding.attention else "good"
    verdict = [coloured(line, kind) for line in item(finding.sentence)]
    attention = [line for sentence in finding.attention for line in marked("!", f"{sentence}", 2)]
    say("\n".join([*_report.render(facts), "", *verdict, *attention, *suggested(suggestions)]))
    return code


# ---------------------------------------------------------------- judge


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
    for place in _meant(facts):
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
    if _is_old(facts):
        yield f"certifi's roots are of {facts.certifi_date}, more than twelve months ago"


def _meant(facts: Facts) -> list[Seen]:
    """The places that somebody has named by a variable, and that yield nothing."""
    return [place for place in facts.places if place.problem and place.origin in VARIABLES]


def _is_old(facts: Facts) -> bool:
    used = any(source.kind == "certifi" for source in facts.outcome.sources)
    return used and facts.certifi_date is not None and datetime.date.today() - facts.certifi_date > datetime.timedelta(366)


def _why_none(facts: Facts) -> str:
    state, outcome = facts.status.state, facts.outcome
    origin = _disabled_by(facts)
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


def _disabled_by(facts: Facts) -> str:
    return facts.settings.origins["disable"] if facts.settings is not None else ""


def suggest(facts: Facts, finding: Finding) -> tuple[Suggestion, ...]:
    """At most three commands that may mend it, the most likely first."""
    found = dict.fromkeys(_suggestions(facts, finding))  # each once
    return tuple(found)[:3]


def _suggestions(facts: Facts, finding: Finding) -> Iterator[Suggestion]:
    pip = f"{shlex.quote(sys.executable)} -m pip install"
    if not finding.has_roots:
        yield from _towards_roots(facts, pip)
    unhashed = [place for place in facts.places if place.what == "directory" and place.problem and "rehash" in place.problem]
    if not facts.found and facts.verdict.code != "directory":
        for place in unhashed:
            yield Suggestion(
                f"openssl rehash {shlex.quote(place.path)}", f"{place.path} holds certificates without hashed names."
            )
    for name in DEPENDENCIES:
        if any(finding.startswith(f"{name} cannot be used") for finding in facts.findings):
            yield _reinstall(name, pip)
    if finding.has_roots and finding.attention:
        yield from _towards_rest(facts, pip)
    if facts.bundles and is_used(facts) and any(source.kind == "certifi" for source in facts.outcome.sources):
        bundle = facts.bundles[0]
        why = f"The operating system keeps roots in {bundle.path}, which the default load does not get to."
        # init writes over no file.
        files = facts.settings.files if facts.settings is not None else ()
        is_free = any(file.origin == "user" and not file.exists for file in files)
        command = "fallback-roots config init --prefer-system" if is_free else "export FALLBACK_ROOTS_PREFER_SYSTEM=1"
        yield Suggestion(command, why)


def _towards_roots(facts: Facts, pip: str) -> Iterator[Suggestion]:
    """What may give default contexts roots, where they have none."""
    state, outcome, verdict = facts.status.state, facts.outcome, facts.verdict.code
    if verdict == "device" or (verdict == "empty" and outcome.code == "honored"):
        names = dict.fromkeys(place.origin for place in facts.places if place.origin in VARIABLES)
        end = "say that nothing is to be trusted" if verdict == "device" else "have the last word, and lead to no certificate"
        yield Suggestion(f"unset {' '.join(names)}", f"{' and '.join(names)} {end}.")
    elif verdict != "empty":
        return
    elif state == "disabled" or (outcome.code == "disabled" and _disabled_by(facts) == "FALLBACK_ROOTS_DISABLE"):
        yield Suggestion("unset FALLBACK_ROOTS_DISABLE", "FALLBACK_ROOTS_DISABLE switches fallback-roots off.")
        yield from _away_with_faults(facts)
    elif outcome.code == "disabled":
        yield Suggestion("export FALLBACK_ROOTS_DISABLE=0", f"{_disabled_by(facts)} switches fallback-roots off.")
    elif facts.absence is not None:
        yield from _towards_a_hook(facts.absence, pip)
    elif outcome.code == "none":
        yield _without("certifi", facts, "certifi = false chooses no roots at all.")
    elif outcome.code == "broken":
        for source in outcome.sources:
            if source.kind == "capath" and source.path and _surroundings.unhashed_files(source.path):
                yield _rehash(source.path)
            if source.kind in ("cafile", "capath"):
                yield _without(source.kind, facts, f"{source.problem}.")
        if any(source.kind == "certifi" for source in outcome.sources):
            yield _reinstall("certifi", pip)
    elif outcome.code == "fault":
        yield from _away_with_faults(facts)


def _reinstall(name: str, pip: str) -> Suggestion:
    tree = target()
    how = f"--target {shlex.quote(tree)} --upgrade" if tree is not None else "--force-reinstall"
    return Suggestion(f"{pip} {how} {name}", f"{name} is missing or damaged.")


def _towards_a_hook(absence: Absence, pip: str) -> Iterator[Suggestion]:
    kind, home = absence.kind, absence.home
    if kind == "lost":
        yield Suggestion(f"{pip} --force-reinstall --no-deps fallback-roots", "Its start-up file is not where site reads it.")
    elif kind == "base":
        yield Suggestion(f"{pip} fallback-roots", "It has to be in this environment, too.")
    elif kind in ("pythonpath", "line") and absence.obstacle is None:
        why = f"site reads no .pth file in {home}, but Python imports a sitecustomize.py there."
        yield Suggestion(f"fallback-roots sitecustomize {shlex.quote(home)}", why)
    elif absence.obstacle is not None and not sys.flags.ignore_environment:
        why = f"Python imports the first sitecustomize.py on its path, and {home} cannot have it: {absence.obstacle}."
        export = 'export PYTHONPATH="$PWD/hook${PYTHONPATH:+:$PYTHONPATH}"'
        yield Suggestion(f"mkdir -p hook && {command()} sitecustomize hook && {export}", why)


def _rehash(path: str) -> Suggestion:
    return Suggestion(f"openssl rehash {shlex.quote(path)}", f"{path} holds certificates without hashed names.")


REST = "other settings take its place, or else certifi's roots."


def _without(key: str, facts: Facts, why: str) -> Suggestion:
    """What takes setting `key` back, or puts certifi beside it where a file says it."""
    origin = facts.settings.origins[key] if facts.settings is not None else ""
    if origin.startswith("FALLBACK_ROOTS_"):
        return Suggestion(f"unset {origin}", f"{why} Until that is mended, this takes it back: {REST}")
    return Suggestion("export FALLBACK_ROOTS_CERTIFI=1", f"{why} This loads certifi's roots until {origin} is mended.")


def _away_with_faults(facts: Facts) -> Iterator[Suggestion]:
    settings = facts.settings
    for file in settings.files if settings is not None else ():
        if file.problems and file.origin.startswith("FALLBACK_ROOTS_"):
            yield Suggestion(f"unset {file.origin}", f"{file.problems[0]}. Without it, {REST}")
        elif file.problems:
            yield _of_file(file)
    for problem in settings.problems if settings is not None else ():
        variable = problem.partition("=")[0].partition(":")[0]
        if variable.startswith("FALLBACK_ROOTS_"):
            yield Suggestion(f"unset {shlex.quote(variable)}", f"{problem}. Without it, {REST}")


def _of_file(file: File) -> Suggestion:
    """What mends a config file that was found: its mode, or else that it is not there."""
    problem, path = file.problems[0], shlex.quote(file.path)
    behind = re.search(r": is in (.*), which is writable by everybody", problem)
    if behind:  # sticky, as /tmp is: others may need to write there
        return Suggestion(f"chmod +t {shlex.quote(behind[1])}", f"{problem}.")
    if f"{file.path}: is writable by everybody" in problem:
        return Suggestion(f"chmod o-w {path}", f"{problem}.")
    why = f"{problem}. Until that is mended, this takes the file away: {REST}"
    return Suggestion(f"mv -n {path} {path}.off", why)


def _towards_rest(facts: Facts, pip: str) -> Iterator[Suggestion]:
    """What may mend what needs attention beside the roots that there are."""
    yield from _away_with_faults(facts)
    origins = facts.settings.origins if facts.settings is not None else {}
    for source in facts.outcome.sources if facts.outcome.code == "loaded" else ():
        origin = origins.get(source.kind, "")
        if source.problem and source.certificates == 0 and origin.startswith("FALLBACK_ROOTS_"):
            yield Suggestion(f"unset {origin}", f"{source.problem}. Without it, {REST}")
    names = dict.fromkeys(place.origin for place in _meant(facts))
    if names and is_used(facts):
        yield Suggestion(f"unset {' '.join(names)}", f"There are no certificates behind {' and '.join(names)}.")
    if _is_old(facts):
        yield Suggestion(f"{pip} --upgrade certifi", f"certifi's roots are of {facts.certifi_date}.")
