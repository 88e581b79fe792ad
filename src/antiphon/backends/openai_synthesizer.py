"""The synthesizer behind an OpenAI-compatible endpoint: `/audio/speech`, streamed."""

from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from antiphon.backends.endpoint_settings import EndpointSettings, misconfigured, read_settings
from antiphon.backends.http import Endpoint
from antiphon.backends.sound_stream import SoundStream, UnusableSound
from antiphon.engines.tts import (
    TTS_SAMPLE_RATE_HZ,
    SynthesisRequest,
    SynthesizerCapabilities,
)

KIND = "synthesizer"

_MAX_AUDIO_BYTES = 33_554_432
"""More than ten minutes at 24 kHz, for one clause: it will not end."""
_OUR_FIELDS = frozenset({"input", "model", "response_format", "voice"})
_SOUND_TYPES = (
    "audio/pcm",
    "audio/l16",
    "audio/raw",
    "audio/x-raw",
    "audio/wav",
    "audio/wave",
    "audio/x-wav",
    "audio/vnd.wave",
    "application/octet-stream",
)


class SynthesizerSettings(EndpointSettings, frozen=True, kw_only=True):
    """What a synthesizer behind an endpoint is told."""

    response_format: Literal["pcm", "wav"] = "pcm"
    """What to ask for; `pcm` starts sooner with most endpoints, `wav` says its own rate."""
    sample_rate_hz: Annotated[int, Meta(ge=8000, le=96_000)] = TTS_SAMPLE_RATE_HZ
    """The rate of `pcm`."""
    voices: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """The endpoint's voice for each voice of the Realtime API; empty: the names are the same."""
    languages: frozenset[str] | None = None
    """ISO-639-1 codes that the voices speak; unset: whichever they do."""
    custom_voices: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """The endpoint's voice for each voice that clients ask for by an id of the operator's."""
    extra_body: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    """Further fields of the request, such as `speed` or `instructions`."""


class OpenAISynthesizer:
    """Speak a text at an endpoint."""

    def __init__(self, settings: SynthesizerSettings) -> None:
        self._voices = {**settings.voices, **settings.custom_voices}
        # Custom voices alone close nothing: the endpoint knows its other voices by their names.
        known = frozenset(self._voices) if settings.voices else None
        self.capabilities = SynthesizerCapabilities(known, languages=settings.languages)
        self._settings = settings
        self._endpoint = Endpoint(KIND, settings)

    async def synthesize(self, request: SynthesisRequest) -> AsyncGenerator[NDArray[np.float32]]:
        """Yield the speech as it arrives; closing the iterator hangs up."""
        settings = self._settings
        fields = {
            **settings.extra_body,
            "model": settings.model,
            "input": request.text,
            "voice": self._voices.get(request.voice, request.voice),
            "response_format": settings.response_format,
        }
        async with self._endpoint.post_json(
            "/audio/speech", fields, max_bytes=_MAX_AUDIO_BYTES
        ) as answer:
            answer.require_type(*_SOUND_TYPES)
            sound = SoundStream(settings.sample_rate_hz, is_wav=settings.response_format == "wav")
            is_over = False
            while not is_over:
                piece = await answer.next_piece()
                is_over = piece is None
                answer.progress()
                samples = self._samples(sound, piece)
                if len(samples):
                    yield samples

    def _samples(self, sound: SoundStream, piece: bytes | None) -> NDArray[np.float32]:
        try:
            return sound.finish() if piece is None else sound.take(piece)
        except UnusableSound as unusable:
            raise self._endpoint.invalid_answer(f"{unusable}") from None

    async def close(self) -> None:
        """Close the connections."""
        await self._endpoint.close()


def create(settings: Mapping[str, object]) -> OpenAISynthesizer:
    """Create the engine from the settings of a deployment."""
    read = read_settings(KIND, settings, SynthesizerSettings)
    for name in read.extra_body:
        if name in _OUR_FIELDS:
            raise misconfigured(KIND, f"'extra_body.{name}' is set by the server itself")
    return OpenAISynthesizer(read)
