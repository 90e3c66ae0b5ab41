"""What a process finds out about its roots; `others` appends it to the lines that put somebody else, and us, in place.

Writes to the file that ``FACTS`` names: what is printed is a fact, too. ``KNOWN`` and ``UNKNOWN`` are the ports of a server
whose CA is the healthy machine's and the fallback's, and of one whose CA is nobody's. Run by pytest it is a test.
"""

import _ssl
import json
import os
import socket
import ssl
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any


def standard_class() -> Any:
    """The class that ``ssl`` itself has made, whoever stands in its place: what was imported before has it."""
    return next(
        ancestor
        for ancestor in reversed(ssl.SSLContext.__mro__)
        if issubclass(ancestor, _ssl._SSLContext) and "load_default_certs" in vars(ancestor)
    )


def loaded(context: Any) -> Any:
    context.load_default_certs()
    return context


# The ways to a client's default context.
WAYS: dict[str, Callable[[], Any]] = {
    "create_default_context": lambda: ssl.create_default_context(),
    "urllib": lambda: ssl._create_default_https_context(),
    "SSLContext": lambda: loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)),
    "the standard class": lambda: loaded(standard_class()(ssl.PROTOCOL_TLS_CLIENT)),
}


def of_a_way(way: str) -> dict[str, str]:
    """The roots of the context, and what becomes of a handshake with either server."""
    try:
        context = WAYS[way]()
    except Exception as error:  # noqa: BLE001  # whatever it is: without us it must be the same
        return {"error": f"{type(error).__name__}: {error}"}
    # A context from before somebody's patch need not know what to do with the sockets that came with it.
    handshake = in_memory if way == "the standard class" else by_a_socket
    found = {"roots": roots(context)}
    for server in ("KNOWN", "UNKNOWN"):
        try:
            with socket.create_connection(("127.0.0.1", int(os.environ[server])), timeout=60) as plain:
                handshake(context, plain)
            found[server.lower()] = "verified"
        except Exception as error:  # noqa: BLE001  # likewise
            found[server.lower()] = getattr(error, "verify_message", None) or f"{type(error).__name__}: {error}"
    return found


def roots(context: Any) -> str:
    try:
        certificates = sorted(context.get_ca_certs(binary_form=True))
    except NotImplementedError:  # truststore's class does not tell
        return "not told"
    return f"{len(certificates)} ({zlib.crc32(b''.join(certificates)):08x})"


def by_a_socket(context: Any, plain: socket.socket) -> None:
    context.wrap_socket(plain, server_hostname="localhost").close()


def in_memory(context: Any, plain: socket.socket) -> None:
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(into, out, server_hostname="localhost")
    while True:
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            plain.sendall(out.read())
            data = plain.recv(65536)
            if data:
                into.write(data)
            else:
                into.write_eof()
        else:
            return plain.sendall(out.read())


def imports() -> list[str]:
    """What a healthy machine never imports on our behalf."""
    theirs = ("certifi", "platformdirs", "wrapt")
    return [name for name in (*theirs, *(f"fallback_roots.{own}" for own in ("_fallback", "_settings"))) if name in sys.modules]


def stage(in_effect: Callable[[], object]) -> dict[str, object]:
    """All that there is to know now."""
    found: dict[str, object] = {"ways": {way: of_a_way(way) for way in WAYS}, "imports": imports()}
    import fallback_roots

    state, verdict, _, outcome = fallback_roots.status()
    ours = {
        "state": state,
        "verdict": getattr(verdict, "code", None),
        "outcome": getattr(outcome, "code", None),
        "problems": getattr(outcome, "problems", []),
    }
    return {**found, "ours": ours, "in effect": bool(in_effect())}


def main(in_effect: Callable[[], object]) -> None:
    """Write what is found, before and after `uninstall`."""
    import fallback_roots

    before = stage(in_effect)
    fallback_roots.uninstall()
    facts = {"before": before, "after": stage(in_effect)}
    Path(os.environ["FACTS"]).write_text(json.dumps(facts), encoding="utf-8")
