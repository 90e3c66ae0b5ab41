"""Broken installs: whatever is missing, half written or forbidden, a program runs as it would without us.

A machine without CA certificates, or a healthy one with a CA of its own, and a venv that is damaged. The program prints what
it trusts, and exits with a status of its own: both must be as without us, but for the trust that a row of a table names.
"""

import os
import re
import shutil
import ssl
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import certifi
import pytest
from conftest import needs_root
from support import NO_CAS, NOWHERE, PROGRAM, ROOT, new_ca, python

# In a WARNING.
LOADED = "loaded 1 root from cafile"
SITES_COMPLAINT = re.compile(
    r"(Error processing line 1 of .*/fallback_roots\.pth:\n\n(  .*\n|\n)*?\nRemainder of file ignored\n){1,2}"
)

# Root reads everything, by a capability that it can do without.
BOUND_BY_MODES = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


class Trust:
    """The sets of roots that a process may come to, by name."""

    def __init__(self, own: bytes, chosen: bytes) -> None:
        blocks = re.findall("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", certifi.contents(), re.DOTALL)
        everybodys = [ssl.PEM_cert_to_DER_cert(block) for block in blocks]
        self.roots = {
            "none": set[bytes](),
            "own": {ssl.PEM_cert_to_DER_cert(own.decode())},
            "chosen": {ssl.PEM_cert_to_DER_cert(chosen.decode())},
            "certifi": set(everybodys),
            "three": set(everybodys[:3]),
        }

    def printed(self, name: str) -> str:
        """The standard output of `PROGRAM` where it trusts that."""
        certificates = sorted(self.roots[name])
        return f"before\n{len(certificates)} {zlib.crc32(b''.join(certificates))}\n"

    def name(self, printed: str) -> str:
        """The name of the trust for which `PROGRAM` prints that."""
        return {self.printed(name): name for name in self.roots}.get(printed, printed)


class Machine:
    """A copy of a venv, for a test to damage, and the machine that it is on."""

    def __init__(self, root: Path, interpreter: Path, cas: dict[str, Path], trust: Trust) -> None:
        self.root = root
        shutil.copytree(interpreter.parent.parent, root / "venv", symlinks=True)
        self.interpreter = root / "venv" / "bin" / interpreter.name
        (self.site,) = root.glob("venv/lib/*/site-packages")
        self.cas = cas
        self.trust = trust
        # In front of the standard library.
        (root / "shadow").mkdir()
        self.variables = {
            "PYTHONPATH": str(root / "shadow"),
            "FALLBACK_ROOTS_CONFIG": os.devnull,
            "FALLBACK_ROOTS_CAFILE": str(cas["chosen"]),
        }
        self.prefix: tuple[str, ...] = ()

    def put(self, name: str, data: str | bytes | None) -> Path:
        """Give file `name` in site-packages the content `data`, or take it away, and whatever was there before."""
        path = self.site / name
        for bytecode in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            bytecode.unlink()
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        if data is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def run(
        self,
        *args: str | Path,
        healthy: bool = False,
        program: str = PROGRAM,
        prefix: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> tuple[str, int, str]:
        """What a program writes, its exit status, and what it writes to standard error."""
        cas = {**NO_CAS, "SSL_CERT_FILE": str(self.cas["own"])} if healthy else NO_CAS
        env = {**cas, **self.variables, **(variables or {})}
        done = python(
            "-c",
            program,
            *args,
            env=env,
            executable=self.interpreter,
            cwd=self.root,
            prefix=(*self.prefix, *prefix),
            timeout=60,
        )
        return done.stdout, done.returncode, done.stderr

    def without(self, *variables: str) -> None:
        for variable in variables:
            del self.variables[variable]


@pytest.fixture(scope="module")
def cas(ca_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The file of a healthy machine's CA, and that of the chosen fallback."""
    chosen = tmp_path_factory.mktemp("chosen") / "chosen.pem"
    new_ca("the chosen fallback", chosen)
    return {"own": ca_file, "chosen": chosen}


@pytest.fixture(scope="module")
def trust(cas: dict[str, Path]) -> Trust:
    """The trust that these give."""
    return Trust(cas["own"].read_bytes(), cas["chosen"].read_bytes())


def compiled(interpreter: Path, directory: Path) -> Path:
    """The interpreter of a copy of a venv, in which everything has its bytecode: no other test's process writes any."""
    shutil.copytree(interpreter.parent.parent, directory / "venv", symlinks=True)
    copy = directory / "venv" / "bin" / interpreter.name
    done = python("-m", "compileall", "-q", *directory.glob("venv/lib/*/site-packages"), executable=copy)
    assert done.returncode == 0, done.stdout
    return copy


@pytest.fixture(scope="module")
def sound(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a venv with us."""
    return compiled(installed, tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def plain(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a venv without us."""
    return compiled(bare, tmp_path_factory.mktemp("plain"))


@pytest.fixture
def machine(sound: Path, cas: dict[str, Path], trust: Trust, tmp_path: Path) -> Machine:
    """A machine with us, and with nothing broken."""
    return Machine(tmp_path, sound, cas, trust)


@pytest.fixture
def without_us(plain: Path, cas: dict[str, Path], trust: Trust, tmp_path: Path) -> Machine:
    """A machine without us."""
    (tmp_path / "without us").mkdir()
    return Machine(tmp_path / "without us", plain, cas, trust)


def complains(said: str) -> bool:
    """Whether all of that is what site says of any .pth that fails, of each time that it reads ours."""
    return SITES_COMPLAINT.fullmatch(said) is not None


def test_without_us(without_us: Machine) -> None:
    """What this file takes for a program's own output and exit status is what it does in an interpreter without us."""
    assert without_us.run() == (without_us.trust.printed("none"), 7, "")
    assert without_us.run(healthy=True) == (without_us.trust.printed("own"), 7, "")


# ---------------------------------------------------------------- a file of ours is damaged


Damage = Callable[[bytes], "bytes | None"]

DAMAGES: dict[str, Damage] = {
    "missing": lambda _: None,
    "empty": lambda _: b"",
    "half": lambda data: data[: len(data) // 2] + b"\n(",  # and surely no good Python; see below for what is
    "zeros": lambda data: bytes(len(data)),
    "not UTF-8": lambda data: b"x = '\xff'\n" + data,
}
PACKAGE = ROOT / "src" / "fallback_roots"
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
COMMAND = [name for name in MODULES if "/" in name or name == "__main__.py"]
HOOK = [name for name in MODULES if name not in COMMAND]
START = ("__init__.py", "auto.py")
LAZY = ("_lazy.py", "_manifest.py", "_rehash.py", "_subject_hash.py")


class Cost(NamedTuple):
    """What a damaged module costs: what a machine without CAs trusts, and what stands in each line that is said there."""

    trust: str
    said: tuple[str, ...]


def cost(name: str, damage: str) -> Cost:
    """Of each module of ours; one that is not named here costs the fallback, and a WARNING names the file if Python does."""
    named = "null bytes" if damage == "zeros" else name.removesuffix(".py")
    return COSTS.get((name, damage)) or COSTS.get((name, "")) or Cost("none", (named,))


COSTS = {
    ("_watch.py", ""): Cost("none", ()),
    ("_patch.py", ""): Cost("chosen", ("wrapt failed, and is done without", LOADED)),
    # Nobody is left to say it.
    ("_say.py", ""): Cost("none", ()),
    ("_say.py", "empty"): Cost("chosen", ()),
    ("auto.py", "empty"): Cost("none", ()),
    ("errors.py", "empty"): Cost("chosen", (LOADED,)),  # it is about the functions of the public API
    ("_certifi.py", "empty"): Cost("chosen", (LOADED,)),  # certifi is not chosen
    **{(name, ""): Cost("chosen", (LOADED,)) for name in (*LAZY, "_config.py", "_system.py")},
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", HOOK)
def test_a_damaged_module(name: str, damage: str, machine: Machine) -> None:
    """Whatever has happened to a file of ours, a program runs on, on either machine, and one WARNING says what is wrong."""
    path = machine.site / "fallback_roots" / name
    machine.put(f"fallback_roots/{name}", DAMAGES[damage](path.read_bytes()))
    stdout, status, stderr = machine.run()
    healthy = machine.run(healthy=True)
    if name in START and (name, damage) not in COSTS:
        assert (machine.trust.name(stdout), status, complains(stderr)) == ("none", 7, True), stderr
        assert (machine.trust.name(healthy[0]), healthy[1], complains(healthy[2])) == ("own", 7, True), healthy[2]
        return
    expected = cost(name, damage)
    assert (machine.trust.name(stdout), status) == (expected.trust, 7), stderr
    check(stderr, expected.said)
    assert healthy == (machine.trust.printed("own"), 7, "")


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["_config.py", "_system.py"])
def test_a_damaged_module_that_settings_need(name: str, damage: str, machine: Machine) -> None:
    """Where a config file or the operating system's places cannot be looked at, nothing is chosen in their stead."""
    config = machine.root / "config.toml"
    config.write_text(f'cafile = "{machine.cas["chosen"]}"\nprefer_system = true\n')
    machine.without("FALLBACK_ROOTS_CAFILE")
    machine.put(f"fallback_roots/{name}", DAMAGES[damage]((machine.site / "fallback_roots" / name).read_bytes()))
    stdout, status, stderr = machine.run(variables={"FALLBACK_ROOTS_CONFIG": str(config)})
    assert (machine.trust.name(stdout), status) == ("none", 7), stderr
    check(stderr, ("null bytes" if damage == "zeros" else name.removesuffix(".py"),))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", LAZY)
def test_a_damaged_module_of_lazy(name: str, damage: str, machine: Machine) -> None:
    """What only lazy needs costs nobody the roots: they are loaded at once, and one WARNING says why."""
    path = machine.site / "fallback_roots" / name
    machine.put(f"fallback_roots/{name}", DAMAGES[damage](path.read_bytes()))
    variables = {"FALLBACK_ROOTS_LAZY": "1", "FALLBACK_ROOTS_CACHE": str(machine.root / "cache")}
    stdout, status, stderr = machine.run(variables=variables)
    assert (machine.trust.name(stdout), status) == ("chosen", 7)
    check(stderr, ("; not lazily, since ",))
    assert LOADED in stderr
    assert machine.run(healthy=True, variables=variables) == (machine.trust.printed("own"), 7, "")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_command(damage: str, machine: Machine) -> None:
    """What only the command is made of, and the hooks that others look for, costs a program nothing."""
    for name in COMMAND:
        path = machine.site / "fallback_roots" / name
        machine.put(f"fallback_roots/{name}", DAMAGES[damage](path.read_bytes()))
    stdout, status, stderr = machine.run()
    assert (machine.trust.name(stdout), status) == ("chosen", 7)
    check(stderr, (LOADED,))
    assert machine.run(healthy=True) == (machine.trust.printed("own"), 7, "")


def check(stderr: str, said: Sequence[str]) -> None:
    """That there are as many lines on standard error, each of ours, and with that in it."""
    lines = stderr.splitlines()
    assert len(lines) == len(said), stderr
    for line, what in zip(lines, said, strict=True):
        assert line.startswith("fallback-roots: ")
        assert what in line


# Not one that is not UTF-8: with such a .pth, whosever it is, no interpreter starts.
START_FILES: dict[str, str | bytes | None] = {
    "missing": None,
    "empty": b"",
    "half": b"import fallback_ro",
    "three quarters": b"import fallback_roots.a",
    "a word": b"impo",
    "zeros": bytes(64),
}


@pytest.mark.parametrize("name", START_FILES)
def test_a_damaged_start_up_file(name: str, machine: Machine) -> None:
    """With a damaged .pth we are not there; site complains of it or does not."""
    machine.put("fallback_roots.pth", START_FILES[name])
    for healthy, trust in ((False, "none"), (True, "own")):
        stdout, status, stderr = machine.run(healthy=healthy)
        assert (machine.trust.name(stdout), status) == (trust, 7), stderr
        assert complains(stderr) or not stderr


def test_the_package_is_gone(machine: Machine) -> None:
    """So it is where the .pth is all that is left of us."""
    machine.put("fallback_roots", None)
    for healthy, trust in ((False, "none"), (True, "own")):
        stdout, status, stderr = machine.run(healthy=healthy)
        assert (machine.trust.name(stdout), status, complains(stderr)) == (trust, 7, True), stderr


# Writes a module of ours anew, cut short behind each of its statements in turn, and has a child live with that.
CUT = """
import ast, logging, os, ssl, sys
site, name, own, hashed = sys.argv[1:]
sys.path.append(site)
import certifi, platformdirs, wrapt  # for all children
del sys.modules["ssl"]
path = f"{site}/fallback_roots/{name}"
with open(path, encoding="utf-8") as file:
    source = file.read()
lines = source.splitlines(keepends=True)
nowhere = os.environ["SSL_CERT_DIR"]

def make_all(ssl):
    class Own(ssl.SSLContext):
        "As truststore's inner context."
    def load(context, *args):
        context.load_default_certs(*args)
        return context
    def client():
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    def foreign():
        context = Own(ssl.PROTOCOL_TLS_CLIENT)
        context.sslsocket_class = ssl.SSLSocket
        return context
    # None of these but the first holds a root that one could see, and none of them must get any.
    yield own, nowhere, ssl.create_default_context
    yield nowhere, hashed, ssl.create_default_context
    yield os.devnull, nowhere, ssl.create_default_context
    yield nowhere, nowhere, lambda: load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    yield nowhere, nowhere, lambda: load(client(), ssl.Purpose.CLIENT_AUTH)
    yield nowhere, nowhere, lambda: ssl.create_default_context(capath=hashed)
    yield nowhere, nowhere, lambda: load(foreign())
    # These may.
    yield nowhere, nowhere, ssl.create_default_context
    yield nowhere, nowhere, lambda: load(client())

for end in sorted({node.end_lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)}):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(lines[:end])
    if not os.fork():
        try:
            import fallback_roots.auto
        except Exception:  # site does no less
            pass
        try:
            import ssl
            seen = []
            for cafile, capath, make in make_all(ssl):
                os.environ.update(SSL_CERT_FILE=cafile, SSL_CERT_DIR=capath)
                seen.append(len(make().get_ca_certs()))
            print(*seen, flush=True)
        except Exception as error:
            print(f"up to line {end}: {type(error).__name__}: {error}", flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.mark.parametrize("name", HOOK)
def test_a_module_cut_short(name: str, machine: Machine, hashed_directory: Path) -> None:
    """A file that ends behind any of its statements, and so is good Python, costs no program its run, and no trust is wider:
    a load gives what it gives without us, or the chosen fallback where that is due."""
    config = machine.root / "config.toml"  # a setting that is lost would be certifi's roots
    config.write_text(f'cafile = "{machine.cas["chosen"]}"\n')
    machine.without("FALLBACK_ROOTS_CAFILE")
    machine.put(f"fallback_roots/{name}", (machine.site / "fallback_roots" / name).read_bytes())  # without its bytecode
    arguments = (machine.site, name, machine.cas["own"], hashed_directory)
    done = python(
        *("-S", "-c", CUT, *arguments),
        env={**NO_CAS, "FALLBACK_ROOTS_CONFIG": str(config)},
        executable=machine.interpreter,
    )
    seen = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert "1 0 0 0 0 0 0 1 1" in seen  # the whole file is the last
    assert [line for line in seen if line not in ("1 0 0 0 0 0 0 0 0", "1 0 0 0 0 0 0 1 1")] == []


# ---------------------------------------------------------------- a dependency is broken


class Break(NamedTuple):
    """What is done to a machine; what it then trusts if it has no CAs; what stands in each line that is said there."""

    do: Callable[[Machine], object]
    trust: str
    said: tuple[str, ...]


def both(*acts: Callable[[Machine], object]) -> Callable[[Machine], object]:
    return lambda machine: [act(machine) for act in acts]


def gone(name: str) -> Callable[[Machine], object]:
    """A file or directory in site-packages is missing."""
    return lambda machine: machine.put(name, None)


def holds(name: str, data: str | bytes) -> Callable[[Machine], object]:
    """A file in site-packages holds something else."""
    return lambda machine: machine.put(name, data)


def half(name: str) -> Callable[[Machine], object]:
    """A file in site-packages has only its first half."""
    return lambda machine: machine.put(name, DAMAGES["half"]((machine.site / name).read_bytes()))


def shadow(name: str, source: str) -> Callable[[Machine], object]:
    """A module of the standard library is something else."""
    return lambda machine: (machine.root / "shadow" / f"{name}.py").write_text(source)


def chooses_certifi(machine: Machine) -> None:
    machine.without("FALLBACK_ROOTS_CAFILE")


def looks_for_its_files(machine: Machine) -> None:
    machine.without("FALLBACK_ROOTS_CONFIG")


def has_a_file(machine: Machine) -> None:
    """The CA is chosen in a config file."""
    machine.without("FALLBACK_ROOTS_CAFILE")
    path = machine.root / "config.toml"
    path.write_text(f'cafile = "{machine.cas["chosen"]}"\n')
    machine.variables["FALLBACK_ROOTS_CONFIG"] = str(path)


def certifi_is(*acts: Callable[[Machine], object]) -> Callable[[Machine], object]:
    return both(chooses_certifi, *acts)


def bundle_is(data: str | bytes) -> Callable[[Machine], object]:
    return certifi_is(holds("certifi/cacert.pem", data))


def bundle_is_a_directory(machine: Machine) -> None:
    chooses_certifi(machine)
    machine.put("certifi/cacert.pem", None).mkdir()


def bundle_is_of_mode_000(machine: Machine) -> None:
    chooses_certifi(machine)
    (machine.site / "certifi" / "cacert.pem").chmod(0)
    machine.prefix = BOUND_BY_MODES


def bundle_is_cut(machine: Machine) -> None:
    """In the middle of its fourth certificate."""
    chooses_certifi(machine)
    data = certifi.contents()
    fourth = [match.start() for match in re.finditer("-----BEGIN", data)][3]
    machine.put("certifi/cacert.pem", data[: fourth + 500])


def certifi_of(where: str, more: str = "") -> Callable[[Machine], object]:
    """certifi is a package that has `where` for the expression of its bundle's path, and a bundle of its own."""
    core = f"import os\ndef where():\n    return {where}\n{more}"
    names = "where" + (", contents" if "contents" in more else "")
    return certifi_is(
        gone("certifi"),
        holds("certifi/core.py", core),
        holds("certifi/__init__.py", f"from .core import {names}\n"),
        lambda machine: machine.put("certifi/cacert.pem", machine.cas["own"].read_bytes()),
    )


OF_ITS_OWN = "os.path.join(os.path.dirname(__file__), 'cacert.pem')"
READS_IT = "def contents():\n    with open(where(), encoding='ascii') as data:\n        return data.read()\n"
# As in the certifi of 2020. importlib.resources.read_text warns of its own deprecation on some Pythons.
READS_A_RESOURCE = """
from importlib.resources import path, read_text
def where():
    return str(path("certifi", "cacert.pem").__enter__())
def contents():
    return read_text("certifi", "cacert.pem", encoding="ascii")
"""


def debians(bundle: str) -> Callable[[Machine], object]:
    """certifi as Debian has it: in dist-packages, without a bundle, and with that of the operating system in its place."""

    def act(machine: Machine) -> None:
        path = bundle.format(**machine.cas)
        certifi_of(repr(path), READS_IT)(machine)
        machine.put("certifi/cacert.pem", None)
        packages = machine.root / "usr" / "lib" / "python3" / "dist-packages"
        packages.mkdir(parents=True)
        (machine.site / "certifi").rename(packages / "certifi")
        machine.put("distributions.pth", f"{packages}\n")

    return act


# certifi-system-store is another package `certifi`, with a bundle that holds nothing; it checks what it calls a hack of its
# own with pkg_resources, which most environments have no more.
SYSTEM_STORE = """
import os
from certifi._patch import verify
def where():
    verify()
    for candidate in CANDIDATES:
        if os.path.isfile(candidate):
            return candidate
    raise FileNotFoundError(", ".join(CANDIDATES))
def contents():
    with open(where(), encoding="utf-8") as data:
        return data.read()
"""


def system_store(candidate: str, pkg_resources: str | None) -> Callable[[Machine], object]:
    def act(machine: Machine) -> None:
        chooses_certifi(machine)
        machine.put("certifi", None)
        candidates = [f"{NOWHERE}/cert.pem", candidate.format(**machine.cas)]
        machine.put("certifi/__init__.py", "from .core import contents, where\n")
        machine.put("certifi/core.py", f"CANDIDATES = {candidates}\n{SYSTEM_STORE}")
        machine.put("certifi/_patch.py", "import pkg_resources\ndef verify():\n    pkg_resources.get_distribution('certifi')\n")
        machine.put("certifi/cacert.pem", "# empty\n")
        machine.put("pkg_resources.py", pkg_resources)

    return act


# certifi-linux wraps the two functions of certifi by an import hook of wrapt's, which its .pth sets up.
CERTIFI_LINUX = """
import os, wrapt
def where():
    for candidate in CANDIDATES:
        if os.path.isfile(candidate):
            return candidate
    raise FileNotFoundError(f"None of the following cert paths could be found: {', '.join(CANDIDATES)}")
def contents():
    with open(where(), encoding="utf-8") as file:
        return file.read()
@wrapt.when_imported("certifi")
def patch(certifi):
    wrapt.wrap_function_wrapper(certifi, "where", lambda wrapped, instance, args, kwargs: where())
    wrapt.wrap_function_wrapper(certifi, "contents", lambda wrapped, instance, args, kwargs: contents())
"""


def certifi_linux(candidate: str, pth: str = "certifi_linux.pth") -> Callable[[Machine], object]:
    def act(machine: Machine) -> None:
        chooses_certifi(machine)
        candidates = [f"{NOWHERE}/cert.pem", candidate.format(**machine.cas)]
        machine.put("certifi_linux/__init__.py", f"CANDIDATES = {candidates}\n{CERTIFI_LINUX}")
        machine.put(pth, "import os; __import__('certifi_linux')\n")

    return act


TOML = "tomllib" if sys.version_info >= (3, 11) else "tomli"
ALL_OF_CERTIFI = f"loaded {certifi.contents().count('BEGIN CERTIFICATE')} roots from certifi"
RAISES = "raise RuntimeError('broken')\n"
MISSING = "raise ModuleNotFoundError('No module of that name')\n"
HALF = "def load(\n"
PROGRAMS_OWN = "LEVEL = 3\n"
HTML = "<!DOCTYPE html>\n<html><head><title>Sign in to the network</title></head><body></body></html>\n"
APT = "Debian's certifi reads the system's bundle, which apt-get install ca-certificates brings"
WITHOUT_WRAPT = "wrapt failed, and is done without "
NO_PLACES = "platformdirs: cannot tell where config files are "
NO_TOML = "config.toml: cannot be read as TOML "

BROKEN = {
    # certifi's bundle
    "bundle missing": Break(certifi_is(gone("certifi/cacert.pem")), "none", ("certifi: gives no roots (FileNotFoundError: ",)),
    "bundle empty": Break(bundle_is(""), "none", ("certifi/__init__.py: holds no certificate",)),
    "bundle cut": Break(bundle_is_cut, "three", ("1 of 4 certificates cannot be loaded: number 4, in line ",)),
    "bundle of HTML": Break(bundle_is(HTML), "none", ("certifi/__init__.py: holds no certificate",)),
    "bundle of zeros": Break(bundle_is(bytes(4096)), "none", ("certifi/__init__.py: holds no certificate",)),
    "bundle of no text": Break(bundle_is(bytes(range(256))), "none", ("certifi/__init__.py: holds no certificate",)),
    "bundle with a comment that is no ASCII": Break(
        bundle_is(b"# \xe9\n" + certifi.contents().encode()), "certifi", (ALL_OF_CERTIFI,)
    ),
    "bundle a directory": Break(bundle_is_a_directory, "none", ("certifi: gives no roots (IsADirectoryError: ",)),
    "bundle of mode 000": Break(bundle_is_of_mode_000, "none", ("certifi: gives no roots (PermissionError: ",)),
    # certifi
    "certifi missing": Break(certifi_is(gone("certifi")), "none", ("certifi: cannot be imported (ModuleNotFoundError: ",)),
    "certifi half written": Break(certifi_is(half("certifi/core.py")), "none", ("certifi: cannot be imported (",)),
    "certifi empty": Break(certifi_is(holds("certifi/__init__.py", "")), "certifi", (ALL_OF_CERTIFI,)),
    "certifi without its __init__": Break(certifi_is(gone("certifi/__init__.py")), "certifi", (ALL_OF_CERTIFI,)),
    "certifi raises": Break(
        certifi_is(holds("certifi/__init__.py", RAISES)), "none", ("certifi: cannot be imported (RuntimeError: broken)",)
    ),
    "certifi missing, and not chosen": Break(gone("certifi"), "chosen", (LOADED,)),
    "certifi of 2017": Break(certifi_of(OF_ITS_OWN), "own", ("loaded 1 root from certifi",)),
    "certifi of 2020": Break(certifi_of(OF_ITS_OWN, READS_A_RESOURCE), "own", ("loaded 1 root from certifi",)),
    # in certifi's place
    "Debian's certifi": Break(debians(f"{NOWHERE}/ca.crt"), "none", (APT,)),
    "Debian's certifi, and the bundle": Break(debians("{own}"), "own", ("loaded 1 root from certifi",)),
    "certifi-system-store": Break(
        system_store(NOWHERE, None),
        "none",
        ("certifi: cannot be imported (ModuleNotFoundError: No module named 'pkg_resources')",),
    ),
    "certifi-system-store, and pkg_resources": Break(
        system_store(NOWHERE, "def get_distribution(name): pass\n"), "none", ("certifi/__init__.py: holds no certificate",)
    ),
    "certifi-system-store, and a bundle": Break(
        system_store("{own}", "def get_distribution(name): pass\n"), "own", ("loaded 1 root from certifi",)
    ),
    "certifi-linux": Break(certifi_linux(NOWHERE), "certifi", (ALL_OF_CERTIFI,)),
    "certifi-linux, after us": Break(certifi_linux(NOWHERE, "zz.pth"), "certifi", (ALL_OF_CERTIFI,)),
    "certifi-linux, and a bundle": Break(certifi_linux("{own}"), "own", ("loaded 1 root from certifi",)),
    # wrapt
    "wrapt missing": Break(gone("wrapt"), "chosen", (f"{WITHOUT_WRAPT}(ModuleNotFoundError: ", LOADED)),
    "wrapt half written": Break(half("wrapt/wrappers.py"), "chosen", (f"{WITHOUT_WRAPT}(", LOADED)),
    "wrapt raises": Break(holds("wrapt/__init__.py", RAISES), "chosen", (f"{WITHOUT_WRAPT}(RuntimeError: broken)", LOADED)),
    "wrapt without its classes": Break(
        holds("wrapt/__init__.py", "class BoundFunctionWrapper: pass\n"),
        "chosen",
        (f"{WITHOUT_WRAPT}(AttributeError: module 'wrapt' has no attribute 'FunctionWrapper')", LOADED),
    ),
    "wrapt without its __init__": Break(gone("wrapt/__init__.py"), "chosen", (f"{WITHOUT_WRAPT}(AttributeError: ", LOADED)),
    # platformdirs
    "platformdirs missing": Break(
        both(looks_for_its_files, gone("platformdirs")), "none", (f"{NO_PLACES}(ModuleNotFoundError: ",)
    ),
    "platformdirs half written": Break(both(looks_for_its_files, half("platformdirs/unix.py")), "none", (f"{NO_PLACES}(",)),
    "platformdirs raises": Break(
        both(looks_for_its_files, holds("platformdirs/__init__.py", RAISES)), "none", (f"{NO_PLACES}(RuntimeError: broken)",)
    ),
    "platformdirs missing, and not asked": Break(gone("platformdirs"), "chosen", (LOADED,)),
    # a TOML reader
    "TOML raises": Break(both(has_a_file, shadow(TOML, RAISES)), "none", (f"{NO_TOML}(RuntimeError: broken)",)),
    "TOML missing": Break(both(has_a_file, shadow(TOML, MISSING)), "none", (f"{NO_TOML}(ModuleNotFoundError: ",)),
    "TOML half written": Break(both(has_a_file, shadow(TOML, HALF)), "none", (f"{NO_TOML}(",)),
    "TOML raises, and no file": Break(both(looks_for_its_files, shadow(TOML, RAISES)), "chosen", (LOADED,)),
    # logging, without wrapt, which may import it, too
    **{
        f"logging {name}": Break(
            both(gone("wrapt"), shadow("logging", source)), "chosen", (f"{WITHOUT_WRAPT}(ModuleNotFoundError: ", LOADED)
        )
        for name, source in {
            "missing": MISSING,
            "half written": HALF,
            "raises": RAISES,
            "is a program's own": PROGRAMS_OWN,
        }.items()
    },
    "logging raises, and nothing is loaded": Break(
        both(shadow("logging", RAISES), certifi_is(gone("certifi"))), "none", ("certifi: cannot be imported",)
    ),
    # nothing
    "nothing": Break(lambda _: None, "chosen", (LOADED,)),
    "nothing, and a file": Break(has_a_file, "chosen", (LOADED,)),
    "nothing, and certifi": Break(chooses_certifi, "certifi", (ALL_OF_CERTIFI,)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_dependency(name: str, machine: Machine) -> None:
    """What we depend on may be broken: a healthy machine never knows, another one has the trust of the table, and one WARNING
    for each thing says what is wrong."""
    row = BROKEN[name]
    row.do(machine)
    stdout, status, stderr = machine.run()
    assert (machine.trust.name(stdout), status) == (row.trust, 7), stderr
    check(stderr, row.said)
    assert machine.run(healthy=True) == (machine.trust.printed("own"), 7, "")


# Nothing is set by which somebody meant to name roots, so the record is INFO.
A_LOGGING_OF_ITS_OWN = f"""
import _ssl, logging, ssl
from fallback_roots import _watch
ssl.SSLContext.set_default_verify_paths = lambda self: None
_watch.Site.sets_standard_paths = lambda *_: True
_ssl.get_default_verify_paths = lambda: {tuple(text for item in NO_CAS.items() for text in item)}
{PROGRAM}"""


def test_a_programs_own_logging(machine: Machine) -> None:
    """A module that is a program's own, and has the name of logging, is not asked for a logger."""
    both(gone("wrapt"), shadow("logging", PROGRAMS_OWN))(machine)
    env = {**machine.variables, "FALLBACK_ROOTS_CAFILE": str(machine.cas["chosen"])}
    done = python("-c", A_LOGGING_OF_ITS_OWN, env=env, executable=machine.interpreter)
    assert (machine.trust.name(done.stdout), done.returncode) == ("chosen", 7)
    check(done.stderr, (WITHOUT_WRAPT,))


GREEDY = f"""
import resource, sys, time
{PROGRAM.removesuffix("sys.exit(7)" + chr(10))}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, time.process_time())
"""


def test_a_huge_bundle_of_certifi(machine: Machine) -> None:
    """A hundred megabytes without a certificate, as a broken disk may leave them, take neither long nor much more memory."""
    chooses_certifi(machine)
    path = machine.put("certifi/cacert.pem", "")
    os.truncate(path, 100 * 1024 * 1024)
    stdout, status, stderr = machine.run(program=GREEDY)
    before, trusted, used = stdout.splitlines()
    assert (machine.trust.name(f"{before}\n{trusted}\n"), status) == ("none", 0)
    check(stderr, ("certifi/__init__.py: holds no certificate",))
    megabytes, seconds = map(float, used.split())
    assert megabytes < 400  # measured: 221, of which bytes and text are 200
    assert seconds < 20  # measured: 0.3


# ---------------------------------------------------------------- a machine that gives little


@needs_root
def test_a_read_only_file_system(machine: Machine) -> None:
    """Where nothing can be written, neither the venv nor HOME nor TMPDIR, all goes on as ever."""
    for bytecode in machine.site.rglob("*.pyc"):  # which Python would like to write
        bytecode.unlink()
    home = machine.root / "home"
    home.mkdir()
    looks_for_its_files(machine)
    variables = {"PYTHONDONTWRITEBYTECODE": "", "HOME": str(home), "TMPDIR": str(home)}
    script = (
        'mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"; cd "$0"; if touch home/file 2>&-; then exit 1; fi; exec "$@"'
    )
    prefix = ("unshare", "-m", "--propagation", "private", "bash", "-ec", script, str(machine.root))
    stdout, status, stderr = machine.run(prefix=prefix, variables=variables)
    assert (machine.trust.name(stdout), status) == ("chosen", 7), stderr
    check(stderr, (LOADED,))
    assert machine.run(healthy=True, prefix=prefix, variables=variables) == (machine.trust.printed("own"), 7, "")
    assert [*home.iterdir(), *machine.site.rglob("*.pyc")] == []


@needs_root
@pytest.mark.parametrize("chosen", ["cafile", "certifi"])
def test_a_user_whom_nobody_knows(chosen: str, machine: Machine) -> None:
    """A container's arbitrary user id has no home, neither in the environment nor in the password file."""
    looks_for_its_files(machine)
    if chosen == "certifi":
        chooses_certifi(machine)
    nobody = """
import os, pwd
assert os.getuid() == os.geteuid() == 12345 and os.path.expanduser("~") == "~"
"""
    # The venv is in a directory of root's.
    prefix = [*("env", "-u", "HOME", "setpriv", "--reuid=12345", "--regid=12345", "--clear-groups")]
    prefix += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    stdout, status, stderr = machine.run(prefix=prefix, program=nobody + PROGRAM)
    assert (machine.trust.name(stdout), status) == ("chosen" if chosen == "cafile" else "certifi", 7), stderr
    check(stderr, (LOADED if chosen == "cafile" else ALL_OF_CERTIFI,))
    healthy = machine.run(prefix=prefix, program=nobody + PROGRAM, healthy=True)
    assert healthy == (machine.trust.printed("own"), 7, "")


# The file gets the lowest descriptor, which is that of a stream where one is closed.
WRITES_A_FILE = f"""
import sys
real, sys.stdout = sys.stdout, open(sys.argv[1], "w")
{PROGRAM}"""


@pytest.mark.parametrize("name", ["nothing", "wrapt missing", "certifi missing"])
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(closed: str, name: str, machine: Machine) -> None:
    """With any of the standard streams closed the program's file holds what it wrote, although it has that stream's number."""
    row = BROKEN[name]
    row.do(machine)
    machine.prefix = ("bash", "-c", f'exec "$@" {closed}', "_")
    file = machine.root / "file"
    stdout, status, stderr = machine.run(file, program=WRITES_A_FILE)
    assert (stdout, machine.trust.name(file.read_text()), status) == ("", row.trust, 7)
    check(stderr, () if "2>&-" in closed else row.said)
    assert machine.run(file, program=WRITES_A_FILE, healthy=True) == ("", 7, "")
    assert machine.trust.name(file.read_text()) == "own"


def limited(kind: str, limit: int) -> tuple[str, ...]:
    """A prefix under which a program may have only so many descriptors (n) or KiB of address space (v)."""
    return ("bash", "-c", f'ulimit -{kind} {limit} && exec "$@"', "_")


def lowest_limit(kind: str, low: int, high: int, step: int, machine: Machine) -> int:
    """The lowest limit, in steps, under which the program runs on a machine of both kinds; it does under `high`."""

    def runs(limit: int) -> bool:
        prefix = limited(kind, limit)
        return all(
            machine.run(prefix=prefix, healthy=healthy) == (machine.trust.printed("own" if healthy else "none"), 7, "")
            for healthy in (True, False)
        )

    assert runs(high)
    while high - low > step:
        middle = (low + high) // 2
        low, high = (low, middle) if runs(middle) else (middle, high)
    return high


def test_few_descriptors(machine: Machine, without_us: Machine) -> None:
    """With as few descriptors as let the bare program run, it runs, and has its own trust or all of the chosen."""
    if sys.version_info < (3, 13):  # site keeps a .pth open for what its line imports, and dies if that fails
        without_us.put("neighbour.pth", "import neighbour\n")
        without_us.put("neighbour.py", "")
    lowest = lowest_limit("n", 2, 16, 1, without_us)
    for limit in range(lowest, lowest + 6):
        stdout, status, _ = machine.run(prefix=limited("n", limit))
        assert machine.trust.name(stdout) in ("none", "chosen")
        assert status == 7
        assert machine.run(prefix=limited("n", limit), healthy=True) == (machine.trust.printed("own"), 7, "")


MIB = 1024


def test_little_memory(machine: Machine, without_us: Machine) -> None:
    """With little more address space than lets the bare program run, it runs, and has its own trust or all of the chosen.

    What we are made of takes some, too: 4 MiB are enough for the start, and 16 more for all that the fallback needs.
    """
    lowest = lowest_limit("v", 0, 128 * MIB, MIB, without_us) + 4 * MIB
    for limit in range(lowest, lowest + 24 * MIB, 4 * MIB):
        stdout, status, stderr = machine.run(prefix=limited("v", limit))
        trust = machine.trust.name(stdout)
        assert trust in ("none", "chosen"), stderr
        assert status == 7
        assert trust == "chosen" or limit < lowest + 16 * MIB, stderr
        assert machine.run(prefix=limited("v", limit), healthy=True) == (machine.trust.printed("own"), 7, "")
