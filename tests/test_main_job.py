"""The main job, end to end."""

from pathlib import Path

from https_server import Server
from support import NO_CAS, python

FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=30).read().decode())"


def test_a_bare_interpreter_fails(bare: Path, server: Server) -> None:
    """Without us, a machine without CA certificates fails with the error of the README."""
    done = python("-c", FETCH, server.url, env=NO_CAS, executable=bare)
    assert done.returncode == 1
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr


def test_a_configured_cafile_verifies(installed: Path, server: Server, ca_file: Path) -> None:
    """With us and a cafile the same program verifies, with no line changed."""
    done = python("-c", FETCH, server.url, env={**NO_CAS, "FALLBACK_ROOTS_CAFILE": str(ca_file)}, executable=installed)
    assert done.stdout == "hello\n"
