"""Tier 3: the first empty load; imports settings and sources, with all that these import, inside the lock.

What lives here: the policy, top to bottom, and the one place that swallows our own faults: whatever happens, the program's
default load has found what it would have found without us, or the chosen fallback, and nothing between.
"""

import _frozen_importlib
import _ssl
import _thread
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _armed, _detect, _is_off, _is_the_programs, _say, _watch, errors

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ssl import SSLContext

    from ._settings import Settings
    from ._sources import Source
    from ._watch import Site


PATIENCE = 10.0  # seconds, for a thread inside an import, which others may be waiting for
LONG_PATIENCE = 30.0  # for any other: the one that loads may be in a signal's handler that waits for this one


class Outcome(NamedTuple):
    """What came of the fallback.

    `code`: ``loaded``, ``disabled``, ``honored`` (``honor_ssl_env``), ``none`` (``certifi = false``, and no other source is
    set), ``fault`` (the settings cannot be known, or a fault of the moment), ``broken`` (no chosen source gave a
    certificate). `sources`: a tuple of `Source`. `problems`: a tuple of sentences.
    """

    code: str
    sources: "tuple[Source, ...]" = ()
    problems: tuple[str, ...] = ()


class Status(NamedTuple):
    """What the hook of this interpreter has come to.

    `state`: ``absent``, ``disabled``, ``armed`` (waits for ssl), ``watching`` (stand-ins are in ssl), ``patched`` (wrapt
    wrappers are). `verdict`: on the last default load that added no certificate, or None. `found`: how many certificates
    the store held after the last default load that added some, or None. `outcome`: of the last fallback, or None.
    """

    state: str
    verdict: "_detect.Verdict | None"
    found: int | None
    outcome: Outcome | None


def provide(site: "Site", context: Any, verdict: "_detect.Verdict") -> None:
    """Load the chosen fallback into `context`, whose default load came back empty, and say so.

    An Exception of ours ends here, in a WARNING; one of the user's (KeyboardInterrupt) passes, and the next load tries again.
    """
    lock = site.hook.lock
    if site.hook.proven:
        outcome = site.hook.outcome = _provided(site, context)
    # Both, since an interrupt may have left either as it was: the flag set, or the lock with this thread.
    elif lock._is_owned() and site.hook.loading:
        # A signal's handler, or something that our own imports run, makes a context of its own.
        outcome = Outcome("fault", problems=("this thread is in the middle of loading the fallback for another context",))
    elif not _is_free_soon(lock, PATIENCE if _is_importing() else LONG_PATIENCE):
        outcome = Outcome("fault", problems=("another thread is loading the fallback, and may be waiting for this one",))
    else:
        with lock:
            outcome = site.hook.outcome = _provide_once(site, context)
    _say.tell(site, outcome, verdict)  # without the lock: a handler may wait for a thread that needs it


def _is_importing() -> bool:
    """Whether this thread is inside an import, of which the thread that loads the fallback may need the result."""
    me = _thread.get_ident()
    locks = getattr(_frozen_importlib, "_module_locks", {})
    return any(getattr(lock(), "owner", None) == me for lock in list(locks.values()))


def _is_free_soon(lock: Any, patience: float) -> bool:
    free = lock.acquire(timeout=patience)
    if free:
        lock.release()
    return bool(free)


def _provide_once(site: "Site", context: Any) -> Outcome:
    known = set(sys.modules)
    try:
        site.hook.loading = True
        return _provided(site, context)
    finally:
        site.hook.loading = False
        _forget_orphans(known)


def _provided(site: "Site", context: Any) -> Outcome:
    try:
        return _provide(site, context)
    except Exception as fault:
        if _is_the_programs(fault):
            raise
        return Outcome("fault", problems=(f"{type(fault).__name__}: {fault}",))


def _provide(site: "Site", context: Any) -> Outcome:
    hook = site.hook
    missing = () if hook.proven else _needed(hook.half_imported)
    if missing:
        return Outcome("fault", problems=(f"another thread was importing {', '.join(missing)} when this process was forked",))
    settings = _known_settings(hook)
    if settings is None:
        from . import _settings

        reader = _ids()
        settings = _settings.read()
        # Else somebody may mend them, what was of the moment passes, or a thread has changed who has read them.
        if not settings.problems and reader == _ids():
            hook.settings, hook.reader = settings, reader
    outcome = choose(context, settings)
    if outcome.code == "loaded":
        _patch_once(site)
        hook.proven = True
    return outcome


def _known_settings(hook: "_watch.Hook") -> "Settings | None":
    """The settings that have been read by root, or by this very user: a daemon may work for one user after the other."""
    return hook.settings if hook.reader in ((0, 0), _ids()) else None


def _ids() -> "tuple[int, int]":
    """The real and the effective user id."""
    return (os.getuid(), os.geteuid()) if hasattr(os, "getuid") else (0, 0)


def choose(context: Any, settings: "Settings") -> Outcome:
    """Load into `context` what `settings` choose; no fault of theirs is raised."""
    if settings.values["disable"]:
        return Outcome("disabled")
    if settings.problems:
        return Outcome("fault", problems=settings.problems)
    if settings.values["honor_ssl_env"] and any(variable in _watch.ENVIRON for variable in _detect.VARIABLES):
        return Outcome("honored")
    from . import _sources

    sources = _sources.load(context, settings)
    problems = tuple(source.problem for source in sources if source.problem)
    problems += tuple(dict.fromkeys(source.doubt for source in sources if source.doubt))
    if not sources:
        return Outcome("none")
    return Outcome("broken" if all(source.certificates == 0 for source in sources) else "loaded", sources, problems)


def _patch_once(site: "Site") -> None:
    """The wrapt layer; that wrapt fails or is missing costs nobody the fallback, for the stand-ins do the same work."""
    hook = site.hook
    if _watch.is_stand_in(site.placed["load_default_certs"]):
        try:
            from . import _patch

            _patch.wrap(site)
        except Exception as fault:
            if _is_the_programs(fault):
                raise
            if getattr(sys, "frozen", False) and getattr(fault, "name", None) == "wrapt":
                return  # our hook for PyInstaller leaves it out
            problem = f"wrapt failed, and is done without ({type(fault).__name__}: {fault})"
            _say.warning(hook.said, f"fallback-roots: {problem}", may_import=False)


def _needed(names: "Iterable[str]") -> list[str]:
    """Those that a fallback may import: the standard library and what we depend on."""
    ours = {"fallback_roots", "certifi", "wrapt", "platformdirs", "tomli"} | sys.stdlib_module_names
    return [name for name in names if name.partition(".")[0] in ours]


def _forget_orphans(known: set[str]) -> None:
    """Drop the submodules that an interrupted import of ours has left without their package: a second import would fail."""
    for name in sorted(_needed(set(sys.modules) - known)):  # a package before its submodules; nobody else's
        parent = name.rpartition(".")[0]
        if parent and parent not in sys.modules:
            sys.modules.pop(name, None)


def load(context: "SSLContext") -> Outcome:
    """Load the chosen fallback into `context`, whatever it holds.

    `context`: a client's ``ssl.SSLContext``. Returns the `Outcome`; its code is ``loaded``, or ``disabled``, ``honored`` or
    ``none`` where the settings say so. Settings are those that this process's hook has read, or else are read now.

    Raises TypeError for what is not a context, ValueError for a server's (web roots must not vouch for its clients),
    `SettingsError` where the settings cannot be known, `SourceError` where no chosen source gave a certificate; OSError and
    MemoryError of the moment pass.
    """
    if _watch.certificates(context) is None:
        raise TypeError(f"{context!r} is not a context of the standard library's ssl")
    if vars(_ssl._SSLContext)["protocol"].__get__(context) == _ssl.PROTOCOL_TLS_SERVER:  # whatever a subclass says
        raise ValueError("the context is a server's (expected PROTOCOL_TLS_CLIENT)")
    finder = _armed()
    settings = _known_settings(finder.hook) if finder is not None and finder.hook is not None else None
    if settings is None:
        from . import _settings

        settings = _settings.read()
    outcome = choose(context, settings)
    if outcome.code == "fault":
        raise errors.SettingsError(outcome.problems)
    if outcome.code == "broken":
        raise errors.SourceError(outcome.problems)
    return outcome


def status() -> Status:
    """The state of this interpreter's hook as data; looks at nothing else, changes nothing."""
    finder = _armed()
    if finder is None:
        return Status("disabled" if _is_off(os.environ) else "absent", None, None, None)
    hook = finder.hook
    if hook is None or not hook.sites:
        return Status("armed", None, None, None)
    found, verdict = (hook.verdict, None) if isinstance(hook.verdict, int) else (None, hook.verdict)
    watching = all(map(_watch.is_stand_in, hook.sites[-1].placed.values()))
    return Status("watching" if watching else "patched", verdict, found, hook.outcome)
