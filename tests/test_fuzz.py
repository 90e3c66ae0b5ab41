"""Whatever stands in a file or a variable: the readers return, with values or with problems, and raise nothing."""

import ssl
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fallback_roots import _settings, _sources

many = settings(max_examples=400, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

PIECES = [
    "-----BEGIN CERTIFICATE-----",
    "-----END CERTIFICATE-----",
    "-----BEGIN TRUSTED CERTIFICATE-----",
    "\n",
    "MIIB",
    "=",
    "-",
    " ",
]
TOML = [
    "cafile",
    "capath",
    "certifi",
    "disable",
    "=",
    '"',
    "true",
    "false",
    "\n",
    "[",
    "]",
    "{",
    "}",
    "#",
    ".",
    "1",
    "'",
    "~",
    "/",
]


@many
@given(data=st.binary(max_size=2000) | st.lists(st.sampled_from(TOML), max_size=40).map(lambda parts: "".join(parts).encode()))
def test_a_config_file(data: bytes, tmp_path: Path) -> None:
    """A config file of any bytes gives known keys only, or says what is wrong with it on one line that names it."""
    path = tmp_path / "config.toml"
    path.write_bytes(data)
    file, said = _settings._read_file(str(path), "user", raised=False)
    assert said.keys() <= _settings.KEYS.keys()
    assert all(problem.startswith(f"{path}: ") and "\n" not in problem for problem in file.problems)


@many
@given(
    environ=st.dictionaries(
        st.sampled_from([*_settings.KEYS, "config", "", "x", "a\nb"]).map(lambda key: f"FALLBACK_ROOTS_{key.upper()}"),
        st.text(st.characters(exclude_characters="\0"), max_size=40),
    )
)
def test_the_environment(environ: dict[str, str]) -> None:
    """Variables of any text give values of the keys' types, or problems that name the variable."""
    read = _settings.read({"FALLBACK_ROOTS_CONFIG": "/dev/null", **environ})
    for name, key in _settings.KEYS.items():
        assert isinstance(read.values[name], bool if key.type == "bool" else (str, type(None)))
    places = ("FALLBACK_ROOTS_", *(file.path for file in read.files))
    assert all(problem.startswith(places) and "\n" not in problem for problem in read.problems)


@many
@given(
    data=st.binary(max_size=2000) | st.lists(st.sampled_from(PIECES), max_size=60).map(lambda parts: "".join(parts).encode())
)
def test_a_bundle(data: bytes, tmp_path: Path) -> None:
    """A bundle of any bytes without a certificate gives none, and says so."""
    path = tmp_path / "ca.pem"
    path.write_bytes(data)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    source = _sources.load_one(context, _sources.bundle("cafile", str(path)))
    assert source.certificates == 0
    assert source.problem is not None
    assert source.problem.startswith(f"{path}: ")
    assert context.get_ca_certs() == []


@pytest.mark.parametrize("line", ["-----BEGIN CERTIFICATE-----\n", "[[a]]\n", "[" * 40, "a." * 20 + "\n"])
def test_a_million_of_them(line: str, tmp_path: Path) -> None:
    """Input of the largest size made of the same piece is read in the time that reading takes: this ends."""
    path = tmp_path / "file"
    path.write_text(line * (1_000_000 // len(line)))
    assert _sources.load_one(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), _sources.bundle("cafile", str(path))).problem
    assert _settings._read_file(str(path), "user", raised=False)[0].problems
