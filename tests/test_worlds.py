"""Random worlds against an independent model of forty lines: who is trusted after a default load?

A world is what the two variables name, what the context held, which door was taken, and what the settings choose. Trust is
measured by handshakes, since a directory shows in no count: does a client with this context accept a server of that CA?
"""

import os
import ssl
from collections.abc import Iterator
from typing import NamedTuple
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import new_ca

from fallback_roots import _armed

CAS = ("bundle", "hashed", "fallback")  # the CA in the machine's bundle, in its hashed directory, of the fallback
WORLDS = int(
    os.environ.get("WORLDS", "1000")
)  # for each of the two tests; many more by WORLDS=100000 pytest tests/test_worlds.py

# What a value of SSL_CERT_FILE or an entry of SSL_CERT_DIR leads to, and what the model says of it: the CA that it yields,
# None for nothing, or "!" for what yields no CA here but is somebody's choice all the same.
FILES = {
    "missing": None,
    "empty": None,
    "comment": None,
    "directory": None,
    "broken": None,
    "bundle": "bundle",
    "device": "!",
    "": None,
}
DIRECTORIES = {
    "missing": None,
    "nothing in it": None,
    "unhashed": None,
    "dangling": None,
    "directory named so": None,
    "too long": None,
    "zero": "hashed",
    "ten": "hashed",
    "upper": "hashed",
    "crl name": "hashed",
    "device": "!",
    "other CA": "!",
    "": None,
}
# The store loader reads no list. "file:/directory" in one is "file" and "/directory".
IN_A_LIST = {"ten": "!", "upper": "!", "crl name": None, "directory URI": "hashed"}
WHOLE_VALUES = {"a file": "hashed", "a file without": None, "file URI": "hashed", "directory URI": "hashed"}
if ssl.OPENSSL_VERSION_INFO >= (3, 6):  # it has no store loader there any more (measured): what that would read is in doubt
    DIRECTORIES |= {"ten": "!", "upper": "!", "crl name": "!"}
    WHOLE_VALUES |= {"a file": "!", "file URI": "!"}
SETTINGS: dict[str, tuple[dict[str, str], bool]] = {  # variables, and whether they give the fallback's CA
    "cafile": ({"CAFILE": "{fallback}"}, True),
    "capath": ({"CAPATH": "{fallback hashed}"}, True),
    "both": ({"CAFILE": "{fallback}", "CAPATH": "{fallback hashed}", "CERTIFI": "no"}, True),
    "one is broken": ({"CAFILE": "{missing}", "CAPATH": "{fallback hashed}"}, True),
    "broken": ({"CAFILE": "{missing}"}, False),
    "unhashed": ({"CAPATH": "{unhashed}"}, False),
    "none": ({"CERTIFI": "false"}, False),
    "typo": ({"CAFILE": "{fallback}", "CAFIL": "x"}, False),
    "relative": ({"CAFILE": "ca.pem"}, False),
    "no boolean": ({"CAFILE": "{fallback}", "CERTIFI": "maybe"}, False),
    "disabled": ({"CAFILE": "{fallback}", "DISABLE": "yes"}, False),
    "honor": ({"CAFILE": "{fallback}", "HONOR_SSL_ENV": "1"}, False),
    "no such config": ({"CAFILE": "{fallback}", "CONFIG": "{missing}"}, False),
}


class World(NamedTuple):
    """See the tables above; `preloaded` is the CA that the context held before."""

    file: str
    directories: list[str]
    chosen: str
    preloaded: str | None
    door: str


def original_trust(world: World) -> tuple[set[str], bool]:
    """The model: who is trusted after the original's load, and whether that load or its places are somebody's choice."""
    said = {FILES[world.file]}
    if len(world.directories) == 1:
        said |= {{**DIRECTORIES, **WHOLE_VALUES}[entry] for entry in world.directories}
    else:
        said |= {{**DIRECTORIES, **IN_A_LIST}.get(entry) for entry in world.directories}
        said |= {"!"} if any(entry.endswith("URI") for entry in world.directories) else set()  # `file` is a relative path then
    trusted = {name for name in said if name in CAS}
    return trusted, said != {None}


def expected_trust(world: World) -> set[str]:
    """The model: who is trusted after the load with us."""
    if world.door == "explicit":
        return {"bundle"}
    trusted, chosen = original_trust(world)
    held = {world.preloaded} - {None} if world.door == "load" else set()
    if not chosen and SETTINGS[world.chosen][1]:
        trusted |= {"fallback"}
    return trusted | {name for name in held if name is not None}


worlds = st.builds(
    World,
    file=st.sampled_from(sorted(FILES)),
    directories=st.lists(st.sampled_from(sorted({**DIRECTORIES, **WHOLE_VALUES})), min_size=1, max_size=3),
    chosen=st.sampled_from(sorted(SETTINGS)),
    preloaded=st.sampled_from([None, "bundle", "hashed"]),
    door=st.sampled_from(["load", "create", "create", "explicit"]),
)


class Places(NamedTuple):
    """Where the things of the tables are, by name, and a server's context for each CA."""

    paths: dict[str, str]
    servers: dict[str, ssl.SSLContext]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Everything that a world may name, made once."""
    root = tmp_path_factory.mktemp("worlds")
    servers, hashes = {}, {}
    for name in (*CAS, "other"):
        ca, hashes[name] = new_ca(name, root / f"{name}.pem")
        servers[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("localhost").configure_cert(servers[name])

    def hashed(directory: str, name: str, target: str) -> str:
        (root / directory).mkdir()
        (root / directory / name).symlink_to(target)
        return str(root / directory)

    name, pem = hashes["hashed"], str(root / "hashed.pem")
    (root / "empty").touch()
    (root / "comment").write_text("# no certificate here\n")
    (root / "broken").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    (root / "nothing in it").mkdir()
    (root / "named so" / f"{name}.0").mkdir(parents=True)
    zero = hashed("zero", f"{name}.0", pem)
    return Places(
        {
            "missing": str(root / "missing"),
            "empty": str(root / "empty"),
            "comment": str(root / "comment"),
            "broken": str(root / "broken"),
            "directory": str(root),
            "bundle": str(root / "bundle.pem"),
            "device": "/dev/null",
            "": "",
            "nothing in it": str(root / "nothing in it"),
            "unhashed": hashed("unhashed", "ca.pem", pem),
            "dangling": hashed("dangling", f"{name}.0", str(root / "missing")),
            "directory named so": str(root / "named so"),
            "too long": hashed("too long", f"{name}a.0", pem),
            "zero": zero,
            "ten": hashed("ten", f"{name}.10", pem),
            "upper": hashed("upper", f"{name.upper()}.0", pem),
            "crl name": hashed("crl name", f"{name}.r0", pem),
            "other CA": hashed("other CA", f"{hashes['other']}.0", str(root / "other.pem")),
            "a file": pem,
            "a file without": str(root / "comment"),
            "file URI": f"file:{pem}",
            "directory URI": f"file:{zero}",
            "fallback": str(root / "fallback.pem"),
            "fallback hashed": hashed("fallback hashed", f"{hashes['fallback']}.0", str(root / "fallback.pem")),
        },
        servers,
    )


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The records of thousands of worlds are nobody's business."""
    with mock.patch("fallback_roots._say.warning"), mock.patch("fallback_roots._say.info"):
        yield


def verifies(client: ssl.SSLContext, server: ssl.SSLContext) -> bool:
    """Whether a handshake in memory ends in trust."""
    ends = [(ssl.MemoryBIO(), ssl.MemoryBIO()) for _ in range(2)]
    mine = client.wrap_bio(*ends[0], server_hostname="localhost")
    theirs = server.wrap_bio(*ends[1], server_side=True)
    for _ in range(4):
        for end in (mine, theirs):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError:
                return False
            else:
                if end is mine:
                    return True
        ends[1][0].write(ends[0][1].read())
        ends[0][0].write(ends[1][1].read())
    raise AssertionError("the handshake does not end")


def variables(world: World, places: Places) -> dict[str, str]:
    """The environment of `world`."""
    paths = places.paths
    chosen = {f"FALLBACK_ROOTS_{key}": value for key, value in SETTINGS[world.chosen][0].items()}
    return {
        "SSL_CERT_FILE": paths[world.file],
        "SSL_CERT_DIR": os.pathsep.join(paths[entry] for entry in world.directories),
        "FALLBACK_ROOTS_CONFIG": os.devnull,
        **{name: paths[value[1:-1]] if value.startswith("{") else value for name, value in chosen.items()},
    }


def trust(world: World, places: Places, with_us: bool) -> set[str]:
    """Who is trusted in `world`, with us or without."""
    finder = _armed()
    assert finder is not None
    hook = finder.hook
    assert hook is not None
    changed = mock.patch.multiple(
        hook, off=not with_us, settings=None, found=False
    )  # put back, or the next test has this world's settings
    with mock.patch.dict(os.environ, variables(world, places)), changed:
        if world.door == "load":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if world.preloaded:
                context.load_verify_locations(places.paths["bundle" if world.preloaded == "bundle" else "a file"])
            context.load_default_certs()
        elif world.door == "create":
            context = ssl.create_default_context()
        else:
            context = ssl.create_default_context(cafile=places.paths["bundle"])
        return {name for name in CAS if verifies(context, places.servers[name])}


many = settings(max_examples=WORLDS, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@many
@given(world=worlds)
def test_trust_is_what_the_model_says(world: World, places: Places) -> None:
    """Who is trusted is what the independent model says, never more than original and fallback together."""
    assert trust(world, places, with_us=True) == expected_trust(world)


@many
@given(world=worlds)
def test_whoever_has_something_keeps_exactly_that(world: World, places: Places) -> None:
    """Where the original load finds anything, the very same is trusted with us; else at most the fallback is added."""
    before, after = trust(world, places, with_us=False), trust(world, places, with_us=True)
    found = before - ({world.preloaded} if world.door == "load" else set())
    assert before <= after <= before | {"fallback"}
    if found:
        assert after == before


@given(st.sampled_from(sorted(DIRECTORIES)))
@settings(max_examples=len(DIRECTORIES) * 2, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_a_server_is_given_nothing(places: Places, directory: str) -> None:
    """No door gives a server's context a root, whatever the world."""
    world = World("missing", [directory], "cafile", None, "create")
    finder = _armed()
    assert finder is not None
    assert finder.hook is not None
    with mock.patch.dict(os.environ, variables(world, places)), mock.patch.object(finder.hook, "settings", None):
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        made.load_default_certs()
    assert made.get_ca_certs() == []
