"""Tier 2: a default load that added no certificate; imports nothing that ssl has not imported.

What lives here: `judge`, the rules by which a default load "found nothing", and `facts`, which gathers what they need to know
of the context, the environment and the disk. What must not: anything that changes what it looks at.
"""

import _ssl
import os

from . import _is_the_programs, _watch
from ._places import DEVICE, NOTHING, places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._places import Place
    from ._watch import Site


VARIABLES = _ssl.get_default_verify_paths()[::2]


class Verdict:
    """What was found out about one default load: `code`, `reason` (a sentence), `places` (a tuple of `Place`).

    Codes: ``empty`` (the only one that gets the fallback), ``purpose``, ``server``, ``foreign``, ``environment``,
    ``certificates``, ``directory``, ``device``, and ``file`` for a certificate file that a default load did not read but could
    have read.
    """

    __slots__ = ("code", "places", "reason")

    def __init__(self, code: str, reason: str, places: "tuple[Place, ...]" = ()) -> None:
        self.code = code
        self.reason = reason
        self.places = places

    def __repr__(self) -> str:
        return f"Verdict(code={self.code!r}, reason={self.reason!r}, places={self.places!r})"


class Facts:
    """What `judge` needs to know of one default load; see `facts` for where each comes from."""

    __slots__ = ("earlier", "foreign", "places", "preloaded_default", "purpose", "server", "unsure")

    def __init__(
        self,
        *,
        purpose: bool = True,
        server: bool = False,
        foreign: "str | None" = None,
        unsure: "str | None" = None,
        earlier: bool = False,
        preloaded_default: int = 0,
        places: "tuple[Place, ...]" = (),
    ) -> None:
        self.purpose = purpose  # is the purpose SERVER_AUTH?
        self.server = server  # is the protocol PROTOCOL_TLS_SERVER?
        self.foreign = foreign  # why the context is not one of ours to judge
        self.unsure = unsure  # why what was looked at need not be what OpenSSL has looked at
        self.earlier = earlier  # may an earlier default load have given the context something?
        self.preloaded_default = preloaded_default  # certificates that a default load finds, for a context that held some
        self.places = places


def judge(facts: Facts) -> Verdict:
    """The rules, for a default load after which the context held no certificate more than before."""
    places = facts.places
    if not facts.purpose:
        return Verdict("purpose", "the load was not for Purpose.SERVER_AUTH", places)
    if facts.server:
        return Verdict("server", "the context is a server's, and web roots must not vouch for its clients", places)
    if facts.foreign:
        return Verdict("foreign", facts.foreign, places)
    if facts.unsure:
        return Verdict("environment", facts.unsure, places)
    if facts.earlier:
        return Verdict("certificates", "an earlier default load may have given the context what it trusts", places)
    if facts.preloaded_default:
        return Verdict(
            "certificates",
            f"the context held what a default load finds already: {facts.preloaded_default} certificates",
            places,
        )
    for place in places:
        if place.state != NOTHING:
            code = "device" if place.state == DEVICE else place.kind
            return Verdict(code, f"{place.origin}: {place.path!r} {place.why}", places)
    return Verdict("empty", "the default load found no certificate, and no certificate directory is in effect", places)


def _foreign(site: "Site", context: "Any", foreign_load: bool) -> "str | None":
    if not issubclass(type(context), site.owner):  # isinstance believes an object's __class__
        return "the context is not one of the standard library's"
    if foreign_load:  # a directory that it names shows in no count of certificates
        return f"{type(context).__name__}.load_default_certs is not the standard library's and may name roots of its own"
    if not site.sets_standard_paths(context):
        return "the default load, or set_default_verify_paths, is not the standard library's and may name roots of its own"
    if {"sslsocket_class", "sslobject_class"} & vars(context).keys():
        # truststore's context keeps such a one inside, and asks the operating system about trust; what it found in the
        # inner store it would trust *besides* (macOS).
        return "the context has socket classes of its own, which verify in a way that cannot be seen from here"
    return None


def _unsure(named: "tuple[str, str | None] | None") -> "str | None":
    if named is not None and named != _watch.variables():
        return "the variables that name certificates have changed while the default load ran"
    if getattr(os, "environ", None) is not _watch.ENVIRON and _are_others():
        return "os.environ has been replaced, and with it the variables that name certificates"
    if (os.stat, os.scandir) != _watch.LOOKS:
        return "os.stat or os.scandir has been replaced, and OpenSSL looks at the disk by neither"
    return None


def _are_others() -> bool:
    try:
        return any(os.environ.get(name) != _watch.ENVIRON.get(name) for name in VARIABLES)
    except Exception as error:  # what stands there is no mapping
        if _is_the_programs(error):
            raise
        return True


def lasts(verdict: Verdict) -> bool:
    """Whether a load of that `verdict` may have given the context something, which a later load must not take for nothing."""
    return verdict.code in ("certificates", "environment") or any(place.state != NOTHING for place in verdict.places)


# Last, so that a file that was cut short has none of it.
def facts(
    site: "Site",
    context: "Any",
    before: int,
    purpose: "Any" = None,
    foreign_load: bool = False,
    named: "tuple[str, str | None] | None" = None,
) -> Facts:
    """The facts of a default load for `purpose` into `context`, which held `before` certificates before and after it.

    `foreign_load`: the load was not done by the standard library's method, but by one of the context's own class. `named`: what
    the variables named before it (`_watch.variables`): OpenSSL may have read other places than those that are looked at now.
    """
    server_auth = site.module.Purpose.SERVER_AUTH
    foreign = _foreign(site, context, foreign_load)
    found = places(_watch.ENVIRON, everything=False)
    fresh = 0
    if before and foreign is None:
        # OpenSSL drops duplicates, so equal counts prove nothing.
        scratch = site.owner(site.module.PROTOCOL_TLS_CLIENT)
        site.originals["load_default_certs"](scratch)
        fresh = scratch.cert_store_stats()["x509"]
    # By the getter in C: a class may say something else, but not be something else.
    protocol = vars(_ssl._SSLContext)["protocol"].__get__(context) if foreign is None else None
    return Facts(
        purpose=purpose is None or purpose == server_auth,
        server=protocol == _ssl.PROTOCOL_TLS_SERVER,
        foreign=foreign,
        # A share that is not mounted any more, a bundle that is being replaced: it is somebody's choice still.
        earlier=bool(before and site.hook.found) or site.hook.has_left(context),
        unsure=_unsure(named),  # asked last: until now a variable may have changed
        preloaded_default=fresh,
        places=found,
    )
