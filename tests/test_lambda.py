"""AWS Lambda, briefcase and py2app: where a program's own start decides which paths and variables there are.

Lambda's bootstrap and briefcase's stub are emulated in what they do to ``sys.path``; Lambda's runtime interface client is real.
"""

import http.server
import importlib.metadata
import json
import os
import re
import shutil
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from https_server import Server
from support import NO_CAS, ROOT, python

PAGE = (ROOT / "docs" / "frozen.md").read_text(encoding="utf-8")
LINE = "import fallback_roots.auto\n"
(HANDLER,) = re.findall(r"^## AWS Lambda\n.*?^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ROOTS = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"


def put_beside(name: str, directory: Path) -> None:
    """Copy an installed distribution into `directory`, as `pip install --target` would put it there."""
    for file in importlib.metadata.files(name) or []:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            (directory / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.locate(), directory / file)


@pytest.fixture
def package(wheel: Path, tmp_path: Path) -> Path:
    """A directory as `pip install --target` leaves it, dependencies and all."""
    directory = tmp_path / "package"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory)
    for name in ("certifi", "platformdirs", "wrapt", *(["tomli"] if sys.version_info < (3, 11) else [])):
        put_beside(name, directory)
    return directory


@pytest.fixture
def no_cas(ca_file: Path) -> dict[str, str]:
    """The environment of a machine without CA certificates, with a fallback of one root."""
    return {**NO_CAS, "FALLBACK_ROOTS_CONFIG": os.devnull, "FALLBACK_ROOTS_CAFILE": str(ca_file)}


# ---------------------------------------------------------------- AWS Lambda

PATHS_ONLY = """
import sys
task, layer, url = sys.argv[1:]
sys.path[:0] = [task, layer]
import app
print(app.handler({"url": url}, None))
"""
# What bootstrap.py does in AWS's images: the layers only while PYTHONPATH is not set, and .pth files in all that it adds.
OF_AWS = """
import os, site, sys
task, layer, url = sys.argv[1:]
layers = [] if "PYTHONPATH" in os.environ else [layer]
sys.path[:0] = [task, *layers]
for directory in [task, *layers]:
    site.addsitedir(directory)
import app
print(app.handler({"url": url}, None))
"""


@pytest.mark.parametrize(
    ("bootstrap", "where", "python_path", "line", "armed"),
    [
        pytest.param(OF_AWS, "layer", False, False, True, id="a layer"),
        pytest.param(OF_AWS, "task", False, False, True, id="beside the handler"),
        pytest.param(OF_AWS, "task", True, False, True, id="beside the handler, PYTHONPATH"),
        pytest.param(OF_AWS, "layer", True, False, False, id="a layer on PYTHONPATH"),
        pytest.param(OF_AWS, "layer", True, True, True, id="a layer on PYTHONPATH, the line"),
        pytest.param(PATHS_ONLY, "layer", False, False, False, id="a layer that is only on sys.path"),
        pytest.param(PATHS_ONLY, "layer", False, True, True, id="a layer that is only on sys.path, the line"),
    ],
)
def test_a_function(
    bootstrap: str,
    where: str,
    python_path: bool,
    line: bool,
    armed: bool,
    package: Path,
    bare: Path,
    no_cas: dict[str, str],
    server: Server,
    tmp_path: Path,
) -> None:
    """A handler fetches over HTTPS where the bootstrap makes a site directory of where we are, or it has the line."""
    places = {name: tmp_path / name for name in ("task", "layer")}
    package.rename(places[where])
    places["task"].mkdir(exist_ok=True)
    (places["task"] / "app.py").write_text(HANDLER if line else HANDLER.replace(LINE, ""))
    env = {**no_cas, **({"PYTHONPATH": str(places["layer"])} if python_path else {})}
    done = python("-c", bootstrap, places["task"], places["layer"], server.url, env=env, executable=bare)
    assert (done.stdout, done.returncode) == (("hello\n", 0) if armed else ("", 1)), done.stderr
    assert ("CERTIFICATE_VERIFY_FAILED" in done.stderr) is not armed


class RuntimeApi(http.server.ThreadingHTTPServer):
    """Lambda's runtime API with one event to hand out; `outcome` is what became of it."""

    def __init__(self, event: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), Invocation)
        self.events = [event]
        self.outcome: tuple[str, Any] | None = None


class Invocation(http.server.BaseHTTPRequestHandler):
    """What the runtime interface client asks for: the next event, and to take the result or the error."""

    server: RuntimeApi

    def do_GET(self) -> None:
        if self.server.events:
            self.answer(200, json.dumps(self.server.events.pop()).encode())
        else:
            self.answer(410)  # it gives up then

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.outcome = self.path.rpartition("/")[2], body
        self.answer(202)

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Lambda-Runtime-Aws-Request-Id", "1")
        self.send_header("Lambda-Runtime-Deadline-Ms", "9999999999999")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def runtime_api(server: Server) -> Iterator[RuntimeApi]:
    """A runtime API whose event has the URL of `server`."""
    api = RuntimeApi({"url": server.url})
    thread = threading.Thread(target=api.serve_forever, daemon=True)
    thread.start()
    yield api
    api.shutdown()
    api.server_close()
    thread.join()


@pytest.mark.environments
@pytest.mark.parametrize(
    ("beside", "line", "armed"),
    [
        pytest.param(False, False, True, id="pip install"),
        pytest.param(True, False, False, id="pip install --target"),
        pytest.param(True, True, True, id="pip install --target, the line"),
    ],
)
def test_a_real_function(
    beside: bool,
    line: bool,
    armed: bool,
    package: Path,
    bare: Path,
    installed: Path,
    no_cas: dict[str, str],
    runtime_api: RuntimeApi,
    tmp_path: Path,
) -> None:
    """AWS's runtime interface client reads no .pth file beside the handler; the line there is enough."""
    task = package if beside else tmp_path
    for name in ("awslambdaric", "simplejson", "snapshot-restore-py"):
        put_beside(name, task)
    (task / "app.py").write_text(HANDLER if line else HANDLER.replace(LINE, ""))
    env = {**no_cas, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{runtime_api.server_port}"}
    done = python("-m", "awslambdaric", "app.handler", cwd=task, env=env, executable=bare if beside else installed)
    assert runtime_api.outcome is not None, done.stderr
    kind, body = runtime_api.outcome
    if armed:
        assert (kind, body) == ("response", "hello")
        assert "loaded 1 root from cafile" in done.stdout  # Lambda's log
    else:
        assert (kind, body["errorType"]) == ("error", "URLError")
        assert "CERTIFICATE_VERIFY_FAILED" in body["errorMessage"]


# ---------------------------------------------------------------- briefcase


def test_a_site_directory(package: Path, bare: Path, no_cas: dict[str, str]) -> None:
    """A directory that a program without `site` hands to `site.addsitedir`, as briefcase's do, has its .pth files read."""
    program = f"import site, sys; site.addsitedir(sys.argv[1]); {ROOTS}"
    done = python("-I", "-S", "-c", program, package, env=no_cas, executable=bare)
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr


# ---------------------------------------------------------------- py2app

# What py2app's recipe for ssl (recipes/sslmod.py) puts before a program: both variables, whatever they name.
PRESCRIPT = """
import os, sys
for variable, name in zip(("SSL_CERT_FILE", "SSL_CERT_DIR"), sys.argv[2:]):
    os.environ[variable] = os.path.join(sys.argv[1], "openssl.ca", name)
"""


@pytest.mark.parametrize("resources", ["missing", "empty", "a bundle"])
def test_py2apps_variables(
    resources: str, package: Path, bare: Path, ca_file: Path, no_cas: dict[str, str], tmp_path: Path
) -> None:
    """`no-such-file` in both variables yields nothing, so the fallback is loaded; a bundle that came along is left alone."""
    bundles = tmp_path / "openssl.ca"
    name = "no-such-file"
    if resources != "missing":
        bundles.mkdir()
    if resources == "a bundle":
        name = "cert.pem"
        shutil.copy(ca_file, bundles / name)
        del no_cas["FALLBACK_ROOTS_CAFILE"]  # the fallback would be certifi's, and many more
    env = {**no_cas, "PYTHONPATH": str(package)}
    done = python("-S", "-c", PRESCRIPT + LINE + ROOTS, tmp_path, name, "no-such-file", env=env, executable=bare)
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr
    assert done.stderr.count("no-such-file cannot be read") == (0 if resources == "a bundle" else 2)
