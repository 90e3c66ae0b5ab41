"""What the package costs, as ratios to the same interpreter without it: ``python tests/benchmarks/run.py [--check]``.

Run it with an interpreter, on Linux or macOS, that has this project's ``test`` extra. It builds the wheel and makes three
venvs from the interpreter that its own is based on:

- ``bare``: the run-time dependencies, not us;
- ``comment``: that, and a ``.pth`` file of one comment line, for which site imports a codec;
- ``ours``: that of ``bare``, and the wheel.

All bytecode is compiled beforehand, and none is written. The sides of a row are measured one right after the other, in an
order that changes from pair to pair, so that a machine that becomes slower does so for all of them. The ratio is the median
of the pairs' ratios, and the interval a bootstrap of that median. Rows of processes start a new process for each figure. Rows
of a 2nd and later context start one process a side for each pair, and these make contexts in turns; a side's figure is the
median of its contexts. A machine is healthy by a bundle of certifi's roots or, where a row says so, by a hashed directory of
them. A fallback is compared with the same by hand: ``load_verify_locations(cadata=certifi.contents())``. `peers` measures
lazy ones.

With ``--check`` the exit status is 1 if a row is over its limit beyond noise: with the lower end of its interval.
"""

import argparse
import contextlib
import datetime
import importlib.metadata
import itertools
import os
import platform
import random
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import certifi

ROOT = Path(__file__).parent.parent.parent
DEPENDENCIES = ("certifi", "platformdirs", "wrapt", *(["tomli"] if sys.version_info < (3, 11) else []))
NOWHERE = "/nonexistent/fallback-roots"
CONTEXTS = 8  # that a side makes for one pair of a 2nd and later context
RESAMPLES = 2000

CONTEXT = "import ssl; ssl.create_default_context()"
CONTEXT_BY_HAND = "import ssl, certifi; ssl.create_default_context().load_verify_locations(cadata=certifi.contents())"

# Makes a context for each line that it reads, and answers with the seconds and the number of roots in it.
WORKER = """
import ssl, sys, time
{make}
make()
for line in sys.stdin:
    start = time.perf_counter()
    context = make()
    print(time.perf_counter() - start, context.cert_store_stats()["x509"], flush=True)
    del context
"""
LATER = WORKER.format(make="make = ssl.create_default_context")
LATER_BY_HAND = WORKER.format(
    make="""
import certifi
def make():
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=certifi.contents())
    return context
"""
)

# A process's peak is never below what its parent's was before the exec. So this, smaller than all that is measured, stands
# between it and us.
PEAK = """
import os, sys
_, status, usage = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
print(usage.ru_maxrss)
sys.exit(status != 0)
"""

Commands = dict[str, list[str]]  # by side, in the order in which to measure
Figures = dict[str, float]  # by side


class World(NamedTuple):
    """The machine that a process finds itself on: its variables, and the `roots` that a context holds on each side."""

    env: dict[str, str]
    roots: int


def process_times(commands: Commands, world: World) -> Figures:
    """The milliseconds from before the start of each process until after its end."""
    quiet = subprocess.DEVNULL
    figures = {}
    for side, command in commands.items():
        start = time.perf_counter()
        subprocess.run(command, env=world.env, stdin=quiet, stdout=quiet, stderr=quiet, check=True, close_fds=False)
        figures[side] = 1000 * (time.perf_counter() - start)
    return figures


def peaks(commands: Commands, world: World) -> Figures:
    """The peak resident memory of each process in MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    figures = {}
    for side, command in commands.items():
        figures[side] = int(run([command[0], "-I", "-S", "-c", PEAK, *command], world.env)) / unit
    return figures


def context_times(commands: Commands, world: World) -> Figures:
    """The median of the milliseconds of the contexts that each process makes, all in turns."""
    pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
    times: dict[str, list[float]] = {side: [] for side in commands}
    with contextlib.ExitStack() as stack:
        workers = {
            side: stack.enter_context(
                subprocess.Popen(command, env=world.env, text=True, stdin=pipe, stdout=pipe, stderr=quiet)
            )
            for side, command in commands.items()
        }
        for turn in range(CONTEXTS + 1):
            for side in sorted(workers, reverse=bool(turn % 2)):
                stdin, stdout = workers[side].stdin, workers[side].stdout
                assert stdin is not None
                assert stdout is not None
                print(file=stdin, flush=True)
                seconds, roots = stdout.readline().split()
                if int(roots) != world.roots:
                    sys.exit(f"{side}: {roots} roots in a context that should have {world.roots}")
                if turn:  # the first was for warming up
                    times[side].append(1000 * float(seconds))
    return {side: statistics.median(times[side]) for side in times}


class Comparison(NamedTuple):
    """Two sides, and the most that the ratio of `side` to `base` may be; None: for information."""

    side: str
    base: str
    limit: float | None = None


class Measurement(NamedTuple):
    """One thing to measure: `program` is what each side runs in `world`, `measure` gives the figures of one pair."""

    what: str
    program: str
    comparisons: tuple[Comparison, ...]
    measure: Callable[[Commands, World], Figures] = process_times
    world: str = "bundle"
    by_hand: str | None = None  # what the side without us runs instead


def ours(limit: float | None) -> tuple[Comparison, ...]:
    """As most rows compare."""
    return (Comparison("ours", "bare", limit),)


MEASUREMENTS = (
    Measurement(
        "`python -c pass`",
        "pass",
        (Comparison("ours", "comment", 1.03), Comparison("ours", "bare", 1.07), Comparison("comment", "bare")),
    ),
    Measurement("`import ssl`", "import ssl", (*ours(1.05), Comparison("ours", "comment"))),
    Measurement("`import asyncio`", "import asyncio", (*ours(1.03), Comparison("ours", "comment"))),
    Measurement("a process with one healthy context", CONTEXT, ours(1.05)),
    Measurement("2nd and later healthy context", LATER, ours(1.02), context_times),
    Measurement("a process with one context, healthy by a directory", CONTEXT, ours(None), world="directory"),
    Measurement("2nd and later context, healthy by a directory", LATER, ours(None), context_times, "directory"),
    Measurement("a process with one fallback context", CONTEXT, ours(None), world="none", by_hand=CONTEXT_BY_HAND),
    Measurement("2nd and later fallback context", LATER, ours(1.05), context_times, "none", LATER_BY_HAND),
    Measurement("peak memory of `import ssl`", "import ssl", ours(1.03), peaks),
)


class Row(NamedTuple):
    """One line of the table: `base` and `figure` are the sides' medians, `low` and `high` the 95 % interval of `ratio`."""

    what: str
    unit: str
    comparison: Comparison
    base: float
    figure: float
    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """``over``: over the limit beyond noise. ``noise``: over it, and so might be one that is not."""
        limit = self.comparison.limit
        if limit is None:
            return ""
        if self.ratio <= limit:
            return "ok"
        return "over" if self.low > limit else "noise"

    def __str__(self) -> str:
        side, base, limit = self.comparison
        cells = (
            self.what,
            f"{side} / {base}",
            f"{self.figure:.2f} / {self.base:.2f} {self.unit}",
            f"{self.ratio:.3f}",
            f"{self.low:.3f} to {self.high:.3f}",
            "" if limit is None else f"{limit:.2f}",
            self.verdict,
        )
        return f"| {' | '.join(cells)} |"


HEADER = """\
| what | sides | medians | ratio | 95 % interval | at most | |
| --- | --- | ---: | ---: | --- | ---: | --- |"""


def compare(what: str, unit: str, comparison: Comparison, pairs: Sequence[Figures]) -> Row:
    """The row that the figures of all pairs give."""
    base, figure = ([pair[side] for pair in pairs] for side in (comparison.base, comparison.side))
    ratios = [mine / theirs for mine, theirs in zip(figure, base, strict=True)]
    draw = random.Random(0)  # noqa: S311  # no secret
    medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    low, high = medians[RESAMPLES * 25 // 1000], medians[RESAMPLES * 975 // 1000 - 1]
    return Row(what, unit, comparison, statistics.median(base), statistics.median(figure), statistics.median(ratios), low, high)


def rows(measurement: Measurement, pairs: int, venvs: dict[str, Path], worlds: dict[str, World]) -> list[Row]:
    """Measure one thing on all sides that it compares, `pairs` times."""
    what, program, comparisons, measure, world, by_hand = measurement
    sides = [side for side in venvs if any(side in comparison for comparison in comparisons)]
    programs = {side: program if by_hand is None or side == "ours" else by_hand for side in sides}
    figures = []
    for turn, order in enumerate(itertools.islice(itertools.cycle(itertools.permutations(sides)), pairs + 1)):
        pair = measure({side: [str(venvs[side]), "-c", programs[side]] for side in order}, worlds[world])
        if turn:  # the first was for warming up
            figures.append(pair)
    return [compare(what, "MiB" if measure is peaks else "ms", comparison, figures) for comparison in comparisons]


def make_worlds(directory: Path) -> dict[str, World]:
    """Machines that have certifi's roots in a bundle, that have them in a hashed directory, and that have none."""
    bundle = directory / "cert.pem"
    bundle.write_text(certifi.contents(), encoding="ascii")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(bundle)
    roots = context.get_ca_certs(binary_form=True)
    hashed = directory / "certs"
    hashed.mkdir()
    for number, root in enumerate(roots):  # nothing is verified, so any hash will do
        (hashed / f"root{number}.pem").write_text(ssl.DER_cert_to_PEM_cert(root), encoding="ascii")
        (hashed / f"{number:08x}.0").symlink_to(f"root{number}.pem")
    no_file, no_directory = f"{NOWHERE}/cert.pem", f"{NOWHERE}/certs"
    return {
        "bundle": World(environment({"SSL_CERT_FILE": str(bundle)}), len(roots)),
        "directory": World(environment({"SSL_CERT_FILE": no_file, "SSL_CERT_DIR": str(hashed)}), 0),
        "none": World(environment({"SSL_CERT_FILE": no_file, "SSL_CERT_DIR": no_directory}), len(roots)),
    }


def environment(extra: dict[str, str]) -> dict[str, str]:
    """No variable of this process's, no config file, and no bytecode written; `extra` on top."""
    return {"PATH": "/usr/bin:/bin", "HOME": NOWHERE, "XDG_CONFIG_DIRS": NOWHERE, "PYTHONDONTWRITEBYTECODE": "1", **extra}


def run(command: list[str], env: dict[str, str]) -> str:
    """The standard output of `command`; says why and exits if it fails."""
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


def make_wheel(directory: Path) -> Path:
    """The wheel of this tree."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(build, cwd=ROOT, env=environment({}), capture_output=True, check=True)
    (wheel,) = directory.glob("*.whl")
    return wheel


def make_venvs(directory: Path) -> dict[str, Path]:
    """The interpreter of each side's venv."""
    wheel = make_wheel(directory)
    venvs = {}
    for side in ("bare", "comment", "ours"):
        venv.create(directory / side, symlinks=True)
        venvs[side] = interpreter = directory / side / "bin" / "python"
        (site,) = directory.glob(f"{side}/lib/*/site-packages")
        for file in itertools.chain.from_iterable(importlib.metadata.files(name) or () for name in DEPENDENCIES):
            if ".." not in file.parts and "__pycache__" not in file.parts:
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file.locate(), site / file)
        if side == "comment":
            (site / "fallback_roots.pth").write_text("# nothing\n", encoding="utf-8")
        if side == "ours":
            pip = [sys.executable, "-m", "pip", "--python", str(interpreter), "install", "--no-deps", "--no-index"]
            run([*pip, str(wheel)], environment({}))
        run([str(interpreter), "-S", "-m", "compileall", "-q", str(site)], environment({}))
    return venvs


def machine() -> str:
    """What the figures depend on."""
    try:
        cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("model name\t: ")[1].splitlines()[0]
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, IndexError, KeyError):
        cpu, system = platform.processor(), platform.platform()
    packages = (f"{name} {importlib.metadata.version(name)}" for name in ("fallback-roots", *DEPENDENCIES))
    return f"""\
- {datetime.datetime.now().astimezone():%Y-%m-%d}, {cpu}, {os.cpu_count()} cores, {system}
- {platform.python_implementation()} {platform.python_version()}, {ssl.OPENSSL_VERSION}
- {", ".join(packages)}"""


def main() -> int:
    """Print the table line by line; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=25, help="how often to measure each row (default: 25)")
    parser.add_argument("--check", action="store_true", help="fail if a row is over its limit beyond noise")
    options = parser.parse_args()
    print(f"{machine()}\n- {options.pairs} pairs for each row\n\n{HEADER}", flush=True)
    over = False
    with tempfile.TemporaryDirectory() as name:
        venvs, worlds = make_venvs(Path(name)), make_worlds(Path(name))
        for measurement in MEASUREMENTS:
            for row in rows(measurement, options.pairs, venvs, worlds):
                print(row, flush=True)
                over = over or row.verdict == "over"
    return int(options.check and over)


if __name__ == "__main__":
    sys.exit(main())
