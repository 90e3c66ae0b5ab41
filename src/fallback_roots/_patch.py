"""Tier 3: the wrapt layer; the only user of wrapt.

What lives here: the wrappers that take the place of the stand-ins at the first empty load or on request, and taking
everything off again.
"""

import os
import sys
from types import MethodType
from typing import Any

import wrapt

from . import _armed, _is_off, _watch, errors


class Wrapper(wrapt.FunctionWrapper):  # type: ignore[type-arg]  # no generic before wrapt 2
    """A wrapper around an original of `site`. A bare FunctionWrapper refuses to be copied and pickled."""

    def __init__(self, site: _watch.Site, name: str) -> None:
        super().__init__(site.originals[name], getattr(site, name))
        self._self_site = site
        self._self_name = name

    # `bound` here, since at the interpreter's exit this module is cleared before ssl is.
    def __get__(self, instance: Any, owner: Any = None, bound: Any = MethodType) -> Any:
        # As a function: on the class itself, and not a new object each time; on an instance a method, which copy, pickle and
        # weakref.WeakMethod know. wrapt's own bound wrapper is none of these.
        return self if instance is None else bound(self, instance)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __copy__(self) -> "Wrapper":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Wrapper":
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _watch.by_name(self, self._self_site, self._self_name)


def wrap(site: _watch.Site) -> None:
    """Put wrapt wrappers in the place of the stand-ins; a stand-in that somebody has wrapped stays, and does the same work.

    Raises the audit event ``fallback_roots.patch`` (no arguments) before.
    """
    with site.hook.lock:
        names = [name for name in _watch.DOORS if _watch.is_stand_in(site.placed[name])]
        names = [name for name in names if vars(site.holder(name)).get(name) is site.placed[name]]
        if names:
            sys.audit("fallback_roots.patch")
        for name in names:
            site.place(name, Wrapper(site, name))


def install() -> None:
    """Arm the hook, import ``ssl`` and put the wrapt wrappers in at once. A second time changes nothing.

    Does nothing where ``FALLBACK_ROOTS_DISABLE`` says so. Raises `FallbackRootsError` where ``ssl`` cannot be watched: it is
    missing, or not the standard library's.
    """
    if _is_off(os.environ):
        return
    from . import auto  # arms by itself where it has not been imported yet

    auto.arm()
    finder = _armed()
    try:
        import ssl
    except ImportError as error:
        raise errors.FallbackRootsError(f"ssl cannot be imported: {error}") from error
    if finder is not None:
        _watch.watch(ssl, finder)  # where somebody's finder, before ours, gave ssl
    if finder is None or finder.hook is None:
        raise errors.FallbackRootsError(f"{ssl!r} is not the standard library's module made of _ssl")
    for site in finder.hook.sites:
        wrap(site)


def uninstall() -> None:
    """Take everything off: the finder, the stand-ins and the wrappers, also from under somebody's wrapt wrapper.

    What is held by somebody who wrapped it otherwise, or who keeps a reference, stays there and is the original in effect.
    Roots that contexts have been given stay in them. Does nothing where nothing is armed.
    """
    while (finder := _armed()) is not None:
        sys.meta_path.remove(finder)
        hook = finder.hook
        if hook is None:
            continue
        with hook.lock:
            hook.off = True
            for site in hook.sites:
                for name in _watch.DOORS:
                    _take_off(site, name)


def _take_off(site: _watch.Site, name: str) -> None:
    holder, placed = site.holder(name), site.placed[name]
    if vars(holder).get(_watch.ALIAS) is placed:
        setattr(holder, _watch.ALIAS, site.originals[name])
    if vars(holder).get(name) is placed:
        setattr(holder, name, site.originals[name])
    else:
        try:
            wrapt.unwrap_object(holder, name, placed)
        except Exception:  # not wrapt's, too deep, or a wrapt before 2, which has none: it stays, and is off
            pass
