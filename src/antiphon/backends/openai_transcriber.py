"""The transcriber behind an OpenAI-compatible endpoint: `/audio/transcriptions`.

The endpoint hears whole recordings, so each text that is asked for costs a request with all the
audio of the utterance so far. Audio is read on while a request runs: when the speaker goes on after
a pause, the next text does not wait for the one before it.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from antiphon.backends.answer_events import AnswerEvents
from antiphon.backends.endpoint_settings import EndpointSettings, misconfigured, read_settings
from antiphon.backends.http import Answer, Endpoint
from antiphon.backends.utterance import Audio, Utterance, UtteranceTooLong
from antiphon.backends.wav import wav_file
from antiphon.engines.stt import (
    STT_SAMPLE_RATE_HZ,
    FinalTranscript,
    PartialTranscript,
    TranscriberCapabilities,
    TranscriptionOptions,
)

KIND = "transcriber"

MAX_AUDIO_BYTES = 25_000_000
"""What the API takes in one request: 13 minutes."""

_MAX_ANSWER_BYTES = 1_048_576
_OUR_FIELDS = frozenset({"file", "language", "model", "prompt", "response_format", "stream"})
_DELTA = "transcript.text.delta"
_DONE = "transcript.text.done"


class TranscriberSettings(EndpointSettings, frozen=True, kw_only=True):
    """What a transcriber behind an endpoint is told."""

    languages: frozenset[str] | None = None
    """ISO-639-1 codes that the model understands; unset: whichever it does."""
    partials_every_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    """After how much more speech to ask for a text while one speaks; 0: never."""
    stream: bool = False
    """Whether to ask for the text in events, for endpoints that give it no other way."""
    extra_body: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """Further fields of the request, such as `temperature`."""


class _Transcription(msgspec.Struct, frozen=True):
    text: str


class _Event(msgspec.Struct, frozen=True):
    type: str = ""
    text: str = ""


class OpenAITranscriber:
    """Turn the audio of one utterance into text at an endpoint."""

    def __init__(self, settings: TranscriberSettings) -> None:
        self.capabilities = TranscriberCapabilities(settings.languages, prompts=True)
        self._settings = settings
        self._endpoint = Endpoint(KIND, settings)

    async def transcribe(
        self, audio: Audio, options: TranscriptionOptions
    ) -> AsyncGenerator[PartialTranscript | FinalTranscript]:
        """Yield a text for each `Settle` and for the end; closing the iterator hangs up."""

        async def hear(pcm: bytes) -> str:
            return await self._hear(pcm, options)

        utterance = Utterance(hear, self._settings.partials_every_ms, MAX_AUDIO_BYTES)
        utterance.read(audio)
        try:
            while (transcript := await utterance.next()) is not None:
                yield transcript
        except UtteranceTooLong:
            raise self._endpoint.error(
                "engine_rejected",
                "takes no more than 25 MB, 13 minutes, of audio at once",
                "Commit the input in shorter turns.",
            ) from None
        finally:
            await utterance.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._endpoint.close()

    async def _hear(self, pcm: bytes, options: TranscriptionOptions) -> str:
        file = ("audio.wav", wav_file(pcm, STT_SAMPLE_RATE_HZ), "audio/wav")
        async with self._endpoint.post_form(
            "/audio/transcriptions", self._fields(options), file, max_bytes=_MAX_ANSWER_BYTES
        ) as answer:
            text = await (self._follow(answer) if self._settings.stream else self._read(answer))
        return text.strip()

    def _fields(self, options: TranscriptionOptions) -> dict[str, str]:
        fields = {
            **self._settings.extra_body,
            "model": self._settings.model,
            "response_format": "json",
        }
        if self._settings.stream:
            fields["stream"] = "true"
        if options.language is not None:
            fields["language"] = options.language
        if options.prompt is not None:
            fields["prompt"] = options.prompt
        return fields

    async def _read(self, answer: Answer) -> str:
        answer.require_type("application/json")
        body = await answer.read()
        try:
            return msgspec.json.decode(body, type=_Transcription).text
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise self._endpoint.invalid_answer("it holds no text") from None

    async def _follow(self, answer: Answer) -> str:
        """Return the text at the end of an answer in events."""
        answer.require_type("text/event-stream")
        events = AnswerEvents(self._endpoint, answer)
        while True:
            for data in await events.next():
                event = self._event(data)
                if event.type == _DONE:
                    await events.rest()
                    return event.text
                if event.type == _DELTA:
                    answer.progress()

    def _event(self, data: bytes) -> "_Event":
        try:
            return msgspec.json.decode(data, type=_Event)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise self._endpoint.invalid_answer("it is no streamed transcription") from None


def create(settings: Mapping[str, object]) -> OpenAITranscriber:
    """Create the engine from the settings of a deployment."""
    read = read_settings(KIND, settings, TranscriberSettings)
    for name in read.extra_body:
        if name in _OUR_FIELDS:
            raise misconfigured(KIND, f"'extra_body.{name}' is set by the server itself")
    return OpenAITranscriber(read)
