"""What a doctor sees besides the hook, in process, for machines that these tests do not run on."""

import os
import ssl
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from support import NOWHERE

from fallback_roots import _places, _sources, _system
from fallback_roots._cli import _others
from fallback_roots._cli import _surroundings as look


def place(kind: str, path: str, state: str = _places.NOTHING) -> look.Seen:
    return look.seen(_places.Place(kind, "X", path, state, "as it is"), 0)


def test_what_is_at_a_place(ca_file: Path, hashed_directory: Path, tmp_path: Path) -> None:
    """Each kind of thing is told from the others, with the number of certificates where that can be counted."""
    (tmp_path / "dangling").symlink_to("gone")
    (tmp_path / "empty").touch()
    seen = {
        "": ("file", "empty", None),
        "file:/cas": ("directory", "uri", None),
        str(tmp_path / "dangling"): ("file", "dangling link", None),
        str(hashed_directory): ("directory", "directory", 1),
        str(ca_file): ("file", "file", 1),
        str(tmp_path / "empty"): ("file", "file", 0),
        os.devnull: ("file", "device", None),
        NOWHERE: ("file", "missing", None),
        "a\0b": ("file", "missing", None),
    }
    assert {path: (kind, place(kind, path)[3], place(kind, path)[6]) for path, (kind, *_) in seen.items()} == seen


def test_what_cannot_be_counted(hashed_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault while a place is described leaves a part of it unknown, and no more."""

    def fails(*_: object, **__: object) -> Any:
        raise OSError("no")

    (tmp_path / "dangling").symlink_to("gone")
    monkeypatch.setattr(_places, "hashed_entries", fails)
    assert place("directory", str(hashed_directory)).certificates is None
    assert list(look.system_bundles()) == [bundle for bundle in look.system_bundles() if os.path.isfile(bundle.path)]  # noqa: PTH113  # as the code
    monkeypatch.setattr(os, "readlink", fails)
    assert place("file", str(tmp_path / "dangling")).why == "is a link to a place that cannot be read, which does not exist"
    monkeypatch.setattr(os, "listdir", fails)
    assert look.unhashed_files(str(hashed_directory)) == 0


def test_a_place_has_a_problem_unless_it_is_in_effect() -> None:
    """A device is a problem, too: nothing comes from it."""
    states = {state: place("file", NOWHERE, state).problem for state in (_places.NOTHING, _places.DEVICE, _places.IN_EFFECT)}
    assert states == {_places.NOTHING: "as it is", _places.DEVICE: "as it is", _places.IN_EFFECT: None}


def test_windows_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows the two stores are places; elsewhere there are none."""
    assert list(look.stores()) == []
    monkeypatch.setattr(look, "os", types.SimpleNamespace(name="nt"))
    monkeypatch.setattr(ssl, "enum_certificates", lambda name: [1, 2] if name == "ROOT" else [], raising=False)
    assert [(seen.path, seen.state, seen.certificates, seen.problem) for seen in look.stores()] == [
        ("CA", "nothing", 0, "is empty"),
        ("ROOT", "in effect", 2, None),
    ]


def test_system_bundles(ca_file: Path, hashed_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Places that hold roots are told with their number, one place once, and places that hold none are not."""
    (tmp_path / "link").symlink_to(ca_file)
    (tmp_path / "empty").touch()
    bundles = [(str(path), "x") for path in (ca_file, tmp_path / "link", tmp_path / "empty", tmp_path / "missing")]
    monkeypatch.setattr(_system, "BUNDLES", bundles)
    monkeypatch.setattr(_system, "DIRECTORIES", [(str(hashed_directory), "y"), (str(tmp_path), "z")])
    assert list(look.system_bundles()) == [(str(ca_file), "x", 1), (str(hashed_directory), "y", 1)]


def test_nothing_is_known_of_a_directorys_roots(hashed_directory: Path) -> None:
    """Nobody has read them."""
    assert look.roots_of(_sources.Source("capath", str(hashed_directory), 1)) == look.Roots()


@pytest.mark.parametrize(
    ("version", "date"), [("2020.12.05", "2020-12-05"), ("2020.12.05.1", "2020-12-05"), ("3.11", "None"), (None, "None")]
)
def test_the_date_of_certifi(version: str | None, date: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """certifi's version is a date; an operating system's may have another one, and a damaged one has none."""
    monkeypatch.setitem(sys.modules, "certifi", types.SimpleNamespace(__version__=version))
    assert str(look.certifi_date()) == date


def test_others_that_are_strange(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain that bites its own tail ends, and what has no module is nobody's."""
    bite = types.SimpleNamespace(__module__="theirs")
    bite.__wrapped__ = bite
    monkeypatch.setattr(ssl, "get_default_verify_paths", bite)
    monkeypatch.setattr(ssl, "SSLSocket", types.SimpleNamespace(__module__=None, __objclass__=None))
    site_of_ours: Any = types.SimpleNamespace(placed={})
    found = [other for other in _others.others(site_of_ours) if other.attribute == "ssl.get_default_verify_paths"]
    assert set(found) == {("ssl.get_default_verify_paths", "theirs")}
    assert "ssl.SSLSocket" not in {other.attribute for other in _others.others(site_of_ours)}


def test_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library counts where it is imported or can be found; a stub without a spec is none."""
    monkeypatch.setattr(_others, "LIBRARIES", {"json": "A", "no_such_library": "B", "a_stub": "C"})
    monkeypatch.delitem(sys.modules, "json")
    assert list(_others.libraries()) == ["json"]
    monkeypatch.setitem(sys.modules, "a_stub", types.ModuleType("a_stub"))
    assert list(_others.libraries()) == ["json", "a_stub"]
