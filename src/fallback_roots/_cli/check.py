"""Tier 4: ``fallback-roots check HOST``; imports ssl, and what a default load that finds nothing imports.

What lives here: gather what two connections show, have it judged, render it. The first is verified by a default context, as the
user's program makes it; where that fails over a certificate, the second, unverified, sees what the server sends. What must not:
application data, on either.
"""

import argparse
import binascii
import importlib
import os
import re
import ssl
import sys
import time
from collections.abc import Iterator
from typing import Any

from .. import _armed, _files, _is_off, _places, _sources, _watch, status
from ._called import as_called
from ._causes import Facts, Finding, Origin, fingerprint, judge, named, short
from ._certificates import decoded, iso, roots_shown
from ._cures import Roots
from ._look import Target, look, target
from ._text import Suggestion, coloured, item, marked, say, say_json, suggested

SCHEMA_VERSION = 1
PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
# Where operating systems take further roots from, and what makes them take them.
ANCHORS = (
    ("/usr/local/share/ca-certificates", "ca.crt", "update-ca-certificates"),  # Debian, Alpine
    ("/etc/pki/ca-trust/source/anchors", "ca.pem", "update-ca-trust"),  # Fedora
    ("/etc/pki/trust/anchors", "ca.pem", "update-ca-certificates"),  # openSUSE
    ("/etc/ca-certificates/trust-source/anchors", "ca.pem", "update-ca-trust"),  # Arch
)
CERTIFICATE = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END")


def run(options: argparse.Namespace) -> int:
    """Print what a verified handshake comes to; 0 where it verifies, 1 where not, 4 without a connection."""
    facts = gather(target(options.host, options.starttls), options.timeout)
    finding = judge(facts)
    finding = finding._replace(suggestions=as_called(finding.suggestions))
    if options.json:
        say_json(as_json(facts, finding))
    else:
        say("\n".join(render(facts, finding)))
    return finding.exit_code


# ---------------------------------------------------------------- gather


def gather(where: Target, seconds: float) -> Facts:
    """Shake hands with `where` as a program would; look again, unverified, where that fails over a certificate."""
    context = ssl.create_default_context()
    roots = _roots(context)
    checks = context.verify_mode == ssl.CERT_REQUIRED and bool(context.check_hostname)
    first = look(where, context, seconds)
    second = None
    if first.trouble is not None and first.trouble.kind == "certificate":
        curious = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        curious.check_hostname = False
        curious.verify_mode = ssl.CERT_NONE
        second = look(where, curious, seconds)
    return Facts(
        where,
        seconds,
        iso(time.time()),
        _past(),
        roots,
        checks,
        bool(context.verify_flags & ssl.VERIFY_X509_STRICT),
        first,
        second,
        _origin(first.anchor, roots) if first.anchor is not None else None,
        tuple(name for name in PROXIES if os.environ.get(name)),
        _mends() if roots.is_empty else (),
    )


def _mends() -> tuple[Suggestion, ...]:
    from . import _facts, _judge, _suggestions

    facts = _facts.gather()
    return _suggestions.suggest(facts, _judge.judge(facts))


def _roots(context: ssl.SSLContext) -> Roots:
    """What `context`, just made, trusts."""
    now = status()
    asked = now.verdict is not None and now.verdict.code == "empty"
    finder = _armed()
    settings = finder.hook.settings if finder is not None and finder.hook is not None and asked else None
    certificates = _watch.certificates(context)
    return Roots(
        certificates,
        () if certificates is None else tuple(map(decoded, roots_shown(context))),
        _places.places(os.environ),
        now,
        now.outcome if asked else None,
        settings.origins if settings is not None else {},
        _is_off(os.environ),
        tuple(anchor for anchor in ANCHORS if os.path.isdir(anchor[0])),
        settings is None or any(file.origin == "user" and not file.exists for file in settings.files),
    )


def _past() -> str:
    """A time that has surely passed: when this Python was built, or certifi made, whichever is later."""
    built = re.search(r", ([A-Z][a-z]{2}) +([0-9]{1,2}) ([0-9]{4}), ", sys.version)
    months = ["", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    times = ["1970-01-01"]
    if built is not None and built[1] in months:
        times.append(f"{built[3]}-{months.index(built[1]):02}-{int(built[2]):02}")
    try:
        made = re.match(r"(\d{4})\.(\d{1,2})\.(\d{1,2})", importlib.import_module("certifi").__version__)
    except Exception:  # missing, or damaged
        made = None
    if made is not None:
        times.append(f"{made[1]}-{int(made[2]):02}-{int(made[3]):02}")
    return f"{max(times)}T00:00:00Z"


def _origin(root: bytes, roots: Roots) -> Origin:
    """Where the certificate `root` is from, found by looking into each source; or else the only one that may have it."""
    candidates = list(_candidates(roots))
    for origin, holds in candidates:
        if any(root == found[: len(root)] for found in holds):  # a TRUSTED CERTIFICATE says more behind it
            return origin
    unread = [origin for origin, _ in candidates]
    return unread[0] if len(unread) == 1 else Origin("unknown")


def _candidates(roots: Roots) -> Iterator[tuple[Origin, Iterator[bytes]]]:
    """The sources that the context may have roots of, and the certificates in each (DER)."""
    if roots.outcome is not None:
        for source in roots.outcome.sources:
            if source.certificates != 0:
                yield Origin(source.kind, source.path), _of_source(source)
        return
    for place in roots.places:
        if place.state == _places.IN_EFFECT:
            yield Origin("default", place.path, place.origin), _at(place.path)
    if sys.platform == "win32":
        for store in ("ROOT", "CA"):
            yield Origin("default", None, f"store {store}"), (found for found, *_ in ssl.enum_certificates(store))


def _of_source(source: _sources.Source) -> Iterator[bytes]:
    if source.kind == "certifi":
        return _in((_sources.certifi().text or "").encode("latin-1"))
    return _at(source.path or "")


def _at(path: str) -> Iterator[bytes]:
    """The certificates in the file at `path`, or in the hashed directory."""
    files = [path]
    if os.path.isdir(path):
        try:
            files = [os.path.join(path, name) for name in os.listdir(path) if _places.HASHED_NAME.match(name)]
        except OSError:  # it may be searched, and not listed
            return
    for file in files:
        try:
            yield from _in(_files.read(file, _places.LARGEST_BUNDLE)[0])
        except (OSError, ValueError):  # gone by now, or a URI
            pass


def _in(data: bytes) -> Iterator[bytes]:
    if data.startswith(b"\x30"):  # DER, which OpenSSL's store loader reads
        yield data
    for block in CERTIFICATE.finditer(data):
        try:
            yield binascii.a2b_base64(block[1])
        except ValueError:
            pass


# ---------------------------------------------------------------- render


def render(facts: Facts, finding: Finding) -> list[str]:
    """The report, line by line, and the verdict last."""
    shown = facts.shown
    lines = ["Connection"]
    asked = f", TLS asked for by {facts.target.starttls}" if facts.target.starttls else ""
    lines += item(f"to {facts.target}{f' at {shown.address}' if shown.address else ''}{asked}", 2)
    if shown.protocol:
        lines += item(f"{shown.protocol}, {shown.cipher}", 2)
    if facts.proxies:
        lines += marked("!", f"set, and not used: {', '.join(facts.proxies)}; the connection goes to the host itself", 2)
    if shown.chain:
        lines += ["", "Chain, as verified" if finding.verified else "Chain, as the server sent it, not verified"]
    for certificate in shown.chain:
        lines += marked("-", f"{named(certificate)}", 2)
        lines += item(f"issued by {short(certificate.issuer) or '(no name)'}", 6)
        lines += item(f"valid from {certificate.not_before or '(no time)'} until {certificate.not_after or '(no time)'}", 6)
        lines += item(fingerprint(certificate), 6)
    if facts.second is not None and facts.second.trouble is not None:
        lines += marked("!", f"a second, unverified look failed: {short(facts.second.trouble.words)}", 2)
    kind = "good" if finding.verified else "bad"
    verdict = finding.text if finding.verified or finding.cause is None else f"{finding.cause}: {finding.text}"
    lines += ["", *(coloured(line, kind) for line in item(verdict))]
    return [*lines, *suggested(finding.suggestions)]


def as_json(facts: Facts, finding: Finding) -> dict[str, Any]:
    """The same facts; docs/check-schema.json describes them."""
    shown = facts.shown
    root = None
    if finding.verified and facts.root is not None and shown.chain:
        root = {"subject": shown.chain[-1].subject, "sha256": shown.chain[-1].sha256, **facts.root._asdict()}
    fields = ("subject", "issuer", "not_before", "not_after", "sha256")
    return {
        "schema_version": SCHEMA_VERSION,
        "host": facts.target.host,
        "port": facts.target.port,
        "starttls": facts.target.starttls,
        "verified": finding.verified,
        "cause": finding.cause,
        "cause_text": None if finding.verified else finding.text,
        "address": shown.address,
        "protocol": shown.protocol,
        "cipher": shown.cipher,
        "chain": [{field: getattr(certificate, field) for field in fields} for certificate in shown.chain],
        "names": list(shown.chain[0].names) if shown.chain else [],
        "root": root,
        "proxies_not_used": list(facts.proxies),
        "suggestions": [suggestion._asdict() for suggestion in finding.suggestions],
        "exit_code": finding.exit_code,
    }
