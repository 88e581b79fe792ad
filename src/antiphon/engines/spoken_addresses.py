"""Addresses and file names as people say them: "example dot com".

Nobody wants to hear a long path, so of a web address only the host is said, and the path where it
is one short word.
"""

import re

_Found = re.Match[str]

# Endings that are also English words (it, me, us) are left out: a missing space is more likely.
_TOP_LEVEL = (
    "com|org|net|edu|gov|int|io|ai|dev|app|co|uk|eu|de|fr|es|nl|ch|se|dk|fi|pl|pt|ie|ca|au|nz|jp|cn|"
    "br|mx|ru|info|biz|tv|xyz|tech|online|site|cloud"
)
_FILE_TYPE = (
    "py|js|mjs|ts|json|yaml|yml|toml|md|txt|csv|html|css|pdf|png|jpg|jpeg|gif|svg|wav|mp3|mp4|zip|gz|"
    "tar|exe|sh|log|xml|sql|ipynb|docx|xlsx|pptx|cpp|rs|java|rb|php|cfg|ini|env|onnx|gguf"
)
_REST = r"[^\s<>\"'()\[\]{}]*"
_EMAIL = re.compile(
    r"(?:mailto:)?(?<![\w.+-])([\w.+-]{1,64})@((?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24})(?!\w)"
)
_URL = re.compile(
    rf"(?:\b(?:https?|wss?|ftp|file)://|\b(?=www\.))(?:www\.)?([^\s/?#<>\"'()\[\]{{}}]*)({_REST})"
)
_DOMAIN = re.compile(
    rf"(?<![\w.@/-])((?:[A-Za-z0-9-]{{1,63}}\.){{1,5}}(?:{_TOP_LEVEL}))(?![\w-]|\.\w)((?:[/?#]{_REST})?)"
)
_FILE = re.compile(
    rf"(?<![\w.])([\w-]{{1,64}}(?:\.[\w-]{{1,32}}){{0,3}}\.(?:{_FILE_TYPE}))\b(?!\.\w)"
)
_WORD_PATH = re.compile(r"/([A-Za-z][A-Za-z-]{1,24})/?")
_CLOSING_MARKS = re.compile(r"[.,;:!?]*$")
_PORT = re.compile(r":(\d{1,5})$")

_IN_NAMES = {".": " dot ", "_": " underscore ", "-": " dash ", "+": " plus "}


def say_addresses(text: str) -> str:
    """Replace e-mail and web addresses and file names by words."""
    text = _EMAIL.sub(_email, text)
    text = _URL.sub(_web_address, text)
    text = _DOMAIN.sub(_web_address, text)
    return _FILE.sub(_file, text)


def _email(found: _Found) -> str:
    name = "".join(_IN_NAMES.get(character, character) for character in found[1])
    return f"{name} at {found[2].replace('.', ' dot ')}"


def _web_address(found: _Found) -> str:
    whole = found[1] + found[2]
    marks = _CLOSING_MARKS.search(whole)
    ending = marks[0] if marks else ""
    host = found[1] if found[2] else found[1].removesuffix(ending)
    path = found[2].removesuffix(ending)
    spoken = _PORT.sub(r" port \1", host).replace(".", " dot ").replace("-", " dash ")
    word = _WORD_PATH.fullmatch(path)
    return spoken + (f" slash {word[1]}" if word else "") + ending


def _file(found: _Found) -> str:
    return found[1].replace(".", " dot ").replace("_", " ").replace("-", " ")
