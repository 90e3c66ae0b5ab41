"""What arms an interpreter, what keeps it from being armed, and what a doctor says of that."""

import json
import os
import shlex
import shutil
import site
import subprocess
import sys
import sysconfig
import types
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import no_sitecustomize
from support import NO_CAS, ROOT, environment, python

from fallback_roots._cli import _start_up as look
from fallback_roots._cli import _suggestions

HOME = str(Path(look.__file__).parent.parent.parent)  # of the package


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The one directory whose start-up files site reads."""
    monkeypatch.setattr(site, "getsitepackages", lambda: [str(tmp_path)])
    monkeypatch.setattr(site, "ENABLE_USER_SITE", False)
    for name in ("sitecustomize", "usercustomize"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def test_the_start_up_file_that_arms(reads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.pth` file arms; from Python 3.15 on a `.start` file beside it does."""
    assert look.armed_by() is None
    for name in ("fallback_roots.pth", "fallback_roots.start"):
        (reads / name).touch()
    for version, name in (((3, 14), "fallback_roots.pth"), ((3, 15), "fallback_roots.start")):
        monkeypatch.setattr(sys, "version_info", version)
        assert look.armed_by() == str(reads / name)


@pytest.mark.usefixtures("reads")
def test_a_customize_module_that_arms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no start-up file is, sitecustomize or usercustomize may have armed, if they mention us."""
    files = {name: tmp_path / name for name in ("sitecustomize", "usercustomize")}
    for name, file in files.items():
        monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(__file__=str(file)))
    files["usercustomize"].write_text("import fallback_roots.auto\n")
    assert look.armed_by() == str(files["usercustomize"])  # the other one's file is gone
    files["sitecustomize"].write_text("import os\n")
    assert look.armed_by() == str(files["usercustomize"])


def test_the_users_directory_is_read_where_it_is_enabled(reads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's site-packages count where Python has them."""
    monkeypatch.setattr(site, "ENABLE_USER_SITE", True)
    monkeypatch.setattr(site, "getusersitepackages", lambda: "/users")
    assert look.site_directories() == [str(reads), "/users"]


class Seen(NamedTuple):
    """What `why_absent` looks at: flags, the files that are there, PYTHONPATH, and the user's and the base's directories."""

    no_site: bool = False
    read: bool = False  # there is a start-up file where site reads it
    there: bool = True  # there is one beside the package
    named: bool = False  # PYTHONPATH names that directory
    ignores: bool = False  # and the environment is ignored
    users: str = "/users"
    base: str = "/base"


KINDS = {
    "no_site": Seen(no_site=True, read=True),
    "taken_off": Seen(read=True, there=False),
    "lost": Seen(there=False, named=True, ignores=True),
    "users": Seen(users=HOME, named=True, ignores=True),
    "base": Seen(base=HOME),
    "ignored": Seen(named=True, ignores=True),
    "pythonpath": Seen(named=True, there=False, users=HOME, base=HOME),
    "elsewhere": Seen(ignores=True),
}


@pytest.mark.parametrize("kind", KINDS)
def test_why_nothing_is_armed(kind: str, reads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reason for which no start-up file arms an interpreter has its word, the first that holds."""
    seen = KINDS[kind]
    if seen.read:
        (reads / "fallback_roots.pth").touch()
    (reads / "of somebody.pth").write_text("a\0b\n")
    isfile = os.path.isfile
    flags = types.SimpleNamespace(no_site=seen.no_site, ignore_environment=seen.ignores, isolated=0, safe_path=True, verbose=0)
    with monkeypatch.context() as patch:  # pytest itself looks at flags
        patch.setattr(os.path, "isfile", lambda path: seen.there if path == f"{HOME}/fallback_roots.pth" else isfile(path))
        patch.setattr(sys, "flags", flags)
        patch.setenv("PYTHONPATH", f"/other{os.pathsep}{os.pathsep}{HOME if seen.named else ''}")
        patch.setattr(site, "getusersitepackages", lambda: seen.users)
        patch.setattr(site, "getsitepackages", lambda prefixes=None: [seen.base] if prefixes else [str(reads)])
        absence = look.why_absent()
    assert (absence.kind, absence.home) == (kind, HOME)


class There(NamedTuple):
    """A directory on PYTHONPATH with the package, and what is in the way there: what stands in both sitecustomize.py files."""

    first: str | None  # in a directory before it
    own: str | None  # in it
    imported: bool = False  # the package's auto has been
    is_zip: bool = False
    writable: bool = True


OURS = "import fallback_roots.auto"
THERE = {
    "nothing": (There(None, None), "pythonpath", None),
    "another before it": (There("x = 1", None), "pythonpath", "{first} comes before it"),
    "a copy before it": (There(OURS, OURS), "unrun", None),
    "another in it": (There(None, "x = 1"), "pythonpath", "{own} is there already"),
    "ours, and another before it": (There("x = 1", OURS), "unrun", "{first} comes before it"),
    "ours, taken off": (There(None, OURS, imported=True), "unrun", None),
    "a zip": (There(None, None, is_zip=True), "zip", "it is a zip"),
    "a zip, and another before it": (There("# import fallback_roots", None, is_zip=True), "zip", "{first} comes before it"),
    "what may not be written": (There(None, None, writable=False), "pythonpath", "it may not be written"),
}


@pytest.mark.usefixtures("reads")
@pytest.mark.parametrize("name", THERE)
def test_what_stands_in_the_way(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PYTHONPATH names its directory, what keeps a sitecustomize.py there from being run is told, with what mends it."""
    there, kind, obstacle = THERE[name]
    first, home = tmp_path / "first", tmp_path / "home"
    for directory, text in ((first, there.first), (home, there.own)):
        directory.mkdir()
        if text is not None:
            (directory / "sitecustomize.py").write_text(text)
    if there.is_zip:
        home = Path(shutil.make_archive(str(home), "zip", home))
    monkeypatch.setattr(look, "home", lambda: str(home))
    monkeypatch.setattr(look, "start_up_path", lambda: [str(first), str(home)])
    monkeypatch.setenv("PYTHONPATH", str(home))
    monkeypatch.setattr(os, "access", lambda *_: there.writable)
    monkeypatch.delitem(sys.modules, "fallback_roots.auto", raising=False)
    if there.imported:
        monkeypatch.setitem(sys.modules, "fallback_roots.auto", types.ModuleType("auto"))
    absence = look.why_absent()
    in_the_way = obstacle and obstacle.format(first=first / "sitecustomize.py", own=home / "sitecustomize.py")
    assert (absence.kind, absence.obstacle) == (kind, in_the_way)
    assert ("taken off since" in absence.reason) is there.imported
    commands = [suggestion.command for suggestion in _suggestions._towards_a_hook(absence, "pip install")]
    if obstacle:
        assert [command.partition(" && ")[0] for command in commands] == ["mkdir -p hook"]
    else:
        assert commands == ([f"fallback-roots sitecustomize {home}"] if kind == "pythonpath" else [])


@pytest.mark.parametrize("is_there", [True, False])
def test_a_current_directory_that_is_gone(is_there: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With `python -m` nothing was put before the path where there is no current directory."""

    def getcwd() -> str:
        if not is_there:
            raise FileNotFoundError
        return str(tmp_path)

    monkeypatch.setattr(os, "getcwd", getcwd)
    monkeypatch.setitem(sys.modules, "__main__", types.SimpleNamespace(__spec__=object(), __package__="fallback_roots"))
    monkeypatch.setattr(sys, "path", ["first", "second"])
    monkeypatch.setattr(sys, "flags", types.SimpleNamespace(safe_path=False, isolated=0, verbose=0))
    assert look.start_up_path() == (["second"] if is_there else ["first", "second"])


def test_where_pip_has_put_it(reads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory of `pip install --target` is one with our metadata that site does not read; a source tree is none."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "other-1.dist-info").mkdir()
    for directory in (tree, tree / "app.zip", reads):
        monkeypatch.setattr(look, "home", lambda directory=directory: str(directory))
        assert look.target() is None
    for directory in (tree, reads):
        (directory / "fallback_roots-1.dist-info").mkdir()
        monkeypatch.setattr(look, "home", lambda directory=directory: str(directory))
        assert look.target() == (str(tree) if directory == tree else None)


# ---------------------------------------------------------------- where it is not active and can't be, for real

ARMED = "import sys; print(sum(type(finder).__module__ == 'fallback_roots.auto' for finder in sys.meta_path))"


@pytest.fixture
def tree(installed: Path, tmp_path: Path) -> Path:
    """A directory with all that `pip install --target` puts there, which is not the environment of any interpreter."""
    (site_packages,) = installed.parent.parent.glob("lib/*/site-packages")
    return Path(shutil.copytree(site_packages, tmp_path / "tree", ignore=shutil.ignore_patterns("pip*")))


class Row(NamedTuple):
    """An interpreter with flags and an environment, and the directory that has the package."""

    interpreter: Path
    flags: tuple[str, ...]
    env: dict[str, str]
    home: Path


def base_of(installed: Path) -> Path:
    """The interpreter that venvs are made of."""
    return Path(os.path.realpath(installed))


def without_site(installed: Path, tree: Path, _: Path) -> Row:
    return Row(installed, ("-S",), {"PYTHONPATH": str(tree)}, tree)


def a_users(flag: str) -> Callable[[Path, Path, Path], Row]:
    def make(installed: Path, tree: Path, tmp_path: Path) -> Row:
        env = {"HOME": str(tmp_path)}
        there = Path(python("-m", "site", "--user-site", env=env, executable=base_of(installed)).stdout.strip())
        there.parent.mkdir(parents=True)
        tree.rename(there)
        assert python("-c", ARMED, env=env, executable=base_of(installed)).stdout == "1\n"
        return Row(base_of(installed), (flag,), env, there)

    return make


def a_bases(_: Path, tree: Path, tmp_path: Path) -> Row:
    """A Python of links to this one, whose own site directory has the package, and a venv made of it."""
    base, real = tmp_path / "base", Path(os.path.realpath(sys.executable))
    library = Path(sysconfig.get_path("stdlib")).relative_to(sys.base_prefix)
    (base / "bin").mkdir(parents=True)
    (base / library).mkdir(parents=True)
    shutil.copy(real, base / "bin" / real.name)
    for path in Path(sysconfig.get_path("stdlib")).iterdir():
        if path.name != "site-packages":
            (base / library / path.name).symlink_to(path)
    interpreter = base / "bin" / real.name
    there = Path(python("-c", "import site; print(site.getsitepackages()[0])", executable=interpreter).stdout.strip())
    there.parent.mkdir(parents=True, exist_ok=True)
    tree.rename(there)
    assert python("-c", ARMED, executable=interpreter).stdout == "1\n"
    command = [str(interpreter), "-m", "venv", "--without-pip", str(tmp_path / "venv")]
    subprocess.run(command, env=environment(), check=True)
    return Row(tmp_path / "venv" / "bin" / "python", (), {}, there)


def ignored(flag: str) -> Callable[[Path, Path, Path], Row]:
    def make(installed: Path, tree: Path, _: Path) -> Row:
        return Row(base_of(installed), (flag,), {"PYTHONPATH": str(tree)}, tree)

    return make


def not_read(installed: Path, tree: Path, _: Path) -> Row:
    return Row(base_of(installed), (), {"PYTHONPATH": str(tree)}, tree)


def behind_another(installed: Path, tree: Path, tmp_path: Path) -> Row:
    shutil.copy(ROOT / "sitecustomize_template" / "sitecustomize.py", tree)
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "sitecustomize.py").touch()
    return Row(base_of(installed), (), {"PYTHONPATH": f"{tmp_path / 'first'}{os.pathsep}{tree}"}, tree)


def broken(installed: Path, tree: Path, _: Path) -> Row:
    shutil.copy(ROOT / "sitecustomize_template" / "sitecustomize.py", tree)
    (tree / "fallback_roots" / "auto.py").write_text("raise ValueError\n")
    return Row(base_of(installed), (), {"PYTHONPATH": str(tree)}, tree)


def behind_a_copy(installed: Path, tree: Path, tmp_path: Path) -> Row:
    row = broken(installed, tree, tmp_path)
    (tmp_path / "first").mkdir()
    shutil.copy(tree / "sitecustomize.py", tmp_path / "first")
    return row._replace(env={"PYTHONPATH": f"{tmp_path / 'first'}{os.pathsep}{tree}"})


def in_a_zip(installed: Path, tree: Path, tmp_path: Path) -> Row:
    archive = shutil.make_archive(str(tmp_path / "app"), "zip", tree)
    return Row(base_of(installed), (), {"PYTHONPATH": archive}, Path(archive))


def in_a_zip_and_broken(installed: Path, tree: Path, tmp_path: Path) -> Row:
    return in_a_zip(installed, broken(installed, tree, tmp_path).home, tmp_path)


def of_a_line(installed: Path, tree: Path, tmp_path: Path) -> Row:
    """A venv, one of whose .pth files has a line that names the directory."""
    command = [str(base_of(installed)), "-m", "venv", "--without-pip", str(tmp_path / "venv")]
    subprocess.run(command, env=environment(), check=True)
    (site_packages,) = (tmp_path / "venv").glob("lib/*/site-packages")
    (site_packages / "them.pth").write_text(f"# {tree}\nimport os\n\n{tree}\n")
    return Row(tmp_path / "venv" / "bin" / "python", (), {}, tree)


def of_a_line_and_ignored(installed: Path, tree: Path, tmp_path: Path) -> Row:
    row = of_a_line(installed, tree, tmp_path)
    return row._replace(flags=("-E",), env={"PYTHONPATH": str(tree)})


def of_a_line_and_broken(installed: Path, tree: Path, tmp_path: Path) -> Row:
    return of_a_line(installed, broken(installed, tree, tmp_path).home, tmp_path)


def elsewhere(installed: Path, tree: Path, _: Path) -> Row:
    return Row(base_of(installed), (), {}, tree)


def vendored(installed: Path, tree: Path, _: Path) -> Row:
    (tree / "fallback_roots.pth").unlink()
    return Row(base_of(installed), (), {"PYTHONPATH": str(tree)}, tree)


def behind_somebodys(installed: Path, tree: Path, tmp_path: Path) -> Row:
    row = behind_another(installed, tree, tmp_path)
    (tree / "sitecustomize.py").unlink()
    return row


def beside_somebodys(installed: Path, tree: Path, _: Path) -> Row:
    (tree / "sitecustomize.py").touch()
    return Row(base_of(installed), (), {"PYTHONPATH": str(tree)}, tree)


def behind_a_mention(installed: Path, tree: Path, tmp_path: Path) -> Row:
    row = behind_another(installed, tree, tmp_path)
    (tmp_path / "first" / "sitecustomize.py").write_text("# this host does not import fallback_roots\n")
    return row


def a_users_by_pythonpath(installed: Path, tree: Path, tmp_path: Path) -> Row:
    row = a_users("-s")(installed, tree, tmp_path)
    return row._replace(env={**row.env, "PYTHONPATH": str(row.home)})


def lost(installed: Path, tree: Path, tmp_path: Path) -> Row:
    """A venv whose copy of the package has lost its start-up files."""
    row = of_a_line(installed, tree, tmp_path)
    (site_packages,) = (tmp_path / "venv").glob("lib/*/site-packages")
    shutil.rmtree(site_packages)
    tree.rename(site_packages)
    for name in ("fallback_roots.pth", "fallback_roots.start"):
        (site_packages / name).unlink()
    return row._replace(home=site_packages)


IGNORED = "PYTHONPATH names {home}, and this interpreter ignores it (python -I or -E)"
USERS = "{home} is the user's, and this interpreter ignores it (python -s or -I, or a venv)"
FAILS = "{home}/sitecustomize.py does not arm it: importing this package fails there, or another one was imported in its place"
HOOK = " sitecustomize hook && export PYTHONPATH="
UNREAD = "{home} is not a directory whose .pth files site reads"
ROWS = {
    "-S": (without_site, "no_site", "python -S reads no .pth file", ""),
    "--user, -s": (a_users("-s"), "users", USERS, ""),
    "--user, -I": (a_users("-I"), "users", USERS, ""),
    "the base's, in a venv": (
        a_bases,
        "base",
        "{home} is the base interpreter's, and this venv does not see it",
        "pip install fallback-roots",
    ),
    "--target, -I": (ignored("-I"), "ignored", IGNORED, ""),
    "--target, -E": (ignored("-E"), "ignored", IGNORED, ""),
    "--target": (not_read, "pythonpath", UNREAD, "sitecustomize"),
    "--target, behind another": (
        behind_another,
        "unrun",
        "{home}/sitecustomize.py does not arm it: {first} comes before it",
        HOOK,
    ),
    "--target, and broken": (
        broken,
        "unrun",
        FAILS,
        "",
    ),
    "--target, and broken, behind a copy": (
        behind_a_copy,
        "unrun",
        FAILS,
        "",
    ),
    "a zip": (
        in_a_zip,
        "zip",
        "{home} is a zip, in which site reads no .pth file",
        HOOK,
    ),
    "a zip, and broken": (
        in_a_zip_and_broken,
        "unrun",
        FAILS,
        "",
    ),
    "a line in a .pth file": (of_a_line, "line", UNREAD, "fallback_roots sitecustomize {home}"),
    "a line in a .pth file, and PYTHONPATH, -E": (of_a_line_and_ignored, "line", UNREAD, "fallback_roots sitecustomize {home}"),
    "a line in a .pth file, and broken": (
        of_a_line_and_broken,
        "unrun",
        FAILS,
        "",
    ),
    "on sys.path later": (elsewhere, "elsewhere", UNREAD, ""),
    "a copy without a .pth file, on PYTHONPATH": (vendored, "pythonpath", UNREAD, "fallback_roots sitecustomize {home}"),
    "behind a sitecustomize of somebody's": (behind_somebodys, "pythonpath", UNREAD, HOOK),
    "beside a sitecustomize of somebody's": (beside_somebodys, "pythonpath", UNREAD, HOOK),
    "the user's, and on PYTHONPATH": (a_users_by_pythonpath, "pythonpath", UNREAD, "fallback_roots sitecustomize {home}"),
    "behind one that only mentions it": (
        behind_a_mention,
        "unrun",
        "{home}/sitecustomize.py does not arm it: {first} comes before it",
        HOOK,
    ),
    "no .pth file": (lost, "lost", "no .pth file of fallback-roots was read", "--force-reinstall --no-deps fallback-roots"),
}


@no_sitecustomize
@pytest.mark.parametrize("name", ROWS)
def test_where_it_is_not_active(name: str, installed: Path, tree: Path, tmp_path: Path) -> None:
    """Nothing is armed and nothing is said, and the doctor, run by its path, says why."""
    prepare, kind, reason, suggested = ROWS[name]
    row = prepare(installed, tree, tmp_path)
    env = {**NO_CAS, "FALLBACK_ROOTS_CONFIG": os.devnull, **row.env}
    done = python(*row.flags, "-c", ARMED, env=env, executable=row.interpreter)
    assert (done.stdout, done.stderr, done.returncode) == ("0\n", "", 0)
    asked = python(*row.flags, row.home / "fallback_roots", "doctor", "--json", env=env, executable=row.interpreter)
    assert asked.stderr == ""
    facts = json.loads(asked.stdout)
    assert facts["hook"]["absence"] == kind
    assert facts["verdict"]["text"] == (
        "A default context has no roots because fallback-roots is not armed here: "
        f"{reason.format(home=row.home, first=tmp_path / 'first' / 'sitecustomize.py')}"
        f"{'' if reason == FAILS else '; import fallback_roots.auto arms it'}."
    )
    if "sitecustomize" in suggested:  # and it arms
        again = shlex.join([str(row.interpreter), *row.flags, "-c", ARMED])
        script = f"set -e\n{facts['suggestions'][0]['command']}\nexec {again}"
        done = subprocess.run(["/bin/sh", "-c", script], env=environment(env), cwd=tmp_path, capture_output=True, text=True)
        assert (done.stdout.splitlines()[-1], done.stderr) == ("1", "")
    commands = " ".join(suggestion["command"] for suggestion in facts["suggestions"])
    assert (
        (suggested.format(home=row.home) in commands)
        if suggested
        else ("pip install" not in commands and "sitecustomize" not in commands)
    )
