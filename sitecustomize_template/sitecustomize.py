"""Arms fallback-roots in an interpreter that reads no .pth files: one whose packages are on PYTHONPATH.

Copy this file beside the packages, into the directory that PYTHONPATH names::

    pip install --target DIR fallback-roots
    cp sitecustomize.py DIR
    PYTHONPATH=DIR python app.py

Python imports one module of this name, the first on sys.path. This template does NOT yet execute another sitecustomize
further down sys.path: where the system or the environment has one of its own, put the lines below into that one (chaining
comes with a later version).

An interpreter started with -I or -E ignores PYTHONPATH, and one with -S imports no sitecustomize; neither is armed.
"""

try:
    import fallback_roots.auto  # noqa: F401  # importing it arms the hook
except Exception:  # noqa: BLE001, S110  # uninstalled or broken: the interpreter starts as if this file were not there
    pass
