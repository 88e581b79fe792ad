"""Who is let in, and in which words and shape the others are refused."""

import pytest

pytestmark = pytest.mark.anyio

KEY = "ak-right"
OPENAI = "/v1/realtime?model=gpt-realtime"
AZURE = "/openai/v1/realtime?model=gpt-realtime"
RIGHT = {"Authorization": f"Bearer {KEY}"}

ACCEPTED = [
    (OPENAI, RIGHT),
    (OPENAI, {"authorization": f"bearer {KEY}"}),
    (OPENAI, {"api-key": KEY}),
    (OPENAI, {"Authorization": "Bearer placeholder", "api-key": KEY}),
    (f"{OPENAI}&api-key={KEY}", {}),
    (OPENAI, {"Sec-WebSocket-Protocol": f"realtime, openai-insecure-api-key.{KEY}"}),
    (AZURE, RIGHT),
    (AZURE, {"api-key": KEY}),
    (f"{AZURE}&api-version=v1", RIGHT),
    (f"{AZURE}&api-version=preview", RIGHT),
    ("/openai/v1/realtime?deployment=mine", RIGHT),
    (AZURE, RIGHT | {"OpenAI-Beta": "realtime=v1"}),
    ("/realtime?model=gpt-realtime", RIGHT),
    ("/v1//realtime?model=gpt-realtime", RIGHT),
    ("//v1/realtime/?model=gpt-realtime", RIGHT),
    (f"{OPENAI}&user=someone&unknown=1", RIGHT | {"X-Stainless-Lang": "js"}),
    (OPENAI, RIGHT | {"Origin": "https://elsewhere.example"}),
]


@pytest.mark.parametrize(("path", "headers"), ACCEPTED)
async def test_a_client_with_a_key_and_a_model_is_let_in(locked, path, headers) -> None:
    answer = await locked.knock(path, headers)
    assert answer.status == 101
    assert answer.frames[0]["type"] == "session.created"


@pytest.mark.parametrize(
    ("path", "status", "code", "word"),
    [
        (OPENAI, 401, "missing_api_key", "Authorization: Bearer"),
        (AZURE, 401, "401", "api-key header"),
    ],
)
async def test_without_a_key_http_answers_401(locked, unlocked, path, status, code, word) -> None:
    for site in (locked, unlocked):
        answer = await site.knock(path)
        assert (answer.status, answer.error["code"]) == (status, code)
        assert word in answer.error["message"]
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("headers", [{"api-key": "no"}, {"Authorization": "Bearer no"}])
async def test_a_wrong_key_is_refused_in_the_shape_of_each_path(locked, headers) -> None:
    openai = await locked.knock(OPENAI, headers)
    assert (openai.status, openai.error["code"]) == (401, "invalid_api_key")
    assert set(openai.error) == {"message", "type", "param", "code"}
    azure = await locked.knock(AZURE, headers)
    assert (azure.status, set(azure.error)) == (401, {"code", "message"})
    assert azure.error["message"].startswith("Access denied due to invalid subscription key")


async def test_basic_authentication_is_no_key(locked) -> None:
    assert (await locked.knock(OPENAI, {"Authorization": f"Basic {KEY}"})).status == 401


TOLD_ON_SOCKET = [
    ("/v1/realtime", "missing_model", "model", "?model="),
    ("/v1/realtime?model=", "missing_model", "model", "gpt-realtime"),
    ("/v1/realtime?model=gpt-9", "model_not_found", "model", "/v1/models"),
    ("/v1/realtime?model=whisper-1", "invalid_model", "model", "audio.input.transcription"),
    (
        "/v1/realtime?intent=transcription&model=whisper-1",
        "invalid_parameter",
        "model",
        "session.audio.input.transcription.model",
    ),
    ("/v1/realtime?model=gpt-realtime-translate", "invalid_model", "model", "/translations?model="),
    ("/v1/realtime/translations", "missing_model", "model", "gpt-realtime-translate"),
    ("/v1/realtime/translations?model=gpt-9", "model_not_found", "model", "/v1/models"),
    (
        "/v1/realtime/translations?model=whisper-1",
        "invalid_model",
        "model",
        "gpt-realtime-translate",
    ),
    (
        "/realtime/translations?model=gpt-realtime",
        "invalid_model",
        "model",
        "gpt-realtime-translate",
    ),
]


@pytest.mark.parametrize(("path", "code", "param", "cure"), TOLD_ON_SOCKET)
async def test_openai_clients_are_told_of_a_bad_address_on_the_socket(
    locked, path, code, param, cure
) -> None:
    answer = await locked.knock(path, RIGHT)
    assert answer.status == 101
    assert answer.frames[0]["type"] == "error"
    assert answer.frames[0]["event_id"].startswith("event_")
    assert (answer.error["code"], answer.error["param"]) == (code, param)
    assert cure in answer.error["message"]
    assert answer.close == (4000, f"invalid_request_error.{code}")
    assert len(answer.frames) == 1


@pytest.mark.parametrize(
    ("query", "status", "code", "cure"),
    [
        ("", 400, "BadRequest", "?model="),
        ("?model=gpt-9", 404, "DeploymentNotFound", "gpt-realtime"),
        ("?model=whisper-1", 400, "OpperationNotSupported", "audio.input.transcription"),
        (
            "?intent=transcription&deployment=whisper-1",
            400,
            "BadRequest",
            "session.audio.input.transcription.model",
        ),
        ("?call_id=rtc_1", 404, "404", "?model="),
        (
            "?model=gpt-realtime&api-version=2025-04-01-preview",
            401,
            "401",
            "Remove the api-version",
        ),
    ],
)
async def test_azure_clients_are_told_of_a_bad_address_by_http(
    locked, query, status, code, cure
) -> None:
    answer = await locked.knock("/openai/v1/realtime" + query, RIGHT)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert set(answer.error) == {"code", "message"}
    assert cure in answer.error["message"]
    assert answer.headers["apim-request-id"]
    assert answer.headers["x-ms-region"]


@pytest.mark.parametrize(
    "headers",
    [
        {"OpenAI-Beta": "realtime=v1"},
        {"OpenAI-Beta": "assistants=v2, realtime=v1"},
        {"Sec-WebSocket-Protocol": "realtime, openai-beta.realtime-v1"},
    ],
)
async def test_the_beta_header_is_told_to_go(locked, headers) -> None:
    answer = await locked.knock(OPENAI, RIGHT | headers)
    assert answer.error["code"] == "beta_api_shape_disabled"
    assert "OpenAI-Beta" in answer.error["message"]
    assert answer.close == (4000, "invalid_request_error.beta_api_shape_disabled")


@pytest.mark.parametrize(
    ("path", "cure"),
    [
        (
            "/openai/realtime?api-version=2025-04-01-preview&deployment=gpt-realtime",
            "/openai/v1/realtime",
        ),
        ("/voice-live/realtime?api-version=2026-07-15&model=x", "/openai/v1/realtime"),
        ("/v1/realtime?call_id=rtc_1", "?model="),
        ("/v2/realtime?model=gpt-realtime", "/v1/realtime?model="),
        ("/", "/v1/realtime?model="),
    ],
)
async def test_what_is_not_here_is_404_and_names_what_is(locked, path, cure) -> None:
    answer = await locked.knock(path, RIGHT)
    assert answer.status == 404
    assert cure in answer.error["message"]


@pytest.mark.parametrize(
    ("offered", "selected"),
    [
        (f"realtime, openai-insecure-api-key.{KEY}", "realtime"),
        (f"realtime,openai-insecure-api-key.{KEY},openai-agents-sdk.0.20.0", "realtime"),
        (f"openai-insecure-api-key.{KEY}", None),
    ],
)
async def test_only_the_realtime_subprotocol_is_selected(locked, offered, selected) -> None:
    answer = await locked.knock(OPENAI, {"Sec-WebSocket-Protocol": offered})
    assert (answer.status, answer.subprotocol) == (101, selected)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://elsewhere.example", 403),
        ("http://localhost.elsewhere.example", 403),
        ("null", 403),
        ("http://[bad", 403),
        ("http://localhost:3000", 101),
        ("http://127.0.0.1", 101),
        ("file://", 101),
        ("app://local", 101),
    ],
)
async def test_pages_of_other_sites_need_a_configured_key(unlocked, origin, status) -> None:
    answer = await unlocked.knock(OPENAI, {"api-key": "any", "Origin": origin})
    assert answer.status == status


async def test_every_handshake_has_a_request_id(locked) -> None:
    accepted = await locked.knock(AZURE, RIGHT)
    assert accepted.headers["x-request-id"] == accepted.headers["apim-request-id"]
    assert (await locked.knock(OPENAI)).headers["x-request-id"]
    assert "apim-request-id" not in (await locked.knock(OPENAI, RIGHT)).headers


async def test_refusals_are_counted_by_code(locked) -> None:
    await locked.knock("/v1/realtime?model=gpt-9", RIGHT)
    assert b'antiphon_refusals_total{code="model_not_found"} 1.0' in locked.metrics.render()


async def test_what_a_client_sends_is_quoted_at_a_bounded_length(locked) -> None:
    long = "x" * 5000
    for path in (f"/v1/realtime?model={long}", f"/{long}", f"{AZURE}&api-version={long}"):
        answer = await locked.knock(path, RIGHT)
        assert len(answer.error["message"]) < 1000


@pytest.mark.parametrize("path", ["/v1", "/openai/v1", ""])
async def test_a_translation_opens_on_every_path(locked, path) -> None:
    address = f"{path}/realtime/translations?model=gpt-realtime-translate"
    answer = await locked.knock(address, RIGHT)
    assert answer.frames[0]["session"]["type"] == "translation"


async def test_a_server_that_does_not_translate_says_how_it_would(locked) -> None:
    locked.catalogue.translation = ()
    answer = await locked.knock("/v1/realtime/translations?model=x", RIGHT)
    assert answer.status == 404
    assert 'kind = "translation"' in answer.error["message"]


async def test_a_model_that_does_not_translate_is_refused_in_azures_words(locked) -> None:
    answer = await locked.knock("/openai/v1/realtime/translations?model=mine", RIGHT)
    assert (answer.status, answer.error["code"]) == (400, "OpperationNotSupported")
    assert "gpt-realtime-translate" in answer.error["message"]
