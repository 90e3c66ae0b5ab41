"""Start-up, in a real venv from the built wheel: when the hook is armed, and that it does not show otherwise.

A program runs on a machine without CA certificates, with a fallback of one root: it finds one root with us and none without.
Or it runs with us and without, and must not tell the difference.
"""

import os
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from support import NO_CAS, python

OURS = "[finder for finder in sys.meta_path if type(finder).__module__ == 'fallback_roots.auto']"
ROOTS = "len(ssl.create_default_context().get_ca_certs())"
SAID = re.compile(r"(fallback-roots: Python's default CA load found no certificate; loaded 1 root from cafile.*\n)?")


@pytest.fixture
def ca_less(ca_file: Path) -> dict[str, str]:
    """The environment of a machine without CA certificates, with a fallback of one root."""
    return {**NO_CAS, "FALLBACK_ROOTS_CONFIG": os.devnull, "FALLBACK_ROOTS_CAFILE": str(ca_file)}


def site_packages(interpreter: Path) -> Path:
    (path,) = interpreter.parent.parent.glob("lib/*/site-packages")
    return path


def clone(interpreter: Path, directory: Path) -> Path:
    """The interpreter of a copy of a venv, for a test to change."""
    shutil.copytree(interpreter.parent.parent, directory / "venv", symlinks=True)
    return directory / "venv" / "bin" / interpreter.name


def printed(interpreter: Path, *args: str | Path, env: dict[str, str]) -> str:
    """What a program prints that must succeed, with nothing on standard error but our one WARNING."""
    done = python(*args, executable=interpreter, env=env)
    assert done.returncode == 0, done.stderr
    assert SAID.fullmatch(done.stderr), done.stderr
    return done.stdout.strip()


def seen(interpreter: Path, *args: str | Path, env: dict[str, str]) -> tuple[int, str, str]:
    """All that one sees of a program: exit status, standard output and error, without what differs between two venvs."""
    done = python(*args, executable=interpreter, env=env)
    venv = str(interpreter.parent.parent)
    out, err = (re.sub("0x[0-9a-fA-F]+", "0x", text.replace(venv, "VENV")) for text in (done.stdout, done.stderr))
    return done.returncode, out, err


# ---------------------------------------------------------------- armed or not

FLAGS: dict[str, tuple[list[str], dict[str, str]]] = {
    "plain": ([], {}),
    "-I": (["-I"], {}),
    "-E": (["-E"], {}),
    "-s": (["-s"], {}),
    "-O": (["-O"], {}),
    "-OO": (["-OO"], {}),
    "-bb": (["-bb"], {}),
    "-W error": (["-W", "error"], {}),
    "-X dev": (["-X", "dev"], {}),
    "-X dev -W error": (["-X", "dev", "-W", "error"], {}),
    "-X utf8": (["-X", "utf8"], {}),
    "-X frozen_modules=off": (["-X", "frozen_modules=off"], {}),
    "PYTHONSAFEPATH": ([], {"PYTHONSAFEPATH": "1"}),
    "PYTHONWARNINGS": ([], {"PYTHONWARNINGS": "error"}),
    "PYTHONIOENCODING": ([], {"PYTHONIOENCODING": "ascii"}),
    "LC_ALL": ([], {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}),
    "no environment": ([], {"PATH": "", "HOME": ""}),
}


@pytest.mark.parametrize("name", FLAGS)
def test_armed_in_silence(name: str, installed: Path, ca_less: dict[str, str], ca_file: Path) -> None:
    """Whatever flags Python has, it is armed, and says nothing until an empty load is mended."""
    flags, extra = FLAGS[name]
    program = f"""
import os, sys
print(len({OURS}))
nowhere, os.environ["SSL_CERT_FILE"] = os.environ["SSL_CERT_FILE"], sys.argv[1]
import ssl
print({ROOTS}, "fallback_roots._fallback" in sys.modules)
os.environ["SSL_CERT_FILE"] = nowhere
print({ROOTS}, "fallback_roots._fallback" in sys.modules)
"""
    out = printed(installed, *flags, "-c", program, ca_file, env={**ca_less, **extra})
    assert out.splitlines() == ["1", "1 False", "1 True"]


@pytest.mark.parametrize("lost", ["fallback_roots.start", "fallback_roots.pth"])
def test_one_start_up_file(lost: str, installed: Path, ca_less: dict[str, str], tmp_path: Path) -> None:
    """Either file arms it in silence: the .pth file on each Python, and the .start file alone from 3.15 on."""
    interpreter = clone(installed, tmp_path)
    (site_packages(interpreter) / lost).unlink()
    program = f"import sys; print(len({OURS}), sorted(name for name in sys.modules if name.startswith('fallback_roots')))"
    armed = lost == "fallback_roots.start" or sys.version_info >= (3, 15)
    expected = "1 ['fallback_roots', 'fallback_roots.auto']" if armed else "0 []"
    assert printed(interpreter, "-W", "error", "-c", program, env=ca_less) == expected


def test_without_site(installed: Path, bare: Path, ca_less: dict[str, str]) -> None:
    """With -S no .pth is read: nothing of us is there, and nothing breaks."""
    program = f"import sys, ssl; print({ROOTS}, [name for name in sys.modules if 'fallback_roots' in name])"
    assert (
        seen(installed, "-S", "-c", program, env=ca_less) == seen(bare, "-S", "-c", program, env=ca_less) == (0, "0 []\n", "")
    )


SWITCH = {
    **dict.fromkeys(["unset", "", "0", "false", "no", "off", "OFF", "False", " no "], True),
    **dict.fromkeys(["1", "true", "yes", "on", "anything", "00", "0.0", "-", "none", "\udcff"], False),
}


@pytest.mark.parametrize("value", SWITCH, ids=ascii)
def test_the_off_switch(value: str, installed: Path, ca_less: dict[str, str]) -> None:
    """FALLBACK_ROOTS_DISABLE errs towards off; switched off, nothing but the two start-up modules is ever imported."""
    switch = {} if value == "unset" else {"FALLBACK_ROOTS_DISABLE": value}
    program = f"import sys, ssl; print(len({OURS}), {ROOTS}, sum('fallback_roots' in name for name in sys.modules) > 2)"
    assert printed(installed, "-c", program, env={**ca_less, **switch}) == ("1 1 True" if SWITCH[value] else "0 0 False")


def test_the_off_switch_is_no_variable_of_pythons(installed: Path, ca_less: dict[str, str]) -> None:
    """-I ignores Python's variables, and not ours."""
    program = f"import sys, ssl; print(len({OURS}), {ROOTS})"
    assert printed(installed, "-I", "-c", program, env={**ca_less, "FALLBACK_ROOTS_DISABLE": "1"}) == "0 0"


# ---------------------------------------------------------------- armed twice is armed once

TWICE = {
    "arm()": "from fallback_roots.auto import arm; arm(); arm()",
    "reloaded": "import importlib, fallback_roots.auto; importlib.reload(fallback_roots.auto)",
    "pex": """
del sys.modules["fallback_roots.auto"], sys.modules["fallback_roots"]
import fallback_roots.auto
""",
    "pex, twice": """
for _ in range(2):
    del sys.modules["fallback_roots.auto"], sys.modules["fallback_roots"]
    import fallback_roots.auto
fallback_roots.auto.arm()
""",
    "pex, ssl imported before": """
import ssl
for name in [name for name in sys.modules if name.partition(".")[0] == "fallback_roots"]:
    del sys.modules[name]
import fallback_roots.auto
""",
    "install()": "import fallback_roots; fallback_roots.install(); fallback_roots.install()",
}


@pytest.mark.parametrize("name", TWICE)
def test_twice_is_once(name: str, installed: Path, ca_less: dict[str, str]) -> None:
    """However it is armed again, there is one finder, one place where it has taken up position, and it goes on working."""
    program = f"""
import sys
{TWICE[name]}
import ssl
print(len({OURS}), len({OURS}[0].hook.sites), {ROOTS}, {ROOTS})
"""
    assert printed(installed, "-c", program, env=ca_less) == "1 1 1 1"


def test_modules_dropped_after_ssl(installed: Path, ca_less: dict[str, str]) -> None:
    """Where pex has dropped our modules, the first empty load still brings the wrapt layer, and status() tells both states."""
    program = f"""
import sys
{TWICE["pex, ssl imported before"]}
import fallback_roots
before = fallback_roots.status().state
{ROOTS}
print(before, fallback_roots.status().state, hasattr(ssl.create_default_context, "_self_wrapper"))
"""
    assert printed(installed, "-c", program, env=ca_less) == "watching patched True"


def test_site_reads_each_pth_twice(installed: Path, ca_less: dict[str, str], tmp_path: Path) -> None:
    """In a plain venv site runs the lines of every .pth twice on CPython up to 3.14, and there is one finder."""
    interpreter = clone(installed, tmp_path)
    (site_packages(interpreter) / "count.pth").write_text("import sys; sys.ran = getattr(sys, 'ran', 0) + 1\n")
    ran, finders, roots = printed(
        interpreter, "-c", f"import sys, ssl; print(sys.ran, len({OURS}), {ROOTS})", env=ca_less
    ).split()
    assert (finders, roots) == ("1", "1")
    assert ran == "2" or sys.version_info >= (3, 15)


def test_a_pth_runs_both_times(installed: Path, ca_less: dict[str, str], tmp_path: Path) -> None:
    """A .pth that calls arm() each time, as a .start file does, and drops our modules before, leaves one finder, too."""
    interpreter = clone(installed, tmp_path)
    line = "import sys; [sys.modules.pop(name) for name in list(sys.modules) if 'fallback_roots' in name]; "
    (site_packages(interpreter) / "zz.pth").write_text(line + "import fallback_roots.auto; fallback_roots.auto.arm()\n")
    assert printed(interpreter, "-c", f"import sys, ssl; print(len({OURS}), {ROOTS})", env=ca_less) == "1 1"


# ---------------------------------------------------------------- ssl is there before us


def test_ssl_imported_by_an_earlier_pth(installed: Path, ca_less: dict[str, str], tmp_path: Path) -> None:
    """Where ssl is loaded before we are armed, we act at once."""
    interpreter = clone(installed, tmp_path)
    (site_packages(interpreter) / "aaa.pth").write_text("import ssl\n")
    program = f"import sys; print('fallback_roots._watch' in sys.modules); import ssl; print({ROOTS})"
    assert printed(interpreter, "-c", program, env=ca_less).split() == ["True", "1"]


def test_ssl_in_the_middle_of_its_import(installed: Path, ca_less: dict[str, str]) -> None:
    """Where another thread is executing ssl when we are armed, we wait for it, and mend the whole module."""
    program = f"""
import sys, threading
sys.path.append(sys.argv[1])
main = threading.get_ident()
started, armed = threading.Event(), threading.Event()
def arming():
    frame = sys._current_frames()[main]
    while frame is not None and frame.f_code.co_name != "arm":
        frame = frame.f_back
    return frame is not None
def slow(event, args):
    if event == "import" and args[0] == "_ssl":
        started.set()
        while not arming() and not armed.is_set():
            pass
sys.addaudithook(slow)
thread = threading.Thread(target=__import__, args=["ssl"])
thread.start()
started.wait()
import fallback_roots.auto
armed.set()
thread.join()
import ssl
print({ROOTS})
"""
    assert printed(installed, "-S", "-c", program, site_packages(installed), env=ca_less) == "1"


# ---------------------------------------------------------------- ways to import ssl

# Finders and loaders as others bring them. `real` is what Python's own finder gives for ssl.
ACTORS = """
import importlib, importlib.machinery, importlib.util, os, sys
real = importlib.machinery.PathFinder.find_spec("ssl")
asked = []
class Finder:
    def __init__(self, give):
        self.give = give
    def find_spec(self, name, path=None, target=None):
        if name == "ssl":
            asked.append(self.give)
            return self.give()
    def __repr__(self):
        return "Finder"
class Code:
    def create_module(spec):
        return None
    def exec_module(module):
        exec(real.loader.get_code("ssl"), vars(module))
class Slots:
    __slots__ = ()
    create_module = staticmethod(Code.create_module)
    exec_module = staticmethod(Code.exec_module)
    def __repr__(self):
        return "Slots"
def offer(loader):
    return lambda: importlib.machinery.ModuleSpec("ssl", loader, origin=real.origin)
def ask_all():
    for finder in sys.meta_path:
        if not isinstance(finder, Finder) and (spec := finder.find_spec("ssl", None, None)):
            return spec
def ask_importlib():
    asking = [finder for finder in sys.meta_path if isinstance(finder, Finder)]
    for finder in asking:
        sys.meta_path.remove(finder)
    try:
        return importlib.util.find_spec("ssl")
    finally:
        sys.meta_path[:0] = asking
def before(give):
    sys.meta_path.insert(0, Finder(give))
def behind(give):
    sys.meta_path.insert(sys.meta_path.index(importlib.machinery.PathFinder), Finder(give))
"""

# After each of these `ssl` is as without us, but for one thing: a default load that finds nothing is mended.
MENDED = {
    "import": "import ssl",
    "from": "from ssl import create_default_context; import ssl",
    "by others": "import http.client, asyncio; ssl = sys.modules['ssl']",
    "find_spec before": "importlib.util.find_spec('ssl'), importlib.util.find_spec('ssl'); import ssl",
    "find_spec after": "import ssl; importlib.util.find_spec('ssl'); import ssl",
    "reload": "import ssl; importlib.reload(ssl)",
    "reload, with the old class": "import ssl; old = ssl.SSLContext; importlib.reload(ssl); ssl.SSLContext = old",
    "a second import": "import ssl; del sys.modules['ssl']; import ssl",
    "the first of two": "import ssl; del sys.modules['ssl']; import ssl as second",
    "by hand": """
spec = importlib.util.find_spec("ssl")
ssl = sys.modules["ssl"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ssl)
""",
    "lazily": """
spec = importlib.util.find_spec("ssl")
spec.loader = importlib.util.LazyLoader(spec.loader)
ssl = sys.modules["ssl"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ssl)
ssl.SSLContext
""",
    "wrapt's import hook": "import wrapt; wrapt.when_imported('ssl')(lambda module: print('hook', module)); import ssl",
    "behind a finder that gives none": "before(lambda: None); import ssl; print(len(asked))",
    "before a finder that gives none": "behind(lambda: None); import ssl; print(len(asked))",
    "behind two finders that give none": "before(lambda: None); before(lambda: None); import ssl; print(len(asked))",
    "right before a finder that gives none": """
place = next((n for n, finder in enumerate(sys.meta_path) if type(finder).__module__ == "fallback_roots.auto"), -1)
sys.meta_path.insert(place + 1, Finder(lambda: None))
import ssl
print(len(asked))
""",
    "in a list of somebody's own": """
kept = [finder for finder in sys.meta_path if type(finder).__module__ == "fallback_roots.auto"]
class Keeper:
    def find_spec(self, *args):
        return next((spec for finder in kept if (spec := finder.find_spec(*args))), None)
sys.meta_path[:] = [Keeper(), *(finder for finder in sys.meta_path if finder not in kept)]
import ssl
""",
    "behind a finder that asks all": "before(ask_all); import ssl; print(len(asked))",
    "before a finder that asks all": "behind(ask_all); import ssl; print(len(asked))",
    "behind a finder that asks importlib": "before(ask_importlib); import ssl; print(len(asked))",
    "before a finder that offers ssl": "behind(lambda: real); import ssl; print(len(asked))",
    "a loader that is a class": "behind(offer(Code)); import ssl; print(ssl.__loader__)",
    "a loader with slots": "behind(offer(Slots())); import ssl; print(ssl.__loader__)",
    "a loader that makes the module": """
class Own(type(sys)):
    pass
class Makes(Slots):
    __slots__ = ()
    create_module = staticmethod(lambda spec: Own(spec.name))
behind(offer(Makes()))
import ssl
""",
    "a loader around the one that it gets": """
class Around(Slots):
    def __init__(self, inner):
        self.inner = inner
    def create_module(self, spec):
        return self.inner.create_module(spec)
    def exec_module(self, module):
        self.inner.exec_module(module)
def around():
    spec = ask_all()
    spec.loader = Around(spec.loader)
    return spec
before(around)
import ssl
""",
    "without os.__file__": "del os.__file__; import ssl",
    "after a failure of a finder": """
def fail():
    raise RuntimeError("finder")
behind(fail)
try:
    import ssl
except RuntimeError:
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Finder)]
import ssl
""",
    "after a failure of _ssl": """
sys.modules["_ssl"] = None
try:
    import ssl
except ImportError:
    del sys.modules["_ssl"]
import ssl
""",
    "a finder without find_spec, where Python skips it": """
if sys.version_info >= (3, 12):
    sys.meta_path.insert(sys.meta_path.index(importlib.machinery.PathFinder), object())
import ssl
""",
}

LOOK = """
loader = ssl.__spec__.loader
print(ssl, type(ssl), ssl.__loader__, type(loader), loader is ssl.__loader__, getattr(loader, "__dict__", None))
print(ssl.__spec__, type(ssl.__spec__), sorted(vars(ssl.__spec__)), ssl.__spec__.cached, sorted(vars(ssl)))
print(sys.modules["ssl"] is ssl, importlib.util.find_spec("ssl") is ssl.__spec__)
"""


@pytest.mark.parametrize("name", MENDED)
def test_an_import(name: str, installed: Path, bare: Path, ca_less: dict[str, str]) -> None:
    """However ssl is imported, it looks as without us, each finder is asked as often, and an empty load is mended."""
    program = f"{ACTORS}\n{MENDED[name]}\n{LOOK}\nprint({ROOTS})"
    (status, out, err), without_us = seen(installed, "-c", program, env=ca_less), seen(bare, "-c", program, env=ca_less)
    assert SAID.fullmatch(err), err
    assert without_us[1].endswith("\n0\n")
    assert (status, out[: -len("1\n")] + "0\n", "") == without_us
    assert out.endswith("\n1\n")


def test_16_threads(installed: Path, ca_less: dict[str, str]) -> None:
    """16 threads that import ssl at the same moment get one watched module."""
    program = f"""
import sys, threading
sys.setswitchinterval(1e-6)
barrier = threading.Barrier(16)
found = []
def work():
    barrier.wait()
    import ssl
    found.append({ROOTS})
threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(found == [1] * 16, len({OURS}[0].hook.sites))
"""
    assert printed(installed, "-c", program, env=ca_less) == "True 1"


def test_two_threads_ask_the_finder(installed: Path, ca_less: dict[str, str]) -> None:
    """A thread that asks our finder while another one is asking it gets an answer, and not none."""
    program = f"""
{ACTORS}
import threading
answers = []
def ask_in_a_thread():
    if len(asked) == 1:
        thread = threading.Thread(target=lambda: answers.append(ours.find_spec("ssl")))
        thread.start()
        thread.join()
ours = {OURS}[0]
behind(ask_in_a_thread)
answers.append(ours.find_spec("ssl"))
print(answers[0] == answers[1] == real, len(asked))
"""
    assert printed(installed, "-c", program, env=ca_less) == "True 2"


# ---------------------------------------------------------------- everything as without us

# A file of a program's own, and the program.
WITHOUT_US = {
    "an importer before ours": "before(lambda: real); import ssl; print(len(asked))",
    "a loader without exec_module": """
class Old:
    def load_module(self, name):
        module = importlib.util.module_from_spec(real)
        sys.modules[name] = module
        real.loader.exec_module(module)
        return module
behind(offer(Old()))
import ssl
""",
    "a loader with create_module and without exec_module": """
class Older:
    def create_module(self, spec):
        return None
    def load_module(self, name):
        raise RuntimeError("load_module")
behind(offer(Older()))
import ssl
""",
    "a loader without create_module": """
class Half:
    exec_module = staticmethod(Code.exec_module)
behind(offer(Half()))
import ssl
""",
    "no loader": "behind(offer(None)); import ssl; print(ssl)",
    "a finder that raises": "behind(lambda: 1 / 0); import ssl",
    "a finder that gives junk": "behind(lambda: 'junk'); import ssl",
    "a finder with find_module only": """
class Legacy:
    def find_module(self, name, path=None):
        return None
sys.meta_path.insert(1, Legacy())
import ssl
print(ssl)
""",
    "an ssl without one of its functions": """
class Less(Slots):
    __slots__ = ()
    def exec_module(self, module):
        Code.exec_module(module)
        del module.create_default_context
behind(offer(Less()))
import ssl
print(ssl.SSLContext.load_default_certs.__qualname__, hasattr(ssl, "create_default_context"))
""",
    "nobody finds ssl": "sys.meta_path.remove(importlib.machinery.PathFinder); import ssl",
    "no _ssl": "sys.modules['_ssl'] = None; import ssl",
    "an _ssl that fails": """
class Fails:
    def find_spec(self, name, path=None, target=None):
        if name == "_ssl":
            raise ImportError("libssl.so.3: cannot open shared object file")
sys.meta_path.insert(0, Fails())
import ssl
""",
    "ssl is None": "sys.modules['ssl'] = None; import ssl",
    "a stub": "import types; sys.modules['ssl'] = types.ModuleType('ssl'); import ssl; print(vars(ssl))",
    "a program of its own": "import runpy; runpy.run_module('ssl', run_name='__main__'); print('ssl' in sys.modules)",
    "a spec that has not been imported": """
spec = importlib.util.find_spec("ssl")
loader = spec.loader
print(spec, isinstance(loader, importlib.machinery.SourceFileLoader), loader.__class__, vars(loader), dir(loader), loader)
print(loader.name, loader.path, loader.is_package("ssl"), loader.get_filename("ssl"), len(loader.get_source("ssl")))
print(loader.get_code("ssl"), spec.cached, spec.parent, "ssl" in sys.modules)
""",
    "two specs are equal": """
one, two = importlib.util.find_spec("ssl"), importlib.util.find_spec("ssl")
print(one == two, one.loader == two.loader, hash(one.loader) == hash(two.loader), one == real)
""",
    "a copied spec": "import copy; print(vars(copy.copy(importlib.util.find_spec('ssl').loader)))",
    "a deeply copied spec": "import copy; print(vars(copy.deepcopy(importlib.util.find_spec('ssl')).loader))",
    "a pickled loader": "import pickle; print(vars(pickle.loads(pickle.dumps(importlib.util.find_spec('ssl').loader))))",
    "an attribute of the loader": """
spec = importlib.util.find_spec("ssl")
spec.loader.mark = 1
print(vars(spec.loader))
""",
}


@pytest.mark.parametrize("name", WITHOUT_US)
def test_as_without_us(name: str, installed: Path, bare: Path, ca_less: dict[str, str]) -> None:
    """Whoever else has a hand in the import of ssl: exit status, output and traceback are as without us."""
    program = ACTORS + WITHOUT_US[name]
    assert seen(installed, "-c", program, env=ca_less) == seen(bare, "-c", program, env=ca_less)


OWN = {
    "sound": "print('mine', sorted(globals()), __spec__, __loader__, vars(__loader__))\nSSLContext = object\n",
    "looks like it": "class SSLContext:\n    def load_default_certs(self): pass\ncreate_default_context = 1\n",
    "raises": "import sys\nraise RuntimeError('mine')\n",
    "raises ImportError": "import a_module_that_is_missing\n",
    "exits": "raise SystemExit(7)\n",
    "is interrupted": "raise KeyboardInterrupt\n",
    "is no Python": "x = = 1\n",
    "is empty": "",
}
HOMES = ("file", "package", "bytecode", "zip")


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("name", OWN)
def test_a_programs_own_ssl(name: str, home: str, installed: Path, bare: Path, tmp_path: Path) -> None:
    """A program's own ssl.py is its own: what it sees of itself, and its traceback, are as without us."""
    source = tmp_path / "ssl.py"
    source.write_text(OWN[name])
    if home == "package":
        (tmp_path / "ssl").mkdir()
        source.rename(tmp_path / "ssl" / "__init__.py")
    elif home == "bytecode":
        if name == "is no Python":
            source.with_suffix(".pyc").write_bytes(b"no bytecode")
        else:
            made = python("-c", "import py_compile; py_compile.compile('ssl.py', 'ssl.pyc', doraise=True)", cwd=tmp_path)
            assert made.returncode == 0, made.stderr
        source.unlink()
    elif home == "zip":
        with zipfile.ZipFile(tmp_path / "own.zip", "w") as archive:
            archive.write(source, "ssl.py")
        source.unlink()
    env = {"PYTHONPATH": str(tmp_path / "own.zip" if home == "zip" else tmp_path)}
    program = "import ssl, sys; print(sorted(vars(ssl)), ssl.__spec__, vars(ssl.__loader__), ssl.SSLContext)"
    assert seen(installed, "-c", program, env=env) == seen(bare, "-c", program, env=env)


@pytest.mark.parametrize("frozen", [True, False])
def test_an_ssl_that_does_not_lie_beside_os(frozen: bool, installed: Path, ca_less: dict[str, str], tmp_path: Path) -> None:
    """A copy of the standard library's elsewhere is left alone, but where PyInstaller may have put it there."""
    shutil.copy(Path(os.__file__).with_name("ssl.py"), tmp_path)
    program = f"import sys; sys.frozen = {frozen}; sys.path.insert(0, {str(tmp_path)!r}); import ssl; print({ROOTS})"
    assert printed(installed, "-I", "-c", program.replace("; sys.frozen = False", ""), env=ca_less) == str(int(frozen))


def test_an_ssl_behind_a_link(installed: Path, ca_less: dict[str, str], tmp_path: Path) -> None:
    """The standard library's by another name of its directory is the standard library's."""
    (tmp_path / "link").symlink_to(Path(os.__file__).parent)
    program = f"import sys; sys.path.insert(0, {str(tmp_path / 'link')!r}); import ssl; print(ssl.__file__, {ROOTS})"
    assert printed(installed, "-I", "-c", program, env=ca_less) == f"{tmp_path}/link/ssl.py 1"


@pytest.mark.parametrize("layer", ["", "import fallback_roots; fallback_roots.install()"], ids=["stand-ins", "wrappers"])
def test_armed_again(layer: str, installed: Path, ca_less: dict[str, str]) -> None:
    """Where somebody has taken our finder away, a second arming takes up position in ssl as it is, our functions in it."""
    program = f"""
import ssl, sys
{layer}
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "fallback_roots.auto"]
for name in [name for name in sys.modules if name.startswith("fallback_roots")]:
    del sys.modules[name]
import fallback_roots.auto
print(fallback_roots.status().state, {ROOTS})
"""
    assert printed(installed, "-c", program, env=ca_less) == "watching 1"


# ---------------------------------------------------------------- a broken installation

BROKEN: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "half written": b"import os\n\ndef watch(module, finder):\n    owner = _owner(",
    "not UTF-8": b"x = '\xff'\n",
    "zeros": bytes(4096),
    "raises": b"1 / 0\n",
    "imports what is missing": b"import a_module_that_is_missing\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_watch(name: str, installed: Path, bare: Path, ca_less: dict[str, str], tmp_path: Path) -> None:
    """With a _watch.py that is missing or half written, `import ssl` and a default load are as without us, in silence."""
    interpreter = clone(installed, tmp_path)
    package = site_packages(interpreter) / "fallback_roots"
    shutil.rmtree(package / "__pycache__")
    broken, content = package / "_watch.py", BROKEN[name]
    broken.unlink() if content is None else broken.write_bytes(content)
    program = f"import sys, importlib.util, ssl; print({ROOTS})\n{LOOK}"
    assert seen(interpreter, "-W", "error", "-c", program, env=ca_less) == seen(bare, "-W", "error", "-c", program, env=ca_less)


def test_the_package_is_gone_and_the_pth_stays(installed: Path, bare: Path, ca_less: dict[str, str], tmp_path: Path) -> None:
    """site complains about any start-up file that fails; exit status and standard output are as without us."""
    interpreter = clone(installed, tmp_path)
    shutil.rmtree(site_packages(interpreter) / "fallback_roots")
    program = f"import ssl; print({ROOTS})"
    status, out, err = seen(interpreter, "-c", program, env=ca_less)
    assert (status, out, "") == seen(bare, "-c", program, env=ca_less)
    assert ("fallback_roots.start" if sys.version_info >= (3, 15) else "fallback_roots.pth") in err


# ---------------------------------------------------------------- arm() never raises

TROUBLES = {
    "os.environ is None": "os.environ = None",
    "os.environ raises": """
class Environ:
    def get(self, *args):
        raise OSError("environ")
os.environ = Environ()
""",
    "sys.meta_path is None": "sys.meta_path = None",
    "sys.meta_path is a tuple": "sys.meta_path = tuple(sys.meta_path)",
    "sys.meta_path is full of junk": "sys.meta_path[:] = [None, 1, '', object(), type, sys]",
    "a finder that shows nothing of itself": """
class Shy(type):
    @property
    def __module__(cls):
        raise RuntimeError("no")
sys.meta_path[:] = [Shy("Finder", (), {})()]
""",
    "no sys.audit": "del sys.audit",
    "ssl is None": "sys.modules['ssl'] = None",
    "ssl is an object": "sys.modules['ssl'] = object()",
    "ssl raises": """
class Raises:
    def __getattr__(self, name):
        raise RuntimeError(name)
sys.modules["ssl"] = Raises()
""",
    "ssl is a stub": """
class SSLContext:
    def load_default_certs(self):
        pass
sys.modules["ssl"] = ssl = type(sys)("ssl")
ssl.SSLContext, ssl.create_default_context = SSLContext, print
""",
    "ssl is a stub without a class": "sys.modules['ssl'] = ssl = type(sys)('ssl'); ssl.SSLContext = 1",
}


@pytest.mark.parametrize("name", TROUBLES)
def test_arm_never_raises(name: str, installed: Path, ca_less: dict[str, str]) -> None:
    """Whatever state the interpreter is in, arm() returns and says nothing, and a foreign ssl stays as it is."""
    program = f"""
import os, sys
from fallback_roots.auto import arm
sys.meta_path.remove({OURS}[0])
{TROUBLES[name]}
def look():
    ssl = (sys.modules or {{}}).get("ssl")
    things = [ssl, ssl.__dict__.get("SSLContext")] if type(ssl) is type(sys) else []
    return [dict(thing.__dict__) for thing in things if hasattr(thing, "__dict__")]
before = look()
arm()
assert look() == before
os.write(1, b"alive")
"""
    done = python("-c", program, executable=installed, env=ca_less)
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive", "")


# ---------------------------------------------------------------- audit


def test_the_audit_event(installed: Path, ca_less: dict[str, str]) -> None:
    """`fallback_roots.arm` is raised once, without arguments, before the finder goes on sys.meta_path."""
    program = f"""
import sys
from fallback_roots.auto import arm
sys.meta_path.remove({OURS}[0])
events = []
sys.addaudithook(lambda event, args: event.startswith("fallback_roots.") and events.append((event, args, len({OURS}))))
arm()
arm()
print(events, len({OURS}))
"""
    assert printed(installed, "-c", program, env=ca_less) == "[('fallback_roots.arm', (), 0)] 1"


def test_an_audit_hook_that_raises(installed: Path, bare: Path, ca_less: dict[str, str], tmp_path: Path) -> None:
    """An audit hook that forbids it keeps us out, and the interpreter starts as without us."""
    interpreter = clone(installed, tmp_path)
    (site_packages(interpreter) / "aaa.pth").write_text("import forbid\n")
    (site_packages(interpreter) / "forbid.py").write_text("""
import sys
def forbid(event, args):
    if event.startswith("fallback_roots."):
        raise RuntimeError(event)
sys.addaudithook(forbid)
""")
    program = f"import sys, ssl; print(len({OURS}), {ROOTS})"
    assert seen(interpreter, "-c", program, env=ca_less) == seen(bare, "-c", program, env=ca_less) == (0, "0 0\n", "")


# ---------------------------------------------------------------- other processes, other interpreters, the end

CHILDREN = {
    "subprocess": f"""
import subprocess, sys
print(subprocess.run([sys.executable, "-c", "import ssl; print({ROOTS})"], stdout=subprocess.PIPE, text=True).stdout)
""",
    "fork before ssl": f"""
import os
if not os.fork():
    import ssl
    print({ROOTS})
else:
    os.wait()
""",
    "fork after ssl": f"""
import os, ssl
if not os.fork():
    print({ROOTS})
else:
    os.wait()
""",
    "multiprocessing spawn": f"""
import multiprocessing
with multiprocessing.get_context("spawn").Pool(1) as pool:
    print(pool.apply(eval, ["__import__('ssl') and {ROOTS.replace("ssl", "__import__('ssl')")}"]))
""",
    "atexit": f"""
import atexit
@atexit.register
def at_exit():
    import ssl
    print({ROOTS})
""",
}


@pytest.mark.parametrize("name", CHILDREN)
def test_children_and_the_end(name: str, installed: Path, bare: Path, ca_less: dict[str, str]) -> None:
    """A child process is armed like its parent, and so is an interpreter that imports ssl when it is about to exit."""
    assert printed(installed, "-c", CHILDREN[name], env=ca_less) == "1"
    assert printed(bare, "-c", CHILDREN[name], env=ca_less) == "0"


def test_a_context_made_at_shutdown(installed: Path, bare: Path, ca_less: dict[str, str], ca_file: Path) -> None:
    """A context made when sys.modules is empty already is as without us, with CAs and without, in silence."""
    program = """
import os, ssl
class Last:
    def __del__(self, write=os.write, make=ssl.create_default_context):
        write(1, b"%d" % len(make().get_ca_certs()))
last = Last()
"""
    assert seen(installed, "-c", program, env=ca_less) == seen(bare, "-c", program, env=ca_less) == (0, "0", "")
    healthy = {**ca_less, "SSL_CERT_FILE": str(ca_file)}
    assert seen(installed, "-c", program, env=healthy) == seen(bare, "-c", program, env=healthy) == (0, "1", "")


def test_a_subinterpreter(installed: Path, ca_less: dict[str, str]) -> None:
    """A subinterpreter is armed by itself, mends its own loads, and shares no state with the main one."""
    report = f"print(len({OURS}), [finder.hook for finder in {OURS}], flush=True)"
    program = f"""
import sys
if sys.version_info >= (3, 13):
    import _interpreters as interpreters
    other = interpreters.create()
else:  # an isolated one that imports ssl makes CPython 3.12.1 abort, without us as well
    import _xxsubinterpreters as interpreters
    other = interpreters.create(isolated=False)
interpreters.run_string(other, '''import sys; {report.replace("'", '"')}; import ssl; print({ROOTS}, flush=True)''')
{report}
import ssl
interpreters.destroy(other)
print({ROOTS})
"""
    done = python("-c", program, executable=installed, env=ca_less)
    assert (done.returncode, done.stdout.splitlines()) == (0, ["1 [None]", "1", "1 [None]", "1"]), done.stderr
    assert [line[:14] for line in done.stderr.splitlines()] == ["fallback-roots"] * 2  # each says it for itself
