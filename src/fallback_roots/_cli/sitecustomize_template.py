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


def _next() -> "ModuleSpec | None":
    """The spec of the next sitecustomize: of the first directory or zip on sys.path, behind this file's own, that has one."""
    import os
    import sys

    # Also importlib.machinery's. Here and below nothing is imported: importlib.util costs a start eight hundredths.
    from _frozen_importlib_external import PathFinder

    if vars(sys.modules["sitecustomize"]) is not globals():  # python sitecustomize.py
        return None
    here = os.path.realpath(os.path.dirname(__file__))  # of the directory alone: this file may be a link to another copy
    passed, behind = set(), []  # a copy further down comes here, too, and must not find the one that has called it
    for entry in sys.path:
        real = os.path.realpath(entry) if isinstance(entry, str) else None
        if here not in passed:
            passed.add(real)
        elif real not in passed:
            behind.append(entry)
    return PathFinder.find_spec("sitecustomize", behind)


try:
    _spec = _next()
except Exception:  # no __file__ or no such module here, or a path that nobody can read
    _spec = None
if _spec is not None:
    import sys
    from _frozen_importlib import module_from_spec  # also importlib.util's

    sys.modules["sitecustomize"] = module_from_spec(_spec)  # where the import system looks again when this file is done
    _spec.loader.exec_module(sys.modules["sitecustomize"])  # type: ignore[union-attr]  # module_from_spec gives one
