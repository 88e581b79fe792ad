"""What a response has cost, by modality: speech and pictures by rule, text as the model counted."""

from dataclasses import dataclass

from antiphon.core.context import Context
from antiphon.engines.llm import TokenUsage
from antiphon.protocol.response import (
    CachedTokensDetails,
    InputTokenDetails,
    OutputTokenDetails,
    Usage,
)


@dataclass(frozen=True, slots=True)
class Made:
    """Tokens of the answer."""

    text: int
    audio: int


def usage(spent: TokenUsage, context: Context, fixed_tokens: int, made: Made) -> Usage:
    """Return the usage of a response; ``fixed_tokens`` are those of its instructions.

    A cascade reads speech as text. It counts as sound once, not as text again, and so do pictures.
    """
    estimated = fixed_tokens + context.text_tokens
    shown = context.image_tokens if spent.prompt else 0
    read = spent.prompt or estimated
    text = max(0, read - context.spoken_text_tokens - shown)
    cached = _cached(spent, context, fixed_tokens, text)
    input_tokens = text + context.audio_tokens + context.image_tokens
    output_tokens = made.text + made.audio
    return Usage(
        total_tokens=input_tokens + output_tokens,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        input_token_details=InputTokenDetails(
            text_tokens=text,
            audio_tokens=context.audio_tokens,
            image_tokens=context.image_tokens,
            cached_tokens=cached.text_tokens + cached.audio_tokens + cached.image_tokens,
            cached_tokens_details=cached,
        ),
        output_token_details=OutputTokenDetails(text_tokens=made.text, audio_tokens=made.audio),
    )


def _cached(
    spent: TokenUsage, context: Context, fixed_tokens: int, text_tokens: int
) -> CachedTokensDetails:
    """Share out the beginning of the prompt that the model found in its cache.

    A turn's speech and pictures count as cached when all of the turn is in that beginning.
    """
    if not spent.cached or not spent.prompt:
        return CachedTokensDetails()
    whole = fixed_tokens + context.text_tokens + context.image_tokens
    end, audio, images, spoken = fixed_tokens, 0, 0, 0
    for passage in context.passages:
        end += passage.text_tokens + passage.image_tokens
        if end * spent.prompt > spent.cached * whole:
            break
        audio += passage.audio_tokens
        images += passage.image_tokens
        spoken += passage.spoken_text_tokens
    text = min(text_tokens, max(0, spent.cached - spoken - images))
    return CachedTokensDetails(text_tokens=text, audio_tokens=audio, image_tokens=images)
