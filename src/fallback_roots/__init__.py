"""Tier 0: roots for Python programs whose default CA load comes back empty; imports nothing, exports lazily.

What lives here: names only. A program needs none of them: installing the package is enough.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._detect import Verdict
    from ._fallback import Outcome, Status, load, status
    from ._patch import install, uninstall
    from ._sources import Source
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


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = globals()[name] = getattr(importlib.import_module(f".{home}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
