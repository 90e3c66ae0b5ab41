"""The command `fallback-roots cache`: in advance what a process would make, and nothing but that away again."""

import json
import os
import shutil
from pathlib import Path

import pytest
from support import NO_CAS, certifi_roots, python

from fallback_roots import _lazy, _rehash
from fallback_roots._cli import main


class World:
    """A cache directory, and what the command says of it."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.cache = tmp_path / "cache"
        _lazy._known.clear()
        self._set, self._capsys = monkeypatch.setenv, capsys
        monkeypatch.setattr(_lazy, "SETTLED", -1)
        _lazy._failed.clear()
        self.set(CACHE=str(self.cache), CONFIG=os.devnull)

    def set(self, **settings: str) -> None:
        for name, value in settings.items():
            self._set(f"FALLBACK_ROOTS_{name}", value)

    def run(self, command: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        code = main(["cache", command])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.cache.iterdir()) if self.cache.exists() else []

    @property
    def directory(self) -> Path:
        (found,) = [path for path in self.cache.iterdir() if path.is_dir()]
        return found


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> World:
    return World(tmp_path, monkeypatch, capsys)


def test_path(world: World) -> None:
    """path prints the directory that is set, and makes nothing."""
    assert world.run("path") == (0, f"{world.cache}\n", "")
    assert world.names == []


def test_build(world: World, ca_file: Path) -> None:
    """build makes the directory and prints it with the sources; a second time it is the same."""
    world.set(CAFILE=str(ca_file), LAZY="1")
    for _ in range(2):
        code, out, err = world.run("build")
        assert (code, out, err) == (0, f"{world.directory}\n  cafile, 1 root: {ca_file}\n", "")
        _lazy._known.clear()


def test_build_without_lazy(world: World) -> None:
    """It is made also where nothing uses it, and that is said."""
    code, out, _ = world.run("build")
    assert (code, out.splitlines()[0]) == (0, str(world.directory))
    assert f"certifi, {certifi_roots()} roots: " in out
    assert "! lazy is not set, so nothing is loaded lazily" in out


def test_what_is_built_is_used(world: World, ca_file: Path) -> None:
    """A process uses what was built, and makes nothing."""
    world.set(CAFILE=str(ca_file), LAZY="1")
    world.run("build")
    before = world.names
    ours = {"CAFILE": str(ca_file), "LAZY": "1", "CACHE": str(world.cache)}
    program = """
import ssl, sys
ssl.create_default_context()
import fallback_roots
print(fallback_roots.status().outcome.sources)
assert "fallback_roots._rehash" not in sys.modules
"""
    done = python("-c", program, env={**NO_CAS, **{f"FALLBACK_ROOTS_{name}": value for name, value in ours.items()}})
    assert (done.returncode, f"directory='{world.directory}'" in done.stdout) == (0, True), done.stderr
    assert world.names == before


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"CAFILE": "/nonexistent/ca.pem"}, "/nonexistent/ca.pem: cannot be read (No such file or directory)"),
        ({"CERTIFI": "0"}, "no source of roots is chosen"),
        ({"CAPATH": "{hashed}"}, "{hashed} is a hashed directory as it is"),
        ({"CACHE": "/dev/null/x"}, "not lazily, since /dev/null/x"),
    ],
)
def test_build_makes_nothing(settings: dict[str, str], said: str, world: World, hashed_directory: Path) -> None:
    """Where no directory comes of it the exit code is 1, and the reason is told."""
    world.set(**{name: value.format(hashed=hashed_directory) for name, value in settings.items()})
    code, out, err = world.run("build")
    assert (code, err) == (1, "")
    assert said.format(hashed=hashed_directory) in " ".join(out.split())
    assert world.names == []


@pytest.mark.parametrize("command", ["path", "build", "clear"])
def test_faults(command: str, world: World) -> None:
    """Where the settings or the place cannot be known, nothing is done."""
    world.set(CACHE="relative")
    assert world.run(command) == (2, "", 'fallback-roots: FALLBACK_ROOTS_CACHE="relative" is not an absolute path\n')
    world.set(CACHE="/a:b")
    words = "fallback-roots: there is no cache directory, since /a:b: contains ':', which parts directories for OpenSSL\n"
    assert world.run(command) == (2, "", words)


def test_clear(world: World, ca_file: Path) -> None:
    """clear removes what build has made, leaves what somebody may be making and what is not ours, and says how much it was."""
    assert world.run("clear") == (0, "Removed 0 directories and 0 manifests\n", "")
    world.set(CAFILE=str(ca_file))
    world.run("build")
    (world.cache / f"{_rehash.TEMPORARY}0123456789abcdef").mkdir()
    for name in ("notes.txt", "1-mine"):
        (world.cache / name).touch()
    assert world.run("clear") == (0, "Removed 1 directory and 2 manifests\n", "")
    assert world.names == ["1-mine", f"{_rehash.TEMPORARY}0123456789abcdef", "notes.txt"]


LEFT = "cannot be removed, or has something in it that is not ours"


def test_clear_what_cannot_be_removed(world: World, ca_file: Path) -> None:
    """What stays is named: a directory in which somebody has put something of theirs."""
    world.set(CAFILE=str(ca_file))
    world.run("build")
    (world.directory / "notes.txt").touch()
    assert world.run("clear") == (2, "", f"fallback-roots: {world.directory}: {LEFT}\n")
    assert [path.name for path in world.directory.iterdir()] == ["notes.txt"]
    shutil.rmtree(world.directory)


def test_the_doctor(world: World, ca_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The doctor names the directory, or why there is none, and makes none."""
    world.set(CAFILE=str(ca_file), LAZY="1")

    def lazy() -> dict[str, object]:
        _lazy._known.clear()
        main(["doctor", "--json"])
        found: dict[str, object] = json.loads(capsys.readouterr().out)["fallback"]["lazy"]
        return found

    missing = "the directory is not there yet; the first default load that needs it makes it"
    assert lazy() == {"directory": None, "why": missing, "doubt": False}
    assert world.names == []
    world.run("build")
    assert lazy() == {"directory": str(world.directory), "why": None, "doubt": False}
    world.directory.chmod(0o777)
    why = f"{world.directory}: is writable by everybody (mode 0777)"
    assert lazy() == {"directory": None, "why": why, "doubt": True}
    world.set(LAZY="0")
    main(["doctor", "--json"])
    assert json.loads(capsys.readouterr().out)["fallback"]["lazy"] is None


def test_clear_what_is_somebody_elses(world: World, ca_file: Path) -> None:
    """Nothing is removed in a directory that others may write to, nor in what is none."""
    world.set(CAFILE=str(ca_file))
    world.run("build")
    world.cache.chmod(0o777)
    words = f"fallback-roots: {world.cache}: is writable by everybody (mode 0777)\n"
    assert world.run("clear") == (2, "", words)
    assert world.directory.exists()
    world.set(CACHE="/dev/null")
    assert world.run("clear") == (2, "", "fallback-roots: /dev/null: cannot be read (Not a directory)\n")


def test_build_where_it_is_switched_off(world: World, ca_file: Path) -> None:
    """Where a file or a variable switches the package off, that is said."""
    world.set(CAFILE=str(ca_file), DISABLE="1")
    code, out, _ = world.run("build")
    assert (code, "! FALLBACK_ROOTS_DISABLE switches fallback-roots off" in out) == (0, True)
