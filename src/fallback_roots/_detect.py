"""Tier 2: a default load that added no certificate; imports nothing that ssl has not imported.

What lives here: `judge`, the rules by which a default load "found nothing", and `facts`, which gathers what they need to know
of the context, the environment and the disk. What must not: anything that changes what it looks at.
"""

import os

from ._places import DEVICE, NOTHING, places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._places import Place
    from ._watch import Site


class Verdict:
    """What was found out about one default load: `code`, `reason` (a sentence), `places` (a tuple of `Place`).

    Codes: ``empty`` (the only one that gets the fallback), ``purpose``, ``server``, ``foreign``, ``certificates``,
    ``directory``, ``device``, and ``file`` for a certificate file that a default load did not read but could have read.
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

    __slots__ = ("foreign", "places", "preloaded_default", "purpose", "server")

    def __init__(
        self,
        *,
        purpose: bool = True,
        server: bool = False,
        foreign: "str | None" = None,
        preloaded_default: int = 0,
        places: "tuple[Place, ...]" = (),
    ) -> None:
        self.purpose = purpose  # is the purpose SERVER_AUTH?
        self.server = server  # is the protocol PROTOCOL_TLS_SERVER?
        self.foreign = foreign  # why the context is not one of ours to judge
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


def facts(site: "Site", context: "Any", before: int, purpose: "Any" = None, foreign_load: bool = False) -> Facts:
    """The facts of a default load for `purpose` into `context`, which held `before` certificates before and after it.

    `foreign_load`: the load was not done by the standard library's method, but by one of the context's own class.
    """
    server_auth = site.module.Purpose.SERVER_AUTH
    foreign = _foreign(site, context, foreign_load)
    fresh = 0
    if before and foreign is None:
        # OpenSSL drops duplicates, so equal counts prove nothing.
        scratch = site.owner(site.module.PROTOCOL_TLS_CLIENT)
        site.originals["load_default_certs"](scratch)
        fresh = scratch.cert_store_stats()["x509"]
    return Facts(
        purpose=purpose is None or purpose == server_auth,
        server=context.protocol == site.module.PROTOCOL_TLS_SERVER,
        foreign=foreign,
        preloaded_default=fresh,
        places=places(os.environ, everything=False),
    )


def _foreign(site: "Site", context: "Any", foreign_load: bool) -> "str | None":
    if not isinstance(context, site.owner):
        return "the context is not one of the standard library's"
    if {"sslsocket_class", "sslobject_class"} & getattr(context, "__dict__", {}).keys():
        # truststore's context keeps such a one inside, and asks the operating system about trust; what it found in the
        # inner store it would trust *besides* (macOS).
        return "the context has socket classes of its own, which verify in a way that cannot be seen from here"
    if foreign_load and not _surely_names_no_roots(site, type(context)):
        return f"{type(context).__name__}.load_default_certs is not the standard library's and may name roots of its own"
    return None


# What runs besides its load_default_certs when a context of somebody's class is made and loaded.
RUNS_AS_WELL = {
    "__getattr__",
    "__getattribute__",
    "__init__",
    "__new__",
    "_load_windows_store_certs",
    "set_default_verify_paths",
}


def _surely_names_no_roots(site: "Site", kind: "type[Any]") -> bool:
    """Whether a default load by the own method of `kind` surely does no more than the standard library's.

    A directory that it names shows in no count of certificates, so its code may use no name that the standard library's
    method does not use, and nothing that could carry one in.
    """
    code = getattr(site.originals["load_default_certs"], "__code__", None)
    allowed = {"super", *getattr(code, "co_names", ())}
    if site.owner not in kind.__mro__:  # it passes for a context by its __class__
        return False
    below = [vars(ancestor) for ancestor in kind.__mro__[: kind.__mro__.index(site.owner)]]
    for own in (*below, vars(site.owner)):
        load = own.get("load_default_certs", site.placed["load_default_certs"])
        if load is not site.placed["load_default_certs"] and not _uses_only(allowed, load):
            return False
    return not any(RUNS_AS_WELL & own.keys() or any(map(_mentions_roots, own.values())) for own in below)


def _uses_only(allowed: "set[str]", function: "Any") -> bool:
    code: Any = getattr(function, "__code__", None)
    return (
        type(function) is type(_uses_only)
        and allowed.issuperset(code.co_names)
        and code.co_argcount <= 2  # self and purpose: an argument's default may be a function
        and not code.co_kwonlyargcount
        and {"__class__"}.issuperset(code.co_freevars)
        and not any(hasattr(const, "co_names") for const in code.co_consts)
    )


def _mentions_roots(attribute: "Any") -> bool:
    """Whether the code of a function, property, class or static method mentions ``load_verify_locations``."""
    todo = [getattr(attribute, name, None) for name in ("fget", "fset")]
    todo = [getattr(getattr(part, "__func__", part), "__code__", None) for part in (attribute, *todo)]
    while todo:
        code = todo.pop()
        if code is not None and "load_verify_locations" in code.co_names:
            return True
        todo += [const for const in getattr(code, "co_consts", ()) if hasattr(const, "co_names")]
    return False
