"""Tier 4: ``fallback-roots demo``; imports trustme, which only the extra brings: the wheel has no private key in it.

What lives here: the main job, shown by three runs of small programs in interpreters that see no CA certificates.
"""

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

FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())"
COUNT = """\
import ssl, fallback_roots
context = ssl.create_default_context()
outcome = fallback_roots.status().outcome
print(len(context.get_ca_certs()), "roots from", ", ".join(s.kind for s in outcome.sources) if outcome else "nowhere")
"""
SECONDS = 60  # for each run


class Run(NamedTuple):
    """One run of a program: its exit status and the last line that it printed."""

    code: int
    said: str


def run() -> int:
    """Print the three runs, before and after; 0 when each went as it should."""
    try:
        import trustme
    except ImportError:
        print('The demo makes a CA of its own, with trustme: pip install "fallback-roots[demo]"', file=sys.stderr)
        return 2
    ca = trustme.CA(organization_name="fallback-roots demo")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    with tempfile.TemporaryDirectory() as directory, _server(context) as url:
        cafile = os.path.join(directory, "ca.pem")
        ca.cert_pem.write_to_path(cafile)
        print("A TLS server runs on this machine, with a certificate of a CA made for this demo. Interpreters that see no CA")
        print(f"certificates run this program:\n\n    {FETCH}\n")
        off = _python(FETCH, url, FALLBACK_ROOTS_DISABLE="1")
        print(f"1. without fallback-roots (FALLBACK_ROOTS_DISABLE=1):\n\n    {off.said}\n")
        configured = _python(FETCH, url, FALLBACK_ROOTS_CAFILE=cafile)
        print(f"2. with it, and that CA as cafile (FALLBACK_ROOTS_CAFILE={cafile}):\n\n    {configured.said}\n")
    default = _python(COUNT)
    print(f"3. with it and no setting, a default context has\n\n    {default.said}\n")
    wrong = judge(off, configured, default)
    print("\n".join(wrong) if wrong else "As it should be: nothing verified before, and with fallback-roots it did.")
    return 1 if wrong else 0


def judge(off: Run, configured: Run, default: Run) -> list[str]:
    """What did not go as it should, each a sentence."""
    wrong = []
    if off.code == 0 or "CERTIFICATE_VERIFY_FAILED" not in off.said:
        wrong.append("Run 1 should have failed with CERTIFICATE_VERIFY_FAILED.")
    if (configured.code, configured.said) != (0, "hello"):
        wrong.append('Run 2 should have printed "hello".')
    if default.code != 0 or not default.said.endswith("roots from certifi") or default.said.startswith("0 "):
        wrong.append("Run 3 should have had certifi's roots.")
    if wrong and off.code != 0:
        wrong.append("Is the hook armed in this environment? fallback-roots doctor tells.")
    return wrong


def _python(program: str, *arguments: str, **variables: str) -> Run:
    """Run `program` where no CA certificate is to be found, in an environment that has nothing but `variables` to say."""
    nowhere = os.path.join(tempfile.gettempdir(), "fallback-roots", "no", "such", "place")
    environment = {"SSL_CERT_FILE": nowhere, "SSL_CERT_DIR": nowhere, "FALLBACK_ROOTS_CONFIG": os.devnull, **variables}
    if "SYSTEMROOT" in os.environ:  # without it Windows has no sockets
        environment["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    command = [sys.executable, "-c", program, *arguments]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Run(-1, f"(nothing within {SECONDS} seconds)")
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return Run(done.returncode, lines[-1] if lines else "(nothing)")


@contextmanager
def _server(context: ssl.SSLContext) -> Iterator[str]:
    """An HTTPS server on loopback that says hello, and its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hello)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Hello(http.server.BaseHTTPRequestHandler):
    timeout = 20

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
