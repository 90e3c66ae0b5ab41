"""Tier 3: makes the hashed directory of ``lazy``, once for each content; imports hashlib and the subject hash.

What lives here: the files of a hashed directory, as openssl rehash makes it, written so that neither a crash nor another
process at the same work leaves half of one; and the removal of what is no longer used. What must not: what makes one fit for
use, which `_lazy` knows.
"""

import _ssl
import binascii
import hashlib
import os
import re
import time
from collections import Counter

from . import _files, _is_the_programs, _lazy, _manifest, _pem, _places, _subject_hash

LINE = 64  # characters of base64, RFC 7468
TEMPORARY = "making-"
KEPT = 30 * _manifest.DAY  # what nobody has used for so long is removed when something is made
OURS = re.compile(rf"[0-9]+-(?:[0-9a-f]{{32}}|[0-9a-f]{{8}}\.manifest)\Z|{TEMPORARY}[0-9a-f]{{16}}(?:\.manifest)?\Z")


def make(root: str, keys: _manifest.Keys, bundles: list[list[str]]) -> _manifest.Manifest:
    """Make the directory and the manifest for `bundles`, given by their PEM blocks, of which `keys` tell what they are.

    Raises OSError where nothing can be written, `_manifest.NotLazyError` where what there is may not be used.
    """
    files = hashed(bundles)
    if os.path.lexists(root):
        _lazy.check_way(root)
    root = os.path.realpath(root)  # what it leads to is looked at, too, and no link is followed any more
    digest = hashlib.sha256(b"".join(sorted(files.values())), usedforsecurity=False).hexdigest()[:32]
    manifest = _manifest.Manifest(f"{_manifest.FORMAT}-{digest}", tuple(map(len, bundles)), frozenset(files))
    _make_root(root)
    _write_directory(root, files, os.path.join(root, manifest.directory))
    _lazy.check(root, manifest)  # another process may have made it
    write_manifest(root, keys, manifest)
    remove_old(root)
    return manifest


def _make_root(root: str) -> None:
    """Make the cache directory, which nobody else may write to whatever the umask is, if it is not there.

    Raises `_manifest.NotLazyError` where somebody else may: nothing is written where it could lead elsewhere.
    """
    missing, there = [], root
    while not os.path.lexists(there) and there != os.path.dirname(there):  # a drive that is not there
        missing.append(there)
        there = os.path.dirname(there)
    if not missing:
        _lazy.check_way(root)
        return
    try:
        _lazy.check_way(missing[-1], is_there=False)
    except _manifest.NotLazyError as error:  # no more than no place for it: somebody else's home, say
        raise _manifest.NotLazyError(str(error)) from None
    for path in reversed(missing):
        try:
            os.mkdir(path, 0o755)
        except FileExistsError:
            pass
        _lazy.check_way(path)  # another process may have been faster, and somebody else's
        if path == root:
            os.chmod(path, 0o755)  # noqa: S103  # all may read what is public


def write_manifest(root: str, keys: _manifest.Keys, manifest: _manifest.Manifest) -> None:
    """Write `manifest` where it is looked for when the bundles are as `keys` tell. Raises OSError."""
    temporary = _temporary(root) + ".manifest"
    try:
        _write(temporary, _manifest.written(keys, manifest).encode())
        os.replace(temporary, _manifest.path_of(root, keys))
        _sync(root)
    finally:
        remove(temporary)


def _temporary(root: str) -> str:
    return os.path.join(root, TEMPORARY + os.urandom(8).hex())


def hashed(bundles: list[list[str]]) -> dict[str, bytes]:
    """The certificates in DER by their names in a hashed directory, each once."""
    found: dict[bytes, None] = {}
    for blocks in bundles:
        for block in blocks:
            match = _pem.BLOCK.match(block)
            found[binascii.a2b_base64(match["body"]) if match else b""] = None
    # What OpenSSL takes out of PEM is what is decoded here, or it is not counted here.
    scratch = _ssl._SSLContext(_ssl.PROTOCOL_TLS_CLIENT)
    scratch.load_verify_locations(cadata=b"".join(found))
    if scratch.cert_store_stats()["x509"] != len(found):
        raise _manifest.NotLazyError("a certificate cannot be decoded")
    numbers: Counter[str] = Counter()
    names = {}
    for certificate in found:
        try:
            name = _subject_hash.subject_hash(certificate)
        except ValueError as error:
            raise _manifest.NotLazyError(f"a certificate {error}") from error
        names[f"{name}.{numbers[name]}"] = certificate
        numbers[name] += 1
    return names


def _pem_of(certificate: bytes) -> bytes:
    text = binascii.b2a_base64(certificate, newline=False)
    lines = [text[at : at + LINE] for at in range(0, len(text), LINE)]
    return b"\n".join([b"-----BEGIN CERTIFICATE-----", *lines, b"-----END CERTIFICATE-----", b""])


def _write_directory(root: str, files: dict[str, bytes], path: str) -> None:
    if os.path.lexists(path):
        return
    temporary = _temporary(root)
    try:
        os.mkdir(temporary, 0o755)
        os.chmod(temporary, 0o755)  # noqa: S103  # likewise
        for name, certificate in files.items():
            _write(os.path.join(temporary, name), _pem_of(certificate))
        _sync(temporary)
        if set(os.listdir(temporary)) != files.keys():
            raise _manifest.NotLazyError(f"{temporary}: was changed while it was made")
        os.rename(temporary, path)
    except OSError as error:
        if _is_the_programs(error) or not os.path.lexists(path):  # else another process was faster
            raise
    finally:
        remove(temporary)


def _write(path: str, data: bytes) -> None:
    with open(path, "xb") as file:
        # Whatever the umask is: its owner alone may write it, and everybody read it.
        os.chmod(file.fileno() if os.chmod in os.supports_fd else path, 0o644)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: str) -> None:
    """Let what has been named in the directory at `path` outlast a crash of the machine."""
    if os.name == "nt":  # where a directory cannot be opened
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------- what is not used any more


def remove_old(root: str) -> None:
    """Remove what nobody has used for thirty days, and what was never finished; what cannot be removed stays."""
    now, in_use, directories = time.time(), set(), []
    for name in ours(root):
        path = os.path.join(root, name)
        try:
            age = now - os.lstat(path).st_mtime
            if name.startswith(TEMPORARY):
                if age > _manifest.DAY:
                    remove(path)
            elif not name.endswith(".manifest"):
                if age > KEPT:
                    directories.append(name)
            elif age > KEPT:
                remove(path)
            else:
                in_use.add(_directory_of(path))
        except OSError as error:
            if _is_the_programs(error):
                raise
    for name in directories:
        if name not in in_use:
            remove(os.path.join(root, name))


def _directory_of(manifest: str) -> str:
    data, _ = _files.read(manifest, _manifest.LARGEST)
    return "".join(data.decode("latin-1").split("\n")[1:2])


def ours(root: str) -> list[str]:
    """The names in the cache directory at `root` that only we give."""
    try:
        return sorted(name for name in os.listdir(root) if OURS.match(name))
    except FileNotFoundError:
        return []


def remove(path: str) -> None:
    """Remove a manifest, or a directory of certificates, if it is there and may be removed; follows no link."""
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            _empty(path)
            os.rmdir(path)
        elif os.path.lexists(path):
            os.unlink(path)
    except OSError as error:
        if _is_the_programs(error):
            raise


def _empty(path: str) -> None:
    """Remove the certificates in the directory at `path`, also where somebody puts a link to another one in its place."""
    if os.unlink not in os.supports_dir_fd:  # Windows
        for name in filter(_places.HASHED_NAME.match, os.listdir(path)):
            os.unlink(os.path.join(path, name))
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for name in filter(_places.HASHED_NAME.match, os.listdir(descriptor)):
            os.unlink(name, dir_fd=descriptor)
    finally:
        os.close(descriptor)
