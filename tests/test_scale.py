"""What grows with threads, contexts and processes is measured by programs that do what they say, and the docs show it."""

import json
import subprocess
import sys
from collections import defaultdict

import pytest
from benchmarks import peers, run, scale
from support import ROOT

DOCS = ROOT / "docs"
THREADS, CONTEXTS, PROCESSES = scale.GROWTHS
BUNDLE, EMPTY, EAGER, LAZY, COLD = scale.LINES


def samples() -> scale.Samples:
    """What two rounds have found: a line takes ten times its place in the list, the lazy one the same as the empty one."""
    found: scale.Samples = defaultdict(list)
    for growth in scale.GROWTHS:
        for place, line in enumerate(scale.LINES):
            for size in growth.sizes:
                if not line.cold or growth is PROCESSES:
                    found[growth, line, size] = [10.0 * place] * (1 if growth.once else 2)
    for size in CONTEXTS.sizes:
        found[CONTEXTS, LAZY, size] = list(found[CONTEXTS, EMPTY, size])
    return found


@pytest.mark.parametrize("growth", scale.GROWTHS, ids=lambda growth: growth.by)
def test_a_program_prints_one_figure(growth: scale.Growth) -> None:
    """And more than nothing."""
    program = [sys.executable, "-c", growth.program, "2"]
    printed = subprocess.run(program, env=run.environment({}), check=True, capture_output=True, text=True).stdout
    assert float(printed) >= 0
    assert growth is CONTEXTS or float(printed) > 0


def test_a_failed_process_is_no_figure() -> None:
    """The time of processes that fail is that of something else."""
    broken = scale.PROCESSES.replace("import ssl; ssl.create_default_context()", "raise SystemExit(3)")
    assert broken != scale.PROCESSES
    assert subprocess.run([sys.executable, "-c", broken, "2"], env=run.environment({}), stderr=-3, check=False).returncode == 1


@pytest.mark.parametrize(("times", "verdict"), [(1.0, "reached"), (1.09, "reached"), (1.11, "missed")])
def test_the_goal_is_of_a_thousand_contexts(times: float, verdict: str) -> None:
    """And of the medians of all rounds."""
    found = samples()
    found[CONTEXTS, LAZY, 1000] = [10.0 * times, 0.0, 1000.0]
    assert f"take {times:.2f} times what 1,000 without roots do (goal: at most 1.1, {verdict})" in scale.page("about", found)


def test_a_line_that_was_not_measured_has_no_row() -> None:
    """A directory that is made anew is a matter of new processes alone."""
    for growth in scale.GROWTHS:
        header, _, *rows = scale.table(samples(), growth)
        assert header.count("|") == 2 + len(growth.sizes)
        assert [row.split(" | ")[0].strip("| ") for row in rows] == [
            line.name for line in scale.LINES if not line.cold or growth is PROCESSES
        ]


def test_what_is_written_can_be_read_again() -> None:
    """The JSON has everything that the page is made of, and the programs."""
    text = scale.as_json("- about it", samples())
    assert scale.from_json(text) == ("- about it", samples())
    assert set(json.loads(text)["programs"].values()) == {growth.program for growth in scale.GROWTHS}


def test_the_docs_show_the_samples() -> None:
    """The tables in the docs are those of the samples beside them, and have everything."""
    about, found = scale.from_json((DOCS / "scale.json").read_text(encoding="utf-8"))
    assert found.keys() == samples().keys()
    page = (DOCS / "scale.md").read_text(encoding="utf-8")
    assert f"{peers.BEGIN}\n\n{scale.page(about, found)}\n\n{peers.END}" in page
