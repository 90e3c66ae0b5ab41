"""Tier 3: where this package's own files are, config files and the cache; imports platformdirs.

What lives here: which paths have a say, for which user, and with which privileges. What must not: what is in a file, and which
value wins, which `_settings` knows.
"""

import os
import sys
from typing import TYPE_CHECKING, Any

from . import _places

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX = "FALLBACK_ROOTS_"
# By these platformdirs and `~` find the user's and the host's directories.
HOMES = (
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_CACHE_HOME",
    "USERPROFILE",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "ALLUSERSPROFILE",
)


def raised_privileges(environ: "Mapping[str, str]", problems: list[str]) -> bool:
    """Whether environment and user have no say, as with OpenSSL's own variables."""
    try:
        return _places.raised_privileges()
    except (FileNotFoundError, PermissionError) as error:
        if any(name.startswith(PREFIX) for name in environ):
            problems.append(
                f"/proc/self/auxv: cannot be read ({error.strerror}), so it is unknown whether {PREFIX} variables may be obeyed"
            )
        return True


def _homeless(environ: "Mapping[str, str]") -> bool:
    """Whether there is no place for the user's file: neither HOME nor the password database knows one, or it is closed."""
    if not hasattr(os, "getuid"):
        return False
    home = next((environ[name] for name in ("XDG_CONFIG_HOME", "HOME") if os.path.isabs(environ.get(name, ""))), None)
    if home is None:
        import pwd

        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:  # a container's arbitrary user id, for which platformdirs raises
            return True
    return not os.path.isabs(home) or _is_closed(home)


def _is_closed(home: str) -> bool:
    """Whether `home` is somebody else's, and may not be entered: root's, which setpriv and the like leave in HOME."""
    try:
        os.stat(os.path.join(home, "."))
    except PermissionError:
        try:
            return os.stat(home).st_uid != os.geteuid()
        except OSError:
            pass
    except OSError as error:  # what it means for the file shows when that is opened
        if _places.may_pass(error):
            raise
    return False


def _platformdirs() -> Any:
    from platformdirs import PlatformDirs

    return PlatformDirs("fallback-roots", appauthor=False, multipath=True)


def user_cache() -> str | None:
    """The user's cache directory for this package; None for a user who has no home."""
    try:
        path: str = _platformdirs().user_cache_dir
    except RuntimeError:  # a container's arbitrary user id, and no HOME
        return None
    return path if os.path.isabs(path) else None


def _site_directories(environ: "Mapping[str, str]", raised: bool) -> "Iterator[str]":
    if raised and "XDG_CONFIG_DIRS" in environ:  # what platformdirs says without the variable
        root = "/Library/Application Support" if sys.platform == "darwin" else "/etc/xdg"
        return iter([os.path.join(root, "fallback-roots")])
    directories: str = _platformdirs().site_config_dir
    return reversed(directories.split(os.pathsep))  # the first of the list has the highest precedence


# Last, so that a file that was cut short has none of it.
def config_files(environ: "Mapping[str, str]", raised: bool, problems: list[str]) -> list[tuple[str, str]]:
    """Path and origin of every config file that has a say, lowest precedence first, whether it exists or not."""
    variable = PREFIX + "CONFIG"
    if variable in environ and not raised:
        path = environ[variable]
        if os.path.normcase(path) == os.path.normcase(os.devnull):
            return []
        named = os.path.expanduser(path)
        if os.path.isabs(named):
            return [(named, variable)]
        from . import _config

        problems.append(
            f"{variable}={_config.shown(path)} names no file (expected an absolute path, or {os.devnull} for no file)"
        )
        return []
    found = []
    try:
        found += [(directory, "site") for directory in _site_directories(environ, raised)]
        if not raised and not _homeless(environ):
            found.append((_platformdirs().user_config_dir, "user"))
    except Exception as error:
        if _places.may_pass(error):
            raise
        problems.append(f"platformdirs: cannot tell where config files are ({type(error).__name__}: {error})")
    files = [(os.path.join(directory, "config.toml"), origin) for directory, origin in found]
    files.append((os.path.join(sys.prefix, "fallback-roots.toml"), "environment"))
    return [(path, origin) for path, origin in files if os.path.isabs(path)]  # the current directory never has a say
