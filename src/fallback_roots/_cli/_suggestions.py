"""Tier 4: what may mend what the doctor has found; imports what was found.

What lives here: commands that are suggested, and why. What must not: what is wrong, which `_judge` knows; and nothing here runs
a command.
"""

import re
import shlex
import sys
from collections.abc import Iterator

from .._settings import File
from . import _surroundings
from ._called import command
from ._facts import DEPENDENCIES, Facts
from ._judge import VARIABLES, disabled_by, is_old, meant
from ._report import Finding, is_used
from ._start_up import Absence, target
from ._text import Suggestion


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
            yield _rehash(place.path)
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
    elif state == "disabled" or (outcome.code == "disabled" and disabled_by(facts) == "FALLBACK_ROOTS_DISABLE"):
        yield Suggestion("unset FALLBACK_ROOTS_DISABLE", "FALLBACK_ROOTS_DISABLE switches fallback-roots off.")
        yield from _away_with_faults(facts)
    elif outcome.code == "disabled":
        yield Suggestion("export FALLBACK_ROOTS_DISABLE=0", f"{disabled_by(facts)} switches fallback-roots off.")
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
    names = dict.fromkeys(place.origin for place in meant(facts))
    if names and is_used(facts):
        yield Suggestion(f"unset {' '.join(names)}", f"There are no certificates behind {' and '.join(names)}.")
    if is_old(facts):
        yield Suggestion(f"{pip} --upgrade certifi", f"certifi's roots are of {facts.certifi_date}.")
