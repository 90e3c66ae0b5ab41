"""Processes and interpreters that a program starts: each is armed by itself, and has a state of its own.

A program runs on a machine without CA certificates, with a fallback of one root: what it starts finds one root with us, and
none in a venv without us. What `test_startup.py` has (a plain subprocess, a plain fork, a Pool that spawns) is not here again.
"""

import os
import re
import sys
import zipfile
from pathlib import Path

import pytest
from support import NO_CAS, python

# What is run elsewhere: the state before the first load, the number of roots, and the state after it.
WORK = """
import sys

def count():
    import ssl
    return len(ssl.create_default_context().get_ca_certs())

def tell():
    if "fallback_roots.auto" not in sys.modules:  # in the venv without us
        return f"- {count()} -"
    import fallback_roots
    import ssl
    return f"{fallback_roots.status().state} {count()} {fallback_roots.status().state}"

def say():
    print(tell(), flush=True)
"""
SAID = re.compile(r"(fallback-roots: Python's default CA load found no certificate; loaded 1 root from cafile[^\n]*\n)*")
START_METHODS = ("fork", "spawn", "forkserver")


@pytest.fixture
def ca_less(ca_file: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of a machine without CA certificates, with a fallback of one root; the module `work` can be imported."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "work.py").write_text(WORK)
    settings = {"FALLBACK_ROOTS_CONFIG": os.devnull, "FALLBACK_ROOTS_CAFILE": str(ca_file)}
    return {**NO_CAS, **settings, "PYTHONPATH": str(tmp_path / "modules")}


def run(interpreter: Path, program: str, env: dict[str, str], *flags: str) -> tuple[list[str], int]:
    """The lines that a program prints which must succeed, and how many WARNINGs are all that is on standard error.

    The program is a file, as what multiprocessing starts reads it again.
    """
    file = Path(env["PYTHONPATH"].partition(os.pathsep)[0]) / "program.py"
    file.write_text(program)
    done = python(*flags, file, executable=interpreter, env=env)
    assert done.returncode == 0, done.stderr
    assert SAID.fullmatch(done.stderr), done.stderr
    return done.stdout.splitlines(), done.stderr.count("\n")


# ---------------------------------------------------------------- processes

# Each prints what its child tells, and nothing else.
STARTED = {
    "subprocess -I": """
import subprocess, sys
subprocess.run([sys.executable, "-I", "-c", "import sys; sys.path[:0] = sys.argv[1:]; import work; work.say()", sys.path[0]])
""",
    "subprocess, through a shell": """
import subprocess, sys
subprocess.run(f"'{sys.executable}' -c 'import work; work.say()'", shell=True)
""",
    "asyncio subprocess": """
import asyncio, sys
async def main():
    await (await asyncio.create_subprocess_exec(sys.executable, "-c", "import work; work.say()")).wait()
asyncio.run(main())
""",
    "os.posix_spawn": """
import os, sys
os.waitpid(os.posix_spawn(sys.executable, [sys.executable, "-c", "import work; work.say()"], os.environ), 0)
""",
    "os.execv": """
import os, sys
os.execv(sys.executable, [sys.executable, "-c", "import work; work.say()"])
""",
    "os.fork twice, as a daemon": """
import os, work
read, write = os.pipe()
if not os.fork():
    os.setsid()
    if not os.fork():
        os.write(write, work.tell().encode())
    os._exit(0)
os.wait()
os.close(write)
print(open(read).read())
""",
    **{
        f"multiprocessing.Process, {method}": f"""
import multiprocessing, work
if __name__ == "__main__":
    process = multiprocessing.get_context({method!r}).Process(target=work.say)
    process.start()
    process.join()
"""
        for method in START_METHODS
    },
    "multiprocessing.Process, forkserver with ssl preloaded": """
import multiprocessing, work
if __name__ == "__main__":
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ssl"])
    process = context.Process(target=work.say)
    process.start()
    process.join()
""",
    **{
        f"concurrent.futures, {method}": f"""
import concurrent.futures, multiprocessing, work
if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        print(executor.submit(work.tell).result())
"""
        for method in START_METHODS
    },
}


@pytest.mark.parametrize("way", STARTED)
def test_a_started_process(way: str, installed: Path, bare: Path, ca_less: dict[str, str]) -> None:
    """However a process is started, its first empty load is mended, and it says so once."""
    assert run(installed, STARTED[way], ca_less) == (["watching 1 patched"], 1)
    assert run(bare, STARTED[way], ca_less) == (["- 0 -"], 0)


@pytest.mark.parametrize("method", START_METHODS)
def test_with_cas_a_child_is_untouched(method: str, installed: Path, ca_less: dict[str, str], ca_file: Path) -> None:
    """Where the default load finds something the child of a process has that, and nothing of ours but the question."""
    way = STARTED[f"concurrent.futures, {method}"]
    env = {**ca_less, "SSL_CERT_FILE": str(ca_file), "FALLBACK_ROOTS_CERTIFI": "1"}
    assert run(installed, way, env) == (["watching 1 watching"], 0)


def after(change: str, method: str) -> str:
    """A program that loads the fallback, makes a `change`, and starts a child."""
    return f"""
import os, multiprocessing, work
if __name__ == "__main__":
    work.say()
    {change}
    process = multiprocessing.get_context({method!r}).Process(target=work.say)
    process.start()
    process.join()
"""


@pytest.mark.parametrize(
    ("change", "method", "child", "warnings"),
    [
        ("pass", "fork", "patched 1 patched", 1),
        ("pass", "spawn", "watching 1 patched", 2),
        ("pass", "forkserver", "watching 1 patched", 2),
        ("import fallback_roots; fallback_roots.uninstall()", "fork", "absent 0 absent", 1),
        ("import fallback_roots; fallback_roots.uninstall()", "spawn", "watching 1 patched", 2),
        ("os.environ['FALLBACK_ROOTS_DISABLE'] = '1'", "fork", "patched 1 patched", 1),
        ("os.environ['FALLBACK_ROOTS_DISABLE'] = '1'", "spawn", "disabled 0 disabled", 1),
        ("os.environ['FALLBACK_ROOTS_DISABLE'] = '1'", "forkserver", "disabled 0 disabled", 1),
        ("os.environ['FALLBACK_ROOTS_CAFILE'] = '/nonexistent/ca.pem'", "fork", "patched 1 patched", 1),
    ],
)
def test_what_a_child_has_of_its_parent(
    change: str, method: str, child: str, warnings: int, installed: Path, ca_less: dict[str, str]
) -> None:
    """A forked child goes on with its parent's state and settings and says nothing anew; any other one begins afresh."""
    assert run(installed, after(change, method), ca_less) == (["watching 1 patched", child], warnings)


def test_settings_that_only_the_child_has(installed: Path, ca_less: dict[str, str]) -> None:
    """A spawned child reads the settings for itself: a cafile that is gone by then gets it no other roots, and a WARNING."""
    change = "os.environ['FALLBACK_ROOTS_CAFILE'] = '/nonexistent/ca.pem'"
    file = Path(ca_less["PYTHONPATH"]) / "program.py"
    file.write_text(after(change, "spawn"))
    done = python(file, executable=installed, env=ca_less)
    assert (done.returncode, done.stdout.splitlines()) == (0, ["watching 1 patched", "watching 0 watching"])
    assert "no roots loaded" in done.stderr.splitlines()[1]


@pytest.mark.parametrize("place", ["at the top", "under __main__"])
@pytest.mark.parametrize("method", START_METHODS)
def test_the_line_where_no_pth_is_read(
    method: str, place: str, wheel: Path, bare: Path, ca_less: dict[str, str], tmp_path: Path
) -> None:
    """The one line arms children that are started afresh, too, if it stands where they read it: not under `__main__`."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "target")
    top, under = ("import fallback_roots.auto", "") if place == "at the top" else ("", "import fallback_roots.auto")
    program = f"""
{top}
import multiprocessing, work
if __name__ == "__main__":
    {under or "pass"}
    process = multiprocessing.get_context({method!r}).Process(target=work.say)
    process.start()
    process.join()
"""
    env = {**ca_less, "PYTHONPATH": os.pathsep.join([ca_less["PYTHONPATH"], str(tmp_path / "target")])}
    armed = place == "at the top" or method == "fork"
    assert run(bare, program, env)[0] == ["watching 1 patched" if armed else "- 0 -"]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_pythons_flags_are_handed_on(method: str, installed: Path, ca_less: dict[str, str]) -> None:
    """With -S no .pth is read in the children that multiprocessing starts, either."""
    program = STARTED[f"multiprocessing.Process, {method}"]
    assert run(installed, program, ca_less, "-S") == (["- 0 -"], 0)


@pytest.mark.parametrize("line", ["import fallback_roots.auto", "import fallback_roots; fallback_roots.install()"])
def test_installed_while_it_runs(line: str, wheel: Path, bare: Path, ca_less: dict[str, str], tmp_path: Path) -> None:
    """No .pth is read again in a process that runs (a notebook's `%pip install`): it needs the line, or to be started again."""
    program = f"""
import importlib, work, zipfile
print(work.count())
zipfile.ZipFile({str(wheel)!r}).extractall({str(tmp_path / "target")!r})
importlib.invalidate_caches()
print(work.count())
{line}
print(work.count())
"""
    (tmp_path / "target").mkdir()
    env = {**ca_less, "PYTHONPATH": os.pathsep.join([ca_less["PYTHONPATH"], str(tmp_path / "target")])}
    assert run(bare, program, env) == (["0", "0", "1"], 1)


# ---------------------------------------------------------------- interpreters in one process

# `create(kind)`, `run(interpreter, source)`, `destroy(interpreter)`, by whatever this Python has.
INTERPRETERS = """
import atexit, sys
if sys.version_info >= (3, 13):
    import _interpreters
    create, destroy = _interpreters.create, _interpreters.destroy
    def run(interpreter, source):
        fault = _interpreters.run_string(interpreter, source)
        assert fault is None, fault
    def destroy_all():  # what is left at the end gets a warning of Python's
        for interpreter, _ in _interpreters.list_all():
            if interpreter != _interpreters.get_main()[0]:
                destroy(interpreter)
    atexit.register(destroy_all)
else:
    import _xxsubinterpreters
    destroy, run = _xxsubinterpreters.destroy, _xxsubinterpreters.run_string
    def create(kind):
        return _xxsubinterpreters.create(isolated=kind == "isolated")
"""
# "isolated" is a lock of its own from 3.12 on. There the process aborts after an import of ssl, without us as well.
if sys.version_info >= (3, 13):
    KINDS: tuple[str, ...] = ("isolated", "legacy")
else:
    KINDS = ("shared",) if sys.version_info >= (3, 12) else ("isolated", "shared")


@pytest.mark.parametrize("kind", KINDS)
def test_interpreters_one_after_the_other(kind: str, installed: Path, ca_less: dict[str, str]) -> None:
    """Each interpreter begins afresh, whatever the main one and those before it have come to, and says so for itself."""
    program = f"""{INTERPRETERS}
import work
work.say()
for _ in range(3):
    interpreter = create({kind!r})
    run(interpreter, "import work; work.say()")
    run(interpreter, "work.say()")
    destroy(interpreter)
"""
    assert run(installed, program, ca_less) == (
        ["watching 1 patched", *["watching 1 patched", "patched 1 patched"] * 3],
        4,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_without_us_an_interpreter_has_nothing(kind: str, bare: Path, ca_less: dict[str, str]) -> None:
    """It is ours what an interpreter is given."""
    assert run(bare, f"{INTERPRETERS}\nrun(create({kind!r}), 'import work; work.say()')", ca_less) == (["- 0 -"], 0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_one_interpreter_does_is_its_own(kind: str, installed: Path, ca_less: dict[str, str]) -> None:
    """uninstall() takes us off the interpreter that calls it; FALLBACK_ROOTS_DISABLE keeps us out of those made after it."""
    program = f"""{INTERPRETERS}
import os, work
one, two = create({kind!r}), create({kind!r})
run(one, "import fallback_roots, ssl; fallback_roots.uninstall(); import work; work.say()")
run(two, "import work; work.say()")
os.environ["FALLBACK_ROOTS_DISABLE"] = "1"
three = create({kind!r})
run(three, "import work; work.say()")
run(one, "work.say()")
run(two, "work.say()")
"""
    lines = ["absent 0 absent", "watching 1 patched", "disabled 0 disabled", "absent 0 absent", "patched 1 patched"]
    assert run(installed, program, ca_less) == (lines, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_first_loads_of_interpreters_in_threads(kind: str, installed: Path, ca_less: dict[str, str], tmp_path: Path) -> None:
    """Interpreters that make their first loads at the same time, one in a thread, each have the whole fallback."""
    program = f"""{INTERPRETERS}
import threading, work
source = '''
import work
open(file, "w").write(work.tell())
'''
files = [f"{tmp_path}/{{number}}" for number in range(4)]
def first_load(file):
    run(create({kind!r}), f"file = {{file!r}}{{source}}")
threads = [threading.Thread(target=first_load, args=[file]) for file in files]
for thread in threads:
    thread.start()
work.say()
for thread in threads:
    thread.join()
for file in files:
    print(open(file).read())
"""
    assert run(installed, program, ca_less) == (["watching 1 patched"] * 5, 5)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="concurrent.interpreters is new in 3.14")
def test_interpreters_of_the_standard_library(installed: Path, ca_less: dict[str, str]) -> None:
    """What concurrent.interpreters and an InterpreterPoolExecutor make is armed like any other."""
    program = """
import concurrent.futures, concurrent.interpreters, work
interpreter = concurrent.interpreters.create()
interpreter.call(work.say)
interpreter.close()
with concurrent.futures.InterpreterPoolExecutor(1) as executor:
    print(executor.submit(work.tell).result())
"""
    assert run(installed, program, ca_less) == (["watching 1 patched"] * 2, 2)
