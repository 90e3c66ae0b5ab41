"""Tier 3: certifi's roots, and the file that they are in; the only user of certifi, which is imported where it is read.

What lives here: the ways to the roots of a certifi that need not be in a file. What must not: what is in its bundle.
"""

import _frozen_importlib
import functools
import os
import sys
from typing import Any

from . import _places

PLAIN = ("SourceFileLoader", "SourcelessFileLoader")


class DisagreementError(Exception):
    """Somebody has replaced one of certifi's functions, and it cannot be known which roots they meant."""


def read() -> tuple[str | None, str | None, str | None]:
    """certifi's place, or None for one that is in no file; its bundle's text by the first way that works; or the problem."""
    try:
        package = _import()
    except Exception as error:
        if _places.may_pass(error):
            raise
        return None, None, f"certifi: cannot be imported ({type(error).__name__}: {error})"
    where = getattr(package, "__file__", None)
    reasons = []
    for way in (_contents, _where, _resource, _get_data):
        try:
            return where, way(package), None
        except DisagreementError as error:
            return where, None, f"certifi: {error}"
        except Exception as error:
            if _places.may_pass(error):
                raise
            reasons.append(f"{type(error).__name__}: {error}")
    problem = f"certifi: gives no roots ({reasons[0]})"
    if where is not None and "dist-packages" in where:
        problem += "; Debian's certifi reads the system's bundle, which apt-get install ca-certificates brings"
    return where, None, problem


def _import() -> Any:
    spec = _unimported() if _unimported.cache_info().currsize and "certifi" not in sys.modules else None
    if spec is not None and _is_plain(spec):
        # Not by a search: sys.path may have changed since a lazy load has found it there, or the current directory has.
        return _frozen_importlib._load(spec)  # type: ignore[attr-defined]  # what import does with what it has found
    import certifi

    return certifi


def files() -> tuple[str, ...]:
    """The files of its bundle and of its code, its place (as `read` gives it) second; none where that is unsure.

    Without an import. Only for a certifi that lies in the file system, and that nobody stands before or has changed: whoever
    does may give other roots.
    """
    if "certifi" in sys.modules:
        package: Any = sys.modules["certifi"]
        spec = getattr(package, "__spec__", None)
        if spec is None or getattr(spec, "_initializing", False) or not _is_plain(spec):
            return ()
        bundle = package.where() if _gives_the_file(package) else None
    else:
        spec = _unimported()
        if spec is None or not _is_plain(spec):
            return ()
        bundle = os.path.join(os.path.dirname(spec.origin), "cacert.pem")
    core = os.path.join(os.path.dirname(spec.origin), "core.py")
    return (bundle, spec.origin, core) if bundle is not None else ()


@functools.cache  # as an import, which is done once
def _unimported() -> Any:
    for finder in sys.meta_path:
        if hasattr(finder, "find_spec"):
            spec = finder.find_spec("certifi", None, None)
            if spec is not None:
                return spec
    return None


def _is_plain(spec: Any) -> bool:
    return type(spec.loader).__name__ in PLAIN and spec.origin is not None


_compared: tuple[Any, ...] = ()  # the functions, and the place, for which `contents` gave what is in the file


def _gives_the_file(package: Any) -> bool:
    """Whether an imported certifi's contents are those of its file: somebody may have replaced either function."""
    global _compared
    now = (package.contents, package.where, package.where())
    if now != _compared:
        with open(now[2], encoding="latin-1") as file:
            if file.read() != package.contents():
                return False
        _compared = now
    return True


def _contents(package: Any) -> str:
    text: str = package.contents()  # certifi has had it since 2018
    if _disagrees(package, text):
        raise DisagreementError("where() is not certifi's own, and names no file that has what contents() gives")
    return text


def _disagrees(package: Any, text: str) -> bool:
    """Whether somebody has replaced `where`, by which most programs take certifi's roots, and it does not name `text`."""
    home = getattr(getattr(package, "where", package.contents), "__module__", None)
    if home in ("certifi.core", getattr(package.contents, "__module__", None)):
        return False  # certifi's own, or all of somebody who stands in its place
    try:
        return _where(package) != text
    except Exception as error:
        if _places.may_pass(error):
            raise
        return True


def _where(package: Any) -> str:  # py2exe: the file is there, the resource is not
    with open(package.where(), encoding="latin-1") as file:
        return file.read()


def _resource(package: Any) -> str:
    reader = package.__loader__.get_resource_reader(package.__name__)
    with reader.open_resource("cacert.pem") as file:
        return file.read().decode("latin-1")  # type: ignore[no-any-return]  # whatever reader this is


def _get_data(package: Any) -> str:  # a loader that has nothing else
    data = package.__loader__.get_data(os.path.join(os.path.dirname(package.__file__), "cacert.pem"))
    return data.decode("latin-1")  # type: ignore[no-any-return]  # likewise
