"""Quotas at the door: what is counted, and in what words the next one is refused.

Shows Limits: 429 with `Retry-After`
"""

from typing import Any

import pytest

pytestmark = pytest.mark.anyio
Site = Any
OTHER = {"Authorization": "Bearer ak-other"}


async def use_up(site: Site, headers: dict[str, str]) -> None:
    for _ in range(3):
        answer = await site.knock("/v1/realtime?model=gpt-realtime", headers)
        assert answer.status == 101


async def test_one_request_too_many_is_refused_with_the_time_to_wait(
    limited: Site, bearer: dict[str, str]
) -> None:
    await use_up(limited, bearer)
    answer = await limited.knock("/v1/realtime?model=gpt-realtime", bearer)
    assert answer.status == 429
    assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("60", "60000")
    assert answer.error == {
        "message": "Rate limit reached for gpt-realtime on requests per minute of this key: "
        "Limit 3, Used 3. Please try again in 60.0s.",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert b'refusals_total{code="rate_limit_exceeded"} 1.0' in limited.metrics.render()


async def test_azure_clients_read_it_in_their_own_shape(
    limited: Site, bearer: dict[str, str]
) -> None:
    await use_up(limited, bearer)
    answer = await limited.knock("/openai/v1/realtime?model=gpt-realtime", bearer)
    assert (answer.status, answer.headers["retry-after"]) == (429, "60")
    assert answer.body["error"]["code"] == "429"
    assert answer.body["error"]["message"].endswith("Please retry after 60 seconds.")


async def test_calls_over_http_count_as_well(limited: Site, bearer: dict[str, str]) -> None:
    await use_up(limited, bearer)
    for path in ("/v1/models", "/v1/models/gpt-realtime", "/openai/v1/models"):
        answer = await limited.get(path, bearer)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert (await limited.get("/health")).status_code == 200


async def test_each_key_has_a_quota_of_its_own(limited: Site, bearer: dict[str, str]) -> None:
    await use_up(limited, bearer)
    assert (await limited.knock("/v1/realtime?model=gpt-realtime", OTHER)).status == 101
    assert (await limited.get("/v1/models", OTHER)).status_code == 200


async def test_strangers_use_up_nobodys_quota(limited: Site, bearer: dict[str, str]) -> None:
    for _ in range(5):
        answer = await limited.get("/v1/models", {"Authorization": "Bearer wrong"})
        assert answer.status_code == 401
    await use_up(limited, bearer)


async def test_an_unknown_model_is_not_counted(limited: Site, bearer: dict[str, str]) -> None:
    for _ in range(5):
        answer = await limited.knock("/openai/v1/realtime?model=none", bearer)
        assert answer.status == 404
    await use_up(limited, bearer)
