"""Tier 0: every interpreter start; imports sys and os only. Importing it arms the hook.

What lives here: the off switch, and a finder that waits on ``sys.meta_path`` for ``ssl`` to be imported. What must not:
anything that costs an import, anything that can raise, and anything that only an import of ``ssl`` needs.
``fallback_roots.pth`` imports this module at every start, ``fallback_roots.start`` (Python 3.15 and newer) calls `arm`, and
``import fallback_roots.auto`` is the one line to write where neither file is read.
"""

import os
import sys

from . import _armed, _is_off, _is_the_programs

# `typing` costs 9 ms, and even `from __future__ import annotations` is an import: type checkers know this name, too.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

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

            from . import _watch

            _watch.watch(ssl, finder)
    except Exception:  # promise: an interpreter never starts worse because we are installed
        pass


class Finder:
    """The finder that waits for ``ssl``. It is also what keeps our state: ``sys.modules`` is not safe from pex.

    It stays after the import, for ``importlib.reload`` and for a second import after ``del sys.modules["ssl"]``.
    """

    __slots__ = ("asking", "environ", "hook", "looks")

    def __init__(self) -> None:
        # What somebody may replace for a while (a test), and ssl be imported then.
        self.environ = os.environ
        self.looks = os.stat, os.scandir
        self.hook: Hook | None = None
        self.asking: set[int] = set()  # the threads that are inside `_watch.find_spec`

    def __deepcopy__(self, memo: object) -> "Finder":  # of sys.meta_path
        return self

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """The spec that the finders behind this one give for ``ssl``, with a loader that tells us when it has run."""
        if name != "ssl":
            return None
        try:
            from . import _watch

            return _watch.find_spec(self, name, path, target)
        except Exception as error:  # the import system asks the same finders next, and what they raise shows no frame of ours
            if _is_the_programs(error):
                raise
            return None


arm()
