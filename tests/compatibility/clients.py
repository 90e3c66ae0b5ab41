"""Which clients verify with the roots that fallback-roots gives, each by a real request over TLS: from `tests`,
``python -m compatibility.clients [--quick] [NAME ...]``.

Run it on Linux, as root or where a user may make mount namespaces, with an interpreter that has this project's `test` extra and
pip, which fetches the clients; each has a venv of its own. All run on a machine without CA certificates (`benchmarks.machines`)
against a server on loopback (`compatibility.server`) whose CA ``FALLBACK_ROOTS_CAFILE`` names, as follows:

- bare, before this package is installed in the venv;
- with it;
- with it, against a server of a CA that nobody has: a client that takes that certificate, too, does not verify at all;
- with it, against a server whose certificate is for another name, where the client is to verify.

A client that needs a setting of its own (`Cure`) does all of it with that once more, so that what the table advises has been
tried. Each client says beforehand what is to come of it; the exit status is 1 if anything else does.

Writes the table between the marks of ``docs/clients.md``, and what it is made of to ``docs/clients.json``. With ``NAME`` or
``--quick`` (the standard library's clients and four others, in one venv) it prints the table alone; with ``--render`` it writes
the page from the JSON, and runs nothing.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import re
import ssl
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import trustme
from benchmarks import run
from benchmarks.machines import Machine
from benchmarks.peers import write_between

import fallback_roots
from compatibility.programs import ASKS, CLIENTS, NONE, PRELUDE, Client
from compatibility.server import REFUSED, TAKEN, Server

DOCS = run.ROOT / "docs"
QUICK = ("urllib3", "aiohttp", "httpx", "requests")  # and the standard library's


class Attempt(NamedTuple):
    """What came of one run: the server's verdict, the client's exit status, and the last that it said, if it failed."""

    verdict: str
    status: int
    said: str


class Found(NamedTuple):
    """What came of a client: `runs` by the names of `PASSES`; empty, with the reason in `missing`, if it is not there."""

    name: str
    version: str
    runs: dict[str, Attempt]
    missing: str = ""


class Pass(NamedTuple):
    """One way to run a client. `ours`: with us; `server`: a name in `Authority.leaves`; `cured`: with the client's cure."""

    name: str
    ours: bool
    server: str
    cured: bool


PASSES = (
    Pass("bare", False, "known", False),
    Pass("ours", True, "known", False),
    Pass("stranger", True, "stranger", False),
    Pass("misnamed", True, "misnamed", False),
    Pass("bare, cured", False, "known", True),
    Pass("ours, cured", True, "known", True),
    Pass("stranger, cured", True, "stranger", True),
    Pass("misnamed, cured", True, "misnamed", True),
)

# Starts a process by its arguments and variables; its exit status, and what it has written to standard error.
Start = Callable[[list[str], Mapping[str, str]], tuple[int, str]]


def expected(client: Client, way: Pass) -> str:
    """The verdict that is to come of it."""
    if client.cure is None or not way.cured:
        taken = client.kind == NONE or (client.kind == ASKS and way.ours and way.server == "known")
    else:
        taken = way.server == "known" and (way.ours or client.cure.brings_roots)
    return TAKEN if taken else REFUSED


def ways(client: Client, ours: bool) -> list[Pass]:
    """How it is run in the venv before we are installed there, or after."""
    possible = [way for way in PASSES if way.ours is ours and (client.cure is not None or not way.cured)]
    return [way for way in possible if way.cured or way.server != "misnamed" or client.kind == ASKS]


class Authority(NamedTuple):
    """A CA's certificate in a file, and the certificates of three servers: one that is all right, one whose CA nobody has, and
    one that has another's name."""

    cafile: Path
    leaves: dict[str, trustme.LeafCert]


def make_authority(directory: Path) -> Authority:
    """New CAs, with the file in `directory`."""
    ca, stranger = (trustme.CA(organization_name=f"fallback-roots {name}") for name in ("clients", "stranger"))
    cafile = directory / "ca.pem"
    ca.cert_pem.write_to_path(str(cafile))
    leaves = {
        "known": ca.issue_cert("localhost"),
        "stranger": stranger.issue_cert("localhost"),
        "misnamed": ca.issue_cert("other.example"),
    }
    return Authority(cafile, leaves)


def attempt(client: Client, way: Pass, python: Path, authority: Authority, start: Start) -> Attempt:
    """Run `client` once, against a server of its own."""
    program, env = PRELUDE, {"FALLBACK_ROOTS_CAFILE": str(authority.cafile)} if way.ours else {}
    if client.cure is not None and way.cured:
        if client.cure.variable:
            env[client.cure.variable] = str(authority.cafile)
        if client.cure.argument:
            program += f"import ssl\noptions = dict({client.cure.argument.format(cafile=authority.cafile)})\n"
    server = Server(authority.leaves[way.server], client.talk)
    try:
        status, err = start([str(python), "-c", program + client.program, str(server.port)], env)
    finally:
        seen = server.close()
    return Attempt(seen.verdict, status, said(err).replace(str(server.port), "PORT") if status else "")


def said(err: str) -> str:
    """The last line of `err`, or the last one that speaks of certificates."""
    lines = [line.strip() for line in err.splitlines() if line.strip()] or ["nothing"]
    line = ([line for line in lines if "certificate" in line.lower().replace("_", " ")] or lines)[-1]
    line = re.sub(r"0x[0-9a-f]{6,}", "0x…", line)
    return line if len(line) <= 300 else line[:300] + "…"


def mismatches(found: Found) -> Iterator[str]:
    """What came of a client and was not to."""
    (client,) = (client for client in CLIENTS if client.name == found.name)
    for way in PASSES:
        if way.name in found.runs:
            verdict, _, line = found.runs[way.name]
            if verdict != expected(client, way):
                yield f"{client.name}, {way.name}: {verdict} (expected {expected(client, way)}): {line or 'it said nothing'}"


def in_namespace(machine: Machine) -> Start:
    """Starts processes on `machine`; one that takes a minute is ended."""

    def start(argv: list[str], env: Mapping[str, str]) -> tuple[int, str]:
        result = machine.run(["timeout", "60", *argv], run.environment(dict(env)))
        return result.status, result.err

    return start


def pip(python: Path, *args: str) -> "subprocess.CompletedProcess[str]":
    """Run this interpreter's pip on the venv of `python`; it may need this process's own variables: proxies, indexes."""
    command = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", *args]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=False)


def measure(clients: Sequence[Client], home: Path, wheel: Path, authority: Authority, start: Start) -> Iterator[Found]:
    """Make a venv in `home` with all that `clients` need, and run them in it, first without us."""
    venv.create(home, symlinks=True)
    python = home / "bin" / "python"
    requirements = sorted({name for client in clients for name in client.requirements})
    installed = pip(python, "install", "--quiet", *requirements) if requirements else None
    if installed is not None and installed.returncode:
        for client in clients:
            yield Found(client.name, "", {}, said(installed.stderr))
        return
    freeze = pip(python, "list", "--format=freeze").stdout.split()
    versions = {name.lower(): version for name, _, version in (line.partition("==") for line in freeze)}
    runs: dict[str, dict[str, Attempt]] = {client.name: {} for client in clients}
    for ours in (False, True):
        if ours and (failed := pip(python, "install", "--quiet", str(wheel))).returncode:
            sys.exit(failed.stderr)
        for client in clients:
            for way in ways(client, ours):
                runs[client.name][way.name] = attempt(client, way, python, authority, start)
    for client in clients:
        name = client.requirements[0].partition("[")[0].lower() if client.requirements else ""
        yield Found(client.name, versions[name] if name else f"Python {platform.python_version()}", runs[client.name])


def outcome(found: Found, side: str, cured: str = "") -> str:
    """What the table says of one run, ``bare`` or ``ours``, in view of those against the others' servers."""
    verdicts = {name: one.verdict for name, one in found.runs.items()}
    if verdicts[f"stranger{cured}"] == TAKEN:
        return "does not verify"
    if verdicts.get(f"misnamed{cured}") == TAKEN:
        return "verifies no name"
    return {TAKEN: "verified", REFUSED: "refused"}.get(verdicts[f"{side}{cured}"], "failed")


def row(found: Found) -> str:
    """A client's line of the table."""
    (client,) = (client for client in CLIENTS if client.name == found.name)
    cells = [f"`{client.name}`" if "." in client.name else client.name, found.version]
    if found.missing:
        return f"| {' | '.join([*cells, '', '', f'could not be installed: {found.missing}'])} |"
    cells += [outcome(found, "bare"), outcome(found, "ours")]
    advice = client.why
    if client.cure is not None:
        bare, ours = outcome(found, "bare", ", cured"), outcome(found, "ours", ", cured")
        advice += f"; with {client.cure}: {ours if bare == ours else f'{bare} bare, {ours} with fallback-roots'}"
    return f"| {' | '.join([*cells, advice])} |"


def refusal(found: Found) -> str:
    """What the client says where it refuses; empty if it never does."""
    names = ("bare", "bare, cured", "stranger, cured")
    return next((found.runs[name].said for name in names if name in found.runs and found.runs[name].verdict == REFUSED), "")


def page(about: str, all_found: Sequence[Found]) -> str:
    """What stands between the marks."""
    head = "| client | version | bare | with fallback-roots | why / what to set |\n| --- | --- | --- | --- | --- |"
    table = "\n".join([head, *map(row, all_found)])
    refusals: dict[str, list[str]] = {}
    for found in all_found:
        if words := refusal(found):
            refusals.setdefault(words, []).append(found.name)
    words = "\n".join(f"- {', '.join(names)}: `{words}`" for words, names in refusals.items())
    return "\n\n".join([about, table, "Where a client refuses the certificate its last words on it are:", words])


def as_json(about: str, all_found: Sequence[Found]) -> str:
    """All that a run has found out."""
    clients = [{**found._asdict(), "runs": {name: way._asdict() for name, way in found.runs.items()}} for found in all_found]
    return json.dumps({"about": about, "clients": clients}, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> tuple[str, list[Found]]:
    """What `as_json` has written."""
    content = json.loads(text)
    clients = [
        Found(**{**client, "runs": {name: Attempt(**way) for name, way in client["runs"].items()}})
        for client in content["clients"]
    ]
    return content["about"], clients


def describe() -> str:
    """What the table depends on."""
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        system = platform.platform()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"""\
- {datetime.datetime.now().astimezone():%Y-%m-%d}, {system}
- {python}, {ssl.OPENSSL_VERSION}
- fallback-roots {fallback_roots.__version__}"""


def main() -> int:
    """Run the clients, print, and write; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="the clients to run (default: all)")
    parser.add_argument("--quick", action="store_true", help="run those that are quick to install, and write nothing")
    parser.add_argument("--render", action="store_true", help="write the page from the JSON, and run nothing")
    options = parser.parse_args()
    if options.render:
        write_between(DOCS / "clients.md", page(*from_json((DOCS / "clients.json").read_text(encoding="utf-8"))))
        return 0
    unknown = set(options.names) - {client.name for client in CLIENTS}
    if unknown:
        parser.error(f"no such client: {', '.join(sorted(unknown))} (expected one of {', '.join(c.name for c in CLIENTS)})")
    chosen = [client for client in CLIENTS if not options.names or client.name in options.names]
    if options.quick:
        chosen = [client for client in chosen if not client.requirements or client.name in QUICK]
    groups: dict[tuple[str, ...], list[Client]] = {}
    for client in chosen:
        groups.setdefault(("all",) if options.quick else client.requirements, []).append(client)
    all_found = []
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        directory = Path(name)
        wheel, authority, machine = run.make_wheel(directory), make_authority(directory), Machine(None)
        stack.callback(machine.close)
        for number, group in enumerate(groups.values()):
            for found in measure(group, directory / f"venv{number}", wheel, authority, in_namespace(machine)):
                all_found.append(found)
                print(row(found), file=sys.stderr, flush=True)
    about = describe()
    print(page(about, all_found))
    if not options.quick and not options.names:
        (DOCS / "clients.json").write_text(as_json(about, all_found), encoding="utf-8")
        write_between(DOCS / "clients.md", page(about, all_found))
    wrong = [line for found in all_found for line in mismatches(found)]
    if options.quick:  # where nothing is to be missing
        wrong += [f"{found.name} could not be installed: {found.missing}" for found in all_found if found.missing]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
