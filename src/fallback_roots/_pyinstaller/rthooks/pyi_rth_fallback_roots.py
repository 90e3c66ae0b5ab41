# Run in the frozen application before its own script, since site, which reads .pth files elsewhere, does not run there.
# PyInstaller executes this in the application's __main__, so it leaves no name there; a docstring would be __main__'s own.


def _arm_fallback_roots() -> None:
    try:
        import fallback_roots.auto  # noqa: F401  # importing it arms the hook
    except Exception:  # a spec may take modules away after the analysis: the application starts as it would without us
        pass


_arm_fallback_roots()
del _arm_fallback_roots
