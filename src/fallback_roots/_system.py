"""Tier 3: where operating systems keep their roots; imports what ssl imports. For ``prefer_system`` and the commands."""

import os
import stat
from typing import TYPE_CHECKING

from . import _files, _places

if TYPE_CHECKING:
    from collections.abc import Iterator

# Most specific first, with who keeps them there. From Go's crypto/x509
# (root_linux.go, root_bsd.go, root_solaris.go, root_aix.go), openssl-probe's list, and what Fedora 44 has left.
BUNDLES: tuple[tuple[str, str], ...] = (
    ("/etc/ssl/certs/ca-certificates.crt", "Debian, Ubuntu, Gentoo, Arch"),
    ("/etc/pki/tls/certs/ca-bundle.crt", "Fedora, RHEL 6"),
    ("/etc/ssl/ca-bundle.pem", "openSUSE"),
    ("/etc/pki/tls/cacert.pem", "OpenELEC"),
    ("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "CentOS, RHEL 7, Fedora 44"),
    ("/etc/ssl/cert.pem", "Alpine, OpenBSD, macOS"),
    ("/etc/pki/tls/cert.pem", "Fedora, RHEL"),
    ("/usr/local/etc/ssl/cert.pem", "FreeBSD"),
    ("/usr/local/share/certs/ca-root-nss.crt", "DragonFly, FreeBSD"),
    ("/etc/openssl/certs/ca-certificates.crt", "NetBSD"),
    ("/etc/certs/ca-certificates.crt", "Solaris 11.2"),
    ("/etc/ssl/certs/ca-bundle.crt", "NixOS"),
    ("/etc/ssl/certs/cacert.pem", "OmniOS"),
    ("/opt/etc/ssl/certs/ca-certificates.crt", "Entware"),
    ("/system/etc/security/cacerts.pem", "Android, Termux"),
    ("/var/ssl/certs/ca-bundle.crt", "AIX"),
)
DIRECTORIES: tuple[tuple[str, str], ...] = (
    ("/etc/ssl/certs", "Debian, Ubuntu, Alpine, openSUSE"),
    ("/etc/pki/tls/certs", "Fedora, RHEL"),
    ("/system/etc/security/cacerts", "Android"),
    ("/etc/openssl/certs", "NetBSD"),
    ("/usr/share/certs/trusted", "FreeBSD"),
    ("/usr/local/share/certs", "FreeBSD"),
    ("/etc/certs/CA", "Solaris"),
    ("/usr/local/ssl/certs", "OpenSSL's own default"),
)
if os.name == "nt":
    # These would be on the drive of the moment, where any user may make them; the system's own are in the default load.
    BUNDLES = DIRECTORIES = ()


def places() -> "Iterator[tuple[str, bool]]":
    """Every place that is there, and whether it is of a bundle; those of bundles first, and broken ones, too.

    Raises OSError or ValueError where one may be there, or is, and cannot be read: it may hold what was chosen.
    """
    for known, look, is_bundle in ((BUNDLES, _look_at_bundle, True), (DIRECTORIES, _look_into, False)):
        for path, _ in known:
            try:
                look(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            yield path, is_bundle


def _look_at_bundle(path: str) -> None:
    descriptor = os.open(path, _files.FLAGS)
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISDIR(status.st_mode) and not (stat.S_ISREG(status.st_mode) and status.st_size <= _places.LARGEST_BUNDLE):
        raise ValueError(f"{path}: is not a regular file of at most {_places.LARGEST_BUNDLE} bytes (expected a PEM bundle)")


def _look_into(path: str) -> None:
    with os.scandir(path) as listing:
        for entry in listing:
            if _places.HASHED_NAME.match(entry.name):
                try:
                    os.close(os.open(entry.path, _files.FLAGS))
                except (FileNotFoundError, NotADirectoryError):  # a link that leads nowhere
                    pass
