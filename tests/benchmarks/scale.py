"""How costs grow with threads, contexts and processes: from `tests`, ``python -m benchmarks.scale``.

On the machines of `machines`, and in one run, as `peers`, which says what is needed: contexts made in a second by one process's
threads; the memory that a process's live contexts take beyond what it has with the first; the time that many processes with a
context each take, eight at a time, once: they are many. Each other figure is the median of the rounds.

Writes a table between the marks of ``docs/scale.md``, all samples to ``docs/scale.json``, and a plot to ``docs/scale.svg``.
"""

import argparse
import json
import random
import shutil
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import run
from benchmarks.machines import HEALTHY, NO_CAS
from benchmarks.peers import DOCS, EAGER, LAZY, Suite, number, running, succeeded, verdict, write_between
from benchmarks.sides import SIDES

THREADS = """
import ssl, sys, threading, time
ssl.create_default_context()
counts, end = [], time.perf_counter() + 1
def make():
    made = 0
    while time.perf_counter() < end:
        ssl.create_default_context()
        made += 1
    counts.append(made)
threads = [threading.Thread(target=make) for _ in range(int(sys.argv[1]))]
start = time.perf_counter()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sum(counts) / (time.perf_counter() - start))
"""
CONTEXTS = """
import os, ssl, sys
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
contexts = [ssl.create_default_context()]
first = resident()
while len(contexts) <= int(sys.argv[1]):
    contexts.append(ssl.create_default_context())
print(resident() - first)
"""
PROCESSES = """
import subprocess, sys, time
program, running = [sys.executable, "-c", "import ssl; ssl.create_default_context()"], []
start = time.perf_counter()
for _ in range(int(sys.argv[1])):
    if len(running) == 8:
        running.pop(0).wait()
    running.append(subprocess.Popen(program))
assert not any(process.wait() for process in running)
print(time.perf_counter() - start)
"""


class Growth(NamedTuple):
    """What `program` prints, at each of `sizes`, its one argument. `once`: in the first round alone."""

    what: str
    by: str
    program: str
    sizes: tuple[int, ...]
    once: bool = False


GROWTHS = (
    Growth("contexts made in a second", "threads", THREADS, (1, 2, 8)),
    Growth("MiB that live contexts take", "contexts", CONTEXTS, (10, 100, 1000)),
    Growth("seconds for all processes", "processes", PROCESSES, (50, 200, 500), once=True),
)


class Line(NamedTuple):
    """A side on a machine; `cold`: what a lazy one has made is removed before each measurement."""

    name: str
    machine: str
    side: str
    cold: bool = False


LINES = (
    Line("a bundle, without us", HEALTHY, "bare"),
    Line("no roots, without us", NO_CAS, "bare"),
    Line("eager fallback", NO_CAS, EAGER),
    Line("lazy fallback", NO_CAS, LAZY),
    Line("lazy fallback, nothing made before", NO_CAS, LAZY, cold=True),
)

Samples = dict[tuple[Growth, Line, int], list[float]]


def measure(suite: Suite, rounds: int) -> Samples:
    """Each figure once in each round, in an order of its own."""
    samples: Samples = defaultdict(list)
    draw = random.Random(0)  # noqa: S311  # no secret
    todo = [(growth, line, size) for growth in GROWTHS for line in LINES for size in growth.sizes]
    for turn in range(rounds):
        for growth, line, size in draw.sample(todo, len(todo)):
            if (growth.once and turn) or (line.cold and growth.by != "processes"):
                continue
            if line.cold:
                shutil.rmtree(suite.installed[line.side].env["FALLBACK_ROOTS_CACHE"], ignore_errors=True)
            found = succeeded(suite.run(line.machine, line.side, growth.program, str(size)))
            samples[growth, line, size].append(float(found.out))
        print(f"round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
    return samples


Points = list[tuple[int, float]]


def medians(samples: Samples, growth: Growth) -> Iterator[tuple[str, Points]]:
    """For each line its sizes and the median at each."""
    for line in LINES:
        measured = [(size, samples.get((growth, line, size))) for size in growth.sizes]
        points = [(size, statistics.median(found)) for size, found in measured if found]
        if points:
            yield line.name, points


def table(samples: Samples, growth: Growth) -> Iterator[str]:
    """The lines of the table of one thing that grows."""
    yield f"| {growth.what} | {' | '.join(f'{size:,} {growth.by}'.removesuffix('s' * (size == 1)) for size in growth.sizes)} |"
    yield f"| --- | {' | '.join('---:' for _ in growth.sizes)} |"
    for name, points in medians(samples, growth):
        yield f"| {name} | {' | '.join(number(median) for _, median in points)} |"


def page(about: str, samples: Samples) -> str:
    """What stands between the marks."""
    lazy, empty = (statistics.median(samples[GROWTHS[1], line, 1000]) for line in (LINES[3], LINES[1]))
    ratio = lazy / empty
    goal = (
        f"1,000 lazy contexts take {ratio:.2f} times what 1,000 without roots do (goal: at most 1.1, {verdict(ratio <= 1.1)})."
    )
    return "\n\n".join([about, *("\n".join(table(samples, growth)) for growth in GROWTHS), goal])


def as_json(about: str, samples: Samples) -> str:
    """All samples, with what they are."""
    figures = [[growth.by, line.name, size, found] for (growth, line, size), found in samples.items()]
    programs = {growth.what: growth.program for growth in GROWTHS}
    content = {"about": about.splitlines(), "programs": programs, "samples": figures}
    return json.dumps(content, separators=(",", ":")).replace("],[", "],\n[") + "\n"


def from_json(text: str) -> tuple[str, Samples]:
    """What `as_json` has written."""
    content = json.loads(text)
    growths, lines = {growth.by: growth for growth in GROWTHS}, {line.name: line for line in LINES}
    samples = {(growths[by], lines[name], size): found for by, name, size, found in content["samples"]}
    return "\n".join(content["about"]), samples


def main() -> int:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often to measure each figure (default: 3)")
    rounds = parser.parse_args().rounds
    sides = [side for side in SIDES if any(side.name == line.side for line in LINES)]
    with tempfile.TemporaryDirectory() as name, running(Path(name), sides) as suite:
        suite.probe()
        samples = measure(suite, rounds)
    about = f"{run.machine()}\n- {rounds} rounds"
    print(page(about, samples))

    from benchmarks import plot

    write_between(DOCS / "scale.md", page(about, samples))
    (DOCS / "scale.json").write_text(as_json(about, samples), encoding="utf-8")
    plot.scale({growth: dict(medians(samples, growth)) for growth in GROWTHS}, DOCS / "scale.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
