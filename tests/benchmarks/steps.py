"""What each step of a process's first fallback costs: from `tests`, ``python -m benchmarks.steps``.

On the machine without CA certificates of `machines`, which says what is needed. The steps are done by hand, in the order of a
fallback and in a process without this package, so that each is charged with what it is the first to import. What
the package's own modules take is the rest of the same fallback by the package. Each figure is the median of the rounds.

Writes a table between the marks of ``docs/first-fallback.md``.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks import run
from benchmarks.machines import NO_CAS
from benchmarks.peers import DOCS, EAGER, LAZY, Suite, number, running, succeeded, write_between
from benchmarks.sides import SIDES

BY_HAND = """
import json, sys, time
times, last = {}, time.perf_counter()
def done(step):
    global last
    now = time.perf_counter()
    times[step], last = 1000 * (now - last), time.perf_counter()
import ssl
done("`import ssl`")
context = ssl.create_default_context()
done("a context without roots")
if "config" in sys.argv:
    import tomllib
    done("`import tomllib`, where a config file exists")
import platformdirs
platformdirs.user_config_dir()
done("`import platformdirs`, and the user's directory by it")
if "lazy" not in sys.argv:
    import certifi
    roots = certifi.contents()
    done("`import certifi`, and its contents")
    context.load_verify_locations(cadata=roots)
    done("OpenSSL parses these")
import wrapt
done("`import wrapt`")
print(json.dumps(times))
"""
WHOLE = """
import sys, time
if "without wrapt" in sys.argv:
    sys.frozen, sys.modules["wrapt"] = True, None
start = time.perf_counter()
import ssl
ssl.create_default_context()
print(1000 * (time.perf_counter() - start))
"""
OURS = "this package: the rest of the same by it"
WITHOUT = "all of it without wrapt, as in a frozen application"
WAYS = {"eager": (EAGER, []), "eager, with a config file": (EAGER, ["config"]), "lazy, its directory there": (LAZY, ["lazy"])}


def measure(suite: Suite, rounds: int) -> dict[str, dict[str, float]]:
    """The median of each step's milliseconds, by way."""
    by_hand: dict[str, dict[str, list[float]]] = {way: defaultdict(list) for way in WAYS}
    for turn in range(rounds):
        for way, (side, args) in WAYS.items():
            file = Path(suite.installed[side].python).parent.parent / "fallback-roots.toml"
            if "config" in args:
                file.write_text("certifi = true\n", encoding="utf-8")
            whole, without = (float(succeeded(suite.run(NO_CAS, side, WHOLE, *args)).out) for args in ([], ["without wrapt"]))
            file.unlink(missing_ok=True)
            steps = json.loads(succeeded(suite.run(NO_CAS, "bare", BY_HAND, *args)).out)
            rest = whole - sum(steps.values())
            for step, milliseconds in {**steps, OURS: rest, "all of it": whole, WITHOUT: without}.items():
                by_hand[way][step].append(milliseconds)
        print(f"round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
    return {way: {step: statistics.median(figures) for step, figures in steps.items()} for way, steps in by_hand.items()}


def table(medians: dict[str, dict[str, float]]) -> str:
    """The lines of the table: a row for each step, a column for each way."""
    lines = [f"| milliseconds | {' | '.join(medians)} |", f"| --- | {' | '.join('---:' for _ in medians)} |"]
    for step in medians["eager, with a config file"]:  # which has them all
        cells = [number(steps[step]) if step in steps else "" for steps in medians.values()]
        lines.append(f"| {step} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25, help="how often to measure each figure (default: 25)")
    rounds = parser.parse_args().rounds
    sides = [side for side in SIDES if side.name in ("bare", EAGER, LAZY)]
    with tempfile.TemporaryDirectory() as name, running(Path(name), sides) as suite:
        suite.probe()
        measured = f"{run.machine()}\n- {rounds} rounds\n\n{table(measure(suite, rounds))}"
    print(measured)
    write_between(DOCS / "first-fallback.md", measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
