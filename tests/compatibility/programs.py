"""The clients that `compatibility.clients` runs: for each a program that makes one request, and what is to come of it."""

import sys
from typing import NamedTuple

# Each program has these names, and makes its request with `options`, which are empty but for a cure's argument.
PRELUDE = "import sys\nhost, port, options = 'localhost', int(sys.argv[1]), {}\n"


class Cure(NamedTuple):
    """What gives roots to a client, or has it verify.

    `variable`: is to name a file of roots; `argument`: of the call that the program makes, where ``{cafile}`` is such a file;
    `brings_roots`: with it the client needs no fallback.
    """

    variable: str = ""
    argument: str = ""
    brings_roots: bool = True

    def __str__(self) -> str:
        return f"`{self.variable}`" if self.variable else f"`{self.argument.format(cafile='…')}`"


# The class of what is to come of a client as its users start it.
ASKS = "asks ssl for its defaults"  # so that it is refused bare, and verifies with us
OWN = "has roots of its own"  # so that it is refused in both cases, and its cure gives it roots
NONE = "does not verify"  # so that it takes any certificate, until its cure makes it verify


class Client(NamedTuple):
    """A client, and a request that it makes by default verification.

    `kind`: what is to come of it; `talk`: a key of `compatibility.server.TALKS`; `why`: what its documentation or its sources
    say, for the table; `requirements`: what pip installs, and the first one's version is shown.
    """

    name: str
    kind: str
    talk: str
    program: str
    why: str
    requirements: tuple[str, ...] = ()
    cure: Cure | None = None


def of_context(name: str) -> Cure:
    """The argument by which Python's documentation has its own modules verify; others take it, too."""
    return Cure(argument=f"{name}=ssl.create_default_context()", brings_roots=False)


UNVERIFIED = "the standard library verifies in these modules only if it is given a context"
DEFAULTS = "it makes a default context"
CERTIFI = "it loads certifi's file"
AND_CERTIFI = f"{DEFAULTS}, and loads certifi's file besides"

STANDARD = (
    Client(
        "urllib.request",
        ASKS,
        "http",
        """
import urllib.request
assert b"hello" in urllib.request.urlopen(f"https://{host}:{port}/", timeout=30, **options).read()
""",
        DEFAULTS,
    ),
    Client(
        "http.client",
        ASKS,
        "http",
        """
import http.client
connection = http.client.HTTPSConnection(host, port, timeout=30, **options)
connection.request("GET", "/")
assert b"hello" in connection.getresponse().read()
""",
        DEFAULTS,
    ),
    Client(
        "asyncio streams",
        ASKS,
        "http",
        """
import asyncio

async def main():
    reader, writer = await asyncio.open_connection(host, port, ssl=True, **options)
    writer.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
    assert b"hello" in await reader.read()
    writer.close()

asyncio.run(main())
""",
        f"with `ssl=True` {DEFAULTS}",
    ),
    Client(
        "xmlrpc.client",
        ASKS,
        "xml-rpc",
        """
import xmlrpc.client
assert xmlrpc.client.ServerProxy(f"https://{host}:{port}/", **options).greet() == "hello"
""",
        "it is http.client's connection",
    ),
    Client(
        "smtplib.SMTP_SSL",
        NONE,
        "smtp",
        """
import smtplib
with smtplib.SMTP_SSL(host, port, timeout=30, **options) as client:
    assert client.noop() == (250, b"hello")
""",
        UNVERIFIED,
        cure=of_context("context"),
    ),
    Client(
        "smtplib.SMTP.starttls",
        NONE,
        "smtp, starttls",
        """
import smtplib
with smtplib.SMTP(host, port, timeout=30) as client:
    client.starttls(**options)
    assert client.noop() == (250, b"hello")
""",
        UNVERIFIED,
        cure=of_context("context"),
    ),
    Client(
        "imaplib.IMAP4_SSL",
        NONE,
        "imap",
        """
import imaplib
with imaplib.IMAP4_SSL(host, port, timeout=30, **options) as client:
    assert client.noop() == ("OK", [b"hello"])
""",
        UNVERIFIED,
        cure=of_context("ssl_context"),
    ),
    Client(
        "poplib.POP3_SSL",
        NONE,
        "pop3",
        """
import poplib
client = poplib.POP3_SSL(host, port, timeout=30, **options)
assert client.noop() == b"+OK hello"
client.quit()
""",
        UNVERIFIED,
        cure=of_context("context"),
    ),
    Client(
        "ftplib.FTP_TLS",
        NONE,
        "ftp",
        """
import ftplib
with ftplib.FTP_TLS(timeout=30, **options) as client:
    client.connect(host, port)
    client.login()
    assert client.voidcmd("NOOP") == "200 hello"
""",
        UNVERIFIED,
        cure=of_context("context"),
    ),
    Client(
        "nntplib.NNTP_SSL",
        NONE,
        "nntp",
        """
import nntplib
with nntplib.NNTP_SSL(host, port, timeout=30, **options) as client:
    assert client.date()[0].startswith("111")
""",
        UNVERIFIED,
        ("standard-nntplib",) if sys.version_info >= (3, 13) else (),  # what 3.13 has dropped
        of_context("ssl_context"),
    ),
)
INSTALLED = (
    Client(
        "urllib3",
        ASKS,
        "http",
        """
import urllib3
assert b"hello" in urllib3.PoolManager(retries=False, **options).request("GET", f"https://{host}:{port}/").data
""",
        "it loads `ssl`'s defaults into a context of its own",
        ("urllib3",),
    ),
    Client(
        "aiohttp",
        ASKS,
        "http",
        """
import asyncio
import aiohttp

async def main():
    async with aiohttp.ClientSession() as session, session.get(f"https://{host}:{port}/", **options) as response:
        assert b"hello" in await response.read()

asyncio.run(main())
""",
        f"{DEFAULTS}, when it is imported",
        ("aiohttp",),
    ),
    Client(
        "httpx",
        OWN,
        "http",
        """
import httpx
assert b"hello" in httpx.get(f"https://{host}:{port}/", **options).content
""",
        CERTIFI,
        ("httpx",),
        Cure("SSL_CERT_FILE"),
    ),
    Client(
        "httpcore",
        ASKS,
        "http",
        """
import httpcore
assert b"hello" in httpcore.request("GET", f"https://{host}:{port}/", **options).content
""",
        AND_CERTIFI,
        ("httpcore",),
    ),
    Client(
        "requests",
        OWN,
        "http",
        """
import requests
assert b"hello" in requests.get(f"https://{host}:{port}/", timeout=30, **options).content
""",
        CERTIFI,
        ("requests",),
        Cure("REQUESTS_CA_BUNDLE"),
    ),
    Client(
        "websockets",
        ASKS,
        "websocket",
        """
import asyncio
import websockets

async def main():
    async with websockets.connect(f"wss://{host}:{port}/", **options) as client:
        await client.send("hello")
        assert await client.recv() == "hello"

asyncio.run(main())
""",
        DEFAULTS,
        ("websockets",),
    ),
    Client(
        "botocore",
        OWN,
        "http",
        """
import botocore.config
import botocore.session
config = botocore.config.Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
client = botocore.session.get_session().create_client(
    "s3",
    region_name="us-east-1",
    endpoint_url=f"https://{host}:{port}",
    aws_access_key_id="nobody",
    aws_secret_access_key="nothing",
    config=config,
    **options,
)
assert client.head_bucket(Bucket="hello")["ResponseMetadata"]["HTTPStatusCode"] == 200
""",
        "it loads certifi's file, or its own copy of one; boto3 is botocore's",
        ("botocore",),
        Cure("AWS_CA_BUNDLE"),
    ),
    Client(
        "pip",
        OWN,
        "pypi",
        """
import os
import runpy
os.environ["PIP_CONFIG_FILE"] = os.devnull
options = f"--no-cache-dir --disable-pip-version-check --retries 0 -i https://{host}:{port}/simple"
sys.stdout = sys.stderr  # where pip says why it has skipped an index
sys.argv = ["pip", "download", "--no-deps", *options.split(), "fallback-roots-tests"]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
""",
        "it brings certifi's file, and truststore, which looks for the system's roots in its own way",
        ("pip",),
        Cure("PIP_CERT"),
    ),
    Client(
        "tornado",
        ASKS,
        "http",
        """
import tornado.httpclient
assert b"hello" in tornado.httpclient.HTTPClient().fetch(f"https://{host}:{port}/", **options).body
""",
        DEFAULTS,
        ("tornado",),
    ),
    Client(
        "twisted",
        OWN,
        "http",
        """
from twisted.internet import defer, task
from twisted.web.client import Agent, readBody

async def main(reactor):
    response = await Agent(reactor, **options).request(b"GET", f"https://{host}:{port}/".encode())
    assert b"hello" in await readBody(response)

task.react(lambda reactor: defer.ensureDeferred(main(reactor)))
""",
        "it is pyOpenSSL, with an OpenSSL that is not `ssl`'s",
        ("twisted[tls]",),
        Cure("SSL_CERT_FILE"),
    ),
    Client(
        "grpcio",
        OWN,
        "grpc",
        """
import grpc
with grpc.secure_channel(f"{host}:{port}", grpc.ssl_channel_credentials(**options)) as channel:
    try:
        channel.unary_unary("/hello/hello")(b"", timeout=30)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
            sys.exit(error.details())
""",
        "it is BoringSSL, with a file of roots that it brings",
        ("grpcio",),
        Cure("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"),
    ),
    Client(
        "asyncpg",
        NONE,
        "postgresql",
        """
import asyncio
import asyncpg

async def main():
    connection = await asyncpg.connect(host=host, port=port, user="nobody", password="", timeout=30, **options)
    connection.terminate()

asyncio.run(main())
""",
        "PostgreSQL's default is `sslmode=prefer`",
        ("asyncpg",),
        Cure(argument="ssl=True", brings_roots=False),
    ),
    Client(
        "psycopg",
        NONE,
        "postgresql",
        """
import psycopg
psycopg.connect(host=host, port=port, user="nobody", connect_timeout=30, **options).close()
""",
        "it is libpq, whose default is `sslmode=prefer`, with an OpenSSL that is not `ssl`'s",
        ("psycopg[binary]",),
        Cure(argument='sslmode="verify-full", sslrootcert="{cafile}"'),
    ),
    Client(
        "pymysql",
        NONE,
        "mysql",
        """
import pymysql
pymysql.connect(host=host, port=port, user="nobody", connect_timeout=30, **options).close()
""",
        "its default, as MySQL's own, is `PREFERRED`",
        ("pymysql",),
        of_context("ssl"),
    ),
    Client(
        "redis",
        ASKS,
        "redis",
        """
import redis
assert redis.Redis(host=host, port=port, ssl=True, socket_timeout=30, **options).ping()
""",
        f"with `ssl=True` {DEFAULTS}",
        ("redis",),
    ),
    Client(
        "pika",
        ASKS,
        "amqp",
        """
import pika
parameters = pika.URLParameters(f"amqps://{host}:{port}/?socket_timeout=30&stack_timeout=30")
pika.BlockingConnection(parameters).close()
""",
        f"for an `amqps:` URL {DEFAULTS}",
        ("pika",),
    ),
    Client(
        "kafka-python",
        ASKS,
        "kafka",
        """
import logging
import kafka
logging.basicConfig()  # where kafka-python says why it has found nobody
kafka.KafkaProducer(bootstrap_servers=f"{host}:{port}", security_protocol="SSL", bootstrap_timeout_ms=5000, **options).close()
""",
        "it loads `ssl`'s defaults into a context of its own",
        ("kafka-python",),
    ),
    Client(
        "elasticsearch",
        ASKS,
        "http",
        """
import elasticsearch
assert "hello" in elasticsearch.Elasticsearch(f"https://{host}:{port}", max_retries=0, **options).info()
""",
        AND_CERTIFI,
        ("elasticsearch",),
    ),
)
CLIENTS = STANDARD + INSTALLED
