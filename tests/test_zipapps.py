"""Programs in one zip: zipapp, a zip on PYTHONPATH, shiv and pex; built by the commands that `docs/zipapps.md` shows.

Each asks the tests' server for its page, on a machine without CA certificates, with a fallback that is the server's CA.
"""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from https_server import Server
from support import NO_CAS, ROOT, environment, python

DEPENDENCIES = ("certifi", "platformdirs", "wrapt", *(["tomli"] if sys.version_info < (3, 11) else []))
LINE = "import fallback_roots.auto"
WARNING = re.compile(r"fallback-roots: Python's default CA load found no certificate; loaded \d+ roots? from [^\n]*\n")
FAILED = "CERTIFICATE_VERIFY_FAILED"


def shown(page: str, heading: str, language: str) -> str:
    """The first code that a page of the documentation shows in that language under that heading."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    return text.partition(f"```{language}\n")[2].partition("```")[0]


def make_wheelhouse(directory: Path, wheel: Path) -> Path:
    """A directory with our wheel and those that it needs, made of what is installed here: no index is asked."""
    shutil.copy(wheel, directory)
    for name in DEPENDENCIES:
        distribution = importlib.metadata.distribution(name)
        tag = re.search(r"^Tag: (.+)$", distribution.read_text("WHEEL") or "", re.MULTILINE)
        assert tag is not None
        with zipfile.ZipFile(directory / f"{name}-{distribution.version}-{tag[1]}.whl", "w") as archive:
            for file in distribution.files or []:
                if ".." not in file.parts and "__pycache__" not in file.parts and file.name not in ("INSTALLER", "REQUESTED"):
                    archive.write(file.locate(), str(file))
    return directory


@pytest.fixture(scope="module")
def wheelhouse(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`make_wheelhouse`."""
    return make_wheelhouse(tmp_path_factory.mktemp("wheelhouse"), wheel)


def build(commands: str, directory: Path, wheelhouse: Path, line: bool) -> None:
    """Run a page's `commands` beside a `src` that holds the page's program, without its first line unless `line`."""
    program = shown("zipapps.md", "zipapp", "python")
    assert program.startswith(LINE)
    (directory / "src").mkdir(parents=True)
    (directory / "src" / "app.py").write_text(program if line else program.partition("\n")[2])
    env = environment(
        {
            "HOME": str(directory),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheelhouse),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
    )
    done = subprocess.run(
        ["bash", "-euc", commands], cwd=directory, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def zipapp(wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's zipapp, beside the `build` that it was made of."""
    directory = tmp_path_factory.mktemp("zipapp")
    build(shown("zipapps.md", "zipapp", "sh"), directory, wheelhouse, line=True)
    return directory / "app.pyz"


@pytest.fixture
def ca_less(ca_file: Path) -> dict[str, str]:
    """The environment of a machine without CA certificates, whose fallback is the server's CA."""
    return {**NO_CAS, "FALLBACK_ROOTS_CONFIG": os.devnull, "FALLBACK_ROOTS_CAFILE": str(ca_file)}


def asks(interpreter: Path, application: Path, server: Server, env: Mapping[str, str], *flags: str) -> str:
    """What comes of it when the application asks `server` for its page.

    ``mended``: the page, and one WARNING; ``untouched``: the page, in silence; ``failed``: the handshake, as without us. What
    the application unpacks goes to a home beside it.
    """
    env = {"HOME": str(application.parent), **env}
    done = python(*flags, application, server.url, executable=interpreter, env=env)
    if (done.returncode, done.stdout) == (0, "hello\n"):
        return "mended" if WARNING.fullmatch(done.stderr) else "untouched" if not done.stderr else done.stderr
    failed = (done.returncode, done.stdout) == (1, "") and FAILED in done.stderr and "fallback" not in done.stderr
    return "failed" if failed else done.stdout + done.stderr


def held(interpreter: Path, application: Path, server: Server, ca_less: dict[str, str], ca_file: Path) -> list[str]:
    """`asks`: without CA certificates, switched off, and with the server's CA where the system keeps its own."""
    healthy = {**ca_less, "SSL_CERT_FILE": str(ca_file), "FALLBACK_ROOTS_CERTIFI": "1"}
    environments = (ca_less, {**ca_less, "FALLBACK_ROOTS_DISABLE": "1"}, healthy)
    return [asks(interpreter, application, server, env) for env in environments]


# ---------------------------------------------------------------- zipapp


def changed_copy(zipapp: Path, copy: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """A copy of `zipapp`, of which one file is changed."""
    with zipfile.ZipFile(zipapp) as old, zipfile.ZipFile(copy, "w") as new:
        for item in old.namelist():
            new.writestr(item, change(old.read(item)) if item == name else old.read(item))
    return copy


def test_zipapp(zipapp: Path, bare: Path, server: Server, ca_less: dict[str, str], ca_file: Path) -> None:
    """The page's zipapp is mended where there are no CAs, off when it is switched off, and untouched where there are some."""
    assert held(bare, zipapp, server, ca_less, ca_file) == ["mended", "failed", "untouched"]


@pytest.mark.parametrize("flag", ["-I", "-S", "-OO", "-bb", "-Wd", "-Xdev"])
def test_flags_make_no_difference(flag: str, zipapp: Path, bare: Path, server: Server, ca_less: dict[str, str]) -> None:
    """The line is the program's own, so no flag of Python's keeps it from arming."""
    assert asks(bare, zipapp, server, ca_less, flag) == "mended"


def test_a_zipapp_without_the_line(zipapp: Path, bare: Path, server: Server, ca_less: dict[str, str], tmp_path: Path) -> None:
    """No .pth is read out of a zip: without the line, the package in it does nothing."""
    changed = changed_copy(zipapp, tmp_path / "app.pyz", "app.py", lambda program: program.partition(b"\n")[2])
    assert asks(bare, changed, server, ca_less) == "failed"


def test_certifi_in_the_zip(
    zipapp: Path, bare: Path, server: Server, ca_less: dict[str, str], ca_file: Path, tmp_path: Path
) -> None:
    """certifi's roots are read out of the zip; here they are the server's CA."""
    changed = changed_copy(zipapp, tmp_path / "app.pyz", "certifi/cacert.pem", lambda _: ca_file.read_bytes())
    env = {name: value for name, value in ca_less.items() if name != "FALLBACK_ROOTS_CAFILE"}
    done = python("-I", changed, server.url, executable=bare, env=env)
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
    assert f"loaded 1 root from certifi ({changed}/certifi/__init__.py)" in done.stderr


def test_a_config_file_for_a_zipapp(
    zipapp: Path, bare: Path, server: Server, ca_less: dict[str, str], ca_file: Path, tmp_path: Path
) -> None:
    """Settings are read as anywhere, with what the zip holds for it."""
    (tmp_path / "config.toml").write_text(f'cafile = "{ca_file}"\n')
    env = {**ca_less, "FALLBACK_ROOTS_CONFIG": str(tmp_path / "config.toml")}
    del env["FALLBACK_ROOTS_CAFILE"]
    assert asks(bare, zipapp, server, env, "-S") == "mended"  # without what `bare` has


@pytest.mark.parametrize("line", ["in the worker's module", "in the main module"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_a_zipapp(
    method: str, line: str, zipapp: Path, bare: Path, server: Server, ca_less: dict[str, str], tmp_path: Path
) -> None:
    """multiprocessing does not run a zipapp's `__main__` again in what it starts afresh: there the worker's module arms."""
    main = f"""
import multiprocessing, sys, worker
if __name__ == "__main__":
    process = multiprocessing.get_context({method!r}).Process(target=worker.main)
    process.start()
    process.join()
    sys.exit(process.exitcode)
"""
    top, worker = ("", LINE) if line == "in the worker's module" else (LINE, "")
    changed = changed_copy(zipapp, tmp_path / "app.pyz", "__main__.py", lambda _: (top + main).encode())
    with zipfile.ZipFile(changed, "a") as archive:
        archive.writestr("worker.py", f"{worker}\n{shown('zipapps.md', 'zipapp', 'python').partition(chr(10))[2]}")
    armed = worker or method == "fork"
    assert asks(bare, changed, server, ca_less) == ("mended" if armed else "failed")


def test_a_subprocess_of_a_zipapp(zipapp: Path, bare: Path, server: Server, ca_less: dict[str, str], tmp_path: Path) -> None:
    """What a program starts with `sys.executable` sees nothing of the zip."""
    main = """
import fallback_roots.auto, subprocess, sys
program = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"
sys.exit(subprocess.run([sys.executable, "-c", program, sys.argv[1]]).returncode)
"""
    changed = changed_copy(zipapp, tmp_path / "app.pyz", "__main__.py", lambda _: main.encode())
    assert asks(bare, changed, server, ca_less) == "failed"


# ---------------------------------------------------------------- a zip on PYTHONPATH


@pytest.mark.parametrize("template", [False, True], ids=["", "sitecustomize"])
@pytest.mark.parametrize("line", [False, True], ids=["", "line"])
def test_a_zip_on_pythonpath(
    line: bool, template: bool, zipapp: Path, bare: Path, server: Server, ca_less: dict[str, str], tmp_path: Path
) -> None:
    """A program arms by the line, or Python by a sitecustomize.py in the zip; without either nothing does."""
    shutil.copy(zipapp, tmp_path / "packages.zip")
    if template:
        with zipfile.ZipFile(tmp_path / "packages.zip", "a") as archive:
            archive.write(ROOT / "sitecustomize_template" / "sitecustomize.py", "sitecustomize.py")
    program = tmp_path / "program.py"
    program.write_text(f"{LINE if line else ''}\n{shown('zipapps.md', 'zipapp', 'python').partition(chr(10))[2]}\nmain()\n")
    result = "mended" if line or template else "failed"
    assert asks(bare, program, server, {**ca_less, "PYTHONPATH": str(tmp_path / "packages.zip")}) == result


# ---------------------------------------------------------------- shiv


@pytest.mark.environments
def test_shiv(wheelhouse: Path, bare: Path, server: Server, ca_less: dict[str, str], ca_file: Path, tmp_path: Path) -> None:
    """In shiv's zip the .pth runs: mended, off, untouched, with no line in the program; Python's flags keep nothing out."""
    build(shown("zipapps.md", "shiv", "sh"), tmp_path, wheelhouse, line=False)
    application = tmp_path / "app.pyz"
    assert held(bare, application, server, ca_less, ca_file) == ["mended", "failed", "untouched"]
    for flag in ("-I", "-S"):
        assert asks(bare, application, server, ca_less, flag) == "mended"


# ---------------------------------------------------------------- pex


@pytest.fixture(scope="module")
def pex_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pex has unpacked already is used again by the next build."""
    return tmp_path_factory.mktemp("pex_root")


def pex(directory: Path, wheelhouse: Path, pex_root: Path, *options: str, requirement: str = "fallback-roots ") -> Path:
    """What the page's command makes with more `options`; without us if no `requirement`."""
    command = shown("zipapps.md", "pex", "sh").strip()
    assert command.startswith("pex fallback-roots ")
    command = command.replace("fallback-roots ", requirement, 1)
    offline = f"--no-pypi --find-links '{wheelhouse}' --pex-root '{pex_root}'"
    build(f"{command} {offline} {' '.join(options)}", directory, wheelhouse, line=False)
    return directory / "app.pex"


@pytest.mark.environments
@pytest.mark.parametrize("venv", [(), ("--venv",)], ids=["in place", "venv"])
@pytest.mark.parametrize("layout", ["zipapp", "packed", "loose"])
def test_pex(
    layout: str,
    venv: tuple[str, ...],
    wheelhouse: Path,
    pex_root: Path,
    bare: Path,
    server: Server,
    ca_less: dict[str, str],
    ca_file: Path,
    tmp_path: Path,
) -> None:
    """In a pex of each layout the .pth runs: mended, off, untouched, with no line in the program."""
    application = pex(tmp_path, wheelhouse, pex_root, "--layout", layout, *venv)
    env = {**ca_less, "PEX_ROOT": str(pex_root)}
    assert held(bare, application, server, env, ca_file) == ["mended", "failed", "untouched"]


@pytest.mark.environments
def test_pex_without_us(
    wheelhouse: Path, pex_root: Path, installed: Path, server: Server, ca_less: dict[str, str], tmp_path: Path
) -> None:
    """A pex sees nothing of the packages of the Python that runs it, and so nothing of us."""
    application = pex(tmp_path, wheelhouse, pex_root, requirement="")
    assert asks(installed, application, server, {**ca_less, "PEX_ROOT": str(pex_root)}) == "failed"


@pytest.mark.environments
@pytest.mark.parametrize("requirement", ["", "fallback-roots "], ids=["only in Python", "in both"])
@pytest.mark.parametrize("inherit", ["prefer", "fallback"])
def test_pex_that_inherits(
    inherit: str,
    requirement: str,
    wheelhouse: Path,
    pex_root: Path,
    installed: Path,
    server: Server,
    ca_less: dict[str, str],
    ca_file: Path,
    tmp_path: Path,
) -> None:
    """Where Python has us and pex inherits its path, our modules are gone from sys.modules, and there is one finder at work."""
    application = pex(tmp_path, wheelhouse, pex_root, f"--inherit-path={inherit}", requirement=requirement)
    env = {**ca_less, "PEX_ROOT": str(pex_root)}
    assert held(installed, application, server, env, ca_file) == ["mended", "failed", "untouched"]
    look = """
import sys
before = sorted(name for name in sys.modules if name.startswith("fallback_roots"))
import ssl
for _ in range(2):
    ssl.create_default_context()
finders = [finder for finder in sys.meta_path if type(finder).__module__ == "fallback_roots.auto"]
print(before, len(finders), type(vars(ssl.SSLContext)["load_default_certs"]).__name__)
"""
    done = python(application, "-c", look, executable=installed, env={**env, "PEX_INTERPRETER": "1"})
    modules = ["fallback_roots", "fallback_roots.auto"] if requirement else []
    assert (done.returncode, done.stdout) == (0, f"{modules} 1 Wrapper\n"), done.stderr
    assert WARNING.fullmatch(done.stderr)
