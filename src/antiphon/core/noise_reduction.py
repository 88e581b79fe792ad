"""What follows for the sound from a session's choice of noise reduction."""

from msgspec import UNSET

from antiphon.core.commands import ReduceNoise
from antiphon.protocol.session import AudioInput


def changed(before: AudioInput, after: AudioInput) -> list[ReduceNoise]:
    """Return what is to be done for other settings of the input; nothing if it stays as it was."""
    wanted, was = after.noise_reduction, before.noise_reduction
    format_name = str(after.format.__struct_config__.tag)
    if wanted is None:
        return [] if was is None else [ReduceNoise(format_name, None)]
    if (wanted, after.format) == (was, before.format):
        return []
    strength = 1.0 if wanted.strength is UNSET else wanted.strength
    return [ReduceNoise(format_name, wanted.type, strength)]
