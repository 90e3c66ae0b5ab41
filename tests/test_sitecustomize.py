"""The template for places where no `.pth` is read: packages in a directory that PYTHONPATH names."""

import os
import shutil
import zipfile
from pathlib import Path

import pytest
from support import NO_CAS, ROOT, python

TEMPLATE = ROOT / "sitecustomize_template" / "sitecustomize.py"
FINDERS = "sum(type(finder).__module__ == 'fallback_roots.auto' for finder in sys.meta_path)"
PROGRAM = f"import ssl, sys; print({FINDERS}, len(ssl.create_default_context().get_ca_certs()))"


@pytest.fixture
def target(wheel: Path, tmp_path: Path) -> Path:
    """A directory as `pip install --target` leaves it, with the template in it."""
    directory = tmp_path / "target"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory)
    shutil.copy(TEMPLATE, directory)
    return directory


def run(interpreter: Path, directory: Path, ca_file: Path, *flags: str) -> tuple[str, str]:
    """What PROGRAM prints on a machine without CA certificates, and what is on standard error, with a fallback of one root."""
    settings = {"FALLBACK_ROOTS_CONFIG": os.devnull, "FALLBACK_ROOTS_CAFILE": str(ca_file), "PYTHONPATH": str(directory)}
    done = python(*flags, "-c", PROGRAM, env={**NO_CAS, **settings}, executable=interpreter)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


@pytest.mark.parametrize("flags", [(), ("-W", "error"), ("-X", "dev")], ids=" ".join)
def test_it_arms(flags: tuple[str, ...], target: Path, bare: Path, ca_file: Path) -> None:
    """With the template a load that finds nothing is mended, and nothing else is said."""
    out, err = run(bare, target, ca_file, *flags)
    assert out == "1 1"
    assert err.count("\n") == 1
    assert err.startswith("fallback-roots: Python's default CA load found no certificate; loaded 1 roots from cafile")


def test_a_pth_on_pythonpath_is_not_read(target: Path, bare: Path, ca_file: Path) -> None:
    """Without the template the same directory arms nothing: that is what the template is for."""
    (target / TEMPLATE.name).unlink()
    assert run(bare, target, ca_file) == ("0 0", "")


@pytest.mark.parametrize("flag", ["-I", "-E", "-S"])
def test_flags_that_keep_it_out(flag: str, target: Path, bare: Path, ca_file: Path) -> None:
    """With -I and -E Python ignores PYTHONPATH, with -S it imports no sitecustomize: nothing is armed, nothing is said."""
    assert run(bare, target, ca_file, flag) == ("0 0", "")


def test_beside_the_pth(installed: Path, ca_file: Path, tmp_path: Path) -> None:
    """Where the .pth is read as well, there is one finder."""
    shutil.copy(TEMPLATE, tmp_path)
    assert run(installed, tmp_path, ca_file)[0] == "1 1"


@pytest.mark.parametrize("name", ["fallback_roots", "fallback_roots/auto.py", "fallback_roots/__init__.py"])
@pytest.mark.parametrize("how", ["missing", "half written"])
def test_a_broken_installation(how: str, name: str, target: Path, bare: Path, ca_file: Path) -> None:
    """Where the package is gone or half written, the template says nothing, and the interpreter starts as without it."""
    broken = target / name
    if broken.is_dir():
        shutil.rmtree(broken)
    else:
        broken.unlink()
    if how == "half written":
        broken.with_suffix(".py").write_text("def arm(\n")
    assert run(bare, target, ca_file) == ("0 0", "")
