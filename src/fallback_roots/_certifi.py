"""Tier 3: certifi's roots, and the file that they are in; the only user of certifi, which is imported where it is read.

What lives here: the ways to the roots of a certifi that need not be in a file. What must not: what is in its bundle.
"""

import functools
import os
import sys
from typing import Any

from . import _places

PLAIN = ("SourceFileLoader", "SourcelessFileLoader")


def read() -> tuple[str | None, str | None, str | None]:
    """certifi's place, or None for one that is in no file; its bundle's text by the first way that works; or the problem."""
    try:
        import certifi as package
    except Exception as error:
        if _places.may_pass(error):
            raise
        return None, None, f"certifi: cannot be imported ({type(error).__name__}: {error})"
    where = getattr(package, "__file__", None)
    reasons = []
    for way in (_contents, _where, _resource, _get_data):
        try:
            return where, way(package), None
        except Exception as error:
            if _places.may_pass(error):
                raise
            reasons.append(f"{type(error).__name__}: {error}")
    problem = f"certifi: gives no roots ({reasons[0]})"
    if where is not None and "dist-packages" in where:
        problem += "; Debian's certifi reads the system's bundle, which apt-get install ca-certificates brings"
    return where, None, problem


def file() -> tuple[str | None, str | None]:
    """certifi's place, as `read` gives it, and the file that its bundle is in, without an import; None where that is unsure.

    Only for a certifi that lies in the file system, and that nobody stands before: whoever does may give other roots.
    """
    package = sys.modules.get("certifi")
    if package is None:
        return _unimported()
    spec = package.__spec__
    return (spec.origin, package.where()) if spec is not None and _is_plain(spec) else (None, None)


@functools.cache  # as an import, which is done once
def _unimported() -> tuple[str | None, str | None]:
    for finder in sys.meta_path:
        spec: Any = finder.find_spec("certifi", None, None)
        if spec is not None:
            break
    else:
        return None, None
    return (spec.origin, os.path.join(os.path.dirname(spec.origin), "cacert.pem")) if _is_plain(spec) else (None, None)


def _is_plain(spec: Any) -> bool:
    return type(spec.loader).__name__ in PLAIN and spec.origin is not None


def _contents(package: Any) -> str:
    return package.contents()  # type: ignore[no-any-return]  # certifi has had it since 2018


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
