"""PyInstaller: `pip install fallback-roots` and `pyinstaller app.py` is all. Real applications, frozen and run."""

import fcntl
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import certifi
import pytest
from conftest import needs_root
from https_server import Server
from support import NO_CAS, new_ca, output, python

pytestmark = pytest.mark.environments

CERTIFI, END = certifi.contents(), "-----END CERTIFICATE-----\n"
NUMBER = CERTIFI.count(END)
OURS = ("fallback_roots", "certifi", "platformdirs", "wrapt")
FOUND_NOTHING = "fallback-roots: Python's default CA load found no certificate; "

# Does one thing, tells it as JSON, and has an exit status of its own. Of ours it imports nothing that PyInstaller could see.
APP = """
import sys
BEGINNING = {"names": sorted(globals()), "doc": __doc__, "modules": sorted(sys.modules)}

import json, os, ssl, sys, urllib.request, zlib
import ctypes, multiprocessing, pkgutil  # with run-time hooks of PyInstaller's; platformdirs may bring the first, we the last

def roots():
    certificates = sorted(ssl.create_default_context().get_ca_certs(binary_form=True))
    return [len(certificates), zlib.crc32(b"".join(certificates))]

def in_a_child(method):
    with multiprocessing.get_context(method).Pool(1) as pool:
        return pool.apply(roots)

def fetch(url):
    return urllib.request.urlopen(url, timeout=30).read().decode()

def state():
    return [roots()[0], __import__("fallback_roots").status().state]

def variables():
    return [roots()[0], [name for name in os.environ if name.startswith("SSL")]]

if __name__ == "__main__":
    multiprocessing.freeze_support()
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:]) if sys.argv[1] != "BEGINNING" else BEGINNING))
    sys.exit(7)
"""
SMALL = "import ssl, sys; print(len(ssl.create_default_context().get_ca_certs())); sys.exit(7)"


class Build(NamedTuple):
    """The files of an application, app.py among them, PyInstaller's options, and how and with what it is started."""

    files: Mapping[str, str]
    options: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    by_pyinstaller_5: bool = False
    in_one_file_too: bool = False


BUILDS = {
    # Built by somebody who knows of no option.
    "app": Build({"app.py": APP}, in_one_file_too=True),
    "app-5": Build({"app.py": APP}, in_one_file_too=True, by_pyinstaller_5=True),
    # Those that are to have nothing of us.
    "without-us": Build({"app.py": APP}, ("--exclude-module", "fallback_roots")),
    "without-ssl": Build({"app.py": "import json, sys\nprint('hello')\nsys.exit(7)"}),
    "not-importable": Build(
        {"app.py": SMALL, "shadow/fallback_roots.py": "raise ImportError('not today')"}, env={"PYTHONPATH": "shadow"}
    ),
    # Hooks of the application's own, with which PyInstaller 6 replaces those of others for the same module; a hook-certifi.py
    # that does nothing is also what remains where PyInstaller's contributed hooks are not installed.
    "hooks": Build(
        {"app.py": SMALL, "hooks/hook-ssl.py": "", "hooks/hook-certifi.py": ""}, ("--additional-hooks-dir", "hooks")
    ),
    "lean": Build(
        {"app.py": SMALL, "hooks/hook-_ssl.py": "", "tomli.py": ""},
        ("--additional-hooks-dir", "hooks", "--exclude-module", "certifi"),
    ),
    # Peculiar ones.
    "own-ssl": Build({"app.py": "import ssl, sys\nprint(ssl.NAME)\nsys.exit(7)", "ssl.py": "import _ssl\nNAME = 'my own'"}),
    "by-name": Build(
        {
            "app.py": SMALL.replace("import ssl, sys", "import importlib, sys; ssl = importlib.import_module('ss' + 'l')"),
            "fallback-roots.toml": 'cafile = "corp.pem"',
            "corp.pem": CERTIFI[: CERTIFI.index(END) + len(END)],
        },
        ("--onefile", "--hidden-import", "ssl", "--add-data", "fallback-roots.toml:.", "--add-data", "corp.pem:."),
    ),
    "by-hand": Build(
        {"app.py": f"import fallback_roots.auto; fallback_roots.install(); {SMALL}"},
        ("--hidden-import", "wrapt", "--optimize", "2", "--debug", "noarchive", "--noconsole"),
    ),
}


class Frozen(NamedTuple):
    """A frozen application: the file to start, and what PyInstaller has said when it built it."""

    executable: Path
    log: str

    def run(self, *args: str, env: Mapping[str, str], prefix: Sequence[str] = ()) -> "subprocess.CompletedProcess[str]":
        """Its own exit status is all that it ever has."""
        done = python(*args, env=env, executable=self.executable, prefix=prefix)
        assert done.returncode == 7, done.stderr
        return done

    def told(self, *args: str, env: Mapping[str, str], prefix: Sequence[str] = ()) -> Any:
        """What it says, if nothing is on standard error."""
        done = self.run(*args, env=env, prefix=prefix)
        assert done.stderr == ""
        return json.loads(done.stdout)


class Workshop:
    """Where applications are built, each of them once, by the first of pytest's processes that needs it."""

    def __init__(self, directory: Path, wheel: Path) -> None:
        self.directory = directory
        self.wheel = wheel
        directory.mkdir(exist_ok=True)

    def once(self, name: str, make: Callable[[Path], None]) -> Path:
        directory = self.directory / name
        with (self.directory / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (directory / "made").exists():
                shutil.rmtree(directory, ignore_errors=True)
                directory.mkdir()
                make(directory)
                (directory / "made").touch()
        return directory

    def __getitem__(self, name: str) -> Frozen:
        """The application of that name in `BUILDS`; ``-onefile`` behind it is for the one file."""
        name, in_one_file, _ = name.partition("-onefile")
        build = BUILDS[name]
        interpreter = self.pyinstaller_5() if build.by_pyinstaller_5 else Path(sys.executable)

        def make(directory: Path) -> None:
            for file, text in build.files.items():
                (directory / file).parent.mkdir(exist_ok=True)
                (directory / file).write_text(text)
            pyinstaller(directory, interpreter, build, "dist")
            if build.in_one_file_too:  # from what PyInstaller has found out before
                pyinstaller(directory, interpreter, build, "one", "--distpath", "one", "--onefile")

        dist = self.once(name, make) / ("one" if in_one_file else "dist")
        executable = dist / "app" / "app" if (dist / "app").is_dir() else dist / "app"
        return Frozen(executable, (dist / "log").read_text())

    def pyinstaller_5(self) -> Path:
        """The interpreter of a venv that has the wheel and the last PyInstaller 5."""
        if sys.version_info >= (3, 13):
            pytest.skip("PyInstaller 5 knows no Python from 3.13 on")

        def make(directory: Path) -> None:
            # It asks pkg_resources for entry points, which setuptools has no more.
            wanted = ("pyinstaller==5.13.2", "setuptools<80", str(self.wheel))
            subprocess.run([sys.executable, "-m", "venv", directory / "venv"], check=True)
            subprocess.run([directory / "venv/bin/python", "-m", "pip", "install", "--quiet", *wanted], check=True)

        return self.once("pyinstaller-5", make) / "venv" / "bin" / "python"


def pyinstaller(directory: Path, interpreter: Path, build: Build, dist: str, *options: str) -> None:
    """Run PyInstaller there, and keep what it says."""
    done = python(
        *("-m", "PyInstaller", *build.options, *options, "app.py"),
        cwd=directory,
        executable=interpreter,
        env={"PYINSTALLER_CONFIG_DIR": str(directory / "cache"), **build.env},
    )
    assert done.returncode == 0, done.stderr
    (directory / dist / "log").write_text(done.stderr)


@pytest.fixture(scope="session")
def frozen(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Workshop:
    """Frozen applications by their names in `BUILDS`; one workshop for all of pytest's processes."""
    own = tmp_path_factory.getbasetemp()
    return Workshop((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "pyinstaller", wheel)


@pytest.fixture(scope="session", params=["app", "app-onefile", "app-5", "app-5-onefile"])
def app(request: pytest.FixtureRequest, frozen: Workshop) -> Frozen:
    """APP in a directory and in one file, by the newest PyInstaller and by the last PyInstaller 5."""
    return frozen[request.param]


def settings(cafile: Path) -> dict[str, str]:
    """A fallback of one root on a machine without CA certificates."""
    return {**NO_CAS, "FALLBACK_ROOTS_CAFILE": str(cafile)}


def checksum(cafile: Path) -> list[int]:
    """What APP's roots() tells of a context that trusts `cafile`, which holds one certificate."""
    return [1, zlib.crc32(ssl.PEM_cert_to_DER_cert(cafile.read_text()))]


def elsewhere() -> tuple[str, ...]:
    """The beginning of a command that hides what is at OpenSSL's compiled-in paths, in a mount namespace of its own."""
    paths = ssl.get_default_verify_paths()
    hidden = {Path(place).resolve() for place in (paths.openssl_capath, Path(paths.openssl_cafile).resolve().parent)}
    script = (
        "".join(f"mount -t tmpfs none '{place}'; " for place in sorted(hidden, reverse=True) if place.is_dir()) + 'exec "$@"'
    )
    return "unshare", "-m", "--propagation", "private", "bash", "-ec", script, "_"


def contents(frozen: Frozen) -> list[str]:
    """The names of all that is in a frozen application, as PyInstaller's own tool lists them, and files beside."""
    viewer = ("-m", "PyInstaller.utils.cliutils.archive_viewer", "--recursive", "--brief", "--list")
    listed = python(*viewer, frozen.executable)
    assert listed.returncode == 0, listed.stderr
    beside = frozen.executable.parent.rglob("*")
    return [
        *(line.strip() for line in listed.stdout.splitlines()),
        *(path.relative_to(frozen.executable.parent).as_posix() for path in beside),
    ]


# ---------------------------------------------------------------- by itself


def test_it_is_active_by_itself(app: Frozen, ca_file: Path) -> None:
    """Without CA certificates a default context has the fallback, and the one record is all that the application says more."""
    done = app.run("roots", env=settings(ca_file))
    assert json.loads(done.stdout) == checksum(ca_file)
    assert done.stderr.startswith(f"{FOUND_NOTHING}loaded 1 root from cafile ({ca_file}); ")
    assert done.stderr.count("\n") == 1


def test_certifi_is_in_the_bundle(app: Frozen) -> None:
    """Where nobody has chosen other roots they are certifi's, out of the application itself."""
    done = app.run("roots", env=NO_CAS)
    assert json.loads(done.stdout)[0] == NUMBER
    assert re.match(rf"{FOUND_NOTHING}loaded {NUMBER} roots from certifi \(\S*/(_internal|app|_MEI\w+)/certifi/", done.stderr)


def test_a_machine_with_cas(app: Frozen, ca_file: Path, tmp_path: Path) -> None:
    """Where the default load finds a certificate the context has that alone, and nothing is said."""
    new_ca("another", tmp_path / "another.pem")
    env = {**settings(tmp_path / "another.pem"), "SSL_CERT_FILE": str(ca_file)}
    assert app.told("roots", env=env) == checksum(ca_file)


def test_the_off_switch(app: Frozen, ca_file: Path) -> None:
    """With FALLBACK_ROOTS_DISABLE=1 there is no fallback."""
    assert app.told("roots", env={**settings(ca_file), "FALLBACK_ROOTS_DISABLE": "1"}) == [0, 0]


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_children(method: str, app: Frozen, ca_file: Path) -> None:
    """Children that multiprocessing starts have the fallback, too."""
    done = app.run("in_a_child", method, env=settings(ca_file))
    assert json.loads(done.stdout) == checksum(ca_file), done.stderr


def test_a_request(app: Frozen, server: Server, home: Path, ca_file: Path) -> None:
    """A config file in the user's place is read on the machine where the application runs, and a request is verified by it."""
    (home / ".config" / "fallback-roots" / "config.toml").write_text(f'cafile = "{ca_file}"\n')
    done = app.run("fetch", server.url, env={**NO_CAS, "HOME": str(home)})
    assert json.loads(done.stdout) == "hello", done.stderr


@needs_root
@pytest.mark.parametrize(("disable", "number"), [("", NUMBER), ("1", 0)])
def test_an_openssl_of_another_distribution(disable: str, number: int, frozen: Workshop) -> None:
    """Where there is nothing at the paths that the bundled OpenSSL was compiled to look at, this is what helps, in silence."""
    told = frozen["app"].told("roots", env={"FALLBACK_ROOTS_DISABLE": disable}, prefix=elsewhere())
    assert told[0] == number


# ---------------------------------------------------------------- what it does to an application


def test_start_up(frozen: Workshop) -> None:
    """An application starts with two modules more than without us."""
    modules, before = (set(frozen[name].told("BEGINNING", env=NO_CAS)["modules"]) for name in ("app", "without-us"))
    assert modules - before == {"fallback_roots", "fallback_roots.auto"}


@pytest.mark.parametrize("what", ["names", "doc"])
def test_its_main_module(what: str, frozen: Workshop) -> None:
    """Run-time hooks are executed in the application's own __main__; ours leaves neither a name nor a docstring there."""
    ours, without = (frozen[name].told("BEGINNING", env=NO_CAS)[what] for name in ("app", "without-us"))
    assert ours == without


@needs_root
def test_no_variable_is_set(frozen: Workshop) -> None:
    """The fallback is in a context, not in the environment, which would have it outlive the question and reach children."""
    assert frozen["app"].told("variables", env={}, prefix=elsewhere()) == [NUMBER, []]


def test_closed_streams(frozen: Workshop, ca_file: Path) -> None:
    """Without a standard error, as a windowed application has none, the context has the fallback all the same."""
    done = frozen["app"].run("roots", env=settings(ca_file), prefix=("bash", "-c", 'exec "$@" 2>&-', "_"))
    assert (json.loads(done.stdout), done.stderr) == (checksum(ca_file), "")


def test_wrapt_is_left_out(frozen: Workshop) -> None:
    """wrapt is not in it, and nothing is said of that: the stand-ins do the same work."""
    done = frozen["app"].run("state", env=NO_CAS)
    assert json.loads(done.stdout) == [NUMBER, "watching"]
    assert done.stderr.count("\n") == 1
    assert [name for name in contents(frozen["app"]) if "wrapt" in name] == []


def test_the_build_says_so(frozen: Workshop) -> None:
    """The build's log names the run-time hook, and warns of nothing that is ours."""
    said = [line for line in frozen["app"].log.splitlines() if "fallback_roots" in line]
    assert [line for line in said if "pyi_rth_fallback_roots.py" in line]
    assert [line for line in said if "WARNING" in line] == []


def test_the_archive_says_so(frozen: Workshop) -> None:
    """PyInstaller's own tool lists the run-time hook in the finished application, and the modules."""
    names = contents(frozen["app"])
    assert {"pyi_rth_fallback_roots", "fallback_roots.auto", "_internal/certifi/cacert.pem"} <= set(names)


def test_no_metadata(frozen: Workshop) -> None:
    """None of our distributions' metadata is in the bundle: nothing needs it."""
    assert [name for name in contents(frozen["app"]) if re.search(rf"({'|'.join(OURS)}).*(dist|egg)-info", name)] == []


# ---------------------------------------------------------------- applications without us


@pytest.mark.parametrize("name", ["without-ssl", "without-us"])
def test_nothing_of_us(name: str, frozen: Workshop) -> None:
    """An application that never imports ssl, or is built with --exclude-module fallback_roots, carries nothing of us."""
    assert [name for name in contents(frozen[name]) if any(ours in name for ours in OURS)] == []


def test_the_opt_out(frozen: Workshop, ca_file: Path) -> None:
    """Built with --exclude-module fallback_roots it runs, and has no fallback; the build has warned of nothing."""
    assert frozen["without-us"].told("roots", env=settings(ca_file)) == [0, 0]
    assert [line for line in frozen["without-us"].log.splitlines() if "WARNING" in line and "fallback_roots" in line] == []


def test_not_importable_when_built(frozen: Workshop) -> None:
    """Where this package cannot be imported while PyInstaller runs, the build warns, and the application is as without us."""
    app = frozen["not-importable"]
    assert app.told(env=NO_CAS) == 0
    assert [line for line in app.log.splitlines() if "WARNING" in line and "fallback_roots._pyinstaller" in line]


@pytest.mark.parametrize("has_us", [True, False])
def test_the_run_time_hook(has_us: bool, installed: Path, bare: Path) -> None:
    """The run-time hook arms; without the package, which a spec may take away after the analysis, it says and does nothing."""
    where = "import fallback_roots._pyinstaller as ours; print(*ours.get_hook_dirs())"
    hook = Path(output("-c", where, executable=installed), "rthooks", "pyi_rth_fallback_roots.py")
    program = f"exec(open({str(hook)!r}).read()); import sys; print('fallback_roots.auto' in sys.modules)"
    (site,) = (installed if has_us else bare).parent.parent.glob("lib/*/site-packages")
    assert output("-S", "-c", program, env={"PYTHONPATH": str(site)}) == str(has_us)


# ---------------------------------------------------------------- peculiar applications


def test_hooks_of_the_applications_own(frozen: Workshop) -> None:
    """A hook-ssl.py and a hook-certifi.py of the application's own displace neither us nor certifi's bundle."""
    assert frozen["hooks"].run(env=NO_CAS).stdout == f"{NUMBER}\n"


def test_without_certifi(frozen: Workshop) -> None:
    """Built with --exclude-module certifi it runs, and a WARNING says why there are no roots."""
    done = frozen["lean"].run(env=NO_CAS)
    assert done.stdout == "0\n"
    assert done.stderr.startswith(f"{FOUND_NOTHING}no roots loaded; ")
    assert done.stderr.endswith("; certifi: cannot be imported (ModuleNotFoundError: No module named 'certifi')\n")
    assert [name for name in contents(frozen["lean"]) if re.search(r"(^|/)certifi\b", name)] == []


def test_a_hook_for_the_extension(frozen: Workshop, ca_file: Path) -> None:
    """Nor does a hook-_ssl.py of the application's own displace us."""
    assert frozen["lean"].run(env=settings(ca_file)).stdout == "1\n"


def test_without_tomli(frozen: Workshop) -> None:
    """tomli comes along where Python has no tomllib; elsewhere it would bring setuptools, which has one, into every start."""
    assert ("tomli" in contents(frozen["lean"])) == (sys.version_info < (3, 11))


def test_an_application_with_an_ssl_of_its_own(frozen: Workshop) -> None:
    """A module that is only called ssl is left alone."""
    done = frozen["own-ssl"].run(env=NO_CAS)
    assert (done.stdout, done.stderr) == ("my own\n", "")


def test_imported_by_name(frozen: Workshop) -> None:
    """Where PyInstaller was told of ssl by --hidden-import, because the application has it from a name, it is the same."""
    assert frozen["by-name"].run(env={**NO_CAS, "FALLBACK_ROOTS_CONFIG": os.devnull}).stdout == f"{NUMBER}\n"


def test_a_config_file_in_the_bundle(frozen: Workshop) -> None:
    """A fallback-roots.toml that was added to the application is in effect, and says where the bundle beside it is."""
    done = frozen["by-name"].run(env=NO_CAS)
    assert done.stdout == "1\n", done.stderr
    assert re.search(r"loaded 1 root from cafile \(\S*/_MEI\w+/corp.pem\)", done.stderr)


def test_armed_by_hand(frozen: Workshop, ca_file: Path) -> None:
    """An application that has the line which other freezers need has one fallback, optimized and unpacked, too; and may call
    install(), if it is built with wrapt."""
    done = frozen["by-hand"].run(env=settings(ca_file))
    assert done.stdout == "1\n"
    assert done.stderr.count("\n") == 1
