"""The Moonshine network: an encoder of raw samples and a decoder that writes tokens.

The decoder is greedy, with a cache of keys and values. Speech is transcribed again and again while
it grows, so most of what the decoder will write is known beforehand: the last transcript is given
as a draft, all of it is checked in one pass, and only from the first difference on the decoder
writes token by token. The outcome is what the decoder would have written alone.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from antiphon.backends.onnx import Interrupt, Model
from antiphon.engines.stt import STT_SAMPLE_RATE_HZ

_START = 1
_END = 2
_SPECIAL = frozenset((0, _START, _END))
_SPACE = "▁"
_QUOTATION_MARKS = "\"'“”‘’"

# Guards against a decoder that repeats itself: nobody speaks faster than this for long.
_TOKENS_PER_SECOND = 6.5
_TOKENS_MORE = 6
_SURE_OF_SILENCE = 0.9
"""How sure the decoder must be to write nothing; on noise it is surer, on faint speech less."""


class Vocabulary:
    """What each token writes."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self._bytes = [_written(piece) for piece in pieces]

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Read a JSON array in which element n is token n."""
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, without the space before its first word."""
        return b"".join(self.spell(tokens)).decode("utf-8", "replace").removeprefix(" ")

    def spell(self, tokens: Sequence[int]) -> tuple[bytes, ...]:
        """Return what each token writes; special ones write nothing."""
        return tuple(
            b"" if token in _SPECIAL or token >= len(self._bytes) else self._bytes[token]
            for token in tokens
        )


def _written(piece: str) -> bytes:
    # A character that has no token of its own is spelled as the bytes of its UTF-8 form.
    if len(piece) == len("<0x00>") and piece.startswith("<0x") and piece.endswith(">"):
        return bytes([int(piece[3:5], 16)])
    return piece.replace(_SPACE, " ").encode()


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What the model understood."""

    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...] = field(default=(), compare=False)
    """The model's own log-probability of each token."""
    pieces: tuple[bytes, ...] = ()
    """What each token wrote."""


class MoonshineModel:
    """Transcribe one stretch of speech; shared by all sessions."""

    def __init__(self, encoder: Model, decoder: Model, vocabulary: Vocabulary) -> None:
        self._encoder = encoder
        self._decoder = decoder
        self._vocabulary = vocabulary

    def transcribe(
        self, samples: NDArray[np.float32], draft: Sequence[int], interrupt: Interrupt
    ) -> Hypothesis:
        """Return what is said; ``draft`` is a guess that saves time where it is right."""
        encoded = self._encoder.run(
            ["last_hidden_state"], {"input_values": samples[np.newaxis]}, interrupt
        )[0]
        most = int(len(samples) / STT_SAMPLE_RATE_HZ * _TOKENS_PER_SECOND) + _TOKENS_MORE
        decoding = _Decoding(self._decoder, encoded, interrupt)
        tokens, following = decoding.check(draft[:most])
        while following != _END and len(tokens) < most:
            tokens.append(following)
            following = decoding.write(following)
        text = unquoted(self._vocabulary.decode(tokens))
        logprobs = tuple(decoding.logprobs[: len(tokens)])
        return Hypothesis(text, tuple(tokens), logprobs, self._vocabulary.spell(tokens))


class _Decoding:
    """One run of the decoder over one encoded stretch of speech."""

    def __init__(self, decoder: Model, encoded: NDArray[np.float32], interrupt: Interrupt) -> None:
        self._decoder = decoder
        self._interrupt = interrupt
        self.logprobs: list[float] = []
        """The log-probability of each token written so far, and of the one that follows."""
        empty = {
            name: np.zeros((1, int(shape[1]), 0, int(shape[3])), np.float32)
            for name, shape in decoder.input_shapes.items()
            if name.startswith("past_key_values")
        }
        self._inputs: dict[str, NDArray[Any]] = {"encoder_hidden_states": encoded, **empty}

    def check(self, draft: Sequence[int]) -> tuple[list[int], int]:
        """Return the tokens of the draft that the decoder agrees with, and the one after them."""
        outputs = self._run(self._decoder.output_names, [_START, *draft], cached=False)
        logits = outputs["logits"][0]
        written = logits.argmax(axis=-1).tolist()
        written[0] = int(_without_doubtful_silence(logits[0]).argmax())
        agreed = 0
        while agreed < len(draft) and written[agreed] == draft[agreed]:
            agreed += 1
        self.logprobs = [_logprob(logits[n], written[n]) for n in range(agreed + 1)]
        for name, values in outputs.items():
            if ".decoder." in name:
                self._remember(name, np.ascontiguousarray(values[:, :, : agreed + 1]))
            elif ".encoder." in name:
                self._remember(name, values)
        return list(draft[:agreed]), written[agreed]

    def write(self, token: int) -> int:
        """Add a token and return the next one."""
        # The keys and values of the encoder do not change; fetching them would copy them.
        names = [name for name in self._decoder.output_names if ".encoder." not in name]
        outputs = self._run(names, [token], cached=True)
        for name, values in outputs.items():
            if ".decoder." in name:
                self._remember(name, values)
        logits = outputs["logits"][0, -1]
        following = int(logits.argmax())
        self.logprobs.append(_logprob(logits, following))
        return following

    def _run(
        self, names: list[str], tokens: list[int], *, cached: bool
    ) -> dict[str, NDArray[np.float32]]:
        self._inputs["input_ids"] = np.array([tokens], np.int64)
        self._inputs["use_cache_branch"] = np.array([cached])
        outputs = self._decoder.run(names, self._inputs, self._interrupt)
        return dict(zip(names, outputs, strict=True))

    def _remember(self, name: str, values: NDArray[np.float32]) -> None:
        self._inputs[name.replace("present", "past_key_values", 1)] = values


def _logprob(logits: NDArray[np.float32], token: int) -> float:
    highest = float(logits.max())
    return float(logits[token]) - highest - math.log(float(np.exp(logits - highest).sum()))


def _without_doubtful_silence(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keep the decoder from writing nothing unless it is sure of it."""
    if logits.argmax() != _END:
        return logits
    certainty = 1 / float(np.exp(logits - logits[_END]).sum())
    if certainty >= _SURE_OF_SILENCE:
        return logits
    speaking = logits.copy()
    speaking[_END] = -np.inf
    return speaking


def unquoted(text: str) -> str:
    """Drop the quotation marks in which the model puts all of what it hears, as books do."""
    said = text.strip()
    inner = said.strip(_QUOTATION_MARKS).strip()
    opens = said[:1] in _QUOTATION_MARKS
    # An apostrophe may begin or end a phrase by itself, as in 'cause or the dogs'.
    return inner if inner and opens and said[-1:] in _QUOTATION_MARKS else said
