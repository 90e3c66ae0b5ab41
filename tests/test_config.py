"""The command `config`: what it says of settings, what it writes, and that what it writes is what the reader obeys."""

import errno
import json
import os
import re
import shlex
import signal
import stat
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import NO_CAS, ROOT, certifi_roots, python

from fallback_roots import _cli, _config, _places, _settings
from fallback_roots._cli import _config_file, _new_file, _text, config
from fallback_roots._settings import File, Settings
from fallback_roots._sources import Source

KEYS = tuple(_settings.KEYS)
FOUND = 'import ssl; print([dict(sum(c["subject"], ())) for c in ssl.create_default_context().get_ca_certs()])'
BOUND_BY_MODES = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()

Said = tuple[int, str, str]  # exit code, standard output, standard error


class World:
    """A machine of its own below `root`, the current directory: its places of config files, and `config` run on it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.monkeypatch = monkeypatch
        self.capsys = capsys
        self.site = root / "site/fallback-roots/config.toml"
        self.user = root / "home/.config/fallback-roots/config.toml"
        self.env = root / "prefix/fallback-roots.toml"
        (root / "prefix").mkdir()
        for name in [name for name in os.environ if name.startswith(("FALLBACK_ROOTS_", "XDG_", "SSL_CERT_"))]:
            monkeypatch.delenv(name)
        for name, value in NO_CAS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("HOME", str(root / "home"))
        monkeypatch.setenv("XDG_CONFIG_DIRS", f"{root / 'site'}:{root / 'other'}")
        monkeypatch.setattr(sys, "prefix", str(root / "prefix"))
        monkeypatch.chdir(root)

    def run(self, *arguments: str, **variables: str) -> Said:
        """`config` with `arguments` and these FALLBACK_ROOTS_ variables."""
        with self.monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(f"FALLBACK_ROOTS_{name}", value)
            code = _cli.main(["config", *arguments])
        return (code, *self.capsys.readouterr())

    def write(self, path: Path, text: str) -> str:
        """Write a config file; returns its path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def files(self) -> dict[str, str]:
        """Whatever there is below `root` but the places' directories, with what it says."""
        paths = [path for path in self.root.rglob("*") if path.is_symlink() or not path.is_dir()]
        return {str(path.relative_to(self.root)): path.read_text() if path.is_file() else "" for path in paths}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> World:
    """A machine on which nothing is set."""
    return World(tmp_path, monkeypatch, capsys)


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    """os.umask, set back at the end."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def raises(error: BaseException) -> Callable[..., NoReturn]:
    def fails(*_: object, **__: object) -> NoReturn:
        raise error

    return fails


def words(text: str) -> str:
    """`text` on one line, as it was before it was wrapped."""
    return " ".join(text.split())


# ---------------------------------------------------------------- the main road


def test_from_nothing_to_a_fault(tmp_path: Path, ca_file: Path) -> None:
    """init makes the CA the only root and check finds no fault; once the file is broken, check names every fault."""
    env = {**NO_CAS, "HOME": str(tmp_path)}
    command = ("-m", "fallback_roots", "config")
    written = python(*command, "init", "--cafile", ca_file.name, env=env, cwd=ca_file.parent)
    path = tmp_path / ".config" / "fallback-roots" / "config.toml"
    assert (written.returncode, written.stderr) == (0, "")
    assert written.stdout.startswith(f"Written: {path}\n")
    assert python("-c", FOUND, env=env).stdout.count("'organizationName': 'fallback-roots tests'") == 1
    assert python("-c", FOUND, env=env).stdout.count("commonName") <= 1
    sound = python(*command, "check", env=env)
    assert (sound.returncode, words(sound.stdout)) == (0, f"No fault: the fallback is cafile {ca_file} (1 certificate).")
    path.write_text(f'cafil = "x"\ncafile = "{tmp_path}/none.pem"\ndisable = 1\n')
    broken = python(*command, "check", env={**env, "FALLBACK_ROOTS_CERTIFI": "maybe"})
    assert (broken.returncode, broken.stderr) == (1, "")
    assert words(broken.stdout) == (
        f'! {path}: cafil = "x" is not a setting (expected one of {", ".join(KEYS)}) '
        f"! {path}: disable = 1 is not a boolean (true or false) "
        '! FALLBACK_ROOTS_CERTIFI="maybe" is not a boolean (1, true, yes, on, 0, false, no or off) '
        f"! {tmp_path}/none.pem: cannot be read (No such file or directory); cafile is set by {path} "
        "4 faults."
    )


# ---------------------------------------------------------------- usage

WRONG = [
    [],
    ["cure"],
    ["path", "x"],
    ["path", "--json"],
    ["show", "--force"],
    ["show", "x"],
    ["check", "--json"],
    ["check", "a", "b"],
    ["check", ""],
    ["check", "a\0b"],
    ["init", "x"],
    ["init", "--json"],
    ["init", "--user", "--site"],
    ["init", "--site", "--env"],
    ["init", "--cafile"],
    ["init", "--cafile", ""],
    ["init", "--capath", ""],
    ["init", "--capath", "a\0b"],
    ["init", "--certifi=yes"],
    ["init", "--no-force"],
    ["init", "--no-cafile"],
]


@pytest.mark.parametrize("arguments", WRONG, ids=shlex.join)
def test_wrong_usage(arguments: list[str], world: World) -> None:
    """What no subcommand takes exits with 2, with usage on standard error, and nothing is written."""
    code, out, err = world.run(*arguments)
    assert (code, out, err[:21]) == (2, "", "usage: fallback-roots")
    assert world.files() == {}


@pytest.mark.parametrize("name", _cli.CONFIG_COMMANDS)
def test_help(name: str, world: World) -> None:
    """Help of each subcommand is ASCII, fits 80 columns and ends in an example."""
    world.monkeypatch.setenv("COLUMNS", "80")
    code, out, err = world.run(name, "--help")
    assert (code, err) == (0, "")
    assert out.isascii()
    assert max(map(len, out.splitlines())) <= 80
    assert out.endswith(f"\n\nexample: {_cli.CONFIG_COMMANDS[name].example}\n")


@pytest.mark.parametrize("command", [each.example for each in _cli.CONFIG_COMMANDS.values()])
def test_examples_can_be_typed(command: str) -> None:
    """Each example is one that the parser takes."""
    name, *arguments = shlex.split(command)
    assert name == "fallback-roots"
    assert _cli.parser().parse_args(arguments).command == "config"


# ---------------------------------------------------------------- init: what is written, and where


@pytest.mark.parametrize(("option", "place"), [(None, "user"), ("--user", "user"), ("--site", "site"), ("--env", "env")])
def test_where(option: str | None, place: str, world: World) -> None:
    """The file goes where the option says, and of several site files into that of the highest precedence."""
    path: Path = getattr(world, place)
    code, out, err = world.run("init", *([option] if option else []), "--no-certifi")
    assert (code, err) == (0, "")
    assert words(out).startswith(
        f"Written: {path} Settings cafile = none (default) capath = none (default) certifi = false ({path}) "
    )
    assert list(world.files()) == [str(path.relative_to(world.root))]


UNSET = re.compile(r"^#(\w+ = .*)$", re.MULTILINE)


def test_every_key_is_in_the_file(world: World) -> None:
    """Without a choice the file is empty but for comments: each key's meaning, and its default."""
    assert world.run("init")[0] == 0
    text = world.user.read_text()
    assert all(line.startswith("#") for line in text.splitlines() if line)
    assert max(map(len, text.splitlines())) <= 80
    meanings = [words(part.replace("# ", "")) for part in re.findall(r"((?:^# .*\n)+)#\w", text, re.MULTILINE)]
    assert meanings == [what.meaning for what in _settings.KEYS.values()]
    assert UNSET.findall(text) == [
        'cafile = "/path/to/cafile"',
        'capath = "/path/to/capath"',
        "certifi = true",
        "prefer_system = false",
        "honor_ssl_env = false",
        "lazy = false",
        'cache = "/path/to/cache"',
        "disable = false",
    ]


def test_comments_can_be_taken_away(world: World) -> None:
    """A key behind a # is one that the reader takes once the # is gone."""
    world.run("init")
    world.user.write_text(UNSET.sub(r"\1", world.user.read_text()))
    read = _settings.read()
    assert (read.problems, set(read.origins.values())) == ((), {str(world.user)})


@pytest.mark.parametrize("option", ["--cafile", "--capath"])
def test_certifis_default_beside_a_path(option: str, world: World) -> None:
    """In a file with another source certifi's default is false, and the comment says so."""
    world.run("init", option, "x", "--force")
    assert "\n#certifi = false\n" in world.user.read_text()


@pytest.mark.parametrize("key", [key for key, what in _settings.KEYS.items() if what.type == "bool"])
@pytest.mark.parametrize("value", [True, False])
def test_a_choice(key: str, value: bool, world: World) -> None:
    """An option is the file's word for its key, a --no- option as well, and all other keys stay comments."""
    assert world.run("init", f"--{'' if value else 'no-'}{key.replace('_', '-')}")[0] == 0
    read = _settings.read()
    assert (read.values[key], read.problems) == (value, ())
    assert [name for name, origin in read.origins.items() if origin == str(world.user)] == [key]


def test_all_choices_at_once(world: World, ca_file: Path, hashed_directory: Path) -> None:
    """Each option says its own key, and no other."""
    switches = ("--certifi", "--no-prefer-system", "--honor-ssl-env", "--lazy", "--no-disable")
    paths = ("--cafile", str(ca_file), "--capath", str(hashed_directory), "--cache", "/cache")
    assert world.run("init", *paths, *switches)[0] == 0
    read = _settings.read()
    expected = [str(ca_file), str(hashed_directory), True, False, True, True, "/cache", False]
    assert read.values == dict(zip(KEYS, expected, strict=True))
    assert set(read.origins.values()) == {str(world.user)}


TYPED = [  # below the directory "here"; a link "link" there leads to "elsewhere/deep"
    ("ca.pem", "here/ca.pem"),
    ("./ca.pem", "here/ca.pem"),
    ("../ca.pem", "here/../ca.pem"),
    ("link/../ca.pem", "here/link/../ca.pem"),
    ("~/ca.pem", "home/ca.pem"),
    ("~nobody-of-that-name", "here/~nobody-of-that-name"),
]


@pytest.mark.parametrize(("typed", "expected"), TYPED)
def test_a_relative_path(typed: str, expected: str, world: World, ca_file: Path) -> None:
    """A path becomes absolute from the current directory, and leads to the file that it led to there."""
    for name in ("here", "home", "elsewhere/deep"):
        (world.root / name).mkdir(parents=True)
    (world.root / "here" / "link").symlink_to(world.root / "elsewhere" / "deep")
    world.monkeypatch.chdir(world.root / "here")
    Path(os.path.expanduser(typed)).write_bytes(ca_file.read_bytes())  # noqa: PTH111  # pathlib raises for an unknown user
    assert world.run("init", f"--cafile={typed}")[0] == 0
    assert _settings.read().values["cafile"] == str(world.root / expected)


def test_a_current_directory_that_is_gone(world: World) -> None:
    """Where a relative path has no meaning, one line says so, and nothing is written."""
    (world.root / "here").mkdir()
    world.monkeypatch.chdir(world.root / "here")
    (world.root / "here").rmdir()
    code, out, err = world.run("init", "--cafile", "ca.pem")
    assert (code, out, err) == (2, "", "fallback-roots: [Errno 2] No such file or directory\n")
    assert world.files() == {}


many = settings(max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PATHS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.text(
    "\"\\'#\n\r\t\x1b\x7f~./ $\u202e\ufeff"
)


@many
@given(cafile=PATHS, capath=PATHS, certifi=st.booleans())
def test_any_path_comes_back(cafile: str, capath: str, certifi: bool, tmp_path: Path) -> None:
    """Whatever is in a path, the reader finds the same path in the file, whose lines show all that is in them."""
    chosen = {"cafile": f"/{cafile}", "capath": f"/{capath}", "certifi": certifi}
    text = _config_file.file_text(chosen)
    path = tmp_path / "config.toml"
    path.write_bytes(text.encode())
    read = _settings.read({"FALLBACK_ROOTS_CONFIG": str(path)})
    assert read.problems == ()
    assert {name: read.values[name] for name in chosen} == chosen
    assert all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize("dots", [_config.MOST_DOTS, _config.MOST_DOTS + 1])
def test_a_path_of_many_dots(dots: int, tmp_path: Path) -> None:
    """The reader refuses lines of very many dots, which a path may have, and gets them in escapes."""
    path = tmp_path / "config.toml"
    path.write_text(_config_file.file_text({"cafile": "/" + "." * dots}))
    read = _settings.read({"FALLBACK_ROOTS_CONFIG": str(path)})
    assert (read.values["cafile"], read.problems) == ("/" + "." * dots, ())


def test_a_path_that_toml_cannot_say(world: World) -> None:
    """A name that is not UTF-8 is refused in words, and nothing is written, with --force neither."""
    name = os.fsdecode(b"a\xff.pem")
    for option in ("--cafile", "--capath"):
        said = world.run("init", option, name, "--force")
        expected = f"fallback-roots: {world.root}/a\\udcff.pem: cannot be written as TOML, since it is not UTF-8\n"
        assert said == (2, "", expected)
    assert world.files() == {}


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777], ids=oct)
def test_modes(mask: int, world: World, umask: Callable[[int], int]) -> None:
    """Whatever the umask, programs of all users may read the file, and only its owner may write."""
    umask(mask)
    assert world.run("init")[0] == 0
    made = [world.user, *world.user.parents[:3]]
    assert [stat.S_IMODE(path.stat().st_mode) for path in made] == [0o644, 0o755, 0o755, 0o755]


def test_a_directory_that_is_there_keeps_its_mode(world: World) -> None:
    """Only directories that init makes get a mode."""
    (world.root / "home").mkdir(mode=0o700)
    assert world.run("init")[0] == 0
    assert stat.S_IMODE((world.root / "home").stat().st_mode) == 0o700


def test_somebody_makes_the_directory_first(world: World) -> None:
    """A directory that comes to be in the meantime is as good as one that init makes."""
    mkdir = os.mkdir

    def twice(path: str, mode: int) -> None:
        mkdir(path, mode)
        mkdir(path, mode)

    world.monkeypatch.setattr(os, "mkdir", twice)
    assert world.run("init")[0] == 0
    assert world.user.exists()


# ---------------------------------------------------------------- init: sources that give nothing


def a_fifo(path: Path, _: str) -> None:
    os.mkfifo(path)


class Bad(NamedTuple):
    """How a source is made of a CA's PEM text, by which option it is chosen, and what is said of it."""

    option: str
    make: Callable[[Path, str], object]
    problem: str


SOURCES = {
    "missing": Bad("--cafile", lambda _, __: None, "cannot be read (No such file or directory)"),
    "empty": Bad("--cafile", lambda path, _: path.touch(), "holds no certificate (expected PEM: -----BEGIN CERTIFICATE-----)"),
    "not PEM": Bad(
        "--cafile",
        lambda path, _: path.write_text("hello"),
        "holds no certificate (expected PEM: -----BEGIN CERTIFICATE-----)",
    ),
    "truncated": Bad(
        "--cafile",
        lambda path, pem: path.write_text(pem[:200]),
        "1 of 1 certificates cannot be loaded: number 1, in line 1, is not whole",
    ),
    "directory": Bad("--cafile", lambda path, _: path.mkdir(), "is not a regular file (expected a PEM bundle)"),
    "FIFO": Bad("--cafile", a_fifo, "is not a regular file (expected a PEM bundle)"),
    "no hash": Bad(
        "--capath",
        lambda path, _: path.mkdir(),
        "has no readable file named like 9d04f354.0 (expected a hashed directory, as openssl rehash makes it)",
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_without_a_certificate(name: str, world: World, ca_file: Path) -> None:
    """A source that gives no certificate is refused, and nothing is written."""
    bad, path = SOURCES[name], world.root / "x"
    bad.make(path, ca_file.read_text())
    before = world.files()
    said = world.run("init", bad.option, "x")
    expected = f"fallback-roots: {path}: {bad.problem}; nothing is written (--force writes it all the same)\n"
    assert said == (2, "", expected)
    assert world.files() == before


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_without_a_certificate_by_force(name: str, world: World, ca_file: Path) -> None:
    """--force writes such a source all the same, and what is wrong with it is said."""
    bad, path = SOURCES[name], world.root / "x"
    bad.make(path, ca_file.read_text())
    code, out, err = world.run("init", bad.option, "x", "--force")
    assert (code, err) == (1, "")
    assert words(out).startswith(f"Written: {world.user} ! {path}: {bad.problem} Settings ")
    assert _settings.read().values[bad.option[2:]] == str(path)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_machine_that_needs_no_fallback(variable: str, world: World, ca_file: Path, hashed_directory: Path) -> None:
    """Where the default load finds roots, whoever writes a file is told that it has no effect."""
    world.monkeypatch.setenv(variable, str(ca_file if variable == "SSL_CERT_FILE" else hashed_directory))
    code, out, _ = world.run("init", "--cafile", str(ca_file))
    assert (code, "! Python's own default load finds roots here, so no setting has an effect" in words(out)) == (0, True)


def test_what_a_file_said_before(world: World, ca_file: Path, hashed_directory: Path) -> None:
    """--force names the settings that the file had and has no more."""
    world.write(world.user, f'capath = "{hashed_directory}"\ncafile = "/x"\n')
    _, out, _ = world.run("init", "--cafile", str(ca_file), "--force")
    assert words(out).startswith(f"Written: {world.user} ! capath was said in this file, and is not any more Settings ")


def test_a_broken_source_beside_a_good_one(world: World, ca_file: Path) -> None:
    """Every chosen source must give something."""
    code, _, err = world.run("init", "--cafile", str(ca_file), "--capath", "none")
    assert (code, world.files()) == (2, {})
    assert err.startswith(f"fallback-roots: {world.root}/none: cannot be read (No such file or directory) (expected a hashed")


def test_a_bundle_with_some_bad_certificates(world: World, ca_file: Path) -> None:
    """A bundle that gives its good certificates is written, with a remark."""
    bundle = world.root / "bundle.pem"
    bundle.write_text(ca_file.read_text() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    code, out, _ = world.run("init", "--cafile", "bundle.pem")
    assert code == 0
    assert f"! {bundle}: 1 of 2 certificates cannot be loaded: number 2, in line " in words(out)


def test_certifi_is_looked_at_only_when_chosen(world: World, ca_file: Path) -> None:
    """A certifi that is missing keeps nobody from writing a file without it."""
    world.monkeypatch.setitem(sys.modules, "certifi", None)
    assert world.run("init", "--cafile", str(ca_file))[0] == 0
    code, _, err = world.run("init", "--certifi", "--env")
    assert (code, err.partition(" (")[0]) == (2, "fallback-roots: certifi: cannot be imported")


# ---------------------------------------------------------------- init: what is there already


def a_file(path: Path) -> None:
    path.write_text("certifi = false\n")


def a_link(path: Path) -> None:
    a_file(path.with_name("theirs"))
    path.symlink_to("theirs")


STANDING: dict[str, Callable[[Path], object]] = {
    "a file": a_file,
    "an empty file": Path.touch,
    "a directory": Path.mkdir,
    "a FIFO": os.mkfifo,
    "a link to a file": a_link,
    "a dangling link": lambda path: path.symlink_to("theirs"),
    "a link to itself": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("name", STANDING)
def test_what_is_there_stays(name: str, world: World) -> None:
    """Without --force nothing is written where anything stands, and one line says so."""
    world.user.parent.mkdir(parents=True)
    STANDING[name](world.user)
    before, what = world.files(), world.user.lstat()
    assert world.run("init") == (2, "", f"fallback-roots: {world.user}: is there already (--force writes over it)\n")
    assert (world.files(), world.user.lstat()) == (before, what)


@pytest.mark.parametrize("name", ["a file", "an empty file", "a link to itself"])
def test_force(name: str, world: World) -> None:
    """--force replaces a file by another one, so that whoever reads the old one reads it to its end."""
    world.user.parent.mkdir(parents=True)
    STANDING[name](world.user)
    world.user.lstat()
    assert world.run("init", "--certifi", "--force")[0] == 0
    assert not world.user.is_symlink()
    assert _settings.read().origins["certifi"] == str(world.user)
    assert list(world.files()) == [str(world.user.relative_to(world.root))]


@pytest.mark.parametrize("name", ["a link to a file", "a dangling link"])
def test_a_link_stays(name: str, world: World) -> None:
    """With --force a link stays a link, and what it leads to is replaced or made."""
    world.user.parent.mkdir(parents=True)
    STANDING[name](world.user)
    assert world.run("init", "--certifi", "--force")[0] == 0
    assert os.readlink(world.user) == "theirs"  # noqa: PTH115  # as it was written
    assert "\ncertifi = true\n" in world.user.with_name("theirs").read_text()


def a_link_to_a_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("theirs"))
    path.symlink_to("theirs")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, a_link_to_a_fifo])
def test_what_is_no_file_is_left_alone(make: Callable[[Path], object], world: World) -> None:
    """--force replaces no directory and nothing special (a FIFO, a device), also not at the end of a link."""
    world.user.parent.mkdir(parents=True)
    make(world.user)
    before = world.user.stat().st_ino
    code, out, err = world.run("init", "--force")
    expected = f"fallback-roots: {world.user.resolve()}: is not a regular file, and stays as it is\n"
    assert (code, out, err) == (2, "", expected)
    assert world.user.stat().st_ino == before


# ---------------------------------------------------------------- init: whole or not at all

# At which step something goes wrong.
STEPS = [("tempfile", "mkstemp"), ("os", "fsync"), ("os", "chmod"), ("os", "replace")]
ERRORS: list[tuple[BaseException, int, str]] = [
    (OSError(errno.ENOSPC, "No space left on device"), 2, "cannot be written (No space left on device)"),
    (PermissionError(errno.EACCES, "Permission denied"), 2, "cannot be written (Permission denied)"),
    (KeyboardInterrupt(), 130, ""),
]


@pytest.mark.parametrize(("module", "step"), STEPS, ids=[step for _, step in STEPS])
@pytest.mark.parametrize(("error", "code", "said"), ERRORS, ids=["full", "denied", "Ctrl-C"])
@pytest.mark.parametrize("old", ["certifi = false\n", None], ids=["old", "new"])
def test_a_fault_at_any_step(
    module: str, step: str, error: BaseException, code: int, said: str, old: str | None, world: World
) -> None:
    """Whatever goes wrong leaves the file that was there or none, no temporary file, and no traceback."""
    world.user.parent.mkdir(parents=True)
    if old is not None:
        world.user.write_text(old)
    before = world.files()
    with world.monkeypatch.context() as patch:
        patch.setattr(sys.modules[module], step, raises(error))
        if old is None:
            patch.setattr(os, "link", raises(OSError(errno.EPERM, "no links here")))  # so that each step is used
        done = world.run("init", *(["--force"] if old is not None else []))
    assert done == (code, "", f"fallback-roots: {world.user}: {said}\n" if said else "")
    assert world.files() == before


@pytest.mark.parametrize("error", [OSError(errno.EPERM, "no"), OSError(errno.EOPNOTSUPP, "no")], ids=repr)
def test_without_hard_links(error: OSError, world: World) -> None:
    """Where the file system has no hard links, the file is written nevertheless, and still over no other one."""
    world.monkeypatch.setattr(os, "link", raises(error))
    assert world.run("init", "--certifi")[0] == 0
    first = world.files()
    assert "\ncertifi = true\n" in world.user.read_text()
    assert stat.S_IMODE(world.user.stat().st_mode) == 0o644
    assert world.run("init")[2] == f"fallback-roots: {world.user}: is there already (--force writes over it)\n"
    assert world.files() == first


def test_an_interrupt_while_the_file_is_put_in_its_place(world: World) -> None:
    """Ctrl-C before the link leaves nothing, and after it the whole file."""
    link = os.link

    def then_interrupt(source: str, target: str) -> None:
        link(source, target)
        raise KeyboardInterrupt

    with world.monkeypatch.context() as patch:
        patch.setattr(os, "link", raises(KeyboardInterrupt()))
        assert world.run("init") == (130, "", "")
    assert world.files() == {}
    world.monkeypatch.setattr(os, "link", then_interrupt)
    assert world.run("init") == (130, "", "")
    assert list(world.files().values()) == [_config_file.file_text({})]


@pytest.mark.parametrize("links", [True, False])
def test_somebody_is_faster(links: bool, world: World) -> None:
    """A file that comes to be while init is at work is not written over."""
    fsync = os.fsync

    def lose(descriptor: int) -> None:
        fsync(descriptor)
        world.user.write_text("disable = true\n")

    world.monkeypatch.setattr(os, "fsync", lose)
    if not links:
        world.monkeypatch.setattr(os, "link", raises(OSError(errno.EPERM, "no")))
    assert world.run("init")[::2] == (2, f"fallback-roots: {world.user}: is there already (--force writes over it)\n")
    assert list(world.files().values()) == ["disable = true\n"]


def test_a_race(world: World) -> None:
    """Of many that write at once one succeeds, and it is its file that is there."""
    start = threading.Barrier(8)
    won: list[str] = []

    def take_part(text: str) -> None:
        start.wait()
        try:
            _new_file.write(str(world.user), text, force=False)
        except FileExistsError:
            return
        won.append(text)

    threads = [threading.Thread(target=take_part, args=(f"# {number}\n" * 1000,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(world.files().values()) == won


@pytest.mark.parametrize("force", [[], ["--force"]], ids=repr)
def test_the_temporary_file(force: list[str], world: World) -> None:
    """What is not whole yet stands beside the file, on the same file system, under a name that no reader looks for."""
    fsync = os.fsync
    seen: list[Path] = []

    def look(descriptor: int) -> None:
        fsync(descriptor)
        seen.extend(world.user.parent.iterdir())

    world.monkeypatch.setattr(os, "fsync", look)
    assert world.run("init", *force)[0] == 0
    assert [path.name[:16] for path in seen] == [".fallback-roots-"]
    assert list(world.user.parent.iterdir()) == [world.user]


def test_killed(tmp_path: Path) -> None:
    """A process that is killed while it writes leaves the old file."""
    path = tmp_path / ".config" / "fallback-roots" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text("certifi = false\n")
    program = "import os, signal, sys; os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
    program += "from fallback_roots._cli import main; main(['config', 'init', '--force'])"
    done = python("-c", program, env={"HOME": str(tmp_path)})
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGKILL, "", "")
    assert path.read_text() == "certifi = false\n"


def test_a_directory_that_may_not_be_written(tmp_path: Path) -> None:
    """Without the right to write there, one line says which file cannot be written and why."""
    place = tmp_path / ".config" / "fallback-roots"
    place.mkdir(parents=True)
    place.chmod(0o555)
    done = python("-m", "fallback_roots", "config", "init", env={"HOME": str(tmp_path)}, prefix=BOUND_BY_MODES)
    expected = f"fallback-roots: {place}/config.toml: cannot be written (Permission denied)\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)


@pytest.mark.parametrize("blocked", ["home", "home/.config", "home/.config/fallback-roots"])
def test_a_file_in_the_way_of_a_directory(blocked: str, world: World) -> None:
    """Where a parent is a file, it is said to be no directory, and stays."""
    world.write(world.root / blocked, "mine")
    (world.root / blocked).chmod(0o600)
    said = world.run("init")
    assert said == (2, "", f"fallback-roots: {world.user}: cannot be written (Not a directory)\n")
    assert world.files() == {blocked: "mine"}
    assert stat.S_IMODE((world.root / blocked).stat().st_mode) == 0o600


# ---------------------------------------------------------------- init: places that are not


def test_no_absolute_place(world: World) -> None:
    """Where platformdirs gives a relative path, there is no user's place, and the current directory gets no file."""
    directories = types.SimpleNamespace(user_config_dir=".config/fallback-roots", site_config_dir=str(world.site.parent))
    says = types.SimpleNamespace(PlatformDirs=lambda *_, **__: directories)
    world.monkeypatch.setitem(sys.modules, "platformdirs", says)
    said = "fallback-roots: there is no place for --user, since its directory is not an absolute path\n"
    assert world.run("init") == (2, "", said)
    assert world.files() == {}


def test_raised_privileges_have_no_user(world: World) -> None:
    """A process with raised privileges has no user's file, but the host's and the environment's."""
    world.monkeypatch.setattr(_places, "raised_privileges", lambda: True)
    said = "fallback-roots: there is no place for --user, since the process has raised privileges\n"
    assert world.run("init", "--user") == (2, "", said)
    assert world.run("init", "--env")[0] == 0
    assert list(world.files()) == ["prefix/fallback-roots.toml"]


def test_platformdirs_is_missing(world: World) -> None:
    """Without platformdirs the user's place is not known, but the environment's is; then the settings have a fault."""
    world.monkeypatch.setitem(sys.modules, "platformdirs", None)
    code, _, err = world.run("init", "--user")
    assert (code, err[:67]) == (2, "fallback-roots: platformdirs: cannot tell where config files are (M")
    code, out, _ = world.run("init", "--env")
    assert code == 1
    assert out.startswith(f"Written: {world.env}\n")
    assert "\n  ! platformdirs: cannot tell" in out


# ---------------------------------------------------------------- init: what is in effect then


class Override(NamedTuple):
    """What else is set: files by place, and variables; and what is said of it."""

    files: dict[str, str]
    variables: dict[str, str]
    said: str


OVERRIDES = {
    "nothing": Override({}, {}, ""),
    "a lower place": Override({"site": "certifi = true"}, {}, ""),
    "another key": Override({"env": "disable = true"}, {}, ""),
    "a higher place": Override({"env": "certifi = true"}, {}, "! certifi is set by {env}, which has precedence over this file"),
    "the same word in a higher place": Override(
        {"env": "certifi = false"}, {}, "! certifi is set by {env}, which has precedence over this file"
    ),
    "a variable": Override(
        {}, {"CERTIFI": "0"}, "! certifi is set by FALLBACK_ROOTS_CERTIFI, which has precedence over this file"
    ),
    "another file": Override({}, {"CONFIG": "{other}"}, "! FALLBACK_ROOTS_CONFIG is set, so this file is not read"),
    "no file": Override({}, {"CONFIG": os.devnull}, "! FALLBACK_ROOTS_CONFIG is set, so this file is not read"),
    "this file": Override({}, {"CONFIG": "{user}"}, ""),
}


@pytest.mark.parametrize("name", OVERRIDES)
def test_what_overrides_it(name: str, world: World) -> None:
    """Whatever keeps the new file from having its way is named, and nothing else."""
    override = OVERRIDES[name]
    paths = {"user": world.user, "env": world.env, "other": world.root / "other.toml"}
    world.write(world.root / "other.toml", "")
    for place, text in override.files.items():
        world.write(getattr(world, place), text)
    variables = {variable: value.format(**paths) for variable, value in override.variables.items()}
    code, out, err = world.run("init", "--no-certifi", **variables)
    assert (code, err) == (0, "")
    said = override.said.format(**paths)
    assert words(out).startswith(words(f"Written: {world.user} {said} Settings "))


def test_a_fault_elsewhere(world: World) -> None:
    """Where another place has a fault, nothing is loaded in spite of the new file: exit code 1 and the fault say so."""
    world.write(world.env, "certifi = 1")
    code, out, _ = world.run("init", "--no-certifi")
    assert code == 1
    assert f"! {world.env}: certifi = 1 is not a boolean (true or false)" in words(out)
    assert out.endswith("\n\nIn effect: nothing is loaded while there is a fault.\n")


def test_a_place_that_is_not_trusted(world: World) -> None:
    """A file that the reader will not trust, for anybody may replace it, is a fault as soon as it is written."""
    (world.root / "home").mkdir()
    (world.root / "home").chmod(0o777)
    code, out, _ = world.run("init", "--no-certifi")
    assert code == 1
    assert f"! {world.user}: is in {world.root}/home, which is writable by everybody (mode 0777)" in words(out)
    assert "precedence over this file" not in words(out)


# ---------------------------------------------------------------- check


class Checked(NamedTuple):
    """What is set, the exit code, and what is said."""

    files: dict[str, str]
    variables: dict[str, str]
    code: int
    said: str


NOT_A_BOOLEAN = "is not a boolean (true or false)"
CHECKS = {
    "nothing": Checked({}, {}, 0, "No fault: the fallback is certifi {certifi} ({number} certificates)."),
    "a file": Checked({"user": "cafile = '{ca}'"}, {}, 0, "No fault: the fallback is cafile {ca} (1 certificate)."),
    "a variable": Checked({}, {"CAFILE": "{ca}"}, 0, "No fault: the fallback is cafile {ca} (1 certificate)."),
    "two sources": Checked(
        {"site": "cafile = '{ca}'", "env": "capath = '{hashed}'"},
        {},
        0,
        "No fault: the fallback is cafile {ca} (1 certificate) and capath {hashed} (1 certificate).",
    ),
    "no source": Checked({"user": "certifi = false"}, {}, 0, "No fault: the fallback is nothing, since no source is chosen."),
    "the system's": Checked(
        {"user": "prefer_system = true\ncafile = '{ca}'"},
        {},
        0,
        "No fault: the fallback is what the operating system keeps, or else cafile {ca} (1 certificate).",
    ),
    "off by a file": Checked({"user": "disable = true"}, {}, 0, "No fault: {user} switches fallback-roots off."),
    "off by a variable": Checked({}, {"DISABLE": "1"}, 0, "No fault: FALLBACK_ROOTS_DISABLE switches fallback-roots off."),
    "no file": Checked(
        {"user": "certifi = 1"},
        {"CONFIG": os.devnull, "CAFILE": "{ca}"},
        0,
        "No fault: the fallback is cafile {ca} (1 certificate).",
    ),
    "a broken cafile": Checked(
        {"user": "cafile = '/nonexistent'"},
        {},
        1,
        "! /nonexistent: cannot be read (No such file or directory); cafile is set by {user} 1 fault.",
    ),
    "a broken cafile of a variable": Checked(
        {},
        {"CAFILE": "/nonexistent"},
        1,
        "! /nonexistent: cannot be read (No such file or directory); cafile is set by FALLBACK_ROOTS_CAFILE 1 fault.",
    ),
    "a broken cafile beside a good source": Checked(
        {"user": "cafile = '/nonexistent'\ncertifi = true"},
        {},
        1,
        "! /nonexistent: cannot be read (No such file or directory); cafile is set by {user} 1 fault.",
    ),
    "a broken cafile behind the system's": Checked(
        {"user": "cafile = '/nonexistent'\nprefer_system = true"},
        {},
        1,
        "! /nonexistent: cannot be read (No such file or directory); cafile is set by {user} 1 fault.",
    ),
    "a broken cafile while it is off": Checked(
        {"user": "cafile = '/nonexistent'\ndisable = true"},
        {},
        1,
        "! /nonexistent: cannot be read (No such file or directory); cafile is set by {user} 1 fault.",
    ),
    "a capath that is two": Checked(
        {"user": "capath = '/a:/b'"}, {}, 1, "! /a:/b: contains ':' (expected one directory); capath is set by {user} 1 fault."
    ),
    "faults everywhere": Checked(
        {"site": "certifi = 0", "user": "disable = []\ncapath = '/nonexistent'", "env": "no TOML"},
        {"CERTIFI": "no?"},
        1,
        f"! {{site}}: certifi = 0 {NOT_A_BOOLEAN} ! {{user}}: disable = [] {NOT_A_BOOLEAN} ! {{env}}: is not TOML "
        "(Expected '=' after a key in a key/value pair (at line 1, column 4)) "
        '! FALLBACK_ROOTS_CERTIFI="no?" is not a boolean (1, true, yes, on, 0, false, no or off) '
        "! /nonexistent: cannot be read (No such file or directory) "
        "(expected a hashed directory, as openssl rehash makes it); capath is set by {user} 5 faults.",
    ),
    "a named file that is missing": Checked(
        {}, {"CONFIG": "/nonexistent.toml"}, 1, "! /nonexistent.toml: cannot be opened (No such file or directory) 1 fault."
    ),
}


@pytest.mark.parametrize("name", CHECKS)
def test_check(name: str, world: World, ca_file: Path, hashed_directory: Path) -> None:
    """check says every fault of what is in effect, or that there is none and what the fallback is."""
    import certifi

    checked = CHECKS[name]
    facts = {
        "ca": ca_file,
        "hashed": hashed_directory,
        "certifi": certifi.__file__,
        "number": certifi_roots(),
        "site": world.site,
        "user": world.user,
        "env": world.env,
    }
    for place, text in checked.files.items():
        world.write(getattr(world, place), text.format(**facts))
    code, out, err = world.run("check", **{name: value.format(**facts) for name, value in checked.variables.items()})
    assert (code, words(out), err) == (checked.code, checked.said.format(**facts), "")


def test_a_certifi_that_is_broken(world: World) -> None:
    """A certifi that nobody has chosen is in effect where nothing else is, and a fault when it is missing."""
    world.monkeypatch.setitem(sys.modules, "certifi", None)
    code, out, _ = world.run("check")
    halted = "ModuleNotFoundError: import of certifi halted; None in sys.modules"
    assert (code, words(out)) == (1, f"! certifi: cannot be imported ({halted}) 1 fault.")


def test_certifi_is_not_blamed_for_what_cannot_be_known(world: World) -> None:
    """While settings have a fault it is not known whether certifi is chosen, so it is not looked at."""
    world.monkeypatch.setitem(sys.modules, "certifi", None)
    world.write(world.user, "cafil = 'corp.pem'")
    assert world.run("check")[1].endswith("\n1 fault.\n")
    world.write(world.user, "cafil = 'corp.pem'\ncertifi = true")
    assert world.run("check")[1].endswith("\n2 faults.\n")


def test_a_file_alone(world: World, ca_file: Path) -> None:
    """check FILE is about that file: no other place, no variable."""
    world.write(world.user, "certifi = 1")
    (world.root / "ca.pem").write_bytes(ca_file.read_bytes())
    world.write(world.root / "new.toml", "cafile = 'ca.pem'")
    code, out, err = world.run("check", "new.toml", CERTIFI="maybe", CONFIG="relative")
    assert (code, words(out), err) == (0, f"No fault: the fallback is cafile {world.root}/ca.pem (1 certificate).", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("certifi = 1", f"! {{path}}: certifi = 1 {NOT_A_BOOLEAN} 1 fault."),
        ("cafile = 'none'", "! {root}/none: cannot be read (No such file or directory); cafile is set by {path} 1 fault."),
        (None, "! {path}: cannot be opened (No such file or directory) 1 fault."),
    ],
)
@pytest.mark.parametrize("typed", ["new.toml", "./new.toml", "~/new.toml"])
def test_faults_of_a_file_alone(typed: str, text: str | None, said: str, world: World) -> None:
    """The faults of FILE are found, with its absolute path; those of a missing one, too."""
    path = world.root / "home" / "new.toml"
    path.parent.mkdir()
    world.monkeypatch.chdir(path.parent)
    if text is not None:
        path.write_text(text)
    code, out, err = world.run("check", typed)
    assert (code, words(out), err) == (1, said.format(path=path, root=path.parent), "")


def test_the_null_device_alone(world: World) -> None:
    """As FALLBACK_ROOTS_CONFIG has it, the null device says nothing."""
    assert world.run("check", os.devnull)[1].startswith("No fault: the fallback is certifi\n")


def test_a_file_alone_with_raised_privileges(world: World) -> None:
    """Where FALLBACK_ROOTS_CONFIG has no say, check FILE does not check another file in its place."""
    world.monkeypatch.setattr(_places, "raised_privileges", lambda: True)
    world.write(world.root / "new.toml", "")
    said = "with raised privileges FALLBACK_ROOTS_CONFIG has no say, so no file can be checked alone"
    assert world.run("check", "new.toml") == (2, "", f"fallback-roots: {said}\n")


def test_a_directory_that_cannot_be_listed() -> None:
    """A source of an unknown number of certificates is said to be that."""
    read = Settings(dict.fromkeys(KEYS), dict.fromkeys(KEYS, "default"), (), ())
    said = config._effect(read, (Source("capath", "/certs", None),))
    assert said == "the fallback is capath /certs (an unknown number of certificates)"


# ---------------------------------------------------------------- path


def test_path(world: World) -> None:
    """All config files, which of them are there, and what is wrong with them; without a variable that is said."""
    world.write(world.user, "certifi = 1")
    code, out, err = world.run("path")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    fault = lines.index(f"  - user, there: {world.user}") + 1
    assert words(" ".join(lines[fault:-3])) == f"! {world.user}: certifi = 1 {NOT_A_BOOLEAN}"
    assert lines[fault].startswith("      ! /")
    assert lines[: fault - 1] + lines[-3:] == [
        "Config files, lowest precedence first",
        f"  - site, not there: {world.root}/other/fallback-roots/config.toml",
        f"  - site, not there: {world.site}",
        f"  - environment, not there: {world.env}",
        "",
        "Variables: none is set",
    ]


def test_path_with_variables(world: World) -> None:
    """The variables that are set are named, those that mean nothing as well, with what is wrong with them."""
    code, out, err = world.run("path", CERTIFI="1", CAFIL="x")
    assert (code, err) == (0, "")
    said = out.partition("\n\n")[2].splitlines()
    assert said[:3] == ["Variables, above all files", "  - FALLBACK_ROOTS_CAFIL=x", "  - FALLBACK_ROOTS_CERTIFI=1"]
    assert said[3].startswith("  ! FALLBACK_ROOTS_CAFIL: is not a variable of fallback-roots")


@pytest.mark.parametrize(
    ("value", "first"),
    [
        ("{root}/named.toml", "Config files, lowest precedence first\n  - FALLBACK_ROOTS_CONFIG, there: {root}/named.toml\n"),
        ("{root}/none.toml", "Config files, lowest precedence first\n  - FALLBACK_ROOTS_CONFIG, not there: {root}/none.toml\n"),
        (os.devnull, "Config files: none is read\n\n"),
        ("relative", "Config files: none is read\n\n"),
    ],
)
def test_path_with_a_named_file(value: str, first: str, world: World) -> None:
    """Where FALLBACK_ROOTS_CONFIG is set, the others are named as not read, and whether they are there."""
    world.write(world.root / "named.toml", "")
    world.write(world.site, "")
    value = value.format(root=world.root)
    code, out, err = world.run("path", CONFIG=value)
    assert (code, err) == (0, "")
    assert out.startswith(first.format(root=world.root))
    assert (
        "\nNot read, because FALLBACK_ROOTS_CONFIG is set\n"
        f"  - site, not there: {world.root}/other/fallback-roots/config.toml\n"
        f"  - site, there: {world.site}\n"
        f"  - user, not there: {world.user}\n"
        f"  - environment, not there: {world.env}\n"
        "\nVariables, above all files\n"
        f"  - FALLBACK_ROOTS_CONFIG={value}\n"
    ) in out


def test_path_with_a_named_file_that_has_a_place(world: World) -> None:
    """A file that FALLBACK_ROOTS_CONFIG names is not among those that are not read."""
    world.write(world.user, "")
    assert world.run("path", CONFIG=str(world.user))[1].count(str(world.user)) == 2  # itself, and the variable's value


def test_path_with_raised_privileges(world: World) -> None:
    """With raised privileges variables have no say, but for the off switch, and there is no user's file."""
    world.monkeypatch.setattr(_places, "raised_privileges", lambda: True)
    out = words(world.run("path", CERTIFI="1", DISABLE="1")[1])
    silent = "(has no say: the process has raised privileges)"
    assert out.endswith(f"above all files - FALLBACK_ROOTS_CERTIFI=1 {silent} - FALLBACK_ROOTS_DISABLE=1")
    assert "- user" not in out


# ---------------------------------------------------------------- show


def test_show(world: World, ca_file: Path) -> None:
    """show says each setting's value with the place that it came from, then the files."""
    world.write(world.user, f"cafile = '{ca_file}'\ncertifi = true")
    code, out, err = world.run("show", HONOR_SSL_ENV="yes")
    assert (code, err) == (0, "")
    assert words(out) == words(f"""
        Settings
          cafile        = {ca_file} ({world.user})
          capath        = none (default)
          certifi       = true ({world.user})
          prefer_system = false (default)
          honor_ssl_env = true (FALLBACK_ROOTS_HONOR_SSL_ENV)
          lazy          = false (default)
          cache         = none (default)
          disable       = false (default)
        Config files, lowest precedence first
          - site, not there: {world.root}/other/fallback-roots/config.toml
          - site, not there: {world.site}
          - user, there: {world.user}
          - environment, not there: {world.env}""")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"DISABLE": "1"}, "FALLBACK_ROOTS_DISABLE switches fallback-roots off"),
        ({"CERTIFI": "2"}, "nothing is loaded while there is a fault"),
        ({"CERTIFI": "2", "DISABLE": "1"}, "FALLBACK_ROOTS_DISABLE switches fallback-roots off"),
    ],
)
def test_show_says_when_settings_do_not_matter(variables: dict[str, str], said: str, world: World) -> None:
    """While it is off, or has a fault, the settings are not what is loaded, and the last line says so; the exit code is 0."""
    code, out, _ = world.run("show", **variables)
    assert code == 0
    assert out.endswith(f"\n\nIn effect: {said}.\n")


SCHEMA = json.loads((ROOT / "docs" / "config-schema.json").read_text(encoding="utf-8"))
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
NOTES = {"$schema", "$defs", "title", "description"}


def violations(value: Any, schema: dict[str, Any], where: str = "$") -> Iterator[str]:
    """What in `value` is against `schema`, or not described by it; of JSON Schema what our schemas use, and no more."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    unknown = set(schema) - NOTES - {"type", "const", "enum", "required", "properties", "items"}
    assert not unknown, f"{where}: {unknown}"
    if "const" in schema and (type(value), value) != (type(schema["const"]), schema["const"]):
        yield f"{where} is not {schema['const']}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where} is {value!r}"
    names = schema.get("type", [])
    if names and type(value) not in [TYPES[name] for name in ([names] if isinstance(names, str) else names)]:
        yield f"{where} is no {names}"
    elif isinstance(value, dict):
        if set(value) != set(schema["properties"]) or set(schema["required"]) != set(value):
            yield f"{where} has {sorted(value)}"
        for name in set(value) & set(schema["properties"]):
            yield from violations(value[name], schema["properties"][name], f"{where}.{name}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from violations(each, schema["items"], f"{where}[{number}]")


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"CAFILE": "/ca.pem"},
        {"CONFIG": "/nonexistent"},
        {"CONFIG": os.devnull},
        {"CONFIG": "relative", "CERTIFI": "2"},
        {"DISABLE": "1"},
        {"CAPATH": os.fsdecode(b"/\xff")},
    ],
    ids=repr,
)
def test_the_schema(variables: dict[str, str], world: World) -> None:
    """What --json prints is one JSON object as the documentation's schema has it, with every name of it."""
    world.write(world.env, "cafil = 1")
    code, out, err = world.run("show", "--json", **variables)
    assert (code, err) == (0, "")
    assert list(violations(json.loads(out), SCHEMA)) == []


def test_json(world: World, ca_file: Path) -> None:
    """The JSON has the reader's facts, the faults of a file with the file and all faults at the top."""
    world.write(world.user, f"cafile = '{ca_file}'\ncertifi = 1")
    facts = json.loads(world.run("show", "--json", DISABLE="yes", CAPATH="x")[1])
    of_file = f"{world.user}: certifi = 1 {NOT_A_BOOLEAN}"
    assert facts["schema_version"] == 1
    assert facts["settings"] == {
        "cafile": {"value": str(ca_file), "origin": str(world.user)},
        "capath": {"value": None, "origin": "default"},
        "certifi": {"value": False, "origin": "default"},
        "prefer_system": {"value": False, "origin": "default"},
        "honor_ssl_env": {"value": False, "origin": "default"},
        "lazy": {"value": False, "origin": "default"},
        "cache": {"value": None, "origin": "default"},
        "disable": {"value": True, "origin": "FALLBACK_ROOTS_DISABLE"},
    }
    assert facts["config_files"][2:] == [
        {"path": str(world.user), "origin": "user", "exists": True, "problems": [of_file]},
        {"path": str(world.env), "origin": "environment", "exists": False, "problems": []},
    ]
    assert facts["problems"] == [of_file, 'FALLBACK_ROOTS_CAPATH="x" is not an absolute path']


def test_a_named_file_that_is_not_there(world: World) -> None:
    """The JSON says of a named file whether it exists, which is not the same as whether it has a fault."""
    (file,) = json.loads(world.run("show", "--json", CONFIG="/nonexistent.toml")[1])["config_files"]
    assert (file["exists"], len(file["problems"])) == (False, 1)


# ---------------------------------------------------------------- how it is printed


@pytest.mark.parametrize("command", [["path"], ["show"], ["check"], ["init", "--capath", "x\x1b[2J", "--force"], ["init"]])
def test_what_a_terminal_would_obey(command: list[str], world: World, ca_file: Path) -> None:
    """Whatever is in the paths, lines are printable, and longer than 80 columns only for a single word."""
    home = world.root / "ho\x1b[31m\nme \u202e\u00e9"
    world.monkeypatch.setenv("HOME", str(home))
    world.monkeypatch.setenv("XDG_CONFIG_DIRS", str(world.root / ("long " * 30)))
    world.write(world.env, f"cafile = '{ca_file}'\ncafil = '\\u001b'")
    world.write(home / ".config/fallback-roots/config.toml", "certifi = 1")
    code, out, err = world.run(*command, DISABLE="\x1b[31m\n", CAPATH="\u202e")
    assert code in (0, 1, 2)
    lines = (out + err).splitlines()
    assert lines
    assert all(line.isprintable() for line in lines)
    wrapped = [line for line in out.splitlines() if not line.startswith(("  - ", "Written: "))]
    assert all(len(line) <= _text.WIDTH or " " not in line.strip().removeprefix("! ") for line in wrapped)


# ---------------------------------------------------------------- the page

PAGE = (ROOT / "docs" / "config-command.md").read_text(encoding="utf-8")
SESSIONS = re.findall(r"^```console\n\$ (.*?)fallback-roots config (.*?)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(SESSIONS)))
def test_the_page(number: int, world: World, ca_file: Path) -> None:
    """What the page shows is what the command prints."""
    variables, command, said = SESSIONS[number]
    home = world.root / "home" / "ann"
    home.mkdir(parents=True)
    (home / "corp.pem").write_bytes(ca_file.read_bytes())
    world.monkeypatch.setenv("HOME", str(home))
    world.monkeypatch.setenv("XDG_CONFIG_DIRS", str(world.root / "etc" / "xdg"))
    world.monkeypatch.setattr(sys, "prefix", str(home / "venv"))
    world.monkeypatch.chdir(home)
    set_here = dict(pair.split("=") for pair in variables.replace("FALLBACK_ROOTS_", "").split())
    if command == "check":
        world.write(home / ".config/fallback-roots/config.toml", 'cafil = "corp.pem"')
        set_here = {"CERTIFI": "maybe"}
    elif command == "path":
        world.write(home / ".config/fallback-roots/config.toml", "")
    _, out, err = world.run(*command.split(), **set_here)
    assert (words(out).replace(str(world.root), ""), err) == (words(said), "")


def test_the_page_has_sessions() -> None:
    """The page shows more than nothing."""
    assert sorted(command.split()[0] for _, command, _ in SESSIONS) == ["check", "init", "path"]


def test_file_is_data() -> None:
    """The reader's File has the names that the schema gives a config file."""
    assert set(File._fields) == set(SCHEMA["properties"]["config_files"]["items"]["properties"])
