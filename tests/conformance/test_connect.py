"""Cases 1 to 9, 15 and 16: who may connect, and what a refusal says.

Shows Connecting: `/v1/realtime` and `/openai/v1/realtime`; keys as Bearer, `api-key`, in the
address or a subprotocol
"""

import time

import httpx
import pytest
from conformance_server import Server
from wire import connected, respond

pytestmark = pytest.mark.anyio

SESSION_KEYS = {
    "type", "object", "id", "model", "output_modalities", "instructions", "tools", "tool_choice",
    "max_output_tokens", "tracing", "truncation", "prompt", "expires_at", "audio", "include",
}  # fmt: skip
PATHS = ["/v1/realtime?model=gpt-realtime", "/openai/v1/realtime?model=gpt-realtime"]


async def refusal(server: Server, path: str, **headers: str) -> httpx.Response:
    """Ask for an upgrade over plain HTTP, so that the body of the refusal can be read."""
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(server.url + path, headers=handshake | headers)


@pytest.mark.parametrize("path", PATHS)
async def test_the_first_event_is_the_complete_session(server: Server, path: str) -> None:
    async with connected(server, path) as wire:
        session = wire.events[0]["session"]
        assert set(session) == SESSION_KEYS
        assert session["type"] == "realtime"
        assert session["object"] == "realtime.session"
        assert session["id"].startswith("sess_")
        assert abs(session["expires_at"] - time.time() - 3600) < 60
        assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
        await wire.send({"type": "input_audio_buffer.clear"})
        assert (await wire.receive())["type"] == "input_audio_buffer.cleared"


@pytest.mark.parametrize("path", PATHS)
async def test_without_credentials_the_door_answers_401(server: Server, path: str) -> None:
    response = await refusal(server, path)
    assert response.status_code == 401
    assert response.json()["error"]["message"]
    assert response.headers["x-request-id"]


@pytest.mark.parametrize("header", ["Authorization", "api-key"])
@pytest.mark.parametrize("path", PATHS)
async def test_a_wrong_key_is_told_so(server: Server, path: str, header: str) -> None:
    response = await refusal(server, path, **{header: "Bearer sk-wrong"})
    assert response.status_code == 401
    error = response.json()["error"]
    assert error["code"] == ("401" if path.startswith("/openai/") else "invalid_api_key")
    assert "sk-wrong" not in response.text


async def test_azure_clients_name_the_key_in_a_header_of_their_own(server: Server) -> None:
    async with connected(server, PATHS[1], {"api-key": server.key}):
        pass


async def test_azure_clients_may_name_the_key_as_a_bearer(server: Server) -> None:
    async with connected(server, PATHS[1], {"Authorization": f"Bearer {server.key}"}):
        pass


async def test_browsers_name_the_key_in_the_query_or_a_subprotocol(server: Server) -> None:
    async with connected(server, f"{PATHS[1]}&api-key={server.key}", {}):
        pass
    offered = ["realtime", f"openai-insecure-api-key.{server.key}", "openai-agents-sdk.0.20.0"]
    async with connected(server, PATHS[0], {}, subprotocols=offered) as wire:
        assert wire.socket.subprotocol == "realtime"


async def test_a_dated_api_version_on_the_ga_path_is_told_to_go(server: Server) -> None:
    path = PATHS[1] + "&api-version=2025-04-01-preview"
    response = await refusal(server, path, **{"api-key": server.key})
    assert response.status_code == 401
    assert "api-version" in response.text
    for literal in ("v1", "preview"):
        async with connected(server, f"{PATHS[1]}&api-version={literal}"):
            pass


async def test_unknown_headers_and_query_parameters_are_ignored(server: Server) -> None:
    headers = {
        "Authorization": f"Bearer {server.key}",
        "OpenAI-Safety-Identifier": "abc",
        "X-Stainless-Lang": "python",
        "X-Whatever": "1",
    }
    async with connected(server, PATHS[0] + "&something=else", headers):
        pass


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_compression_may_be_offered_or_not(server: Server, compression: str | None) -> None:
    async with connected(server, compression=compression) as wire:
        await wire.say("Hello.")


async def test_slashes_may_be_doubled(server: Server) -> None:
    async with connected(server, "/v1//realtime?model=gpt-realtime"):
        pass


async def test_an_unknown_model_is_named(server: Server) -> None:
    with pytest.raises(AssertionError, match="model_not_found"):
        async with connected(server, "/v1/realtime?model=nothing"):
            pass
    response = await refusal(server, "/openai/v1/realtime?model=nothing", **{"api-key": server.key})
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "DeploymentNotFound"


async def test_a_transcription_model_is_no_realtime_deployment_on_azure(server: Server) -> None:
    response = await refusal(
        server, "/openai/v1/realtime?model=whisper-1", **{"api-key": server.key}
    )
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "OpperationNotSupported"
    assert response.headers["apim-request-id"]
    assert response.headers["x-ms-region"]


async def test_a_client_that_vanishes_in_mid_answer_disturbs_nobody(server: Server) -> None:
    async with connected(server) as other:
        async with connected(server, "/v1/realtime?model=slow") as wire:
            await wire.say("Speak for a long time.")
            await wire.send(respond())
            await wire.until("response.output_audio.delta")
            wire.socket.transport.abort()
        await other.say("Still there?")
        await other.send(respond())
        assert (await other.turn())[-2]["response"]["status"] == "completed"
