import pytest

from antiphon.cli.realtime_client import UnreachableError, session_address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/v1/realtime?model=m"),
        ("127.0.0.1:8080", "ws://127.0.0.1:8080/v1/realtime?model=m"),
        ("https://host/v1/", "wss://host/v1/realtime?model=m"),
        ("https://host/openai/v1", "wss://host/openai/v1/realtime?model=m"),
        ("ws://host/v1/realtime?model=other", "ws://host/v1/realtime?model=m"),
        ("wss://host/v1?user=u", "wss://host/v1/realtime?user=u&model=m"),
        ("http://[::1]:8080", "ws://[::1]:8080/v1/realtime?model=m"),
    ],
)
def test_every_way_to_name_a_server_leads_to_its_session(url, address) -> None:
    assert session_address(url, "m") == address


@pytest.mark.parametrize(
    "url", ["ftp://host", "http://", "", "://", "http://[bad", "http://h:70000"]
)
def test_what_is_no_address_is_refused(url) -> None:
    with pytest.raises(UnreachableError, match="is no address"):
        session_address(url, "m")
