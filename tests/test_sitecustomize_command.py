"""`fallback-roots sitecustomize`: the template put where PYTHONPATH leads, and what a doctor makes of it."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import no_sitecustomize
from support import NO_CAS, ROOT, environment, python

from fallback_roots._cli import main, sitecustomize

TEMPLATE = (ROOT / "sitecustomize_template" / "sitecustomize.py").read_text()


class World:
    """Two directories, and what the command says of them; `path` is this interpreter's, as it was for site."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory, self.other = tmp_path / "packages", tmp_path / "other"
        for each in (self.directory, self.other):
            each.mkdir()
        self.file = self.directory / "sitecustomize.py"
        (self.directory / "fallback_roots").mkdir()
        self.path: list[str] = []
        monkeypatch.setattr(sitecustomize, "start_up_path", lambda: self.path)
        self._capsys = capsys

    def move(self, name: str) -> None:
        """Give the directory another name."""
        self.directory = self.directory.rename(self.directory.with_name(name))
        self.file = self.directory / "sitecustomize.py"

    def run(self, directory: Path | str | None = None) -> tuple[int, str, str]:
        """Exit code, and what is on standard output (on one line) and standard error."""
        code = main(["sitecustomize", str(directory or self.directory)])
        said = self._capsys.readouterr()
        return code, " ".join(said.out.split()), said.err


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> World:
    return World(tmp_path, monkeypatch, capsys)


def test_it_is_written(world: World) -> None:
    """The file is the template, and readable by everybody; a second time nothing changes, and nothing fails."""
    world.path = [str(world.directory)]
    assert world.run() == (0, f"Written: {world.file}", "")
    assert (world.file.read_text(), world.file.stat().st_mode & 0o777) == (TEMPLATE, 0o644)
    before = world.file.stat()
    assert world.run() == (0, f"There already: {world.file}", "")
    assert world.file.stat() == before


def test_typed_as_people_type(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative directory, and one below ~, are those that they are for a shell."""
    world.path = [str(world.directory), str(world.other)]
    monkeypatch.chdir(world.directory)
    assert world.run(".")[1] == f"Written: {world.file}"
    monkeypatch.setenv("HOME", str(world.other.parent))
    (world.other / "fallback_roots").mkdir()
    world.file.unlink()
    assert world.run("~/other")[1] == f"Written: {world.other / 'sitecustomize.py'}"


@pytest.mark.parametrize(
    ("prepare", "remark"),
    [
        (
            lambda world: world.path.clear(),
            "! {directory} is not on sys.path: PYTHONPATH={directory} has it run, but for python -I and -E",
        ),
        (
            lambda world: (world.move("with space"), world.path.clear()),
            "! {directory} is not on sys.path: PYTHONPATH='{directory}' has it run, but for python -I and -E",
        ),
        (
            lambda world: (world.move("a:b"), world.path.clear()),
            "! {directory} is not on sys.path, and PYTHONPATH cannot name it, for its :",
        ),
        (
            lambda world: ((world.other / "sitecustomize.py").write_text(TEMPLATE), world.path.reverse()),
            "! {other}/sitecustomize.py comes before it on sys.path, and imports fallback_roots, too: that one is run",
        ),
        (
            lambda world: (world.directory / "fallback_roots").rmdir(),
            "! fallback_roots is not in {directory}: this arms nothing where it cannot be imported from elsewhere",
        ),
        (
            lambda world: (world.other / "sitecustomize.py").touch(),
            "! it gives way to {other}/sitecustomize.py, which runs as before",
        ),
        (
            lambda world: ((world.other / "sitecustomize.py").touch(), world.path.reverse()),
            "! {other}/sitecustomize.py comes before it on sys.path, so it is not run",
        ),
    ],
)
def test_remarks(prepare: Callable[[World], object], remark: str, world: World) -> None:
    """What keeps the file from arming, and whom it gives way to, is said, and nothing else."""
    world.path = [str(world.directory), str(world.directory), str(world.other)]
    prepare(world)
    expected = remark.format(directory=world.directory, other=world.other)
    for said in ("Written", "There already"):
        assert world.run() == (0, f"{said}: {world.file} {expected}", "")


def a_package(world: World) -> None:
    (world.directory / "sitecustomize").mkdir()
    (world.directory / "sitecustomize" / "__init__.py").touch()


THERE: dict[str, Callable[[World], object]] = {
    "a file": lambda world: world.file.write_text("print('theirs')\n"),
    "a dangling link": lambda world: world.file.symlink_to("nowhere"),
    "a directory": lambda world: world.file.mkdir(),
    "a package": a_package,
    "bytecode": lambda world: (world.directory / "sitecustomize.pyc").touch(),
    "not text": lambda world: world.file.write_bytes(b"\xff"),
}


@pytest.mark.parametrize("name", THERE)
def test_what_is_there_stays(name: str, world: World) -> None:
    """Whatever there is by that name stays as it is, and the message says how both come to run."""
    THERE[name](world)
    is_text = name in ("a file", "a package", "not text")
    before = sorted((path, path.is_file() and path.read_bytes()) for path in world.directory.rglob("*"))
    code, out, err = world.run()
    assert (code, out) == (2, "")
    assert err.startswith(f"fallback-roots: {world.directory}/sitecustomize")
    assert ": is there already, and stays as it is\n" in err
    assert ("    import fallback_roots.auto\n" in err) == is_text
    other = f"rite ours into another directory, which PYTHONPATH names before {world.directory}: ours gives way to the next.\n"
    assert err.endswith(f"\nor w{other}" if is_text else f"\n\nW{other}")
    assert sorted((path, path.is_file() and path.read_bytes()) for path in world.directory.rglob("*")) == before


def test_a_package_before_ours(world: World) -> None:
    """Where a package of that name comes before our file, the file is not there in effect."""
    world.file.write_text(TEMPLATE)
    a_package(world)
    code, out, err = world.run()
    assert (code, out) == (2, "")
    assert err.startswith(
        f"fallback-roots: {world.directory}/sitecustomize/__init__.py: is there already, and stays as it is\n"
    )


def test_one_that_is_no_file(world: World) -> None:
    """A FIFO of that name is not waited for."""
    os.mkfifo(world.file)
    assert world.run()[0] == 2


def test_an_older_one_of_ours(world: World) -> None:
    """What another version has written is named as that, with what to do."""
    world.file.write_text(TEMPLATE.replace("except Exception", "except ImportError"))
    code, out, err = world.run()
    assert (code, out) == (2, "")
    assert "is there already, as another version of this package writes it (remove it to have this one's)" in " ".join(
        err.split()
    )


def test_a_directory_that_it_shadows(world: World) -> None:
    """A directory of that name without an __init__.py cannot be imported from any more, and that is said."""
    (world.directory / "sitecustomize").mkdir()
    code, out, _ = world.run()
    said = " ".join(out.split())
    assert code == 0
    assert f"! {world.directory}/sitecustomize is a directory without __init__.py, and cannot be imported from any more" in said


def test_one_that_names_us(world: World) -> None:
    """Of a file that names this package it is said that it may arm it already."""
    world.file.write_text("import fallback_roots.auto\n")
    assert world.run()[2].startswith(
        f"fallback-roots: {world.file}: is there already, and stays as it is; it imports fallback_roots, so it may arm it "
    )


def test_the_lines_for_a_file_that_is_there(world: World, bare: Path, installed: Path) -> None:
    """Put where the message says, the lines arm, and leave the file what it was."""
    world.file.write_text("'''Theirs.'''\nfrom __future__ import annotations\nprint('theirs')\n")
    err = world.run()[2]
    assert "put these lines at its head, behind its docstring and what it imports from __future__:\n" in err
    doc, future, rest = world.file.read_text().splitlines()
    lines = err[err.index("try:") : err.index("\n\nor ")]
    world.file.write_text("\n".join([doc, future, lines, rest]))
    (site_packages,) = installed.parent.parent.glob("lib/*/site-packages")
    path = f"{world.directory}{os.pathsep}{site_packages}"
    program = "import sys; print([type(finder).__module__ for finder in sys.meta_path].count('fallback_roots.auto'))"
    (world.directory / "fallback_roots").rmdir()
    assert python("-c", program, env={"PYTHONPATH": path}, executable=os.path.realpath(bare)).stdout == "theirs\n1\n"


def test_somebody_who_was_faster(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process has put there meanwhile is what is there."""

    def write(text: str) -> Callable[..., None]:
        def link(*_: object) -> None:
            world.file.write_text(text)
            raise FileExistsError(17, "File exists")

        return link

    monkeypatch.setattr(os, "link", write(TEMPLATE))
    world.path = [str(world.directory)]
    assert world.run() == (0, f"There already: {world.file}", "")
    world.file.unlink()
    monkeypatch.setattr(os, "link", write("print('theirs')"))
    code, out, err = world.run()
    assert (code, out) == (2, "")
    assert err.startswith(f"fallback-roots: {world.file}: is there already, and stays as it is\n")


def test_a_current_directory_that_is_gone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative directory in a directory that has been removed is an error in one line."""
    monkeypatch.chdir(world.other)
    world.other.rmdir()
    said = "fallback-roots: packages: is relative to no directory (No such file or directory)\n"
    assert world.run("packages") == (2, "", said)


def test_a_directory_that_is_not(world: World) -> None:
    """A directory that is not there is not made: it would be on no path."""
    code, out, err = world.run(world.file)
    assert (code, out) == (2, "")
    assert err == f"fallback-roots: {world.file}: is not a directory (expected one that PYTHONPATH names, or is to name)\n"
    assert not world.file.exists()


def test_a_directory_that_cannot_be_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the disk is one line, and leaves nothing behind."""

    def fails(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "link", fails)
    monkeypatch.setattr(os, "replace", fails)
    assert world.run() == (2, "", f"fallback-roots: {world.file}: cannot be written (Read-only file system)\n")
    assert [path.name for path in world.directory.iterdir()] == ["fallback_roots"]


# ---------------------------------------------------------------- for real


@pytest.fixture
def tree(installed: Path, tmp_path: Path) -> Path:
    """A directory with all that `pip install --target` puts there, which is not the environment of any interpreter."""
    (site_packages,) = installed.parent.parent.glob("lib/*/site-packages")
    return Path(shutil.copytree(site_packages, tmp_path / "tree", ignore=shutil.ignore_patterns("pip*")))


def doctor(env: dict[str, str], interpreter: str) -> Any:
    """The facts of a doctor's report."""
    return json.loads(python("-m", "fallback_roots", "doctor", "--json", env=env, executable=interpreter).stdout)


@no_sitecustomize
def test_from_the_error_to_the_fix(tree: Path, installed: Path, ca_file: Path) -> None:
    """What the doctor suggests gives a default context its roots, and the doctor names the file afterwards."""
    base = os.path.realpath(installed)
    env = {**NO_CAS, "PYTHONPATH": str(tree), "FALLBACK_ROOTS_CAFILE": str(ca_file), "FALLBACK_ROOTS_CONFIG": os.devnull}
    count = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"
    assert python("-c", count, env=env, executable=base).stdout == "0\n"
    suggestion = doctor(env, base)["suggestions"][0]
    assert suggestion["why"] == f"site reads no .pth file in {tree}, but Python imports a sitecustomize.py there."
    command = ["bash", "-c", suggestion["command"]]
    done = subprocess.run(command, env=environment(env), capture_output=True, text=True, check=True)
    assert f"Written: {tree}/sitecustomize.py" in done.stdout
    assert python("-c", count, env=env, executable=base).stdout == "1\n"
    facts = doctor(env, base)
    assert facts["hook"]["armed_by"] == str(tree / "sitecustomize.py")
    assert not any("sitecustomize" in suggestion["command"] for suggestion in facts["suggestions"])


def test_the_doctor_names_one_in_a_zip(tree: Path, installed: Path, tmp_path: Path) -> None:
    """A zip with the packages and the template on PYTHONPATH arms, and the doctor names the file in it."""
    (tree / "sitecustomize.py").write_text(TEMPLATE)
    archive = shutil.make_archive(str(tmp_path / "app"), "zip", tree)
    facts = doctor({**NO_CAS, "PYTHONPATH": archive}, os.path.realpath(installed))
    assert facts["hook"]["armed_by"] == f"{archive}/sitecustomize.py"


@pytest.mark.parametrize("name", ["certifi", "wrapt"])
def test_a_dependency_that_is_damaged(name: str, tree: Path, installed: Path) -> None:
    """What mends it is an installation into the same directory."""
    (tree / "sitecustomize.py").write_text(TEMPLATE)
    (tree / name / "__init__.py").write_text("raise ImportError\n")
    base = os.path.realpath(installed)
    commands = [each["command"] for each in doctor({**NO_CAS, "PYTHONPATH": str(tree)}, base)["suggestions"]]
    assert f"{base} -m pip install --target {tree} --upgrade {name}" in commands


def test_the_doctor_names_the_one_that_gave_way(tree: Path, installed: Path, tmp_path: Path) -> None:
    """Ours is named also where the module of that name is the next one, to which it has given way."""
    (tmp_path / "sitecustomize.py").write_text("import os\n")
    (tree / "sitecustomize.py").write_text(TEMPLATE)
    env = {**NO_CAS, "PYTHONPATH": f"{tree}{os.pathsep}{tmp_path}"}
    program = "import sys; from fallback_roots._cli import main; main(['doctor', '--json'])"
    done = python("-c", program, env=env, executable=os.path.realpath(installed))
    assert json.loads(done.stdout)["hook"]["armed_by"] == str(tree / "sitecustomize.py")
