"""lazy: the same roots by a hashed directory, found again, made once, and used only while nothing about it is in doubt."""

import json
import os
import re
import shutil
import ssl
import stat
import subprocess
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import certifi
import handshakes
import pytest
import trustme
from conftest import needs_root
from https_server import Server
from support import NO_CAS, certifi_roots, on_windows, python, subject_hash
from test_sources import World, choose, client, gets_a_root, held
from test_subject_hash import attribute, der, with_subject

from fallback_roots import _certifi, _directories, _lazy, _manifest, _places, _rehash, _sources, _system

DAY = 24 * 60 * 60


def forget() -> None:
    """Be as a process that has just been started."""
    _lazy._known.clear()
    _lazy._failed.clear()
    _certifi._unimported.cache_clear()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Three CAs, nothing of earlier tests in memory, and files of which the last change counts as long ago."""
    forget()
    monkeypatch.setattr(_lazy, "SETTLED", -1)
    return World(tmp_path)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Where the cache directory is going to be."""
    return tmp_path / "cache"


def load(cache: Path, **values: Any) -> tuple[_sources.Source, ...]:
    """The sources of a lazy load into a new context."""
    return _sources.load(client(), choose(lazy=True, cache=str(cache), **values))


def in_directory(path: str | Path | None) -> set[bytes]:
    """The certificates of a hashed directory, in DER; each is under its own name, if there are few enough to ask openssl."""
    assert path is not None
    files = list(Path(path).iterdir())
    if len(files) < 10:
        assert all(file.name.startswith(subject_hash(file) + ".") for file in files)
    return {ssl.PEM_cert_to_DER_cert(file.read_text()) for file in files}


def manifests(cache: Path) -> tuple[Path, Path]:
    """The manifest for the bundles' status, and the one for their contents."""
    by_content = re.compile(r"'[0-9a-f]{64}'\),?\)+,?\)*$", re.MULTILINE)
    first, second = sorted(cache.glob("*.manifest"), key=lambda path: by_content.search(path.read_text()) is not None)
    return first, second


def names_in(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir()) if cache.exists() else []


# ---------------------------------------------------------------- the same roots


@pytest.mark.usefixtures("world")
def test_certifi(cache: Path) -> None:
    """The directory has certifi's roots, all of them and no other, and OpenSSL finds each in it."""
    (source,) = load(cache, certifi=True)
    assert source == _sources.Source("certifi", certifi.__file__, certifi_roots(), directory=source.directory)
    theirs = client()
    theirs.load_verify_locations(certifi.where())
    assert in_directory(source.directory) == held(theirs)
    files = sorted(map(str, Path(source.directory or "").iterdir()))
    command = ["openssl", "verify", "-no_check_time", "-CApath", str(source.directory), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin", **NO_CAS})
    assert done.stdout.splitlines() == [f"{file}: OK" for file in files]


UNIONS: dict[str, tuple[dict[str, str], str, str]] = {
    "a cafile": ({"cafile": "A"}, "A", ""),
    "of several": ({"cafile": "ABC"}, "ABC", ""),
    "twice the same": ({"cafile": "ABA"}, "AB", ""),
    "with a capath": ({"cafile": "B", "capath": "hashed"}, "B", "A"),
}


@pytest.mark.parametrize("name", UNIONS)
def test_a_union(name: str, world: World, cache: Path) -> None:
    """What is chosen beside each other comes in one directory; a capath is one already, and stays where it is."""
    values, made, beside = UNIONS[name]
    path = world.write("bundle.pem", "".join(world.pems[ca] for ca in values["cafile"]))
    chosen = {"cafile": str(path), **({"capath": str(world.hashed)} if "capath" in values else {})}
    found = load(cache, **chosen)
    assert in_directory(found[0].directory) == {world.ders[ca] for ca in made}
    assert [source.certificates for source in found] == [len(values["cafile"]), *[1] * len(beside)]
    assert [source.directory is None for source in found] == [False, *[True] * len(beside)]


def test_a_cafile_and_certifi(world: World, cache: Path) -> None:
    """Two bundles share a directory."""
    found = load(cache, cafile=str(world.file), certifi=True)
    assert found[0].directory == found[1].directory
    assert [source.certificates for source in found] == [1, certifi_roots()]
    assert len(in_directory(found[0].directory)) == certifi_roots() + 1


def test_what_the_system_keeps(world: World, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of the system's bundles that has certificates is given lazily, too."""
    hollow = world.write("hollow.pem", "# nothing\n")
    monkeypatch.setattr(_system, "BUNDLES", ((str(hollow), "x"), (str(world.file), "y")))
    broken, source = load(cache, prefer_system=True, certifi=True)
    assert (broken.path, broken.certificates) == (str(hollow), 0)
    assert (source.kind, source.path, source.certificates) == ("system", str(world.file), 1)
    assert in_directory(source.directory) == {world.ders["A"]}


def test_nothing_but_a_capath(world: World, cache: Path) -> None:
    """A hashed directory is lazy by itself: nothing is made."""
    assert load(cache, capath=str(world.hashed)) == (_sources.Source("capath", str(world.hashed), 1),)
    assert names_in(cache) == []


def test_two_of_one_name(cache: Path, world: World) -> None:
    """Two CAs of one name are .0 and .1 of one hash, and a server of either is verified."""
    cas = [ca for _ in range(2) for ca in [trustme.CA(organization_name="the same", organization_unit_name="one")]]
    path = world.write("same.pem", "".join(ca.cert_pem.bytes().decode() for ca in cas))
    (source,) = load(cache, cafile=str(path))
    names = names_in(Path(source.directory or ""))
    assert names == [f"{names[0][:8]}.0", f"{names[0][:8]}.1"]
    for ca in cas:
        context = client()
        _sources.load(context, choose(lazy=True, cache=str(cache), cafile=str(path)))
        assert verifies(context, ca)


def verifies(context: ssl.SSLContext, ca: trustme.CA, certificate: trustme.LeafCert | None = None) -> bool:
    """Whether a client of `context` finishes a handshake with a server of `ca`, in memory."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (certificate or ca.issue_cert("localhost")).configure_cert(server)
    return handshakes.verifies(context, server)


def test_a_root_is_read_when_it_is_used(world: World, cache: Path) -> None:
    """The context's list of roots is empty until a handshake needs one, and then has that one."""
    ca = trustme.CA(organization_name="used")
    path = world.write("used.pem", world.pems["A"] + ca.cert_pem.bytes().decode())
    context = client()
    _sources.load(context, choose(lazy=True, cache=str(cache), cafile=str(path)))
    assert held(context) == set()
    assert not verifies(context, trustme.CA(organization_name="another"))
    assert held(context) == set()
    assert verifies(context, ca)
    assert held(context) == {ssl.PEM_cert_to_DER_cert(ca.cert_pem.bytes().decode())}


def test_a_leaf(world: World, cache: Path) -> None:
    """A bundle's certificate that is no CA vouches for itself as it does when it is loaded at once."""
    ca = trustme.CA(organization_name="issuer")
    leaf = ca.issue_cert("localhost")
    path = world.write("leaf.pem", leaf.cert_chain_pems[0].bytes())
    for lazy in (False, True):
        context = client()
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        (source,) = _sources.load(context, choose(lazy=lazy, cache=str(cache), cafile=str(path)))
        assert (source.directory is not None) is lazy
        assert verifies(context, ca, leaf)


STRANGE: dict[str, Callable[[str], str]] = {
    "CRLF": lambda pem: pem.replace("\n", "\r\n"),
    "one long line": lambda pem: "\n".join([*pem.split("\n")[:1], "".join(pem.split("\n")[1:-2]), *pem.split("\n")[-2:]]),
    "X509 CERTIFICATE": lambda pem: pem.replace("CERTIFICATE", "X509 CERTIFICATE"),
    "comments": lambda pem: f"# é\n{pem}# end\n",
    "spaces behind": lambda pem: pem.replace("\n", "  \n"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_bundle(name: str, world: World, cache: Path) -> None:
    """However a bundle is written that OpenSSL takes whole, the directory has what OpenSSL takes."""
    path = world.write("strange.pem", STRANGE[name](world.pems["A"]) + world.pems["B"])
    context = client()
    _sources.load(context, choose(cafile=str(path)))
    (source,) = load(cache, cafile=str(path))
    assert in_directory(source.directory) == held(context) == {world.ders["A"], world.ders["B"]}


BAD = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("text", [BAD, "{A}" + BAD, "", "# nothing", "{A}-----BEGIN CERTIFICATE-----\n"], ids=ascii)
def test_a_bundle_with_a_problem(text: str, world: World, cache: Path) -> None:
    """A bundle that is not whole is loaded as without lazy, with the same words, and no directory is made of it."""
    path = world.write("bad.pem", text.replace("{A}", world.pems["A"]))
    assert load(cache, cafile=str(path)) == _sources.load(client(), choose(cafile=str(path)))
    assert names_in(cache) == []


@pytest.mark.parametrize("kind", ["missing", "a directory", "a FIFO"])
def test_no_bundle(kind: str, world: World, cache: Path) -> None:
    """What is no bundle has the same words as without lazy, and nobody waits for a FIFO."""
    path = world.root / "none.pem"
    if kind == "a directory":
        path.mkdir()
    if kind == "a FIFO":
        os.mkfifo(path)
    (source,), (eager,) = load(cache, cafile=str(path)), _sources.load(client(), choose(cafile=str(path)))
    assert (source.certificates, source.problem, source.doubt) == (0, eager.problem, None)


# ---------------------------------------------------------------- found again


WATCHED = """
import json, os, sys
before = set(sys.modules)  # coverage's
opened = []
def watch(event, args):
    if event == "open" and isinstance(args[0], str) and ("cacert" in args[0] or args[0].endswith("ca.pem")):
        opened.append(args[0])
sys.addaudithook(watch)
import ssl
context = ssl.create_default_context()
again = ssl.create_default_context()
import fallback_roots
(source,) = fallback_roots.status().outcome.sources
names = ("certifi", "hashlib", "fallback_roots._rehash")
found = [name in sys.modules for name in names if name not in before]
print(json.dumps([source.directory, source.certificates, opened, found]))
"""


def test_the_second_process(cache: Path) -> None:
    """It neither imports certifi nor opens its bundle, nor has it what makes a directory."""
    env = {**NO_CAS, "FALLBACK_ROOTS_LAZY": "1", "FALLBACK_ROOTS_CACHE": str(cache)}
    first, second = (json.loads(python("-c", WATCHED, env=env).stdout) for _ in range(2))
    assert first[0] == second[0]
    assert first[1] == second[1] == certifi_roots()
    assert first[2] != []
    assert set(first[3]) == {True}
    assert second[2] == []
    assert set(second[3]) == {False}


def test_a_bundle_that_changes(world: World, cache: Path) -> None:
    """A bundle that is written anew is another content: the next context has its roots, and not those of before."""
    path = world.write("bundle.pem", world.pems["A"])
    (before,) = load(cache, cafile=str(path))
    world.write("bundle.pem", world.pems["B"])
    os.utime(path, ns=(1, 1))
    (after,) = load(cache, cafile=str(path))
    assert in_directory(before.directory) == {world.ders["A"]}
    assert in_directory(after.directory) == {world.ders["B"]}


def test_two_bundles_of_one_content(world: World, cache: Path) -> None:
    """Two venvs with the same roots share their directory, and each has its manifests."""
    other = world.write("other.pem", "# the same\n" + world.pems["A"])
    assert load(cache, cafile=str(world.file))[0].directory == load(cache, cafile=str(other))[0].directory
    assert sum(name.endswith(".manifest") for name in names_in(cache)) == 4
    assert len(names_in(cache)) == 5


def test_a_directory_that_is_removed(world: World, cache: Path) -> None:
    """Where somebody has removed it, it is made again; by the same process, too."""
    (source,) = load(cache, cafile=str(world.file))
    for as_another in (False, True):
        shutil.rmtree(source.directory or "")
        if as_another:
            forget()
        assert load(cache, cafile=str(world.file)) == (source,)
        assert in_directory(source.directory) == {world.ders["A"]}


def test_one_checksum_for_two(world: World, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles whose manifests have one name do not get each other's roots."""
    monkeypatch.setattr(_manifest, "path_of", lambda root, _: f"{root}/1-00000000.manifest")
    other = world.write("other.pem", world.pems["B"])
    for path, ca in ((world.file, "A"), (other, "B"), (world.file, "A")):
        forget()
        assert in_directory(load(cache, cafile=str(path))[0].directory) == {world.ders[ca]}


def test_a_manifest_can_be_read(world: World, cache: Path) -> None:
    """What is written about any bundle is what is read, whatever its path is."""
    for name in ("plain", "new\nline", "é\udcff", "tab\t' quote"):
        directory = world.root / name
        directory.mkdir()
        path = directory / "ca.pem"
        path.write_text(world.pems["A"])
        first = load(cache, cafile=str(path))
        forget()
        before = cache.stat().st_mtime_ns
        assert load(cache, cafile=str(path)) == first
        assert cache.stat().st_mtime_ns == before  # nothing was made


def another_file(path: Path) -> None:
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


MOVED: dict[str, Callable[[Path], None]] = {
    "another time": lambda path: os.utime(path, ns=(1, 1)),
    "another mode": lambda path: path.chmod(0o600),
    "another file": another_file,
}


@pytest.mark.parametrize("name", MOVED)
def test_an_image_on_another_machine(name: str, world: World, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle of the same content is known by that, whatever else has changed: nothing is made, and next time it is quick."""
    path = world.write("bundle.pem", world.pems["A"])
    first = load(cache, cafile=str(path))
    before = names_in(cache)
    MOVED[name](path)
    forget()
    monkeypatch.setattr(_rehash, "make", raising(AssertionError()))
    assert load(cache, cafile=str(path)) == first
    assert len(names_in(cache)) == len(before) + 1
    forget()
    monkeypatch.setattr(_lazy, "_content", raising(AssertionError()))
    assert load(cache, cafile=str(path)) == first


@needs_root
def test_a_cache_that_may_only_be_read(world: World, tmp_path: Path) -> None:
    """On a read-only file system what was prepared is used, also where the manifest by status cannot be written."""
    cache, path = tmp_path / "cache", world.write("bundle.pem", world.pems["A"])
    load(cache, cafile=str(path))
    os.utime(path, ns=(1, 1))
    program = "import ssl; ssl.create_default_context(); import fallback_roots; print(fallback_roots.status().outcome.sources)"
    env = {**NO_CAS, "FALLBACK_ROOTS_CAFILE": str(path), "FALLBACK_ROOTS_LAZY": "1", "FALLBACK_ROOTS_CACHE": str(cache)}
    before = names_in(cache)
    mount = f'mount --bind {cache} {cache} && mount -o remount,bind,ro {cache} && exec "$@"'
    done = python("-c", program, env=env, prefix=["unshare", "--mount", "sh", "-c", mount, "sh"])
    assert "note=None, doubt=None" in done.stdout, done.stderr
    assert f"directory='{cache}/1-" in done.stdout
    assert names_in(cache) == before


# ---------------------------------------------------------------- where it is not possible


def eagerly(world: World, cache: Path) -> _sources.Source:
    """The source of a load that is not lazy, though that was chosen: the roots are the same."""
    context = client()
    (source,) = _sources.load(context, choose(lazy=True, cache=str(cache), cafile=str(world.file)))
    assert held(context) == {world.ders["A"]}
    assert (source.certificates, source.problem, source.directory) == (1, None, None)
    return source


def test_a_capath_beside_it_has_no_note(world: World, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why it is not lazy is said of the bundles alone: a hashed directory is what it was."""
    monkeypatch.setattr(_places, "raised_privileges", lambda: True)
    sources = load(cache, cafile=str(world.file), capath=str(world.hashed), certifi=True)
    assert [(source.kind, source.note is not None) for source in sources] == [
        ("cafile", True),
        ("capath", False),
        ("certifi", True),
    ]


def test_a_bundle_that_becomes_a_directory(world: World, cache: Path, ca: trustme.CA) -> None:
    """The bundle's own path is not given to OpenSSL, which would read a directory there at a handshake."""
    place, context = world.write("place", world.pems["A"]), client()
    _sources.load(context, choose(lazy=True, cache=str(cache), cafile=str(place)))
    gets_a_root(place, ca)
    assert not verifies(context, ca)


def test_raised_privileges(world: World, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process with raised privileges makes and uses none; nor one that cannot know whether it has them."""
    for says in (lambda: True, raising(PermissionError(13, "no"))):
        monkeypatch.setattr(_places, "raised_privileges", says)
        source = eagerly(world, cache)
        assert (source.note, source.doubt) == ("not lazily, since the process has raised privileges", None)
    assert names_in(cache) == []


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


def test_no_home(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody says where it should be and the user has no home, there is none."""
    monkeypatch.setattr(_directories, "user_cache", lambda: None)
    (source,) = _sources.load(client(), choose(lazy=True, cafile=str(world.file)))
    assert source.note == "not lazily, since there is no home directory"


def test_the_users_cache(world: World, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default it is in the user's cache directory, as platformdirs has it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    (source,) = _sources.load(client(), choose(lazy=True, cafile=str(world.file)))
    assert Path(source.directory or "").parent == cache / "fallback-roots"


def test_a_users_cache_that_is_relative(monkeypatch: pytest.MonkeyPatch) -> None:
    """The current directory never has a say: a place that would be relative is none."""
    monkeypatch.setattr(_directories, "_platformdirs", lambda: types.SimpleNamespace(user_cache_dir="~/.cache/fallback-roots"))
    assert _directories.user_cache() is None


def test_a_list_of_directories(world: World, tmp_path: Path) -> None:
    """A path that OpenSSL would take for two is not used."""
    source = eagerly(world, tmp_path / "a:b")
    assert source.note == f"not lazily, since {tmp_path}/a:b: contains ':', which parts directories for OpenSSL"


def test_a_file_in_its_place(world: World, cache: Path) -> None:
    """Where the cache directory cannot be made the reason is told."""
    cache.write_text("")
    assert (eagerly(world, cache).note or "").endswith(": Not a directory")
    assert (eagerly(world, cache / "below").note or "").endswith(": Not a directory")


@needs_root
def test_a_place_that_may_not_be_written(world: World, tmp_path: Path) -> None:
    """A user who may write nowhere has the roots at once; one who finds a directory that root has made uses that."""
    cache = tmp_path / "cache"
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    program = """
import os, ssl
from fallback_roots import _fallback, _lazy, _patch, _rehash, _settings, _sources
_settings.read()
os.setuid(65534)  # who may not even read what Python is made of
context = ssl.create_default_context()
import fallback_roots
(source,) = fallback_roots.status().outcome.sources
print(len(context.get_ca_certs()), source.certificates, source.directory is not None, source.note)
"""
    ours = {"CAFILE": str(world.file), "LAZY": "1", "CACHE": str(cache), "CONFIG": os.devnull}
    env = {**NO_CAS, **{f"FALLBACK_ROOTS_{name}": value for name, value in ours.items()}}
    done = python("-c", program, env=env)
    assert done.stdout == f"1 1 False not lazily, since {cache}: Permission denied\n", done.stderr
    load(cache, cafile=str(world.file))
    done = python("-c", program, env=env)
    assert done.stdout == "0 1 True None\n", done.stderr


@pytest.mark.usefixtures("world")
def test_a_certifi_that_is_in_no_file(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """certifi in a zip, in memory or behind somebody's finder is read as ever."""
    monkeypatch.setattr(_certifi, "files", tuple)
    (source,) = load(cache, certifi=True)
    assert (source.certificates, source.directory, source.note) == (
        certifi_roots(),
        None,
        "not lazily, since certifi is not in a file, or gives other roots than those in it",
    )


def test_a_certifi_that_gives_other_roots(world: World, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where somebody has changed what certifi gives, a file that has something else does not speak for it, nor a manifest."""
    for prepared in (False, True):
        with monkeypatch.context() as patch:
            patch.setattr(certifi, "contents", lambda: world.pems["A"])
            (source,) = load(cache, certifi=True)
        note = "not lazily, since certifi is not in a file, or gives other roots than those in it"
        assert (source.certificates, source.note) == (1, note)
        assert bool(names_in(cache)) is prepared
        assert load(cache, certifi=True)[0].directory is not None


def test_a_certifi_whose_code_changes(cache: Path, tmp_path: Path) -> None:
    """Where certifi's own files are other ones than before it is asked again, which imports it."""
    package = Path(shutil.copytree(Path(certifi.__file__).parent, tmp_path / "certifi"))
    env = {**NO_CAS, "FALLBACK_ROOTS_LAZY": "1", "FALLBACK_ROOTS_CACHE": str(cache), "PYTHONPATH": str(tmp_path)}
    program = f"""
from fallback_roots import _lazy
_lazy.SETTLED = -1
{COUNT}
"""
    assert [python("-c", program, env=env).stdout for _ in range(2)] == [f"0 {certifi_roots()}\n"] * 2
    (tmp_path / "one.pem").write_bytes(trustme.CA().cert_pem.bytes())
    with (package / "core.py").open("a") as file:
        file.write(f"\ndef where(): return {str(tmp_path / 'one.pem')!r}\ndef contents(): return open(where()).read()\n")
    assert python("-c", program, env=env).stdout == "1 1\n"


def test_a_certifi_that_reads_another_file(cache: Path, tmp_path: Path) -> None:
    """One whose code reads another file than the one beside it, as a distribution's, is loaded as without lazy."""
    package = Path(shutil.copytree(Path(certifi.__file__).parent, tmp_path / "certifi"))
    (tmp_path / "one.pem").write_bytes(trustme.CA().cert_pem.bytes())
    with (package / "core.py").open("a") as file:
        file.write(f"\ndef where(): return {str(tmp_path / 'one.pem')!r}\ndef contents(): return open(where()).read()\n")
    env = {**NO_CAS, "FALLBACK_ROOTS_LAZY": "1", "FALLBACK_ROOTS_CACHE": str(cache), "PYTHONPATH": str(tmp_path)}
    for _ in range(2):
        done = python("-c", COUNT, env=env)
        assert done.stdout == "1 1\n", done.stderr
        assert f"; not lazily, since certifi gives other roots than those in {package / 'cacert.pem'}\n" in done.stderr


COUNT = """
import ssl
context = ssl.create_default_context()
import fallback_roots
print(len(context.get_ca_certs()), *[source.certificates for source in fallback_roots.status().outcome.sources])
"""


def test_a_certifi_that_is_blocked(cache: Path) -> None:
    """A program that keeps certifi from being imported has none of its roots, as without lazy."""
    env = {**NO_CAS, "FALLBACK_ROOTS_LAZY": "1", "FALLBACK_ROOTS_CACHE": str(cache)}
    assert python("-c", COUNT, env=env).stdout == f"0 {certifi_roots()}\n"
    assert python("-c", f"import sys; sys.modules['certifi'] = None\n{COUNT}", env=env).stdout == "0 0\n"


def test_a_certifi_elsewhere_later(cache: Path, tmp_path: Path) -> None:
    """Once a lazy load has found certifi's file, a later load imports that certifi, wherever the program is by then."""
    (tmp_path / "certifi").mkdir()
    (tmp_path / "certifi" / "__init__.py").write_text("print('another one')")
    env = {**NO_CAS, "FALLBACK_ROOTS_LAZY": "1", "FALLBACK_ROOTS_CACHE": str(cache)}
    python("-c", COUNT, env=env)
    program = f"""
{COUNT}
import os, shutil, sys
assert "certifi" not in sys.modules
os.chdir({str(tmp_path)!r})
shutil.rmtree({str(cache)!r})
{COUNT}
print(sys.modules["certifi"].__file__)
"""
    done = python("-c", program, env=env)
    assert done.stdout.splitlines() == [f"0 {certifi_roots()}"] * 2 + [certifi.__file__]


FINDERS = {
    "plain": ("", True),
    "imported": ("import certifi", True),
    "a finder of somebody's": ("sys.meta_path.insert(0, Theirs)", False),
    "a loader of somebody's": ("sys.meta_path.insert(0, Wrapping)", False),
    "in a zip": ("sys.path.insert(0, sys.argv[1])", False),
    "gone": ("sys.meta_path.insert(0, Gone)", False),
    "blocked": ("sys.modules['certifi'] = None", False),
    "amid its import": ("import certifi; certifi.__spec__._initializing = True", False),
    "an old finder": ("sys.meta_path.insert(0, object())", True),
    "other contents": ("import certifi; certifi.contents = lambda: 'other'", False),
}
WHERE = """
import importlib.machinery, importlib.util, json, sys
class Theirs:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "certifi":
            return importlib.util.spec_from_loader(name, Theirs)
    def create_module(spec): pass
    def exec_module(module): pass
class Wrapping:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "certifi":
            spec = importlib.machinery.PathFinder.find_spec(name)
            class Chained(type(spec.loader)):  # as wrapt's for its hooks after an import
                pass
            spec.loader.__class__ = Chained
            return spec
class Gone:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "certifi":
            return importlib.machinery.ModuleSpec(name, None)
from fallback_roots import _certifi
{act}
before = "certifi" in sys.modules
found = _certifi.files()
print(json.dumps([found, _certifi.files() == found, before == ("certifi" in sys.modules)]))
"""


@pytest.mark.parametrize("name", FINDERS)
def test_where_certifi_is(name: str, tmp_path: Path) -> None:
    """Its file is known without an import, where it lies in the file system and nobody stands before it."""
    act, plain = FINDERS[name]
    (tmp_path / "certifi").mkdir()
    (tmp_path / "certifi" / "__init__.py").touch()
    archive = shutil.make_archive(str(tmp_path / "zip"), "zip", tmp_path, "certifi")
    done = python("-c", WHERE.replace("{act}", act), archive)
    assert done.returncode == 0, done.stderr
    expected = [certifi.where(), certifi.__file__, str(Path(certifi.__file__).with_name("core.py"))] if plain else []
    assert json.loads(done.stdout) == [expected, True, True]


def test_where_certifi_says(world: World, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has been patched to read another file is followed there (certifi-linux does so)."""
    monkeypatch.setattr(certifi, "where", lambda: str(world.file))
    monkeypatch.setattr(certifi, "contents", world.file.read_text)
    (source,) = load(cache, certifi=True)
    assert in_directory(source.directory) == {world.ders["A"]}


# ---------------------------------------------------------------- what is in doubt


def other_names(directory: Path, _: Path) -> None:
    (directory / "00000000.0").write_text("")


def fewer_names(directory: Path, _: Path) -> None:
    next(directory.iterdir()).unlink()


def everybody_may_write(directory: Path, _: Path) -> None:
    directory.chmod(0o777)


def everybody_may_write_above(directory: Path, _: Path) -> None:
    directory.parent.chmod(0o777)


def a_link(directory: Path, _: Path) -> None:
    directory.rename(directory.with_name("aside"))
    directory.symlink_to("aside")


def a_file(directory: Path, _: Path) -> None:
    shutil.rmtree(directory)
    directory.write_text("")


def strangers(directory: Path, _: Path) -> None:
    os.chown(directory, 12345, 12345)


def strangers_cache(directory: Path, _: Path) -> None:
    os.chown(directory.parent, 12345, 12345)


def strangers_manifest(_: Path, manifest: Path) -> None:
    os.chown(manifest, 12345, 12345)


def open_manifest(_: Path, manifest: Path) -> None:
    manifest.chmod(0o666)


def cut(_: Path, manifest: Path) -> None:
    manifest.write_text(manifest.read_text()[:-5])


def empty(_: Path, manifest: Path) -> None:
    manifest.write_text("")


def no_ascii(_: Path, manifest: Path) -> None:
    manifest.write_bytes(b"\xff")


def replaced(old: str, new: str) -> Callable[[Path, Path], None]:
    def act(_: Path, manifest: Path) -> None:
        text = manifest.read_text()
        assert old in text
        manifest.write_text(text.replace(old, new))

    return act


def elsewhere(directory: Path, manifest: Path) -> None:
    (directory.parent / "other").mkdir()
    manifest.write_text(manifest.read_text().replace(directory.name, "other"))


NAMED = "{directory}: does not hold what its manifest names (fallback-roots cache clear removes it)"
NO_MANIFEST = "{manifest}: is not a manifest (fallback-roots cache clear removes it)"
DOUBTS: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "another name in it": (other_names, NAMED),
    "a name is missing": (fewer_names, NAMED),
    "everybody may write": (everybody_may_write, "{directory}: is writable by everybody (mode 0777)"),
    "everybody may write above": (everybody_may_write_above, "{cache}, which is writable by everybody (mode 0777)"),
    "a link": (a_link, "{directory}: is not a directory"),
    "a file": (a_file, "{directory}: is not a directory"),
    "an empty manifest": (empty, NO_MANIFEST),
    "no ASCII": (no_ascii, NO_MANIFEST),
    "half a manifest": (cut, NO_MANIFEST),
    "of another format": (replaced("lazy 1", "lazy 2"), NO_MANIFEST),
    "more behind its end": (replaced("end\n", "end\n\n"), NO_MANIFEST),
    "a count that is none": (replaced("\n1 (", "\none ("), NO_MANIFEST),
    "another directory": (elsewhere, NO_MANIFEST),
    "a directory above": (replaced("\n1-", "\n../1-"), NO_MANIFEST),
    "a manifest that everybody may write": (open_manifest, "{manifest}: is writable by everybody (mode 0666)"),
    "a huge manifest": (lambda _, manifest: os.truncate(manifest, 2**21), "{manifest}: is larger than 1048576 bytes"),
}
if hasattr(os, "geteuid") and os.geteuid() == 0:
    DOUBTS["somebody else's"] = strangers, "{directory}: is owned by user id 12345 "
    DOUBTS["in somebody else's directory"] = strangers_cache, "{cache}, which is owned by user id 12345 "
    DOUBTS["somebody else's manifest"] = strangers_manifest, "{manifest}: is owned by user id 12345 "


@pytest.mark.parametrize("which", ["status", "content"])
@pytest.mark.parametrize("name", DOUBTS)
def test_a_doubt(name: str, which: str, world: World, cache: Path) -> None:
    """What is not as it was made is not used: the roots are loaded at once, and what is wrong is told."""
    (source,) = load(cache, cafile=str(world.file))
    directory = Path(source.directory or "")
    manifest, content = manifests(cache)
    if which == "content":  # of an image, say, that was unpacked on another machine
        manifest.unlink()
        manifest = content
    act, words = DOUBTS[name]
    act(directory, manifest)
    forget()
    found = eagerly(world, cache)
    assert found.doubt is not None
    assert found.note is None
    assert found.doubt.startswith("not lazily, since ")
    assert words.format(directory=directory, manifest=manifest, cache=cache) in found.doubt


@pytest.mark.parametrize("name", ["another name in it", "a name is missing", "everybody may write", "a link", "a file"])
def test_a_doubt_in_the_same_process(name: str, world: World, cache: Path) -> None:
    """The directory is looked at again where it has changed since it was found good."""
    (source,) = load(cache, cafile=str(world.file))
    manifest, _ = manifests(cache)
    age(Path(source.directory or ""), 1)  # else what is done to it may come within the tick of the clock that made it
    assert load(cache, cafile=str(world.file)) == (source,)
    DOUBTS[name][0](Path(source.directory or ""), manifest)
    assert eagerly(world, cache).doubt is not None


def test_a_doubt_is_a_warning(world: World, cache: Path) -> None:
    """One WARNING says what is in doubt; why it is not possible is said where an INFO record is."""
    program = (
        "import logging, ssl\nlogging.basicConfig(level=20, format='%(levelname)s %(message)s')\nssl.create_default_context()"
    )
    unset = {"FALLBACK_ROOTS_CAFILE": str(world.file), "FALLBACK_ROOTS_LAZY": "1"}
    env = {**NO_CAS, **unset, "FALLBACK_ROOTS_CACHE": str(cache)}
    load(cache, cafile=str(world.file))
    (cache / "1-00000000.manifest").touch()
    cache.chmod(0o777)
    said = python("-c", program, env=env).stderr
    assert f"; not lazily, since {cache}" in said
    assert said.startswith("WARNING fallback-roots: ")
    assert said.count("not lazily") == 1


def test_a_fault_of_ours(world: World, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong in what makes it lazy costs nobody the roots."""
    monkeypatch.setattr(_lazy, "find", raising(KeyError("x")))
    source = eagerly(world, cache)
    assert source.doubt == "not lazily, since KeyError: 'x'"


# ---------------------------------------------------------------- made once, and whole

RACE = """
import json, os, sys
from fallback_roots import _lazy, _sources
_lazy.SETTLED = -1
from test_sources import choose, client
begin, go = os.pipe()
children = []
for number in range(64):
    answer, tell = os.pipe()
    if os.fork() == 0:
        os.close(go)
        os.read(begin, 1)  # until all are there
        context = client()
        (source,) = _sources.load(context, choose(lazy=True, cache=sys.argv[2], cafile=sys.argv[1]))
        os.write(tell, json.dumps([source.directory, source.note, source.doubt, len(context.get_ca_certs())]).encode())
        os._exit(0)
    os.close(tell)
    children.append(answer)
os.close(go)
print(json.dumps([json.loads(os.read(answer, 65536)) for answer in children]))
"""


def test_sixty_four_processes_at_once(world: World, cache: Path) -> None:
    """All of them use the one directory, which is whole, and nothing else is left."""
    path = world.write("three.pem", world.pems["A"] + world.pems["B"] + world.pems["C"])
    done = python("-c", RACE, path, cache, env={"PYTHONPATH": str(Path(__file__).parent)})
    assert done.returncode == 0, done.stderr
    (answer,) = {tuple(answer) for answer in json.loads(done.stdout)}
    assert answer[1:] == (None, None, 0)
    assert in_directory(answer[0]) == set(world.ders.values())
    assert names_in(cache) == sorted([*(path.name for path in manifests(cache)), Path(answer[0]).name])


# Processes that end, as the machine would, before the first, second, ... of the calls that change something; each has a cache.
CRASH = """
import os, sys
from fallback_roots import _lazy, _rehash, _sources
_lazy.SETTLED = -1
from test_sources import choose, client

def dying(real):
    def call(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            os._exit(9)
        return real(*args, **kwargs)
    return call

for name in ("mkdir", "fsync", "rename", "replace", "unlink", "rmdir", "open", "close"):
    setattr(os, name, dying(getattr(os, name)))
_rehash._write = dying(_rehash._write)
status, number = 9, 0
while status == 9:
    number += 1
    process = os.fork()
    if process == 0:
        left = number
        _sources.load(client(), choose(lazy=True, cache=f"{sys.argv[2]}/{number}", cafile=sys.argv[1]))
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
print(number, status)
"""


def test_a_crash_at_any_point(world: World, tmp_path: Path) -> None:
    """Wherever the one that makes the directory dies, the next one finds a good one or makes it, and nobody half of one."""
    path = world.write("two.pem", world.pems["A"] + world.pems["B"])
    done = python("-c", CRASH, path, tmp_path, env={"PYTHONPATH": str(Path(__file__).parent)})
    last, status = map(int, done.stdout.split())
    assert (status, last > 10) == (0, True), done.stderr
    found = set()
    for cache in (tmp_path / str(number) for number in range(1, last + 1)):
        finished = [cache / name for name in names_in(cache) if not name.endswith(".manifest") and name.startswith("1-")]
        assert all(in_directory(directory) == {world.ders["A"], world.ders["B"]} for directory in finished)
        found.add(len(finished))
        forget()
        (source,) = load(cache, cafile=str(path))
        assert (source.note, source.doubt) == (None, None)
        assert in_directory(source.directory) == {world.ders["A"], world.ders["B"]}
    assert found == {0, 1}


@pytest.mark.parametrize("name", ["mkdir", "fsync", "rename", "replace", "urandom"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), MemoryError()], ids=repr)
def test_a_fault_while_it_is_made(
    name: str, error: BaseException, world: World, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk means roots at once, a fault of the moment and an interrupt pass, and nothing half made is left."""
    with monkeypatch.context() as patch:
        patch.setattr(os, name, raising(error))
        if isinstance(error, OSError):
            assert "No space left on device" in (eagerly(world, cache).note or "")
        else:
            with pytest.raises(type(error)):
                load(cache, cafile=str(world.file))
    assert not [left for left in names_in(cache) if left.startswith(_rehash.TEMPORARY)]
    if isinstance(error, OSError) and name != "replace":  # a directory that is there is used
        assert "No space left on device" in (eagerly(world, cache).note or "")  # the disk is not asked again by this process
    forget()
    (source,) = load(cache, cafile=str(world.file))
    assert in_directory(source.directory) == {world.ders["A"]}


def test_a_bundle_that_changes_while_it_is_read(world: World, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read may be neither what was there before nor after: no directory is made of it."""
    path = world.write("bundle.pem", world.pems["A"])

    def bundle(kind: str, file: str, real: Any = _sources.bundle) -> _sources.Found:
        found: _sources.Found = real(kind, file)
        world.write("bundle.pem", world.pems["B"] * 2)
        return found

    monkeypatch.setattr(_sources, "bundle", bundle)
    (source,) = load(cache, cafile=str(path))
    assert (source.directory, source.note) == (None, f"not lazily, since {path} has changed while it was read")
    assert names_in(cache) == []


def test_a_directory_of_that_name_in_doubt(world: World, cache: Path) -> None:
    """What stands where the directory is to go is used only if it is that directory."""
    (source,) = load(cache, cafile=str(world.file))
    directory = Path(source.directory or "")
    shutil.rmtree(directory)
    directory.mkdir()
    (directory / "00000000.0").touch()
    for manifest in cache.glob("*.manifest"):
        manifest.unlink()
    forget()
    assert eagerly(world, cache).doubt == "not lazily, since " + NAMED.format(directory=directory)
    assert names_in(cache) == [directory.name]


# ---------------------------------------------------------------- what is not used any more


def age(path: Path, days: float) -> None:
    moment = time.time() - days * DAY
    os.utime(path, (moment, moment), follow_symlinks=False)


def test_what_is_old_is_removed(world: World, cache: Path) -> None:
    """When something is made, contents that nobody has used for thirty days go, with their manifests; no others."""
    paths = {name: world.write(f"{name}.pem", world.pems[name]) for name in "ABC"}
    made: dict[str, set[str]] = {}
    for name, path in paths.items():
        before = set(names_in(cache))
        load(cache, cafile=str(path))
        made[name] = set(names_in(cache)) - before
    for name, days in {"A": 31, "B": 29, "C": 100}.items():
        for file in made[name]:
            age(cache / file, days)
    (used,) = [name for name in made["C"] if (cache / name).is_dir()]
    one_of_two = next(name for name in made["C"] if name != used)
    age(cache / one_of_two, 1)  # made long ago, and used since
    load(cache, cafile=str(world.write("other.pem", world.pems["A"] + world.pems["B"])))
    left = set(names_in(cache))
    assert {name: left & made[name] for name in "ABC"} == {"A": set(), "B": made["B"], "C": {used, one_of_two}}
    assert len(left) == 8


def test_what_was_never_finished_is_removed(world: World, cache: Path) -> None:
    """What somebody who died has left goes after a day; what is younger may be at work, and what is not ours stays."""
    names = {"making-0123456789abcdef": 2, "making-0123456789abcdee": 0, "making-x": 9, "mine": 99, "1-short": 99}
    for name, days in names.items():
        (cache / name).mkdir(parents=True)
        (cache / name / "01234567.0").touch()
        age(cache / name, days)
    (cache / "making-0123456789abcdec.manifest").touch()
    age(cache / "making-0123456789abcdec.manifest", 2)
    load(cache, cafile=str(world.file))
    left = [name for name in names_in(cache) if name in names or name.startswith("making-")]
    assert left == ["1-short", "making-0123456789abcdee", "making-x", "mine"]


def test_what_somebody_put_there_stays(world: World, cache: Path) -> None:
    """A file that is no certificate of ours keeps its directory from being removed, and costs nothing else."""
    (source,) = load(cache, cafile=str(world.file))
    directory = Path(source.directory or "")
    (directory / "notes.txt").touch()
    (cache / f"1-{'0' * 32}").symlink_to(world.root)
    for path in cache.iterdir():
        age(path, 31)
    (source,) = load(cache, cafile=str(world.write("other.pem", world.pems["B"])))
    assert source.directory is not None
    assert [path.name for path in directory.iterdir()] == ["notes.txt"]
    assert world.file.exists()


def test_use_keeps_it(world: World, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day after its last use a use is noted: by a new process, and by one that has had it since."""
    load(cache, cafile=str(world.file))
    manifest, _ = manifests(cache)
    age(manifest, 20)
    load(cache, cafile=str(world.file))
    assert time.time() - manifest.stat().st_mtime > 19 * DAY  # this process has just noted it
    forget()
    load(cache, cafile=str(world.file))
    assert time.time() - manifest.stat().st_mtime < DAY
    age(manifest, 20)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * DAY)
    load(cache, cafile=str(world.file))
    assert now - manifest.stat().st_mtime < DAY
    age(manifest, 0.5)
    before = manifest.stat().st_mtime
    monkeypatch.setattr(time, "time", lambda: now)
    forget()
    load(cache, cafile=str(world.file))
    assert manifest.stat().st_mtime == before


# ---------------------------------------------------------------- what an attack has found


def test_a_change_within_a_tick_of_the_clock(world: World, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle that was written just now may be written again without another time: its content is looked at each time."""
    monkeypatch.setattr(_lazy, "SETTLED", 60 * 10**9)
    path = world.write("bundle.pem", world.pems["A"])
    frozen = _lazy.State("cafile", str(path), ((str(path), 1, time.time_ns(), 1, 1, 1),))
    monkeypatch.setattr(_lazy, "_state", lambda _: frozen)
    for ca in "ABA":
        world.write("bundle.pem", world.pems[ca])
        assert in_directory(load(cache, cafile=str(path))[0].directory) == {world.ders[ca]}


def test_a_directory_that_another_source_knows(world: World, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two roots of one name, one by a capath, that is asked first which would be in memory without lazy."""
    cas = [trustme.CA(organization_name="the same", organization_unit_name="one") for _ in range(2)]
    bundle, hashed = world.write("bundle.pem", cas[0].cert_pem.bytes()), world.root / "capath"
    hashed.mkdir()
    cas[1].cert_pem.write_to_path(str(hashed / f"{subject_hash(bundle)}.0"))
    monkeypatch.setattr(_certifi, "read", lambda: (str(bundle), bundle.read_text(), None))
    monkeypatch.setattr(_certifi, "files", lambda: (str(bundle),) * 3)
    monkeypatch.setattr(_sources, "chosen", lambda _: iter([_sources.Chosen("capath", str(hashed), False), CERTIFI]))
    found = []
    for lazy in (False, True):
        context = client()
        _sources.load(context, choose(lazy=lazy, cache=str(cache), certifi=True, capath=str(hashed)))
        found.append([verifies(context, ca) for ca in cas])
    assert found[0] == found[1] == [True, False]


CERTIFI = _sources.Chosen("certifi", None, True)


@pytest.mark.parametrize("umask", [0, 0o002, 0o022, 0o077])
def test_any_umask(umask: int, world: World, tmp_path: Path) -> None:
    """What is made can be written by its owner alone and read by everybody, whatever the umask is, and is used."""
    cache = tmp_path / "some" / "where" / "cache"
    before = os.umask(umask)
    try:
        for _ in range(2):
            (source,) = load(cache, cafile=str(world.file))
            assert (source.note, source.doubt) == (None, None)
            forget()
    finally:
        os.umask(before)
    directory = Path(source.directory or "")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (cache, directory)} == {0o755}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (*directory.iterdir(), *cache.glob("*.manifest"))} == {0o644}
    assert not any(path.stat().st_mode & 0o022 for path in (cache.parent, cache.parent.parent))


def test_a_group_that_may_write(world: World, tmp_path: Path) -> None:
    """Where the group may write on the way, a user's own, perhaps, the roots are loaded at once, without a WARNING."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o775)
    source = eagerly(world, tmp_path / "shared" / "cache")
    assert (source.note, source.doubt) == (f"not lazily, since {tmp_path}/shared: is writable by its group (mode 0775)", None)


@needs_root
@pytest.mark.parametrize("what", ["a directory", "a link"])
def test_a_way_of_somebody_elses(what: str, world: World, tmp_path: Path) -> None:
    """Who owns a directory or a link on the way could put another directory in the place of ours after we have looked."""
    theirs = tmp_path / "theirs"
    if what == "a link":
        (tmp_path / "ours").mkdir()
        theirs.symlink_to("ours")
    else:
        theirs.mkdir()
    os.chown(theirs, 12345, 12345, follow_symlinks=False)
    source = eagerly(world, theirs / "cache")
    said = source.doubt or source.note or ""  # where there is nothing yet, it is no more than no place for it
    assert said.startswith(f"not lazily, since {theirs}: is owned by user id 12345 (expected root, ")


@needs_root
@pytest.mark.parametrize(
    "what", ["the cache", "their link to it", "our link to theirs", "the directory that it is to be made in", "with a manifest"]
)
def test_nothing_is_written_on_somebody_elses_way(what: str, world: World, tmp_path: Path) -> None:
    """Where somebody else could lead us elsewhere while we write, as root perhaps, nothing is written at all."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    cache = theirs
    if what == "our link to theirs":
        cache = tmp_path / "ours"
        cache.symlink_to("theirs")
    elif what == "their link to it":
        (tmp_path / "target").mkdir()
        cache = tmp_path / "link"
        cache.symlink_to("target")
        os.chown(cache, 12345, 0, follow_symlinks=False)
    elif what == "the directory that it is to be made in":
        cache = theirs / "deep" / "cache"
    elif what == "with a manifest":  # of an image, whose directory is not there yet
        load(cache, cafile=str(world.file))
        manifests(cache)[0].unlink()
        forget()
    os.chown(theirs, 12345, 0)
    before = sorted(tmp_path.rglob("*"))
    source = eagerly(world, cache)
    said = source.note if what.startswith("the directory") else source.doubt  # which is no more than no place for it
    assert "is owned by user id 12345 (expected root" in (said or "")
    assert sorted(tmp_path.rglob("*")) == before


@needs_root
def test_somebody_is_faster(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody else has made between the look and our mkdir is looked at, before anything is made or changed in it."""
    real, private = os.mkdir, tmp_path / "private"
    private.mkdir(mode=0o700)
    (tmp_path / "sticky").mkdir()
    (tmp_path / "sticky").chmod(0o1777)

    def mkdir(path: str, *args: Any, **kwargs: Any) -> None:
        real(path, *args, **kwargs)
        if path.endswith("first"):
            os.chown(path, 12345, 0)
        if path.endswith("second"):
            Path(path).rmdir()
            Path(path).symlink_to(private)

    monkeypatch.setattr(os, "mkdir", mkdir)
    source = eagerly(world, tmp_path / "sticky" / "first" / "second")
    assert "first: is owned by user id 12345" in (source.doubt or "")
    assert (stat.S_IMODE(private.stat().st_mode), list(private.iterdir())) == (0o700, [])


def test_a_drive_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has roots that are not there: the way up ends at one."""
    monkeypatch.setattr(os.path, "lexists", lambda _: False)
    monkeypatch.setattr(_lazy, "check_way", lambda *_, **__: None)  # it takes a sticky /tmp for one just made
    _rehash._make_root(str(tmp_path / "cache"))
    assert (tmp_path / "cache").is_dir()


def test_a_cache_with_a_slash_at_its_end(world: World, tmp_path: Path) -> None:
    """The same directory, which everybody may read."""
    old = os.umask(0o077)
    try:
        (source,) = load(Path(tmp_path / "cache"), cafile=str(world.file))
        (other,) = _sources.load(client(), choose(lazy=True, cache=f"{tmp_path / 'slash'}/", cafile=str(world.file)))
    finally:
        os.umask(old)
    assert source.directory is not None
    assert other.directory is not None
    assert stat.S_IMODE((tmp_path / "slash").stat().st_mode) == 0o755


def test_a_user_without_any_home(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user id that nobody knows, and no HOME, is no fault: there is no place for the directory, and the record says so."""

    class Homeless:
        @property
        def user_cache_dir(self) -> str:
            raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr(_directories, "_platformdirs", Homeless)
    (source,) = _sources.load(client(), choose(lazy=True, cafile=str(world.file)))
    assert (source.note, source.doubt) == ("not lazily, since there is no home directory", None)


def test_a_sticky_directory(world: World, tmp_path: Path) -> None:
    """In a directory as /tmp nobody else can move what is ours; but ours itself is not to be such a one."""
    (tmp_path / "sticky").mkdir()
    (tmp_path / "sticky").chmod(0o1777)
    (source,) = load(tmp_path / "sticky" / "cache", cafile=str(world.file))
    assert (source.note, source.doubt) == (None, None)
    Path(source.directory or "").chmod(0o1777)
    assert "is writable by everybody (mode 1777)" in (eagerly(world, tmp_path / "sticky" / "cache").doubt or "")


@needs_root
def test_another_user_of_the_same_process(world: World, tmp_path: Path) -> None:
    """What was good for one user id is looked at again for another."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 12345, 12345)
    assert _places.raised_privileges() is False  # which can be read now, and is remembered
    os.seteuid(12345)
    try:
        (source,) = load(tmp_path / "theirs" / "cache", cafile=str(world.file))
        assert (source.note, source.doubt) == (None, None)
    finally:
        os.seteuid(0)
    assert "is owned by user id 12345" in (eagerly(world, tmp_path / "theirs" / "cache").doubt or "")


def test_it_is_emptied_while_it_is_made(world: World, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody has taken out of it before it got its name keeps it from getting that."""
    sync = _rehash._sync

    def empty_it(path: str) -> None:
        for file in Path(path).iterdir():
            file.unlink()
        sync(path)

    monkeypatch.setattr(_rehash, "_sync", empty_it)
    assert "was changed while it was made" in (eagerly(world, cache).note or "")
    assert names_in(cache) == []


def test_a_link_in_its_place_while_it_is_removed(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that somebody puts in its place after the look leads the removal nowhere."""
    directory, other = cache / f"1-{'0' * 32}", tmp_path / "other"
    for path in (directory, other):
        path.mkdir(parents=True)
        (path / "01234567.0").touch()
    empty = _rehash._empty

    def swapped(path: str) -> None:
        directory.rename(cache / "aside")
        directory.symlink_to(other)
        empty(path)

    monkeypatch.setattr(_rehash, "_empty", swapped)
    _rehash.remove(str(directory))
    assert (other / "01234567.0").exists()


# ---------------------------------------------------------------- by the hook


def test_a_whole_process(server: Server, ca_file: Path, cache: Path) -> None:
    """A program that changes nothing verifies a server by the directory, the first time and the second."""
    fetch = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=30).read().decode())"
    env = {**NO_CAS, "FALLBACK_ROOTS_LAZY": "1", "FALLBACK_ROOTS_CAFILE": str(ca_file), "FALLBACK_ROOTS_CACHE": str(cache)}
    for _ in range(2):
        done = python("-c", fetch, server.url, env=env)
        assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
    assert f"loaded 1 root from cafile ({ca_file}), lazily ({cache}/1-" in done.stderr


def test_modes(world: World, cache: Path) -> None:
    """What is made can be read by everybody whom the umask lets, and written by its owner alone."""
    (source,) = load(cache, cafile=str(world.file))
    for path in (Path(source.directory or ""), *Path(source.directory or "").iterdir(), *cache.glob("*.manifest")):
        assert not path.stat().st_mode & stat.S_IWOTH


# ---------------------------------------------------------------- other systems, and what comes in between


def test_a_system_without_descriptors_of_directories(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows a directory is neither synced nor emptied by its descriptor, and is emptied all the same."""
    monkeypatch.setattr(os, "supports_dir_fd", set())
    directory = cache / f"1-{'0' * 32}"
    directory.mkdir(parents=True)
    (directory / "01234567.0").touch()
    _rehash.remove(str(directory))
    assert not directory.exists()
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", "nt")
        _rehash._sync("/nonexistent/directory")


def test_a_system_without_owners(world: World, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has neither owners nor modes that would tell anything."""
    (source,) = load(cache, cafile=str(world.file))
    Path(source.directory or "").chmod(0o777)
    forget()
    monkeypatch.delattr(os, "getuid")
    assert load(cache, cafile=str(world.file)) == (source,)


def test_a_cache_that_openssl_does_not_find(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows one below a user's name with an umlaut is not made, and the roots are loaded as they are without `lazy`."""
    cache = tmp_path / "Jörg"
    with on_windows(monkeypatch):
        (source,) = load(cache, cafile=str(world.file))
    assert (source.certificates, source.directory, source.doubt) == (1, None, None)
    assert source.note == f"not lazily, since {cache}: OpenSSL on Windows does not find it (expected a path in ASCII)"
    assert not cache.exists()
    forget()
    (source,) = load(cache, cafile=str(world.file))
    assert source.directory


@pytest.mark.parametrize("name", ["mkdir", "rename"])
def test_another_process_is_faster(name: str, world: World, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process has made in the meantime is used."""
    real = getattr(os, name)

    def late(path: str, *args: Any) -> None:
        real(path, *args)
        if name == "mkdir" and path == str(cache):
            raise FileExistsError
        if name == "rename":
            raise OSError(39, "Directory not empty")

    monkeypatch.setattr(os, name, late)
    (source,) = load(cache, cafile=str(world.file))
    assert in_directory(source.directory) == {world.ders["A"]}


def test_certificates_that_cannot_be_hashed(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """A name that is not in DER, and a block that OpenSSL reads otherwise than we do, keep a directory from being made."""
    odd = with_subject(attribute(der(12 | 0x20, der(12, b"Root"))))
    with pytest.raises(_manifest.NotLazyError, match=r"^a certificate has a name that is not in DER$"):
        _rehash.hashed([[ssl.DER_cert_to_PEM_cert(odd).strip()]])
    monkeypatch.setattr(ssl.SSLContext, "cert_store_stats", lambda _: {"x509": 5})
    other = types.SimpleNamespace(_SSLContext=ssl.SSLContext, PROTOCOL_TLS_CLIENT=ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(_rehash, "_ssl", other)
    with pytest.raises(_manifest.NotLazyError, match=r"^a certificate cannot be decoded$"):
        _rehash.hashed([[world.pems["A"].strip()]])


def test_a_bundle_that_grows_too_large(world: World, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle beyond the bound on bundles has the words that it has without lazy."""
    monkeypatch.setattr(_places, "LARGEST_BUNDLE", 10)
    (source,), (eager,) = load(cache, cafile=str(world.file)), _sources.load(client(), choose(cafile=str(world.file)))
    assert (source.problem, source.note, source.doubt) == (eager.problem, None, None)
