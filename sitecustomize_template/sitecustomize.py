"""Arms fallback-roots where Python reads no .pth file of it: in packages on PYTHONPATH. Then the next sitecustomize runs.

`fallback-roots sitecustomize DIR` writes this file, which stands beside the packages in the directory that PYTHONPATH names::

    pip install --target DIR fallback-roots
    PYTHONPATH=DIR python -m fallback_roots sitecustomize DIR
    PYTHONPATH=DIR python app.py

Python imports one module of this name at each start, the first on sys.path. So this one looks for the next, further down, and
executes it in its own place, as `importlib.reload` would: it runs, and fails, as if this file were not there.

An interpreter started with -I or -E ignores PYTHONPATH, and one with -S imports no sitecustomize; neither is armed by this.
"""

try:
    import sys

    if sys.version_info >= (3, 10):  # another Python may have the same PYTHONPATH
        import fallback_roots.auto  # importing it arms the hook
except Exception:  # uninstalled or broken: the interpreter starts as if this file were not there
    pass


TYPE_CHECKING = False  # typing's, which is an import
if TYPE_CHECKING:
    from typing import Any


# Types are in comments: this file is read by each Python that has the same PYTHONPATH, 2.7 on an old host.
def _real(entry):
    # type: (object) -> object
    import os

    try:
        return os.path.realpath(entry) if isinstance(entry, str) else None
    except (OSError, ValueError):  # a relative one, in a directory that is gone
        return entry


def _behind(begun):
    # type: (set[object]) -> list[str]
    """The entries of sys.path behind this file, but for those whose sitecustomize is being executed, which are in `begun`."""
    import os

    here = _real(os.path.dirname(__file__))  # of the directory alone: this file may be a link to another copy
    begun.add(here)
    frame = sys._getframe()
    while frame.f_back is not None:  # an agent's may look for the first that is not its own, and find this one again
        frame = frame.f_back
        if frame.f_code.co_name == "_go_on":
            begun.update(frame.f_locals.get("begun", ()))
    passed, behind = set(), []  # a copy further down comes here, too, and must not find the one that has called it
    for entry in sys.path:
        if here not in passed:
            passed.add(_real(entry))
        elif not {_real(entry)} & (passed | begun):
            behind.append(entry)
    if here not in passed:  # somebody's finder or agent has found this file elsewhere
        begun.add(_real(os.path.dirname(getattr(sys.modules.get("sitecustomize"), "__file__", None) or __file__)))
        behind = [entry for entry in sys.path if _real(entry) not in begun]
    return behind


def _next(begun):
    # type: (set[object]) -> Any
    """The spec of the next sitecustomize, of the first directory or zip behind this file on sys.path that has one; or None."""
    import os

    # Also importlib.machinery's. Here and below nothing is imported: importlib.util costs a start eight hundredths.
    from _frozen_importlib_external import PathFinder

    spec = PathFinder.find_spec("sitecustomize", _behind(begun))
    finders = list(sys.meta_path)
    while finders:  # those behind Python's own, or a subclass in its place, are those of editable installs
        finder = finders.pop(0)
        if isinstance(finder, type) and issubclass(finder, PathFinder):
            break
    for finder in finders:
        if hasattr(finder, "find_spec"):  # one of before Python 3.4 has none
            spec = spec or finder.find_spec("sitecustomize", None)
    if spec is not None and spec.origin is not None:
        if _real(os.path.dirname(spec.origin)) in begun:
            return None
        begun.add(_real(os.path.dirname(spec.origin)))
    return spec


def _go_on():
    # type: () -> None
    begun = set()  # type: set[object]  # _behind looks for it in the frames that have called it
    if __name__ != "sitecustomize":  # python sitecustomize.py
        return
    if sys.version_info < (3, 10):  # where those of a zip need not have one
        _go_on_without_specs(begun)
        return
    try:
        spec = _next(begun)
    except Exception:  # no __file__ or no such module here, or a finder that fails
        spec = None
    if spec is None:
        return
    from _frozen_importlib import _init_module_attrs  # as importlib.reload does

    ours = sys.modules.get("sitecustomize")
    if ours is not None and vars(ours) is not globals():  # an agent executes this file in a module of its own
        ours = None
    module = spec.loader.create_module(spec) if hasattr(spec.loader, "create_module") else None
    if ours is not None and module is not None:  # an extension module
        sys.modules["sitecustomize"] = module  # where the import system looks again when this file is done
    elif ours is not None:
        module = ours
        names = ("_behind", "_go_on", "_go_on_without_specs", "_next", "_real", "TYPE_CHECKING", "fallback_roots", "sys")
        for name in names + ("__file__", "__cached__", "__builtins__"):
            vars(ours).pop(name, None)
        module.__doc__ = None
    elif module is None:
        module = type(sys)("sitecustomize")
    _init_module_attrs(spec, module, override=True)  # with a loader, also for a directory without __init__.py
    spec._initializing = True  # as the import system has it, so that other threads wait
    try:
        if hasattr(spec.loader, "exec_module"):
            spec.loader.exec_module(module)
        else:
            spec.loader.load_module("sitecustomize")
    finally:
        spec._initializing = False


def _go_on_without_specs(begun):
    # type: (set[object]) -> None
    import pkgutil

    for entry in _behind(begun):
        importer = pkgutil.get_importer(entry)  # type: Any
        loader = importer.find_module("sitecustomize") if importer is not None else None
        if loader is not None:
            loader.load_module("sitecustomize")
            return


_go_on()
