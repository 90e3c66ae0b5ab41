"""A slim container, made of this machine: its files, but no CA certificates, in namespaces of its own. Linux alone, as root.

An overlay lies on ``/``: what runs in it may change what it likes, and nothing of that stays. It reaches no network but hosts
on loopback, whose certificates are those of `HOSTS`. In it are

- ``/venv``, first on PATH, a venv with the wheel of this tree (not in a `bare` one), and pip, which gets its wheels from
  ``/wheels`` in place of an index; the certifi among these has one root more: that of example.org;
- ``/usr/local/bin/python`` and ``python3``, a Python without any packages, as in an image;
- ``/etc/ssl/corp.pem`` and ``/srv/corp.pem``, the root of intranet.example.com, which nobody else has;
- in ``/srv``, where scripts start, also ``requirements.txt``, which has the wheels' hashes, ``corp.toml``, settings,
  ``DIR``, an empty directory, and ``app.py``, a program that makes a default context;
- ``/usr/local/bin/fetch URL``, by Python's ``urllib``.
"""

import datetime
import hashlib
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from support import ROOT, environment, output
from test_zipapps import make_wheelhouse

from fallback_roots._system import BUNDLES, DIRECTORIES

PEM = serialization.Encoding.PEM

# Which CA has issued a host's certificate, and what is special about that.
HOSTS: dict[str, tuple[str, dict[str, Any]]] = {
    "example.org": ("web", {}),
    "expired.example.org": ("web", {"days": -1}),
    "wrong-host.example.org": ("web", {"names": ("www.example.org",)}),
    "no-identifier.example.org": ("web", {"identifier": False}),
    "client-only.example.org": ("web", {"usage": ExtendedKeyUsageOID.CLIENT_AUTH}),
    "self-signed.example.org": ("", {}),
    "inspected.example.org": ("corp", {"send_root": True}),
    "intranet.example.com": ("corp", {}),
}

# Arguments: a directory to mount all on, what to start from (or nothing), what to keep the changes in (or nothing), two places
# that may not be on the file system of ``/``, a Python, the program that starts hosts, their certificates, the script, and the
# variables and the command to run it by.
SCRIPT = """
set -e
PATH=$PATH:/usr/sbin:/sbin
directory=$1 start=$2 keep=$3
mount -t tmpfs none "$directory"
mkdir "$directory/upper" "$directory/work" "$directory/root"
[ -z "$start" ] || cp -a "$start/." "$directory/upper"  # a layer of its own must not lie in another one
mount -t overlay overlay -o "lowerdir=/,upperdir=$directory/upper,workdir=$directory/work" "$directory/root"
mount --rbind /dev "$directory/root/dev"
mount -t proc proc "$directory/root/proc"
for place in "$4" "$5"; do  # where / is not all that there is
    [ "$(stat -c %d "$place")" = "$(stat -c %d /)" ] || mount --rbind "$place" "$directory/root$place"
done
"$6" -I -S "$7" "$8"
cp "$9" "$directory/root/script"
status=0
chroot "$directory/root" /usr/bin/env -i "${@:10}" </dev/null || status=$?
if [ "$keep" ]; then rm "$directory/upper/script"; cp -a "$directory/upper" "$keep"; fi
exit $status
"""

BASE = """
set -e
rm -rf {places}
for place in {parents}; do chmod o+x "$place"; done
mkdir -p /etc/ssl /srv/DIR /wheels
# No links: a venv made by one would look for the standard library from there, and might find Debian's.
printf '#!/bin/sh\\nexec %s "$@"\\n' {python} >/usr/local/bin/python
cp /usr/local/bin/python /usr/local/bin/python3
chmod 755 /usr/local/bin/python /usr/local/bin/python3
cp {directory}/corp.pem /etc/ssl/
cp {directory}/corp.pem {directory}/app.py /srv/
cp {directory}/fetch /usr/local/bin/
chmod 755 /usr/local/bin/fetch
cp {directory}/wheels/* /wheels/
cp {directory}/hosts /etc/hosts
echo > /etc/resolv.conf  # nobody: no other name is found, and nobody waits for that
cp {directory}/requirements.txt /srv/
echo 'cafile = "corp.pem"' >/srv/corp.toml
/usr/local/bin/python -m venv /venv
"""

APP = "import ssl\n\nssl.create_default_context()\n"
FETCH = """#!/bin/sh
exec python -c 'import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=30).read().decode(), end="")' "$@"
"""


class Container:
    """Runs scripts, each in a container of its own, from layers in `directory`; `roots`: how many certifi has there."""

    def __init__(self, directory: Path, roots: int) -> None:
        self.directory = directory
        self.roots = roots

    @classmethod
    def make(cls, directory: Path, wheel: Path) -> "Container":
        """Make the layers: ``bare``, and upon it ``ours``."""
        for name in ("certificates", "wheels", "layers"):
            (directory / name).mkdir()
        make_hosts(directory)
        make_wheelhouse(directory / "wheels", wheel)
        (certifi,) = (directory / "wheels").glob("certifi-*.whl")
        made = cls(directory, add_root(certifi, directory / "web.pem"))
        (directory / "app.py").write_text(APP)
        (directory / "fetch").write_text(FETCH)
        (directory / "hosts").write_text("".join(f"127.0.0.1 {name}\n" for name in ("localhost", *HOSTS)))
        pinned = [(file.name.split("-"), hashlib.sha256(file.read_bytes())) for file in (directory / "wheels").iterdir()]
        lines = [f"{name}=={version} --hash=sha256:{sha256.hexdigest()}\n" for (name, version, *_), sha256 in pinned]
        (directory / "requirements.txt").write_text("".join(lines))
        interpreter = Path(sysconfig.get_config_var("BINDIR")) / f"python{sysconfig.get_python_version()}"
        looked_at = output("-c", "import ssl; print(*ssl.get_default_verify_paths()[3::2], sep='\\n')", executable=interpreter)
        places = [*looked_at.splitlines(), *(path for path, _ in (*BUNDLES, *DIRECTORIES))]
        base = BASE.format(
            places=" ".join(map(shlex.quote, places)),
            parents=" ".join(shlex.quote(str(path)) for path in interpreter.parents),
            python=shlex.quote(str(interpreter)),
            directory=shlex.quote(str(directory)),
        )
        for layer, start, script in (("bare", "", base), ("ours", "bare", "/venv/bin/pip install -q fallback-roots")):
            done = made.run(script, start=start, keep=layer)
            assert done.returncode == 0, done.stdout
        return made

    def run(self, script: str, *, start: str = "ours", keep: str = "", **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run a shell script; its output is what both of its streams say. `start`, `keep`: layers, by their names."""
        with tempfile.NamedTemporaryFile("w", dir=self.directory, prefix="script-", delete=False) as file:
            file.write(script)
        variables = {
            "PATH": "/venv/bin:/usr/local/bin:/usr/bin:/bin",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            "PIP_CONFIG_FILE": "/dev/null",  # nothing of the machine's
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": "/wheels",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_CACHE_DIR": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
            **variables,
        }
        return subprocess.run(
            [
                *("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private"),
                *(
                    "bash",
                    "-c",
                    SCRIPT,
                    "_",
                    self.directory / "layers",
                    *(self.directory / name if name else "" for name in (start, keep)),
                    sys.base_prefix,
                    self.directory,
                ),
                *(sys.executable, ROOT / "tests" / "container_hosts.py", self.directory / "certificates", file.name),
                *(f"{name}={value}" for name, value in variables.items()),
                *("sh", "-c", "cd /srv 2>/dev/null; exec bash /script"),
            ],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )


def make_hosts(directory: Path) -> None:
    """A key and a certificate for each of `HOSTS`, and the roots ``web.pem`` and ``corp.pem``."""
    cas = {
        "web": trustme.CA(organization_name="Example Trust Services", organization_unit_name="Example Root"),
        "corp": trustme.CA(organization_name="Example Corp", organization_unit_name="Corp Root CA"),
    }
    for name, ca in cas.items():
        ca.cert_pem.write_to_path(str(directory / f"{name}.pem"))
    for host, (by, special) in HOSTS.items():
        (directory / "certificates" / f"{host}.pem").write_bytes(certificate(host, cas.get(by), **special))


def certificate(
    host: str,
    ca: "trustme.CA | None",
    *,
    names: "tuple[str, ...]" = (),
    days: int = 30,
    identifier: bool = True,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    send_root: bool = False,
) -> bytes:
    """A key and a certificate of `ca`, or a self-signed one (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    issuer_key: Any = key
    if ca is not None:
        issuer = x509.load_pem_x509_certificate(ca.cert_pem.bytes()).subject
        issuer_key = serialization.load_pem_private_key(ca.private_key_pem.bytes(), None)
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=60))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names or (host,)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )
    if identifier:
        from_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        builder = builder.add_extension(from_key, critical=False)
    made = builder.sign(issuer_key, hashes.SHA256()).public_bytes(PEM)
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private + made + (ca.cert_pem.bytes() if ca is not None and send_root else b"")


def add_root(wheel: Path, root: Path) -> int:
    """Put `root` into certifi's `wheel`; returns how many roots it has then."""
    shutil.move(wheel, wheel.with_suffix(".old"))
    with zipfile.ZipFile(wheel.with_suffix(".old")) as old, zipfile.ZipFile(wheel, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name) + (root.read_bytes() if name == "certifi/cacert.pem" else b""))
        number = new.read("certifi/cacert.pem").count(b"BEGIN CERTIFICATE")
    wheel.with_suffix(".old").unlink()
    return number
