import pytest

from antiphon.config.lines import Lines

TEXT = '''\
# a comment with [brackets] and a "quote
title = "x"   # 2

[server]      # 4
port = 1
note = """
[not_a_table]
port = 9
"""
list = [      # 10
  1,  # ] not the end
  2,
]
'single' = 'a " b'
"qu.oted" = 1

[deployments."a.b"]  # 17
llm = { engine = "x", base_url = "http://h/#frag" }
dotted.key = 1

[[array]]     # 21
value = 1
tricky = QQQ
'' [x] ''
QQQ
last = true
'''.replace("QQQ", "'''")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("server",), 4),
        (("server", "port"), 5),
        (("server", "note"), 6),
        (("server", "list"), 10),
        (("server", "single"), 14),
        (("server", "qu.oted"), 15),
        (("deployments", "a.b"), 17),
        (("deployments", "a.b", "llm"), 18),
        (("deployments", "a.b", "llm", "base_url"), 18),
        (("deployments", "a.b", "dotted", "key"), 19),
        (("deployments",), 17),
        (("array", "value"), 22),
        (("array", "tricky"), 23),
        (("array", "last"), 26),
        (("not_a_table",), None),
        (("absent",), None),
    ],
)
def test_a_key_is_found_on_its_line_or_on_that_of_the_table_around_it(path, line) -> None:
    assert Lines(TEXT).find(path) == line


@pytest.mark.parametrize("text", ["", "\n\n", "a=1", "a = 1\r\nb = 2\r\n", "# only"])
def test_any_text_can_be_scanned(text) -> None:
    lines = Lines(text)
    assert lines.find(("b",)) == (2 if "b" in text else None)
