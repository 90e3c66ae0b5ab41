"""What each thing costs, and does, that a user could install against missing CA certificates, side by side: from `tests`,
``python -m benchmarks.peers [--quick]``.

Run it on Linux, as root or where a user may make mount namespaces, with an interpreter that has this project's `benchmarks`
extra; pip fetches the others. Every figure is measured in one run: each round starts each column's processes one right after
the other, in an order that is drawn anew, on a healthy machine and on one without CA certificates (see `machines`). A ratio is
the median of the rounds' ratios to the bare interpreter, with a bootstrap of that median. A request goes to a server on
loopback, whose CA is in the bundle of the healthy machine, and in the roots that a package brings along.

Writes the tables between the marks of ``docs/peers.md``, all samples to ``docs/peers.json``, and a plot to ``docs/peers.svg``;
with ``--quick`` it measures each figure once, of five requests in the place of a hundred, and prints the tables alone.
"""

import argparse
import contextlib
import json
import random
import ssl
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import certifi
import trustme
from https_server import Server

from benchmarks import run, sides
from benchmarks.machines import HEALTHY, NO_CAS, Machine, Result

DOCS = run.ROOT / "docs"
REQUESTS = 100
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

SUBINTERPRETER = """
import statistics, time
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
times = []
for _ in range(5):
    start = time.perf_counter()
    interpreter = interpreters.create()
    times.append(time.perf_counter() - start)
    interpreters.destroy(interpreter)
print(1000 * statistics.median(times))
"""
LATER = """
import ssl, statistics, time
ssl.create_default_context()
times = []
for _ in range(8):
    start = time.perf_counter()
    context = ssl.create_default_context()
    times.append(time.perf_counter() - start)
    del context
print(1000 * statistics.median(times))
"""
GET = """
import urllib.request
assert urllib.request.urlopen("{url}", timeout=60).read() == b"hello"
"""
# urllib.request makes one context for a process; this makes one for each connection.
GETS = """
import http.client
for _ in range({requests}):
    connection = http.client.HTTPSConnection("{host}", timeout=60)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"hello"
    connection.close()
"""


class Column(NamedTuple):
    """One thing to measure: the process that runs `program`, or what it prints. `verifies`: it makes requests."""

    name: str
    unit: str
    program: str
    figure: str = "ms"
    verifies: bool = False
    rounds: float = 1.0  # of the rounds that are asked for


FIRST = "first default context"
COLUMNS = (
    Column("`python -c pass`", "ms", "pass"),
    Column("`import ssl`", "ms", "import ssl"),
    Column(FIRST, "ms", run.CONTEXT),
    Column("each later context", "ms", LATER, "out"),
    Column("HTTPS request", "ms", GET, verifies=True),
    Column(f"{REQUESTS} requests", "ms", GETS, verifies=True, rounds=0.2),
    Column("subinterpreter", "ms", SUBINTERPRETER, "out"),
    Column("peak memory", "MiB", run.CONTEXT, "peak"),
    Column("modules", "", f"import sys\n{run.CONTEXT}\nprint(len(sys.modules))", "out", rounds=0),
)
PROBE = "import ssl; context = ssl.create_default_context(); print(len(context.get_ca_certs()))"

Cell = tuple[str, str, str]  # machine, side, column
Samples = dict[Cell, dict[int, float]]  # by round


class Goal(NamedTuple):
    """`cell` is to take at most `limit` times what `base` takes."""

    what: str
    cell: Cell
    base: Cell
    limit: float


LAZY, EAGER, NAIVE = "fallback-roots, lazy", "fallback-roots", "naive wrapt .pth"
GOALS = (
    Goal("a later lazy context, to one without roots", (NO_CAS, LAZY, COLUMNS[3].name), (NO_CAS, "bare", COLUMNS[3].name), 2),
    Goal("a later lazy context, to an eager one", (NO_CAS, LAZY, COLUMNS[3].name), (NO_CAS, EAGER, COLUMNS[3].name), 1 / 50),
    Goal(
        f"{REQUESTS} lazy requests, to those of a healthy machine without us",
        (NO_CAS, LAZY, COLUMNS[5].name),
        (HEALTHY, "bare", COLUMNS[5].name),
        1 / 5,
    ),
    Goal("a first eager fallback, to the naive one", (NO_CAS, EAGER, FIRST), (NO_CAS, NAIVE, FIRST), 1),
    Goal("a first lazy fallback, to the naive one", (NO_CAS, LAZY, FIRST), (NO_CAS, NAIVE, FIRST), 0.75),
)


def figure(column: Column, result: Result) -> float:
    return float(result.out if column.figure == "out" else getattr(result, column.figure))


def succeeded(result: Result) -> Result:
    """`result`, unless it is a failure, of which there is no figure."""
    if result.status:
        sys.exit(f"a process that was to be measured failed: {last_line(result)}")
    return result


def last_line(result: Result) -> str:
    return (result.err.strip() or "nothing").splitlines()[-1]


class Found(NamedTuple):
    """All that a run has found out. `refusals`: what a request ends with, by machine and side; empty where it is verified."""

    about: str
    sides: tuple[str, ...]
    refusals: dict[tuple[str, str], str]
    samples: Samples

    def verifies(self, machine: str, side: str) -> bool:
        return not self.refusals[machine, side]


class Suite:
    """All that is compared, installed, on both machines."""

    def __init__(self, installed: dict[str, sides.Installed], machines: dict[str, Machine], url: str, bundle: Path) -> None:
        self.installed = installed
        self.machines = machines
        self.url = url
        self.bundle = bundle
        self.requests = REQUESTS
        self.samples: Samples = defaultdict(dict)
        self.refusals: dict[tuple[str, str], str] = {}

    def run(self, machine: str, side: str, program: str, *args: str) -> Result:
        """Run `program` by the interpreter of `side` on `machine`."""
        python, env, _ = self.installed[side]
        for name, value in {"url": self.url, "host": self.url.split("/")[2], "requests": str(self.requests)}.items():
            program = program.replace(f"{{{name}}}", value)
        return self.machines[machine].run([python, "-c", program, *args], env)

    def probe(self) -> None:
        """Learn what verifies, warm caches, and see that the machines are what they should be."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.bundle)
        for machine, expected in ((HEALTHY, len(context.get_ca_certs())), (NO_CAS, 0)):
            found = self.run(machine, "bare", PROBE).out.strip()
            if found != str(expected):
                sys.exit(f"{machine}: {found} roots in a default context (expected {expected})")
            for side in self.installed:
                answer = self.run(machine, side, GET)
                self.refusals[machine, side] = last_line(answer) if answer.status else ""

    def measure(self, rounds: int, columns: Sequence[Column] = COLUMNS) -> None:
        """Fill `samples`: in each round every cell of a column once, in an order of its own."""
        draw = random.Random(0)  # noqa: S311  # no secret
        for turn in range(rounds):
            for column in columns:
                if turn and turn >= rounds * column.rounds:
                    continue
                cells = [(machine, side) for machine in self.machines for side in self.installed]
                draw.shuffle(cells)
                for machine, side in cells:
                    if not (column.verifies and self.refusals[machine, side]):
                        result = self.run(machine, side, column.program)
                        self.samples[machine, side, column.name][turn] = figure(column, succeeded(result))
            print(f"round {turn + 1} of {rounds}", file=sys.stderr, flush=True)


class Ratio(NamedTuple):
    """The median of a cell's figures, and that of the rounds' ratios to another cell with its 95 % interval."""

    figure: float
    ratio: float
    low: float
    high: float


def ratio(samples: Samples, cell: Cell, base: Cell) -> Ratio:
    """`cell` to `base`, in the rounds that measured both."""
    pairs = [{"base": samples[base][turn], "cell": samples[cell][turn]} for turn in samples[cell].keys() & samples[base].keys()]
    row = run.compare("", "", run.Comparison("cell", "base"), pairs)
    return Ratio(row.figure, row.ratio, row.low, row.high)


def number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def text(column: Column, found: Ratio) -> str:
    """What a cell of the table says."""
    if not column.unit:
        return number(found.figure).partition(".")[0]
    return f"{found.ratio:.2f} ({found.low:.2f}–{found.high:.2f})"  # noqa: RUF001  # typography


def table(found: Found, machine: str) -> Iterator[str]:
    """The lines of the table of one machine: the bare interpreter in units, all others as ratios to it."""
    yield f"| {machine} | verifies | {' | '.join(column.name for column in COLUMNS)} |"
    yield f"| --- | --- | {' | '.join('---:' for _ in COLUMNS)} |"
    for side in found.sides:
        cells = [side, "yes" if found.verifies(machine, side) else "no"]
        for column in COLUMNS:
            cell, base = (machine, side, column.name), (machine, "bare", column.name)
            if base not in found.samples:  # it verifies nothing here
                base = HEALTHY, "bare", column.name
            if cell not in found.samples:
                cells.append("")
            elif side == "bare" and column.unit:
                cells.append(f"{number(statistics.median(found.samples[cell].values()))} {column.unit}")
            else:
                cells.append(text(column, ratio(found.samples, cell, base)))
        yield f"| {' | '.join(cells)} |"


def verdict(reached: bool) -> str:
    return "reached" if reached else "missed"


def goals(samples: Samples) -> Iterator[str]:
    """The lines of the table of what was to be reached."""
    yield "| what | medians | ratio | 95 % interval | goal | |"
    yield "| --- | ---: | ---: | --- | ---: | --- |"
    for what, cell, base, limit in GOALS:
        reached = ratio(samples, cell, base)
        medians = f"{number(reached.figure)} / {number(statistics.median(samples[base].values()))} ms"
        interval = f"{reached.low:.3f} to {reached.high:.3f}"
        yield f"| {what} | {medians} | {reached.ratio:.3f} | {interval} | {limit:.2f} | {verdict(reached.ratio <= limit)} |"


def listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def summary(found: Found) -> Iterator[str]:
    """What the tables say, in a sentence each."""
    verifying = [f"*{side}*" for side in found.sides if found.verifies(NO_CAS, side)]
    yield f"- Without CAs a request is verified by {listed(verifying)}, and by nothing else."
    start = {
        side: ratio(found.samples, (HEALTHY, side, COLUMNS[0].name), (HEALTHY, "bare", COLUMNS[0].name)).ratio
        for side in found.sides
        if side != "bare"
    }
    others = [start[side] for side in start if side not in (EAGER, LAZY)]
    yield (
        f"- On a healthy machine a start of the interpreter takes {start[EAGER]:.2f} times a bare one with fallback-roots, and "
        f"{min(others):.1f} to {max(others):.1f} times with the others."
    )
    requests = ratio(found.samples, (NO_CAS, LAZY, COLUMNS[5].name), (HEALTHY, "bare", COLUMNS[5].name))
    yield (
        f"- With lazy roots and no CAs {REQUESTS} requests take {requests.ratio:.2f} of the time that they take on the healthy "
        "machine without us, where OpenSSL parses the bundle for each."
    )


def page(found: Found) -> str:
    """What stands between the marks."""
    refusals = [f"- {side}, {machine}: `{refusal}`" for (machine, side), refusal in found.refusals.items() if refusal]
    machines = dict.fromkeys(machine for machine, _ in found.refusals)
    parts = [
        found.about,
        *("\n".join(table(found, machine)) for machine in machines),
        "Where nothing is verified a request ends with:",
        "\n".join(refusals),
        "\n".join(summary(found)),
        "\n".join(goals(found.samples)),
    ]
    return "\n\n".join(parts)


def write_between(path: Path, measured: str) -> None:
    """Put `measured` between the marks of a page."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n\n{measured}\n\n{END}{after}", encoding="utf-8")


def as_json(found: Found) -> str:
    """All that a run has found out, with what was run."""
    content = {
        "about": found.about.splitlines(),
        "columns": {column.name: column._asdict() for column in COLUMNS},
        "sides": found.sides,
        "refusals": [[*where, refusal] for where, refusal in found.refusals.items()],
        "samples": [[*cell, rounds] for cell, rounds in found.samples.items()],
    }
    return json.dumps(content, indent=None, separators=(",", ":")).replace("],[", "],\n[") + "\n"


def from_json(text: str) -> Found:
    """What `as_json` has written."""
    content = json.loads(text)
    refusals = {(machine, side): refusal for machine, side, refusal in content["refusals"]}
    samples = {
        (machine, side, column): {int(turn): figure for turn, figure in rounds.items()}
        for machine, side, column, rounds in content["samples"]
    }
    return Found("\n".join(content["about"]), tuple(content["sides"]), refusals, samples)


@contextlib.contextmanager
def running(directory: Path, chosen: Sequence[sides.Side] = sides.SIDES) -> Iterator[Suite]:
    """Everything installed below `directory`, and the server running."""
    ca = trustme.CA(organization_name="fallback-roots benchmarks")
    pem = ca.cert_pem.bytes()
    bundle = directory / "bundle.pem"
    bundle.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + pem)
    wheel = run.make_wheel(directory)
    with contextlib.ExitStack() as stack:
        installed = {side.name: sides.install(side, directory, wheel, pem) for side in chosen}
        machines = {HEALTHY: Machine(bundle), NO_CAS: Machine(None)}
        for machine in machines.values():
            stack.callback(machine.close)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("localhost").configure_cert(context)
        server = Server(context)
        stack.callback(server.close)
        yield Suite(installed, machines, server.url, bundle)


def main() -> int:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="how often to measure each figure (default: 20)")
    parser.add_argument("--quick", action="store_true", help="measure each figure once, and write nothing")
    options = parser.parse_args()
    rounds = 1 if options.quick else options.rounds
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as suite:
        suite.requests = 5 if options.quick else REQUESTS
        suite.probe()
        suite.measure(rounds)
        versions = sorted({f"{name} {version}" for side in suite.installed.values() for name, version in side.versions.items()})
        about = f"{run.machine()}\n- {', '.join(versions)}\n- {rounds} rounds; a fifth of them for the {REQUESTS} requests"
        found = Found(about, tuple(suite.installed), suite.refusals, suite.samples)
    print(page(found))
    if not options.quick:
        from benchmarks import plot

        write_between(DOCS / "peers.md", page(found))
        (DOCS / "peers.json").write_text(as_json(found), encoding="utf-8")
        plotted = [column.name for column in COLUMNS if column.unit == "ms" and column.name != COLUMNS[0].name]
        plot.peers(found.samples, [HEALTHY, NO_CAS], found.sides, plotted, DOCS / "peers.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
