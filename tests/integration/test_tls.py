"""wss with the local authority, as clients verify it.

Shows Operation: `wss` with a local authority
"""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.types import Receive, Scope, Send

from antiphon import certificates
from antiphon.certificates import Authority
from antiphon.web.listener import Listener, bind

pytestmark = pytest.mark.anyio


async def greet(_scope: Scope, receive: Receive, send: Send) -> None:
    """Accept a WebSocket and say which scheme it came by."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": _scope["scheme"]})
    await send({"type": "websocket.close", "code": 1000})


@asynccontextmanager
async def listening(certificate: Path) -> AsyncIterator[int]:
    bound = bind("127.0.0.1", 0)
    listener = Listener(greet, bound, certificates.server_context(certificate))
    await listener.open()
    try:
        yield bound.getsockname()[1]
    finally:
        await listener.close()


def strict(authority: Authority) -> ssl.SSLContext:
    """Return how Python verifies from 3.13 on: by the letter of RFC 5280."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


async def greeting(port: int, context: ssl.SSLContext, name: str = "localhost") -> str:
    async with asyncio.timeout(30):
        async with websockets.connect(
            f"wss://127.0.0.1:{port}/", ssl=context, server_hostname=name, proxy=None
        ) as socket:
            return str(await socket.recv())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return certificates.prepare(tmp_path / "certificates")


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
async def test_a_client_that_trusts_the_authority_connects_by_every_name(authority, name) -> None:
    async with listening(authority.server) as port:
        assert await greeting(port, strict(authority), name) == "wss"


async def test_the_bundle_is_enough_and_so_is_what_talk_uses(authority) -> None:
    async with listening(authority.server) as port:
        bundle = ssl.create_default_context(cafile=str(authority.bundle))
        assert await greeting(port, bundle) == "wss"
        talk = certificates.client_context(authority.directory)
        assert await greeting(port, talk) == "wss"


async def test_a_client_that_does_not_trust_it_refuses(authority, tmp_path: Path) -> None:
    other = certificates.prepare(tmp_path / "other")
    async with listening(authority.server) as port:
        for context in (ssl.create_default_context(), strict(other)):
            with pytest.raises(ssl.SSLCertVerificationError):
                await greeting(port, context)


async def test_a_stolen_authority_cannot_impersonate_a_public_site(
    authority, tmp_path: Path
) -> None:
    forged = forge(authority, "bank.example.com", tmp_path / "forged.pem")
    async with listening(forged) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
            await greeting(port, strict(authority), "bank.example.com")


def test_old_tls_is_refused(authority) -> None:
    context = certificates.server_context(authority.server)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def forge(authority: Authority, name: str, path: Path) -> Path:
    """Sign a certificate for any name with the authority's key, as a thief would."""
    signer = serialization.load_pem_private_key(authority.key.read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.read().subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(pem))
    return path
