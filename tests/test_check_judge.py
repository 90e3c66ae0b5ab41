"""check's pure parts: the judge as a table, and how errors, names, times and sources are read."""

import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import certifi as package
import pytest

from fallback_roots import _places, _sources
from fallback_roots._cli import _causes, _certificates, _cures, _look, check
from fallback_roots._cli._certificates import Certificate
from fallback_roots._cli._look import Look, Target, Trouble
from fallback_roots._fallback import Outcome, Status

NOW = "2026-06-01T00:00:00Z"
ROOT_CA = Certificate("CN=Root", "CN=Root", "2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z", "a" * 64)
LINK = Certificate("CN=Link", "CN=Root", "2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z", "b" * 64)
LEAF = Certificate("CN=Leaf", "CN=Link", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "c" * 64, ("leaf.test",))
BUNDLE = _places.Place("file", "compiled-in", "/ssl/cert.pem", _places.IN_EFFECT, "holds certificates")
HASHED = _places.Place("directory", "compiled-in", "/ssl/certs", _places.IN_EFFECT, "has hashes")
OWN = _places.Place("file", "SSL_CERT_FILE", "/a b", _places.IN_EFFECT, "holds certificates")
CERTIFIS_OWN = _places.Place("file", "SSL_CERT_FILE", "/venv/certifi/cacert.pem", _places.IN_EFFECT, "holds certificates")
NOTHING = _places.Place("file", "SSL_CERT_FILE", "/no", _places.NOTHING, "cannot be read")
DEBIAN = ("/usr/local/share/ca-certificates", "ca.crt", "update-ca-certificates")

BOTH = '(cat /ssl/cert.pem; echo; cat /path/to/ca.pem) > both.pem && export SSL_CERT_FILE="$PWD/both.pem"'


def roots(**changed: Any) -> _cures.Roots:
    """A machine with a bundle, and `changed` facts."""
    usual = _cures.Roots(9, (), (BUNDLE,), Status("watching", None, 9, None), None, {})
    return usual._replace(**changed)


def in_place_of_a_directory(path: str, why: str) -> _places.Place:
    """What SSL_CERT_DIR names that is no directory."""
    return _places.Place("directory", "SSL_CERT_DIR", path, _places.IN_EFFECT, why)


def with_sources(*sources: _sources.Source, **changed: Any) -> _cures.Roots:
    """A machine whose default load finds nothing, and whose fallback gives `sources`."""
    return roots(places=(NOTHING,), outcome=Outcome("loaded", sources), **changed)


def facts(code: int = 20, chain: tuple[Certificate, ...] = (LEAF,), **changed: Any) -> _causes.Facts:
    """Facts of a server that sends `chain`, which OpenSSL refuses with `code`."""
    usual = _causes.Facts(
        target=Target("leaf.test", "leaf.test", 443),
        seconds=10,
        now=NOW,
        past="2026-05-01T00:00:00Z",
        roots=roots(),
        checks=True,
        strict=True,
        look=Look("handshake", "10.0.0.1", trouble=Trouble("certificate", "words", code)),
        second=Look("handshake", "10.0.0.1", "TLSv1.3", "X", chain),
    )
    return usual._replace(**changed)


def connection(kind: str, step: str = "handshake", words: str = "words", **changed: Any) -> _causes.Facts:
    """Facts of a connection that came to no certificate."""
    return facts(look=Look(step, trouble=Trouble(kind, words)), second=None, **changed)


def at(port: int, starttls: "str | None" = None) -> Target:
    return Target("leaf.test", "leaf.test", port, starttls)


CERTIFI = _sources.Source("certifi", "/certifi.py", 9)
EXPIRED_LEAF = LEAF._replace(not_after="2026-05-31T00:00:00Z")
EXPIRED_LINK = LINK._replace(not_after="2026-05-31T00:00:00Z")
EARLY_LEAF = LEAF._replace(not_before="2026-06-02T00:00:00Z")

# Facts, and the cause, words of the text, and all suggested commands that come of them.
JUDGED: dict[str, tuple[_causes.Facts, str | None, str, list[str]]] = {
    # whose issuer is missing
    "leaf, and it says where its issuer is": (
        facts(chain=(LEAF._replace(issuers_at=("http://x/ca.der",)),)),
        "missing_intermediate",
        "Or else CN=Link is the root of a private network",
        [
            "openssl s_client -showcerts -connect leaf.test:443 </dev/null",
            BOTH,
        ],
    ),
    "the same, by smtp": (
        facts(chain=(LEAF._replace(issuers_at=("http://x/ca.der",)),), target=at(25, "smtp")),
        "missing_intermediate",
        "",
        [
            "openssl s_client -showcerts -connect leaf.test:25 -starttls smtp </dev/null",
            BOTH,
        ],
    ),
    "leaf": (facts(21), "unknown_root", "CN=Link, which has issued the certificate of CN=Leaf, is not in the", []),
    "links that say where theirs is": (
        facts(chain=(LEAF, LINK._replace(issuers_at=("http://x",)))),
        "unknown_root",
        "CN=Root, which has issued the certificate of CN=Link",
        [],
    ),
    "in any order": (facts(19, (LEAF, ROOT_CA, LINK)), "unknown_root", "The root CN=Root, SHA-256 aaaa", []),
    "in a circle": (
        facts(2, (LEAF, LINK._replace(issuer="CN=Leaf"))),
        "unknown_root",
        "CN=Leaf, which has issued the certificate of CN=Link",
        [],
    ),
    "a link that is of somebody else": (facts(20, (LEAF, ROOT_CA)), "unknown_root", "CN=Link, which has issued", []),
    "nothing the second time": (facts(20, ()), "unknown_root", "the server did not show a second time", []),
    "a root of that name": (
        facts(chain=(LEAF, LINK), roots=roots(shown=(ROOT_CA,))),
        "unknown_root",
        "The store has a root of the name CN=Root, but it",
        [],
    ),
    "no name": (facts(chain=(LEAF._replace(issuer=""),)), "unknown_root", "(no name), which has issued", []),
    "a long name": (facts(chain=(LEAF._replace(issuer="x" * 999),)), "unknown_root", "x" * 300 + "..., which", []),
    # whose roots are from where
    "Debian": (
        facts(roots=roots(places=(HASHED,), anchors=(DEBIAN,))),
        "unknown_root",
        "",
        [
            "sudo cp /path/to/ca.pem /usr/local/share/ca-certificates/ca.crt && sudo update-ca-certificates",
            "sudo cp /path/to/ca.pem /ssl/certs && sudo openssl rehash /ssl/certs",
        ],
    ),
    "Debian, whose bundle a variable names": (
        facts(
            roots=roots(
                places=(_places.Place("file", "SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt", _places.IN_EFFECT, ""),),
                anchors=(DEBIAN,),
            )
        ),
        "unknown_root",
        "",
        [
            "sudo cp /path/to/ca.pem /usr/local/share/ca-certificates/ca.crt && sudo update-ca-certificates",
            BOTH.replace("/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt"),
        ],
    ),
    "a bundle that a variable names": (
        facts(roots=roots(places=(OWN,), anchors=(DEBIAN,))),
        "unknown_root",
        "",
        ["(echo; cat /path/to/ca.pem) >> '/a b'"],
    ),
    "a file in the place of a directory": (
        facts(roots=roots(places=(in_place_of_a_directory("/a b", _places.A_FILE),))),
        "unknown_root",
        "",
        ["(echo; cat /path/to/ca.pem) >> '/a b'"],
    ),
    "a URI in the place of a directory": (
        facts(roots=roots(places=(in_place_of_a_directory("file:/ca", _places.A_URI),))),
        "unknown_root",
        "",
        ["export SSL_CERT_FILE=/path/to/ca.pem"],
    ),
    "certifi, and a variable that would have precedence": (
        facts(roots=with_sources(CERTIFI, origins={"cafile": "FALLBACK_ROOTS_CAFILE"})),
        "unknown_root",
        "",
        ["export FALLBACK_ROOTS_CAFILE=/path/to/ca.pem FALLBACK_ROOTS_CERTIFI=1"],
    ),
    "no place that is known": (facts(roots=roots(places=())), "unknown_root", "", ["export SSL_CERT_FILE=/path/to/ca.pem"]),
    "certifi": (
        facts(roots=with_sources(CERTIFI)),
        "unknown_root",
        "",
        [
            "fallback-roots config init --cafile /path/to/ca.pem --certifi",
            "export FALLBACK_ROOTS_CAFILE=/path/to/ca.pem FALLBACK_ROOTS_CERTIFI=1",
        ],
    ),
    "a capath": (
        facts(roots=with_sources(_sources.Source("capath", "/c", None), certificates=0)),
        "unknown_root",
        "",
        ["fallback-roots config init --cafile /path/to/ca.pem", "export FALLBACK_ROOTS_CAFILE=/path/to/ca.pem"],
    ),
    "a cafile": (
        facts(roots=with_sources(_sources.Source("cafile", "/c d.pem", 1), CERTIFI)),
        "unknown_root",
        "",
        ["(echo; cat /path/to/ca.pem) >> '/c d.pem'"],
    ),
    "certifi's own bundle as a cafile": (
        facts(roots=with_sources(_sources.Source("cafile", "/venv/certifi/cacert.pem", 1))),
        "unknown_root",
        "",
        [BOTH.replace("/ssl/cert.pem", "/venv/certifi/cacert.pem").replace("SSL_CERT_FILE", "FALLBACK_ROOTS_CAFILE")],
    ),
    "the system's bundle as a cafile": (
        facts(roots=with_sources(_sources.Source("cafile", "/etc/ssl/cert.pem", 1))),
        "unknown_root",
        "",
        [BOTH.replace("/ssl/cert.pem", "/etc/ssl/cert.pem").replace("SSL_CERT_FILE", "FALLBACK_ROOTS_CAFILE")],
    ),
    "certifi's own bundle by a variable": (
        facts(roots=roots(places=(CERTIFIS_OWN,), anchors=(DEBIAN,))),
        "unknown_root",
        "",
        [BOTH.replace("/ssl/cert.pem", "/venv/certifi/cacert.pem")],
    ),
    "a user's config file that is there": (
        facts(roots=with_sources(CERTIFI, may_init=False)),
        "unknown_root",
        "",
        ["export FALLBACK_ROOTS_CAFILE=/path/to/ca.pem FALLBACK_ROOTS_CERTIFI=1"],
    ),
    "prefer_system": (
        facts(roots=with_sources(_sources.Source("system", "/s.pem", 1), anchors=(DEBIAN,))),
        "unknown_root",
        "",
        [
            "sudo cp /path/to/ca.pem /usr/local/share/ca-certificates/ca.crt && sudo update-ca-certificates",
            BOTH.replace("/ssl/cert.pem", "/s.pem"),
        ],
    ),
    "prefer_system, which finds a directory": (
        facts(roots=with_sources(_sources.Source("system", "/etc/certs/CA", 1))),
        "unknown_root",
        "",
        ["sudo cp /path/to/ca.pem /etc/certs/CA && sudo openssl rehash /etc/certs/CA"],
    ),
    "truststore, which does not tell": (facts(roots=roots(certificates=None, places=())), "unknown_root", "", []),
    "no roots, by a file": (
        facts(roots=roots(certificates=0, places=(NOTHING,), outcome=Outcome("disabled"), origins={"disable": "/c.toml"})),
        "no_roots",
        "/c.toml says disable = true",
        ["fallback-roots doctor"],
    ),
    "no roots, and the server is self-signed": (
        facts(18, (ROOT_CA,), roots=roots(certificates=0, places=(NOTHING,))),
        "self_signed",
        "It is CN=Root, SHA-256 aaa",
        ["fallback-roots config init --cafile /path/to/ca.pem"],
    ),
    "self-signed, and gone": (facts(18, ()), "self_signed", "nobody else vouches for that. Whoever", []),
    # when
    "expired": (facts(10, (EXPIRED_LEAF, LINK)), "expired", "of CN=Leaf has expired: it was valid until 2026-05-31", []),
    "an expired link": (facts(10, (LEAF, EXPIRED_LINK)), "expired", "of CN=Link has expired", []),
    "all expired": (facts(10, (EXPIRED_LEAF, EXPIRED_LINK)), "expired", "this machine's clock is fast", ["date -u"]),
    "an expired root": (
        facts(10, (LEAF, LINK), roots=roots(shown=(ROOT_CA._replace(not_after="2021-01-01T00:00:00Z"),))),
        "expired",
        "A root in the store has expired, and no certificate that leaf.test:443 sent: CN=Root was valid until 2021",
        [],
    ),
    "an expired root of certifi": (
        facts(10, (LEAF, LINK), roots=with_sources(CERTIFI)),
        "expired",
        "the store has an old one",
        ["pip install --upgrade certifi"],
    ),
    "expired, by a slow clock": (
        facts(10, (EXPIRED_LEAF,), now="2026-06-30T00:00:00Z", past="2026-07-31T00:00:00Z"),
        "expired",
        "of CN=Leaf has expired",
        [],
    ),
    "expired, and gone": (facts(10, ()), "expired", "A certificate of the chain has expired.", []),
    "early": (
        facts(9, (EARLY_LEAF,)),
        "not_yet_valid",
        "CN=Leaf is not valid before 2026-06-02T00:00:00Z, and it is 2026",
        ["date -u"],
    ),
    "early, by a wrong clock": (
        facts(9, (LEAF,), now="2020-06-01T00:00:00Z"),
        "not_yet_valid",
        "was made on 2026-05-01, which is later",
        ["date -u"],
    ),
    "early, and gone": (facts(9, ()), "not_yet_valid", "A certificate of the chain is not valid yet", ["date -u"]),
    # whose
    "another host": (
        facts(62),
        "wrong_host",
        "not for leaf.test: it is for leaf.test.",
        ["fallback-roots check leaf.test:443"],
    ),
    "another address, by imap": (
        facts(64, target=at(143, "imap")),
        "wrong_host",
        "",
        ["fallback-roots check leaf.test:143 --starttls imap"],
    ),
    "many hosts": (
        facts(62, (LEAF._replace(names=tuple(f"*.{n}" for n in range(12))),)),
        "wrong_host",
        "*.9, and 2 others. So either",
        [],
    ),
    "another host, and gone": (facts(62, ()), "wrong_host", "The certificate is not for leaf.test.", []),
    # what has no name of its own
    "strict": (facts(92), None, "does not verify: words. Python checks that since 3.13", []),
    "strict, by somebody's own doing": (facts(92, strict=False), None, "does not verify: words.", []),
    "revoked": (facts(23), None, "does not verify: words.", []),
    "an alert": (connection("tls", words="TLSV1_ALERT_X"), None, "That is the server's word", []),
    "no alert": (connection("tls", words="DH_KEY_TOO_SMALL"), None, "not over its certificate: DH_KEY_TOO_SMALL.", []),
    "nobody looks": (
        facts(look=Look("handshake"), checks=False),
        None,
        "does not verify the server",
        ["fallback-roots doctor"],
    ),
    # no connection
    "imap's port": (
        connection("not_tls", target=at(143)),
        "not_tls",
        "is not TLS: words.",
        ["fallback-roots check leaf.test:143 --starttls imap"],
    ),
    "smtp's older port": (
        connection("timeout", target=at(25)),
        "timeout",
        "not speak TLS",
        ["fallback-roots check leaf.test:25 --starttls smtp"],
    ),
    "pop3's port closes": (
        connection("closed", target=at(110)),
        "closed",
        "in the handshake",
        ["fallback-roots check leaf.test:110 --starttls pop3"],
    ),
    "an address that is TLS at once": (
        connection("timeout", "starttls", target=Target("::1", "::1", 993, "imap")),
        "timeout",
        "[::1]:993 did not answer within 10 s, when it was asked for TLS.",
        ["fallback-roots check '[::1]:993'"],
    ),
    "refused, with a proxy": (
        connection("refused", "connection", proxies=("HTTPS_PROXY",)),
        "refused",
        "(HTTPS_PROXY is set: it may be that only",
        [],
    ),
    "too slow": (connection("timeout", "connection", seconds=0.5), "timeout", "within 0.5 s, when it was connected to", []),
}


@pytest.mark.parametrize("name", JUDGED)
def test_judge(name: str) -> None:
    """What is found decides the cause, what is said of it, the exit code, and, where some are given here, the suggestions."""
    found, cause, words, commands = JUDGED[name]
    finding = _causes.judge(found)
    assert (finding.verified, finding.cause) == (False, cause)
    assert words in finding.text
    assert finding.exit_code == (4 if cause in ("refused", "timeout", "dns", "closed") else 1)
    assert not commands or [suggestion.command for suggestion in finding.suggestions] == commands
    assert len(finding.suggestions) <= 3
    assert finding.text.endswith((".", "?", ")"))


def test_only_a_certificate_says_strict() -> None:
    """The sentence about Python 3.13 is only there for what that looks at, and for a context that does."""
    assert not any("3.13" in _causes.judge(JUDGED[name][0]).text for name in ("revoked", "strict, by somebody's own doing"))


def test_a_verified_server_whose_root_cannot_be_told() -> None:
    """Where something else verifies in OpenSSL's place (truststore), it is verified, and no root is made up."""
    found = facts(look=Look("handshake", "10.0.0.1", "TLSv1.3", "X", (LEAF,)), second=None)
    finding = _causes.judge(found)
    assert (finding.verified, finding.exit_code) == (True, 0)
    assert check.as_json(found, finding)["root"] is None


def test_a_second_look_that_fails_is_said() -> None:
    """Where the server did not answer again, the report says so."""
    found = facts(second=Look("handshake", trouble=Trouble("closed", "gone")))
    assert "  ! a second, unverified look failed: gone" in check.render(found, _causes.judge(found))


TROUBLES: dict[str, tuple[str, Exception, str]] = {
    "gaierror": ("lookup", socket.gaierror(-2, "unknown"), "dns"),
    "no route": ("connection", OSError(113, "No route to host"), "refused"),
    "timed out": ("connection", TimeoutError("timed out"), "timeout"),
    "ETIMEDOUT": ("connection", OSError(110, "Connection timed out"), "timeout"),
    "reset amid a dialogue": ("starttls", ConnectionResetError(104, "reset"), "closed"),
    "an end": ("handshake", ssl.SSLEOFError(8, "EOF occurred"), "closed"),
    "an orderly end": ("handshake", ssl.SSLZeroReturnError(6, "closed"), "closed"),
    "an error that says nothing": ("handshake", ssl.SSLError(1, "what"), "tls"),
    "truststore's error": ("handshake", ssl.SSLCertVerificationError("not trusted"), "certificate"),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_trouble(name: str) -> None:
    """Errors of the system and of OpenSSL come to a few kinds."""
    step, error, kind = TROUBLES[name]
    assert _look.trouble(step, error).kind == kind


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("WRONG_VERSION_NUMBER", "not_tls"),
        ("Closed before TLS handshake with data in recv buffer.", "not_tls"),
        ("UNEXPECTED_EOF_WHILE_READING", "closed"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "tls"),
    ],
)
def test_a_reason(reason: str, kind: str) -> None:
    """OpenSSL's reason tells what is no TLS from an end and from a handshake that failed."""
    error = ssl.SSLError(1, "what")
    error.reason = reason
    assert _look.trouble("handshake", error) == Trouble(kind, "what" if kind == "closed" else reason)


def test_a_distinguished_name() -> None:
    """A subject is written as RFC 4514 has it: the last part first, short names, several values by a plus, escapes."""
    name = ((("countryName", "DE"),), (("organizationName", "a,b+c"), ("x500UniqueIdentifier", "#1")), (("commonName", " x "),))
    assert _certificates.distinguished_name(name) == "CN=\\ x\\ ,O=a\\,b\\+c+x500UniqueIdentifier=\\#1,C=DE"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("May  9 07:36:57 2026 GMT", "2026-05-09T07:36:57Z"),
        ("Dec 31 23:59:59 9999 GMT", "9999-12-31T23:59:59Z"),
        ("Jan  1 00:00:00 1950 GMT", "1950-01-01T00:00:00Z"),
        ("Bad time value", None),
        (None, None),
    ],
)
def test_a_time(text: "str | None", expected: "str | None") -> None:
    """A certificate's time is written as ISO 8601 has it, and one that is none is none."""
    assert _certificates.when(text) == expected


def test_a_certificate_that_cannot_be_decoded() -> None:
    """It is listed with its SHA-256, and does not end the report."""

    class Strange:
        def public_bytes(self, _: int) -> bytes:
            return b"x"

        def get_info(self) -> None:
            raise ValueError("strange")

    found = _certificates.certificate(Strange())
    assert (found.subject, found.not_after, len(found.sha256)) == ("(cannot be decoded: strange)", None, 64)
    expired = facts(10, (found,))
    assert "      valid from (no time) until (no time)" in check.render(expired, _causes.judge(expired))


def test_an_address_that_is_none() -> None:
    """What OpenSSL says of an address that it cannot read is passed on."""
    info = {"subjectAltName": (("IP Address", "<invalid>"), ("IP Address", "0:0:0:0:0:0:0:1"), ("email", "a@b"), ("DNS", "x"))}
    assert _certificates.decoded(info).names == ("<invalid>", "::1", "x")


def der(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def source_of(root: bytes, found: _cures.Roots) -> tuple[str, "str | None"]:
    return check._origin(root, found)[:2]


def test_a_root_in_a_file_of_another_form(ca_file: Path, tmp_path: Path) -> None:
    """DER, which a directory may hold, and a trusted certificate with more behind it are found, too; bad blocks are passed."""
    root = der(ca_file)
    (binary := tmp_path / "ca.der").write_bytes(root)
    (trusted := tmp_path / "trusted.pem").write_text(
        "-----BEGIN CERTIFICATE-----\nAAAAA\n-----END CERTIFICATE-----\n"
        + ssl.DER_cert_to_PEM_cert(root + b"more").replace("BEGIN C", "BEGIN TRUSTED C")
    )
    for path in (binary, trusted):
        place = _places.Place("file", "SSL_CERT_FILE", str(path), _places.IN_EFFECT, "")
        assert source_of(root, roots(places=(NOTHING, place, HASHED))) == ("default", str(path))


def test_a_root_from_the_systems_bundle(ca_file: Path) -> None:
    """What prefer_system has found is named as the system's, with its path."""
    found = with_sources(_sources.Source("system", str(ca_file), 1), CERTIFI)
    assert source_of(der(ca_file), found) == ("system", str(ca_file))


def test_a_hashed_directory_in_a_circle(ca_file: Path, tmp_path: Path) -> None:
    """An entry that leads to a directory, be it its own, is passed by, and so is one that leads nowhere."""
    (tmp_path / "00000000.0").symlink_to(tmp_path)
    (tmp_path / "00000000.1").symlink_to("nowhere")
    (tmp_path / "README").write_bytes(ca_file.read_bytes())
    found = with_sources(_sources.Source("capath", str(tmp_path), 1), CERTIFI)
    assert source_of(der(ca_file), found) == ("unknown", None)
    (tmp_path / "0000000a.7").write_bytes(ca_file.read_bytes())
    assert source_of(der(ca_file), found) == ("capath", str(tmp_path))


def test_no_time_left() -> None:
    """Nothing is begun after the end."""
    with pytest.raises(TimeoutError):
        _look._left(0)


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (_causes.Origin("unknown"), "a source that cannot be told"),
        (_causes.Origin("certifi"), "certifi"),
        (_causes.Origin("cafile", "/ca.pem"), "cafile: /ca.pem"),
        (_causes.Origin("default", None, "store ROOT"), "Python's own default load (store ROOT)"),
        (_causes.Origin("default", "/ca.pem", "compiled-in"), "Python's own default load: /ca.pem (compiled-in)"),
    ],
)
def test_a_source_in_words(origin: _causes.Origin, said: str) -> None:
    """The source of a root is named with its path, and with who names that."""
    found = facts(look=Look("handshake", "10.0.0.1", "TLSv1.3", "X", (LEAF, ROOT_CA)), second=None, root=origin)
    assert _causes.judge(found).text == f"leaf.test:443 is verified. CN=Root vouches for it, from {said}."


def test_a_root_that_can_only_be_from_one_place(ca_file: Path) -> None:
    """A directory that cannot be listed is named where nothing else can have it, and nothing is named where two can."""
    unlisted = _sources.Source("capath", "/no/capath", None)
    assert source_of(der(ca_file), with_sources(unlisted)) == ("capath", "/no/capath")
    assert source_of(der(ca_file), with_sources(unlisted, _sources.Source("cafile", "/no/ca.pem", 1))) == ("unknown", None)


@pytest.mark.parametrize(
    ("version", "certifi", "expected"),
    [
        ("3.13.0 (main, May  9 2026, 07:36:57) [GCC]", "2020.1.2", "2026-05-09T00:00:00Z"),
        ("3.13.0 (main, May  9 2026, 07:36:57) [GCC]", "2026.10.19.post1", "2026-10-19T00:00:00Z"),
        ("3.13.0 (unknown)", "unknown", "1970-01-01T00:00:00Z"),
    ],
)
def test_a_time_that_has_passed(version: str, certifi: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is held against the dates of Python and of certifi, as far as these are known."""
    monkeypatch.setattr(sys, "version", version)
    monkeypatch.setattr(package, "__version__", certifi)
    assert check._past() == expected


def test_openssls_own_limit() -> None:
    """Too many warnings is what OpenSSL says, and not the server."""
    assert _causes.judge(connection("tls", words="TOO_MANY_WARN_ALERTS")).text.endswith(": TOO_MANY_WARN_ALERTS.")
