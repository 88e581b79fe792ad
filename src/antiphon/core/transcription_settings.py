"""What a client may ask of a transcription model; the rest is refused with what works."""

from collections.abc import Mapping

from msgspec import UNSET

from antiphon.core.transcription_offer import TranscriptionOffer
from antiphon.engines.stt import TranscriptionOptions
from antiphon.protocol import errors
from antiphon.protocol.session import Include, Transcription

MAX_PROMPT_CHARACTERS = 4_000
MAX_KEYWORDS = 100
MAX_KEYWORD_CHARACTERS = 100
_OTHER = "Leave it out, or name a deployment whose transcriber can do it."


def check_transcription(
    wanted: Transcription, path: str, models: Mapping[str, TranscriptionOffer]
) -> None:
    """Refuse settings that the named model cannot honour; raise `ClientError`.

    A name that nobody has deployed is no mistake here: each transcript fails and tells so.
    """
    _check_sizes(wanted, path)
    known = models.get(wanted.model)
    if known is not None:
        if known.diarizes and not known.speakers:
            raise errors.not_supported(
                f"{path}.model",
                f"Telling speakers apart with the transcriber behind '{wanted.model}'",
                "Name another model, or a deployment whose transcriber can do it.",
            )
        _check_languages(wanted, path, known)
        _check_hints(wanted, path, known)


def check_include(
    include: Include | None, wanted: Transcription | None, models: Mapping[str, TranscriptionOffer]
) -> None:
    """Refuse log-probabilities of a model that does not tell them; raise `ClientError`."""
    known = models.get(wanted.model) if wanted else None
    if include and wanted and known is not None and not known.logprobs:
        raise errors.not_supported(
            "session.include",
            f"Log-probabilities of the transcriber behind '{wanted.model}'",
            "Send null, or name a deployment whose transcriber tells them.",
        )


def options_of(
    wanted: Transcription, known: TranscriptionOffer, *, logprobs: bool
) -> TranscriptionOptions:
    """Return what an engine is asked for."""
    candidates = wanted.languages or ()
    only = candidates[0] if len(candidates) == 1 else None
    delay = ("low" if wanted.delay is UNSET else wanted.delay) if known.streams else None
    return TranscriptionOptions(
        language=wanted.language or only,
        prompt=wanted.prompt,
        languages=() if only else candidates,
        keywords=wanted.keywords or (),
        delay=delay,
        logprobs=logprobs,
        speakers=known.diarizes,
    )


def _check_sizes(wanted: Transcription, path: str) -> None:
    if wanted.prompt and len(wanted.prompt) > MAX_PROMPT_CHARACTERS:
        raise errors.unusable_value(
            f"{path}.prompt", f"The prompt is longer than {MAX_PROMPT_CHARACTERS} characters."
        )
    keywords = wanted.keywords or ()
    if len(keywords) > MAX_KEYWORDS or any(len(k) > MAX_KEYWORD_CHARACTERS for k in keywords):
        raise errors.unusable_value(
            f"{path}.keywords",
            f"Send at most {MAX_KEYWORDS} keywords of at most {MAX_KEYWORD_CHARACTERS} characters.",
        )


def _check_languages(wanted: Transcription, path: str, known: TranscriptionOffer) -> None:
    candidates = wanted.languages or ()
    if wanted.language and candidates:
        raise errors.unusable_value(
            f"{path}.languages",
            "Send either 'language' or 'languages': a known language has no candidates.",
        )
    if known.languages is not None:
        named = [(f"{path}.languages[{n}]", code) for n, code in enumerate(candidates)]
        for place, code in [(f"{path}.language", wanted.language or ""), *named]:
            if code and code not in known.languages:
                raise errors.invalid_value(place, code, sorted(known.languages))
    if len(set(candidates)) > 1 and not known.candidate_languages:
        raise errors.not_supported(
            f"{path}.languages",
            f"Several languages for the transcriber behind '{wanted.model}'",
            "Send one, or none to let the transcriber find out.",
        )


def _check_hints(wanted: Transcription, path: str, known: TranscriptionOffer) -> None:
    behind = f"for the transcriber behind '{wanted.model}'"
    if wanted.prompt and not known.prompts:
        raise errors.not_supported(
            f"{path}.prompt",
            f"A prompt {behind}",
            "Leave it out, or name a deployment whose transcriber takes one.",
        )
    if wanted.keywords and not known.keywords:
        raise errors.not_supported(f"{path}.keywords", f"Keywords {behind}", _OTHER)
    if wanted.delay is not UNSET and not known.streams:
        raise errors.not_supported(
            f"{path}.delay",
            f"A delay for '{wanted.model}', which transcribes after the turn,",
            "Leave it out, or name a model that transcribes while one speaks, such as "
            "gpt-realtime-whisper.",
        )
