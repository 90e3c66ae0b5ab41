"""Others who change an interpreter, and us, in every order: what comes of it; from `tests`,
``python -m compatibility.others [--quick] [NAME ...]``.

Run it on Linux, as root or where a user may make mount namespaces, with an interpreter that has this project's `test` extra;
pip fetches the others, each into a venv of its own. Each run is a process on a healthy machine or on one without CA
certificates (`benchmarks.machines`), in which somebody else and we take up position one after the other; `probe` then writes
down what it finds, takes us off, and does so again. The same process without us (``FALLBACK_ROOTS_DISABLE``) is what it is
compared with:

- nothing is printed and nothing raised that is not so without us;
- what the other has put in place is in effect;
- on the healthy machine every context has the same roots, and takes and refuses the same servers, as without us;
- without CA certificates the contexts that `Other.fallback` names have the fallback, and all others are as without us;
- after `fallback_roots.uninstall()` everything is as without us, and what the other has put in place is in effect still.

Whatever is not so is printed, and the exit status is 1. Writes the table between the marks of ``docs/others.md``, and all that
was found to ``docs/others.json``; with ``--quick`` or names it runs a part of it, and writes neither.
"""

import argparse
import contextlib
import json
import os
import ssl
import subprocess
import sys
import tempfile
import venv
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import trustme
from benchmarks import run
from benchmarks.machines import HEALTHY, NO_CAS, Machine
from benchmarks.peers import write_between
from benchmarks.sides import TRUSTSTORE, WASSIMA
from https_server import Server

from compatibility.probe import WAYS

DOCS = run.ROOT / "docs"
PROBE = Path(__file__).with_name("probe.py")
ALL = tuple(WAYS)
KEPT = ("the standard class",)

IS_TRUSTSTORES = "ssl.SSLContext is sys.modules['truststore'].SSLContext"
NO_AGENT = MappingProxyType(
    {
        "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        "DD_REMOTE_CONFIGURATION_ENABLED": "false",
        "DD_CRASHTRACKING_ENABLED": "false",
        "DD_TRACE_HTTPLIB_ENABLED": "true",
        "NEW_RELIC_DEVELOPER_MODE": "true",
        "NEW_RELIC_LOG": "{here}/newrelic.log",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
)
SETUPTOOLS = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "editable-by-setuptools"
version = "1"

[tool.setuptools]
packages = ["editable"]
package-dir = { editable = "elsewhere" }
"""
HATCHLING = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "editable-by-hatchling"
version = "1"

[tool.hatch.build]
dev-mode-exact = true

[tool.hatch.build.targets.wheel]
packages = ["elsewhere/editable"]
"""
IS_FOUND = "'/elsewhere/' in __import__('editable').__file__"


class Other(NamedTuple):
    """Somebody else who changes the interpreter.

    `requirements`: what pip installs, the one whose version the table shows first. `program`: the lines that put it in place,
    unless its own ``.pth`` file, one of `files` or the `command` does so, and `after`: lines that come after ours in any order.
    `in_effect`: an expression that is true while what it has put in place is in effect. `fallback`: the ways of `probe.WAYS`
    that get the fallback on a machine without CA certificates. `{here}` is a directory of its own, where `files` are.
    """

    name: str
    requirements: tuple[str, ...]
    in_effect: str
    program: str = ""
    after: str = ""
    command: tuple[str, ...] = ("python", "{program}")
    files: Mapping[str, str] = MappingProxyType({})
    env: Mapping[str, str] = MappingProxyType({})
    fallback: tuple[str, ...] = ALL
    imports: tuple[str, ...] = ()  # what it may import of that which a healthy machine never does for us
    certifi: bool = False  # certifi's roots are the fallback, and not a file's
    remark: str = ""


OTHERS = (
    Other("truststore", ("truststore",), IS_TRUSTSTORES, TRUSTSTORE, fallback=KEPT, remark="asks the system, which has none"),
    Other(
        "truststore, taken out by `extract_from_ssl`",
        ("truststore",),
        "ssl.SSLContext.__module__ == 'ssl'",
        TRUSTSTORE,
        "truststore.extract_from_ssl()",
        remark="after we have come, where we come second",
    ),
    Other("auto-truststore", ("auto-truststore",), IS_TRUSTSTORES, fallback=KEPT, remark="truststore, by a `.pth` file"),
    Other(
        "pip-system-certs",
        ("pip-system-certs", "pip"),
        "ssl.SSLContext is sys.modules['pip._vendor.truststore'].SSLContext",
        fallback=KEPT,
        remark="the truststore that is in pip",
    ),
    Other(
        "certifi-linux",
        ("certifi-linux",),
        "__import__('certifi').where.__wrapped__",
        imports=("wrapt",),
        certifi=True,
        remark="here the fallback is certifi's roots: those that it has brought along",
    ),
    Other(
        "wassima, by a sitecustomize",
        ("wassima",),
        "ssl.create_default_context.__module__ == 'sitecustomize'",
        files=MappingProxyType({"sitecustomize.py": WASSIMA}),
        fallback=("SSLContext", "the standard class"),
        remark="brings Mozilla's roots along",
    ),
    Other("gevent", ("gevent",), "ssl.SSLContext.__module__ == 'gevent.ssl'", "from gevent import monkey\nmonkey.patch_all()"),
    Other(
        "eventlet",
        ("eventlet",),
        "ssl.SSLContext.__module__ == 'eventlet.green.ssl'",
        "import eventlet\neventlet.monkey_patch()",
    ),
    Other(
        "`ddtrace-run`",
        ("ddtrace",),
        "__import__('http.client').client.HTTPConnection.request.__wrapped__",
        command=("ddtrace-run", "python", "{program}"),
        env=NO_AGENT,
        imports=("wrapt",),
    ),
    Other(
        "`ddtrace-run`, with gevent installed",
        ("ddtrace", "gevent"),
        "__import__('http.client').client.HTTPConnection.request.__wrapped__",
        command=("ddtrace-run", "python", "{program}"),
        env=NO_AGENT,
        imports=("wrapt",),
        remark="ddtrace unloads the `ssl` that it has imported, and the program imports another",
    ),
    Other(
        "`import ddtrace.auto`",
        ("ddtrace",),
        "__import__('http.client').client.HTTPConnection.request.__wrapped__",
        "import ddtrace.auto",
        env=NO_AGENT,
        imports=("wrapt",),
    ),
    Other(
        "`opentelemetry-instrument`",
        ("opentelemetry-distro", "opentelemetry-instrumentation-urllib"),
        "__import__('urllib.request').request.OpenerDirector.open.__wrapped__",
        command=("opentelemetry-instrument", "python", "{program}"),
        env=NO_AGENT,
        imports=("wrapt",),
    ),
    Other(
        "`newrelic-admin run-program`",
        ("newrelic",),
        "__import__('http.client').client.HTTPConnection.endheaders.__wrapped__",
        command=("newrelic-admin", "run-program", "python", "{program}"),
        env=NO_AGENT,
    ),
    Other(
        "`import newrelic.agent`",
        ("newrelic",),
        "__import__('http.client').client.HTTPConnection.endheaders.__wrapped__",
        "import newrelic.agent\nnewrelic.agent.initialize()",
        env=NO_AGENT,
    ),
    Other(
        "coverage, by its .pth",
        ("coverage",),
        "__import__('coverage').Coverage.current()",
        files=MappingProxyType({"coveragerc": "[run]\nbranch = true\n"}),
        env=MappingProxyType({"COVERAGE_PROCESS_START": "{here}/coveragerc", "COVERAGE_FILE": "{here}/coverage"}),
    ),
    Other(
        "setuptools' distutils, by its .pth",
        ("setuptools",),
        "'setuptools' in __import__('distutils').__file__",
    ),
    Other(
        "an editable install by setuptools",
        ("-e", "{here}"),
        IS_FOUND,
        files=MappingProxyType({"pyproject.toml": SETUPTOOLS, "elsewhere/__init__.py": ""}),
    ),
    Other(
        "an editable install by hatchling",
        ("-e", "{here}"),
        IS_FOUND,
        files=MappingProxyType({"pyproject.toml": HATCHLING, "elsewhere/editable/__init__.py": ""}),
    ),
    Other(
        "pytest's assertion rewriting",
        ("pytest",),
        "'@pytest_ar' in globals()",
        command=("pytest", "-p", "no:terminal", "-p", "no:cacheprovider", "{program}"),
        imports=("platformdirs",),
    ),
    Other(
        "freezegun",
        ("freezegun",),
        "__import__('time').time() == 1893456000",
        "import freezegun\nfreezegun.freeze_time('2030-01-01').start()",
        imports=("wrapt", "fallback_roots._fallback"),
        remark="a healthy machine imports wrapt, too",
    ),
    Other(
        "freezegun, told to ignore us",
        ("freezegun",),
        "__import__('time').time() == 1893456000",
        "import freezegun\nfreezegun.configure(extend_ignore_list=['fallback_roots'])\n"
        "freezegun.freeze_time('2030-01-01').start()",
        remark="it imports nothing of ours then",
    ),
    Other(
        "debugpy, which listens and traces",
        ("debugpy",),
        "sys.gettrace() or any(map(sys.monitoring.get_tool, range(6)))",
        "import debugpy\ndebugpy.listen(('127.0.0.1', 0), in_process_debug_adapter=True)\ndebugpy.trace_this_thread(True)",
        env=MappingProxyType({"PYDEVD_DISABLE_FILE_VALIDATION": "1"}),  # its complaint of frozen modules tells the time
        remark="pydevd, as PyCharm has it, with no client",
    ),
)
QUICK = ("truststore", "gevent", "wassima, by a sitecustomize", "coverage, by its .pth", "pytest's assertion rewriting")

ARM = "import fallback_roots.auto"
INSTALL = "import fallback_roots; fallback_roots.install()"
CONTEXT = "ssl.create_default_context()"
WATCHING, PATCHED = "watching", "patched"


class Order(NamedTuple):
    """Who comes first: `first` is run before anything else, with `ours` after it; or `ours` after the lines of the other.

    `state`: what `fallback_roots.status` says on a healthy machine.
    """

    name: str
    ours: str
    state: str
    first: str = ""
    they_first: bool = False


ORDERS = (
    Order("as pip installs both", "", WATCHING),
    Order("we first, before `ssl`", ARM, WATCHING),
    Order("we first, by our stand-ins", ARM, WATCHING, "import ssl"),
    Order("we first, by wrapt", INSTALL, PATCHED, "import ssl"),
    Order("we first, and a context", f"{ARM}; {CONTEXT}", WATCHING, f"import ssl; {CONTEXT}"),
    Order("they first, then our stand-ins", f"{ARM}; fallback_roots.auto.arm()", WATCHING, they_first=True),
    Order("they first, then wrapt", INSTALL, PATCHED, they_first=True),
)
QUICK_ORDERS = (ORDERS[0], ORDERS[3], ORDERS[5])
# Named before every other, so that it is the first .pth file that is read.
FIRST = ("00-first.pth", "import os; exec(os.environ.get('FIRST', ''))\n")
OFF = "FALLBACK_ROOTS_DISABLE"

Result = dict[str, Any]  # exit status, what was printed, facts
Key = tuple[str, str, bool]  # machine; an order, or what comes first without us; with us?


class Known(NamedTuple):
    """The roots of a healthy machine and of the fallback, as `probe.roots` tells them."""

    healthy: str
    fallback: str


class Found(NamedTuple):
    """All that a run has found out of one other; `refused`: why it could not be installed."""

    name: str
    versions: tuple[str, ...]
    refused: str
    results: dict[Key, Result]


def program(other: Other, order: Order, us: bool) -> str:
    """The program of one process."""
    late = f"import os\ndel os.environ['{OFF}']\n{order.ours}" if us and order.they_first else ""
    call = f"main(lambda: {other.in_effect})"
    test = f"def test_it() -> None:\n    {call}"
    run_as = test if "pytest" in other.command else call
    return "\n".join([other.program, late, other.after, PROBE.read_text(encoding="utf-8"), run_as, ""])


def first(order: Order, us: bool) -> str:
    """What comes before anything else."""
    return "; ".join(filter(None, (order.first, order.ours if us and not order.they_first else "")))


class Home(NamedTuple):
    """Where some others are installed, with us."""

    directory: Path
    bin: Path
    versions: dict[str, str]


def install(others: Sequence[Other], directory: Path, wheel: Path, ca: bytes) -> Home:
    """Make a venv with `others` below `directory`; raises CalledProcessError where pip fails."""
    venv.create(directory / "venv", symlinks=True)
    (site,) = directory.glob("venv/lib/*/site-packages")
    (site / FIRST[0]).write_text(FIRST[1], encoding="ascii")
    requirements = []
    for other in others:
        here = files(other, directory)
        for name, text in other.files.items():
            (here / name).parent.mkdir(parents=True, exist_ok=True)
            (here / name).write_text(text, encoding="utf-8")
        requirements += [requirement.format(here=here) for requirement in other.requirements]
    pip = [sys.executable, "-m", "pip", "--python", str(directory / "venv/bin/python"), "--disable-pip-version-check"]
    # pip may need this process's own variables: proxies, indexes, a bundle.
    done = subprocess.run(
        [*pip, "install", "--quiet", str(wheel), *requirements], env={**os.environ}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, "pip", done.stdout, done.stderr)
    (site / "certifi" / "cacert.pem").write_bytes(ca)
    listed = run.run([*pip, "list", "--format=json"], dict(os.environ))
    versions = {package["name"].lower().replace("_", "-"): package["version"] for package in json.loads(listed)}
    for wheel_file in site.glob("editable_by_*.dist-info/WHEEL"):
        generator = wheel_file.read_text(encoding="utf-8").partition("Generator: ")[2].splitlines()[0]
        backend, version = generator.replace("(", "").replace(")", "").split()[:2]
        versions[backend] = version
    return Home(directory, directory / "venv" / "bin", versions)


def files(other: Other, directory: Path) -> Path:
    """The directory of its own."""
    here = directory / f"other-{OTHERS.index(other)}"
    here.mkdir(exist_ok=True)
    return here


class House:
    """Both machines, and both servers."""

    def __init__(self, machines: Mapping[str, Machine], ports: Mapping[str, str], ca_file: Path) -> None:
        self.machines = machines
        self.ports = ports
        self.ca_file = ca_file

    def run(self, other: Other, home: Home, machine: str, order: Order, us: bool) -> Result:
        """What one process finds."""
        here = files(other, home.directory)
        own = here / machine.replace(" ", "-")
        own.mkdir(exist_ok=True)
        facts, path = own / "facts.json", own / "test_program.py"
        facts.unlink(missing_ok=True)
        path.write_text(program(other, order, us), encoding="utf-8")
        env = run.environment({"HOME": str(here), "PATH": f"{home.bin}:/usr/bin:/bin", "FACTS": str(facts), **self.ports})
        env["FIRST"] = first(order, us)
        if not us or order.they_first:
            env[OFF] = "1"
        if not other.certifi:
            env["FALLBACK_ROOTS_CAFILE"] = str(self.ca_file)
        if "sitecustomize.py" in other.files:
            env["PYTHONPATH"] = str(here)
        env.update({name: value.format(here=here) for name, value in other.env.items()})
        name, *arguments = (word.format(program=path) for word in other.command)
        done = self.machines[machine].run(["timeout", "120", str(home.bin / name), *arguments], env)
        found = json.loads(facts.read_text(encoding="utf-8")) if facts.exists() else None
        return {"status": done.status, "out": done.out, "err": done.err.replace(str(own), "HERE"), "facts": found}

    def all_of(self, other: Other, home: Home, orders: Sequence[Order]) -> dict[Key, Result]:
        """In all of `orders`, on both machines at the same time, with us and without."""
        results: dict[Key, Result] = {}

        def run_on(machine: str) -> None:
            for order in orders:
                without = (machine, order.first, False)
                if without not in results:
                    results[without] = self.run(other, home, machine, order, us=False)
                results[machine, order.name, True] = self.run(other, home, machine, order, us=True)

        with ThreadPoolExecutor() as pool:
            list(pool.map(run_on, self.machines))
        return {key: results[key] for key in sorted(results)}


@contextlib.contextmanager
def a_house(directory: Path) -> Iterator[tuple[House, Known, bytes]]:
    """A house, its roots, and the CA of the fallback."""
    ca, another, nobodys = (trustme.CA(organization_name=name) for name in ("the fallback", "another", "nobody's"))
    pem = ca.cert_pem.bytes()
    ca_file, bundle = directory / "ca.pem", directory / "bundle.pem"
    ca_file.write_bytes(pem)
    bundle.write_bytes(pem + another.cert_pem.bytes())
    with contextlib.ExitStack() as stack:
        machines = {HEALTHY: Machine(bundle), NO_CAS: Machine(None)}
        for machine in machines.values():
            stack.callback(machine.close)
        ports = {}
        for name, issuer in (("KNOWN", ca), ("UNKNOWN", nobodys)):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            issuer.issue_cert("localhost").configure_cert(context)
            server = Server(context)
            stack.callback(server.close)
            ports[name] = str(server.port)
        house = House(machines, ports, ca_file)
        yield house, Known(told(pem, another.cert_pem.bytes()), told(pem)), pem


def told(*certificates: bytes) -> str:
    """As `probe.roots` tells them."""
    ders = sorted(ssl.PEM_cert_to_DER_cert(pem.decode()) for pem in certificates)
    return f"{len(ders)} ({zlib.crc32(b''.join(ders)):08x})"


# ---------------------------------------------------------------- what is not as it should be

REFUSED = "unable to get local issuer certificate"


def mismatches(other: Other, results: Mapping[Key, Result], known: Known) -> Iterator[str]:
    """Whatever is not as it should be, each in a sentence that begins with the combination."""
    for machine in (HEALTHY, NO_CAS):
        for order in ORDERS:
            if (machine, order.name, True) not in results:
                continue  # not one of the few that --quick runs
            without, ours = results[machine, order.first, False], results[machine, order.name, True]
            for problem in problems(other, machine, order, without, ours, known):
                yield f"{other.name}, {machine}, {order.name}: {problem}"


def problems(other: Other, machine: str, order: Order, without: Result, ours: Result, known: Known) -> Iterator[str]:
    """Those of one combination."""
    for what in ("status", "out", "err"):
        yield from differences(what, ours[what], without[what])
    if without["facts"] is None or ours["facts"] is None:
        yield f"no facts (exit status {ours['status']}, {without['status']} without us)"
        return
    given = other.fallback if machine == NO_CAS else ()
    for stage in ("before", "after"):
        mine, theirs = ours["facts"][stage], without["facts"][stage]
        for way in WAYS:
            expected = theirs["ways"][way]
            if stage == "before" and way in given:
                expected = {"roots": known.fallback, "known": "verified", "unknown": REFUSED}
            yield from differences(f"{way}, {stage}", mine["ways"][way], expected)
        yield from differences(f"in effect without us, {stage}", theirs["in effect"], True)
        yield from differences(f"in effect, {stage}", mine["in effect"], True)
    before, after = ours["facts"]["before"], ours["facts"]["after"]
    state = PATCHED if given else order.state
    yield from differences("state", before["ours"]["state"], state)
    yield from differences("outcome", before["ours"]["outcome"], "loaded" if given else None)
    yield from differences("problems", before["ours"]["problems"], [])
    yield from differences("state, after", after["ours"]["state"], "absent")
    if state == WATCHING:
        yield from differences("imports", sorted({*before["imports"]} - {*other.imports}), [])
    yield from of_the_machine(other, machine, without, known)


def of_the_machine(other: Other, machine: str, without: Result, known: Known) -> Iterator[str]:
    """Whether the machine is what it should be: else it would be no wonder that all is as without us."""
    standard = without["facts"]["before"]["ways"]["the standard class"]
    healthy = {"roots": known.healthy, "known": "verified", "unknown": REFUSED}
    empty = {"roots": told(), "known": REFUSED, "unknown": REFUSED}
    yield from differences(f"the machine of {other.name}", standard, healthy if machine == HEALTHY else empty)


def differences(what: str, found: object, expected: object) -> Iterator[str]:
    if found != expected:
        yield f"{what}: {found!r} (expected {expected!r})"


# ---------------------------------------------------------------- the page


def page(about: str, known: Known, all_found: Sequence[Found]) -> str:
    """What stands between the marks."""
    lines = [
        "| other | version | healthy: as without us | no CA certificates | `uninstall()` in the middle | remarks |",
        "| --- | --- | --- | --- | --- | --- |",
        *(f"| {' | '.join(row(found, known))} |" for found in all_found),
    ]
    return f"{about}\n\n" + "\n".join(lines)


def row(found: Found, known: Known) -> tuple[str, ...]:
    """The cells of one other."""
    (other,) = (other for other in OTHERS if other.name == found.name)
    if found.refused:
        return found.name, "", "not run", "not run", "not run", f"could not be installed: {found.refused}"
    bad = list(mismatches(other, found.results, known))
    healthy = [problem for problem in bad if problem.startswith(f"{other.name}, {HEALTHY}")]
    after = [problem for problem in bad if ", after: " in problem]
    cells = (
        other.name,
        ", ".join(found.versions),
        f"**no**: {healthy[0]}" if healthy else "yes",
        f"**no**: {bad[0]}" if bad and not healthy else where(other),
        f"**no**: {after[0]}" if after else "works",
        other.remark,
    )
    return tuple(cells)


def where(other: Other) -> str:
    """Who has the fallback."""
    theirs = [way for way in WAYS if way not in other.fallback]
    if not theirs:
        return "the fallback"
    return f"the other's: {', '.join(map(shown, theirs))}; the fallback: {', '.join(map(shown, other.fallback))}"


def shown(way: str) -> str:
    return {"create_default_context": "`create_default_context()`", "SSLContext": "`SSLContext`"}.get(way, way)


def as_json(about: str, known: Known, all_found: Iterable[Found]) -> str:
    """All that a run has found out. Results that are equal are written once."""
    written: dict[str, int] = {}
    others = []
    for found in all_found:
        results = [[*key, written.setdefault(json.dumps(result), len(written))] for key, result in found.results.items()]
        others.append({"name": found.name, "versions": found.versions, "refused": found.refused, "results": results})
    lines = [f'"about": {json.dumps(about.splitlines())}', f'"known": {json.dumps(known)}']
    lines.append('"results": [\n{}\n]'.format(",\n".join(written)))
    lines.append('"others": [\n{}\n]'.format(",\n".join(map(json.dumps, others))))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def from_json(text: str) -> tuple[str, Known, list[Found]]:
    """What `as_json` has written."""
    content = json.loads(text)
    all_found = [
        Found(
            other["name"],
            tuple(other["versions"]),
            other["refused"],
            {(machine, order, us): content["results"][number] for machine, order, us, number in other["results"]},
        )
        for other in content["others"]
    ]
    return "\n".join(content["about"]), Known(*content["known"]), all_found


def versions(other: Other, home: Home) -> tuple[str, ...]:
    """Of what `other` is."""
    names = [name for name in other.requirements if not name.startswith(("-", "{"))] or [other.name.rpartition(" ")[2]]
    return tuple(f"{name} {home.versions[name]}" for name in names)


def look(
    groups: Iterable[Sequence[Other]], directory: Path, orders: Sequence[Order] = ORDERS
) -> Iterator[tuple[Other, Found, Known]]:
    """Install each group in a venv, and run what is in it."""
    wheel = run.make_wheel(directory)
    with a_house(directory) as (house, known, ca):
        for number, group in enumerate(groups):
            (directory / str(number)).mkdir()
            try:
                home = install(group, directory / str(number), wheel, ca)
            except subprocess.CalledProcessError as error:
                said = next((line.strip() for line in error.stderr.splitlines() if "error" in line.lower()), "pip failed")
                for other in group:
                    yield other, Found(other.name, (), said, {}), known
                continue
            for other in group:
                yield other, Found(other.name, versions(other, home), "", house.all_of(other, home, orders)), known


def main() -> int:
    """Run, print, and write; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="an other, or the beginning of its name (default: all)")
    parser.add_argument("--quick", action="store_true", help=f"a few orders of these alone, in one venv: {'; '.join(QUICK)}")
    parser.add_argument("--render", action="store_true", help="run nothing, and write the table of what has been found")
    options = parser.parse_args()
    if options.render:
        write_between(DOCS / "others.md", page(*from_json((DOCS / "others.json").read_text(encoding="utf-8"))))
        return 0
    chosen = [other for other in OTHERS if not options.names or other.name.strip("`").startswith(tuple(options.names))]
    groups = [[other for other in chosen if other.name in QUICK]] if options.quick else [[other] for other in chosen]
    all_found, bad = [], 0
    with tempfile.TemporaryDirectory() as name:
        for other, found, known in look(groups, Path(name), QUICK_ORDERS if options.quick else ORDERS):
            all_found.append(found)
            problems = [] if found.refused else list(mismatches(other, found.results, known))
            bad += len(problems)
            print(other.name, *found.versions, f"not installed: {found.refused}" if found.refused else "", sep=", ", flush=True)
            for problem in problems:
                print(f"    {problem}", flush=True)
    if not (options.quick or options.names):
        about = run.machine()
        write_between(DOCS / "others.md", page(about, known, all_found))
        (DOCS / "others.json").write_text(as_json(about, known, all_found), encoding="utf-8")
    print(f"{bad} not as it should be")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
