"""What is in the wheel and in the sdist, where it lands, and that it goes away again."""

import ast
import importlib.metadata
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import make_venv
from support import NO_CAS, ROOT, environment, output, python

import fallback_roots

DIST = f"fallback_roots-{fallback_roots.__version__}"
TREE = (
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "docs",
    "pyproject.toml",
    "sitecustomize_template",
    "src",
    "tests",
)
START_UP = {"fallback_roots.pth": b"import fallback_roots.auto\n", "fallback_roots.start": b"fallback_roots.auto:arm\n"}
OTHERS = ("fallback_roots/_pyinstaller/rthooks.dat", "fallback_roots/py.typed")

# What may lie about in a tree that people work in.
STRAYS = (
    ".coverage",
    ".env",
    ".venv/lib/site.py",
    "dist/old.whl",
    "docs/_build/index.html",
    "notes.txt",
    "src/fallback_roots/.DS_Store",
    "src/fallback_roots/__pycache__/auto.cpython-313.pyc",
    "tests/__pycache__/support.cpython-313.pyc",
)
STRAYS_IN_THE_PACKAGE = (
    "src/fallback_roots/_watch.py.orig",
    "src/fallback_roots/_watch.py~",
    "src/fallback_roots/_pyinstaller/warn-app.txt",
    "src/fallback_roots/_speedups.so",
    "src/fallback_roots/key.pem",
    "src/fallback_roots/notes",
)


class Built(NamedTuple):
    """A tree, and the wheel and the sdist that were built from it."""

    tree: Path
    wheel: Path
    sdist: Path


def copy_tree(directory: Path, *strays: str) -> Path:
    """A copy of what the project is made of, with files of no meaning in it."""
    directory.mkdir()
    for name in TREE:
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, directory / name)
        else:
            shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__", "_build", ".*"))
    for name in strays:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text("a stray file\n")
    return directory


def build(tree: Path, output: Path, *targets: str) -> None:
    """Build as a frontend does, at a moment that the environment says."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(output), *targets]
    subprocess.run(command, cwd=tree, env=environment({"SOURCE_DATE_EPOCH": "1700000000"}), capture_output=True, check=True)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Both, from a tree in which caches and builds lie about."""
    directory = tmp_path_factory.mktemp("built")
    tree = copy_tree(directory / "tree", *STRAYS)
    build(tree, directory)
    return Built(tree, directory / f"{DIST}-py3-none-any.whl", directory / f"{DIST}.tar.gz")


@pytest.fixture(scope="session")
def contents(built: Built) -> dict[str, bytes]:
    """The files of the wheel."""
    with zipfile.ZipFile(built.wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="session")
def metadata(contents: dict[str, bytes]) -> Message:
    """The wheel's METADATA."""
    return Parser().parsestr(contents[f"{DIST}.dist-info/METADATA"].decode())


def files(directory: Path) -> set[str]:
    """The relative paths of all files below `directory`."""
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if not path.is_dir()}


# ---------------------------------------------------------------- the lists


def test_the_wheel_has_exactly_these_files(contents: dict[str, bytes], built: Built) -> None:
    """The wheel has the package's modules and hooks, py.typed, two start-up files and its metadata with the licence."""
    modules = {name for name in files(built.tree / "src") if name.endswith(".py")}
    dist_info = {f"{DIST}.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")}
    assert set(contents) == modules | set(OTHERS) | set(START_UP) | dist_info
    assert all((ROOT / "src" / name).read_bytes() == contents[name] for name in (*OTHERS, *START_UP))


def test_the_sdist_has_exactly_these_files(built: Built) -> None:
    """The sdist has the sources, tests and docs, and nothing that caches and builds have left in the tree."""
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    directories = [name for name in TREE if (built.tree / name).is_dir()]
    below = {f"{name}/{file}" for name in directories for file in files(built.tree / name)}
    assert names == (below - set(STRAYS)) | (set(TREE) - set(directories)) | {"PKG-INFO"}


def test_no_stray_file_gets_into_the_wheel(contents: dict[str, bytes], tmp_path: Path) -> None:
    """A key, an editor's backup or a compiled file beside the modules does not get into a wheel."""
    build(copy_tree(tmp_path / "tree", *STRAYS_IN_THE_PACKAGE), tmp_path, "-t", "wheel")
    with zipfile.ZipFile(tmp_path / f"{DIST}-py3-none-any.whl") as archive:
        assert set(archive.namelist()) == set(contents)


def test_no_private_key(contents: dict[str, bytes]) -> None:
    """No file of the wheel has a private key in it: image scanners would raise an alarm in every container."""
    key = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY")
    assert key.search(b"-----BEGIN RSA PRIVATE KEY-----")
    assert [name for name, data in contents.items() if key.search(data)] == []


# ---------------------------------------------------------------- the builds


def test_reproducible(built: Built, tmp_path: Path) -> None:
    """The same tree gives the same bytes in another place, with other times and other permissions."""
    tree = copy_tree(tmp_path / "tree")
    for path in tree.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700 if path.is_dir() else 0o600)
    build(tree, tmp_path)
    for first in (built.wheel, built.sdist):
        assert (tmp_path / first.name).read_bytes() == first.read_bytes()


def test_a_wheel_from_the_sdist(built: Built, tmp_path: Path) -> None:
    """A wheel that is built from the sdist is that from the tree."""
    assert python("-m", "tarfile", "--extract", built.sdist, tmp_path).returncode == 0
    build(tmp_path / DIST, tmp_path, "-t", "wheel")
    assert (tmp_path / built.wheel.name).read_bytes() == built.wheel.read_bytes()


# ---------------------------------------------------------------- start-up files


@pytest.mark.parametrize("name", START_UP)
def test_a_start_up_file_is_one_plain_line(name: str, contents: dict[str, bytes]) -> None:
    """A start-up file is the one line that the documentation shows."""
    assert contents[name] == START_UP[name]


def test_the_start_file_names_a_function() -> None:
    """What fallback_roots.start names can be called without arguments (PEP 829)."""
    assert pkgutil.resolve_name(START_UP["fallback_roots.start"].decode().strip())() is None


def test_where_they_land(installed: Path) -> None:
    """An installed wheel has both at the root of site-packages, as they are in the tree."""
    (site_packages,) = installed.parent.parent.glob("lib/*/site-packages")
    assert {name: (site_packages / name).read_bytes() for name in START_UP} == START_UP


def test_this_installation_has_them() -> None:
    """So has the installation that these tests run in, which is editable as a rule: it arms every start."""
    landed = {
        file.name: file.read_binary() for file in importlib.metadata.files("fallback-roots") or () if str(file) in START_UP
    }
    assert landed == START_UP
    assert output("-c", "import sys; print('fallback_roots.auto' in sys.modules)") == "True"


def test_uninstall_leaves_nothing(wheel: Path, tmp_path: Path) -> None:
    """After pip uninstall the environment has the files that it had, though the package has run in it."""
    interpreter = make_venv(tmp_path / "venv", None)
    pip = [sys.executable, "-m", "pip", "--python", str(interpreter)]
    (site_packages,) = interpreter.parent.parent.glob("lib/*/site-packages")
    python("-m", "compileall", "-q", site_packages, executable=interpreter)
    before = files(tmp_path / "venv")
    install = [*pip, "install", "--no-deps", "--no-index", "--no-compile", "--quiet", str(wheel)]
    subprocess.run(install, env=environment(), capture_output=True, check=True)
    ran = python(
        "-c",
        "import ssl; print(len(ssl.create_default_context().get_ca_certs()) > 0)",
        env={**NO_CAS, "PYTHONDONTWRITEBYTECODE": ""},
        executable=interpreter,
    )
    assert ran.stdout == "True\n", ran.stderr
    assert "__pycache__" in " ".join(name for name in files(tmp_path / "venv") - before if "fallback_roots" in name)
    subprocess.run(
        [*pip, "uninstall", "--yes", "--quiet", "fallback-roots"], env=environment(), capture_output=True, check=True
    )
    assert files(tmp_path / "venv") == before


# ---------------------------------------------------------------- metadata


def test_the_wheel_is_pure(contents: dict[str, bytes]) -> None:
    """One wheel serves every Python 3 and every platform."""
    wheel = Parser().parsestr(contents[f"{DIST}.dist-info/WHEEL"].decode())
    assert (wheel["Root-Is-Purelib"], wheel.get_all("Tag")) == ("true", ["py3-none-any"])


def test_requirements(metadata: Message) -> None:
    """The run-time dependencies are these four, and nothing that is required has an upper bound."""
    required = [line.partition(";") for line in metadata.get_all("Requires-Dist", [])]
    assert sorted(name + marker for name, _, marker in required if "extra" not in marker) == [
        "certifi",
        "platformdirs",
        "tomli python_version < '3.11'",
        "wrapt",
    ]
    assert [name for name, _, _ in required if re.search("[<~!]|==", name)] == []
    assert metadata["Requires-Python"] == ">=3.10"


def test_classifiers(metadata: Message) -> None:
    """The classifiers name every Python that is tested, and that the package is typed."""
    classifiers = metadata.get_all("Classifier", [])
    minors = {line.rpartition(".")[2] for line in classifiers if "Python :: 3." in line}
    assert minors == {"10", "11", "12", "13"}
    assert "Typing :: Typed" in classifiers


def test_project_urls(metadata: Message) -> None:
    """The project's pages have the labels that package indexes know."""
    urls = dict(line.split(", ") for line in metadata.get_all("Project-URL", []))
    assert set(urls) == {"Changelog", "Documentation", "Homepage", "Issues"}
    assert all(url.startswith("https://") for url in urls.values())


def test_the_rest_of_the_metadata(metadata: Message, contents: dict[str, bytes], built: Built) -> None:
    """Name, version, licence and long description are the project's."""
    assert (metadata["Name"], metadata["Version"]) == ("fallback-roots", fallback_roots.__version__)
    assert (metadata["License-Expression"], metadata["License-File"]) == ("MIT", "LICENSE")
    assert contents[f"{DIST}.dist-info/licenses/LICENSE"] == (built.tree / "LICENSE").read_bytes()
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (built.tree / "README.md").read_text(encoding="utf-8")


def test_the_command(contents: dict[str, bytes]) -> None:
    """The command `fallback-roots` leads to a function that is there."""
    section, line = contents[f"{DIST}.dist-info/entry_points.txt"].decode().split("\n")[:2]
    command, _, function = line.partition(" = ")
    assert (section, command) == ("[console_scripts]", "fallback-roots")
    assert callable(pkgutil.resolve_name(function))


def test_the_hooks_for_pyinstaller() -> None:
    """The entry point that PyInstaller asks leads to a directory of hooks, each for a module that is there."""
    (entry_point,) = importlib.metadata.entry_points(
        group="pyinstaller40", name="hook-dirs", module="fallback_roots._pyinstaller"
    )
    (directory,) = map(Path, entry_point.load()())
    assert {path.name for path in directory.glob("hook-*.py")} == {"hook-_ssl.py", "hook-fallback_roots.py", "hook-ssl.py"}
    hooks = ast.literal_eval((directory / "rthooks.dat").read_text(encoding="utf-8"))
    assert list(hooks) == ["fallback_roots.auto"]
    assert all((directory / "rthooks" / name).is_file() for names in hooks.values() for name in names)
