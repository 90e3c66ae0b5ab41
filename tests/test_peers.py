"""The comparison with what else a user could install measures what it says, and the docs show what was measured."""

import sys
from pathlib import Path

import pytest
from benchmarks import machines, peers, run, sides
from conftest import needs_root
from support import ROOT

DOCS = ROOT / "docs"
PROGRAM = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"


def a_run() -> peers.Found:
    """What three rounds have found: all takes 100, and the second round was on a slower machine."""
    samples = {
        (machine, side.name, column.name): {0: 100.0, 1: 200.0, 2: 100.0}
        for machine in (machines.HEALTHY, machines.NO_CAS)
        for side in sides.SIDES
        for column in peers.COLUMNS
    }
    refusals = dict.fromkeys(((machine, side) for machine, side, _ in samples), "")
    return peers.Found("- about it", tuple(side.name for side in sides.SIDES), refusals, samples)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split(" | ")]


@needs_root
@pytest.mark.skipif(sys.platform != "linux", reason="mount namespaces are Linux's")
def test_one_machine_is_healthy_and_one_has_nothing(ca_file: Path) -> None:
    """Processes of the healthy machine find its bundle, those of the other none, and this one keeps what it has."""
    before = sorted(Path("/etc/ssl/certs").iterdir())
    for bundle, found in ((ca_file, "1\n"), (None, "0\n")):
        machine = machines.Machine(bundle)
        try:
            result = machine.run([sys.executable, "-I", "-c", PROGRAM], run.environment({"FALLBACK_ROOTS_DISABLE": "1"}))
            failed = machine.run([sys.executable, "-I", "-c", "import sys; sys.exit('no')"], run.environment({}))
        finally:
            machine.close()
        assert (result.status, result.out, result.err) == (0, found, "")
        assert (failed.status, failed.out, failed.err) == (1, "", "no\n")
        assert result.ms > 0
        assert result.peak > 5  # MiB, of an interpreter with ssl
    assert sorted(Path("/etc/ssl/certs").iterdir()) == before


def test_no_namespace_no_figures(monkeypatch: pytest.MonkeyPatch, ca_file: Path) -> None:
    """Where no namespace can be made nothing is measured, and what is needed is said."""
    monkeypatch.setattr(machines, "EMPTY", "exit 1")
    machine = machines.Machine(ca_file)
    with pytest.raises(SystemExit, match="root or user namespaces"):
        machine.run([sys.executable, "-c", ""], {})


def test_ratios_are_of_one_round() -> None:
    """A round in a bad moment of the machine moves no ratio: both sides had it."""
    found = a_run()
    found.samples[machines.NO_CAS, "wassima", "`import ssl`"] = {0: 150.0, 1: 300.0, 2: 150.0}
    ratio = peers.ratio(found.samples, (machines.NO_CAS, "wassima", "`import ssl`"), (machines.NO_CAS, "bare", "`import ssl`"))
    assert ratio == (150, 1.5, 1.5, 1.5)


def test_a_side_that_verifies_nothing_has_no_figures_of_requests() -> None:
    """The table says so, and of the bare interpreter's requests the healthy machine's are what the others are compared with."""
    found = a_run()
    request = "HTTPS request"
    for side in ("bare", "truststore"):
        del found.samples[machines.NO_CAS, side, request]
        found.refusals[machines.NO_CAS, side] = "refused"
    found.samples[machines.HEALTHY, "bare", request] = {0: 50.0, 1: 100.0, 2: 50.0}
    header, _, *rows = peers.table(found, machines.NO_CAS)
    at = cells(header).index(request)
    shown = {row[0]: (row[1], row[at]) for row in map(cells, rows)}
    assert shown["bare"] == shown["truststore"] == ("no", "")
    assert shown["wassima"] == ("yes", "2.00 (2.00–2.00)")  # noqa: RUF001  # typography
    assert "- truststore, no CAs: `refused`" in peers.page(found)
    assert "wassima, no CAs" not in peers.page(found)


@pytest.mark.parametrize(("times", "verdict"), [(0.74, "reached"), (0.76, "missed")])
def test_a_goal_is_reached_or_missed(times: float, verdict: str) -> None:
    """By the ratio of what was measured, and nothing else."""
    found = a_run()
    goal = peers.GOALS[-1]
    found.samples[goal.cell] = {turn: times * figure for turn, figure in found.samples[goal.base].items()}
    row = cells(list(peers.goals(found.samples))[-1])
    assert (row[0], row[4], row[5].strip(" |")) == (goal.what, "0.75", verdict)


def test_what_is_written_can_be_read_again() -> None:
    """The JSON has everything that the page is made of."""
    found = a_run()
    found.refusals[machines.NO_CAS, "bare"] = "refused"
    assert peers.from_json(peers.as_json(found)) == found


def test_a_page_is_written_between_its_marks(tmp_path: Path) -> None:
    """What stands around the marks stays, and what was measured before does not."""
    path = tmp_path / "page.md"
    path.write_text(f"above\n{peers.BEGIN}\nold\n{peers.END}\nbelow\n")
    for measured in ("first", "second"):
        peers.write_between(path, measured)
        assert path.read_text() == f"above\n{peers.BEGIN}\n\n{measured}\n\n{peers.END}\nbelow\n"


def test_a_failed_process_is_no_figure() -> None:
    """Its speed would be that of something else."""
    with pytest.raises(SystemExit, match="failed: Boom"):
        peers.succeeded(machines.Result(1, 1, 1, "", "Traceback\nBoom\n"))


def test_the_docs_show_the_samples() -> None:
    """The tables in the docs are those of the samples beside them, and have every side and every column."""
    found = peers.from_json((DOCS / "peers.json").read_text(encoding="utf-8"))
    assert found.sides == tuple(side.name for side in sides.SIDES)
    assert {column for _, _, column in found.samples} == {column.name for column in peers.COLUMNS}
    page = (DOCS / "peers.md").read_text(encoding="utf-8")
    assert f"{peers.BEGIN}\n\n{peers.page(found)}\n\n{peers.END}" in page
