"""Tier 3: the subject hash, by which OpenSSL finds a certificate in a hashed directory; imports hashlib.

What lives here: as much of DER, and of the canonical encoding of names, as the hash needs. What must not: whether a
certificate is any good, which OpenSSL says.
"""

import hashlib
from collections.abc import Iterator

# How the strings are encoded of which OpenSSL compares the text (ASN1_MASK_CANON in x_name.c): UTF8String, PrintableString,
# T61String, IA5String, VisibleString, UniversalString, BMPString. T61String is taken for Latin-1 (tag2nbyte in a_utf8.c).
ENCODINGS = {12: "utf-8", 19: "latin-1", 20: "latin-1", 22: "latin-1", 26: "latin-1", 28: "utf-32-be", 30: "utf-16-be"}
SEQUENCE, SET, UTF8_STRING, BIT_STRING, VERSION, CONSTRUCTED = 0x30, 0x31, 12, 3, 0xA0, 0x20
LEAST_FIELDS = 6  # serial number, algorithm, issuer, validity, subject, public key


def subject_hash(certificate: bytes) -> str:
    """The subject hash of a DER-encoded certificate in eight hex digits, as ``openssl x509 -subject_hash`` prints it.

    As X509_NAME_hash in OpenSSL since 1.0: of the SHA-1 of the name's canonical encoding the first four bytes, the last one
    first. Raises ValueError for what is not a certificate in DER.
    """
    ((_, outer),) = _elements(certificate)
    (_, inner), *_ = _elements(outer)
    fields = list(_elements(inner))
    if len(fields) < LEAST_FIELDS:
        raise ValueError("is not a certificate")
    _, subject = fields[5 if fields[0][0] == VERSION else 4]
    canonical = b"".join(_canonical_set(members) for _, members in _elements(subject))  # without the sequence around them
    return hashlib.sha1(canonical, usedforsecurity=False).digest()[3::-1].hex()


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The tag and the contents of each element in `data`."""
    at = 0
    while at < len(data):
        tag, length, start = data[at], *_length(data, at + 1)
        at = start + length
        if at > len(data):
            break
        yield tag, data[start:at]
    if at != len(data):
        raise ValueError("is not whole")


def _length(data: bytes, at: int) -> tuple[int, int]:
    """The length that stands at `at`, and where what is so long begins."""
    first = int.from_bytes(data[at : at + 1], "big")
    if first < 0x80:
        return first, at + 1
    if first == 0x80:
        raise ValueError("has a length that is not known, which is BER and not DER")
    end = at + 1 + (first & 0x7F)
    return int.from_bytes(data[at + 1 : end], "big"), end


def _encoded(tag: int, contents: bytes) -> bytes:
    length = len(contents)
    if length < 0x80:
        return bytes((tag, length)) + contents
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(digits))) + digits + contents


def _canonical_set(members: bytes) -> bytes:
    """A relative distinguished name (all but always of one attribute) as OpenSSL compares it, DER's order of members kept."""
    found = []
    for _, attribute in _elements(members):
        (tag, kind), (value_tag, value) = _elements(attribute)
        # In these OpenSSL's encoding is not the one that is read: it is BER, or has bits that DER would not have.
        if (value_tag & CONSTRUCTED and value_tag != SEQUENCE) or (value_tag == BIT_STRING and value[:1] != b"\0"):
            raise ValueError("has a name that is not in DER")
        found.append(_encoded(SEQUENCE, _encoded(tag, kind) + _canonical_value(value_tag, value)))
    if not found:
        raise ValueError("has a name with an empty part")  # which OpenSSL drops
    return _encoded(SET, b"".join(sorted(found)))


def _canonical_value(tag: int, value: bytes) -> bytes:
    """Text as UTF-8 in ASCII's lower case, with one blank for each run of white space and none at the ends; else as it is."""
    if tag not in ENCODINGS:
        return _encoded(tag, value)
    text = value.decode(ENCODINGS[tag]).encode()
    return _encoded(UTF8_STRING, b" ".join(text.split()).lower())
