"""What clients do on a machine without CA certificates: the standard library's run here, and the docs show what all did."""

import socket
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from benchmarks.peers import BEGIN, END
from compatibility import clients
from compatibility.programs import ASKS, CLIENTS, NONE, OWN, STANDARD, Client, Cure
from compatibility.server import ABSENT, REFUSED, TAKEN, TALKS, Seen, Server
from support import NO_CAS, ROOT, python

DOCS = ROOT / "docs"
# The issue's list, by distributions; of the standard library, by modules.
ISSUE = (
    *("urllib.request", "http.client", "asyncio", "smtplib.SMTP_SSL", "smtplib.SMTP.starttls", "imaplib", "poplib", "ftplib"),
    *("xmlrpc.client", "nntplib", "urllib3", "aiohttp", "httpx", "httpcore", "websockets", "requests", "botocore", "pip"),
    *("tornado", "twisted", "grpcio", "asyncpg", "psycopg", "pymysql", "redis", "pika", "kafka-python", "elasticsearch"),
)
HERE = [client for client in STANDARD if not client.requirements]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> clients.Authority:
    """A CA, and one that nobody has."""
    return clients.make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(authority: clients.Authority) -> Iterator[Server]:
    """A server of HTTP; whoever has closed it may do so again."""
    yield (running := Server(authority.leaves["known"], "http"))
    running.close()


def start(argv: list[str], env: Mapping[str, str]) -> tuple[int, str]:
    """Start a client where the variables say that there is no CA."""
    done = python(*argv[1:], executable=argv[0], env={**NO_CAS, **env})
    return done.returncode, done.stderr


def found(client: Client, taken: set[str]) -> clients.Found:
    """What all runs of `client` have come to, if it has taken the certificate in those that `taken` names."""
    runs = {
        way.name: clients.Attempt(TAKEN if way.name in taken else REFUSED, 1, "said")
        for ours in (False, True)
        for way in clients.ways(client, ours)
    }
    return clients.Found(client.name, "1.0", runs)


def connect(port: int, context: ssl.SSLContext, data: bytes) -> bytes:
    """What the server answers to `data`."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=30)
    with plain, context.wrap_socket(plain, server_hostname="localhost") as stream:
        stream.sendall(data)
        return b"".join(iter(lambda: stream.recv(1000), b"")) if data else b""


@pytest.mark.parametrize("client", HERE, ids=lambda client: client.name)
def test_a_client_of_the_standard_library(client: Client, bare: Path, installed: Path, authority: clients.Authority) -> None:
    """It refuses bare and verifies with us, by itself or given a default context; a stranger is refused."""
    all_ways = clients.ways(client, ours=False) + clients.ways(client, ours=True)
    runs = {way.name: clients.attempt(client, way, installed if way.ours else bare, authority, start) for way in all_ways}
    assert list(clients.mismatches(clients.Found(client.name, "", runs))) == []
    assert len(runs) == (4 if client.kind == ASKS else 7)
    for attempt in runs.values():
        assert (attempt.verdict == TAKEN) == (attempt.status == 0), attempt
        assert attempt.status == 0 or "certificate verify failed" in attempt.said


def test_a_client_that_verifies(server: Server, authority: clients.Authority) -> None:
    """The server sees its handshake, and what it sends, and so says that it takes the certificate."""
    answer = connect(server.port, ssl.create_default_context(cafile=authority.cafile), b"GET / HTTP/1.0\r\n\r\n")
    assert answer.endswith(b'{"hello": 1}')
    assert server.close() == (1, 1, len(b"GET / HTTP/1.0\r\n\r\n"))
    assert server.close().verdict == TAKEN


def test_a_client_that_refuses(server: Server) -> None:
    """It breaks off the handshake, whatever it would have sent."""
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(server.port, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), b"GET / HTTP/1.0\r\n\r\n")
    assert server.close() == (1, 0, 0)
    assert server.close().verdict == REFUSED


def test_a_client_that_does_not_verify(authority: clients.Authority) -> None:
    """One handshake does not tell it from one that verifies; that with a stranger does, and the table says so."""
    running = Server(authority.leaves["stranger"], "http")
    try:
        connect(running.port, ssl._create_unverified_context(), b"GET / HTTP/1.0\r\n\r\n")  # noqa: S323  # what is tested
    finally:
        seen = running.close()
    assert seen.verdict == TAKEN
    careless = found(CLIENTS[0], {"ours", "stranger"})
    assert clients.row(careless).split(" | ")[2:4] == ["does not verify", "does not verify"]
    assert list(clients.mismatches(careless)) == [f"{CLIENTS[0].name}, stranger: taken (expected refused): said"]


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (Seen(0, 0, 0), ABSENT),  # a program that is broken refuses nothing
        (Seen(1, 1, 0), REFUSED),  # some look at the name after the handshake
        (Seen(2, 0, 0), REFUSED),
        (Seen(2, 1, 1), TAKEN),
    ],
)
def test_verdicts(seen: Seen, verdict: str) -> None:
    """Who sends nothing has taken nothing, and who never came has not refused."""
    assert seen.verdict == verdict


def test_a_client_that_sends_nothing(server: Server, authority: clients.Authority) -> None:
    """A handshake alone is no proof that a client takes the certificate."""
    connect(server.port, ssl.create_default_context(cafile=authority.cafile), b"")
    assert server.close() == (1, 1, 0)


@pytest.mark.parametrize(
    ("kind", "cure", "taken"),
    [
        (ASKS, None, {"ours"}),
        (OWN, Cure("SOME_BUNDLE"), {"bare, cured", "ours, cured"}),
        (OWN, Cure(argument="c=1", brings_roots=False), {"ours, cured"}),
        (NONE, Cure(argument="c=1", brings_roots=False), {"bare", "ours", "stranger", "ours, cured"}),
    ],
)
def test_what_is_expected(kind: str, cure: Cure | None, taken: set[str]) -> None:
    """Each kind of client takes the certificate in some of its runs, and refuses it in the others."""
    client = Client("client", kind, "http", "", "why", cure=cure)
    passes = clients.ways(client, ours=False) + clients.ways(client, ours=True)
    assert {way.name for way in passes if clients.expected(client, way) == TAKEN} == taken
    assert {way.name for way in passes} >= {"bare", "ours", "stranger", "misnamed" if kind == ASKS else "misnamed, cured"}


@pytest.mark.parametrize(
    ("taken", "says"),
    [
        ({"bare, cured", "ours, cured"}, "verified"),
        ({"ours, cured"}, "refused bare, verified with fallback-roots"),
        ({"bare, cured", "ours, cured", "stranger, cured"}, "does not verify"),
        ({"bare, cured", "ours, cured", "misnamed, cured"}, "verifies no name"),
        (set(), "refused"),
    ],
)
def test_a_row_says_what_has_been_tried(taken: set[str], says: str) -> None:
    """What a cure is said to give is what came of the runs with it."""
    (client,) = (client for client in CLIENTS if client.name == "requests")
    row = clients.row(found(client, taken))
    assert row.endswith(f"; with `REQUESTS_CA_BUNDLE`: {says} |")
    assert row.split(" | ")[2:4] == ["refused", "refused"]


def test_a_client_that_is_missing() -> None:
    """Its row says why."""
    assert "could not be installed: no wheel" in clients.row(clients.Found("requests", "", {}, "no wheel"))


@pytest.mark.parametrize(
    ("err", "said"),
    [
        ("", "nothing"),
        ("Traceback\nOSError: no\n", "OSError: no"),
        ("x: CERTIFICATE_VERIFY_FAILED\nat 0x7fabcdef0123 gave up\n", "x: CERTIFICATE_VERIFY_FAILED"),
        ("<object at 0x7fabcdef0123>", "<object at 0x…>"),
    ],
)
def test_the_last_words(err: str, said: str) -> None:
    """The last line that speaks of certificates is it, or else the last; addresses are not of interest."""
    assert clients.said(err) == said


def test_what_is_written_can_be_read_again() -> None:
    """The JSON has everything that the page is made of."""
    written = clients.as_json("- about it", everything := [found(client, {"ours"}) for client in CLIENTS])
    assert clients.from_json(written) == ("- about it", everything)


def test_each_talk_has_a_client() -> None:
    """No client asks for a talk that is not there, and no talk is there for nobody."""
    assert {client.talk for client in CLIENTS} == set(TALKS)


def test_the_docs_show_what_was_found() -> None:
    """The table in the docs is that of the JSON beside it, has all that the issue names, and nothing that was not expected."""
    about, everything = clients.from_json((DOCS / "clients.json").read_text(encoding="utf-8"))
    page = (DOCS / "clients.md").read_text(encoding="utf-8")
    assert f"{BEGIN}\n\n{clients.page(about, everything)}\n\n{END}" in page
    assert [one.name for one in everything] == [client.name for client in CLIENTS]
    for name in ISSUE:
        assert any(one.name.startswith(name) for one in everything), name
    assert [line for one in everything for line in clients.mismatches(one)] == []
    for one in everything:
        assert one.missing or len(one.runs) >= 3


def test_the_docs_advise_what_was_tried() -> None:
    """The variables that the page tells to set are those with which the clients verified, and no other has one."""
    prose = (DOCS / "clients.md").read_text(encoding="utf-8").partition(BEGIN)[0]
    table = prose.partition("| --- | --- |\n")[2].partition("\n\n")[0]
    told = dict(line.strip("| ").split(" | ") for line in table.splitlines())
    _, everything = clients.from_json((DOCS / "clients.json").read_text(encoding="utf-8"))
    verified = {
        one.name for one in everything if "bare, cured" in one.runs and clients.outcome(one, "bare", ", cured") == "verified"
    }
    cures = {client.name: str(client.cure) for client in CLIENTS if client.cure is not None and client.cure.variable}
    assert {name.partition(",")[0]: variable for name, variable in told.items()} == cures
    assert cures.keys() <= verified
