"""An application that has ``ssl`` gets the module that arms the hook, and with it everything that this may ever import."""

hiddenimports = ["fallback_roots.auto"]
warn_on_missing_hiddenimports = False  # --exclude-module fallback_roots is how an application does without
