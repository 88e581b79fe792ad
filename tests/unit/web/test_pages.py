"""What can be asked over plain HTTP."""

import pytest

from antiphon import __version__

pytestmark = pytest.mark.anyio


async def test_the_root_says_what_this_is_to_programs_and_people(locked) -> None:
    facts = (await locked.get("/")).json()
    assert (facts["name"], facts["version"]) == ("Antiphon", __version__)
    page = await locked.get("/", {"accept": "text/html,*/*"})
    assert page.headers["content-type"].startswith("text/html")
    assert "/v1/realtime?model=" in page.text


@pytest.mark.parametrize("path", ["/v1/models", "/openai/v1/models", "/v1//models/"])
async def test_models_are_listed_for_who_has_a_key(locked, bearer, path) -> None:
    listed = (await locked.get(path, bearer)).json()
    assert listed["object"] == "list"
    names = ["gpt-realtime", "mine", "whisper-1", "gpt-realtime-translate"]
    assert [each["id"] for each in listed["data"]] == names
    assert all(each["object"] == "model" for each in listed["data"])
    assert (await locked.get(path)).status_code == 401


async def test_one_model_can_be_asked_for(locked, bearer) -> None:
    assert (await locked.get("/v1/models/whisper-1", bearer)).json()["id"] == "whisper-1"
    unknown = await locked.get("/v1/models/gpt-9", bearer)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    azure = await locked.get("/openai/v1/models/gpt-9", bearer)
    assert azure.json()["error"]["code"] == "DeploymentNotFound"


async def test_health_readiness_and_metrics_need_no_key(locked) -> None:
    for path in ("/health", "/ready", "/metrics"):
        assert (await locked.get(path)).status_code == 200
    assert (await locked.get("/metrics")).headers["content-type"].startswith("text/plain")


async def test_readiness_ends_when_the_server_drains(locked) -> None:
    await locked.sessions.drain(1)
    ready = await locked.get("/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "draining")
    assert (await locked.get("/health")).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1/realtime/client_secrets",
        "/openai/v1/realtime/client_secrets",
        "/v1//realtime/client_secrets",
        "/v1/realtime/calls",
        "/v1/realtime/calls/rtc_1/accept",
        "/openai/v1/realtime/calls/rtc_1/hangup",
        "/v1/realtime/sessions",
        "/v1/realtime/transcription_sessions",
        "/v1/realtime/translations/client_secrets",
        "/openai/v1/realtime/translations/calls",
        "/v1/realtime?model=gpt-realtime",
        "/v1/realtimertc",
        "/openai/realtimeapi/sessions?api-version=2025-04-01-preview",
    ],
)
async def test_what_is_not_available_names_what_is(locked, path) -> None:
    answer = await locked.get(path, method="POST")
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert "not available on this server" in error["message"]
    family = "/v1/realtime/translations" if "/translations/" in path else "/v1/realtime"
    assert f"{family}?model=" in error["message"]
    assert ("type" in error) is not path.startswith("/openai")


async def test_a_websocket_address_asked_by_http_says_so(locked) -> None:
    answer = await locked.get("/v1/realtime?model=gpt-realtime")
    assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_wrong_method_names_the_right_one(locked, method) -> None:
    answer = await locked.get("/v1/models", method=method)
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    assert "GET" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("path", "is_azure"), [("/v1/nothing", False), ("/openai/v1/x", True)])
async def test_an_unknown_address_is_told_in_the_shape_of_its_path(locked, path, is_azure) -> None:
    answer = await locked.get(path)
    assert answer.status_code == 404
    assert (set(answer.json()["error"]) == {"code", "message"}) is is_azure
    assert ("apim-request-id" in answer.headers) is is_azure
    assert answer.headers["x-request-id"].startswith("req_")


async def test_no_address_redirects(locked) -> None:
    for path in ("/v1/models/", "//health", "/ready/"):
        assert (await locked.get(path)).status_code in {200, 401}
