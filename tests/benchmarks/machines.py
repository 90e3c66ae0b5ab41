"""Two machines to measure on, made of this one by mount namespaces: one that is healthy, and one without CA certificates.

Both have the same files but for those below ``/etc/ssl/certs`` and what other systems have in its place: one bundle on the
healthy one, named by ``SSL_CERT_FILE``, too, and nothing on the other, where no variable is set. So a program finds what it
would find on a server and in a slim container, by whatever way it looks. Linux alone, as root or where a user may make
namespaces.
"""

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

HEALTHY, NO_CAS = "healthy", "no CAs"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
# Where the libraries that are compared look for a bundle or a hashed directory.
PLACES = (
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki",
    "/etc/openssl/certs",
    "/etc/ca-certificates",
)
EMPTY = """
for place in "${@:3:$2}"; do
    if [ -d "$place" ]; then mount -t tmpfs none "$place"; elif [ -e "$place" ]; then mount --bind /dev/null "$place"; fi
done
[ -z "$1" ] || cp "$1" /etc/ssl/certs/ca-certificates.crt
exec "${@:3 + $2}"
"""


class Result(NamedTuple):
    """A process that has come to its end: see `launcher`."""

    ms: float
    peak: float
    status: int
    out: str
    err: str


class Machine:
    """A machine that starts processes; `bundle`: a file with the roots that it has, or None."""

    def __init__(self, bundle: Path | None) -> None:
        namespace = ["unshare", "--map-root-user", "--mount", "--propagation", "private", "bash", "-c", EMPTY, "_"]
        given = [str(bundle or ""), str(len(PLACES)), *PLACES]
        launcher = [sys.executable, "-I", "-S", str(Path(__file__).parent / "launcher.py")]
        self.env = {"SSL_CERT_FILE": BUNDLE} if bundle else {}
        self._process = subprocess.Popen(
            [*namespace, *given, *launcher], env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, text=True, stdin=-1, stdout=-1
        )

    def run(self, argv: list[str], env: dict[str, str]) -> Result:
        """Start a process on this machine, with the variables that are set there, and wait for its end."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            print(json.dumps({"argv": argv, "env": {**env, **self.env}}), file=stdin, flush=True)
            answer: dict[str, Any] = json.loads(stdout.readline())
        except (BrokenPipeError, ValueError):
            self.close()
            sys.exit("no mount namespace can be made here (expected Linux, and root or user namespaces)")
        return Result(**answer)

    def close(self) -> None:
        """End it, and its namespace with it."""
        with contextlib.suppress(BrokenPipeError), self._process:  # it may have ended by itself
            assert self._process.stdin is not None
            self._process.stdin.close()
