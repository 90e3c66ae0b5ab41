"""What the tests share: a minimal, explicit environment for every subprocess, and nothing of the machine's."""

import codecs
import contextlib
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import certifi
import pytest
import trustme

ROOT = Path(__file__).parent.parent

# A place that is on no machine. Both variables there are a machine without any CA certificate.
NOWHERE = "/nonexistent/fallback-roots"
NO_CAS = {"SSL_CERT_FILE": f"{NOWHERE}/cert.pem", "SSL_CERT_DIR": f"{NOWHERE}/certs"}

# Has an output and an exit status of its own, and tells by a number and a checksum whom a default context trusts.
PROGRAM = """
import sys
print("before")
import ssl, zlib
certificates = sorted(ssl.create_default_context().get_ca_certs(binary_form=True))
print(len(certificates), zlib.crc32(b"".join(certificates)))
sys.exit(7)
"""

# coverage's own variables, so that the subprocesses of the interpreter under test are measured, too.
COVERAGE = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


def environment(extra: Mapping[str, str] | None = None, measured: bool = True) -> dict[str, str]:
    """No variable but PATH, no user's and no site's config file, and no bytecode written; `extra` on top.

    `measured`: by coverage, where this process is.
    """
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": NOWHERE,
        "XDG_CONFIG_DIRS": NOWHERE,
        "PYTHONDONTWRITEBYTECODE": "1",
        **(COVERAGE if measured else {}),
        **(extra or {}),
    }


def python(
    *args: str | Path,
    env: Mapping[str, str] | None = None,
    executable: str | Path = sys.executable,
    cwd: Path | None = None,
    prefix: Sequence[str] = (),
    timeout: float = 120,
    measured: bool = True,
) -> "subprocess.CompletedProcess[str]":
    """Run `executable` with `args` in a minimal `environment` with `env` on top; standard input is empty."""
    return subprocess.run(
        [*prefix, str(executable), *map(str, args)],
        env=environment(env, measured),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def output(*args: str | Path, env: Mapping[str, str] | None = None, executable: str | Path = sys.executable) -> str:
    """The standard output of `python`, which must succeed and say nothing else."""
    done = python(*args, env=env, executable=executable)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.strip()


def certifi_roots(interpreter: Path | None = None) -> int:
    """How many roots certifi has in the venv of `interpreter`, or here.

    Read when it is asked: some machines add a CA of their own to every bundle on the disk, and do so while tests run.
    """
    if interpreter is None:
        return certifi.contents().count("BEGIN CERTIFICATE")
    (bundle,) = interpreter.parent.parent.glob("lib/*/site-packages/certifi/cacert.pem")
    return bundle.read_text(encoding="ascii").count("BEGIN CERTIFICATE")


def subject_hash(path: Path) -> str:
    """The name that `openssl rehash` gives to a certificate."""
    command = ["openssl", "x509", "-subject_hash", "-noout", "-in", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def new_ca(name: str, path: Path) -> tuple[trustme.CA, str]:
    """A CA that no machine trusts, its certificate written to `path`, and its subject hash.

    That has a letter: one in forty has none, and is found by OpenSSL under its upper case, too.
    """
    while True:
        ca = trustme.CA(organization_name=name)
        ca.cert_pem.write_to_path(str(path))
        found = subject_hash(path)
        if found.islower():
            return ca, found


def without_cas() -> list[str]:
    """A prefix for a command: in a mount namespace of its own, on a machine that has no CA certificates."""
    paths = ssl.get_default_verify_paths()
    hidden = {Path(place).resolve() for place in (paths.openssl_capath, Path(paths.openssl_cafile).parent)}
    mounts = [f"mount -t tmpfs none '{place}'" for place in sorted(hidden) if place.is_dir()]
    script = "; ".join([*mounts, 'exec "$@"'])
    return ["unshare", "-m", "--propagation", "private", "bash", "-ec", script, "_"]


@contextlib.contextmanager
def on_windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where `sys.platform` says Windows, and its code page is that of western Europe."""

    def find(name: str) -> codecs.CodecInfo | None:
        return codecs.lookup("cp1252") if name == "mbcs" else None

    codecs.register(find)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "platform", "win32")
            yield
    finally:
        codecs.unregister(find)
