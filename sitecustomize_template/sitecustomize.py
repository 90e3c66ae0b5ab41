"""Arms fallback-roots where Python reads no .pth file of it: in packages on PYTHONPATH. Then the next sitecustomize runs.

`fallback-roots sitecustomize DIR` writes this file, which stands beside the packages in the directory that PYTHONPATH names::

    pip install --target DIR fallback-roots
    PYTHONPATH=DIR python -m fallback_roots sitecustomize DIR
    PYTHONPATH=DIR python app.py

Python imports one module of this name at each start, the first on sys.path. So this one looks for the next, further down,
has it take its place, and executes it: it runs, and fails, as if this file were not there.

An interpreter started with -I or -E ignores PYTHONPATH, and one with -S imports no sitecustomize; neither is armed.
"""

try:
    import fallback_roots.auto  # noqa: F401  # importing it arms the hook
except Exception:  # uninstalled or broken: the interpreter starts as if this file were not there
    pass


TYPE_CHECKING = False  # typing's, which is an import
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec


def _real(entry: object) -> object:
    import os

    try:
        return os.path.realpath(entry) if isinstance(entry, str) else None
    except (OSError, ValueError):  # a relative one, in a directory that is gone
        return entry


def _next() -> "ModuleSpec | None":
    """The spec of the next sitecustomize: of the first directory or zip on sys.path, behind this file's own, that has one."""
    import os
    import sys

    # Also importlib.machinery's. Here and below nothing is imported: importlib.util costs a start eight hundredths.
    from _frozen_importlib_external import PathFinder

    if vars(sys.modules["sitecustomize"]) is not globals():  # python sitecustomize.py
        return None
    here = _real(os.path.dirname(__file__))  # of the directory alone: this file may be a link to another copy
    _begun.add(here)
    frame = sys._getframe()
    while frame.f_back is not None:  # an agent's may look for the first that is not its own, and find this one again
        frame = frame.f_back
        _begun.update(frame.f_globals.get("_begun", ()))
    passed, behind = set(), []  # a copy further down comes here, too, and must not find the one that has called it
    for entry in sys.path:
        if here not in passed:
            passed.add(_real(entry))
        elif not {_real(entry)} & (passed | _begun):
            behind.append(entry)
    spec = PathFinder.find_spec("sitecustomize", behind)
    for finder in sys.meta_path[sys.meta_path.index(PathFinder) + 1 :]:  # those of editable installs
        spec = spec or finder.find_spec("sitecustomize", None)
    if spec is not None and spec.origin is not None:
        if _real(os.path.dirname(spec.origin)) in _begun:
            return None
        _begun.add(_real(os.path.dirname(spec.origin)))
    return spec


_begun: "set[object]" = set()  # the directories of those that are being executed
try:
    _spec = _next()
except Exception:  # no __file__ or no such module here, or a finder that fails
    _spec = None
if _spec is not None:
    import sys
    from _frozen_importlib import module_from_spec  # also importlib.util's

    sys.modules["sitecustomize"] = module_from_spec(_spec)  # where the import system looks again when this file is done
    _spec._initializing = True  # type: ignore[attr-defined]  # as the import system has it, so that other threads wait
    try:
        _spec.loader.exec_module(sys.modules["sitecustomize"])  # type: ignore[union-attr]  # module_from_spec gives one
    finally:
        _spec._initializing = False  # type: ignore[attr-defined]  # likewise
