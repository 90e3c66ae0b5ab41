"""Dask: the workers of a real cluster ask the tests' server for its page, on machines without CA certificates.

The lines that one registers are those of `docs/clusters.md`.
"""

import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
import textwrap
import venv
from collections.abc import Mapping
from pathlib import Path

import pytest
from https_server import Server
from support import NO_CAS, environment
from test_zipapps import make_wheelhouse, shown

pytestmark = pytest.mark.environments

WARNING = "fallback-roots: Python's default CA load found no certificate; loaded 1 root from cafile"
FAILED = "CERTIFICATE_VERIFY_FAILED"

# Prints what a worker's request comes to, before and after something is registered, and with a worker that joins later.
DRIVER = """
import os
from distributed import Client, LocalCluster

def ask(url):
    import urllib.request
    try:
        return urllib.request.urlopen(url).read().decode()
    except OSError as error:
        return str(error)

def report():
    print(*sorted(client.run(ask, os.environ["URL"]).values()), sep="; ", flush=True)

if __name__ == "__main__":
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        report()
{registers}
        client.wait_for_workers(1)
        report()
        cluster.scale(2)
        client.wait_for_workers(2)
        report()
"""


@pytest.fixture
def ca_less(ca_file: Path, server: Server, tmp_path: Path) -> dict[str, str]:
    """The environment of a machine without CA certificates, whose fallback is the server's CA."""
    settings = {"FALLBACK_ROOTS_CONFIG": os.devnull, "FALLBACK_ROOTS_CAFILE": str(ca_file)}
    return environment({**NO_CAS, **settings, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "URL": server.url})


@pytest.fixture
def offline(wheel: Path, tmp_path: Path) -> dict[str, str]:
    """What tells pip to install from local wheels, and to ask nobody."""
    (tmp_path / "wheelhouse").mkdir()
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(make_wheelhouse(tmp_path / "wheelhouse", wheel))}


@pytest.fixture
def without_us(tmp_path: Path) -> Path:
    """The interpreter of a venv with all that is installed here, but for us and what only we need; pip may change it."""
    venv.create(tmp_path / "venv", symlinks=True)
    (site,) = (tmp_path / "venv").glob("lib/*/site-packages")
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(("certifi", "fallback_roots", "platformdirs", "wrapt")):
            (site / entry.name).symlink_to(entry)
    return tmp_path / "venv" / "bin" / "python"


def run(
    registers: str, directory: Path, env: Mapping[str, str], executable: str | Path = sys.executable
) -> tuple[list[str], str]:
    """The lines that DRIVER prints, and what its standard error has."""
    driver = directory / "driver.py"
    driver.write_text(DRIVER.format(registers=textwrap.indent(registers, " " * 8)))
    process = subprocess.Popen(
        [executable, driver],
        cwd=directory,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=200)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the workers, too
        process.communicate()
    assert process.returncode == 0, err
    return out.splitlines(), err


@pytest.mark.parametrize("environ", ["no CAs", "off", "CAs"])
def test_workers_that_have_it(environ: str, tmp_path: Path, ca_less: dict[str, str], ca_file: Path) -> None:
    """A worker is armed by itself and says so once; off when switched off, untouched with CAs."""
    extra = {"no CAs": {}, "off": {"FALLBACK_ROOTS_DISABLE": "1"}, "CAs": {"SSL_CERT_FILE": str(ca_file)}}[environ]
    out, err = run("", tmp_path, {**ca_less, **extra})
    if environ == "off":
        assert [line.count(FAILED) for line in out] == [1, 1, 2]
    else:
        assert out == ["hello", "hello", "hello; hello"]
    assert err.count("fallback-roots: ") == err.count(WARNING) == (2 if environ == "no CAs" else 0)


def test_pip_install(tmp_path: Path, without_us: Path, ca_less: dict[str, str], offline: dict[str, str]) -> None:
    """The page's PipInstall arms workers that did not have it, by a restart, and those that join later."""
    lines = shown("clusters.md", "Dask: PipInstall", "python")
    (before, *after), err = run(lines, tmp_path, {**ca_less, **offline}, without_us)
    assert FAILED in before
    assert after == ["hello", "hello; hello"], err


def test_a_worker_plugin(tmp_path: Path, without_us: Path, ca_less: dict[str, str], offline: dict[str, str]) -> None:
    """The page's plugin arms workers that run, with the package out of a zip that they were sent, and those that join later."""
    tools = {**offline, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    commands = shown("clusters.md", "Dask: WorkerPlugin", "sh")
    subprocess.run(["bash", "-euc", commands], cwd=tmp_path, env={**ca_less, **tools}, timeout=120, check=True)
    lines = shown("clusters.md", "Dask: WorkerPlugin", "python")
    (before, *after), err = run(lines, tmp_path, ca_less, without_us)
    assert FAILED in before
    assert after == ["hello", "hello; hello"], err
    assert err.count(WARNING) == 2


def test_a_worker_plugin_after_pip_install(
    tmp_path: Path, without_us: Path, ca_less: dict[str, str], offline: dict[str, str]
) -> None:
    """A PipInstall without a restart arms nothing that runs; the page's plugin then does, without a zip."""
    install = shown("clusters.md", "Dask: PipInstall", "python").replace(", restart_workers=True", "")
    plugin = shown("clusters.md", "Dask: WorkerPlugin", "python").replace('client.upload_file("packages.zip")\n', "")
    assert "restart" not in install
    assert "upload" not in plugin
    (before, between, *after), err = run(f"{install}report()\n{plugin}", tmp_path, {**ca_less, **offline}, without_us)
    assert FAILED in before
    assert FAILED in between
    assert after == ["hello", "hello; hello"], err
