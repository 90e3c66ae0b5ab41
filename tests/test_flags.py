"""Ways to start Python and flags that `test_startup.py` does not have: armed, and nothing else that one sees is different."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import NO_CAS, environment, python

PROGRAM = "import ssl\nprint('<%d>' % len(ssl.create_default_context().get_ca_certs()))\n"
WARNING = re.compile(r"fallback-roots: Python's default CA load found no certificate; loaded 1 root from cafile[^\n]*\n")


@pytest.fixture
def ca_less(ca_file: Path) -> dict[str, str]:
    """The environment of a machine without CA certificates, with a fallback of one root."""
    return {**NO_CAS, "FALLBACK_ROOTS_CONFIG": os.devnull, "FALLBACK_ROOTS_CAFILE": str(ca_file)}


# Arguments, standard input, and the variable that names the file that holds PROGRAM.
WAYS: dict[str, tuple[list[str], str, str]] = {
    "a file": (["{file}"], "", ""),
    "a directory": (["{directory}"], "", ""),
    "a module": (["-m", "program"], "", "PYTHONPATH"),
    "standard input": (["-"], PROGRAM, ""),
    "-i": (["-i", "{file}"], "print('after')\n", ""),
    "-i, with PYTHONSTARTUP": (["-i"], "print('after')\n", "PYTHONSTARTUP"),
    "-i, after PYTHONSTARTUP": (["-i"], PROGRAM, "PYTHONSTARTUP"),
    "PYTHONINSPECT": (["-c", PROGRAM], "print('after')\n", "PYTHONINSPECT"),
    "-m asyncio": (["-m", "asyncio"], PROGRAM, ""),
    "-m code": (["-m", "code"], PROGRAM, ""),
    "code.interact, started as IDLE starts its shell": (["-c", "__import__('code').interact(local={{}})"], PROGRAM, ""),
    "-m pdb": (["-m", "pdb", "{file}"], "continue\nquit\n", ""),
    "-m doctest": (["-m", "doctest", "-v", "{file}"], "", ""),
}


@pytest.mark.parametrize("way", WAYS)
def test_ways_to_start(way: str, installed: Path, bare: Path, ca_less: dict[str, str], tmp_path: Path) -> None:
    """A script, a module or a prompt: exit status, output and prompts are as without us, but for the roots and the WARNING."""
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    (tmp_path / "__main__.py").write_text(PROGRAM)
    arguments, said, variable = WAYS[way]
    arguments = [argument.format(file=file, directory=tmp_path) for argument in arguments]
    env = environment({**ca_less, **({variable: str(tmp_path if variable == "PYTHONPATH" else file)} if variable else {})})

    def seen(interpreter: Path) -> tuple[int, str, str]:
        done = subprocess.run(
            [interpreter, *arguments], env=env, input=said, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stdout, done.stderr

    (status, out, err), without_us = seen(installed), seen(bare)
    assert WARNING.search(err)
    assert (status, out.replace("<1>", "<0>"), WARNING.sub("", err)) == without_us
    assert "<1>" in out


FLAGS: dict[str, tuple[list[str], dict[str, str]]] = {
    "-P": (["-P"] if sys.version_info >= (3, 11) else [], {}),
    "-B": (["-B"], {}),
    "-u": (["-u"], {}),
    "-R": (["-R"], {"PYTHONHASHSEED": "0"}),
    "-X warn_default_encoding -W error": (["-X", "warn_default_encoding", "-W", "error"], {}),
    "-X no_debug_ranges": (["-X", "no_debug_ranges"], {}),
    "-X tracemalloc": (["-X", "tracemalloc=5"], {}),
    "-X faulthandler": (["-X", "faulthandler"], {}),
    "-X pycache_prefix": (["-X", "pycache_prefix=/nonexistent/fallback-roots/pycache"], {}),
    "--check-hash-based-pycs": (["--check-hash-based-pycs", "always"], {}),
    "PYTHONMALLOC": ([], {"PYTHONMALLOC": "debug"}),
    "PYTHONNOUSERSITE": ([], {"PYTHONNOUSERSITE": "1"}),
    "PYTHONOPTIMIZE": ([], {"PYTHONOPTIMIZE": "2"}),
    "PYTHONDEVMODE": ([], {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"}),
    "all at once": (["-I", "-OO", "-bb", "-W", "error", "-X", "dev", "-X", "frozen_modules=off"], {}),
}


@pytest.mark.parametrize("name", FLAGS)
def test_flags(name: str, installed: Path, ca_less: dict[str, str]) -> None:
    """No flag makes Python complain of us, or keeps a load from being mended."""
    flags, extra = FLAGS[name]
    done = python(*flags, "-c", PROGRAM, executable=installed, env={**ca_less, **extra})
    assert (done.returncode, done.stdout) == (0, "<1>\n"), done.stderr
    assert WARNING.fullmatch(done.stderr)
