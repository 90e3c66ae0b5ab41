"""Fixtures: a real CA, a real TLS server on loopback, and a real venv with the built wheel."""

import compileall
import importlib.metadata
import os
import shutil
import ssl
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest
import trustme
from https_server import Server
from support import NOWHERE, ROOT, environment, new_ca, subject_hash

# The files whose tests take longest, and these first: else one worker has them left when the other one is done.
LONGEST = ("test_faults.py", "test_signals.py", "test_broken_installs.py", "test_worlds.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session", autouse=True)
def nowhere() -> Iterator[None]:
    """A place that is on no machine stays one: as root a program would make a home that is missing."""
    yield
    assert not Path(NOWHERE).exists(), f"a test has written to {NOWHERE}"


@pytest.fixture(scope="session")
def ca_and_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    """`ca` and `ca_file`."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    return new_ca("fallback-roots tests", path)[0], path


@pytest.fixture(scope="session")
def ca(ca_and_file: tuple[trustme.CA, Path]) -> trustme.CA:
    """A CA that no machine trusts."""
    return ca_and_file[0]


@pytest.fixture(scope="session")
def ca_file(ca_and_file: tuple[trustme.CA, Path]) -> Path:
    """That CA's certificate as a PEM file."""
    return ca_and_file[1]


@pytest.fixture(scope="session")
def hashed_directory(ca_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That CA's certificate in a hashed directory, as `openssl rehash` makes it."""
    path = tmp_path_factory.mktemp("hashed")
    (path / f"{subject_hash(ca_file)}.0").symlink_to(ca_file)
    return path


@pytest.fixture(scope="session")
def short_certifi(ca_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for ``PYTHONPATH``: certifi's own code, and a bundle of one root, which takes OpenSSL less time."""
    directory = tmp_path_factory.mktemp("certifi")
    shutil.copytree(Path(certifi.__file__).parent, directory / "certifi")
    shutil.copy(ca_file, directory / "certifi" / "cacert.pem")
    compileall.compile_dir(directory, quiet=1)
    return directory


@pytest.fixture(scope="session")
def server(ca: trustme.CA) -> Iterator[Server]:
    """A server whose certificate comes from `ca`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    running = Server(context)
    yield running
    running.close()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this tree."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, check=True)
    (path,) = directory.glob("*.whl")
    return path


def make_venv(directory: Path, wheel: Path | None) -> Path:
    """A venv with the run-time dependencies, and with `wheel` if there is one; returns its interpreter."""
    venv.create(directory, symlinks=True)
    interpreter = directory / "bin" / "python"
    (site,) = directory.glob("lib/*/site-packages")
    for name in ("certifi", "platformdirs", "wrapt", *(["tomli"] if sys.version_info < (3, 11) else [])):
        for file in importlib.metadata.files(name) or []:
            if ".." not in file.parts and "__pycache__" not in file.parts:
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file.locate(), site / file)
    if wheel is not None:
        command = [sys.executable, "-m", "pip", "--python", str(interpreter), "install", "--no-deps", "--no-index", "--quiet"]
        subprocess.run([*command, str(wheel)], env=environment(), capture_output=True, check=True)
    return interpreter


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a venv in which the wheel is installed, and nothing that it does not need."""
    return make_venv(tmp_path_factory.mktemp("installed") / "venv", wheel)


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a venv that has the dependencies, but not us."""
    return make_venv(tmp_path_factory.mktemp("bare") / "venv", None)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home directory with a place for the user's config file: ``.config/fallback-roots/config.toml``."""
    (tmp_path / "home" / ".config" / "fallback-roots").mkdir(parents=True)
    return tmp_path / "home"


# Debian's Pythons have one, before any that could be on PYTHONPATH.
no_sitecustomize = pytest.mark.skipif(
    any((Path(path) / "sitecustomize.py").exists() for path in sysconfig.get_paths().values()),
    reason="this Python has a sitecustomize of its own",
)
needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="a mount namespace, and files of other users, need root"
)
