"""Tier 4: one connection to a host, up to the end of the handshake; imports ssl, socket and what they bring.

What lives here: look up, connect, ask for TLS, shake hands, and say how far it got. What must not: application data, and what
follows from it. Whatever a server does ends in a `Look`, and no later than was asked for.
"""

import _ssl
import ipaddress
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from .. import errors
from ._certificates import Certificate, certificate

PORTS = {"smtp": 587, "imap": 143, "pop3": 110, "ftp": 21}
LARGEST_REPLY = 16 * 1024  # bytes, of a server that is asked for TLS
# How OpenSSL calls what is no TLS at all, by the first bytes that came.
NOT_TLS = frozenset(
    {
        "HTTPS_PROXY_REQUEST",
        "HTTP_REQUEST",
        "PACKET_LENGTH_TOO_LONG",
        "RECORD_LAYER_FAILURE",
        "RECORD_TOO_SMALL",
        "UNKNOWN_PROTOCOL",
        "WRONG_VERSION_NUMBER",
    }
)


class Target(NamedTuple):
    """What is to be looked at: `host` as it was typed, `name` as it goes over the wire, and the `port`."""

    host: str
    name: str
    port: int
    starttls: str | None = None

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


class Trouble(NamedTuple):
    """Why a connection came no further: `kind` (dns, refused, timeout, closed, not_tls, certificate, tls), the system's or
    OpenSSL's `words`, and for a certificate OpenSSL's `code` (X509_V_ERR_…)."""

    kind: str
    words: str
    code: int = 0


class Look(NamedTuple):
    """How far one connection got: the last `step` (lookup, connection, starttls, handshake), and what was seen on the way.

    `chain`: as it was verified, or else as the server sent it. `anchor`: the DER of the certificate that vouched for it.
    """

    step: str = "lookup"
    address: str | None = None
    protocol: str | None = None
    cipher: str | None = None
    chain: tuple[Certificate, ...] = ()
    anchor: bytes | None = None
    trouble: Trouble | None = None


class NotTLSError(Exception):
    """The server's answer is not the protocol's, or says that it does not do TLS."""


def target(text: str, starttls: str | None = None) -> Target:
    """The target that ``HOST[:PORT]`` names; raises FallbackRootsError for what is none."""
    match = re.fullmatch(r"(?:\[(?P<address>[^\[\]]*)\]|(?P<name>[^:\[\]/]*))(?::(?P<port>[0-9]{1,5}))?", text)
    port = PORTS[starttls] if starttls else 443
    if match is not None and match["port"] is not None:
        port = int(match["port"])
    name = _name(match) if match is not None and 0 < port < 65536 else None
    if match is None or name is None:
        raise errors.FallbackRootsError(
            f"{text!r} is not a host (expected HOST or HOST:PORT, a port from 1 to 65535, without https:// and path; an IPv6 "
            "address in brackets)"
        )
    return Target(match["name"] or name, name, port, starttls)


def _name(match: "re.Match[str]") -> str | None:
    """The host as it is looked up and put into the handshake, or None where it cannot be one."""
    try:
        name = match["name"] if match["address"] is None else str(ipaddress.IPv6Address(match["address"]))
        name = name.encode("idna").decode("ascii")  # what socket and ssl do with it
    except ValueError:
        return None
    return name if re.fullmatch(r"[A-Za-z0-9_:][A-Za-z0-9_:.%-]*", name) else None


def look(where: Target, context: ssl.SSLContext, seconds: float) -> Look:
    """One connection to `where` with `context`, of at most `seconds`; sends what asks for TLS, and the handshake."""
    end = time.monotonic() + seconds
    seen = Look()
    try:
        addresses = _lookup(where, end)
        seen = seen._replace(step="connection")
        with _connected(addresses, end) as plain:
            seen = seen._replace(step="starttls")
            seen = seen._replace(address=str(plain.getpeername()[0]))
            if where.starttls:
                _ask_for_tls(plain, where.starttls, end)
            seen = seen._replace(step="handshake")
            plain.settimeout(_left(end))
            tls: Any = context.wrap_socket(plain, server_hostname=where.name, do_handshake_on_connect=False)
            with tls:
                tls.do_handshake()  # its timeout is for all of it, however slowly the bytes come
                return _seen(tls, context.verify_mode == ssl.CERT_REQUIRED, seen)
    except (OSError, NotTLSError) as error:
        return seen._replace(trouble=trouble(seen.step, error))


def _seen(tls: Any, is_verified: bool, seen: Look) -> Look:
    """What a finished handshake shows; ssl has methods for the chain since 3.13, but none that decodes it."""
    # What OpenSSL calls the verified chain is there without verification, too, as far as it got.
    verified = (tls._sslobj.get_verified_chain() or []) if is_verified else []
    sent = tls._sslobj.get_unverified_chain() or []
    return seen._replace(
        protocol=tls.version(),
        cipher=(tls.cipher() or [None])[0],
        chain=tuple(map(certificate, verified or sent)),
        anchor=verified[-1].public_bytes(_ssl.ENCODING_DER) if verified else None,
    )


def trouble(step: str, error: Exception) -> Trouble:
    """What `error` at `step` means."""
    words = getattr(error, "strerror", None) or str(error)
    if isinstance(error, NotTLSError):
        return Trouble("not_tls", words)
    if isinstance(error, ssl.SSLCertVerificationError):
        # truststore's errors have no such attributes
        return Trouble("certificate", getattr(error, "verify_message", words), getattr(error, "verify_code", 0))
    if isinstance(error, TimeoutError):
        return Trouble("timeout", words)
    if isinstance(error, socket.gaierror):
        return Trouble("dns", words)
    if step in ("lookup", "connection"):
        return Trouble("refused", words)
    reason = getattr(error, "reason", None) or ""
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError):
        return Trouble("closed", words)
    if reason == "UNEXPECTED_EOF_WHILE_READING":
        return Trouble("closed", words)
    # ssl's own words: who speaks before the handshake does not speak TLS
    is_other = reason in NOT_TLS or reason.startswith("Closed before TLS handshake with data")
    return Trouble("not_tls" if is_other else "tls", reason or words)


# ---------------------------------------------------------------- the way to the handshake


def _left(end: float) -> float:
    """The seconds until `end`."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


Address = tuple[Any, ...]


def _lookup(where: Target, end: float) -> list[Address]:
    """What the system's resolver says; in a thread, for it has no timeout."""
    answers: queue.SimpleQueue[list[Address] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(list(socket.getaddrinfo(where.name, where.port, type=socket.SOCK_STREAM)))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=_left(end))
    except queue.Empty:
        raise TimeoutError("timed out") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _connected(addresses: list[Address], end: float) -> socket.socket:
    """A connection to the first of `addresses` that takes one; each has its part of the time, so that one does not take all."""
    trouble: OSError = socket.gaierror(socket.EAI_NONAME, "no address")
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        try:
            found = socket.socket(family, kind, protocol)  # fails for a family that this system does not do
        except OSError as error:
            trouble = error
            continue
        try:
            found.settimeout(_left(end) / (len(addresses) - number))
            found.connect(address)
        except OSError as error:
            found.close()
            trouble = error
        else:
            return found
    raise trouble


def _ask_for_tls(plain: socket.socket, protocol: str, end: float) -> None:
    """The dialogue before TLS (RFC 3207, 2595, 2595, 4217); sends two lines at most, that name nobody."""
    lines = _lines(plain, end)
    if protocol in ("smtp", "ftp"):
        _expect(protocol, "220", _reply(lines))
        if protocol == "smtp":
            plain.sendall(b"EHLO [127.0.0.1]\r\n")
            _expect(protocol, "250", _reply(lines))
        plain.sendall(b"STARTTLS\r\n" if protocol == "smtp" else b"AUTH TLS\r\n")
        _expect(protocol, "220" if protocol == "smtp" else "234", _reply(lines))
    elif protocol == "imap":
        _expect(protocol, "* ", next(lines))
        plain.sendall(b"a STARTTLS\r\n")
        _expect(protocol, "a OK", next(line for line in lines if not line.startswith("* ")))
    else:
        _expect(protocol, "+OK", next(lines))
        plain.sendall(b"STLS\r\n")
        _expect(protocol, "+OK", next(lines))


def _lines(plain: socket.socket, end: float) -> Iterator[str]:
    """The lines that come, byte by byte: none may be taken that belongs to the handshake."""
    line = b""
    for _ in range(LARGEST_REPLY):
        plain.settimeout(_left(end))
        byte = plain.recv(1)
        if not byte:
            raise ConnectionResetError("the server closed the connection")
        line += byte
        if byte == b"\n":
            yield line.decode("latin-1").rstrip()
            line = b""
    raise NotTLSError(f"the server sent {LARGEST_REPLY} bytes, and no end of its answer")


def _reply(lines: Iterator[str]) -> str:
    """The last line of a reply, whose other lines have a hyphen behind the number (RFC 5321, 4.2.1; RFC 959, 4.2)."""
    first = next(lines)
    if not first[:3].isdigit() or first[3:4] != "-":
        return first
    return next(line for line in lines if line.startswith(first[:3]) and line[3:4] != "-")


def _expect(protocol: str, start: str, line: str) -> None:
    if not line.upper().startswith(start.upper()):
        raise NotTLSError(f"asked for TLS by {protocol}, the server said {line[:200]!r} (expected {start.strip()!r})")
