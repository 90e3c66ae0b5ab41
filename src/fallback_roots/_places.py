"""Tier 2: the places where a default load looks for certificates; imports functools and re besides what ssl does.

What lives here: which places those are, and what each yields, as far as that can be told without OpenSSL. What must not:
what follows from it.

"In effect" means: OpenSSL may find a certificate there, so whoever set it up has roots. A place counts as in effect unless it
certainly yields nothing, since loading a fallback beside it would widen somebody's trust.
"""

# Before Python 3.14 ssl itself imports functools and re.
import _io
import _ssl
import errno
import functools
import os
import re
import stat
import sys

from . import _files, _is_the_programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# What OpenSSL looks for: the subject's hash in eight hex digits, a dot, a number (by_dir.c). Its store loader, which reads a
# directory that is the whole value of SSL_CERT_DIR in OpenSSL 3 (measured: 3.0, and not 3.6), also takes a certificate from a
# CRL's name, `.r0` (file_store.c; measured on 3.0).
HASHED_NAME = re.compile(r"[0-9a-fA-F]{8}\.(r?)[0-9]+\Z")
# `file:/…`; a single letter is a Windows drive.
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
# With one of these OpenSSL fails as surely as we do. EMFILE, EIO and the like tell nothing about what it will find later.
CERTAINLY_NOTHING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM})
OF_THE_MOMENT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EAGAIN, errno.EINTR})
LARGEST_BUNDLE = 64 * 1024 * 1024  # bytes; a larger file is in effect, unread

NOTHING, IN_EFFECT, DEVICE = "nothing", "in effect", "device"
# In the place of a directory.
A_FILE, A_URI = "is a file, which some OpenSSL 3 read, too", "is a URI, which some OpenSSL 3 read"


class Place:
    """Where a default load looks: `kind` (file, directory), `origin` (the variable's name, or "compiled-in"), `path`,
    `state` (nothing, in effect, device) and `why` the state is that."""

    __slots__ = ("kind", "origin", "path", "state", "why")

    def __init__(self, kind: str, origin: str, path: str, state: str, why: str) -> None:
        self.kind = kind
        self.origin = origin
        self.path = path
        self.state = state
        self.why = why

    def __repr__(self) -> str:
        return f"Place({self.kind!r}, {self.origin!r}, {self.path!r}, {self.state!r}, {self.why!r})"


def places(environ: "Mapping[str, str]", everything: bool = True) -> "tuple[Place, ...]":
    """The places that a default load looks at now, after it has found nothing, and what is there.

    Not `everything`: directories before files, and none behind the first that yields something.
    """
    file_variable, file, directory_variable, directory = _ssl.get_default_verify_paths()
    # OpenSSL ignores both variables in a process with raised privileges, and LibreSSL always: look at either side then.
    try:
        certain = _ssl.OPENSSL_VERSION.startswith("OpenSSL ") and not raised_privileges()
    except OSError as error:
        if _is_the_programs(error):
            raise
        certain = False
    values = []
    for look, variable, compiled_in in ((_file, file_variable, file), (_directories, directory_variable, directory)):
        if variable in environ:
            values.append((look, variable, environ[variable]))
        if variable not in environ or not certain:
            values.append((look, "compiled-in", compiled_in))
    found: list[Place] = []
    for look, origin, value in values if everything else reversed(values):
        found += look(origin, value)
        if not everything and any(place.state != NOTHING for place in found):
            break
    return tuple(found)


def _file(origin: str, path: str) -> "list[Place]":
    state, why = _look_at_file(path)
    return [Place("file", origin, path, state, why)]


def _look_at_file(path: str) -> "tuple[str, str]":
    if not path:
        return NOTHING, "is empty"
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            return NOTHING, "is a directory"
        if not stat.S_ISREG(mode):
            return DEVICE, "is neither a file nor a directory, and taken at its word"
        if not _may_hold_certificates(path):
            return NOTHING, "holds no certificate"
        # It holds something, and the load came back empty. If it gives a certificate now, it is somebody's choice.
        scratch = _ssl._SSLContext(_ssl.PROTOCOL_TLS_CLIENT)
        scratch.load_verify_locations(path)
        if scratch.cert_store_stats()["x509"]:
            return IN_EFFECT, "holds certificates that the default load did not read"
        return NOTHING, "holds no certificate"
    except _ssl.SSLError as error:
        return NOTHING, f"holds no certificate that can be read ({_reason(error)})"
    except (OSError, ValueError) as error:
        if _is_the_programs(error):
            raise
        if _is_certain(error):
            return NOTHING, f"cannot be read ({_reason(error)})"
        return IN_EFFECT, f"cannot be looked at ({_reason(error)})"


def _directories(origin: str, value: str) -> "list[Place]":
    if URI.match(value):
        return [Place("directory", origin, value, IN_EFFECT, A_URI)]
    paths = value.split(os.pathsep)
    found = [directory(origin, path, alone=len(paths) == 1) for path in paths]
    # OpenSSL 3's store loader takes the whole value for one path: a directory's name may have a colon.
    if len(paths) > 1 and (os.path.isabs(value) or os.path.lexists(value)):
        whole = directory(origin, value)
        found += [whole] if whole.state != NOTHING else []
    return found


def directory(origin: str, path: str, alone: bool = True, special: bool = True) -> Place:
    """What a certificate directory at `path` yields; `alone`: not one of several in a list; `special`: see `hashed_entries`."""
    if not path:
        return Place("directory", origin, path, NOTHING, "is empty")
    if not os.path.isabs(path):
        return Place("directory", origin, path, IN_EFFECT, "is relative to the directory that is current when OpenSSL verifies")
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            # OpenSSL 3 gives the whole value to its store loader, which reads files. In a list it reads none (measured).
            if alone and _may_hold_certificates(path):
                return Place("directory", origin, path, IN_EFFECT, A_FILE)
            return Place("directory", origin, path, NOTHING, "is a file without a certificate" if alone else "is a file")
        if not stat.S_ISDIR(mode):
            return Place("directory", origin, path, DEVICE, "is neither a file nor a directory, and taken at its word")
        count = hashed_entries(path, alone, special, enough=1)
    except (OSError, ValueError) as error:
        if _is_the_programs(error):
            raise
        if _is_certain(error):
            return Place("directory", origin, path, NOTHING, f"cannot be read ({_reason(error)})")
        return Place("directory", origin, path, IN_EFFECT, f"cannot be looked at ({_reason(error)})")
    if count is None:
        return Place("directory", origin, path, IN_EFFECT, "may be searched but not listed")
    if count:
        return Place("directory", origin, path, IN_EFFECT, "has hashed certificates, which OpenSSL reads when it needs them")
    return Place("directory", origin, path, NOTHING, "has no readable file named like 9d04f354.0")


def is_lost_on_openssl(path: str) -> bool:
    """Whether OpenSSL, to which Python gives names in UTF-8, looks for the directory at `path` elsewhere.

    On Windows it takes a directory's name for one in the system's code page (measured on 3.0.15; not so a file's).
    """
    return sys.platform == "win32" and path.encode("mbcs", "replace") != path.encode("utf-8", "replace")


def hashed_entries(path: str, alone: bool = False, special: bool = False, enough: "int | None" = None) -> "int | None":
    """How many hashed names in directory `path` lead to a readable file, counted up to `enough`; None if it may be searched
    but not listed. `alone`: as the whole value of SSL_CERT_DIR. `special`: count a FIFO or a device, of which nobody knows
    what it will give, and do not open it. Raises OSError where it cannot be known."""
    try:
        listing = os.scandir(path)
    except PermissionError:
        try:
            os.stat(os.path.join(path, "00000000.0"))
        except PermissionError:
            return 0  # nor searched
        except FileNotFoundError:
            pass
        return None
    count = 0
    with listing:
        for entry in listing:
            name, file = HASHED_NAME.match(entry.name), os.path.join(path, entry.name)
            if name and _is_readable(file, special) and (not name[1] or (alone and _may_hold_certificates(file))):
                count += 1
                if count == enough:
                    break
    return count


def _is_readable(path: str, special: bool) -> bool:
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            return special and not stat.S_ISDIR(mode)
        os.close(os.open(path, _files.FLAGS))
    except OSError as error:
        if _is_certain(error):
            return False
        raise
    return True


def _may_hold_certificates(path: str) -> bool:
    """Whether the file at `path` has anything that OpenSSL could take for a certificate: its PEM line, or DER's first byte."""
    data, problem = _files.read(path, LARGEST_BUNDLE)
    return problem is not None or data.startswith(b"\x30") or b"CERTIFICATE-----" in data


def _is_certain(error: "OSError | ValueError") -> bool:
    return not isinstance(error, OSError) or error.errno in CERTAINLY_NOTHING  # ValueError: a NUL in the path


def may_pass(error: BaseException) -> bool:
    """Whether `error` is of the moment (no descriptor or memory left, a disk's hiccup, a signal), and will not be next time."""
    of_the_moment = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in OF_THE_MOMENT)
    return of_the_moment or _is_the_programs(error)


def _reason(error: "OSError | ValueError") -> str:
    return getattr(error, "strerror", None) or str(error)


def raised_privileges() -> bool:
    """Whether this process may do what the user who started it may not (set-user-ID, file capabilities).

    As glibc's secure_getenv, which OpenSSL uses: what the kernel says of the start (AT_SECURE, getauxval(3), number 23),
    and not the ids of the moment. On other systems, that these differ. Raises OSError where it cannot be known.
    """
    platform = sys.platform
    if platform == "linux":
        return _at_secure()
    return hasattr(os, "getuid") and (os.getuid() != os.geteuid() or os.getgid() != os.getegid())


@functools.cache  # the kernel's word holds for the life of a process; a failure is not remembered
def _at_secure() -> bool:
    try:
        with _io.open("/proc/self/auxv", "rb") as file:  # whoever has mocked the built-in one
            data = file.read(65536)
    except (FileNotFoundError, PermissionError) as error:  # no /proc; or a server that has given up root
        return _at_secure_by_libc(error)
    size = 8 if sys.maxsize > 2**32 else 4
    numbers = [int.from_bytes(data[at : at + size], sys.byteorder) for at in range(0, len(data), size)]
    return dict(zip(numbers[::2], numbers[1::2], strict=False)).get(23, 0) != 0


def _at_secure_by_libc(error: OSError) -> bool:
    """The same by a call; raises `error` where there is none."""
    try:
        import ctypes  # dear, and not in every Python

        getauxval = ctypes.CDLL(None).getauxval
        getauxval.argtypes, getauxval.restype = [ctypes.c_ulong], ctypes.c_ulong
        return getauxval(23) != 0  # type: ignore[no-any-return]  # a number
    except Exception as other:
        if _is_the_programs(other):
            raise
        raise error from None
