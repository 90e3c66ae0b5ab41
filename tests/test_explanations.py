"""The pages that explain: their programs run as they stand there, and print what they say; each claim that can be tried is."""

import json
import re
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from https_server import Server
from support import NO_CAS, NOWHERE, ROOT, certifi_roots, environment, output, python

DOCS = ROOT / "docs"
OFF = {"FALLBACK_ROOTS_DISABLE": "1"}
COUNT = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"
REQUEST = """
import asyncio, http.client, sys, urllib.request
host, port = "localhost", int(sys.argv[1])

async def ask():
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    writer.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
    print((await reader.read())[-5:].decode())
    writer.close()

print(urllib.request.urlopen(f"https://{host}:{port}/", context=context).read().decode())
connection = http.client.HTTPSConnection(host, port, context=context)
connection.request("GET", "/")
print(connection.getresponse().read().decode())
asyncio.run(ask())
"""


def blocks(page: str, kind: str) -> list[str]:
    """A page's blocks of code of that kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


NEW, EXISTING, CORPORATE, BESIDE, OBVIOUS = blocks("by-hand.md", "python")
NAMED, LAZY = blocks("how-python-finds-cas.md", "python")
SAID, PRINTED = blocks("how-python-finds-cas.md", "text")
SHOWN, UNKNOWN = blocks("how-python-finds-cas.md", "console")


# ---------------------------------------------------------------- how Python finds CAs


def test_who_names_roots_gets_these_and_a_bare_context_has_none() -> None:
    """The page's program prints what the page says, on a machine without CA certificates and on any other."""
    for env in (NO_CAS, {}):
        assert output("-c", NAMED, env={**env, **OFF}) == SAID.strip()


def test_a_default_load_that_finds_nothing_complains_at_the_handshake(server: Server) -> None:
    """Neither the load nor its context says a word; the first one is the error that the page has."""
    program = f"import ssl, urllib.request; ssl.create_default_context(); print(0); urllib.request.urlopen('{server.url}')"
    done = python("-W", "error", "-c", program, env={**NO_CAS, **OFF})
    assert (done.returncode, done.stdout) == (1, "0\n")
    assert "CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate" in done.stderr


def test_the_paths_that_ssl_tells() -> None:
    """The page's command prints such lines: a file that is there or None, a directory that is, the names, the paths."""
    command, *said = SHOWN.strip().splitlines()
    variable, program = re.findall(r"\$ (\S+) python -c \"(.*)\"", command)[0]
    paths = ssl.get_default_verify_paths()
    found = output("-c", program, env=dict([variable.split("=")])).splitlines()
    assert found[0] == said[0] == "None"
    assert found[1] == str(paths.openssl_capath if Path(paths.openssl_capath).is_dir() else None)
    assert found[2:] == [paths.openssl_cafile_env, paths.openssl_cafile, paths.openssl_capath_env, paths.openssl_capath]
    assert (said[2], said[4]) == (found[2], found[4])
    if paths.openssl_cafile == "/usr/lib/ssl/cert.pem":  # Debian
        assert found == said
        page = (DOCS / "how-python-finds-cas.md").read_text(encoding="utf-8")
        assert f"| `{paths.openssl_cafile}` | `SSL_CERT_FILE` |" in page
        assert f"| `{paths.openssl_capath}` | `SSL_CERT_DIR` |" in page


@pytest.mark.parametrize("flags", [[], ["-I"], ["-E"]], ids=["none", "-I", "-E"])
def test_a_variable_counts_by_itself_and_under_each_flag(flags: list[str], ca_file: Path) -> None:
    """A file that is named is the one that is read; one that leads nowhere takes the compiled-in one away."""
    for path, number in ((str(ca_file), "1"), (NOWHERE, "0")):
        assert output(*flags, "-c", COUNT, env={**OFF, "SSL_CERT_FILE": path, "SSL_CERT_DIR": NOWHERE}) == number


def test_a_directory_is_read_when_it_is_needed(server: Server, hashed_directory: Path, tmp_path: Path) -> None:
    """The page's program prints what the page says, with this package and without it."""
    (tmp_path / "look.py").write_text(LAZY)
    for more in (OFF, {}):
        env = {"SSL_CERT_FILE": NOWHERE, "SSL_CERT_DIR": str(hashed_directory), **more}
        assert output(tmp_path / "look.py", "localhost", str(server.port), env=env) == PRINTED.strip()


def test_a_name_that_is_no_hash_is_not_found(server: Server, ca_file: Path, tmp_path: Path) -> None:
    """A certificate under its own name in a directory verifies nothing; after `openssl rehash` it does."""
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    (certificates / "corp.pem").write_bytes(ca_file.read_bytes())
    (tmp_path / "look.py").write_text(LAZY)
    command = [str(tmp_path / "look.py"), "localhost", str(server.port)]
    env = {"SSL_CERT_FILE": NOWHERE, "SSL_CERT_DIR": str(certificates), **OFF}
    assert "CERTIFICATE_VERIFY_FAILED" in python(*command, env=env).stderr
    subprocess.run(["openssl", "rehash", str(certificates)], env=environment(), check=True)
    assert output(*command, env=env) == PRINTED.strip()


def test_ssl_knows_no_certifi(bare: Path) -> None:
    """The page's command says that a default context imports none."""
    command, said = UNKNOWN.strip().splitlines()
    program = re.findall(r'python -c "(.*)"', command)[0]
    assert output("-c", program, env=NO_CAS, executable=bare) == said == "False"


def test_with_this_package_certifi_is_imported_after_an_empty_load_alone(installed: Path, ca_file: Path) -> None:
    """As the page says beside that command."""
    program = re.findall(r'python -c "(.*)"', UNKNOWN)[0]
    assert python("-c", program, env=NO_CAS, executable=installed).stdout == "True\n"
    assert output("-c", program, env={"SSL_CERT_FILE": str(ca_file)}, executable=installed) == "False"


# ---------------------------------------------------------------- by hand


def test_a_context_with_certifis_roots(ca_file: Path) -> None:
    """It has these and none of the machine's."""
    program = NEW + "print(len(context.get_ca_certs()))"
    for env in (NO_CAS, {"SSL_CERT_FILE": str(ca_file), "SSL_CERT_DIR": NOWHERE}):
        assert output("-c", program, env={**env, **OFF}) == str(certifi_roots())


def test_more_roots_for_an_existing_context(ca_file: Path) -> None:
    """It has both afterwards."""
    program = f"import ssl, certifi\ncontext = ssl.create_default_context()\n{EXISTING}print(len(context.get_ca_certs()))"
    env = {"SSL_CERT_FILE": str(ca_file), "SSL_CERT_DIR": NOWHERE, **OFF}
    assert output("-c", program, env=env) == str(certifi_roots() + 1)


def test_a_ca_of_ones_own(server: Server, ca_file: Path) -> None:
    """It verifies for each of the three that the page hands the context to; and it is all that is trusted."""
    program = f"import ssl\n{CORPORATE.replace('/etc/ssl/corp.pem', str(ca_file))}print(len(context.get_ca_certs()))"
    assert output("-c", program + REQUEST, str(server.port), env=OFF).split() == ["1", "hello", "hello", "hello"]


def test_a_file_that_is_not_there_is_an_exception() -> None:
    """At that line, and not at the handshake."""
    done = python("-c", f"import ssl\n{CORPORATE.replace('/etc/ssl', NOWHERE)}print('not reached')", env=OFF)
    assert (done.returncode, done.stdout) == (1, "")
    assert "FileNotFoundError" in done.stderr


def test_a_ca_beside_the_machines(ca_file: Path, tmp_path: Path) -> None:
    """The machine's roots stay."""
    other = tmp_path / "other.pem"
    other.write_text("".join(ssl.DER_cert_to_PEM_cert(root) for root in roots(3)), encoding="ascii")
    program = f"import ssl\n{BESIDE.replace('/etc/ssl/corp.pem', str(ca_file))}print(len(context.get_ca_certs()))"
    assert output("-c", program, env={"SSL_CERT_FILE": str(other), "SSL_CERT_DIR": NOWHERE, **OFF}) == "4"


def roots(number: int) -> list[bytes]:
    """Some of certifi's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(output("-m", "certifi"))
    return context.get_ca_certs(binary_form=True)[:number]


def test_the_environment() -> None:
    """What the page exports is a bundle, and a default load reads it, with this package as without."""
    (line,) = blocks("by-hand.md", "console")
    script = f"{line.removeprefix('$ ')}\npython -c '{COUNT}'"
    for more in (OFF, {}):
        env = environment({"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "SSL_CERT_DIR": NOWHERE, **more})
        done = subprocess.run(["sh", "-ec", script], env=env, capture_output=True, text=True, check=True)
        assert (done.stdout.strip(), done.stderr) == (str(certifi_roots()), "")


def test_the_obvious_lines_widen_trust(hashed_directory: Path) -> None:
    """With a directory that verifies they load certifi's roots besides; this package loads none."""
    program = f"import ssl, certifi\n{OBVIOUS}print(len(context.get_ca_certs()))"
    env = {"SSL_CERT_FILE": NOWHERE, "SSL_CERT_DIR": str(hashed_directory)}
    assert output("-c", program, env={**env, **OFF}) == str(certifi_roots())
    assert output("-c", COUNT, env=env) == "0"


# ---------------------------------------------------------------- the comparison


def test_the_comparison_says_what_was_measured() -> None:
    """Whether each verifies on a machine without CAs is what the samples beside the other page say."""
    rows = [line.strip("| ").split(" | ") for line in (DOCS / "comparison.md").read_text(encoding="utf-8").splitlines()]
    told = {name: row[3] for row in rows if len(row) == 5 for name in re.findall(r"[a-z-]+(?=\])|^fallback-roots", row[0])}
    refusals = json.loads((DOCS / "peers.json").read_text(encoding="utf-8"))["refusals"]
    measured = {side: "no" if refusal else "yes" for machine, side, refusal in refusals if machine == "no CAs"}
    compared = told.keys() & measured.keys()
    assert {name: told[name] for name in compared} == {name: measured[name] for name in compared}
    assert compared == {"truststore", "pip-system-certs", "auto-truststore", "certifi-linux", "wassima", "fallback-roots"}
    assert measured["naive wrapt .pth"] == "yes"
