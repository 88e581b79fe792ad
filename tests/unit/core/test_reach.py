"""Which addresses a client can make the server call."""

import pytest

from antiphon.core.reach import Reach, is_pattern

PUBLIC = Reach()
LOCAL = Reach(loopback=True)
NAMED = Reach(("mcp.example.com", "*.tools.example", "http://10.0.0.5:9000", "http://[fd00::1]"))
NONE = Reach(())


@pytest.mark.parametrize(
    ("reach", "url"),
    [
        (PUBLIC, "https://mcp.example.com/mcp"),
        (PUBLIC, "https://mcp.example.com:8443/mcp?key=1"),
        (PUBLIC, "https://93.184.216.34/mcp"),
        (PUBLIC, "https://[2606:2800:220:1::1]/mcp"),
        (LOCAL, "http://127.0.0.1:8000/mcp"),
        (LOCAL, "http://localhost:8000/mcp"),
        (LOCAL, "http://[::1]:8000/mcp"),
        (NAMED, "https://mcp.example.com/mcp"),
        (NAMED, "https://a.tools.example/mcp"),
        (NAMED, "http://10.0.0.5:9000/any/where"),
        (NAMED, "http://[fd00::1]:80/mcp"),
        (Reach(("http://inside.example",)), "http://INSIDE.example:80/mcp"),
    ],
)
def test_what_may_be_called(reach: Reach, url: str) -> None:
    assert reach.refusal(url) is None


@pytest.mark.parametrize(
    ("reach", "url", "words"),
    [
        (PUBLIC, "mcp.example.com", "no http or https address"),
        (PUBLIC, "file:///etc/passwd", "no http or https address"),
        (PUBLIC, "https://a:port/", "no http or https address"),
        (PUBLIC, "https://[::1", "no http or https address"),
        (PUBLIC, "https://exa mple.com/", "no http or https address"),
        (PUBLIC, "https://a.example/\r\nX: y", "no http or https address"),
        (PUBLIC, "https://user:pass@mcp.example.com/", "user name"),
        (PUBLIC, "http://mcp.example.com/", "not encrypted"),
        (PUBLIC, "https://127.0.0.1/", "may not call it"),
        (PUBLIC, "https://localhost/", "may not call it"),
        (PUBLIC, "https://a.localhost/", "may not call it"),
        (PUBLIC, "https://[::ffff:127.0.0.1]/", "may not call it"),
        (PUBLIC, "https://10.1.2.3/", "may not call it"),
        (PUBLIC, "https://192.168.1.1/", "may not call it"),
        (PUBLIC, "https://169.254.169.254/latest", "may not call it"),
        (PUBLIC, "https://100.64.0.1/", "may not call it"),
        (PUBLIC, "https://0.0.0.0/", "may not call it"),
        (PUBLIC, "https://224.0.0.1/", "may not call it"),
        (PUBLIC, "https://[fd00::1]/", "may not call it"),
        (PUBLIC, "https://[fe80::1]/", "may not call it"),
        (PUBLIC, "https://[64:ff9b::a00:1]/", "may not call it"),
        (PUBLIC, "https://[2002:a00:1::]/", "may not call it"),
        (LOCAL, "https://10.1.2.3/", "may not call it"),
        (LOCAL, "http://mcp.example.com/", "not encrypted"),
        (Reach(("mcp.example.com",), loopback=True), "http://127.0.0.1/", "may not call it"),
        (NAMED, "https://other.example.com/", "may not call it"),
        (NAMED, "https://tools.example/", "may not call it"),
        (NAMED, "http://10.0.0.5:9001/", 'add "http://10.0.0.5:9001"'),
        (NAMED, "https://10.0.0.5:9000/", "may not call it"),
        (NONE, "https://mcp.example.com/", "may not call it"),
    ],
)
def test_what_may_not_be_called_is_refused_in_words(reach: Reach, url: str, words: str) -> None:
    assert words in str(reach.refusal(url))


@pytest.mark.parametrize(
    ("reach", "url", "address", "is_admitted"),
    [
        (PUBLIC, "https://mcp.example.com/", "93.184.216.34", True),
        (PUBLIC, "https://mcp.example.com/", "10.0.0.1", False),
        (PUBLIC, "https://mcp.example.com/", "127.0.0.1", False),
        (PUBLIC, "https://mcp.example.com/", "::ffff:10.0.0.1", False),
        (LOCAL, "https://mcp.example.com/", "127.0.0.1", False),
        (LOCAL, "http://localhost:8000/", "127.0.0.1", True),
        (LOCAL, "http://localhost:8000/", "10.0.0.1", False),
        (NAMED, "http://10.0.0.5:9000/", "10.0.0.5", True),
        (Reach(("http://inside.example",)), "http://inside.example/", "10.0.0.1", True),
        (PUBLIC, "nonsense", "93.184.216.34", False),
    ],
)
def test_a_name_is_followed_to_where_it_may_lead(
    reach: Reach, url: str, address: str, is_admitted: bool
) -> None:
    assert reach.admits(url, address) is is_admitted


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("*", True),
        ("mcp.example.com", True),
        ("*.example.com", True),
        ("http://10.0.0.5:9000", True),
        ("https://mcp.example.com/", True),
        ("https://mcp.example.com/mcp", False),
        ("https://mcp.example.com?x", False),
        ("ftp://mcp.example.com", False),
        ("mcp.example.com/mcp", False),
        ("mcp.example.com:80", False),
        ("a.*.example.com", False),
        ("", False),
    ],
)
def test_a_pattern_is_a_host_or_an_origin(text: str, is_one: bool) -> None:
    assert is_pattern(text) is is_one
