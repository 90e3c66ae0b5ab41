"""Tier 4: who else is in `ssl`, and who does not ask it; imports ssl and importlib.util.

What lives here: those who have put something of theirs into ssl or certifi, found by what stands there, and the libraries with
roots of their own. What must not: a list of names of the former.
"""

import importlib.util
import ssl
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from .. import _watch

# Those that do not ask ssl for its defaults, by their own documentation, and what to set for them.
LIBRARIES = {
    "botocore": "AWS_CA_BUNDLE",
    "grpc": "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "httpx": "SSL_CERT_FILE",
    "pip": "PIP_CERT",
    "requests": "REQUESTS_CA_BUNDLE",
}
# Where those who change what Python trusts put themselves, and the modules whose these things are.
ATTRIBUTES = {
    "ssl": (
        "SSLContext",
        "SSLContext.load_default_certs",
        "SSLContext.load_verify_locations",
        "SSLContext.set_default_verify_paths",
        "SSLContext.wrap_socket",
        "SSLContext.wrap_bio",
        "SSLSocket",
        "create_default_context",
        "_create_default_https_context",
        "get_default_verify_paths",
    ),
    "certifi": ("where", "contents"),
}

LONGEST_CHAIN = 20  # of ``__wrapped__``: nobody's is longer, and one that bites its tail ends


class Other(NamedTuple):
    """An attribute that is not what the standard library or certifi put there, and the module whose it is."""

    attribute: str
    owner: str


def others(site_of_ours: _watch.Site) -> Iterator[Other]:
    """Whoever else has put something of theirs into ssl or certifi."""
    ours = {id(thing) for thing in site_of_ours.placed.values()}
    for name, attributes in ATTRIBUTES.items():
        module = sys.modules.get(name)
        for attribute in attributes if module is not None else ():
            thing: Any = module
            for part in attribute.split("."):
                thing = getattr(thing, part, None)
            for owner in _owners(thing, ours):
                if owner.partition(".")[0].lstrip("_") not in (name, "fallback_roots"):
                    yield Other(f"{name}.{attribute}", owner)
    if ssl._create_default_https_context is ssl._create_unverified_context:
        yield Other("ssl._create_default_https_context", "ssl._create_unverified_context, which verifies nothing")


def _owners(thing: Any, ours: set[int]) -> Iterator[str]:
    """The modules of `thing` and of what it is wrapped around."""
    for _ in range(LONGEST_CHAIN):
        if thing is None:
            return
        if id(thing) not in ours:
            wrapper = getattr(thing, "_self_wrapper", None)  # wrapt's wrappers pass for what they wrap
            theirs: Any = wrapper or thing
            owner = getattr(theirs, "__globals__", {}).get("__name__") or getattr(theirs, "__module__", None)
            if owner is None:  # a method in C
                owner = getattr(getattr(thing, "__objclass__", None), "__module__", None)
            if isinstance(owner, str):
                yield owner
        thing = getattr(thing, "__wrapped__", None)


def libraries() -> Iterator[str]:
    """Those of `LIBRARIES` that are installed."""
    for name in LIBRARIES:
        try:
            if name in sys.modules or importlib.util.find_spec(name) is not None:
                yield name
        except (ImportError, ValueError):  # a stub without a spec
            continue
