"""The internet of a container: hosts on loopback, each with the certificate that a directory has for its name.

Brings the loopback interface of its network namespace up, listens on ports 443 (TLS) and 80 (plain), goes to the background
then, and answers each request with ``hello``. Imports the standard library alone.
"""

import fcntl
import os
import socket
import ssl
import struct
import sys
import threading
from pathlib import Path

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n"
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def answer(connection: socket.socket, context: "ssl.SSLContext | None") -> None:
    """Answer one request; a client that breaks off the handshake is no news."""
    try:
        with context.wrap_socket(connection, server_side=True) if context else connection as secured:
            secured.settimeout(30)
            while b"\r\n\r\n" not in secured.recv(65536) and context:  # the plain one talks to whoever says anything
                pass
            secured.sendall(ANSWER)
    except OSError:
        pass


def serve(listener: socket.socket, context: "ssl.SSLContext | None") -> None:
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0], context), daemon=True).start()


def main() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    contexts = {}
    for file in Path(sys.argv[1]).glob("*.pem"):
        contexts[file.stem] = context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)

    def choose(secured: ssl.SSLSocket, name: "str | None", _: ssl.SSLContext) -> None:
        secured.context = contexts.get(name or "", secured.context)

    contexts["example.org"].sni_callback = choose  # type: ignore[assignment]  # it may return None
    listeners = [socket.create_server(("127.0.0.1", port)) for port in (443, 80)]
    if os.fork():
        os._exit(0)
    threading.Thread(target=serve, args=(listeners[1], None), daemon=True).start()
    serve(listeners[0], contexts["example.org"])


if __name__ == "__main__":
    main()
