"""The reference is what the code has: each table in the docs is the one that `reference.py` would write."""

import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import reference
from conftest import needs_root
from support import NO_CAS, ROOT, output, without_cas

import fallback_roots
from fallback_roots import _cli, _detect, _settings

OURS = [(file, name) for file, tables in reference.TABLES.items() for name in tables if name != "records"]
needs_namespaces = pytest.mark.skipif(sys.platform != "linux", reason="mount namespaces are Linux's")


def shown(file: str, name: str) -> str:
    """A page's table of that name."""
    begin, end = reference.marks(name)
    text = (ROOT / file).read_text(encoding="utf-8")
    return text.partition(f"{begin}\n\n")[2].partition(f"\n\n{end}")[0]


@pytest.mark.parametrize(("file", "name"), OURS, ids=[name for _, name in OURS])
def test_a_page_has_what_the_code_has(file: str, name: str) -> None:
    """The table is what the script makes of the code now.

    To take over what was changed there: cd tests; python reference.py
    """
    made = reference.TABLES[file][name]()
    assert shown(file, name) == made
    assert len(made.splitlines()) > 4


@needs_root
@needs_namespaces
def test_a_page_has_the_records_that_are_made() -> None:
    """Each record of the page is made, at its level, by a process on a machine without CA certificates."""
    assert shown("docs/records.md", "records") == reference.records()


def test_every_mark_is_written_to() -> None:
    """No page has the marks of a table that nobody makes."""
    pages = [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")]
    marked = {
        (page.relative_to(ROOT).as_posix(), name)
        for page in pages
        for name in re.findall(r"<!-- (.*), by tests/reference.py: begin -->", page.read_text(encoding="utf-8"))
    }
    assert marked == {(file, name) for file, tables in reference.TABLES.items() for name in tables}


def test_what_is_around_a_table_stays() -> None:
    """Only what is between the marks is written anew."""
    begin, end = reference.marks("keys")
    for made in ("first", "second"):
        assert (
            reference.put(f"above\n{begin}\nold\n{end}\nbelow\n", "keys", made) == f"above\n{begin}\n\n{made}\n\n{end}\nbelow\n"
        )


def test_every_setting_and_variable_is_in_the_table() -> None:
    """Every key is a row, with the variable that the reader knows."""
    rows = reference.keys().splitlines()[2:]
    assert [row.split(" | ")[0].strip("|` ") for row in rows] == list(_settings.KEYS)
    assert all(row.endswith(f"| `FALLBACK_ROOTS_{name.upper()}` |") for name, row in zip(_settings.KEYS, rows, strict=True))


@pytest.mark.skipif(sys.platform == "win32", reason="platformdirs asks Windows there")
def test_the_places_are_those_of_this_machine() -> None:
    """What the table says of this platform is what the command says."""
    said = output(
        "-m", "fallback_roots", "config", "path", env={"HOME": "/home/ann", "XDG_CONFIG_DIRS": "", "FALLBACK_ROOTS_LAZY": "1"}
    )
    name = "macOS" if sys.platform == "darwin" else "Linux and other Unix"
    (row,) = (line for line in reference.places().splitlines() if line.startswith(f"| {name} |"))
    site, user, _ = (cell.strip("` ").replace("~", "/home/ann") for cell in row.strip("|").split("|")[1:])
    assert f"site, not there: {site}" in " ".join(said.split())
    assert f"user, not there: {user}" in " ".join(said.split())


def test_every_argument_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The page's arguments of a command are those that its --help names."""
    sections = re.split(r"^##+ ", reference.commands(), flags=re.MULTILINE)[1:]
    for section in sections:
        name = section.partition("\n")[0]
        assert _cli.main([*name.split(), "--help"]) == 0
        listed = set(re.findall(r"(?<![\w-])--[a-z-]+", capsys.readouterr().out.partition("example:")[0]))
        table = "\n".join(line for line in section.splitlines() if line.startswith("| `"))
        assert set(re.findall(r"--[a-z-]+", table)) == listed - {"--help"}, name
    assert {section.split()[0] for section in sections} == set(_cli.COMMANDS)


def names(value: object, name: str = "") -> Iterator[str]:
    """The names in a JSON value, as the page writes them."""
    if isinstance(value, dict):
        for key, item in value.items():
            below = f"{name}.{key}" if name else key
            yield below
            yield from names(item, below)
    elif isinstance(value, list):
        for item in value:
            yield from names(item, f"{name}[]")


@pytest.mark.parametrize(("schema", "command"), [("doctor", ["doctor"]), ("config", ["config", "show"])])
def test_every_name_of_the_json_is_in_the_table(schema: str, command: list[str]) -> None:
    """What a command prints has no name that the page has not."""
    table = shown("docs/json.md", schema)
    said = json.loads(output("-m", "fallback_roots", *command, "--json", env={**NO_CAS, "FALLBACK_ROOTS_CERTIFI": "true"}))
    for name in set(names(said)):
        known = name if schema == "config" else re.sub(r"^settings\.\w+", "settings.KEY", name)
        assert f"| `{known}` |" in table, known


def test_the_audit_events_of_the_page() -> None:
    """The page of what runs when names each event that the sources raise, with its arguments, and no other."""
    page = (ROOT / "docs" / "what-runs-when.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(fallback_roots\.\w+)` \| (.*?) \|", page, re.MULTILINE))
    raised = {event.name: event.arguments for event in reference.events()}
    assert set(told) == set(raised)
    assert {name for name, arguments in told.items() if arguments == "none"} == {name for name in raised if not raised[name]}


@needs_root
@needs_namespaces
def test_the_program_that_hears_them(ca_file: Path, tmp_path: Path) -> None:
    """The page's program prints what the page says that it prints."""
    page = (ROOT / "docs" / "records.md").read_text(encoding="utf-8")
    program, printed = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)[-1] for kind in ("python", "text"))
    (tmp_path / "hear.py").write_text(program)
    command = [*without_cas(), sys.executable, str(tmp_path / "hear.py")]
    said = output(*command[1:], env={"FALLBACK_ROOTS_CAFILE": str(ca_file)}, executable=command[0])
    assert said.replace(str(ca_file), "/srv/corp.pem") == printed.strip()


def test_the_codes_of_verdict_are_those_of_the_rules() -> None:
    """The codes that the script reads are those of the docstring, and `empty` is one."""
    codes = reference.verdict_codes()
    assert "empty" in codes
    assert all(f"``{code}``" in (inspect.getdoc(_detect.Verdict) or "") for code in codes)
    assert len(set(codes)) == len(codes)


def test_every_public_name_is_in_the_table() -> None:
    """The page of the functions has all that the package exports."""
    assert re.findall(r"^\| `(\w+)", shown("docs/api.md", "functions"), re.MULTILINE) == fallback_roots.__all__
