"""What a response costs, by modality.

Shows Sound: usage by modality
"""

from antiphon.core.context import Context, Passage
from antiphon.core.usage import Made, usage
from antiphon.engines.llm import TokenUsage
from antiphon.protocol.response import Usage

TYPED = Passage("a", (), 0, text_tokens=20)
SPOKEN = Passage("b", (), 0, text_tokens=10, audio_tokens=50, spoken_text_tokens=6)
SHOWN = Passage("c", (), 0, text_tokens=10, image_tokens=85)
CONTEXT = Context.of([TYPED, SPOKEN, SHOWN])
MADE = Made(text=7, audio=30)


def counted(prompt: int, cached: int) -> Usage:
    found = usage(TokenUsage(prompt, cached, 7), CONTEXT, 25, MADE)
    details = found.input_token_details
    cached_details = details.cached_tokens_details
    parts = (details.text_tokens, details.audio_tokens, details.image_tokens)
    cached_parts = (
        cached_details.text_tokens,
        cached_details.audio_tokens,
        cached_details.image_tokens,
    )
    assert found.input_tokens == sum(parts)
    assert found.output_tokens == 37
    assert found.total_tokens == found.input_tokens + found.output_tokens
    assert details.cached_tokens == sum(cached_parts)
    assert all(some <= whole for some, whole in zip(cached_parts, parts, strict=True))
    return found


def cached(tokens: int, prompt: int = 150) -> tuple[int, int, int]:
    details = counted(prompt, tokens).input_token_details.cached_tokens_details
    return details.text_tokens, details.audio_tokens, details.image_tokens


def test_speech_and_pictures_count_once() -> None:
    details = counted(150, 0).input_token_details
    assert (details.text_tokens, details.audio_tokens, details.image_tokens) == (59, 50, 85)


def test_without_the_models_count_text_is_estimated() -> None:
    details = usage(TokenUsage(), CONTEXT, 25, MADE).input_token_details
    assert (details.text_tokens, details.audio_tokens, details.image_tokens) == (59, 50, 85)
    assert details.cached_tokens == 0


def test_the_cached_beginning_is_shared_out_in_the_order_of_the_prompt() -> None:
    assert cached(0) == (0, 0, 0)
    assert cached(25) == (25, 0, 0)
    assert cached(45) == (45, 0, 0)
    assert cached(54) == (54, 0, 0)
    assert cached(55) == (49, 50, 0)
    assert cached(149) == (59, 50, 0)
    assert cached(150) == (59, 50, 85)


def test_models_may_count_otherwise_than_we_estimate() -> None:
    assert cached(300, prompt=300) == (209, 50, 85)
    assert cached(999, prompt=300) == (209, 50, 85)
    assert cached(10, prompt=10) == (0, 50, 85)
    assert counted(0, 50).input_token_details.cached_tokens == 0
