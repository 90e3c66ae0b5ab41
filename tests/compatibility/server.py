"""A TLS server on loopback that speaks just enough of a protocol to see whether a client takes its certificate.

What a client says of itself proves little: it may fail for another reason. So the server is the judge: a client takes the
certificate if the server saw a whole handshake and at least one byte of what the client sent after it. Whether it verifies at
all is seen where it is not to take one. The talks are in `TALKS`; some end before the client is content, which changes nothing.
"""

import base64
import contextlib
import hashlib
import socket
import ssl
import struct
import threading
import xmlrpc.client
from collections.abc import Callable, Mapping
from typing import NamedTuple

import trustme

PATIENCE = 30  # seconds, for a client that says nothing
WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
TAKEN, REFUSED, ABSENT = "taken", "refused", "absent"


class Seen(NamedTuple):
    """What a server saw of all connections: how many there were, whole handshakes, and bytes received after these."""

    connections: int
    handshakes: int
    received: int

    @property
    def verdict(self) -> str:
        """``refused``: whoever came has broken off the handshake, or sent nothing after it; some look at the name only then."""
        if not self.connections:
            return ABSENT
        return TAKEN if self.received else REFUSED


class Wire:
    """One client's connection, in the clear until `start_tls`."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        self._socket, self._context = connection, context
        self._buffer = b""
        self.shaken = False
        self.received = 0

    def start_tls(self) -> None:
        self._socket = self._context.wrap_socket(self._socket, server_side=True)
        self.shaken = True

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def read(self, count: int) -> bytes:
        """That many bytes; EOFError where the client ends before."""
        while len(self._buffer) < count:
            self._more()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def line(self) -> bytes:
        """The next line without its end."""
        while b"\n" not in self._buffer:
            self._more()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def close(self) -> None:
        self._socket.close()

    def _more(self) -> None:
        data = self._socket.recv(65536 if self.shaken else 1)  # what follows may be the handshake's
        if not data:
            raise EOFError
        if self.shaken:
            self.received += len(data)
        self._buffer += data


class Server:
    """A server with the certificate `leaf` that speaks `talk`, a key of `TALKS`, with any number of clients."""

    def __init__(self, leaf: trustme.LeafCert, talk: str) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.num_tickets = 0  # one that a client leaves unread resets the connection, and what it sent is lost
        leaf.configure_cert(self._context)
        if talk == "grpc":
            self._context.set_alpn_protocols(["h2"])  # without which grpc refuses
        self._talk = TALKS[talk]
        self._wires: list[Wire] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> Seen:
        """End it, when the client has ended; what it saw."""
        with contextlib.suppress(OSError):  # it may be closed already
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:  # the first one adds to them
            thread.join()
        self._listener.close()
        shaken = sum(wire.shaken for wire in self._wires)
        return Seen(len(self._wires), shaken, sum(wire.received for wire in self._wires))

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            connection.settimeout(PATIENCE)
            wire = Wire(connection, self._context)
            self._wires.append(wire)
            self._threads.append(threading.Thread(target=self._serve, args=(wire,), daemon=True))
            self._threads[-1].start()

    def _serve(self, wire: Wire) -> None:
        try:
            self._talk(wire)
        except (OSError, EOFError):  # a client that breaks off is what is looked for
            pass
        finally:
            wire.close()


def request(wire: Wire) -> tuple[bytes, dict[bytes, bytes]]:
    """The method of an HTTP request, and its headers by their names in lower case; its body is read, too."""
    method = wire.line().partition(b" ")[0]
    headers = {}
    while line := wire.line():
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    wire.read(int(headers.get(b"content-length", b"0")))
    return method, headers


def respond(kind: bytes, body: bytes) -> Callable[[Wire], None]:
    """A talk: one HTTP request, and `body`."""

    def talk(wire: Wire) -> None:
        wire.start_tls()
        method, _ = request(wire)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n" % (kind, len(body))
        head += b"X-Elastic-Product: Elasticsearch\r\n\r\n"  # elasticsearch takes no other server
        wire.send(head if method == b"HEAD" else head + body)

    return talk


def websocket(wire: Wire) -> None:
    """An upgrade, one message of any kind, and ``hello``."""
    wire.start_tls()
    _, headers = request(wire)
    accept = base64.b64encode(hashlib.sha1(headers[b"sec-websocket-key"] + WEBSOCKET, usedforsecurity=False).digest())
    wire.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n"
        % accept
    )
    wire.read(2)
    wire.send(b"\x81\x05hello\x88\x02\x03\xe8")  # a text, and a close of code 1000
    while True:
        wire.read(1)


def dialogue(greeting: bytes, answers: Mapping[bytes, bytes], starts_tls: bytes = b"") -> Callable[[Wire], None]:
    """A talk of lines: `greeting`, and to each line the answer of its first word, or else that of the empty word.

    `starts_tls`: the word after whose answer the handshake comes; without one it comes first. Where a line begins with IMAP's
    tag, the second word is the one, and ``TAG`` in its answer is that tag.
    """

    def talk(wire: Wire) -> None:
        if not starts_tls:
            wire.start_tls()
        wire.send(greeting)
        while True:
            words = wire.line().upper().split() or [b""]
            tag = words.pop(0) if greeting.startswith(b"* ") else b""
            wire.send(answers.get(words[0], answers[b""]).replace(b"TAG", tag))
            if words[0] == starts_tls:
                wire.start_tls()

    return talk


def postgresql(wire: Wire) -> None:
    """SSLRequest, a start that needs no password, and an end."""
    while struct.unpack("!II", wire.read(8))[1] != 80877103:  # a GSSENCRequest may come first
        wire.send(b"N")
    wire.send(b"S")
    wire.start_tls()
    wire.read(struct.unpack("!I", wire.read(4))[0] - 4)
    for kind, content in ((b"R", bytes(4)), (b"S", b"server_version\x0017.0\x00"), (b"K", bytes(8)), (b"Z", b"I")):
        wire.send(kind + struct.pack("!I", 4 + len(content)) + content)
    while True:
        wire.read(1)


def mysql(wire: Wire) -> None:
    """A greeting with CLIENT_SSL, and OK to whatever comes after the handshake."""
    capabilities = 0x0008_8A00  # PROTOCOL_41, SSL, SECURE_CONNECTION, PLUGIN_AUTH
    greeting = b"\x0a8.0.0\x00" + bytes(4) + b"saltsalt\x00" + struct.pack("<H", capabilities & 0xFFFF) + b"\x2d\x02\x00"
    greeting += struct.pack("<HB", capabilities >> 16, 21) + bytes(10) + b"saltsaltsalt\x00mysql_native_password\x00"
    wire.send(struct.pack("<I", len(greeting)) + greeting)
    while True:
        length = int.from_bytes(wire.read(3), "little")
        number = wire.read(1)[0]
        wire.read(length)
        if wire.shaken:
            wire.send(struct.pack("<I", 7 | (number + 1) << 24) + b"\x00\x00\x00\x02\x00\x00\x00")
        else:
            wire.start_tls()


def redis(wire: Wire) -> None:
    """``+PONG`` to a ping, the protocol's version to a HELLO, and ``+OK`` to all else."""
    wire.start_tls()
    while True:
        words = [wire.read(int(wire.line()[1:]) + 2)[:-2].upper() for _ in range(int(wire.line()[1:]))]
        hello = b"%%1\r\n$5\r\nproto\r\n:%b\r\n" % (words[1] if len(words) > 1 else b"2")
        wire.send({b"PING": b"+PONG\r\n", b"HELLO": hello}.get(words[0], b"+OK\r\n"))


def grpc(wire: Wire) -> None:
    """HTTP/2 until the client's headers have come, and ``grpc-status: 12`` (not implemented) to them."""
    wire.start_tls()
    wire.read(len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
    wire.send(frame(4, 0, 0, b""))  # SETTINGS
    while True:
        length, kind = int.from_bytes(wire.read(3), "big"), wire.read(1)[0]
        flags, stream = struct.unpack("!BI", wire.read(5))
        wire.read(length)
        if kind == 4 and not flags:
            wire.send(frame(4, 1, 0, b""))
        if kind == 1:  # HEADERS; ``:status: 200`` and ``content-type`` are in HPACK's static table
            fields = b"\x88\x5f\x10application/grpc\x40\x0bgrpc-status\x0212"
            wire.send(frame(1, 4 | 1, stream, fields))


def frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    """A frame of HTTP/2."""
    return struct.pack("!I", len(content))[1:] + struct.pack("!BBI", kind, flags, stream) + content


def first_bytes(wire: Wire) -> None:
    """The first bytes after the handshake, and the end."""
    wire.start_tls()
    wire.read(8)


FTP = {
    b"AUTH": b"234 go\r\n",
    b"USER": b"331 go on\r\n",
    b"PASS": b"230 in\r\n",
    b"QUIT": b"221 bye\r\n",
    b"": b"200 hello\r\n",
}
IMAP = {
    b"CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS\r\nTAG OK done\r\n",
    b"LOGOUT": b"* BYE\r\nTAG OK done\r\n",
    b"": b"TAG OK hello\r\n",
}
NNTP = {b"CAPABILITIES": b"101 here\r\nVERSION 2\r\nREADER\r\n.\r\n", b"DATE": b"111 20260101000000\r\n", b"": b"205 bye\r\n"}
SMTP = {b"EHLO": b"250-hello\r\n250 STARTTLS\r\n", b"STARTTLS": b"220 go\r\n", b"QUIT": b"221 bye\r\n", b"": b"250 hello\r\n"}
TALKS: dict[str, Callable[[Wire], None]] = {
    "amqp": first_bytes,
    "ftp": dialogue(b"220 hello\r\n", FTP, starts_tls=b"AUTH"),
    "grpc": grpc,
    "http": respond(b"application/json", b'{"hello": 1}'),
    "imap": dialogue(b"* OK hello\r\n", IMAP),
    "kafka": first_bytes,
    "mysql": mysql,
    "nntp": dialogue(b"200 hello\r\n", NNTP),
    "pop3": dialogue(b"+OK hello\r\n", {b"": b"+OK hello\r\n"}),
    "postgresql": postgresql,
    "pypi": respond(b"text/html", b"<!DOCTYPE html><html><body></body></html>"),
    "redis": redis,
    "smtp": dialogue(b"220 hello\r\n", SMTP),
    "smtp, starttls": dialogue(b"220 hello\r\n", SMTP, starts_tls=b"STARTTLS"),
    "websocket": websocket,
    "xml-rpc": respond(b"text/xml", xmlrpc.client.dumps(("hello",), methodresponse=True).encode()),
}
