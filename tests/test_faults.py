"""Every call that leaves the package fails in turn, and nothing of it reaches the program: see `fault_driver`."""

from pathlib import Path

import pytest
import trustme
from support import NO_CAS, ROOT, output, python

DRIVER = ROOT / "tests" / "fault_driver.py"
CONFIG = {
    "good": ["all", "warm", "0", "2"],
    "bad": ["some", "warm", "0", "1", "2"],  # OpenSSL rejects such a bundle when it has loaded the first of it
}


def run(*args: str, env: dict[str, str]) -> list[str]:
    # Not measured: it would take half as long again, and other tests go the same road.
    done = python(DRIVER, *args, env={**NO_CAS, **env}, timeout=600, measured=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("bundle", CONFIG)
def test_a_configured_fallback(bundle: str, ca_file: Path, hashed_directory: Path, tmp_path: Path) -> None:
    """The call returns what it returned, trust is the original's or the fallback's, and the next load works."""
    broken = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n" if bundle == "bad" else "# a comment\n"
    (tmp_path / "ca.pem").write_text(ca_file.read_text() + broken + trustme.CA().cert_pem.bytes().decode())
    (tmp_path / "config.toml").write_text(f'cafile = "ca.pem"\ncapath = "{hashed_directory}"\nhonor_ssl_env = false\n')
    *offences, number = run(*CONFIG[bundle], env={"FALLBACK_ROOTS_CONFIG": str(tmp_path / "config.toml")})
    assert offences == []
    assert int(number) > 300


def test_the_first_fallback_of_a_process(short_certifi: Path) -> None:
    """With certifi and all the imports of a first load: likewise."""
    env = {"PYTHONPATH": str(short_certifi)}
    full = output("-c", "import certifi; print(certifi.contents().count('BEGIN CERTIFICATE'))", env=env)
    *offences, number = run("some", "cold", "0", full, env=env)
    assert offences == []
    assert int(number) > 300


@pytest.mark.parametrize(("where", "faults"), [("CACHES", "few"), ("FALLBACK_ROOTS_CACHE", "some")])
def test_a_lazy_fallback(where: str, faults: str, ca: trustme.CA, ca_file: Path, tmp_path: Path) -> None:
    """While the hashed directory is made, and when it is there: likewise, and in doubt the roots are loaded at once."""
    issued = ca.issue_cert("localhost")
    server = tmp_path / "server.pem"
    server.write_bytes(issued.private_key_pem.bytes() + issued.cert_chain_pems[0].bytes())
    lazy = {"FALLBACK_ROOTS_CAFILE": str(ca_file), "FALLBACK_ROOTS_LAZY": "1"}
    *offences, number = run(faults, "warm", "0", "1", env={**lazy, "SERVER": str(server), where: str(tmp_path / "cache")})
    assert offences == []
    assert int(number) > 200
