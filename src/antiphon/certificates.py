"""A certificate authority of this machine, so that `wss://` works on a laptop.

Its key never leaves the user's data directory, and the authority may vouch for nothing but local
names and private addresses: whoever steals it cannot impersonate a public site.
"""

import contextlib
import ipaddress
import os
import socket
import ssl
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import platformdirs
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_AUTHORITY_LIFE = timedelta(days=3650)
# Spec: browsers refuse server certificates that are valid for longer.
_CERTIFICATE_LIFE = timedelta(days=397)
_RENEWAL_MARGIN = timedelta(days=30)
_CLOCK_SKEW = timedelta(hours=1)
_LOCAL_DOMAINS = ("localhost", "local", "lan", "internal", "home.arpa")
_PRIVATE_NETWORKS = (
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)
_ALWAYS = ("localhost", "127.0.0.1", "::1")

_Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Authority:
    """Where the parts of the local authority are, once `prepare` has made them."""

    directory: Path

    @property
    def certificate(self) -> Path:
        """The authority's certificate: what clients must trust."""
        return self.directory / "authority" / "ca.pem"

    @property
    def key(self) -> Path:
        """The authority's private key."""
        return self.directory / "authority" / "ca-key.pem"

    @property
    def server(self) -> Path:
        """The server's private key and certificate chain."""
        return self.directory / "server.pem"

    @property
    def bundle(self) -> Path:
        """The public authorities and this one, for clients that take one file for all."""
        return self.directory / "bundle.pem"

    def read(self) -> x509.Certificate:
        """Return the authority's certificate."""
        return x509.load_pem_x509_certificate(self.certificate.read_bytes())


def default_directory() -> Path:
    """Return where the local authority lives."""
    return platformdirs.user_data_path("antiphon") / "certificates"


def prepare(
    directory: Path, hosts: Iterable[str] = (), public_authorities: Path | None = None
) -> Authority:
    """Make what is missing or out of date: the authority, the server's certificate, the bundle.

    ``hosts`` are names and addresses under which clients reach the server besides this machine's
    own; those that the authority may not vouch for are left out. ``public_authorities`` is the PEM
    file that the bundle begins with. Several processes may do this at once. Raises `OSError`.
    """
    authority = Authority(directory)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not authority.certificate.is_file():
        _create_authority(authority)
    _renew_server(authority, _covered(authority.read(), [*_ALWAYS, _hostname(), *hosts]))
    _write_bundle(authority, public_authorities)
    return authority


def server_context(certificate: Path, key: Path | None = None) -> ssl.SSLContext:
    """Return what a TLS server needs. Raises `OSError` or `ssl.SSLError` for unusable files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def client_context(directory: Path) -> ssl.SSLContext:
    """Return what a TLS client needs: the public authorities, and the local one if there is one."""
    context = ssl.create_default_context()
    local = Authority(directory).certificate
    if local.is_file():
        context.load_verify_locations(local)
    return context


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate, as tools show it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _create_authority(authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    host = _hostname() or "this machine"
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, f"Antiphon on {host}"[:64]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Antiphon local authority"),
        ]
    )
    now = datetime.now(UTC)
    domains = {*_LOCAL_DOMAINS, *([_hostname()] if _hostname() else [])}
    permitted: list[x509.GeneralName] = []
    permitted += [x509.DNSName(domain) for domain in sorted(domains)]
    permitted += [x509.IPAddress(ipaddress.ip_network(each)) for each in _PRIVATE_NETWORKS]
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, excluded_subtrees=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
    )
    certificate = builder.sign(key, hashes.SHA256())
    # Key and certificate appear together or not at all; whoever renames first wins.
    with tempfile.TemporaryDirectory(dir=authority.directory) as made:
        draft = Path(made) / "authority"
        draft.mkdir(mode=0o700)
        _write(draft / "ca-key.pem", _private_pem(key))
        _write(draft / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        with contextlib.suppress(OSError):
            draft.rename(authority.key.parent)
    authority.read()


def _renew_server(authority: Authority, names: Sequence[str]) -> None:
    if _is_current(authority, names):
        return
    issuer = authority.read()
    issuer_key = serialization.load_pem_private_key(authority.key.read_bytes(), None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise OSError(f"{authority.key} is not the key of a local authority. Delete its directory.")
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Antiphon")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(min(now + _CERTIFICATE_LIFE, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    certificate = builder.sign(issuer_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    chain = certificate.public_bytes(pem) + issuer.public_bytes(pem)
    _write(authority.server, _private_pem(key) + chain)


def _is_current(authority: Authority, names: Sequence[str]) -> bool:
    try:
        present = x509.load_pem_x509_certificate(authority.server.read_bytes())
    except (OSError, ValueError):
        return False
    alternative = present.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    has_names = set(alternative) >= {_general_name(name) for name in names}
    is_ours = present.issuer == authority.read().subject and _is_signed_by(authority, present)
    return (
        is_ours and has_names and present.not_valid_after_utc > datetime.now(UTC) + _RENEWAL_MARGIN
    )


def _is_signed_by(authority: Authority, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority.read())
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _covered(authority: x509.Certificate, names: Iterable[str]) -> list[str]:
    extension = authority.extensions.get_extension_for_class(x509.NameConstraints)
    permitted = extension.value.permitted_subtrees or []
    return [
        name
        for name in dict.fromkeys(names)
        if name and any(_covers(subtree, name) for subtree in permitted)
    ]


def _covers(subtree: x509.GeneralName, name: str) -> bool:
    address = _address(name)
    if address is not None:
        network = subtree.value
        if not isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network):
            return False
        return address.version == network.version and address in network
    if not isinstance(subtree, x509.DNSName):
        return False
    return name == subtree.value or name.endswith("." + subtree.value)


def _general_name(name: str) -> x509.GeneralName:
    address = _address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return None


def _hostname() -> str:
    name = socket.gethostname().lower().rstrip(".")
    is_usable = name.isascii() and 0 < len(name) <= 253 and _address(name) is None
    return name if is_usable and all(each.isalnum() or each in "-." for each in name) else ""


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: _Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write_bundle(authority: Authority, public_authorities: Path | None) -> None:
    public = b"" if public_authorities is None else public_authorities.read_bytes().rstrip() + b"\n"
    content = public + authority.certificate.read_bytes()
    if not authority.bundle.is_file() or authority.bundle.read_bytes() != content:
        _write(authority.bundle, content, 0o644)


def _write(path: Path, content: bytes, mode: int = 0o600) -> None:
    # A reader sees the old file or the new one; mkstemp makes it readable by the user alone.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
    Path(temporary).chmod(mode)
    Path(temporary).replace(path)
