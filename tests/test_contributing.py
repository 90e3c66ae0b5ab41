"""CONTRIBUTING.md: what it names is there, and its commands are those that the project runs."""

import re

import pytest
from support import ROOT
from test_layout import PACKAGE, SOURCES, tier

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILES = {path.name for directory in ("src", "tests") for path in (ROOT / directory).rglob("*.py")}
FILE = re.compile(r"`(?:tests/)?(?:[\w]+/)*(\w+\.py)(?= \(|`)")


def test_the_command_of_the_tests_is_the_readmes() -> None:
    """Whoever reads either runs the same, and so does CI."""
    (command,) = re.findall(r"^python3 -m venv .*\[test\].*$", PAGE, re.MULTILINE)
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_commands_before_it_are_those_of_ci() -> None:
    """The lint, types and docs of the page are those that `.ci/run` has."""
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").replace(".venv/bin/", "").splitlines()
    ran = {line.strip() for line in lines}
    block = re.findall(r"^```sh\n(ruff.*?)```", PAGE, re.MULTILINE | re.DOTALL)[0]
    commands = [command for line in block.splitlines() for command in line.split(" && ")]
    assert len(commands) == 4
    assert set(commands) <= ran


def test_every_module_is_in_the_map() -> None:
    """Each module has one line, on its tier."""
    rows = re.findall(r"^\| (\d) \| \[(.*?)\]", PAGE, re.MULTILINE)
    assert {name: int(number) for number, name in rows} == {
        path.relative_to(PACKAGE).as_posix(): tier(name) for name, path in SOURCES.items()
    }
    assert len(rows) == len(SOURCES)


@pytest.mark.parametrize("name", sorted(set(FILE.findall(PAGE))))
def test_a_file_that_it_names_is_there(name: str) -> None:
    """A newcomer who looks for it finds it."""
    assert name in FILES


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)", PAGE))))
def test_a_link_leads_somewhere(target: str) -> None:
    """Each relative link is to a file of the repository."""
    assert (ROOT / target).is_file()


def test_it_finds_the_files_that_it_names() -> None:
    """The expression by which these tests read the page sees what is in it."""
    assert {"_detect.py", "test_worlds.py", "reference.py", "_fallback.py"} <= set(FILE.findall(PAGE))
