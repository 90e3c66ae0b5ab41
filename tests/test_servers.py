"""Servers and notebooks: a worker of each asks the tests' server for its page, on a machine without CA certificates.

The workers' programs hold no line of ours. Everything that is started here ends with its test.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from https_server import Server
from support import NO_CAS, environment, python

pytestmark = pytest.mark.environments

WARNING = "fallback-roots: Python's default CA load found no certificate; loaded 1 root from cafile"
FAILED = "CERTIFICATE_VERIFY_FAILED"

# They tell what came of a request to URL, and in which process.
WSGI = """
import json, os, ssl, urllib.request

ssl.create_default_context()
imported_by = os.getpid()

def application(environ, start_response):
    try:
        page = urllib.request.urlopen(os.environ["URL"]).read().decode()
    except OSError as error:
        page = str(error)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"page": page, "preloaded": imported_by == os.getppid()}).encode()]
"""
ASGI = """
import asyncio, json, os
from urllib.parse import urlsplit

async def application(scope, receive, send):
    if scope["type"] == "http":
        url = urlsplit(os.environ["URL"])
        try:
            reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=True)
            writer.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
            page = (await reader.read()).decode().rpartition("\\r\\n")[2]
            writer.close()
        except OSError as error:
            page = str(error)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps({"page": page, "pid": os.getpid()}).encode()})
"""


@pytest.fixture
def ca_less(ca_file: Path, server: Server, tmp_path: Path) -> dict[str, str]:
    """The environment of a machine without CA certificates, whose fallback is the server's CA."""
    settings = {"FALLBACK_ROOTS_CONFIG": os.devnull, "FALLBACK_ROOTS_CAFILE": str(ca_file)}
    return environment({**NO_CAS, **settings, "HOME": str(tmp_path), "URL": server.url})


class Running:
    """A server that listens on a port of the system's choice. `said` is all that it has said, once it has ended."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.said = ""

    def ask(self) -> Any:
        """What a worker answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", "/")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


GUNICORN = ("gunicorn", "wsgi:application", "--workers", "1", "--bind", "fd://{fd}")
UVICORN = ("uvicorn", "asgi:application", "--workers", "2", "--fd", "{fd}")


@contextlib.contextmanager
def running(directory: Path, env: Mapping[str, str], *command: str) -> Iterator[Running]:
    """A server in a session of its own, which takes over a socket that listens; nothing of it is left behind."""
    (directory / "wsgi.py").write_text(WSGI)
    (directory / "asgi.py").write_text(ASGI)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Running(listening.getsockname()[1])
        process = subprocess.Popen(
            [sys.executable, "-m", *(part.format(fd=listening.fileno()) for part in command)],
            cwd=directory,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=[listening.fileno()],
            start_new_session=True,
        )
    try:
        yield server
        process.terminate()
        server.said, _ = process.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


# ---------------------------------------------------------------- servers


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["in the worker", "preloaded"])
def test_gunicorn(preload: tuple[str, ...], tmp_path: Path, ca_less: dict[str, str]) -> None:
    """A worker is mended, and says so once; with --preload the master says it, and the worker has it by fork."""
    with running(tmp_path, ca_less, *GUNICORN, *preload) as server:
        answers = [server.ask(), server.ask()]
    assert [(answer["page"], answer["preloaded"]) for answer in answers] == [("hello", bool(preload))] * 2
    assert server.said.count(WARNING) == 1


def test_uvicorn(tmp_path: Path, ca_less: dict[str, str]) -> None:
    """Workers, which uvicorn spawns, are armed each by itself."""
    with running(tmp_path, ca_less, *UVICORN) as server:
        answers = [server.ask(), server.ask()]
    assert [answer["page"] for answer in answers] == ["hello"] * 2
    assert server.said.count(WARNING) == len({answer["pid"] for answer in answers})


@pytest.mark.parametrize("command", [GUNICORN, UVICORN], ids=["gunicorn", "uvicorn"])
def test_a_server_that_is_switched_off(command: tuple[str, ...], tmp_path: Path, ca_less: dict[str, str]) -> None:
    """It is ours what the workers have: switched off, they have nothing, and nothing is said."""
    with running(tmp_path, {**ca_less, "FALLBACK_ROOTS_DISABLE": "1"}, *command) as server:
        assert FAILED in server.ask()["page"]
    assert server.said.count("fallback-roots") == 0


def test_a_server_with_cas(tmp_path: Path, ca_less: dict[str, str], ca_file: Path) -> None:
    """Where the system has CAs a worker uses these, in silence."""
    env = {**ca_less, "SSL_CERT_FILE": str(ca_file), "FALLBACK_ROOTS_CAFILE": "/nonexistent/ca.pem"}
    with running(tmp_path, env, *GUNICORN) as server:
        assert server.ask()["page"] == "hello"
    assert server.said.count("fallback-roots") == 0


# ---------------------------------------------------------------- notebooks

# Starts a kernel as Jupyter does, and prints what stands below each cell.
NOTEBOOK = """
import subprocess, sys
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="python3", stderr=subprocess.DEVNULL)
try:
    for cell in sys.argv[1:]:
        client.execute_interactive(cell, timeout=60)
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
"""
CELL = """
import os, urllib.request
try:
    print(urllib.request.urlopen(os.environ["URL"]).read().decode())
except OSError as error:
    print(error)
"""


@pytest.mark.parametrize("environ", ["no CAs", "off", "CAs"])
def test_a_kernel(environ: str, ca_less: dict[str, str], ca_file: Path) -> None:
    """A cell of a notebook is mended, and the WARNING stands below it once; off when switched off, untouched with CAs."""
    extra = {"no CAs": {}, "off": {"FALLBACK_ROOTS_DISABLE": "1"}, "CAs": {"SSL_CERT_FILE": str(ca_file)}}[environ]
    done = python("-c", NOTEBOOK, CELL, CELL, env={**ca_less, **extra})
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(FAILED if environ == "off" else "hello\n") == 2, done.stdout
    assert done.stderr.count(WARNING) == (environ == "no CAs")
