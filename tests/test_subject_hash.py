"""The subject hash against OpenSSL's own, over real certificates and made ones with every kind of name."""

import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

import certifi
import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fallback_roots import _pem, _places, _system
from fallback_roots._subject_hash import subject_hash

# The tags of strings, with the encoding of each: those of which OpenSSL compares the text, and one of which it compares bytes.
UTF8, PRINTABLE, T61, IA5, UNIVERSAL, BMP, NUMERIC = 12, 19, 20, 22, 28, 30, 18
ENCODINGS = {
    UTF8: "utf-8",
    PRINTABLE: "ascii",
    T61: "latin-1",
    IA5: "ascii",
    UNIVERSAL: "utf-32-be",
    BMP: "utf-16-be",
    NUMERIC: "ascii",
}
COMMON_NAME, ORGANIZATION, EMAIL = b"\x55\x04\x03", b"\x55\x04\x0a", bytes.fromhex("2a864886f70d010901")
SEQUENCE, SET = 0x30, 0x31

Attribute = tuple[bytes, str, int]  # which, its text, the tag of its string
Name = Sequence[Sequence[Attribute]]  # relative names, nearly always of one attribute


def der(tag: int, *parts: bytes) -> bytes:
    contents = b"".join(parts)
    size = len(contents)
    if size < 0x80:
        return bytes([tag, size]) + contents
    digits = size.to_bytes(4, "big").lstrip(b"\0")
    return bytes([tag, 0x80 | len(digits)]) + digits + contents


def encoded(name: Name) -> bytes:
    sets = []
    for relative in name:
        pairs = [der(SEQUENCE, der(6, kind), der(tag, text.encode(ENCODINGS[tag]))) for kind, text, tag in relative]
        sets.append(der(SET, *sorted(pairs)))
    return der(SEQUENCE, *sets)


ALGORITHM = der(SEQUENCE, der(6, bytes.fromhex("2a8648ce3d040302")))  # ecdsa-with-SHA256
KEY = der(SEQUENCE, der(SEQUENCE, der(6, bytes.fromhex("2a8648ce3d0201"))), der(3, b"\0"))  # nobody looks at it
VALIDITY = der(SEQUENCE, der(23, b"260101000000Z"), der(23, b"270101000000Z"))
VERSION = der(0xA0, der(2, b"\2"))


def certificate(name: Name, version: bytes = VERSION) -> bytes:
    """A certificate in DER with `name` as its subject, which OpenSSL can read, though nothing verifies with it."""
    return with_subject(encoded(name), version)


def with_subject(subject: bytes, version: bytes = VERSION) -> bytes:
    fields = (version, der(2, b"\1"), ALGORITHM, encoded([]), VALIDITY, subject, KEY)
    return der(SEQUENCE, der(SEQUENCE, *fields), ALGORITHM, der(3, b"\0"))


def attribute(value: bytes) -> bytes:
    """A subject of one attribute."""
    return der(SEQUENCE, der(SET, der(SEQUENCE, der(6, COMMON_NAME), value)))


def common_name(text: str, tag: int = UTF8) -> Name:
    return [[(COMMON_NAME, text, tag)]]


def by_openssl(data: bytes) -> str:
    command = ["openssl", "x509", "-subject_hash", "-noout", "-inform", "DER"]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode().strip()


def by_rehash(directory: Path, ders: list[bytes]) -> dict[bytes, str]:
    """The hashes of many certificates by one process: `openssl rehash` links each file under its hash."""
    files = {f"{number}.pem": made for number, made in enumerate(ders)}
    for name, made in files.items():
        (directory / name).write_text(ssl.DER_cert_to_PEM_cert(made))
    subprocess.run(["openssl", "rehash", directory], check=True, capture_output=True)
    links = [path for path in directory.iterdir() if path.is_symlink()]
    found = {files[str(path.readlink())]: path.name.partition(".")[0] for path in links}
    for path in directory.iterdir():
        path.unlink()
    return found


def bundles() -> list[str]:
    here = [path for path, _ in _system.BUNDLES if Path(path).is_file()]
    return [Path(path).read_text(encoding="latin-1") for path in [certifi.where(), *here]]


def test_the_roots_that_are_here(tmp_path: Path) -> None:
    """Of certifi's roots and the system's, each has the hash that OpenSSL gives it."""
    ders = {ssl.PEM_cert_to_DER_cert(block) for text in bundles() for block in _pem.blocks(text)[1]}
    found = by_rehash(tmp_path, sorted(ders))
    assert len(found) == len(ders) > 100
    assert {made: subject_hash(made) for made in found} == found


NAMES: dict[str, Name] = {
    "empty": [],
    "one": common_name("Root"),
    "capitals": common_name("ROOT ca"),
    "blanks": common_name("  a \t b\n\v\f\r  c "),
    "nothing but blanks": common_name(" \t "),
    "no ASCII": common_name("ŐTANÚSÍTVÁNY ÉÀ"),
    "white space that is no ASCII": common_name("\u00a0a\u2003b\u00a0"),
    "a NUL": common_name("a\0b"),
    "beyond the basic plane": common_name("\U0001f511 Key"),
    "printable": common_name(" Root  CA", PRINTABLE),
    "Latin-1": common_name("AÉ  B", T61),
    "BMP": common_name(" ŐÉ X", BMP),
    "universal": common_name("\U0001f511 X ", UNIVERSAL),
    "numeric": common_name("1  2 ", NUMERIC),
    "a mail address": [[(EMAIL, "Root@Example.ORG", IA5)]],
    "several": [[(ORGANIZATION, "A", UTF8)], [(COMMON_NAME, "B", UTF8)]],
    "several at once": [[(COMMON_NAME, "b", UTF8), (ORGANIZATION, "A", UTF8), (COMMON_NAME, "a", UTF8)]],
    # In the order of their canonical encodings, which is another one.
    "several whose order changes": [[(COMMON_NAME, "  b", UTF8), (COMMON_NAME, "A", BMP)]],
    "long": [[(COMMON_NAME, "x" * 200, UTF8)], [(ORGANIZATION, "y" * 70_000, UTF8)]],
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name(name: str) -> None:
    """Blanks, capitals, encodings and the order of attributes count as OpenSSL counts them."""
    made = certificate(NAMES[name])
    assert subject_hash(made) == by_openssl(made)


@pytest.mark.parametrize("value", [der(3, b"\0\xff"), der(3, b"\0"), der(SEQUENCE, der(UTF8, b"A"))])
def test_an_attribute_that_is_no_text(value: bytes) -> None:
    """Bits and sequences are compared as they are."""
    made = with_subject(attribute(value))
    assert subject_hash(made) == by_openssl(made)


def test_a_real_certificate() -> None:
    """One that somebody has signed is read like those above."""
    made = ssl.PEM_cert_to_DER_cert(trustme.CA(organization_name="Root").cert_pem.bytes().decode())
    assert subject_hash(made) == by_openssl(made)


def test_an_old_certificate() -> None:
    """One without the field for the version, as before 1996, has its subject one field earlier."""
    made = certificate(common_name("Root"), version=b"")
    assert subject_hash(made) == by_openssl(made) == subject_hash(certificate(common_name("Root")))


CHARACTERS = {
    PRINTABLE: st.sampled_from("AZaz09 '()+,-./:=?"),
    NUMERIC: st.sampled_from("0123456789 "),
    BMP: st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]),
}


def attributes(tag: int) -> st.SearchStrategy[Attribute]:
    characters = CHARACTERS.get(tag, st.characters(codec=ENCODINGS[tag], exclude_categories=["Cs"]))
    text = st.text(st.one_of(characters, st.just(" ")), max_size=12)
    return st.tuples(st.sampled_from([COMMON_NAME, ORGANIZATION, EMAIL]), text, st.just(tag))


RELATIVE = st.lists(st.one_of([attributes(tag) for tag in ENCODINGS]), min_size=1, max_size=3)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(RELATIVE, max_size=4), min_size=40, max_size=40))
def test_any_name(tmp_path_factory: pytest.TempPathFactory, names: list[Name]) -> None:
    """Whatever the strings are, and however many: OpenSSL's hash."""
    ders = sorted({certificate(name) for name in names})
    found = by_rehash(tmp_path_factory.mktemp("names"), ders)
    assert {made: subject_hash(made) for made in found} == found
    assert len(found) == len(ders)


ROOT = certificate(common_name("Root"))
NO_CERTIFICATES = {
    "nothing": b"",
    "a tag": b"0",
    "an empty sequence": der(SEQUENCE),
    "an empty sequence in one": der(SEQUENCE, der(SEQUENCE)),
    "too few fields": der(SEQUENCE, der(SEQUENCE, VERSION, der(2, b"\1"))),
    "cut short": ROOT[:-1],
    "more behind it": ROOT + b"0",
    "a length that is not known": b"\x30\x80" + ROOT[4:] + b"\0\0",
    "a length beyond the end": b"\x30\x84\xff\xff\xff\xff",
    "half a length": b"\x30\x84\xff",
    "an attribute of one part": with_subject(der(SEQUENCE, der(SET, der(SEQUENCE, der(6))))),
    "an attribute of three parts": with_subject(der(SEQUENCE, der(SET, der(SEQUENCE, der(6), der(UTF8), der(UTF8))))),
    "a part without attributes": with_subject(der(SEQUENCE, der(SET))),
    "a constructed string": with_subject(attribute(der(UTF8 | 0x20, der(UTF8, b"Root")))),
    "bits that are not there": with_subject(attribute(der(3, b"\4\xff"))),
    "no UTF-8": ROOT.replace(b"Root", b"Ro\xfft"),
}


@pytest.mark.parametrize("name", NO_CERTIFICATES)
def test_what_is_no_certificate(name: str) -> None:
    """What is cut short, goes on behind its end, or has a length that is not known is a ValueError."""
    with pytest.raises(ValueError, match=r"."):
        subject_hash(NO_CERTIFICATES[name])


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(ROOT) - 1), st.integers(0, 255))
def test_any_damage(at: int, byte: int) -> None:
    """A certificate that is damaged anywhere gives a hash or a ValueError, and nothing else."""
    try:
        found = subject_hash(ROOT[:at] + bytes([byte]) + ROOT[at + 1 :])
    except ValueError:
        return
    assert _places.HASHED_NAME.match(f"{found}.0")
