"""The template for places where no `.pth` is read, packages in a directory that PYTHONPATH names, and what it gives way to."""

import os
import py_compile
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
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
    assert err.startswith("fallback-roots: Python's default CA load found no certificate; loaded 1 root from cafile")


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


def test_in_a_zip(target: Path, bare: Path, ca_file: Path, tmp_path: Path) -> None:
    """A zip of the whole, as a cluster hands it to its workers, arms from PYTHONPATH."""
    archive = shutil.make_archive(str(tmp_path / "packages"), "zip", target)
    shutil.rmtree(target)
    assert run(bare, Path(archive), ca_file)[0] == "1 1"


def test_the_copy_in_the_wheel() -> None:
    """What the command `fallback-roots sitecustomize` writes is the template, to the letter."""
    assert (ROOT / "src" / "fallback_roots" / "_cli" / "sitecustomize_template.py").read_bytes() == TEMPLATE.read_bytes()


# ---------------------------------------------------------------- the next one

SAYS = "print('next', __name__, __file__)\n"
FORGET = "sys.modules.pop('sitecustomize', None)"  # Debian's Python has imported its own
SHOW = f"""
import sys
module = sys.modules.get("sitecustomize")
file, spec, doc = (getattr(module, name, None) for name in ("__file__", "__spec__", "__doc__"))
print({FINDERS}, file, spec, str(doc)[:4], sorted(vars(module or sys)))
"""


def start(*path: Path | str, interpreter: Path, flags: tuple[str, ...] = (), cwd: Path | None = None) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of SHOW with `path` as PYTHONPATH."""
    env = {"PYTHONPATH": os.pathsep.join(map(str, path))}
    done = python(*flags, "-c", SHOW, env=env, executable=interpreter, cwd=cwd)
    return done.returncode, re.sub("0x[0-9a-f]+", "0x", done.stdout), done.stderr


def ours_and(target: Path, *path: Path) -> tuple[str, str]:
    """PYTHONPATH without ours, and with it."""
    others = [str(entry) for entry in path]
    return os.pathsep.join(others), os.pathsep.join([str(target), *others])


def a_file(text: str) -> Callable[[Path], Path]:
    def make(directory: Path) -> Path:
        (directory / "sitecustomize.py").write_bytes(text.encode(errors="surrogateescape"))
        return directory

    return make


def a_link_to_itself(directory: Path) -> Path:
    (directory / "sitecustomize.py").symlink_to("sitecustomize.py")
    return directory


def a_package(directory: Path) -> Path:
    (directory / "sitecustomize").mkdir()
    (directory / "sitecustomize" / "__init__.py").write_text(f"{SAYS}print(__path__)")
    return directory


def a_bare_directory(directory: Path) -> Path:
    (directory / "sitecustomize").mkdir()
    return directory


def bytecode_alone(directory: Path) -> Path:
    py_compile.compile(str(a_file(SAYS)(directory) / "sitecustomize.py"), cfile=str(directory / "sitecustomize.pyc"))
    (directory / "sitecustomize.py").unlink()
    return directory


def a_zip(directory: Path) -> Path:
    with zipfile.ZipFile(directory / "next.zip", "w") as archive:
        archive.writestr("sitecustomize.py", SAYS)
    return directory / "next.zip"


NEXT: dict[str, Callable[[Path], Path]] = {
    "none": lambda directory: directory,
    "prints": a_file(SAYS),
    "package": a_package,
    "directory without __init__": a_bare_directory,
    "bytecode": bytecode_alone,
    "zip": a_zip,
    "takes its own place": a_file("import sys, types; sys.modules[__name__] = types.ModuleType('other')\n"),
    "goes away": a_file("import sys; del sys.modules[__name__]\n"),
    "changes the path": a_file("import sys; sys.path.insert(0, '/nonexistent/first'); sys.path.append('/nonexistent/last')\n"),
    "ImportError": a_file("import nonexistent_module\n"),
    "ImportError of its own name": a_file("raise ImportError('x', name='sitecustomize')\n"),
    "ValueError": a_file("print('half')\nraise ValueError('boom')\n"),
    "SyntaxError": a_file("def f(:\n"),
    "not UTF-8": a_file("x = '\udcff'\n"),
    "a link to itself": a_link_to_itself,
    "exit": a_file("import os; os._exit(3)\n"),
    "SystemExit": a_file("raise SystemExit(5)\n"),
    "KeyboardInterrupt": a_file("raise KeyboardInterrupt\n"),
}
FRAME = re.compile(
    r'  File ".*/target/sitecustomize.py", line \d+, in \S+\n    .*\n(    [~^]+\n)?|  File "<frozen importlib.*\n'
)


@pytest.mark.parametrize("name", NEXT)
@pytest.mark.parametrize("installation", ["whole", "gone"])
def test_the_next_one(name: str, installation: str, target: Path, bare: Path, tmp_path: Path) -> None:
    """The next sitecustomize does, shows and fails as it would without us, also where only the template is left of us."""
    (tmp_path / "next").mkdir()
    entry = NEXT[name](tmp_path / "next")
    if installation == "gone":
        shutil.rmtree(target / "fallback_roots")
    without, with_us = start(entry, interpreter=bare), start(target, entry, interpreter=bare)
    fails = "Fatal Python error" in without[2]  # its traceback has two frames of ours
    armed = "0" if installation == "gone" else "1"
    assert (with_us[0], FRAME.sub("", with_us[2])) == (without[0], FRAME.sub("", without[2]))
    assert fails == (with_us[2] != without[2])
    if name in ("none", "a link to itself") and without[1].startswith("0 None None"):  # Debian's Python has one of its own
        assert with_us[1].startswith(f"{armed} {target / 'sitecustomize.py'} ModuleSpec(")
    else:
        assert with_us[1] == re.sub("^0 ", f"{armed} ", without[1], flags=re.MULTILINE)


def link_to(target: Path) -> Callable[[Path], str]:
    def make(directory: Path) -> str:
        (directory / "link").symlink_to(target)
        return str(directory / "link")

    return make


def copy_in(directory: Path) -> str:
    (directory / "copy").mkdir(exist_ok=True)
    shutil.copy(TEMPLATE, directory / "copy")
    return str(directory / "copy")


def copy_in_a_zip(directory: Path) -> str:
    with zipfile.ZipFile(directory / "copy.zip", "w") as archive:
        archive.write(TEMPLATE, TEMPLATE.name)
    return str(directory / "copy.zip")


def file_link(target: Path) -> Callable[[Path], str]:
    def make(directory: Path) -> str:
        (directory / "file").mkdir(exist_ok=True)
        (directory / "file" / TEMPLATE.name).symlink_to(target / TEMPLATE.name)
        return str(directory / "file")

    return make


PATHS = {
    "before it": "T N",
    "behind it": "N T",
    "the same twice": "T T N T",
    "a link to the directory": "T L N",
    "the link first": "L T N",
    "a copy": "T C N",
    "a copy, and the first again": "T C L N",
    "copies on both sides": "C T C N",
    "a link to the file": "T F N",
    "the file's link first": "F T N",
    "in a zip": "Z N",
    "the zip behind it": "T Z N",
    "all of them": "Z F C L T L C F Z N N",
    "nobody behind": "T C T",
    "what is nowhere": "/nonexistent T /nonexistent N",
    "a relative one": "T . N",
}


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("relative", [False, True], ids=["absolute", "relative"])
def test_the_order(name: str, relative: bool, target: Path, bare: Path, tmp_path: Path) -> None:
    """However often and by whatever way ours is on the path, the one behind it runs once, as long as ours runs at all."""
    makers: dict[str, Callable[[Path], str]] = {
        "T": lambda _: str(target),
        "N": lambda directory: str(directory / "next"),
        "L": link_to(target),
        "C": copy_in,
        "F": file_link(target),
        "Z": copy_in_a_zip,
    }
    (tmp_path / "next").mkdir()
    a_file(SAYS)(tmp_path / "next")
    letters = PATHS[name].split()
    made = {letter: makers[letter](tmp_path) if letter in makers else letter for letter in {*letters, "T"}}
    path = [os.path.relpath(made[letter], tmp_path) if relative else made[letter] for letter in letters]
    code, out, err = start(*path, interpreter=bare, cwd=tmp_path)
    assert (code, err) == (0, "")
    file = tmp_path / "next" / "sitecustomize.py"
    assert out.count("next sitecustomize") == ("N" in letters)
    assert out.splitlines()[-1].startswith("0" if letters[0] == "N" or "T" not in letters else "1")  # else out of reach
    if "N" in letters:
        assert f"next sitecustomize {file}\n" in out
        assert f" {file} ModuleSpec(" in out


def test_an_entry_that_is_no_path(target: Path, bare: Path, tmp_path: Path) -> None:
    """What is on sys.path and is no string is passed over, as by the import system."""
    a_file(SAYS)(tmp_path)
    entries = f"[None, b'x', {str(target)!r}, 7, pathlib.Path('/'), {str(tmp_path)!r}]"
    program = f"import sys, pathlib; {FORGET}; sys.path[:] = {entries}\n"
    done = python("-I", "-c", f"{program}import sitecustomize; print({FINDERS})", executable=bare)
    assert (done.stdout, done.stderr) == (f"next sitecustomize {tmp_path / 'sitecustomize.py'}\n1\n", "")


AGENT = """
import sys, os, importlib.machinery, importlib.util
print("agent")
path = [entry for entry in sys.path if os.path.realpath(entry) != os.path.realpath(os.path.dirname(__file__))]
spec = importlib.machinery.PathFinder.find_spec("sitecustomize", path)
if spec is not None:
    module = importlib.util.module_from_spec(spec)
    {register}
    spec.loader.exec_module(module)
"""


@pytest.mark.parametrize("register", ["sys.modules[spec.name] = module", "pass"])
@pytest.mark.parametrize("order", ["ours agent next", "agent ours next"])
def test_an_agent_that_looks_for_another_one(register: str, order: str, target: Path, bare: Path, tmp_path: Path) -> None:
    """One that executes the first sitecustomize which is not its own may find ours again: each runs once, the next one, too."""
    for name, text in (("agent", AGENT.format(register=register)), ("next", SAYS)):
        (tmp_path / name).mkdir()
        a_file(text)(tmp_path / name)
    code, out, err = start(*(target if name == "ours" else tmp_path / name for name in order.split()), interpreter=bare)
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == ["agent", f"next sitecustomize {tmp_path / 'next' / 'sitecustomize.py'}"]
    module = "next" if register != "pass" else "agent"
    assert out.splitlines()[2].startswith(f"1 {tmp_path / module / 'sitecustomize.py'} ")


LOADERS = {
    "an editable install's": "loader = importlib.machinery.SourceFileLoader('sitecustomize', {file!r})",
    "one without a place": """
class loader(importlib.machinery.SourceFileLoader):
    is_package = property()  # then a spec has no location
loader = loader('sitecustomize', {file!r})
""",
    "one that makes the module": """
class loader:
    def create_module(spec):
        loader.made = types.ModuleType(spec.name)
        return loader.made
    def exec_module(module):
        assert module is loader.made is sys.modules["sitecustomize"]
        exec("print('next')", vars(module))
""",
    "one of load_module alone": """
class loader:  # its load_module, as that was to be written, takes the module that is there
    def load_module(name):
        module = sys.modules.setdefault(name, types.ModuleType(name))
        exec("print('next')", vars(module))
        return sys.modules[name]
""",
}
FINDER = """
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "sitecustomize":
            return importlib.util.spec_from_loader(name, loader)
sys.meta_path.append(Finder)
sys.modules.pop("sitecustomize", None)  # Debian's Python has imported its own
sys.path[:] = [{target!r}, *(path for path in sys.path if not os.path.exists(path + "/sitecustomize.py"))]
import sitecustomize
print(sys.modules["sitecustomize"] is sitecustomize, sorted(vars(sitecustomize)))
"""


@pytest.mark.parametrize("name", LOADERS)
def test_what_another_finder_gives(name: str, target: Path, bare: Path, tmp_path: Path) -> None:
    """What a finder behind Python's own gives is the next one where no directory has one, whatever its loader can do."""
    if name == "one of load_module alone" and sys.version_info >= (3, 15):
        pytest.skip("Python 3.15 asks no loader for load_module")
    (tmp_path / "sitecustomize.py").write_text("print('next')")
    program = f"import importlib.machinery, importlib.util, os, sys, types\n{LOADERS[name]}{FINDER}"
    without, with_us = (
        python("-I", "-c", program.format(file=str(tmp_path / "sitecustomize.py"), target=entry), executable=bare)
        for entry in ("", str(target))
    )
    assert with_us.stdout.startswith("next\nTrue [")
    assert (with_us.stdout, with_us.stderr) == (without.stdout, without.stderr)


FINDERS_OF_OTHERS = {
    "a subclass in the place of Python's own": """
class Traced(PathFinder):
    pass
sys.meta_path[sys.meta_path.index(PathFinder)] = Traced
sys.path[:0] = [{target!r}, {next!r}]
""",
    "one that finds ours where no path leads": """
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "sitecustomize":
            return importlib.util.spec_from_file_location(name, {target!r} + "/sitecustomize.py")
sys.meta_path.insert(0, Finder)
sys.path.insert(0, {next!r})
""",
    "one of before Python 3.4, and an editable install's": """
class Old:
    def find_module(self, name, path=None):
        return None
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "sitecustomize":
            return importlib.util.spec_from_file_location(name, {next!r} + "/sitecustomize.py")
sys.meta_path += [Old(), Finder]
sys.path[:] = [{target!r}, *(path for path in sys.path if not os.path.exists(path + "/sitecustomize.py"))]
""",
}


@pytest.mark.parametrize("name", FINDERS_OF_OTHERS)
def test_a_finder_of_somebody_else(name: str, target: Path, bare: Path, tmp_path: Path) -> None:
    """Whoever else has a say in what is found, the next one is run, once."""
    a_file(SAYS)(tmp_path)
    program = f"import importlib.util, os, sys\nfrom importlib.machinery import PathFinder\n{FORGET}\n{FINDERS_OF_OTHERS[name]}"
    run_it = "import sitecustomize; print(sitecustomize.__file__)"
    done = python("-I", "-c", program.format(target=str(target), next=str(tmp_path)) + run_it, executable=bare)
    file = tmp_path / "sitecustomize.py"
    assert (done.stdout, done.stderr) == (f"next sitecustomize {file}\n{file}\n", "")


OLD = [
    path for path in Path.home().glob(".pyenv/versions/*/bin/python") if path.parent.parent.name[:4] in ("2.7.", "3.6.", "3.9.")
]


@pytest.mark.parametrize("interpreter", OLD or [None], ids=lambda path: path and path.parent.parent.name)
@pytest.mark.parametrize("zipped", [False, True], ids=["", "zip"])
def test_an_older_python(zipped: bool, interpreter: Path | None, target: Path, tmp_path: Path) -> None:
    """Another Python on the same PYTHONPATH, for which this package is not, starts as without it, and runs the next one."""
    if interpreter is None:
        pytest.skip("no older Python is here")
    a_file("print('next')\n")(tmp_path)
    following = str(tmp_path)
    if zipped:
        following = shutil.make_archive(str(tmp_path / "next"), "zip", tmp_path, "sitecustomize.py")
    program = (
        "import sys, ssl; print(sys.modules['sitecustomize'].__file__, [name for name in sys.modules if 'fallback' in name])"
    )
    with_us, without = (
        python("-B", "-c", program, env={**NO_CAS, "PYTHONPATH": path}, executable=interpreter)
        for path in ours_and(target, Path(following))[::-1]
    )
    assert (with_us.returncode, with_us.stderr) == (0, "")
    assert with_us.stdout == without.stdout
    assert with_us.stdout.startswith("next\n")


def test_a_current_directory_that_is_gone(target: Path, bare: Path, tmp_path: Path) -> None:
    """An entry whose place cannot be told does not cost the next one."""
    a_file(SAYS)(tmp_path)
    program = f"""
import os, sys, tempfile
with tempfile.TemporaryDirectory() as directory:
    os.chdir(directory)
{FORGET}
sys.path[:] = ["relative", {str(target)!r}, {str(tmp_path)!r}, "a\\0b"]
import sitecustomize
"""
    done = python("-I", "-c", program, executable=bare)
    assert (done.stdout, done.stderr) == (f"next sitecustomize {tmp_path / 'sitecustomize.py'}\n", "")


def test_a_thread_that_imports_it(target: Path, bare: Path, tmp_path: Path) -> None:
    """A thread that the next one has started waits until that has been executed."""
    text = """
import threading
found = []
def look():
    import sitecustomize
    found.append(sitecustomize.end)
thread = threading.Thread(target=look)
thread.start()
thread.join(0.2)
end = 5
"""
    a_file(text)(tmp_path)
    env = {"PYTHONPATH": f"{target}{os.pathsep}{tmp_path}"}
    program = "import sitecustomize; sitecustomize.thread.join(); print(sitecustomize.found)"
    done = python("-c", program, env=env, executable=bare)
    assert (done.stdout, done.stderr) == ("[5]\n", "")


def test_as_a_script(target: Path, bare: Path, tmp_path: Path) -> None:
    """The file executed as a program arms, and does not execute the next one once more."""
    a_file(SAYS)(tmp_path)
    done = python(target / TEMPLATE.name, env={"PYTHONPATH": str(tmp_path)}, executable=bare)
    assert (done.returncode, done.stdout.count("next"), done.stderr) == (0, 1, "")


def test_from_memory(target: Path, bare: Path) -> None:
    """Executed from memory, where no file is its own, it arms and gives way to nobody."""
    program = """
import sys, types
source = open(sys.argv[1]).read()
module = sys.modules["sitecustomize"] = types.ModuleType("sitecustomize")
sys.path.append(sys.argv[2])
exec(source, vars(module))
"""
    done = python("-I", "-c", f"{program}print({FINDERS})", target / TEMPLATE.name, target, executable=bare)
    assert (done.stdout, done.stderr) == ("1\n", "")


RELOADS = """
import importlib, sys, sitecustomize
for _ in range(3):
    assert importlib.reload(sitecustomize) is sitecustomize is sys.modules["sitecustomize"]
"""


def test_reload(target: Path, bare: Path, tmp_path: Path) -> None:
    """A reload executes the next one again in the module that was there, which keeps its names; there is still one finder."""
    a_file("count = globals().get('count', 0) + 1\n")(tmp_path)
    program = f"{RELOADS}print(sitecustomize.count, sitecustomize.__file__, {FINDERS}, sorted(vars(sitecustomize)))"
    without, with_us = (python("-c", program, env={"PYTHONPATH": path}, executable=bare) for path in ours_and(target, tmp_path))
    assert (without.stderr, without.stdout.split()[:2]) == ("", ["4", str(tmp_path / "sitecustomize.py")])
    assert (with_us.stdout, with_us.stderr) == (without.stdout.replace(" 0 ", " 1 "), "")


def test_usercustomize(target: Path, bare: Path, tmp_path: Path) -> None:
    """usercustomize runs as before, after the sitecustomize that ours gives way to."""
    a_file(SAYS)(tmp_path)
    (tmp_path / "usercustomize.py").write_text(SAYS)
    base = Path(os.path.realpath(bare))  # in a venv there is none
    out = start(target, tmp_path, interpreter=base)[1].splitlines()
    files = [f"next {name} {tmp_path / name}.py" for name in ("sitecustomize", "usercustomize")]
    assert out[:2] == files


def test_what_it_imports(target: Path, bare: Path, tmp_path: Path) -> None:
    """It imports this package's two modules of start-up and nothing else, with a next one and without."""
    (tmp_path / "next").mkdir()
    a_file("")(tmp_path / "next")
    for path in ([], [tmp_path / "next"]):
        modules = []
        for ours in ([], [target]):
            env = {"PYTHONPATH": os.pathsep.join(map(str, [*ours, *path]))}
            modules.append(set(python("-c", "import sys; print(*sys.modules)", env=env, executable=bare).stdout.split()))
        assert modules[1] - modules[0] == {"fallback_roots", "fallback_roots.auto"} | ({"sitecustomize"} - modules[0])
    assert "sitecustomize" in modules[0]


@pytest.mark.skipif(not Path("/etc/debian_version").exists(), reason="Debian's Python has a sitecustomize of its own")
def test_debians_own(target: Path) -> None:
    """Debian's own sitecustomize is the module of that name afterwards, as without us."""
    env, program = {"PYTHONPATH": str(target)}, f"import sys, sitecustomize; print({FINDERS}, sitecustomize.__file__)"
    debian = Path("/usr/bin/python3")
    without, with_us = python("-c", program, executable=debian), python("-c", program, env=env, executable=debian)
    assert (with_us.stdout, with_us.stderr) == (without.stdout.replace("0 ", "1 ", 1), "")
    assert re.match(r"0 /usr/lib/python3\.\d+/sitecustomize\.py$", without.stdout)
