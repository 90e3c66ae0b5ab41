"""The same as hook-ssl.py: PyInstaller 6 runs one hook a module, and an application's own hook-ssl.py displaces that one."""

hiddenimports = ["fallback_roots.auto"]
warn_on_missing_hiddenimports = False  # --exclude-module fallback_roots is how an application does without
