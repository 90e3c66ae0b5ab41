"""Tier 0: every interpreter start; imports sys and os only. Importing it arms the hook.

What lives here: the off switch, and a finder that waits on ``sys.meta_path`` for ``ssl`` to be imported. What must not:
anything that costs an import, and anything that can raise. ``fallback_roots.pth`` imports this module at every start,
``fallback_roots.start`` (Python 3.15 and newer) calls `arm`, and ``import fallback_roots.auto`` is the one line to write
where neither file is read.
"""

import os
import sys

from . import _armed, _is_off

# `typing` costs 9 ms, and even `from __future__ import annotations` is an import: type checkers know this name, too.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    from ._watch import Hook

__all__ = ["arm"]


def arm() -> None:
    """Wait for ``ssl``, or take up position in it at once where it is loaded already.

    Arming twice is arming once. Does nothing where ``FALLBACK_ROOTS_DISABLE`` says so. Never raises, never prints:
    whatever goes wrong here, the interpreter starts as if this package were not installed. Raises the audit event
    ``fallback_roots.arm`` (no arguments) when it puts its finder on ``sys.meta_path``.
    """
    try:
        if _is_off(os.environ) or _armed() is not None:
            return
        finder = Finder()
        sys.audit("fallback_roots.arm")
        sys.meta_path.insert(0, finder)
        if "ssl" in sys.modules:
            import ssl  # waits, where another thread is in the middle of this very import

            watch(ssl, finder)
    except Exception:  # promise: an interpreter never starts worse because we are installed
        pass


def watch(module: "ModuleType", finder: "Finder") -> None:
    """Hand a freshly executed `module` to the next tier; whatever goes wrong there, `module` stays as it is."""
    try:
        from . import _watch

        _watch.watch(module, finder)
    except Exception:  # our own files may be gone or half written; the program's `import ssl` must not notice
        pass


class Finder:
    """The finder that waits for ``ssl``. It is also what keeps our state: ``sys.modules`` is not safe from pex.

    It stays after the import, for ``importlib.reload`` and for a second import after ``del sys.modules["ssl"]``.
    """

    __slots__ = ("asking", "hook")

    def __init__(self) -> None:
        self.hook: Hook | None = None
        self.asking: set[int] = set()

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """The spec that the finders behind this one give for ``ssl``, with a loader that tells us when it has run."""
        if name != "ssl":
            return None
        from _thread import get_ident  # built in

        # A finder that asks all of sys.meta_path, ours included, would come back here for ever.
        thread = get_ident()
        if thread in self.asking:
            return None
        self.asking.add(thread)
        try:
            spec = self._ask_the_others(name, path, target)
            if spec is not None and _is_the_standard_one(spec):
                spec.loader = Loader(spec.loader, self)  # type: ignore[assignment]  # importlib.abc costs 43 ms
            return spec
        except Exception:  # the import system asks the same finders next, and what they raise then shows no frame of ours
            return None
        finally:
            self.asking.discard(thread)

    def _ask_the_others(self, name: str, path: "Sequence[str] | None", target: "ModuleType | None") -> "ModuleSpec | None":
        finders = list(sys.meta_path)
        if self in finders:  # not so where somebody keeps it in a list of their own
            del finders[: finders.index(self) + 1]
        for finder in finders:
            if sys.version_info >= (3, 12) and not hasattr(finder, "find_spec"):
                continue
            # Before, one with `find_module` alone raises here, and is left to the import system.
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                return spec
        return None


def _is_the_standard_one(spec: "ModuleSpec") -> bool:
    """Whether `spec` may be the standard library's; a program's own ``ssl.py`` shall not even see our loader.

    Other importers (frozen, in memory, PyInstaller's) get the benefit of the doubt: `_watch` looks at what they made.
    """
    loader = spec.loader
    if not hasattr(loader, "exec_module") or not hasattr(loader, "create_module"):
        return False
    home, origin = getattr(os, "__file__", None), spec.origin
    if type(loader).__name__ not in ("SourceFileLoader", "SourcelessFileLoader", "zipimporter") or not home or not origin:
        return True
    home, there = os.path.dirname(home), os.path.dirname(origin)
    return home == there or (os.path.exists(there) and os.path.samefile(home, there))


class Loader:
    """Stands before the real loader of ``ssl`` for the time of one import and looks like it.

    An object of our own and not a method put on the real loader: that may be a class (frozen, Nuitka), be shared, or
    have ``__slots__``, and the method would show in its ``vars()``.
    """

    __slots__ = ("_finder", "_real")

    def __init__(self, real: "Any", finder: "Finder") -> None:
        object.__setattr__(self, "_real", real)
        object.__setattr__(self, "_finder", finder)

    def create_module(self, spec: "ModuleSpec") -> "ModuleType | None":
        """What the real loader makes; steps aside at once where ``ssl`` is going to fail for want of ``_ssl``."""
        try:
            import _ssl  # noqa: F401  # the first thing that ssl imports, so no import more than without us
        except Exception:
            spec.loader = self._real  # the import system takes the loader from the spec again: no frame of ours shows
        return self._real.create_module(spec)  # type: ignore[no-any-return]  # any loader

    def exec_module(self, module: "ModuleType") -> None:
        """Put the real loader back in its places, let it execute `module`, and watch the result."""
        for holder, name in ((module.__spec__, "loader"), (module, "__loader__")):
            if getattr(holder, name, None) is self:
                setattr(holder, name, self._real)
        self._real.exec_module(module)
        watch(module, self._finder)

    @property  # type: ignore[misc]  # for isinstance; nobody sets it
    def __class__(self) -> "Any":
        return self._real.__class__

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._real, name)

    def __setattr__(self, name: str, value: "Any") -> None:
        setattr(self._real, name, value)

    def __repr__(self) -> str:
        return repr(self._real)

    def __eq__(self, other: object) -> bool:
        return bool(self._real == (other._real if type(other) is Loader else other))

    def __hash__(self) -> int:
        return hash(self._real)

    def __reduce_ex__(self, protocol: "Any") -> "Any":  # a copy, and what comes out of a pickle, is the real one
        return self._real.__reduce_ex__(protocol)


arm()
