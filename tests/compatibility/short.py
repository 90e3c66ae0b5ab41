"""The promises in short, on a Python for which what the tests need is not to be had: ``python short.py``.

Needs this package, installed in that Python, and the `openssl` command; on a machine without CA certificates or with. Each case
is a process with an environment of its own. The first that is not as it should be is raised as an AssertionError.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

NO_CAS = {"SSL_CERT_FILE": "/nonexistent/file", "SSL_CERT_DIR": "/nonexistent/directory"}
CERTIFI = "import certifi; print(certifi.contents().count('BEGIN CERTIFICATE'))"
# How many roots a default context has, whether it verifies either server, and what a healthy machine never imports.
FACTS = """
import ssl, sys
sys.path.append(sys.argv[1])
from handshakes import verifies
def server(name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(name)
    return context
context = CONTEXT
heavy = {"wrapt", "certifi", "platformdirs", "fallback_roots._fallback"} & set(sys.modules)
print(len(context.get_ca_certs()), *[verifies(context, server(name)) for name in ("ours.pem", "other.pem")], bool(heavy))
"""
CREATED = "ssl.create_default_context()"
LOADED = "(context := ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)).load_default_certs() or context"
OFF = {"FALLBACK_ROOTS_DISABLE": "1"}
THREADS = """
import ssl, threading
found = []
barrier = threading.Barrier(16)
def work():
    barrier.wait()
    found.append(len(ssl.create_default_context().get_ca_certs()))
threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(found == [1] * 16)
"""


def run(*args: str, **env: str) -> str:
    """What a process prints that must succeed; warnings are errors."""
    minimal = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "XDG_CONFIG_DIRS": "/nonexistent", **env}
    done = subprocess.run([sys.executable, "-W", "error", *args], env=minimal, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.strip()


def certificate(name: str) -> None:
    """A certificate for localhost that is its own CA, with its key, in ``NAME.pem``; by its hash in the directory NAME."""
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-days", "2"]
    more = ["-addext", "subjectAltName=DNS:localhost", "-keyout", f"{name}.key", "-out", f"{name}.crt"]
    subprocess.run([*new, *more], check=True, capture_output=True)
    Path(f"{name}.pem").write_text(Path(f"{name}.key").read_text() + Path(f"{name}.crt").read_text())
    hashed = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", f"{name}.crt"], check=True, stdout=-1, text=True)
    Path(name).mkdir()
    Path(name, f"{hashed.stdout.strip()}.0").symlink_to(Path(f"{name}.crt").absolute())


def main() -> None:
    """Every case."""
    tests = str(Path(__file__).parents[1])
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        certificate("ours")
        certificate("other")
        crt, directory = (str(Path(path).absolute()) for path in ("ours.crt", "ours"))

        def facts(context: str = CREATED, **env: str) -> str:
            return run("-c", FACTS.replace("CONTEXT", context), tests, **{**NO_CAS, **env})

        assert run("-c", "pass") == ""
        full = run("-c", CERTIFI)
        cafile, lazy = {"FALLBACK_ROOTS_CAFILE": crt}, {"FALLBACK_ROOTS_LAZY": "1", "FALLBACK_ROOTS_CACHE": f"{name}/cache"}
        for context in (CREATED, LOADED):
            assert facts(context) == f"{full} False False True"
            assert facts(context, **OFF) == "0 False False False"
            assert facts(context, **cafile) == "1 True False True"
            # PyPy's contexts cannot be made as a lazy load needs them, so it is an eager one there, with a WARNING.
            assert facts(context, **cafile, **lazy) == f"{int('PyPy' in sys.version)} True False True"
            assert facts(context, SSL_CERT_FILE=crt) == "1 True False False"
            assert facts(context, SSL_CERT_DIR=directory) == "0 True False False"
        explicit = f"ssl.create_default_context(cafile={str(Path('other.crt').absolute())!r})"
        assert facts(explicit, **cafile) == "1 False True False"
        assert run("-c", THREADS, **NO_CAS, **cafile) == "True"
        serving = "import ssl; print(len(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).get_ca_certs()))"
        assert run("-c", serving, **NO_CAS, **cafile) == "0"
        os.chdir("/")
    print("ok")


if __name__ == "__main__":
    main()
