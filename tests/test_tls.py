"""Real TLS on loopback, by the standard library's own clients with their default contexts."""

import os
import shlex
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from conftest import needs_root
from https_server import Server
from support import NO_CAS, certifi_roots, python

CLIENTS = """
import asyncio, http.client, imaplib, smtplib, ssl, sys, urllib.request
https, smtp, imap = map(int, sys.argv[1:])

def with_urllib():
    return urllib.request.urlopen(f"https://localhost:{https}/", timeout=30).read()

def with_http_client():
    connection = http.client.HTTPSConnection("localhost", https, timeout=30)
    connection.request("GET", "/")
    return connection.getresponse().read()

def with_asyncio():
    async def talk():
        reader, writer = await asyncio.open_connection("localhost", https, ssl=True)
        writer.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
        answer = await reader.read()
        writer.close()
        return answer
    return asyncio.run(talk())

def with_smtplib():
    client = smtplib.SMTP_SSL("localhost", smtp, context=ssl.create_default_context(), timeout=30)
    try:
        return client.noop()[1]
    finally:
        client.close()

def with_imaplib():
    with imaplib.IMAP4_SSL("localhost", imap, ssl_context=ssl.create_default_context()) as client:
        return client.noop()[1][0]

for client in (with_urllib, with_http_client, with_asyncio, with_smtplib, with_imaplib):
    try:
        print(client.__name__, client()[-5:].decode())
    except Exception as error:
        print(client.__name__, type(error).__name__, error)
"""
NAMES = ("with_urllib", "with_http_client", "with_asyncio", "with_smtplib", "with_imaplib")
HELLO = [f"{name} hello" for name in NAMES]


class Mail:
    """A server on loopback that speaks just enough of a mail protocol: a greeting, and an answer to each line."""

    def __init__(self, context: ssl.SSLContext, greeting: bytes, answer: bytes) -> None:
        self._context, self._greeting, self._answer = context, greeting, answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        try:
            with self._context.wrap_socket(connection, server_side=True) as stream, stream.makefile("rwb", 0) as file:
                file.write(self._greeting)
                for line in file:
                    tag = line.split()[0]
                    file.write((b"* CAPABILITY IMAP4rev1\r\n" if b"CAPA" in line else b"") + self._answer.replace(b"TAG", tag))
        except OSError:  # a client that breaks off is no news
            pass

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture(scope="module")
def ports(ca: trustme.CA, server: Server) -> Iterator[list[str]]:
    """The ports of an HTTPS, an SMTP and an IMAP server, whose certificates come from `ca`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    smtp = Mail(context, b"220 localhost\r\n", b"250 hello\r\n")
    imap = Mail(context, b"* OK localhost\r\n", b"TAG OK hello\r\n")
    yield [str(port) for port in (server.port, smtp.port, imap.port)]
    smtp.close()
    imap.close()


class Answers(NamedTuple):
    """What the clients print, and what is said besides."""

    lines: list[str]
    said: str


def ask(ports: list[str], env: Mapping[str, str]) -> Answers:
    """Let all clients talk to the servers."""
    done = python("-c", CLIENTS, *ports, env={"FALLBACK_ROOTS_CONFIG": os.devnull, **env})
    assert done.returncode == 0, done.stderr
    return Answers(done.stdout.splitlines(), done.stderr)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another CA's bundle, which does not vouch for the servers."""
    path = tmp_path_factory.mktemp("other") / "ca.pem"
    trustme.CA(organization_name="another").cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="module")
def without_us(ports: list[str]) -> list[str]:
    """What the clients print on a machine without CA certificates, without us."""
    answers = ask(ports, {**NO_CAS, "FALLBACK_ROOTS_DISABLE": "1"})
    assert answers.said == ""
    return answers.lines


def test_without_us_every_client_fails(without_us: list[str]) -> None:
    """Without CA certificates no client trusts the servers."""
    assert [line.split()[0] for line in without_us] == list(NAMES)
    for line in without_us:
        assert "CERTIFICATE_VERIFY_FAILED" in line
        assert "unable to get local issuer certificate" in line


@pytest.mark.parametrize("key", ["CAFILE", "CAPATH"])
def test_a_configured_fallback_verifies(key: str, ports: list[str], ca_file: Path, hashed_directory: Path) -> None:
    """On a machine without CA certificates every client verifies with the configured fallback."""
    path = {"CAFILE": ca_file, "CAPATH": hashed_directory}[key]
    answers = ask(ports, {**NO_CAS, f"FALLBACK_ROOTS_{key}": str(path)})
    assert answers.lines == HELLO
    assert answers.said.count("\n") == 1


def test_certifi_does_not_vouch_for_them(ports: list[str], without_us: list[str]) -> None:
    """A server that certifi's roots do not vouch for is refused with the very error that comes without us."""
    assert ask(ports, NO_CAS).lines == without_us


def test_a_healthy_bundle_verifies(ports: list[str], ca_file: Path) -> None:
    """On a machine with a bundle every client verifies, and nothing is said."""
    assert ask(ports, {**NO_CAS, "SSL_CERT_FILE": str(ca_file)}) == (HELLO, "")


def test_a_healthy_hashed_directory_verifies(ports: list[str], hashed_directory: Path) -> None:
    """So does every client on a machine with nothing but a hashed directory."""
    assert ask(ports, {**NO_CAS, "SSL_CERT_DIR": str(hashed_directory)}) == (HELLO, "")


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_the_fallback_does_not_widen_trust(variable: str, ports: list[str], ca_file: Path, other: Path) -> None:
    """Where the machine trusts another CA, by a bundle or by a directory, the fallback's is not trusted besides."""
    hashed = other.parent / "00000000.0"
    if not hashed.exists():
        hashed.symlink_to(other)
    world = {**NO_CAS, variable: str(other if variable == "SSL_CERT_FILE" else other.parent)}
    ours = ask(ports, {**world, "FALLBACK_ROOTS_CAFILE": str(ca_file)})
    assert ours == ask(ports, {**world, "FALLBACK_ROOTS_DISABLE": "1"})
    assert all("CERTIFICATE_VERIFY_FAILED" in line for line in ours.lines)


# ---------------------------------------------------------------- a machine that is truly without

COUNT = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=30).read().decode())"


def truly_without(tmp_path: Path, then: str = ":") -> list[str]:
    """The beginning of a command that hides the compiled-in places behind empty ones, in a mount namespace of its own.

    `then` is a shell command to be run before, for which ``$certs`` is the compiled-in directory.
    """
    paths = ssl.get_default_verify_paths()
    (tmp_path / "nothing").touch()
    file, directory = (shlex.quote(os.path.realpath(path)) for path in (paths.openssl_cafile, paths.openssl_capath))
    script = f"""
set -e
certs={directory}
[ ! -e {file} ] || mount --bind {shlex.quote(str(tmp_path / "nothing"))} {file}
[ ! -d "$certs" ] || mount -t tmpfs tmpfs "$certs"
{then}
exec "$@"
"""
    return ["unshare", "--mount", "sh", "-c", script, "sh"]


@needs_root
def test_a_machine_without_ca_certificates(installed: Path, tmp_path: Path) -> None:
    """Where the compiled-in places hold nothing a default context has certifi's roots, and nothing is said."""
    done = python("-c", COUNT, executable=installed, prefix=truly_without(tmp_path))
    assert (done.stdout, done.stderr) == (f"{certifi_roots(installed)}\n", "")


@needs_root
def test_such_a_machine_with_the_off_switch(installed: Path, tmp_path: Path) -> None:
    """With FALLBACK_ROOTS_DISABLE=1 it has none."""
    done = python("-c", COUNT, env={"FALLBACK_ROOTS_DISABLE": "1"}, executable=installed, prefix=truly_without(tmp_path))
    assert (done.stdout, done.stderr) == ("0\n", "")


@needs_root
def test_such_a_machine_with_a_users_config_file(
    installed: Path, home: Path, server: Server, ca_file: Path, tmp_path: Path
) -> None:
    """With a cafile in the user's config file it has that CA alone, and verifies by it."""
    (home / ".config" / "fallback-roots" / "config.toml").write_text(f'cafile = "{ca_file}"\n')
    for program, answer in ((COUNT, "1\n"), (FETCH, "hello\n")):
        done = python("-c", program, server.url, env={"HOME": str(home)}, executable=installed, prefix=truly_without(tmp_path))
        assert (done.stdout, done.stderr) == (answer, "")


@needs_root
def test_a_machine_with_hashed_links_alone(installed: Path, server: Server, hashed_directory: Path, tmp_path: Path) -> None:
    """Where the compiled-in directory holds hashed links and nothing else (Fedora 44) no root is loaded, and all verifies."""
    if not Path(ssl.get_default_verify_paths().openssl_capath).is_dir():
        pytest.skip("this Python's OpenSSL has no compiled-in directory to hide")
    prefix = truly_without(tmp_path, f'cp -a {shlex.quote(str(hashed_directory))}/. "$certs"')
    for program, answer in ((COUNT, "0\n"), (FETCH, "hello\n")):
        done = python("-c", program, server.url, executable=installed, prefix=prefix)
        assert (done.stdout, done.stderr) == (answer, "")


RELOCATED = """
set -e
cp -a /etc "$1/etc"
mount --bind "$1/etc" /etc
mkdir "$1/elsewhere"
for path in "$3" "$4"; do
    mkdir -p "$(dirname "$path")"
    mount --bind "$1/elsewhere" "$(dirname "$path")"
done
mkdir -p /etc/pki/tls/certs
cp "$2" /etc/pki/tls/certs/ca-bundle.crt
shift 4
exec "$@"
"""


@needs_root
@pytest.mark.parametrize("system", [False, True], ids=["certifi", "prefer_system"])
def test_a_relocated_python(system: bool, installed: Path, server: Server, ca_file: Path, tmp_path: Path) -> None:
    """Where neither compiled-in place is there, and the system's bundle is elsewhere, it has certifi's roots, or that one's."""
    paths = ssl.get_default_verify_paths()
    places = [os.path.realpath(path) for path in (paths.openssl_cafile, paths.openssl_capath)]
    prefix = ["unshare", "--mount", "sh", "-c", RELOCATED, "sh", str(tmp_path), str(ca_file), *places]
    env = {"FALLBACK_ROOTS_PREFER_SYSTEM": "1"} if system else {}
    program = "import ssl; print({*ssl.get_default_verify_paths()[:2]})\n" + (FETCH if system else COUNT)
    done = python("-c", program, server.url, env=env, executable=installed, prefix=prefix)
    answer = "hello" if system else str(certifi_roots(installed))
    assert (done.stdout, done.stderr) == (f"{{None}}\n{answer}\n", "")


# ---------------------------------------------------------------- servers that ask their clients for certificates

MUTUAL = """
import socket, ssl, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of the old protocol
chain, ca = sys.argv[1:]

def loaded(context, *purposes):
    for purpose in purposes:
        context.load_default_certs(purpose)
    return context

class Own(ssl.SSLContext):
    def load_default_certs(self, purpose=ssl.Purpose.SERVER_AUTH):
        self.set_default_verify_paths()

auth, plain = ssl.Purpose.CLIENT_AUTH, ssl.Purpose.SERVER_AUTH
WAYS = {
    "the default context": lambda: ssl.create_default_context(auth),
    "that, loaded again for servers": lambda: loaded(ssl.create_default_context(auth), plain),
    "of http.server": lambda: loaded(ssl._create_unverified_context(purpose=auth), auth),
    "a server's": lambda: loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), auth),
    "a server's, loaded for servers": lambda: loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), plain, auth, plain),
    "a subclass's": lambda: loaded(type("Sub", (ssl.SSLContext,), {})(ssl.PROTOCOL_TLS_SERVER), plain),
    "another class's": lambda: loaded(Own(ssl.PROTOCOL_TLS_SERVER), plain),
    "of the old protocol": lambda: loaded(ssl.SSLContext(ssl.PROTOCOL_TLS), auth),
    "with the CA by name": lambda: ssl.create_default_context(auth, cafile=ca),  # the one that may accept
}

def accepted(server):
    server.load_cert_chain(chain)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=ca)
    client.load_cert_chain(chain)
    mine, theirs = socket.socketpair()
    def talk():
        try:
            with client.wrap_socket(mine, server_hostname="localhost") as stream:
                stream.sendall(b"hello")
                stream.recv(1)
        except OSError:
            pass
    thread = threading.Thread(target=talk)
    thread.start()
    try:
        with server.wrap_socket(theirs, server_side=True) as stream:
            return stream.recv(5).decode()
    except ssl.SSLError as error:
        return error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason
    finally:
        theirs.close()
        thread.join()

for layer in ("stand-ins", "wrappers"):
    for way, make in WAYS.items():
        server = make()
        print(layer, way, server.cert_store_stats()["x509"], accepted(server), sep=": ")
    if layer == "stand-ins":  # a client's context, which gets the fallback, brings the wrappers
        assert len(ssl.create_default_context().get_ca_certs()) == 1
"""


def test_no_server_accepts_a_client_by_the_fallback(ca: trustme.CA, ca_file: Path, tmp_path: Path) -> None:
    """A client whose certificate comes from the fallback's CA is refused by every server that has not named that CA."""
    chain = tmp_path / "chain.pem"
    issued = ca.issue_cert("localhost")
    chain.write_bytes(issued.private_key_pem.bytes() + issued.cert_chain_pems[0].bytes())
    env = {**NO_CAS, "FALLBACK_ROOTS_CONFIG": os.devnull, "FALLBACK_ROOTS_CAFILE": str(ca_file)}
    done = python("-c", MUTUAL, chain, ca_file, env=env)
    assert done.returncode == 0, done.stderr
    lines = [line.split(": ") for line in done.stdout.splitlines()]
    assert len(lines) == 18
    for _, way, roots, said in lines:
        assert (roots, said) == (
            ("1", "hello") if "by name" in way else ("0", "self-signed certificate in certificate chain")
        ), way
