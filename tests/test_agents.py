"""Agents that put a sitecustomize of their own first on PYTHONPATH, before the template."""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

import pytest
from support import NO_CAS, ROOT, python

pytestmark = pytest.mark.environments

QUIET = {
    "DD_TRACE_ENABLED": "false",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}
AGENTS = {
    "ddtrace-run": ("from ddtrace.commands.ddtrace_run import main as run", "ddtrace", 1),
    "opentelemetry-instrument": ("from opentelemetry.instrumentation.auto_instrumentation import run", "opentelemetry", 0),
}  # what the script of that name runs, what is imported then, and whether it arms
PROGRAM = """
import ssl, sys
print(sys.argv[1] in sys.modules, sum(type(finder).__module__ == "fallback_roots.auto" for finder in sys.meta_path))
print(len(ssl.create_default_context().get_ca_certs()))
"""


def run(agent: str, interpreter: Path | str, home: Path, ca_file: Path, path: tuple[Path | str, ...] = ()) -> list[str]:
    """What PROGRAM prints when the agent starts it: whether the agent is at work, our finders, and the roots of a context."""
    script, package, _ = AGENTS[agent]
    settings = {"FALLBACK_ROOTS_CAFILE": str(ca_file), "HOME": str(home), "PATH": f"{Path(interpreter).parent}:/usr/bin:/bin"}
    env = {**NO_CAS, **QUIET, **settings, "PYTHONPATH": os.pathsep.join(map(str, path))}
    (home / "program.py").write_text(PROGRAM)
    done = python("-c", f"{script}; run()", interpreter, home / "program.py", package, env=env, executable=interpreter)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("agent", AGENTS)
def test_an_agent(agent: str, bare: Path, ca_file: Path, tmp_path: Path) -> None:
    """ddtrace-run runs the sitecustomize behind its own, which arms; opentelemetry-instrument does not."""
    shutil.copy(ROOT / "sitecustomize_template" / "sitecustomize.py", tmp_path)
    found = run(agent, bare, tmp_path, ca_file, (tmp_path, sysconfig.get_path("purelib")))
    armed = AGENTS[agent][2]
    assert found == ["True", str(armed), str(armed)]


@pytest.mark.parametrize("agent", AGENTS)
def test_with_the_pth(agent: str, ca_file: Path, tmp_path: Path) -> None:
    """Where the .pth is read, it arms under each of them."""
    assert run(agent, sys.executable, tmp_path, ca_file) == ["True", "1", "1"]
