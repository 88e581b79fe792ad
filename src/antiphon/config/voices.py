"""Voices of the operator's own: which engines speak with them."""

from collections.abc import Iterator, Mapping

from antiphon.config.schema import EngineSettings, VoiceSettings

_SETTING = "custom_voices"
_KOKORO, _ENDPOINT = "kokoro", "openai"


def with_voices(engine: EngineSettings, voices: Mapping[str, VoiceSettings]) -> EngineSettings:
    """Return a synthesizer's settings with those of the voices that it can speak with."""
    found = {name: _told(each) for name, each in voices.items() if speaker(each) == engine.engine}
    if not found:
        return engine
    return EngineSettings(engine=engine.engine, settings={**engine.settings, _SETTING: found})


def speaker(voice: VoiceSettings) -> str:
    """Return the engine that speaks with a voice."""
    return _KOKORO if voice.endpoint_voice is None else _ENDPOINT


def unspoken(voices: Mapping[str, VoiceSettings], engines: frozenset[str]) -> Iterator[str]:
    """Yield the voices that none of these engines speaks with."""
    return (name for name, each in voices.items() if speaker(each) not in engines)


def _told(voice: VoiceSettings) -> object:
    if voice.endpoint_voice is not None:
        return voice.endpoint_voice
    told = {"mix": voice.mix, "style": voice.style, "accent": voice.accent, "gain": voice.gain}
    return {key: value for key, value in told.items() if value is not None}
