"""What is said of Windows is what was found by Wine, and nothing that is not as it should be is overlooked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme
from benchmarks import peers
from compatibility import windows
from compatibility.windows import CASES, Case, Computer, Found, Known, answer

KNOWN = Known("ca", ("root", "other root", "odd root"))
REFUSED = "unable to get local issuer certificate"
BY_NAME = {case.what: case for case in CASES}
# What the page promises to tell of.
LIST = (
    "a healthy store",
    "one root in the store",
    "the stores empty, no variable",
    "healthy, and `SSL_CERT_FILE` names a missing file",
    "empty, and `SSL_CERT_FILE` names a missing file",
    "`SSL_CERT_DIR` names a hashed directory",
    "`FALLBACK_ROOTS_DISABLE=1`",
    "`FALLBACK_ROOTS_CAFILE` names a bundle",
    "`lazy` with a cache",
    "the user's",
    "the site's",
    "the user's file is not TOML",
    "the same, and `FALLBACK_ROOTS_CONFIG=NUL`",
    "`python -W error -c pass`",
    "`fallback-roots.exe",
    "`doctor`",
    "`config path`",
    "`cache build`",
    "`demo`",
)
# What is in the context and in the stores, and which case that is right for.
RIGHT: dict[str, tuple[list[str], list[str], bool, str]] = {
    windows.UNTOUCHED: (["ca", "another"], ["ca", "another", "third"], True, "watching"),
    windows.CERTIFIS: (["root", "other root"], [], False, "patched"),
    windows.THE_CAS: (["ca"], [], True, "patched"),
    windows.LAZY: ([], [], True, "patched"),
    windows.OPENSSLS: ([], [], True, "watching"),
    windows.LEFT_ALONE: ([], [], False, "watching"),
}


def the_case(expected: str) -> Case:
    """The first program that is to come to this."""
    return next(case for case in CASES if case.expected == expected)


def found_by(expected: str, err: str = "", status: int = 0, **changed: Any) -> Found:
    """What is found where a program comes to `expected`, but for what is changed."""
    held, store, takes, state = RIGHT[expected]
    facts = {
        "first": True,
        "number": {windows.UNTOUCHED: 3, windows.CERTIFIS: 3}.get(expected, len(held)),  # of some OpenSSL tells no more
        "held": held,
        "store": store,
        "servers": {"known": "verified" if takes else REFUSED, "stranger": REFUSED},
        "imports": [] if windows.NOTHING in expected else ["wrapt"],
        "state": state,
    }
    return Found(the_case(expected).what, status, {**facts, **changed}, "", err)


@pytest.mark.parametrize("expected", RIGHT)
def test_all_as_it_should_be(expected: str) -> None:
    """Nothing is said of a process in which nothing is wrong."""
    assert list(windows.mismatches([found_by(expected)], KNOWN)) == []


WRONG: dict[str, tuple[str, Mapping[str, Any], str]] = {
    "a root more than the store has": (windows.UNTOUCHED, {"number": 4}, "roots: 4 others"),
    "a root that the store does not have": (windows.UNTOUCHED, {"held": ["root"]}, "roots: 3 others"),
    "none of the store's": (windows.UNTOUCHED, {"number": 0, "held": []}, "none, though the store has some"),
    "the stranger's server": (
        windows.UNTOUCHED,
        {"servers": {"known": "verified", "stranger": "verified"}},
        "verifies a stranger's",
    ),
    "the stranger's server alone": (
        windows.UNTOUCHED,
        {"servers": {"known": REFUSED, "stranger": "verified"}},
        "verifies a stranger's",
    ),
    "no server": (windows.UNTOUCHED, {"servers": {"known": REFUSED, "stranger": REFUSED}}, windows.REFUSES),
    "an import": (windows.UNTOUCHED, {"imports": ["certifi"]}, windows.FALLBACKS),
    "another state": (windows.UNTOUCHED, {"state": "armed"}, "armed"),
    "output": (windows.UNTOUCHED, {"err": "Warning"}, "says 'Warning'"),
    "an exit status": (windows.UNTOUCHED, {"status": 1, "err": "a traceback"}, "exit status 1; says 'a traceback'"),
    "ssl before the program": (windows.UNTOUCHED, {"first": False}, "something has imported ssl"),
    "no fallback": (windows.CERTIFIS, {"number": 0, "held": []}, "none in memory"),
    "a part of the fallback": (windows.CERTIFIS, {"number": 2}, "2 others"),
    "somebody else's root": (windows.THE_CAS, {"held": ["stranger"]}, "1 others"),
    "stores that are not empty": (windows.THE_CAS, {"store": ["ca"]}, "the store's"),
    "a store with another root": (windows.THE_CAS, {"store": ["another"]}, "1 others"),
    "somebody else's roots": (windows.CERTIFIS, {"held": ["stranger", "root"]}, "3 others"),
    "a store beside certifi's roots": (windows.CERTIFIS, {"store": ["another"]}, "3 others"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_fact_that_differs_is_found(name: str) -> None:
    """Whatever is changed in one process is named, with its case."""
    expected, changed, said = WRONG[name]
    (problem,) = windows.mismatches([found_by(expected, **changed)], KNOWN)
    assert problem.startswith(f"{the_case(expected).what}: ")
    assert said in problem.partition(" (expected ")[0]
    assert problem.endswith(f" (expected {expected})") or not changed.get("first", True)


NAMES_IT = f"fallback-roots: no roots loaded; {windows.USERS_FILE}: is not TOML"
ERRORS = {
    "one that names it": (NAMES_IT, True),
    "one that names another": (NAMES_IT.replace("Jörg", "Karl"), False),
    "one, and a traceback": (f"{NAMES_IT}\nTraceback", False),
    "somebody else's": (f"DeprecationWarning: {NAMES_IT}", False),
    "nothing": ("", False),
}


@pytest.mark.parametrize("name", ERRORS)
def test_a_warning(name: str) -> None:
    """It is one line, ours, and has what it is to name."""
    err, is_right = ERRORS[name]
    case = BY_NAME["the user's file is not TOML"]
    found = found_by(windows.LEFT_ALONE, err, imports=["platformdirs"])._replace(what=case.what)
    assert (answer(case, found, KNOWN) == case.expected) is is_right


SHOWN = f"Written: {windows.USERS_FILE}\n  cafile = {windows.CAS}\\ca.pem\n"
OUTPUTS = {
    "all": (SHOWN, "", 0, True),
    "in lines": (SHOWN.replace("Jörg Müller", "Jörg\n    Müller"), "", 0, True),
    "not all": (SHOWN.replace("ca.pem", "bundle.pem"), "", 0, False),
    "all, and an error": (SHOWN, "Traceback", 0, False),
    "another exit status": (SHOWN, "", 1, False),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_command(name: str) -> None:
    """It ends as it should, shows all that it should, wherever lines end, and no error."""
    out, err, status, is_right = OUTPUTS[name]
    (case,) = (case for case in CASES if "init" in case.command)
    found = Found(case.what, status, None, out, err)
    assert (answer(case, found, KNOWN) == case.expected) is is_right


def test_a_start_that_prints() -> None:
    """A command that is to show nothing shows nothing."""
    case = BY_NAME["`python -W error -c pass`"]
    assert answer(case, Found(case.what, 0, None, "", ""), KNOWN) == case.expected
    assert answer(case, Found(case.what, 0, None, "hello\n", ""), KNOWN) != case.expected


def test_where_windows_files_are(tmp_path: Path) -> None:
    """Drive C is a directory of the prefix."""
    computer = Computer(tmp_path, {})
    assert computer.path(windows.USERS_FILE) == tmp_path.joinpath(
        "prefix", "drive_c", "users", "Jörg Müller", "AppData", "Local", "fallback-roots", "config.toml"
    )


def test_certificates_are_told_alike(tmp_path: Path) -> None:
    """A bundle's are told by their DER, whatever is around them."""
    first, second = trustme.CA(), trustme.CA()
    (tmp_path / "bundle").write_bytes(b"# one\n" + first.cert_pem.bytes() + b"# two\n" + second.cert_pem.bytes())
    for number, ca in enumerate((first, second)):
        ca.cert_pem.write_to_path(str(tmp_path / "one"))
        assert windows.digests(tmp_path / "one") == windows.digests(tmp_path / "bundle")[number : number + 1]


def test_each_case_has_its_name() -> None:
    """By which what was found is told apart; a command is not to be asked for what only a program tells, nor the other way."""
    assert len(BY_NAME) == len(CASES)
    assert all(bool(case.command) == case.expected.startswith("exit status") for case in CASES)
    assert all(isinstance(case.said, tuple) and isinstance(case.shows, tuple) for case in CASES)
    assert all((windows.A_WARNING in case.expected) == bool(case.said) for case in CASES)


def test_what_is_written_can_be_read_again() -> None:
    """The JSON has everything that the page is made of."""
    written = [found_by(windows.UNTOUCHED), Found(CASES[-1].what, 1, None, "out", "Jörg")]
    assert windows.from_json(windows.as_json("- about\n- it", KNOWN, written)) == ("- about\n- it", KNOWN, written)


def test_what_a_row_says() -> None:
    """What was expected, and that it came so; else what has come."""
    right, wrong = found_by(windows.UNTOUCHED), found_by(windows.UNTOUCHED, state="armed")
    first, second = windows.page("- about", KNOWN, [right, wrong]).splitlines()[-2:]
    assert first == f"| {right.what} | {windows.UNTOUCHED} | the same |"
    assert second == f"| {right.what} | {windows.UNTOUCHED} | **{windows.UNTOUCHED.replace('watching', 'armed')}** |"


def test_the_docs_show_what_was_found() -> None:
    """The page is made of the JSON beside it, which has every case, and nothing that is not as expected."""
    about, known, all_found = windows.from_json((windows.DOCS / "windows.json").read_text(encoding="utf-8"))
    page = (windows.DOCS / "windows.md").read_text(encoding="utf-8")
    assert f"{peers.BEGIN}\n\n{windows.page(about, known, all_found)}\n\n{peers.END}" in page
    assert [found.what for found in all_found] == [case.what for case in CASES]
    assert list(windows.mismatches(all_found, known)) == []
    for name in LIST:
        assert any(case.what.startswith(name) for case in CASES), name
