"""Tier 1: from `import ssl` on; imports what is built in, and nothing that ssl does not import.

What lives here: the finder's answer for ``ssl`` with a loader that tells when it has run, then the light stand-ins for
``SSLContext.load_default_certs`` and ``ssl.create_default_context``, and the one question they ask: did this default load
find nothing? On a healthy machine nothing else of this package ever runs, so what must not live here is anything that
such a machine does not need. All of it in one file, since each file more costs every ``import ssl`` half a per cent.
"""

import _frozen_importlib
import _thread
import os
import sys
from _weakref import ref
from types import MethodType

from . import _is_the_programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    from ._detect import Verdict
    from ._fallback import Outcome
    from ._settings import Settings
    from .auto import Finder

DOORS = ("load_default_certs", "create_default_context")
ALIAS = "_create_default_https_context"  # urllib's; programs ask whether it is ssl.create_default_context (PEP 476)
LOADS = ("function", "compiled_function", "StandIn", "Wrapper")  # in Python, compiled by Nuitka, ours
BUILT_IN: "Any" = type(str.join)  # a method written in C
LOCKS: "list[dict[str, Any]]" = []  # of the hooks, where eventlet.monkey_patch() looks for those that it must replace
# What OpenSSL's environment follows, whatever somebody puts in its place; `watch` makes it the one that was there at the start.
ENVIRON = os.environ
LOOKS: "tuple[Any, ...]" = (os.stat, os.scandir)  # likewise; in a tuple, since pyfakefs replaces what modules have by name


def _ask_the_others(
    finder: "Finder", name: str, path: "Sequence[str] | None", target: "ModuleType | None"
) -> "ModuleSpec | None":
    finders = list(sys.meta_path)
    if finder in finders:  # not so where somebody keeps it in a list of their own
        del finders[: finders.index(finder) + 1]
    for other in finders:
        if sys.version_info >= (3, 12) and not hasattr(other, "find_spec"):
            continue
        # Before, one with `find_module` alone raises here, and is left to the import system.
        spec = other.find_spec(name, path, target)
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
    if getattr(sys, "frozen", False):  # PyInstaller may put ssl and os in two places
        return True
    file, origin = getattr(os, "__file__", None), spec.origin
    if type(loader).__name__ not in ("SourceFileLoader", "SourcelessFileLoader", "zipimporter") or not file or not origin:
        return True
    home, there = os.path.dirname(file), os.path.dirname(origin)
    # A frozen os only says where it would be, and is not there if the library is in a zip (Windows' embeddable Python).
    return home == there or not os.path.exists(file) or (os.path.exists(there) and os.path.samefile(home, there))


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
        except Exception as error:
            if _is_the_programs(error):
                raise
            spec.loader = self._real  # the import system takes the loader from the spec again: no frame of ours shows
        return self._real.create_module(spec)  # type: ignore[no-any-return]  # any loader

    def exec_module(self, module: "ModuleType") -> None:
        """Put the real loader back in its places, let it execute `module`, and watch the result."""
        for holder, name in ((module.__spec__, "loader"), (module, "__loader__")):
            if getattr(holder, name, None) is self:
                setattr(holder, name, self._real)
        self._real.exec_module(module)
        try:
            watch(module, self._finder)
        except Exception as error:  # whatever somebody has made of ssl; the program's import of it must not notice
            if _is_the_programs(error):
                raise

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
        return bool(self._real == other)  # another Loader looks like its own, or is asked next

    def __hash__(self) -> int:
        return hash(self._real)

    def __reduce_ex__(self, protocol: "Any") -> "Any":  # a copy, and what comes out of a pickle, is the real one
        return self._real.__reduce_ex__(protocol)


def owner_of_the_load(context_class: "Any") -> "type[Any] | None":
    """The class whose ``load_default_certs`` all others inherit or call; None for what is not the real ``ssl``.

    The first in the line of ancestors: gevent and truststore put subclasses in the place of ``ssl.SSLContext``.
    """
    import _ssl  # not before ssl, which may have to fail for want of it

    if isinstance(context_class, type):
        for ancestor in reversed(context_class.__mro__):
            load = vars(ancestor).get("load_default_certs")
            # What somebody has put there before us, and is no function, may not bear a stand-in.
            if type(load).__name__ in LOADS and issubclass(ancestor, _ssl._SSLContext):
                return ancestor
    return None


class Hook:
    """What this interpreter's hook knows. Hangs on the finder and on the stand-ins, never on ``sys.modules``."""

    __slots__ = (
        "__weakref__",
        "_crowd",
        "_locks",
        "_sites",
        "found",
        "half_imported",
        "healthy",
        "left",
        "loading",
        "off",
        "outcome",
        "proven",
        "reader",
        "said",
        "settings",
        "verdict",
    )

    def __init__(self) -> None:
        self.off = False  # after uninstall(): whoever still holds a stand-in or a wrapper gets the original's behaviour
        self._sites: list[ref[Site]] = []  # weakly: what stands in an ssl that nobody has any more would keep it
        self.verdict: Verdict | int | None = None  # on the last default load; a number: so many certificates were found
        self.healthy: tuple[Any, int] | None = None  # the state of a file that gave certificates, and how many
        self.found = False  # has any default load found certificates?
        self.left: dict[int, ref[Any]] = {}  # contexts whose default load may have given them something, by their id
        self._crowd = 16  # so many of these, and the dead are removed
        self.said: dict[str, object] = {}  # what has been recorded: once for each process and reason
        # The rest is for `_fallback`.
        self._locks: dict[str, Any] = {}
        self.loading = False  # by the thread that holds the lock
        self.settings: Settings | None = None
        self.reader = (0, 0)  # the real and the effective user id by which they were read
        self.outcome: Outcome | None = None
        # A fallback has been loaded to its end: a load has nothing left to import, to read or to decide, so that threads need
        # not wait for each other.
        self.proven = False
        self.half_imported: tuple[str, ...] = ()  # in a fork's child: by threads that only the parent has
        if hasattr(os, "register_at_fork"):
            # In the child alone, and waiting for nothing: taking our lock before a fork would deadlock with logging's hook.
            # Weakly: the interpreter keeps it to its very end, and ssl with it, whose clearing is then the dearer.
            this = ref(self)

            def after_fork() -> None:
                hook = this()
                if hook is not None:
                    hook._after_fork()

            os.register_at_fork(after_in_child=after_fork)

    @property
    def sites(self) -> "list[Site]":
        """One, and one more for each ``importlib.reload(ssl)``, as long as somebody has what was there before."""
        return [site for held in self._sites if (site := held()) is not None]

    def add(self, site: "Site") -> None:
        """Know of one more."""
        self._sites = list(map(ref, [*self.sites, site]))

    def leave(self, context: "Any") -> None:
        """Remember that `context` may have something that shows in no count.

        No callback removes a dead one: what a signal's handler raises in a callback is printed, and lost on the program.
        """
        if len(self.left) >= self._crowd:
            for key, known in list(self.left.items()):
                if known() is None and self.left.get(key) is known:
                    self.left.pop(key, None)
            self._crowd = 2 * len(self.left) + 16
        try:
            self.left[id(context)] = ref(context)
        except TypeError:  # a class without weak references is none of ssl's, and never gets the fallback
            pass

    def has_left(self, context: "Any") -> bool:
        """Whether `context` is one of these."""
        known = self.left.get(id(context))
        return known is not None and known() is context

    @property
    def lock(self) -> "Any":
        """The lock of the whole fallback, made when it is first needed: eventlet complains of each RLock that it can't replace.

        It does so in what it reaches from ``sys.modules`` by dicts, lists and ``vars()``, so not in our ``__slots__``.
        """
        if "lock" not in self._locks:
            LOCKS.append(self._locks)
        return self._locks.setdefault("lock", _thread.RLock())

    def _after_fork(self) -> None:
        me = _thread.get_ident()
        lock = self._locks.get("lock")
        if lock is not None and not lock._is_owned():  # whoever holds it is not here to let it go
            self._locks, self.loading = {}, False
        # An import of one of these would wait for ever: nobody is left to finish it (importlib has no hook for that). Of our
        # own nobody else has hold, so the child begins them anew.
        locks = getattr(_frozen_importlib, "_module_locks", {})
        half = [name for name, lock in list(locks.items()) if getattr(lock(), "owner", None) not in (None, me)]
        for name in half:
            if name.startswith("fallback_roots."):
                locks.pop(name, None)
                sys.modules.pop(name, None)
        self.half_imported = tuple(name for name in half if not name.startswith("fallback_roots."))


class Site:
    """One executed ``ssl`` module, the originals that stand in it, and the two doors in the place of those.

    The doors take what wrapt gives its wrappers, so both layers share them. `instance` is None for a call through the
    class or the module.
    """

    __slots__ = ("__weakref__", "hook", "is_standard", "module", "originals", "owner", "placed")

    def __init__(self, hook: Hook, module: "ModuleType", owner: "type[Any]") -> None:
        self.hook = hook
        self.module = module  # at interpreter shutdown sys.modules["ssl"] may be gone
        self.owner = owner
        self.originals: dict[str, Any] = {name: vars(self.holder(name))[name] for name in DOORS}
        # Else somebody was there before us, and what their default load finds need not show in any count.
        load = self.originals["load_default_certs"]
        self.is_standard = getattr(load, "__globals__", None) is vars(module)
        self.placed: dict[str, Any] = {}

    def holder(self, name: str) -> "Any":
        """The object whose attribute `name` is: the class or the module."""
        return self.owner if name == "load_default_certs" else self.module

    def place(self, name: str, thing: "Any") -> None:
        """Put `thing` where attribute `name` is looked up, and where ``ssl`` has the same under its other name."""
        holder = self.holder(name)
        before = vars(holder)[name]
        setattr(holder, name, thing)
        if name == "create_default_context" and vars(holder).get(ALIAS) is before:
            setattr(holder, ALIAS, thing)
        self.placed[name] = thing

    def load_default_certs(self, wrapped: "Any", instance: "Any", args: "tuple[Any, ...]", kwargs: "dict[str, Any]") -> "Any":
        """The door that nearly every default load goes through."""
        context, rest = (args[0], args[1:]) if instance is None and args else (instance, args)
        hook = self.hook
        before = None if hook.off else certificates(context)
        named = None if before is None else variables()
        state = state_of_the_file(named[0]) if before == 0 and named is not None else None
        result = wrapped(*args, **kwargs)
        if state is not None and hook.healthy is not None and hook.healthy[0] == state:
            hook.verdict = hook.healthy[1]
        elif before is not None:
            self._ask(context, before, rest, kwargs, state, named)
        return result

    def create_default_context(
        self,
        wrapped: "Any",
        instance: "Any",  # noqa: ARG002  # a function of the module has none
        args: "tuple[Any, ...]",
        kwargs: "dict[str, Any]",
    ) -> "Any":
        """The door that sees a context whose default load has not come by the other one: it gets nothing, and is told of."""
        context = wrapped(*args, **kwargs)
        if not self.hook.off:
            self._ask(context, 0, args, kwargs, foreign_load=True)
        return context

    def _comes_by(self, context: "Any") -> bool:
        """Whether a default load into `context` has come by the other door."""
        for ancestor in type(context).__mro__:
            if "load_default_certs" in vars(ancestor):
                return vars(ancestor)["load_default_certs"] is self.placed["load_default_certs"]
        return True  # not a context at all

    def sets_standard_paths(self, context: "Any") -> bool:
        """Whether what a default load into `context` finds is OpenSSL's, and not what a method of somebody's names."""
        import _ssl

        kind, name = type(context), "set_default_verify_paths"
        return self.is_standard and getattr(kind, name) is vars(_ssl._SSLContext)[name] and name not in vars(context)

    def _ask(
        self,
        context: "Any",
        before: int,
        args: "tuple[Any, ...]",
        kwargs: "dict[str, Any]",
        state: "tuple[int, ...] | None" = None,
        named: "tuple[str, str | None] | None" = None,
        foreign_load: bool = False,
    ) -> None:
        """Did the default load into `context`, which held `before` certificates, find nothing? It was called with `args` and
        `kwargs`, when the file's `state` was that and the variables had `named` those places."""
        hook = self.hook
        try:
            if foreign_load and self._comes_by(context):
                return  # judged already
            after = certificates(context)
            if after is None or after > before:
                hook.verdict = after
                hook.found = hook.found or bool(after)
                if state is not None and after and self.sets_standard_paths(context):
                    hook.healthy = state, after
                return
            if kwargs.get("cafile") or kwargs.get("capath") or kwargs.get("cadata"):
                return  # roots that the caller named; create_default_context takes these by keyword only
            from . import _detect

            purpose = args[0] if args else kwargs.get("purpose")
            hook.verdict = verdict = _detect.judge(_detect.facts(self, context, before, purpose, foreign_load, named))
            if verdict.code != "empty":
                if _detect.lasts(verdict):
                    hook.leave(context)
                return
            if "typing" in hook.half_imported:  # which `_fallback` imports; it sees to the rest
                raise ImportError("another thread was importing typing when this process was forked")
            from . import _fallback

            _fallback.provide(self, context, verdict)
        except Exception as fault:  # out of memory or descriptors, our files gone: the load has found nothing, no more
            if _is_the_programs(fault):
                raise
            _complain(hook, fault)


def certificates(context: "Any") -> "int | None":
    """How many certificates the store of `context` holds; None where its class counts by itself, which may mean anything.

    truststore's asks a context inside; another one may fill its store when it is asked.
    """
    try:
        counts = type(context).cert_store_stats
        if type(counts) is BUILT_IN:
            return counts(context)["x509"]  # type: ignore[no-any-return]  # a number
    except Exception as error:  # what is no context has nothing of that name
        if _is_the_programs(error):
            raise
    return None


def variables() -> "tuple[str, str | None] | None":
    """The certificate file of a default load, and what the variable of its directories says; None where that is unknown."""
    try:
        import _ssl

        file, path, directory, _ = _ssl.get_default_verify_paths()
        return ENVIRON.get(file, path), ENVIRON.get(directory)
    except Exception as error:  # nothing of ours may be raised before the program's own load
        if _is_the_programs(error):
            raise
        return None


def state_of_the_file(path: str) -> "tuple[int, ...] | None":
    """What changes when a default load may find something else in the certificate file at `path`; None where there is none.

    While it is what it was when the file gave certificates, they need not be counted again: counting makes OpenSSL parse each
    one's extensions, which is three hundredths of the load. Should it not tell, then the load gets no fallback.
    """
    try:
        found = os.stat(path)
    except Exception as error:  # nothing of ours may be raised before the program's own load
        if _is_the_programs(error):
            raise
        return None
    reader = os.geteuid() if hasattr(os, "geteuid") else 0
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, reader


def _complain(hook: Hook, fault: Exception) -> None:
    try:
        from . import _say

        _say.warning(hook.said, f"fallback-roots: no roots loaded: {type(fault).__name__}: {fault}", not hook.half_imported)
    except Exception as error:  # the very files that would say it may be the ones that are missing
        if _is_the_programs(error):
            raise


class Told(str):
    """A class's own ``__module__`` or docstring, which on an instance is the original's.

    A string, since ``type(x).__module__`` gives what stands in the class's dict and many programs take it for one; a
    descriptor, since the class's would be found before ``__getattr__`` is asked.
    """

    __slots__ = ("_name",)
    _name: str

    def __new__(cls, text: str, name: str) -> "Told":  # before 3.12 what __set_name__ raises comes out as a RuntimeError
        told = super().__new__(cls, text)
        told._name = name
        return told

    def __get__(self, instance: "Any", owner: "type[Any] | None" = None) -> "Any":
        return self if instance is None else getattr(instance._original, self._name)


class StandIn:
    # A class and not a closure, for the sake of pickle: a closure that somebody holds while another object has taken its
    # place (the wrapt layer, at the first empty load) could not be pickled any more.
    __doc__ = Told(
        "Stands in the place of a function of ``ssl``, calls it through a door of `Site`, and passes for it otherwise.",
        "__doc__",
    )
    __module__ = Told(__name__, "__module__")
    __slots__ = ("__weakref__", "_door", "_name", "_original", "_site")

    def __init__(self, site: Site, name: str, original: "Any") -> None:
        fill = object.__setattr__
        fill(self, "_site", site)
        fill(self, "_name", name)
        fill(self, "_door", getattr(site, name))
        fill(self, "_original", original)

    def __call__(self, /, *args: "Any", **kwargs: "Any") -> "Any":
        return self._door(self._original, None, args, kwargs)

    def __get__(self, instance: "Any", owner: "type[Any] | None" = None) -> "Any":
        return self if instance is None else MethodType(self, instance)

    @property
    def __wrapped__(self) -> "Any":
        return self._original

    @property  # type: ignore[misc]  # for isinstance; nobody sets it
    def __class__(self) -> "Any":
        return self._original.__class__

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._original, name)

    @property
    def __dict__(self) -> "Any":  # type: ignore[override]  # for vars()
        return self._original.__dict__

    def __setattr__(self, name: str, value: "Any") -> None:
        setattr(self._original, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._original, name)

    def __repr__(self) -> str:
        return repr(self._original)

    def __copy__(self) -> "StandIn":
        return self

    def __deepcopy__(self, memo: "Any") -> "StandIn":
        return self

    def __reduce_ex__(self, protocol: "Any") -> "Any":
        return by_name(self, self._site, self._name)


def is_stand_in(thing: "Any") -> bool:
    """By the class's name: where pex was at work there are two classes of it."""
    return type(thing).__name__ == "StandIn"


def by_name(thing: "Any", site: Site, name: str) -> "Any":
    """Pickle `thing` as what functions are pickled as: a name, which a process without this package can look up, too."""
    qualname = thing.__qualname__
    if vars(site.holder(name)).get(name) is thing:
        return qualname
    import pkgutil

    return pkgutil.resolve_name, (f"{thing.__module__}:{qualname}",)


def watch(module: "ModuleType", finder: "Finder") -> None:
    """Put stand-ins into `module` if it is made of this interpreter's own ``_ssl``; a second time changes nothing."""
    global ENVIRON, LOOKS
    owner = owner_of_the_load(getattr(module, "SSLContext", None))
    if owner is None:
        return
    ENVIRON, LOOKS = finder.environ, finder.looks
    hook = finder.hook
    if hook is None:
        hook = finder.hook = Hook()
    for site in hook.sites:
        if site.module is module and site.owner is owner:
            return
    site = Site(hook, module, owner)
    hook.add(site)
    for name in DOORS:
        site.place(name, StandIn(site, name, site.originals[name]))


# Last, so that a file that was cut short has none of it, and nothing is put into ssl that is not whole.
def find_spec(finder: "Finder", name: str, path: "Sequence[str] | None", target: "ModuleType | None") -> "ModuleSpec | None":
    """What `Finder.find_spec` answers for ``ssl``; raises what the finders raise that it asks."""
    # A finder that asks all of sys.meta_path, ours included, would come back here for ever.
    thread = _thread.get_ident()
    if thread in finder.asking:
        return None
    finder.asking.add(thread)
    try:
        spec = _ask_the_others(finder, name, path, target)
        if spec is not None and _is_the_standard_one(spec):
            spec.loader = Loader(spec.loader, finder)  # type: ignore[assignment]  # importlib.abc costs 43 ms
        return spec
    finally:
        finder.asking.discard(thread)
