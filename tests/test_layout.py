"""The layers of the package: who may import whom, read from the sources, and the names that it exports."""

import ast
import itertools
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support import ROOT, output

import fallback_roots

PACKAGE = ROOT / "src" / "fallback_roots"

# What each of the tiers that run in every process may import when it is imported itself, and what inside its functions.
AT_ONCE = {
    0: {"os", "sys"},
    1: {"_frozen_importlib", "_thread", "_weakref", "os", "sys", "types"},
    2: {"_io", "_ssl", "errno", "functools", "os", "re", "stat", "sys"},
}
LATER = {
    0: {"_signal", "importlib", "ssl"},
    1: {"_ssl", "pkgutil"},
    2: {"ctypes"},
}

# Who is the only one to import a module that is not in every Python's standard library.
USERS = {
    "certifi": "fallback_roots._certifi",
    "platformdirs": "fallback_roots._directories",
    "tomli": "fallback_roots._config",
    "tomllib": "fallback_roots._config",  # since Python 3.11
    "trustme": "fallback_roots._cli.demo",
    "wrapt": "fallback_roots._patch",
}


class Import(NamedTuple):
    """`importer` imports `imported`, `at_once` or inside a function; both are names of modules."""

    importer: str
    imported: str
    at_once: bool

    @property
    def is_ours(self) -> bool:
        return self.imported.partition(".")[0] == "fallback_roots"


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# What is no module of ours, and on no tier: a text that a command writes, and what PyInstaller executes by its path.
HOOKS = PACKAGE / "_pyinstaller"
OTHERS = {PACKAGE / "_cli" / "sitecustomize_template.py", *HOOKS.rglob("*.py")} - {HOOKS / "__init__.py"}
SOURCES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py")) if path not in OTHERS}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


class Reader(ast.NodeVisitor):
    """Collects what the module `importer` imports, but for what only type checkers read."""

    def __init__(self, importer: str) -> None:
        self.importer = importer
        self.imports: list[Import] = []
        self.depth = 0

    def add(self, imported: str) -> None:
        self.imports.append(Import(self.importer, imported, at_once=not self.depth))

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            assert not node.orelse
        else:
            self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.add(alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            package = self.importer.split(".")
            ups = node.level - (SOURCES[self.importer].stem == "__init__")
            base = ".".join([*package[: len(package) - ups], *base.split(".")]).rstrip(".")
        for alias in node.names:
            submodule = f"{base}.{alias.name}"
            self.add(submodule if submodule in SOURCES else base)


def imports() -> Iterator[Import]:
    for name, tree in TREES.items():
        reader = Reader(name)
        reader.visit(tree)
        yield from reader.imports


def tier(name: str) -> int:
    """The tier that a module's docstring names."""
    first_line = (ast.get_docstring(TREES[name]) or "").partition("\n")[0]
    match = re.match(r"Tier ([0-4]): ", first_line)
    assert match, f"{name}: {first_line!r} names no tier"
    return int(match[1])


@pytest.mark.parametrize("name", SOURCES)
def test_each_module_names_its_tier(name: str) -> None:
    """The first line of a module's docstring says on which tier it lives."""
    assert tier(name) in range(5)


def test_the_tiers_that_run_in_every_process() -> None:
    """The modules of tiers 0 to 2 are these, and no others."""
    assert {name.partition(".")[2]: tier(name) for name in SOURCES if tier(name) < 3} == {
        "": 0,
        "auto": 0,
        "_watch": 1,
        "_detect": 2,
        "_files": 2,
        "_places": 2,
    }


def test_arrows_point_down() -> None:
    """When a module is imported, it imports modules of ours on its own tier and below, and none above."""
    upwards = [
        (importer, imported)
        for importer, imported, at_once in (found for found in imports() if found.is_ours)
        if at_once and tier(imported) > tier(importer)
    ]
    assert upwards == []


@pytest.mark.parametrize(("at_once", "allowed"), [(True, AT_ONCE), (False, LATER)], ids=["at once", "later"])
def test_the_light_tiers_import_only_this(at_once: bool, allowed: dict[int, set[str]]) -> None:
    """Tiers 0 to 2 import exactly these modules of the standard library, and nothing of anybody else's."""
    found: dict[int, set[str]] = {0: set(), 1: set(), 2: set()}
    for each in imports():
        if not each.is_ours and each.at_once is at_once and tier(each.importer) in found:
            found[tier(each.importer)].add(each.imported)
    assert found == allowed


def test_each_dependency_has_one_user() -> None:
    """Each module of a dependency is imported by one module of ours, at whatever depth."""
    users = defaultdict(set)
    for importer, imported, _ in (found for found in imports() if not found.is_ours):
        top = imported.partition(".")[0]
        if top in USERS or top not in sys.stdlib_module_names:
            users[top].add(importer)
    assert users == {name: {user} for name, user in USERS.items()}


# ---------------------------------------------------------------- the names that the package exports


def test_all_is_sorted() -> None:
    """`__all__` is sorted, and names nothing twice."""
    assert fallback_roots.__all__ == sorted(set(fallback_roots.__all__))


@pytest.mark.parametrize("name", fallback_roots.__all__)
def test_each_public_name_is_there(name: str) -> None:
    """Each name of `__all__` is a class or function of this package, and has a docstring."""
    thing = getattr(fallback_roots, name)
    assert thing.__name__ == name
    assert thing.__module__.startswith("fallback_roots.")
    assert thing.__doc__


def test_dir_shows_all() -> None:
    """dir() shows the public names before they have been looked up, too."""
    program = "import fallback_roots as f; print(set(f.__all__) <= set(dir(f)), dir(f) == sorted(set(dir(f))))"
    assert output("-c", program) == "True True"


def test_an_unknown_name() -> None:
    """A name that is not there is an AttributeError, in the words of a module without a `__getattr__`."""
    with pytest.raises(AttributeError, match=r"^module 'fallback_roots' has no attribute 'instal'$"):
        fallback_roots.instal  # noqa: B018  # looking it up is what is tested


# ---------------------------------------------------------------- the tests that the documentation names

NAMED = [
    (page.name, *found)
    for page in sorted((ROOT / "docs").glob("*.md"))
    for found in re.findall(r"`(test_\w+\.py)::(test_\w+)`", page.read_text(encoding="utf-8"))
]


def test_the_documentation_names_tests() -> None:
    """The threat model has a test beside each of its promises."""
    page = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    table = page.partition("| promise |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(table) == len([page for page, *_ in NAMED if page == "threat-model.md"]) > 10


@pytest.mark.parametrize(("page", "file", "name"), NAMED)
def test_a_named_test_is_there(page: str, file: str, name: str) -> None:
    """A test that a page names is there."""
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, page


# ---------------------------------------------------------------- the table of environments

DOCS = ROOT / "docs"
HEAD = "| environment | active by itself? | what to do | test |"


def rows(page: str) -> list[str]:
    """The rows of a page's table of environments."""
    table = (DOCS / page).read_text(encoding="utf-8").partition(f"{HEAD}\n| --- | --- | --- | --- |\n")[2]
    return list(itertools.takewhile(lambda line: line.startswith("|"), table.splitlines()))


def test_the_table_of_environments() -> None:
    """The one table ends with the rows of the pages that have their own, in their order.

    To take over what was changed there: GOLDEN=write pytest tests/test_layout.py
    """
    page = (DOCS / "where-it-runs.md").read_text(encoding="utf-8")
    mark = re.search(r"^<!-- from (.*) -->\n", page, re.MULTILINE)
    assert mark
    pages = mark[1].split(", ")
    assert {path.name for path in DOCS.glob("*.md") if HEAD in path.read_text(encoding="utf-8")} == {"where-it-runs.md", *pages}
    others = [row for each in pages for row in rows(each)]
    own = [row for row in rows("where-it-runs.md") if row not in others]
    whole = "\n".join([page[: page.index(HEAD)] + HEAD, "| --- | --- | --- | --- |", *own, *others, "", mark[0]])
    if os.environ.get("GOLDEN") == "write":
        (DOCS / "where-it-runs.md").write_text(whole, encoding="utf-8")
        page = whole
    assert page == whole
    environments = [row.split(" | ")[0] for row in (*own, *others)]
    assert len(set(environments)) == len(environments)
    assert len(own) > 5
    assert len(others) > 30


@pytest.mark.parametrize("row", [row for page in sorted(DOCS.glob("*.md")) for row in rows(page.name)])
def test_each_environment_has_a_test(row: str) -> None:
    """Or it says that it was read, and not run."""
    assert "::test_" in row or "read, not run" in row
