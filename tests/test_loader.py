"""The loader that stands before ssl's for one import, and which ssl it stands before: in this process, one question each."""

import importlib.machinery
import os
import sys
import types
import zipimport
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import Any, NoReturn

import pytest

from fallback_roots import _watch, auto

HOME = str(Path(os.__file__).parent)


def interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


class Interrupting(importlib.machinery.PathFinder):
    """A finder that is interrupted when `_ssl` is looked for."""

    @classmethod
    def find_spec(cls, fullname: str, *_: Any) -> ModuleSpec | None:
        return interrupted() if fullname == "_ssl" else None


def test_an_interrupt_before_ssl(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while `_ssl` is imported ends the import of ssl."""
    monkeypatch.delitem(sys.modules, "_ssl", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting, *sys.meta_path])
    loader = _watch.Loader(types.SimpleNamespace(create_module=lambda _: None), auto.Finder())
    with pytest.raises(KeyboardInterrupt):
        loader.create_module(ModuleSpec("ssl", None))


def test_an_interrupt_after_ssl(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the stand-ins are put in goes to the program."""
    monkeypatch.setattr(_watch, "watch", interrupted)
    loader = _watch.Loader(types.SimpleNamespace(exec_module=lambda _: None), auto.Finder())
    with pytest.raises(KeyboardInterrupt):
        loader.exec_module(types.ModuleType("ssl"))


def test_an_interrupt_while_certificates_are_counted() -> None:
    """Ctrl-C while a class is asked for its method of counting goes to the program."""

    class Kind(type):
        @property
        def cert_store_stats(cls) -> NoReturn:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _watch.certificates(Kind("Context", (), {})())


def test_equality() -> None:
    """It is equal to what its real loader is equal to, and to another one that stands before an equal loader."""
    real, other = SourceFileLoader("ssl", "/ssl.py"), SourceFileLoader("ssl", "/other.py")
    loader = _watch.Loader(real, auto.Finder())
    assert loader == real
    assert loader == _watch.Loader(SourceFileLoader("ssl", "/ssl.py"), auto.Finder())
    assert loader != other
    assert loader != _watch.Loader(other, auto.Finder())
    assert loader != "a string"


class Another:
    """A loader of somebody's, from memory."""

    def create_module(self, _: ModuleSpec) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def spec(loader: Any, origin: str | None) -> ModuleSpec:
    return ModuleSpec("ssl", loader, origin=origin)


SPECS: dict[str, tuple[ModuleSpec, bool]] = {
    "the standard library's": (spec(SourceFileLoader("ssl", f"{HOME}/ssl.py"), f"{HOME}/ssl.py"), True),
    "a program's own": (spec(SourceFileLoader("ssl", "/etc/ssl.py"), "/etc/ssl.py"), False),
    "in a directory that is not there": (spec(SourceFileLoader("ssl", "/no/ssl.py"), "/no/ssl.py"), False),
    "of somebody's loader": (spec(Another(), "/etc/ssl.py"), True),
    "without a place": (spec(SourceFileLoader("ssl", "/no/ssl.py"), None), True),
    "of an old loader": (spec(object(), f"{HOME}/ssl.py"), False),
}


@pytest.mark.parametrize("name", SPECS)
def test_which_ssl(name: str) -> None:
    """A file must lie beside os, and other importers get the benefit of the doubt."""
    found, is_standard = SPECS[name]
    assert _watch._is_the_standard_one(found) is is_standard


def test_which_ssl_where_os_has_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where os is in no file, nothing can be compared."""
    monkeypatch.delattr(os, "__file__")
    assert _watch._is_the_standard_one(SPECS["a program's own"][0]) is True


def test_which_ssl_where_os_is_not_in_its_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A frozen os that names a file where none is, while the library is in a zip: nothing can be compared, either."""
    library = tmp_path / "python313.zip"
    library.touch()
    monkeypatch.setattr(os, "__file__", str(tmp_path / "Lib" / "os.py"))
    for home in (tmp_path / "nothing", tmp_path / "Lib"):  # for Lib/site-packages it is there, and has nothing of the library
        home.mkdir()
        origin = str(library / "ssl.pyc")
        assert _watch._is_the_standard_one(spec(zipimport.zipimporter.__new__(zipimport.zipimporter), origin)) is True


def test_which_ssl_by_a_link(tmp_path: Path) -> None:
    """A directory that is a link to that of os is the same one."""
    (tmp_path / "link").symlink_to(HOME)
    path = str(tmp_path / "link" / "ssl.py")
    assert _watch._is_the_standard_one(spec(SourceFileLoader("ssl", path), path)) is True
