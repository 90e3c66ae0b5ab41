"""check: a real server for each cause that it names, in text and in JSON; what it sends and how long it takes; its judge."""

import contextlib
import datetime
import ipaddress
import json
import re
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID
from support import NO_CAS, ROOT, environment, new_ca, python

from fallback_roots import _cli, errors
from fallback_roots._cli import _causes, _cures, _look, check

SCHEMA = json.loads((ROOT / "docs" / "check-schema.json").read_text(encoding="utf-8"))
Handler = Callable[[socket.socket], None]
Serve = Callable[..., "Loopback"]


# ---------------------------------------------------------------- servers


class Loopback:
    """A server that gives each connection to `handler`, in a thread, and forgives what the other end does."""

    def __init__(self, handler: Handler, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.handler = handler
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.bind((host, 0))
        self.listener.listen()
        self.port: int = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:  # closed: the end
                return
            self.threads.append(threading.Thread(target=self.serve, args=(connection,), daemon=True))
            self.threads[-1].start()

    def serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(30)
            try:
                self.handler(connection)
            except OSError:
                pass

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(60)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers, and ends them after the test."""
    with contextlib.ExitStack() as stack:

        def start(handler: Handler, host: str = "127.0.0.1") -> Loopback:
            server = Loopback(handler, host)
            stack.callback(server.close)
            return server

        yield start


def tls(context: ssl.SSLContext, received: "list[bytes] | None" = None) -> Handler:
    """Shakes hands, and then reads whatever is sent into `received`."""

    def handler(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            data = b""
            try:
                data = secured.recv(100)
            finally:
                if received is not None:
                    received.append(data)

    return handler


def speaks(*lines: bytes, then: "Handler | None" = None) -> Handler:
    """Sends the first of `lines` at once, and each of the others after a line has come."""

    def handler(connection: socket.socket) -> None:
        for number, line in enumerate(lines):
            while number and connection.recv(1) not in (b"\n", b""):
                pass
            connection.sendall(line)
        (then or drain)(connection)

    return handler


def drain(connection: socket.socket) -> None:
    """Never answers."""
    while connection.recv(1000):
        pass


def dribbles(first: bytes, byte: bytes) -> Handler:
    """Sends `first`, and then `byte` again and again, slowly."""

    def handler(connection: socket.socket) -> None:
        connection.sendall(first)
        connection.settimeout(0.02)
        while True:
            try:
                if not connection.recv(1000):
                    return
            except TimeoutError:
                connection.sendall(byte)

    return handler


def resets(connection: socket.socket) -> None:
    """Ends the connection the hard way, once something has come."""
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


# The dialogues in which TLS is asked for: what the server says.
DIALOGUES = {
    "smtp": (b"220-hello\r\n220 mail\r\n", b"250-mail\r\n250-SIZE 1\r\n250 STARTTLS\r\n", b"220 go\r\n"),
    "imap": (b"* OK hello\r\n", b"* CAPABILITY IMAP4\r\na OK go\r\n"),
    "pop3": (b"+OK hello\r\n", b"+OK go\r\n"),
    "ftp": (b"220-hello\r\n 220 not the end\r\n220 ftp\r\n", b"234 go\r\n"),
}
REFUSALS = {
    "smtp": (b"220 mail\r\n", b"250 mail\r\n", b"454 not now\r\n"),
    "imap": (b"* OK hello\r\n", b"a BAD what\r\n"),
    "pop3": (b"+OK hello\r\n", b"-ERR what\r\n"),
    "ftp": (b"220 ftp\r\n", b"502 what\r\n"),
}


# ---------------------------------------------------------------- certificates


def signed(
    directory: Path,
    by: "trustme.CA | None",
    subject: str = "localhost",
    names: "tuple[str, ...]" = ("localhost",),
    issuers_at: str = "",
    send: bytes = b"",
    names_key: bool = True,
) -> ssl.SSLContext:
    """A server's context with a certificate of `by`, or a self-signed one, that sends `send` (PEM) besides."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
    issuer, issuer_key, now = name, key, datetime.datetime.now(datetime.timezone.utc)
    if by is not None:
        issuer = x509.load_pem_x509_certificate(by.cert_pem.bytes()).subject
        loaded = serialization.load_pem_private_key(by.private_key_pem.bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        issuer_key = loaded
    alternative = [x509.IPAddress(ipaddress.ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
    builder = (
        x509.CertificateBuilder(issuer, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if names_key:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        builder = builder.add_extension(identifier, critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternative), critical=False)
    if issuers_at:
        method = AuthorityInformationAccessOID.CA_ISSUERS
        access = x509.AccessDescription(method, x509.UniformResourceIdentifier(issuers_at))
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    file = directory / "server.pem"
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + certificate.public_bytes(encoding) + send)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def issued(ca: trustme.CA, *names: str, **more: Any) -> ssl.SSLContext:
    """A server's context with a certificate of `ca` for `names`, and its intermediates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*names, **more).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def good(ca: trustme.CA) -> ssl.SSLContext:
    """A server's context for localhost."""
    return issued(ca, "localhost", "127.0.0.1", "::1")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    """A CA that is in no store, and its file."""
    path = tmp_path_factory.mktemp("other") / "it's the ca.pem"  # a name that a shell needs quoted
    return new_ca("Corp Inspection", path)[0], path


# ---------------------------------------------------------------- running it


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, ca_file: Path) -> None:
    """A machine whose bundle has `ca` alone, and no proxies."""
    for name, value in {**NO_CAS, "SSL_CERT_FILE": str(ca_file)}.items():
        monkeypatch.setenv(name, value)
    for name in check.PROXIES:
        monkeypatch.delenv(name, raising=False)


def strict(schema: Any) -> Any:
    """`schema`, but that no key may come that is not in it."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: strict(value) for key, value in schema.items()}
    return {**closed, "additionalProperties": False} if "required" in closed else closed


def parsed(out: str) -> dict[str, Any]:
    """The JSON of `out`, which is after the schema."""
    found = json.loads(out)
    assert isinstance(found, dict)
    jsonschema.Draft202012Validator(strict(SCHEMA)).validate(found)
    assert out.isascii()
    return found


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs check in this process; its exit code and standard output."""

    def run(*arguments: str) -> tuple[int, str]:
        code = _cli.main(["check", *arguments])
        out, err = capsys.readouterr()
        assert err == ""
        return code, out

    return run


class Case(NamedTuple):
    """A server, the cause that it shows, words of the text, the first suggestion, and arguments besides."""

    cause: str | None
    words: str
    handler: Callable[["Makers"], Handler]
    suggestion: str | None = None
    options: tuple[str, ...] = ()
    code: int = 1


class Makers(NamedTuple):
    """What the servers of the cases are made of."""

    good: ssl.SSLContext
    ca: trustme.CA
    other: trustme.CA
    directory: Path


def lacks_link(made: Makers) -> Handler:
    child = made.ca.create_child_ca()
    return tls(signed(made.directory, child, issuers_at="http://ca.test/ca.der"))


def wants_a_certificate(made: Makers) -> Handler:
    context = issued(made.ca, "localhost")
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # where the client hears of it before the end of the handshake
    context.verify_mode = ssl.CERT_REQUIRED
    return tls(context)


def old_tls(made: Makers) -> Handler:
    context = issued(made.ca, "localhost")
    context.set_ciphers("ECDHE-RSA-AES128-SHA256:@SECLEVEL=0")  # for another key than it has
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return tls(context)


def after(dialogue: tuple[bytes, ...], self_signed: bool = False) -> Callable[[Makers], Handler]:
    """TLS after the lines in which it is asked for."""

    def make(made: Makers) -> Handler:
        return speaks(*dialogue, then=tls(signed(made.directory, None) if self_signed else made.good))

    return make


def refuses(protocol: str) -> Callable[[Makers], Handler]:
    return lambda _: speaks(*REFUSALS[protocol])


def closes_late(connection: socket.socket) -> None:
    connection.recv(9999)


SLOW = ("--timeout", "0.3")
PAST, FUTURE = datetime.datetime(2021, 1, 1), datetime.datetime(2090, 1, 1)
DIRECTLY = "fallback-roots check localhost:{port}"
CAT = "(echo; cat /path/to/ca.pem) >> {ca_file}"

CASES = {
    "verified": Case(None, "from Python's own default load: {ca_file} (SSL_CERT_FILE)", lambda made: tls(made.good), code=0),
    "an intermediate": Case(
        None, "O=fallback-roots tests vouches for it", lambda made: tls(issued(made.ca.create_child_ca(), "localhost")), code=0
    ),
    "unknown root, sent": Case(
        "unknown_root",
        "The root OU=Testing CA #",
        lambda made: tls(signed(made.directory, made.other, send=made.other.cert_pem.bytes())),
        CAT,
    ),
    "unknown root, not sent": Case(
        "unknown_root",
        "O=Corp Inspection, which has issued the certificate of CN=localhost, is not in the store. Often that is the CA of a "
        "company's TLS-inspection proxy",
        lambda made: tls(signed(made.directory, made.other)),
        CAT,
    ),
    "unknown root above an intermediate": Case(
        "unknown_root",
        "Get its certificate from who runs it.",
        lambda made: tls(issued(made.other.create_child_ca(), "localhost")),
        CAT,
    ),
    "missing intermediate": Case(
        "missing_intermediate",
        "(here from http://ca.test/ca.der)",
        lacks_link,
        "openssl s_client -showcerts -connect localhost:{port} </dev/null",
    ),
    "expired": Case(
        "expired",
        "it was valid until 2021-01-01T00:00:00Z, and it is 20",
        lambda made: tls(issued(made.ca, "localhost", not_before=datetime.datetime(2020, 1, 1), not_after=PAST)),
    ),
    "not yet valid": Case(
        "not_yet_valid",
        "is not valid before 2090-01-01T00:00:00Z, and it is 20",
        lambda made: tls(issued(made.ca, "localhost", not_before=FUTURE, not_after=datetime.datetime(2091, 1, 1))),
        "date -u",
    ),
    "wrong host": Case(
        "wrong_host",
        "not for localhost: it is for *.example.test, www.example.test, 10.0.0.1. So",
        lambda made: tls(issued(made.ca, "*.example.test", "www.example.test", "10.0.0.1")),
        "fallback-roots check www.example.test:{port}",
    ),
    "no host but the subject": Case(
        "wrong_host", "names no host but by its subject, CN=x", lambda made: tls(signed(made.directory, made.ca, "x", ()))
    ),
    "self-signed": Case("self_signed", "It is CN=localhost, SHA-256 ", lambda made: tls(signed(made.directory, None)), CAT),
    "plain HTTP": Case("not_tls", "is not TLS: ", lambda _: speaks(b"HTTP/1.0 400 Bad Request\r\n\r\n"), None),
    "a greeting": Case("not_tls", "is not TLS: ", lambda _: speaks(b"220 mail\r\n", b"500 what\r\n")),
    "closes": Case("closed", "closed the connection in the handshake", lambda _: lambda _: None, code=4),
    "closes after the hello": Case("closed", "in the handshake", lambda _: closes_late, code=4),
    "resets": Case("closed", "in the handshake: ", lambda _: resets, code=4),
    "never answers": Case("timeout", "within 0.3 s, in the handshake", lambda _: drain, None, SLOW, 4),
    "dribbles": Case("timeout", "in the handshake", lambda _: dribbles(b"\x16\x03\x03\x40\0", b"\0"), None, SLOW, 4),
    "wants a client certificate": Case(None, "it may want a client certificate", wants_a_certificate),
    "no cipher in common": Case(None, "failed, and not over its certificate: ", old_tls),
    "says nothing by smtp": Case(
        "timeout", "when it was asked for TLS", lambda _: drain, DIRECTLY, ("--starttls", "smtp", *SLOW), 4
    ),
    "dribbles by smtp": Case(
        "timeout", "when it was asked for TLS", lambda _: dribbles(b"220-", b"x"), DIRECTLY, ("--starttls", "smtp", *SLOW), 4
    ),
    "floods by imap": Case(
        "not_tls", "no end of its answer", lambda _: speaks(b"* OK\r\n" + b"* x\r\n" * 9999), None, ("--starttls", "imap")
    ),
    "closes by pop3": Case(
        "closed", "when it was asked for TLS", lambda _: lambda _: None, DIRECTLY, ("--starttls", "pop3"), 4
    ),
    "another protocol": Case(
        "not_tls", "asked for TLS by ftp, the server said", lambda _: speaks(b"SSH-2.0-x\r\n"), None, ("--starttls", "ftp")
    ),
}
for protocol, dialogue in DIALOGUES.items():
    verified, failing = after(dialogue), after(dialogue, self_signed=True)
    asked, option = f"asked for TLS by {protocol}, the server said", ("--starttls", protocol)
    CASES[f"{protocol}, verified"] = Case(None, f"TLS asked for by {protocol}", verified, None, option, 0)
    CASES[f"{protocol}, self-signed"] = Case("self_signed", "is self-signed", failing, CAT, option)
    CASES[f"{protocol}, refused"] = Case("not_tls", asked, refuses(protocol), None, option)


@pytest.mark.parametrize("name", CASES)
def test_a_server(
    name: str,
    serve: Serve,
    run: Run,
    good: ssl.SSLContext,
    ca: trustme.CA,
    ca_file: Path,
    other: tuple[trustme.CA, Path],
    tmp_path: Path,
) -> None:
    """Each server gets its cause, exit code, sentence and first suggestion, the same in text and in JSON, in good time."""
    case = CASES[name]
    server = serve(case.handler(Makers(good, ca, other[0], tmp_path)))
    began = time.monotonic()
    code, out = run(f"localhost:{server.port}", "--json", *case.options)
    found = parsed(out)
    code_of_text, text = run(f"localhost:{server.port}", *case.options)
    assert time.monotonic() - began < 10
    words = case.words.format(ca_file=ca_file)
    assert (found["cause"], found["exit_code"], code, code_of_text) == (case.cause, case.code, case.code, case.code)
    assert words in " ".join(text.split())
    assert not found["cause_text"] or words in found["cause_text"]
    assert found["verified"] is (case.code == 0)
    command = next((suggestion["command"] for suggestion in found["suggestions"]), None)
    expected = case.suggestion and case.suggestion.format(port=server.port, ca_file=ca_file)
    assert command == expected
    assert command is None or f"\n    {command}\n" in text
    assert all(len(line) <= 80 for line in text.splitlines() if not line.startswith("    "))
    assert text.isascii()


# ---------------------------------------------------------------- what is shown


def test_what_a_verified_server_shows(serve: Serve, run: Run, ca: trustme.CA, ca_file: Path, good: ssl.SSLContext) -> None:
    """Protocol, cipher, address and the whole chain up to the root, with the SHA-256 that openssl computes."""
    _, out = run(f"localhost:{serve(tls(good)).port}", "--json")
    found = parsed(out)
    assert (found["protocol"], found["address"], found["host"]) == ("TLSv1.3", "127.0.0.1", "localhost")
    assert found["cipher"].startswith("TLS_")
    assert found["names"] == ["localhost", "127.0.0.1", "::1"]
    root = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    leaf, anchor = found["chain"]
    assert leaf["issuer"] == anchor["subject"] == anchor["issuer"] == root.subject.rfc4514_string()
    assert anchor["sha256"] == root.fingerprint(hashes.SHA256()).hex()
    assert anchor["not_after"] == root.not_valid_after_utc.isoformat().replace("+00:00", "Z")
    assert found["root"] == {
        "subject": anchor["subject"],
        "sha256": anchor["sha256"],
        "source": "default",
        "path": str(ca_file),
        "origin": "SSL_CERT_FILE",
    }


def test_the_chain_of_a_server_that_is_not_verified(serve: Serve, run: Run, other: tuple[trustme.CA, Path]) -> None:
    """What the server sent is shown, and no root is said to vouch for it."""
    _, out = run(f"localhost:{serve(tls(issued(other[0].create_child_ca(), 'localhost'))).port}", "--json")
    found = parsed(out)
    assert len(found["chain"]) == 2
    assert found["chain"][0]["issuer"] == found["chain"][1]["subject"]
    assert (found["root"], found["protocol"]) == (None, "TLSv1.3")


def test_the_chain_is_what_was_sent(
    serve: Serve, run: Run, other: tuple[trustme.CA, Path], ca: trustme.CA, tmp_path: Path
) -> None:
    """A certificate that has nothing to do with the others is shown, too, where the server sends it."""
    _, out = run(f"localhost:{serve(tls(signed(tmp_path, other[0], send=ca.cert_pem.bytes()))).port}", "--json")
    root = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    assert [found["subject"] for found in parsed(out)["chain"]] == ["CN=localhost", root.subject.rfc4514_string()]


def test_both_looks_ask_for_the_host(serve: Serve, run: Run, tmp_path: Path) -> None:
    """The host's name is in the unverified handshake, too, or a server with many hosts would show another's certificate."""
    asked: list[object] = []
    context = signed(tmp_path, None)
    context.sni_callback = lambda _, name, __: asked.append(name)
    run(f"localhost:{serve(tls(context)).port}")
    assert asked == ["localhost", "localhost"]


def test_no_application_data(serve: Serve, run: Run, good: ssl.SSLContext, tmp_path: Path) -> None:
    """Neither the verified connection nor the unverified look sends a byte in TLS."""
    received: list[bytes] = []
    servers = [serve(tls(context, received)) for context in (good, signed(tmp_path, None))]
    for server in servers:
        run(f"localhost:{server.port}")
    for server in servers:
        server.close()
    assert received == [b"", b""]


def test_the_lines_that_ask_for_tls(serve: Serve, run: Run, good: ssl.SSLContext) -> None:
    """What goes over the wire in the clear names neither the user nor the machine."""
    sent: dict[str, list[bytes]] = {name: [] for name in DIALOGUES}

    def listening(name: str) -> Handler:
        def handler(connection: socket.socket) -> None:
            for number, line in enumerate(DIALOGUES[name]):
                if number:
                    sent[name].append(connection.recv(1000))
                connection.sendall(line)
            tls(good)(connection)

        return handler

    for name in DIALOGUES:
        assert run(f"localhost:{serve(listening(name)).port}", "--starttls", name)[0] == 0
    assert sent == {
        "smtp": [b"EHLO [127.0.0.1]\r\n", b"STARTTLS\r\n"],
        "imap": [b"a STARTTLS\r\n"],
        "pop3": [b"STLS\r\n"],
        "ftp": [b"AUTH TLS\r\n"],
    }


def test_what_is_sent_in_the_clear_behind_the_answer_is_no_part_of_tls(serve: Serve, run: Run, good: ssl.SSLContext) -> None:
    """A server, or somebody between, that adds words to its answer does not come to a verified handshake."""
    first, *others, last = DIALOGUES["smtp"]
    code, _ = run(f"localhost:{serve(speaks(first, *others, last + b'250 x' * 9, then=tls(good))).port}", "--starttls", "smtp")
    assert code != 0


def test_nothing_that_a_terminal_would_obey(serve: Serve, run: Run, tmp_path: Path) -> None:
    """What a server writes into its certificate is shown by its escapes."""
    server = serve(tls(signed(tmp_path, None, "\x1b[31m\n\u202e")))
    code, out = run(f"localhost:{server.port}")
    assert code == 1
    assert "CN=\\x1b[31m\\n\\u202e" in out
    assert out.replace("\n", "").isprintable()


def test_a_command_has_no_word_of_the_server(serve: Serve, run: Run, tmp_path: Path, ca: trustme.CA) -> None:
    """A name that a shell would obey gets into no suggestion."""
    _, out = run(f"localhost:{serve(tls(signed(tmp_path, ca, names=('x;id', '-x', '$(id)')))).port}", "--json")
    found = parsed(out)
    assert found["names"] == ["x;id", "-x", "$(id)"]
    assert (found["cause"], found["suggestions"]) == ("wrong_host", [])


def test_a_proxy_is_named_and_not_used(serve: Serve, run: Run, good: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of a proxy are named, without their values, and nothing connects to it."""
    connected: list[object] = []
    proxy = serve(connected.append)
    for name in ("HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://user:secret@localhost:{proxy.port}")
    server = serve(tls(good))
    code, text = run(f"localhost:{server.port}")
    assert code == 0
    assert "  ! set, and not used: HTTPS_PROXY, all_proxy; the connection goes to the host\n" in text
    _, out = run(f"localhost:{server.port}", "--json")
    assert parsed(out)["proxies_not_used"] == ["HTTPS_PROXY", "all_proxy"]
    assert "secret" not in text + out
    assert connected == []


@pytest.mark.skipif(sys.version_info < (3, 13), reason="default contexts are strict since Python 3.13")
def test_what_only_a_strict_context_refuses(serve: Serve, run: Run, tmp_path: Path, ca: trustme.CA) -> None:
    """A certificate that Python 3.12 takes and 3.13 does not has no cause's name, and that sentence."""
    code, out = run(f"localhost:{serve(tls(signed(tmp_path, ca, names_key=False))).port}", "--json")
    found = parsed(out)
    assert (code, found["cause"]) == (1, None)
    assert "Missing Authority Key Identifier. Python checks that since 3.13" in found["cause_text"]


# ---------------------------------------------------------------- no connection


def test_a_port_that_nobody_listens_on(run: Run) -> None:
    """A refused connection is named as one, with the system's words."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, and not listening
        code, out = run(f"127.0.0.1:{nobody.getsockname()[1]}", "--json")
    found = parsed(out)
    assert (code, found["cause"], found["address"]) == (4, "refused", None)
    assert "Connection refused" in found["cause_text"]


def test_a_name_that_is_not_there(run: Run) -> None:
    """A name that cannot be looked up is named as one; .invalid never can (RFC 6761)."""
    code, out = run("fallback-roots.invalid", "--json")
    assert (code, parsed(out)["cause"]) == (4, "dns")


def test_a_resolver_that_does_not_answer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is not waited for longer than was asked for."""
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(60) and [])
    began = time.monotonic()
    code, out = run("localhost", "--json", "--timeout", "0.1")
    assert time.monotonic() - began < 2
    answered.set()
    found = parsed(out)
    assert (code, found["cause"]) == (4, "timeout")
    assert "when its name was looked up" in found["cause_text"]


def addresses(monkeypatch: pytest.MonkeyPatch, *found: tuple[int, tuple[Any, ...]]) -> None:
    """Every name has these addresses."""
    answer = [(family, socket.SOCK_STREAM, 6, "", address) for family, address in found]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)


def test_a_name_without_addresses(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that answers with nothing is one that does not know the name."""
    addresses(monkeypatch)
    assert parsed(run("localhost", "--json")[1])["cause"] == "dns"


@pytest.mark.parametrize("family", [socket.AF_INET6, 9999], ids=["nobody listens there", "the system does not do it"])
def test_the_first_address_is_not_the_one(
    family: int, serve: Serve, run: Run, good: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where localhost is ::1 first, and the server is on 127.0.0.1 alone, it is found as programs find it."""
    port = serve(tls(good)).port
    addresses(monkeypatch, (family, ("::1", port, 0, 0)), (socket.AF_INET, ("127.0.0.1", port)))
    code, out = run(f"localhost:{port}", "--json")
    assert (code, parsed(out)["address"]) == (0, "127.0.0.1")


@pytest.fixture
def silent() -> Iterator[int]:
    """A port on 127.0.0.1 where connections are neither taken nor refused: too many wait there already."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="others refuse a connection where too many wait")


@needs_linux
def test_an_address_that_does_not_answer(silent: int, run: Run) -> None:
    """A connection is not waited for longer than was asked for."""
    code, out = run(f"127.0.0.1:{silent}", "--json", "--timeout", "0.3")
    found = parsed(out)
    assert (code, found["cause"], found["address"]) == (4, "timeout", None)
    assert "within 0.3 s, when it was connected to" in found["cause_text"]


@needs_linux
def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    silent: int, serve: Serve, run: Run, good: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several addresses, one that does not answer has its part of the time, and no more."""
    port = serve(tls(good)).port
    addresses(monkeypatch, (socket.AF_INET, ("127.0.0.1", silent)), (socket.AF_INET, ("127.0.0.1", port)))
    assert run(f"localhost:{port}", "--timeout", "3")[0] == 0


def test_ipv6(serve: Serve, run: Run, good: ssl.SSLContext) -> None:
    """An IPv6 address in brackets is connected to and verified as an address."""
    try:
        server = serve(tls(good), "::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    code, out = run(f"[::1]:{server.port}", "--json")
    found = parsed(out)
    assert (code, found["host"], found["address"]) == (0, "::1", "::1")


def test_interrupted(serve: Serve) -> None:
    """Ctrl-C amid a handshake gives 130 without a traceback."""
    accepted = threading.Event()

    def handler(connection: socket.socket) -> None:
        connection.recv(1)
        accepted.set()
        drain(connection)

    program = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    program += "from fallback_roots._cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "check", f"localhost:{serve(handler).port}", "--timeout", "60"]
    with subprocess.Popen(command, env=environment(NO_CAS), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert accepted.wait(60)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, b"")
    assert b"Traceback" not in err


# ---------------------------------------------------------------- the command line


TARGETS: dict[str, tuple[str, str, int]] = {
    "example.org": ("example.org", "example.org", 443),
    "example.org:8443": ("example.org", "example.org", 8443),
    "b\u00fccher.example:1": ("b\u00fccher.example", "xn--bcher-kva.example", 1),
    "under_score.test.": ("under_score.test.", "under_score.test.", 443),
    "127.0.0.1:65535": ("127.0.0.1", "127.0.0.1", 65535),
    "[::1]": ("::1", "::1", 443),
    "[2001:DB8:0::1]:25": ("2001:db8::1", "2001:db8::1", 25),
    "[fe80::1%eth0]:25": ("fe80::1%eth0", "fe80::1%eth0", 25),
}
NO_TARGETS = [
    "", ":443", "x:", "x:0", "x:65536", "x:123456", "x:\uff11", "x:-1", "::1", "[::1", "[::1]x", "[::1]:", "[x]", "[]",
    "[127.0.0.1]", "https://x", "a b", "-x", ".x", "a..b", "a" * 64, "x\0", "\udcff", "x;id", "[fe80::1%$(id)]", "user@x",
    f"[fe80::1%{'x' * 64}]",
]  # fmt: skip


@pytest.mark.parametrize("text", TARGETS)
def test_a_target(text: str) -> None:
    """HOST[:PORT] is taken as names, addresses, and what an internationalised name is on the wire."""
    assert _look.target(text) == (*TARGETS[text], None)


@pytest.mark.parametrize("text", NO_TARGETS)
def test_no_target(text: str) -> None:
    """What is no host is refused in one sentence, before anything is looked up."""
    with pytest.raises(errors.FallbackRootsError, match=r" is not a host \(expected HOST or HOST:PORT, "):
        _look.target(text)


@pytest.mark.parametrize(("protocol", "port"), [("smtp", 587), ("imap", 143), ("pop3", 110), ("ftp", 21)])
def test_the_port_of_a_protocol(protocol: str, port: int) -> None:
    """With --starttls the port is the protocol's, where none is said."""
    assert _look.target("x", protocol).port == port
    assert _look.target("x:1", protocol).port == 1


@pytest.mark.parametrize(
    "arguments",
    [[], ["a b"], ["x", "--timeout", "0"], ["x", "--timeout", "nan"], ["x", "--timeout", "y"], ["x", "--starttls", "ldap"]],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage exits with 2, and says so on standard error alone."""
    assert _cli.main(["check", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "fallback-roots" in err
    assert "_seconds" not in err


# ---------------------------------------------------------------- where the roots are from


def start(*arguments: str, env: Mapping[str, str], before: str = "") -> tuple[int, dict[str, Any]]:
    """check in an interpreter of its own, which is armed, after the program `before`; its exit code and its JSON."""
    program = f"{before}\nimport sys; from fallback_roots._cli import main; sys.exit(main(['check', '--json', *sys.argv[1:]]))"
    done = python("-c", program, *arguments, env=env)
    return done.returncode, parsed(done.stdout)


@pytest.fixture(scope="module")
def paths(
    tmp_path_factory: pytest.TempPathFactory, ca_file: Path, hashed_directory: Path, other: tuple[trustme.CA, Path]
) -> dict[str, str]:
    """What stands in braces: files with `ca` and with the other CA, and a certifi that has `ca` in it."""
    directory = tmp_path_factory.mktemp("paths")
    package = directory / "site" / "certifi" / "__init__.py"
    package.parent.mkdir(parents=True)
    package.write_text(f'__version__ = "2020.1.1"\ndef contents(): return open({str(ca_file)!r}).read()\n')
    return {
        "ca": str(ca_file),
        "hashed": str(hashed_directory),
        "other": str(other[1]),
        "site": str(package.parent.parent),
        "certifi": str(package),
    }


# The environment, and the source that the root is from.
SOURCES: dict[str, tuple[dict[str, str], dict[str, str | None]]] = {
    "a hashed directory": (
        {"SSL_CERT_DIR": "/no:{hashed}"},
        {"source": "default", "path": "{hashed}", "origin": "SSL_CERT_DIR"},
    ),
    "a directory beside a bundle": (
        {"SSL_CERT_FILE": "{other}", "SSL_CERT_DIR": "{hashed}"},
        {"source": "default", "path": "{hashed}", "origin": "SSL_CERT_DIR"},
    ),
    "a bundle beside a directory": (
        {"SSL_CERT_FILE": "{ca}", "SSL_CERT_DIR": "{hashed}"},
        {"source": "default", "path": "{ca}", "origin": "SSL_CERT_FILE"},
    ),
    "cafile": ({"FALLBACK_ROOTS_CAFILE": "{ca}"}, {"source": "cafile", "path": "{ca}", "origin": None}),
    "capath": ({"FALLBACK_ROOTS_CAPATH": "{hashed}"}, {"source": "capath", "path": "{hashed}", "origin": None}),
    "certifi": ({"PYTHONPATH": "{site}"}, {"source": "certifi", "path": "{certifi}", "origin": None}),
    "certifi beside a cafile": (
        {"PYTHONPATH": "{site}", "FALLBACK_ROOTS_CAFILE": "{other}", "FALLBACK_ROOTS_CERTIFI": "1"},
        {"source": "certifi", "path": "{certifi}", "origin": None},
    ),
    "a cafile that was not asked": (
        {"SSL_CERT_FILE": "{ca}", "FALLBACK_ROOTS_CAFILE": "{ca}"},
        {"source": "default", "path": "{ca}", "origin": "SSL_CERT_FILE"},
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_where_the_root_is_from(name: str, serve: Serve, good: ssl.SSLContext, paths: dict[str, str]) -> None:
    """Of all sources the one is named that has the root which vouched."""
    env, expected = SOURCES[name]
    filled = {**NO_CAS, **{key: value.format(**paths) for key, value in env.items()}}
    code, found = start(f"localhost:{serve(tls(good)).port}", env=filled)
    assert code == 0
    assert {key: found["root"][key] for key in expected} == {
        key: value and value.format(**paths) for key, value in expected.items()
    }


def test_a_fallback_of_an_earlier_context(serve: Serve, good: ssl.SSLContext, paths: dict[str, str]) -> None:
    """What another context of the process got does not count where this one's default load finds roots."""
    before = f"import os, ssl; ssl.create_default_context(); os.environ['SSL_CERT_FILE'] = {paths['ca']!r}"
    env = {**NO_CAS, "FALLBACK_ROOTS_CAFILE": paths["ca"]}
    _, found = start(f"localhost:{serve(tls(good)).port}", env=env, before=before)
    assert found["root"]["source"] == "default"


UNSET = "unset SSL_CERT_FILE SSL_CERT_DIR"


class Empty(NamedTuple):
    """A machine without roots: its variables, a program before, words of the text, and the first suggestion."""

    env: dict[str, str]
    words: str
    suggestion: str = "fallback-roots doctor"
    before: str = ""


EMPTY = {
    "disabled": Empty({"FALLBACK_ROOTS_DISABLE": "1"}, "FALLBACK_ROOTS_DISABLE switches", "unset FALLBACK_ROOTS_DISABLE"),
    "disabled by a file": Empty(
        {"FALLBACK_ROOTS_CONFIG": "{off}"}, "{off} says disable = true", "export FALLBACK_ROOTS_DISABLE=0"
    ),
    "no certifi": Empty(
        {},
        "certifi: cannot be imported",
        f"{shlex.quote(sys.executable)} -m pip install --force-reinstall certifi",
        "import sys; sys.modules['certifi'] = None",
    ),
    "nothing chosen": Empty({"FALLBACK_ROOTS_CERTIFI": "0"}, "certifi is false", "unset FALLBACK_ROOTS_CERTIFI"),
    "a broken cafile": Empty(
        {"FALLBACK_ROOTS_CAFILE": "/no/ca.pem"}, "/no/ca.pem: cannot be read", "unset FALLBACK_ROOTS_CAFILE"
    ),
    "honored": Empty({"FALLBACK_ROOTS_HONOR_SSL_ENV": "1"}, "honor_ssl_env is set", UNSET),
    "a device": Empty({"SSL_CERT_FILE": "/dev/null"}, "SSL_CERT_FILE: '/dev/null' is neither a file nor a directory", UNSET),
    "taken off": Empty({}, "not at work here (absent)", before="import fallback_roots; fallback_roots.uninstall()"),
}


@pytest.mark.parametrize("name", EMPTY)
def test_no_roots(name: str, serve: Serve, good: ssl.SSLContext, tmp_path: Path) -> None:
    """Where a default context has no roots at all, that is the cause, and why it has none is said."""
    (off := tmp_path / "off.toml").write_text("disable = true\n")
    case = EMPTY[name]
    env = {**NO_CAS, **{key: value.format(off=off) for key, value in case.env.items()}}
    code, found = start(f"localhost:{serve(tls(good)).port}", env=env, before=case.before)
    assert (code, found["cause"], found["suggestions"][0]["command"]) == (1, "no_roots", case.suggestion)
    assert case.words.format(off=off) in found["cause_text"]


def test_without_roots_a_self_signed_certificate_is_that(serve: Serve, tmp_path: Path) -> None:
    """No root could vouch for a self-signed certificate, so that is the cause, with roots and without."""
    _, found = start(f"localhost:{serve(tls(signed(tmp_path, None))).port}", env={**NO_CAS, "FALLBACK_ROOTS_DISABLE": "1"})
    assert found["cause"] == "self_signed"


# ---------------------------------------------------------------- what mends it


class Cure(NamedTuple):
    """A machine that does not know the CA, and which of the suggestions is run."""

    env: dict[str, str]
    number: int
    command: str


CURES = {
    "unset": Cure({"FALLBACK_ROOTS_DISABLE": "1", "FALLBACK_ROOTS_CAFILE": "{new}"}, 0, "unset FALLBACK_ROOTS_DISABLE"),
    "beside certifi": Cure({}, 1, "export FALLBACK_ROOTS_CAFILE=/path/to/ca.pem FALLBACK_ROOTS_CERTIFI=1"),
    "beside a capath": Cure({"FALLBACK_ROOTS_CAPATH": "{directory}"}, 1, "export FALLBACK_ROOTS_CAFILE=/path/to/ca.pem"),
    "in a cafile": Cure({"FALLBACK_ROOTS_CAFILE": "{bundle}"}, 0, "(echo; cat /path/to/ca.pem) >> {bundle}"),
    "in a bundle": Cure({"SSL_CERT_FILE": "{bundle}"}, 0, "(echo; cat /path/to/ca.pem) >> {bundle}"),
    "in a directory": Cure({"SSL_CERT_DIR": "{directory}"}, 0, "cp /path/to/ca.pem {directory} && openssl rehash {directory}"),
}


@pytest.mark.parametrize("name", CURES)
def test_a_suggestion_mends_it(name: str, serve: Serve, ca_file: Path, other: tuple[trustme.CA, Path], tmp_path: Path) -> None:
    """A suggested command, with the CA's file in the place of /path/to/ca.pem, makes the next check verify."""
    bundle, directory = tmp_path / "a bundle.pem", tmp_path / "a directory"
    bundle.write_bytes(ca_file.read_bytes().rstrip())  # no end of the last line
    directory.mkdir()
    (directory / "ca.pem").write_bytes(ca_file.read_bytes())
    subprocess.run(["openssl", "rehash", directory], check=True, capture_output=True)
    case, new = CURES[name], shlex.quote(str(other[1]))
    server = serve(tls(signed(tmp_path, other[0])))
    env = {**NO_CAS, **{key: value.format(bundle=bundle, directory=directory, new=other[1]) for key, value in case.env.items()}}
    code, found = start(f"localhost:{server.port}", env=env)
    command = found["suggestions"][case.number]["command"]
    quoted = {"bundle": shlex.quote(str(bundle)), "directory": shlex.quote(str(directory))}
    assert (code, command) == (1, case.command.format(**quoted))
    check_again = f"exec {shlex.quote(sys.executable)} -m fallback_roots check localhost:{server.port}"
    again = f"{command.replace(_cures.CA, new)} && {check_again}"
    done = subprocess.run(["sh", "-c", again], env=environment(env), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "O=Corp Inspection vouches for it" in " ".join(done.stdout.split())


def test_the_file_that_is_to_be_written(serve: Serve, other: tuple[trustme.CA, Path], tmp_path: Path) -> None:
    """Where the fallback is in use, a config file with the CA is suggested first, in the words that the command takes."""
    _, found = start(f"localhost:{serve(tls(signed(tmp_path, other[0]))).port}", env=NO_CAS)
    command = found["suggestions"][0]["command"]
    assert command == "fallback-roots config init --cafile /path/to/ca.pem --certifi"
    options = _cli.parser().parse_args(shlex.split(command)[1:])
    assert (options.cafile, options.certifi) == ("/path/to/ca.pem", True)


# ---------------------------------------------------------------- an ssl that somebody has changed


def test_a_context_that_tells_nothing(monkeypatch: pytest.MonkeyPatch, serve: Serve, run: Run, good: ssl.SSLContext) -> None:
    """A class in the place of ssl's that does not tell what it trusts (truststore's) is no fault."""

    def unknown(_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(ssl.SSLContext, "cert_store_stats", unknown)
    assert run(f"localhost:{serve(tls(good)).port}")[0] == 0


def test_a_context_that_does_not_verify(monkeypatch: pytest.MonkeyPatch, serve: Serve, run: Run, good: ssl.SSLContext) -> None:
    """Where somebody has switched verification off for all of the interpreter, nothing is called verified."""
    monkeypatch.setattr(ssl, "create_default_context", ssl._create_unverified_context)
    code, out = run(f"localhost:{serve(tls(good)).port}", "--json")
    found = parsed(out)
    assert (code, found["verified"], found["cause"]) == (1, False, None)
    assert "does not verify the server" in found["cause_text"]


# ---------------------------------------------------------------- what the page says

PAGE = (ROOT / "docs" / "check.md").read_text(encoding="utf-8")


def test_the_example_of_the_page() -> None:
    """The page's JSON is after the schema."""
    (example,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    parsed(example)


def test_the_causes_of_the_page() -> None:
    """The page has every cause of the schema, with its exit code, and so has the command's own table."""
    rows = re.findall(r"^\| ((?:`\w+`,? ?)+) \| (\d) \|", PAGE, re.MULTILINE)
    on_page = {cause: int(code) for causes, code in rows for cause in re.findall(r"`(\w+)`", causes)}
    assert list(on_page) == [one["const"] for one in SCHEMA["properties"]["cause"]["anyOf"][1:]]
    assert on_page == {cause: _causes.Finding(False, cause, "").exit_code for cause in on_page}
