"""cx_Freeze: a frozen application with the line, and one without a change that is started by an init script.

cx_Freeze takes a bundle along (``share/certs.pem``) and names it in SSL_CERT_FILE. Here it is gone, unless a test says so.
"""

import re
import shutil
import ssl
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import certifi
import pytest
from support import NO_CAS, PROGRAM, ROOT, environment, python

pytestmark = pytest.mark.environments

PAGE = (ROOT / "docs" / "frozen.md").read_text(encoding="utf-8")
(SESSION,) = re.findall(r"^## cx_Freeze\n.*?^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
LINE = "import fallback_roots.auto\n"
WITH_INIT_SCRIPT = re.sub(r"^\$ ", "", SESSION, flags=re.MULTILINE)
ALONE = WITH_INIT_SCRIPT.splitlines()[-1].replace('--init-script "$PWD/init.py" ', "")
NO_ROOTS = "0 0"  # in PROGRAM's words
BUILDS = {
    "the line": (LINE + PROGRAM, ALONE),
    "the line, in library.zip": (LINE + PROGRAM, f"{ALONE} '--zip-include-packages=*' --zip-exclude-packages="),
    "an init script": (PROGRAM, WITH_INIT_SCRIPT),
}


def build(program: str, commands: str, directory: Path) -> Path:
    """The executable that `commands` make of `program`."""
    (directory / "app.py").write_text(program)
    env = environment({**NO_CAS, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"})
    done = subprocess.run(
        ["bash", "-euc", commands],
        cwd=directory,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (directory / "dist" / "share" / "certs.pem").unlink()
    return directory / "dist" / "app"


@pytest.fixture(scope="module", params=BUILDS)
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PROGRAM with us, frozen in each of the ways."""
    return build(*BUILDS[request.param], tmp_path_factory.mktemp("app"))


@pytest.fixture
def bundle(app: Path, ca_file: Path) -> Iterator[None]:
    """The bundle that the application has with it: one root."""
    path = app.parent / "share" / "certs.pem"
    shutil.copy(ca_file, path)
    yield
    path.unlink()


def run(app: Path, env: Mapping[str, str]) -> tuple[str, str]:
    """What PROGRAM prints about roots on a machine without, with the variables `env`; and standard error."""
    done = python(env={**NO_CAS, **env}, executable=app)
    assert done.returncode == 7, done.stderr
    before, found = done.stdout.splitlines()
    assert before == "before"
    return found, done.stderr


def roots(pem: str) -> str:
    """What PROGRAM prints about a context with exactly the roots in `pem`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem)
    certificates = sorted(context.get_ca_certs(binary_form=True))
    return f"{len(certificates)} {zlib.crc32(b''.join(certificates))}"


def test_a_fallback(app: Path, ca_file: Path) -> None:
    """The fallback is loaded, and a WARNING names the file that cx_Freeze's own hook for ssl has put into SSL_CERT_FILE."""
    found, said = run(app, {"FALLBACK_ROOTS_CAFILE": str(ca_file)})
    assert found == roots(ca_file.read_text())
    assert said.count("\n") == 1
    assert "loaded 1 root from cafile" in said
    assert f"SSL_CERT_FILE={app.parent}/share/certs.pem cannot be read" in said


def test_certifi(app: Path) -> None:
    """certifi's roots come along, in library.zip, too."""
    assert run(app, {})[0] == roots(certifi.contents())


def test_off(app: Path) -> None:
    """FALLBACK_ROOTS_DISABLE=1 gives no roots and says nothing."""
    assert run(app, {"FALLBACK_ROOTS_DISABLE": "1"}) == (NO_ROOTS, "")


@pytest.mark.usefixtures("bundle")
def test_with_roots(app: Path, ca_file: Path) -> None:
    """The bundle that cx_Freeze takes along is all that is trusted."""
    assert run(app, {}) == (roots(ca_file.read_text()), "")


def test_with_the_users_roots(app: Path, ca_file: Path) -> None:
    """What SSL_CERT_FILE names when the application starts is all that is trusted."""
    assert run(app, {"SSL_CERT_FILE": str(ca_file)}) == (roots(ca_file.read_text()), "")


def test_without_the_line(tmp_path: Path) -> None:
    """Neither line nor init script: an application that was frozen where we are installed has no fallback."""
    assert run(build(PROGRAM, ALONE, tmp_path), {}) == (NO_ROOTS, "")


CHILDREN = """
import multiprocessing
import ssl

def roots():
    return len(ssl.create_default_context().get_ca_certs())

if __name__ == "__main__":
    multiprocessing.freeze_support()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(roots))
"""


@pytest.mark.parametrize(
    ("program", "commands"), [(LINE + CHILDREN, ALONE), (CHILDREN, WITH_INIT_SCRIPT)], ids=["line", "script"]
)
def test_children(program: str, commands: str, ca_file: Path, tmp_path: Path) -> None:
    """The processes that multiprocessing spawns have the fallback, too."""
    app = build(program, commands, tmp_path)
    done = python(env={**NO_CAS, "FALLBACK_ROOTS_CAFILE": str(ca_file)}, executable=app)
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr
