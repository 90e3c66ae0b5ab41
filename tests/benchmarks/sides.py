"""What is compared: venvs, each with one thing that a user could install against missing CA certificates; pip installs them.

`ROOT_ADDED`: the roots that a package brings along get one more, the benchmark's own CA, so that a request to its server can be
verified by them.
"""

import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import certifi

from benchmarks import run

# What somebody would write who has not read about any of it: everything is patched when the interpreter starts.
NAIVE = """
import ssl

import certifi
import wrapt


@wrapt.patch_function_wrapper("ssl", "SSLContext.load_default_certs")
def load_default_certs(wrapped, instance, args, kwargs):
    wrapped(*args, **kwargs)
    if not instance.cert_store_stats()["x509"]:
        instance.load_verify_locations(cadata=certifi.contents())
"""
TRUSTSTORE = "import truststore\n\ntruststore.inject_into_ssl()\n"
WASSIMA = """
import ssl

import wassima


def create_default_context(*args, **kwargs):
    return wassima.create_default_ssl_context()


ssl.create_default_context = ssl._create_default_https_context = create_default_context
"""


class Side(NamedTuple):
    """One thing to compare: what pip installs, what is written into ``site-packages`` besides, and variables."""

    name: str
    requirements: tuple[str, ...]
    files: Mapping[str, str] = MappingProxyType({})
    env: Mapping[str, str] = MappingProxyType({})


OURS = "fallback-roots"  # the wheel of this tree
SIDES = (
    Side("bare", ("certifi", "platformdirs", "wrapt")),
    Side("naive wrapt .pth", ("certifi", "wrapt"), {"naive.pth": "import naive\n", "naive.py": NAIVE}),
    Side("pip-system-certs", ("pip-system-certs", "pip")),
    Side("truststore", ("truststore",), {"sitecustomize.py": TRUSTSTORE}),
    Side("auto-truststore", ("auto-truststore",)),
    Side("certifi-linux", ("certifi-linux", "certifi")),
    Side("wassima", ("wassima",), {"sitecustomize.py": WASSIMA}),
    Side("fallback-roots", (OURS,)),
    Side("fallback-roots, lazy", (OURS,), env={"FALLBACK_ROOTS_LAZY": "1"}),
)


class Installed(NamedTuple):
    """A side's venv: its interpreter, the variables to start it with, and the versions of what is in it."""

    python: str
    env: dict[str, str]
    versions: dict[str, str]


def install(side: Side, directory: Path, wheel: Path, ca: bytes) -> Installed:
    """Make the venv of `side` in a new directory below `directory`, with all bytecode compiled."""
    home = directory / side.name.replace(" ", "-").replace(",", "")
    venv.create(home, symlinks=True)
    (site,) = home.glob("lib/*/site-packages")
    python = home / "bin" / "python"
    names = [str(wheel) if name == OURS else name for name in side.requirements]
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    if names:  # pip may need this process's own variables: proxies, indexes, a bundle
        subprocess.run([*pip, "install", "--quiet", *names], env={**os.environ, "PIP_NO_COMPILE": "1"}, check=True)
    for name, text in side.files.items():
        (site / name).write_text(text, encoding="utf-8")
    for bundle in site.glob("certifi/cacert.pem"):
        bundle.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + ca)
    for module in site.glob("wassima/_os/_embed.py"):
        with module.open("a", encoding="ascii") as file:
            file.write(f'\nCCADB_BUNDLE += """\n{ca.decode()}"""\n')
    run.run([str(python), "-S", "-m", "compileall", "-q", str(site)], run.environment({}))
    versions = dict(line.split("==") for line in run.run([*pip, "list", "--format=freeze"], dict(os.environ)).split())
    env = run.environment({**side.env, "FALLBACK_ROOTS_CACHE": str(home / "cache")}) if side.env else run.environment({})
    return Installed(str(python), env, versions)
