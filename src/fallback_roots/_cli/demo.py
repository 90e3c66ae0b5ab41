"""Tier 4: ``fallback-roots demo``; imports ssl, an HTTP server, and trustme, which only the extra brings.

What lives here: the main job, shown by programs in interpreters that see no CA certificates. What must not: a private key; in
the wheel it would alarm every image scanner.
"""

import argparse
import http.server
import os
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from .. import errors
from ._text import say

FETCH = """\
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())"""
COUNT = """\
import ssl, fallback_roots
context = ssl.create_default_context()
outcome = fallback_roots.status().outcome
source = outcome.sources[0].kind if outcome and outcome.sources else "nowhere"
print(len(context.get_ca_certs()), "roots from", source)"""
STATE = "import fallback_roots; print(fallback_roots.status().state)"
# Windows has its roots in stores and not at a place that a variable could replace.
NO_STORES = "import ssl; ssl.SSLContext._windows_cert_stores = ()\n"
SECONDS = 60  # for each run
# What an interpreter may need to start, to find what this one has found, and on Windows to have sockets.
HANDED_ON = ("APPDATA", "HOME", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "PYTHONUSERBASE", "SYSTEMROOT", "USERPROFILE")


class Run(NamedTuple):
    """One run of a program: its exit status, and the last line that it printed or that its traceback has."""

    code: int
    said: str


def run(_: argparse.Namespace) -> int:
    """Print the three runs, before and after; 0 when each did what it should, else 1."""
    try:
        import trustme
    except Exception as error:  # not installed; or what it needs is broken, in whatever way
        what = f"the demo makes a CA of its own with trustme, which cannot be imported ({error})"
        raise errors.FallbackRootsError(f'{what}; to install it: pip install "fallback-roots[demo]"') from error
    ca = trustme.CA(organization_name="fallback-roots demo")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1", "::1").configure_cert(context)
    with tempfile.TemporaryDirectory(prefix="fallback-roots-") as directory, _server(context) as url:
        cafile = os.path.join(directory, "ca.pem")
        ca.cert_pem.write_to_path(cafile)
        say(introduction(url))
        off = _python(directory, FETCH, url, FALLBACK_ROOTS_DISABLE="1")
        say(paragraph("1. Before: without fallback-roots (FALLBACK_ROOTS_DISABLE=1)", off.said))
        on = _python(directory, FETCH, url, FALLBACK_ROOTS_CAFILE=cafile)
        say(paragraph(f"2. After: with it, and that CA as cafile\n   (FALLBACK_ROOTS_CAFILE={cafile})", on.said))
        certifi = _python(directory, COUNT)
        say(paragraph("3. With it and no setting, a default context has", certifi.said))
        wrong = judge(off, on, certifi)
        say(conclusion(wrong, _python(directory, STATE) if wrong else None))
    return 1 if wrong else 0


def judge(off: Run, on: Run, certifi: Run) -> list[str]:
    """What did not go as it should, each a sentence."""
    wrong = []
    if off.code == 0 or "CERTIFICATE_VERIFY_FAILED" not in off.said:
        wrong.append("Run 1 should have failed with CERTIFICATE_VERIFY_FAILED.")
    if (on.code, on.said) != (0, "hello"):
        wrong.append('Run 2 should have printed "hello".')
    if certifi.code != 0 or not certifi.said.endswith(" roots from certifi") or certifi.said.startswith("0 "):
        wrong.append("Run 3 should have had certifi's roots.")
    return wrong


def introduction(url: str) -> str:
    """What the demo is going to do."""
    return f"""\
A TLS server runs at {url}, with a certificate from
a CA that was made for this demo. Interpreters that see no CA certificates
(SSL_CERT_FILE and SSL_CERT_DIR are at missing paths) run this program:

{_indented(FETCH)}
"""


def paragraph(title: str, said: str) -> str:
    """One run: how it was set up, and what it said."""
    return f"{title}:\n\n{_indented(said)}\n"


def conclusion(wrong: list[str], state: Run | None) -> str:
    """How it went; `state`: what an interpreter says about our hook in it, asked where something went wrong."""
    if state is None:
        return "Each did what it should: the same program failed before, and verified after."
    lines = [*wrong, ""]
    if state.code != 0:
        lines += [f"Interpreters that {sys.executable} starts have no fallback-roots:", state.said]
    elif state.said == "absent":
        lines += [
            f"Interpreters that {sys.executable} starts do not arm it:",
            "no .pth file of fallback-roots is read there (is it on PYTHONPATH, or installed",
            "by pip install --target?), so this demo has shown nothing of it at work.",
        ]
    else:
        lines += [f"The hook is {state.said} there; fallback-roots doctor tells more."]
    return "\n".join(lines)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _python(directory: str, program: str, *arguments: str, **variables: str) -> Run:
    """Run `program` in `directory` where no CA certificate is to be found, with hardly more than `variables` to say."""
    environment = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
    missing = os.path.join(directory, "missing")
    environment |= {"SSL_CERT_FILE": missing, "SSL_CERT_DIR": missing, "FALLBACK_ROOTS_CONFIG": os.devnull, **variables}
    program = (NO_STORES if sys.platform == "win32" else "") + program
    try:
        done = subprocess.run(
            [sys.executable or "", "-c", program, *arguments],  # embedded it may be None
            cwd=directory,  # -c looks for modules there first
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Run(-1, f"(nothing within {SECONDS} seconds)")
    except OSError as error:  # an interpreter that is not a file (embedded, frozen)
        return Run(-1, f"({error})")
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return Run(done.returncode, lines[-1] if lines else f"(nothing; exit status {done.returncode})")


@contextmanager
def _server(context: ssl.SSLContext) -> Iterator[str]:
    """An HTTPS server on loopback that says hello, and its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hello)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(SECONDS)


class _Hello(http.server.BaseHTTPRequestHandler):
    timeout = 20  # for the handshake, too

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # the client of run 1 breaks off the handshake
            pass

    def log_message(self, *_: Any) -> None:
        pass
