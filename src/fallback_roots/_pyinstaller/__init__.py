"""Tier 4: run by PyInstaller when it freezes an application, and by nobody else; imports os.

What lives here: the answer to the entry point ``pyinstaller40``, by which PyInstaller asks for hooks, and the hooks beside it.
It executes these by their paths, ``hook-*.py`` while it builds, ``rthooks`` in the frozen application: nothing imports them.
"""

import os


def get_hook_dirs() -> list[str]:
    """The directories in which PyInstaller looks for hooks."""
    return [os.path.dirname(__file__)]
