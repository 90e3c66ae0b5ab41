"""The benchmark measures what it says, and fails for what it should; its figures are nobody's business here."""

import sys
from pathlib import Path

import pytest
from benchmarks import run
from support import ROOT, output

TABLE = [
    ("`python -c pass`", "ours / comment", "1.03"),
    ("`python -c pass`", "ours / bare", "1.07"),
    ("`python -c pass`", "comment / bare", ""),
    ("`import ssl`", "ours / bare", "1.05"),
    ("`import ssl`", "ours / comment", ""),
    ("`import asyncio`", "ours / bare", "1.03"),
    ("`import asyncio`", "ours / comment", ""),
    ("a process with one healthy context", "ours / bare", "1.05"),
    ("2nd and later healthy context", "ours / bare", "1.02"),
    ("a process with one context, healthy by a directory", "ours / bare", ""),
    ("2nd and later context, healthy by a directory", "ours / bare", ""),
    ("a process with one fallback context", "ours / bare", ""),
    ("2nd and later fallback context", "ours / bare", "1.05"),
    ("peak memory of `import ssl`", "ours / bare", "1.03"),
]


def row(ratio: float, low: float, limit: float | None = 1.05) -> run.Row:
    """A row of which nothing but these matters."""
    return run.Row("", "ms", run.Comparison("ours", "bare", limit), 1, ratio, ratio, low, 2)


def test_one_command_prints_every_row() -> None:
    """One command, run by one pair, prints the machine and a table with every row and its limit."""
    machine, _, table = output(ROOT / "tests" / "benchmarks" / "run.py", "--pairs", "1").partition("\n\n")
    assert f" {sys.version.split()[0]}, OpenSSL " in machine
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert [(what, sides, limit) for what, sides, _, _, _, limit, _ in cells] == TABLE


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (row(1.05, 1.04), "ok"),
        (row(1.06, 1.05), "noise"),
        (row(1.07, 1.06), "over"),
        (row(9.0, 9.0, None), ""),
    ],
)
def test_noise_is_not_over(given: run.Row, verdict: str) -> None:
    """A row is over its limit if the lower end of its interval is."""
    assert given.verdict == verdict
    assert str(given).endswith(f" | {verdict} |")


@pytest.mark.parametrize(("option", "given", "status"), [("--check", 9.0, 1), ("--check", 1.0, 0), ("--pairs=1", 9.0, 0)])
def test_check_fails_for_a_row_that_is_over(
    option: str, given: float, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --check one row over its limit is a failure, whatever the rows before and after it say."""
    found = iter([row(1.0, 1.0), row(given, given)])
    monkeypatch.setattr(run, "make_venvs", lambda _: {})
    monkeypatch.setattr(run, "make_worlds", lambda _: {})
    monkeypatch.setattr(run, "rows", lambda *_: [next(found, row(1.0, 1.0))])
    monkeypatch.setattr(sys, "argv", ["run.py", option])
    assert run.main() == status
    assert capsys.readouterr().out.count("ours / bare") == len(run.MEASUREMENTS)


def test_the_ratio_is_the_median_of_the_pairs_ratios() -> None:
    """One pair in a bad moment of the machine moves the medians of both sides, but not the ratio."""
    pairs = [{"bare": 1.0, "ours": 3.0}, {"bare": 2.0, "ours": 2.0}, {"bare": 3.0, "ours": 3.3}]
    found = run.compare("", "ms", run.Comparison("ours", "bare"), pairs)
    assert (found.base, found.figure, found.ratio) == pytest.approx((2, 3, 1.1))


def test_a_slower_machine_is_no_noise() -> None:
    """A machine that becomes slower from pair to pair widens no interval."""
    pairs = [{"bare": 10.0 * n, "ours": 11.0 * n} for n in range(1, 26)]
    found = run.compare("", "ms", run.Comparison("ours", "bare"), pairs)
    assert (found.ratio, found.low, found.high) == pytest.approx((1.1, 1.1, 1.1))


def test_the_interval_holds_the_median() -> None:
    """Ratios that scatter give an interval around their median that is narrower than they are."""
    found = run.compare("", "ms", run.Comparison("ours", "bare"), [{"bare": 100.0, "ours": 100.0 + n} for n in range(25)])
    assert found.ratio == 1.12
    assert 1.0 < found.low < found.ratio < found.high < 1.24


def test_the_order_changes_from_pair_to_pair() -> None:
    """Each side is measured first as often as the others, all in one world, and the pair for warming up does not count."""
    orders = []

    def measure(commands: run.Commands, world: run.World) -> run.Figures:
        assert world.roots == 7
        orders.append(tuple(commands))
        return dict.fromkeys(commands, 1000.0 if len(orders) == 1 else len(orders))

    comparisons = (run.Comparison("ours", "bare"), run.Comparison("ours", "comment"))
    measurement = run.Measurement("it", "pass", comparisons, measure)
    venvs = {side: Path(side) for side in ("bare", "comment", "ours")}
    found = run.rows(measurement, 5, venvs, {"bundle": run.World({}, 7)})
    assert len(set(orders)) == len(orders) == 6
    assert [(row.comparison, row.base, row.figure) for row in found] == [(comparison, 4, 4) for comparison in comparisons]


def test_a_side_that_does_other_work_is_no_figure() -> None:
    """A context with other roots than the world's ends the run: its speed would be that of something else."""
    worker = run.WORKER.format(make="make = lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)")
    with pytest.raises(SystemExit, match="bare: 0 roots in a context that should have 3"):
        run.context_times({"bare": [sys.executable, "-c", worker]}, run.World(run.environment({}), 3))


def test_the_peak_is_not_that_of_the_process_that_asks() -> None:
    """A process's peak memory is its own, though it was forked by a larger one."""
    ballast = b"\x01" * 2**26
    world = run.World(run.environment({}), 0)
    assert run.peaks({"bare": [sys.executable, "-I", "-c", "pass"]}, world)["bare"] < len(ballast) / 2**20


def test_the_venvs_differ_in_nothing_else(tmp_path: Path) -> None:
    """One venv has neither us nor a start-up file, one has a comment for it, one has us; all have compiled bytecode."""
    sites = {side: python.parent.parent for side, python in run.make_venvs(tmp_path).items()}
    found = {side: [path.read_text(encoding="utf-8") for path in site.rglob("*.pth")] for side, site in sites.items()}
    assert found == {"bare": [], "comment": ["# nothing\n"], "ours": ["import fallback_roots.auto\n"]}
    for side, site in sites.items():
        modules = {path for path in site.rglob("*.py") if "__pycache__" not in path.parts}
        packages = {path.parent.name for path in modules if path.name == "__init__.py"}
        assert packages >= {"certifi", "platformdirs", "wrapt"}
        assert ("fallback_roots" in packages) == (side == "ours")
        assert {path.stem for path in modules} == {path.with_suffix("").stem for path in site.rglob("*.pyc")}
