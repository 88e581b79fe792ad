"""What the operator may say about an endpoint, and what becomes of it."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from antiphon.backends import openai_language_model, openai_synthesizer, openai_transcriber
from antiphon.engines.llm import ChatRequest, GenerationPiece, TextDelta, UserMessage
from antiphon.engines.plugins import load
from antiphon.protocol.errors import EngineError
from antiphon.testing import answers
from antiphon.testing.endpoints import Endpoints
from antiphon.testing.loopback import LoopbackServer

Create = Callable[[Mapping[str, object]], Any]

LEAST = {"base_url": "http://127.0.0.1:8000/v1", "model": "m"}
HELLO = ChatRequest((UserMessage("Hello"),))
CREATES: list[Create] = [
    openai_language_model.create,
    openai_transcriber.create,
    openai_synthesizer.create,
]


@pytest.fixture(params=CREATES, ids=["language model", "transcriber", "synthesizer"])
def create(request: pytest.FixtureRequest) -> Create:
    return request.param


async def generate(settings: Mapping[str, object]) -> list[GenerationPiece]:
    engine = openai_language_model.create(settings)
    try:
        return [piece async for piece in engine.generate(HELLO)]
    finally:
        await engine.close()


@pytest.mark.parametrize("kind", ["language_model", "transcriber", "synthesizer"])
def test_the_engines_are_found_by_name(kind: Any) -> None:
    assert load(kind, "openai")(LEAST)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"base_url": None}, "base_url"),
        ({"base_url": ""}, "base_url"),
        ({"base_url": "127.0.0.1:8000/v1"}, "base_url"),
        ({"base_url": "ftp://127.0.0.1/v1"}, "base_url"),
        ({"base_url": "http:///v1"}, "base_url"),
        ({"base_url": "http://127.0.0.1:8000"}, "/v1"),
        ({"base_url": "http://127.0.0.1:8000/api"}, "/v1"),
        ({"base_url": "http://127.0.0.1/v1?key=1"}, "base_url"),
        ({"base_url": "http://[::1/v1"}, "base_url"),
        ({"base_url": "http://127.0.0.1:99999999/v1"}, "base_url"),
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"api_key": "two words"}, "api_key"),
        ({"api_key": "line\nbreak"}, "api_key"),
        ({"headers": {"X Y": "z"}}, "headers"),
        ({"headers": {"X": "a\r\nHost: b"}}, "headers"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"timeout_s": "30"}, "timeout_s"),
        ({"idle_timeout_s": 1e9}, "idle_timeout_s"),
        ({"proxy": "socks9://127.0.0.1"}, "proxy"),
        ({"base_url": "https://127.0.0.1/v1", "ca_file": "/nowhere.pem"}, "ca_file"),
        ({"temprature": 1}, "temprature"),
        ({"extra_body": {"model": "x"}}, "extra_body.model"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(
    create: Create, changed: Mapping[str, object], named: str
) -> None:
    with pytest.raises(EngineError, match=r"Correct it in the deployment\.$") as failure:
        create({**LEAST, **changed})
    assert failure.value.code == "engine_misconfigured"
    assert named in failure.value.message


@pytest.mark.parametrize("missing", ["base_url", "model"])
def test_a_missing_setting_is_named(create: Create, missing: str) -> None:
    with pytest.raises(EngineError, match=missing):
        create({name: value for name, value in LEAST.items() if name != missing})


def test_a_refused_setting_gives_no_secret_away(create: Create) -> None:
    with pytest.raises(EngineError) as failure:
        create({**LEAST, "api_key": "sk secret", "headers": {"X-Key": "hunter\n2"}})
    assert "secret" not in failure.value.message
    assert "hunter" not in failure.value.message


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:8000/v1/",
        "https://resource.example/openai/v1",
        "https://models.example/v1beta/openai/",
    ],
)
def test_addresses_of_known_servers_are_accepted(create: Create, base_url: str) -> None:
    assert create({**LEAST, "base_url": base_url})


def test_a_slash_at_the_end_of_the_address_does_not_matter() -> None:
    async def run() -> list[GenerationPiece]:
        async with Endpoints() as endpoints:
            return await generate({"base_url": endpoints.base_url + "/", "model": "m"})

    assert asyncio.run(run())


def test_a_user_and_password_in_the_address_are_sent() -> None:
    async def run() -> str:
        async with Endpoints() as endpoints:
            base_url = endpoints.base_url.replace("://", "://operator:hunter2@")
            await generate({"base_url": base_url, "model": "m"})
            return endpoints.requests[0].headers["authorization"]

    assert asyncio.run(run()).startswith("Basic ")


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def run() -> list[GenerationPiece]:
        async with Endpoints() as endpoints:
            return await generate({"base_url": endpoints.base_url, "model": "m"})

    assert asyncio.run(run())


def test_the_proxy_of_the_settings_is_used() -> None:
    there = "http://models.example/v1"

    async def run() -> list[GenerationPiece]:
        async with LoopbackServer({}) as proxy:
            proxy.answer_next(f"{there}/chat/completions", answers.chat(["Hello."]))
            return await generate({"base_url": there, "model": "m", "proxy": proxy.origin})

    assert TextDelta("Hello.") in asyncio.run(run())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a PEM file with a key and a certificate for 127.0.0.1 that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "endpoint.test")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("authority") / "endpoint.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


def generate_over_tls(authority: Path, **settings: object) -> list[GenerationPiece]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority)

    async def run() -> list[GenerationPiece]:
        async with Endpoints(tls=tls) as endpoints:
            return await generate({"base_url": endpoints.base_url, "model": "m", **settings})

    return asyncio.run(run())


def test_an_authority_of_ones_own_can_be_trusted(authority: Path) -> None:
    assert generate_over_tls(authority, ca_file=str(authority))


def test_a_certificate_that_is_not_trusted_is_named_as_the_cause(authority: Path) -> None:
    with pytest.raises(EngineError, match="'ca_file'") as failure:
        generate_over_tls(authority)
    assert failure.value.code == "engine_unreachable"
