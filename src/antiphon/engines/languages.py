"""Which languages the stages of a translation have in common.

A stage that names no languages takes whichever it is given: an endpoint knows what it does.
"""

from types import MappingProxyType

NAMES = MappingProxyType(
    {
        "de": "German",
        "en": "English",
        "es": "Spanish",
        "fr": "French",
        "hi": "Hindi",
        "id": "Indonesian",
        "it": "Italian",
        "ja": "Japanese",
        "ko": "Korean",
        "pt": "Portuguese",
        "ru": "Russian",
        "vi": "Vietnamese",
        "zh": "Chinese",
    }
)
"""What people call the languages that a session may ask for."""

Languages = frozenset[str] | None
"""ISO-639-1 codes; None: whichever."""


def common(one: Languages, other: Languages) -> Languages:
    """Return the languages that two stages know."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def in_words(languages: Languages) -> str:
    """Return languages as a message names them."""
    if languages is None:
        return "any language"
    return ", ".join(NAMES.get(code, code) for code in sorted(languages)) or "none"
