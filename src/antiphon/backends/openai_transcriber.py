"""The transcriber behind an OpenAI-compatible endpoint: `/audio/transcriptions`.

The endpoint hears whole recordings, so each text that is asked for costs a request with all the
audio of the utterance so far. Audio is read on while a request runs: when the speaker goes on after
a pause, the next text does not wait for the one before it.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from antiphon.backends.answer_events import AnswerEvents
from antiphon.backends.endpoint_settings import EndpointSettings, misconfigured, read_settings
from antiphon.backends.http import Answer, Endpoint
from antiphon.backends.utterance import Audio, Utterance, UtteranceTooLong
from antiphon.backends.wav import wav_file
from antiphon.engines.stt import (
    STT_SAMPLE_RATE_HZ,
    Delay,
    FinalTranscript,
    PartialTranscript,
    Segment,
    Token,
    TranscriberCapabilities,
    TranscriptionOptions,
)

KIND = "transcriber"

MAX_AUDIO_BYTES = 25_000_000
"""What the API takes in one request: 13 minutes."""

_MAX_ANSWER_BYTES = 1_048_576
_OUR_FIELDS = frozenset(
    {
        "chunking_strategy",
        "file",
        "include[]",
        "keywords[]",
        "language",
        "languages[]",
        "model",
        "prompt",
        "response_format",
        "stream",
    }
)
_PARTIALS_MS: Mapping[Delay | None, int] = {
    None: 0,
    "minimal": 400,
    "low": 600,
    "medium": 1_000,
    "high": 2_000,
    "xhigh": 0,
}
"""After how much more speech to ask for a text for somebody who reads along; 0: never."""
_DELTA = "transcript.text.delta"
_DONE = "transcript.text.done"


class TranscriberSettings(EndpointSettings, frozen=True, kw_only=True):
    """What a transcriber behind an endpoint is told."""

    languages: frozenset[str] | None = None
    """ISO-639-1 codes that the model understands; unset: whichever it does."""
    partials_every_ms: Annotated[int, Meta(ge=0, le=60_000)] | None = None
    """After how much more speech to ask for a text while one speaks; 0: never; unset: where
    somebody reads along, as often as the client's `delay` says."""
    stream: bool = False
    """Whether to ask for the text in events, for endpoints that give it no other way."""
    keywords: Literal["prompt", "field"] = "prompt"
    """How keywords are told: in the prompt, as Whisper reads them, or in the field `keywords[]`."""
    candidate_languages: bool = False
    """Whether the endpoint chooses among the languages in the field `languages[]`."""
    logprobs: bool = False
    """Whether the endpoint tells log-probabilities when `include[]` asks for them."""
    diarize: bool = False
    """Whether the endpoint tells speakers apart when `diarized_json` is asked for."""
    extra_body: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """Further fields of the request, such as `temperature`."""


class _Logprob(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: tuple[Annotated[int, Meta(ge=0, le=255)], ...] | None = None


class _Segment(msgspec.Struct, frozen=True):
    text: str
    start: float
    end: float
    speaker: str


class _Transcription(msgspec.Struct, frozen=True):
    text: str
    logprobs: tuple[_Logprob, ...] | None = None


class _Diarized(msgspec.Struct, frozen=True):
    text: str
    segments: tuple[_Segment, ...]


class _Event(msgspec.Struct, frozen=True):
    type: str = ""
    text: str = ""
    logprobs: tuple[_Logprob, ...] | None = None


class OpenAITranscriber:
    """Turn the audio of one utterance into text at an endpoint."""

    def __init__(self, settings: TranscriberSettings) -> None:
        self.capabilities = TranscriberCapabilities(
            settings.languages,
            prompts=True,
            keywords=True,
            candidate_languages=settings.candidate_languages,
            streams=settings.partials_every_ms != 0,
            logprobs=settings.logprobs,
            speakers=settings.diarize,
        )
        self._settings = settings
        self._endpoint = Endpoint(KIND, settings)

    async def transcribe(
        self, audio: Audio, options: TranscriptionOptions
    ) -> AsyncGenerator[PartialTranscript | FinalTranscript]:
        """Yield a text for each `Settle` and for the end; closing the iterator hangs up."""

        async def hear(pcm: bytes) -> FinalTranscript:
            return await self._hear(pcm, options)

        partials_every_ms = self._settings.partials_every_ms
        if partials_every_ms is None:
            partials_every_ms = _PARTIALS_MS[options.delay]
        utterance = Utterance(hear, partials_every_ms, MAX_AUDIO_BYTES)
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

    async def _hear(self, pcm: bytes, options: TranscriptionOptions) -> FinalTranscript:
        file = ("audio.wav", wav_file(pcm, STT_SAMPLE_RATE_HZ), "audio/wav")
        async with self._endpoint.post_form(
            "/audio/transcriptions", self._fields(options), file, max_bytes=_MAX_ANSWER_BYTES
        ) as answer:
            if options.speakers:
                return await self._tell_apart(answer)
            heard = await (self._follow(answer) if self._settings.stream else self._read(answer))
        return FinalTranscript(heard.text.strip(), _tokens(heard.logprobs))

    def _fields(self, options: TranscriptionOptions) -> dict[str, str | tuple[str, ...]]:
        fields: dict[str, str | tuple[str, ...]] = {
            **self._settings.extra_body,
            "model": self._settings.model,
            "response_format": "json",
        }
        if options.speakers:
            fields["response_format"] = "diarized_json"
            fields["chunking_strategy"] = "auto"
        elif self._settings.stream:
            fields["stream"] = "true"
        if options.language is not None:
            fields["language"] = options.language
        if options.languages:
            fields["languages[]"] = options.languages
        if options.logprobs:
            fields["include[]"] = "logprobs"
        in_prompt = self._settings.keywords == "prompt"
        if options.keywords and not in_prompt:
            fields["keywords[]"] = options.keywords
        prompt = _prompt(options.prompt, options.keywords if in_prompt else ())
        if prompt:
            fields["prompt"] = prompt
        return fields

    async def _read(self, answer: Answer) -> _Transcription:
        answer.require_type("application/json")
        body = await answer.read()
        try:
            return msgspec.json.decode(body, type=_Transcription)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise self._endpoint.invalid_answer("it holds no text") from None

    async def _tell_apart(self, answer: Answer) -> FinalTranscript:
        answer.require_type("application/json")
        body = await answer.read()
        try:
            heard = msgspec.json.decode(body, type=_Diarized)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise self._endpoint.invalid_answer("it does not tell speakers apart") from None
        return FinalTranscript(heard.text.strip(), segments=_segments(heard.segments))

    async def _follow(self, answer: Answer) -> _Transcription:
        """Return the text at the end of an answer in events."""
        answer.require_type("text/event-stream")
        events = AnswerEvents(self._endpoint, answer)
        while True:
            for data in await events.next():
                event = self._event(data)
                if event.type == _DONE:
                    await events.rest()
                    return _Transcription(event.text, event.logprobs)
                if event.type == _DELTA:
                    answer.progress()

    def _event(self, data: bytes) -> "_Event":
        try:
            return msgspec.json.decode(data, type=_Event)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise self._endpoint.invalid_answer("it is no streamed transcription") from None


def _prompt(prompt: str | None, keywords: tuple[str, ...]) -> str:
    return " ".join(filter(None, [prompt, ", ".join(keywords)]))


def _tokens(logprobs: tuple[_Logprob, ...] | None) -> tuple[Token, ...]:
    return tuple(
        Token(
            each.token,
            each.logprob,
            tuple(each.token.encode()) if each.bytes is None else each.bytes,
        )
        for each in logprobs or ()
    )


def _segments(segments: tuple[_Segment, ...]) -> tuple[Segment, ...]:
    return tuple(
        Segment(each.text.strip(), round(1000 * each.start), round(1000 * each.end), each.speaker)
        for each in segments
    )


def create(settings: Mapping[str, object]) -> OpenAITranscriber:
    """Create the engine from the settings of a deployment."""
    read = read_settings(KIND, settings, TranscriberSettings)
    for name in read.extra_body:
        if name in _OUR_FIELDS:
            raise misconfigured(KIND, f"'extra_body.{name}' is set by the server itself")
    return OpenAITranscriber(read)
