"""Tier 0: roots for Python programs whose default CA load comes back empty; imports sys only, exports lazily.

What lives here: names, and the two questions that may be asked without arming anything. A program needs none of them:
installing the package is enough.
"""

import sys

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from ._detect import Verdict
    from ._fallback import Outcome, Status, load, status
    from ._patch import install, uninstall
    from ._sources import Source
    from .auto import Finder
    from .errors import FallbackRootsError, SettingsError, SourceError

__all__ = [
    "FallbackRootsError",
    "Outcome",
    "SettingsError",
    "Source",
    "SourceError",
    "Status",
    "Verdict",
    "install",
    "load",
    "status",
    "uninstall",
]

_HOMES = {
    "FallbackRootsError": "errors",
    "Outcome": "_fallback",
    "SettingsError": "errors",
    "Source": "_sources",
    "SourceError": "errors",
    "Status": "_fallback",
    "Verdict": "_detect",
    "install": "_patch",
    "load": "_fallback",
    "status": "_fallback",
    "uninstall": "_patch",
}


def _is_off(environ: "Mapping[str, str]") -> bool:
    """Whether ``FALLBACK_ROOTS_DISABLE`` in `environ` says off; an off switch errs towards off."""
    said = environ.get("FALLBACK_ROOTS_DISABLE", "").strip().lower()
    return said not in ("", "0", "false", "no", "off")


def _armed() -> "Finder | None":
    """The finder that `auto.arm` has left in this interpreter, by its module's name and not by its class.

    pex drops our modules from ``sys.modules`` after start-up; a second import then makes a second class `Finder`.
    """
    for finder in sys.meta_path:
        if type(finder).__module__ == "fallback_roots.auto":
            return finder  # type: ignore[return-value]  # it has another class `Finder` where pex was at work
    return None


def _is_the_programs(error: BaseException) -> bool:
    """Whether a signal's handler has raised `error` in the middle of our work: a time limit of the program's own (RQ, Celery).

    Where a handler is among the frames of the traceback; there is no other trace of it. Or what was one when it was called, for
    which a number and the frame that it interrupted are arguments: some put the old handler back before they raise.
    """
    frames = error.__traceback__
    if frames is None or frames.tb_next is None:
        return False  # raised by a call that has no frame, so by no handler: asked in each healthy load without a file
    try:
        import _signal  # type: ignore[import-not-found]  # built in
    except ImportError:  # the interpreter is shutting down
        return False
    try:
        codes = set()
        for number in _signal.valid_signals():
            handler = _signal.getsignal(number)
            handler = getattr(handler, "func", handler)  # functools.partial
            handler = getattr(handler, "__func__", handler if hasattr(handler, "__code__") else type(handler).__call__)
            codes.add(getattr(handler, "__code__", None))
        interrupted: object = codes  # no argument of the first one, which is ours
        following: TracebackType | None = frames
        while following is not None:
            frame, following = following.tb_frame, following.tb_next
            code, found = frame.f_code, frame.f_locals
            names = code.co_varnames
            given = [found.get(name) for name in names[: code.co_argcount]]
            if code.co_flags & 4:  # CO_VARARGS
                given += found.get(names[code.co_argcount + code.co_kwonlyargcount], ())
            places = (place for place in range(1, len(given)) if given[place] is interrupted)
            if code in codes or any(isinstance(given[place - 1], int) for place in places):
                return True
            interrupted = frame
        return False
    except (MemoryError, RecursionError):  # all that can happen here, but for a signal
        return False


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = globals()[name] = getattr(importlib.import_module(f".{home}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
