"""Tier 4: what a certificate says of itself; imports hashlib, ipaddress and ssl.

What lives here: names, times and fingerprints as people and JSON have them. What must not: whether any of it is to be believed.
"""

import _ssl
import hashlib
import ipaddress
import re
import ssl
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

# RFC 4514, section 3; the others by OpenSSL's long name.
SHORT_NAMES = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "userId": "UID",
}


class Certificate(NamedTuple):
    """What a certificate says of itself: names as in RFC 4514, times as in ISO 8601 and UTC, or None where it has no such."""

    subject: str
    issuer: str
    not_before: str | None
    not_after: str | None
    sha256: str
    names: tuple[str, ...] = ()  # the hosts and addresses that it is for
    issuers_at: tuple[str, ...] = ()  # where its issuer's certificate can be had (RFC 5280, 4.2.2.1)

    @property
    def is_self_issued(self) -> bool:
        """Whether it names nobody else as its issuer."""
        return self.subject == self.issuer


def certificate(found: Any) -> Certificate:
    """What an ``_ssl.Certificate`` says of itself; one that OpenSSL cannot decode says nothing, and is there all the same."""
    sha256 = hashlib.sha256(found.public_bytes(_ssl.ENCODING_DER)).hexdigest()
    try:
        info = found.get_info()
    except Exception as error:  # ssl.SSLError, ValueError, and what else strange bytes may be
        return Certificate(f"(cannot be decoded: {error})", "", None, None, sha256)
    return decoded(info, sha256)


def decoded(info: dict[str, Any], sha256: str = "") -> Certificate:
    """What `info`, in the form of ``getpeercert()`` and ``get_ca_certs()``, says."""
    return Certificate(
        distinguished_name(info.get("subject", ())),
        distinguished_name(info.get("issuer", ())),
        when(info.get("notBefore")),
        when(info.get("notAfter")),
        sha256,
        tuple(_host(kind, value) for kind, value in info.get("subjectAltName", ()) if kind in ("DNS", "IP Address")),
        tuple(info.get("caIssuers", ())),
    )


def roots_shown(context: Any) -> list[dict[str, Any]]:
    """What ``get_ca_certs()`` of `context` gives, without those that OpenSSL cannot decode, one of which costs all of them."""
    try:
        return list(context.get_ca_certs())
    except (ssl.SSLError, ValueError):
        pass
    found = []
    for der in context.get_ca_certs(binary_form=True):
        alone = _ssl._SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        alone.load_verify_locations(cadata=der)
        try:
            found += alone.get_ca_certs()
        except (ssl.SSLError, ValueError):
            continue
    return found


def _host(kind: str, value: str) -> str:
    try:
        return str(ipaddress.ip_address(value)) if kind == "IP Address" else value  # OpenSSL writes 0:0:0:0:0:0:0:1
    except ValueError:  # "<invalid>"
        return value


def distinguished_name(name: Any) -> str:
    """`name`, a tuple of tuples of pairs, as RFC 4514 writes it: the most specific first."""
    return ",".join("+".join(f"{SHORT_NAMES.get(key, key)}={_escaped(value)}" for key, value in rdn) for rdn in reversed(name))


def _escaped(value: str) -> str:
    return re.sub(r'[\\",+;<>]|^[# ]| $', r"\\\g<0>", value)


def when(text: str | None) -> str | None:
    """A time as OpenSSL prints it (``May  9 07:36:57 2026 GMT``) in ISO 8601, or None where it is none."""
    try:
        seconds = ssl.cert_time_to_seconds(text or "")
    except ValueError:
        return None
    return iso(seconds)


def iso(seconds: float) -> str:
    """Seconds since 1970 in ISO 8601 and UTC; such texts are in the order of time."""
    return (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=int(seconds))).isoformat().replace("+00:00", "Z")
