"""Nuitka: a compiled program does what it does uncompiled, where we are installed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import NO_CAS, PROGRAM, ROOT, certifi_roots, environment, python

pytestmark = [pytest.mark.environments, pytest.mark.nuitka]

PAGE = (ROOT / "docs" / "frozen.md").read_text(encoding="utf-8")
LINE = "import fallback_roots.auto\n"
(OPTION,) = re.findall(r"^## Nuitka\n.*?^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(STANDALONE,) = re.findall(r"^## Nuitka\n.*?^```console\n\$ (.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ACCELERATED = STANDALONE.replace(" --standalone", "")
OFF = {"FALLBACK_ROOTS_DISABLE": "1"}

# Nuitka takes the standard library's bytecode along, unless a plugin decides otherwise; then ssl's functions have another type.
PLUGIN = """
from nuitka.plugins.PluginBase import NuitkaPluginBase

class CompileSsl(NuitkaPluginBase):
    plugin_name = "compile-ssl"

    def decideCompilation(self, module_name):
        return "compiled" if module_name == "ssl" else None
"""
SSL_IS_COMPILED = """
import ssl
assert ("__compiled__" in globals()) == (type(ssl.get_default_verify_paths).__name__ == "compiled_function")
"""


def build(program: str, command: str, directory: Path) -> None:
    """Compile `program` with `command`, as ``app.py`` in `directory`."""
    (directory / "app.py").write_text(program)
    (directory / "plugin.py").write_text(PLUGIN)
    variables = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "NUITKA_CACHE_DIR": str(directory.parent / "nuitka"),  # shared by the builds of a run: 190 s, then 28
        "CFLAGS": "-O0",  # a third of the time
    }
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=directory,
        env=environment(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# A test with all of it for each build, and no fixture: two may compile at a time, and none compiles twice.
@pytest.mark.parametrize(
    ("program", "command", "executable", "armed"),
    [
        pytest.param(PROGRAM, ACCELERATED, "app.bin", True, id="accelerated"),
        pytest.param(LINE + PROGRAM, STANDALONE, "app.dist/app.bin", True, id="standalone, the line"),
        pytest.param(OPTION + PROGRAM, STANDALONE, "app.dist/app.bin", True, id="standalone, the option"),
        pytest.param(
            LINE + SSL_IS_COMPILED + PROGRAM,
            STANDALONE.replace("--standalone", "--onefile --user-plugin=plugin.py"),
            "app.bin",
            True,
            id="onefile, the line, ssl compiled as well",
        ),
        pytest.param(PROGRAM, STANDALONE, "app.dist/app.bin", False, id="standalone"),
    ],
)
def test_a_compiled_program(program: str, command: str, executable: str, armed: bool, ca_file: Path, tmp_path: Path) -> None:
    """With CAs, without, and switched off it says, finds and exits as with the Python that compiled it."""
    build(program, command, tmp_path)
    found = []
    for variables in (
        {**NO_CAS, "FALLBACK_ROOTS_CAFILE": str(ca_file)},
        NO_CAS,
        {**NO_CAS, **OFF},
        {**NO_CAS, "SSL_CERT_FILE": str(ca_file)},
    ):
        compiled = python(env=variables, executable=tmp_path / executable)
        plain = python(tmp_path / "app.py", env=variables if armed else {**variables, **OFF})
        assert (compiled.stdout, compiled.returncode) == (plain.stdout, plain.returncode)
        assert without_paths(compiled.stderr) == without_paths(plain.stderr)
        found.append(int(compiled.stdout.split()[1]))
    assert found == ([1, certifi_roots(), 0, 1] if armed else [0, 0, 0, 1])


def without_paths(said: str) -> str:
    """A WARNING without the place of certifi's roots, which is the program's own."""
    return re.sub(r"from certifi \(.*?\)", "from certifi", said)


def test_the_option_and_the_users_pth_files(tmp_path: Path) -> None:
    """With the option a standalone program reads the .pth files of whoever runs it, too: the page warns of that."""
    build(OPTION + "print('program')", STANDALONE, tmp_path)
    user_site = tmp_path / f".local/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    user_site.mkdir(parents=True)
    (user_site / "theirs.pth").write_text("import sys; print('theirs')\n")
    assert python(env={"HOME": str(tmp_path)}, executable=tmp_path / "app.dist/app.bin").stdout == "theirs\nprogram\n"
