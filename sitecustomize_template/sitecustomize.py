"""Arms fallback-roots where ``.pth`` files are not read: copy this file beside the package, into a directory on PYTHONPATH.

For trees made by ``pip install --target DIR fallback-roots``, where ``PYTHONPATH=DIR`` names them. Python imports one
``sitecustomize``, the first on ``sys.path``: this template does not execute another one further down yet. If there is one
(``python -c "import sitecustomize; print(sitecustomize.__file__)"`` tells), put the lines below into that file instead.
``python -I`` and ``python -E`` do not look at PYTHONPATH, and so not at this file.
"""

try:
    import fallback_roots.auto  # noqa: F401  # importing it arms the hook
except Exception:  # noqa: BLE001, S110  # the package may be uninstalled, or broken: the interpreter starts all the same
    pass
