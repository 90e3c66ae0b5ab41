"""What a reviewer of the supply chain asks: what is installed, that it is what was reviewed, and what it never does."""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import make_venv
from support import NO_CAS, NOWHERE, ROOT, environment, output, python

PAGE = (ROOT / "docs" / "supply-chain.md").read_text(encoding="utf-8")


def required(name: str) -> set[str]:
    """What a distribution requires at run time, on any Python."""
    lines = importlib.metadata.requires(name) or []
    return {re.split(r"[^\w-]", line)[0] for line in lines if "extra ==" not in line}


def test_the_dependencies_of_the_page() -> None:
    """The page's table names everything that is required, with the licence that its metadata names."""
    table = dict(re.findall(r"^\| ([a-z-]+) \| ([A-Z][\w.-]+) \|", PAGE, re.MULTILINE))
    assert set(table) - {"fallback-roots"} == required("fallback-roots")
    for name in set(table) - ({"tomli"} if sys.version_info >= (3, 11) else set()):
        metadata = importlib.metadata.metadata(name).json
        assert table[name] == metadata.get("license_expression", metadata.get("license")), name
        assert name == "fallback-roots" or required(name) == set()


def test_the_commands_of_the_page(wheel: Path, tmp_path: Path) -> None:
    """The page's commands install the wheel that was reviewed, and refuse another one of its name."""
    interpreter = make_venv(tmp_path / "venv", None)
    (tmp_path / "bin").mkdir()
    pip = tmp_path / "bin" / "pip"
    pip.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pip --python "{interpreter}" "$@"\n')
    pip.chmod(0o755)
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent), "PIP_NO_DEPS": "1"}  # the tests have no internet
    env = environment({**index, "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    (block,) = re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    script = "".join(line[2:] for line in block.splitlines(keepends=True))

    def run(script: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(["sh", "-e", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    done = run(script)
    assert done.returncode == 0, done.stderr
    pinned = (tmp_path / "requirements.txt").read_text()
    assert re.fullmatch(r"fallback_roots==[\d.]+ --hash=sha256:[0-9a-f]{64}\n", pinned)
    assert python("-c", "import fallback_roots", executable=interpreter).returncode == 0
    (tmp_path / "requirements.txt").write_text(re.sub("sha256:.*", f"sha256:{'0' * 64}", pinned))
    refused = run(script.splitlines()[-1].replace("install", "install --force-reinstall"))
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr


def test_what_is_installed(wheel: Path, installed: Path, tmp_path: Path) -> None:
    """The page's program says nothing of what the reviewed wheel installs, and names a file that is another one."""
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    shutil.copytree(installed.parent.parent, tmp_path / "venv", symlinks=True)
    interpreter = tmp_path / "venv" / "bin" / installed.name
    assert output("-c", program, wheel, executable=interpreter) == ""
    (changed,) = (tmp_path / "venv").glob("lib/*/site-packages/fallback_roots/auto.py")
    changed.write_text(changed.read_text() + "\n")
    (start,) = (tmp_path / "venv").glob("lib/*/site-packages/fallback_roots.start")
    start.unlink()
    said = output("-c", program, wheel, executable=interpreter).splitlines()
    assert sorted(said) == ["differs: fallback_roots/auto.py", "missing: fallback_roots.start"]


WATCHED = """
import sys
seen = []

def look(event, args):
    if event.split(".")[0] in ("socket", "subprocess", "urllib", "ftplib", "http", "smtplib", "tempfile", "shutil"):
        seen.append(event)
    elif event in ("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.mkdir", "os.rename", "os.remove", "os.chmod"):
        seen.append(event)
    elif event == "open" and ((args[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) or set(args[1] or "") & set("wax+")):
        seen.append(f"writes {args[0]}")

import os
sys.addaudithook(look)
sys.path += __import__("json").loads(os.environ["THE_PATH"])
import fallback_roots.auto
import ssl
for _ in range(2):
    context = ssl.create_default_context()
counts = [len(context.get_ca_certs())]
import fallback_roots
try:
    fallback_roots.load(context)
except fallback_roots.FallbackRootsError:
    pass
fallback_roots.install()
fallback_roots.status()
fallback_roots.uninstall()
counts.append(fallback_roots.status().state)
print(*counts, seen)
import socket, tempfile  # the hook is not deaf
socket.create_server(("127.0.0.1", 0)).close()
tempfile.TemporaryFile().close()
print(len(seen) >= 2)
"""


WORLDS: dict[str, tuple[dict[str, str], str]] = {
    "healthy": ({"SSL_CERT_FILE": "{ca}"}, "1"),
    "cafile": ({"FALLBACK_ROOTS_CAFILE": "{ca}"}, "1"),
    "capath": ({"FALLBACK_ROOTS_CAPATH": "{hashed}"}, "0"),
    "a file of settings": ({"FALLBACK_ROOTS_CONFIG": "{config}"}, "1"),
    "a broken file of settings": ({"FALLBACK_ROOTS_CONFIG": "{ca}"}, "0"),
    "a broken cafile": ({"FALLBACK_ROOTS_CAFILE": NOWHERE}, "0"),
    "honor_ssl_env": ({"FALLBACK_ROOTS_HONOR_SSL_ENV": "1"}, "0"),
    "the places of platformdirs": ({"FALLBACK_ROOTS_CERTIFI": "0"}, "0"),
    "certifi": ({}, "certifi"),
}


@pytest.mark.parametrize("name", WORLDS)
def test_no_network_no_process_no_file_written(name: str, ca_file: Path, hashed_directory: Path, tmp_path: Path) -> None:
    """From arming to uninstall(), whatever the fallback is without lazy, no socket is opened, no process started, no file
    written."""
    config = tmp_path / "config.toml"
    config.write_text(f'cafile = "{ca_file}"\n')
    said, expected = WORLDS[name]
    world = {key: value.format(ca=ca_file, hashed=hashed_directory, config=config) for key, value in said.items()}
    paths = json.dumps([path for path in sys.path if path])
    done = python("-S", "-c", WATCHED, env={**NO_CAS, **world, "THE_PATH": paths})
    assert done.returncode == 0, done.stderr
    line, deaf = done.stdout.splitlines()
    roots, state, seen = line.split(maxsplit=2)
    assert int(roots) > 50 if expected == "certifi" else roots == expected
    assert (state, seen, deaf) == ("absent", "[]", "True")
