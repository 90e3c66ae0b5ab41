"""Importers that load from memory: no `__file__`, no origin, their finder first, and nothing of it on the disk any more."""

import shutil
import sys
import sysconfig
from pathlib import Path

import pytest
from support import NO_CAS, certifi_roots, python

PACKAGES = ("certifi", "fallback_roots", "platformdirs", "wrapt", *(["tomli"] if sys.version_info < (3, 11) else []))

# A finder with all of the directory's files in memory. What `loaders` of certifi offer for its bundle is what tests are about.
OURS = """
import importlib.machinery, io, os, shutil, sys

class Finder:
    def __init__(self, directory):
        self.files = {}
        for folder, _, names in os.walk(directory):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    self.files[os.path.relpath(path, directory)] = file.read()

    def find_spec(self, name, path=None, target=None):
        stem = name.replace(".", "/")
        for file in (f"{stem}/__init__.py", f"{stem}.py"):
            if file in self.files:
                loader = LOADERS[sys.argv[2]](self.files, file)
                spec = importlib.machinery.ModuleSpec(name, loader, is_package=file.endswith("__init__.py"))
                if getattr(loader, "names_files", False):
                    spec.origin, spec.has_location = f"/memory/{file}", True
                return spec

class Bare:
    def __init__(self, files, file):
        self.files, self.file = files, file
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        exec(compile(self.files[self.file], f"<{self.file}>", "exec"), vars(module))

class Reader(Bare):
    def get_resource_reader(self, name):
        return self
    def open_resource(self, resource):
        try:
            return io.BytesIO(self.files[os.path.join(os.path.dirname(self.file), resource)])
        except KeyError:
            raise FileNotFoundError(resource) from None
    def resource_path(self, resource):
        raise FileNotFoundError(resource)
    def is_resource(self, name):
        return os.path.join(os.path.dirname(self.file), name) in self.files
    def contents(self):
        return []

class Data(Bare):
    names_files = True
    def get_data(self, path):
        return self.files[os.path.relpath(path, "/memory")]

LOADERS = {"nothing": Bare, "a resource reader": Reader, "get_data": Data}
finder = Finder(sys.argv[1])
"""
OXIDIZED = """
import sys
sys.path.append(sys.argv[3])
import oxidized_importer, shutil
sys.path.pop()
collector = oxidized_importer.OxidizedResourceCollector(allowed_locations=["in-memory"])
for resource in oxidized_importer.find_resources_in_path(sys.argv[1]):
    if type(resource).__name__ != "PythonExtensionModule":  # in memory on Windows alone; wrapt does without
        collector.add_in_memory(resource)
finder = oxidized_importer.OxidizedFinder()
finder.add_resources(collector.oxidize()[0])
"""
PROGRAM = """
shutil.rmtree(sys.argv[1])
sys.meta_path.insert(0, finder)
import fallback_roots.auto
import ssl
print(getattr(ssl, "__file__", None), ssl.__spec__.loader is ssl.__loader__, type(ssl.__loader__).__module__)
print(len(ssl.create_default_context().get_ca_certs()))
import certifi, fallback_roots
print(getattr(certifi, "__file__", None), getattr(fallback_roots, "__file__", None), fallback_roots.status().state)
"""


@pytest.fixture
def memory(installed: Path, tmp_path: Path) -> Path:
    """A directory with ssl and all that the fallback needs, to be read into memory."""
    (site_packages,) = installed.parent.parent.glob("lib/*/site-packages")
    directory = tmp_path / "memory"
    for name in PACKAGES:
        shutil.copytree(site_packages / name, directory / name)
    shutil.copy(Path(sysconfig.get_path("stdlib")) / "ssl.py", directory)
    return directory


def run(importer: str, memory: Path, offers: str, **settings: str) -> tuple[list[str], str]:
    """What PROGRAM prints, and what is on standard error."""
    purelib = sysconfig.get_path("purelib")
    done = python("-S", "-c", importer + PROGRAM, memory, offers, purelib, env={**NO_CAS, **settings})
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize("offers", ["a resource reader", "get_data"])
def test_certifi_from_memory(offers: str, memory: Path, installed: Path) -> None:
    """With ssl, certifi and this package in memory, a default context has certifi's roots, by whatever the loader offers."""
    roots = str(certifi_roots(installed))
    out, err = run(OURS, memory, offers)
    file = "/memory/{}" if offers == "get_data" else "None"
    assert out == [
        f"{file.format('ssl.py')} True __main__",
        roots,
        f"{file.format('certifi/__init__.py')} {file.format('fallback_roots/__init__.py')} patched",
    ]
    assert err.count("\n") == 1
    assert f"loaded {roots} roots from certifi" in err


def test_a_certifi_that_gives_nothing(memory: Path) -> None:
    """Where the loader offers no way to the bundle, the context stays empty, and a WARNING says why."""
    out, err = run(OURS, memory, "nothing")
    assert out[1:] == ["0", "None None watching"]
    assert "no roots loaded; " in err
    assert "; certifi: gives no roots (" in err


def test_a_cafile_beside_it(memory: Path, ca_file: Path) -> None:
    """A cafile needs nothing of the importer."""
    out, err = run(OURS, memory, "nothing", FALLBACK_ROOTS_CAFILE=str(ca_file))
    assert out[1:] == ["1", "None None patched"]
    assert "loaded 1 root from cafile" in err


@pytest.mark.skipif(sys.version_info[:2] != (3, 10) or sys.platform != "linux", reason="its last wheel is for Python 3.10")
def test_oxidized_importer(memory: Path, installed: Path) -> None:
    """PyOxidizer's importer loads all of it from memory, and a default context has certifi's roots."""
    roots = str(certifi_roots(installed))
    out, err = run(OXIDIZED, memory, "")
    assert out == ["None True oxidized_importer", roots, "None None patched"]
    assert f"loaded {roots} roots from certifi" in err
