"""Tier 4: how a CA comes to be trusted here; imports nothing but what was found.

What lives here: what a default context trusts and what that comes of, and where a missing root then has to go: that depends on
where the roots are from. What must not: anything that a server has sent.
"""

import shlex
from collections.abc import Iterator
from typing import NamedTuple

from .. import _places, _system
from .._fallback import Outcome, Status
from ._certificates import Certificate
from ._text import Suggestion

# What an operating system writes itself, so that what anybody adds to it is lost.
SYSTEM_DIRECTORIES = frozenset(path for path, _ in _system.DIRECTORIES)
SYSTEM_PLACES = SYSTEM_DIRECTORIES.union(path for path, _ in _system.BUNDLES)
CA = "/path/to/ca.pem"


class Roots(NamedTuple):
    """What a default context of this interpreter trusts, and what that comes of."""

    certificates: int | None  # in the context; None where it does not tell
    shown: tuple[Certificate, ...]  # those of them that it shows
    places: tuple[_places.Place, ...]
    status: Status
    outcome: Outcome | None  # of the fallback, where this context has asked for it
    origins: dict[str, str]  # of the settings, likewise
    disabled: bool = False  # by the variable
    anchors: tuple[tuple[str, str, str], ...] = ()  # those of `ANCHORS` that are here
    may_init: bool = True  # no user's config file is there, and one would be read

    @property
    def directories(self) -> tuple[_places.Place, ...]:
        """Those that OpenSSL reads when it needs them."""
        return tuple(place for place in self.places if place.kind == "directory" and place.state == _places.IN_EFFECT)

    @property
    def is_empty(self) -> bool:
        """Whether the context certainly trusts nobody."""
        lazy = self.outcome is not None and any(source.certificates != 0 for source in self.outcome.sources)
        return self.certificates == 0 and not self.directories and not lazy


def cure(roots: Roots) -> Iterator[Suggestion]:
    """How a CA whose certificate is at `CA` comes to be trusted here: that depends on where the roots are from."""
    outcome = roots.outcome
    if outcome is not None and not has(roots, "system"):
        cafile = next((source.path for source in outcome.sources if source.kind == "cafile" and source.certificates != 0), None)
        if cafile is not None:
            why = f"With the CA's certificate in {CA}; {roots.origins.get('cafile', 'a setting')} names that bundle"
            if _is_regenerated(cafile):
                yield _both(cafile, "FALLBACK_ROOTS_CAFILE", f"{why}, which is not yours to add to:")
            else:
                yield Suggestion(f"(echo; cat {CA}) >> {shlex.quote(cafile)}", f"{why}:")
            return
        also = " --certifi" if has(roots, "certifi") else ""
        keeps = ", and certifi's roots besides" if also else ""
        why = f"Trusts the CA's certificate in {CA}{keeps}"
        if roots.may_init and roots.origins.get("cafile") != "FALLBACK_ROOTS_CAFILE":  # which has precedence
            yield Suggestion(f"fallback-roots config init --cafile {CA}{also}", f"{why}:")
        also = " FALLBACK_ROOTS_CERTIFI=1" if also else ""
        yield Suggestion(f"export FALLBACK_ROOTS_CAFILE={CA}{also}", f"{why}, for what this shell starts:")
        return
    if roots.is_empty:
        yield Suggestion(f"fallback-roots config init --cafile {CA}", f"Trusts the CA's certificate in {CA}, where it is on:")
        return
    yield from _cure_of_default_load(roots)


def _cure_of_default_load(roots: Roots) -> Iterator[Suggestion]:
    finder, in_effect = "Python's own default load", [place for place in roots.places if place.state == _places.IN_EFFECT]
    if roots.outcome is not None:
        finder = "prefer_system"
        path = roots.outcome.sources[0].path or ""
        kind = "directory" if path in SYSTEM_DIRECTORIES else "file"
        in_effect = [_places.Place(kind, "compiled-in", path, _places.IN_EFFECT, "is the system's")]
    no_effect = f"(a cafile in the settings would have no effect: {finder} finds roots)"
    place, what = next((place for place in in_effect if place.why != _places.A_URI), None), f"the CA's certificate in {CA}"
    is_file = place is not None and (place.kind == "file" or place.why == _places.A_FILE)
    is_systems = place is None or place.origin == "compiled-in" or place.path in SYSTEM_PLACES
    is_regenerated = place is not None and (is_systems or _is_regenerated(place.path))
    for anchors, name, command in roots.anchors[:1] if is_systems else ():
        why = f"Adds {what} to the system's {no_effect}:"
        yield Suggestion(f"sudo cp {CA} {anchors}/{name} && sudo {command}", why)
    if place is None:
        yield Suggestion(f"export SSL_CERT_FILE={CA}", f"Names {what} to OpenSSL, for what this shell starts {no_effect}:")
    elif is_file and is_regenerated:
        yield _both(place.path, "SSL_CERT_FILE", f"A bundle with both, for what this shell starts {no_effect}:")
    elif is_file:
        why = f"Adds {what} to the bundle of {place.origin} {no_effect}:"
        yield Suggestion(f"(echo; cat {CA}) >> {shlex.quote(place.path)}", why)
    else:
        path, sudo = shlex.quote(place.path), "sudo " if is_systems else ""
        whose = "OpenSSL's own directory" if place.origin == "compiled-in" else f"the directory of {place.origin}"
        yield Suggestion(f"{sudo}cp {CA} {path} && {sudo}openssl rehash {path}", f"Adds {what} to {whose} {no_effect}:")


def _both(path: str, variable: str, why: str) -> Suggestion:
    """A bundle of one's own, with what is at `path` and the CA."""
    return Suggestion(f'(cat {shlex.quote(path)}; echo; cat {CA}) > both.pem && export {variable}="$PWD/both.pem"', why)


def _is_regenerated(path: str) -> bool:
    """Whether somebody else writes the bundle, so that what anybody adds to it is lost."""
    return path in SYSTEM_PLACES or path.replace("\\", "/").endswith("/certifi/cacert.pem")


def has(roots: Roots, kind: str) -> bool:
    """Whether the fallback that the context has got has roots of a source of this `kind`."""
    sources = roots.outcome.sources if roots.outcome is not None else ()
    return any(source.kind == kind and source.certificates != 0 for source in sources)
