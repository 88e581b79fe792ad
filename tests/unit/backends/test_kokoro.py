"""Ten voices of one network.

Shows Sound: ten voices
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon import weights
from antiphon.audio.resample import resample
from antiphon.backends import kokoro
from antiphon.backends.kokoro import VOICES, Kokoro
from antiphon.backends.moonshine import create_tiny
from antiphon.engines.stt import STT_SAMPLE_RATE_HZ, FinalTranscript, TranscriptionOptions
from antiphon.engines.tts import TTS_SAMPLE_RATE_HZ, SynthesisRequest, Synthesizer
from antiphon.protocol.errors import EngineError
from antiphon.testing.contracts.synthesizer import SynthesizerContract
from antiphon.testing.wer import word_error_rate


def speak(engine: Synthesizer, text: str, voice: str) -> list[NDArray[np.float32]]:
    async def gather() -> list[NDArray[np.float32]]:
        return [piece async for piece in engine.synthesize(SynthesisRequest(text, voice))]

    return asyncio.run(gather())


def test_the_ten_names_of_the_api_have_ten_voices() -> None:
    assert len({voice.pack for voice in VOICES.values()}) == len(VOICES) == 10
    assert {name for name, voice in VOICES.items() if voice.is_british} == {"ballad", "cedar"}


def test_importing_it_loads_no_runtime() -> None:
    program = (
        "import sys, antiphon.backends.kokoro, antiphon.backends.moonshine; "
        "print('onnxruntime' in sys.modules or 'hibari' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_unknown_settings_are_refused_by_name() -> None:
    with pytest.raises(EngineError, match=r"unknown field `speed`.*'fast_marin'"):
        kokoro.create({"speed": 2})


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"engine 'kokoro'.*kokoro\.onnx"):
        kokoro.create({"model": str(tmp_path / "kokoro.onnx")})


def test_a_file_that_is_no_voice_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    for voice in VOICES.values():
        (tmp_path / f"{voice.pack}.bin").write_bytes(b"short")
    with pytest.raises(EngineError, match=r"af_alloy\.bin is no voice pack"):
        kokoro.create({"model": str(tmp_path / "model.onnx"), "voices": str(tmp_path)})


def pack(number: float) -> bytes:
    return np.full(510 * 256, number, "<f4").tobytes()


def packs(directory: Path) -> dict[str, object]:
    """Settings for voice packs of our own, and a network that is no network."""
    (directory / "model.onnx").write_bytes(b"")
    for number, voice in enumerate(VOICES.values()):
        (directory / f"{voice.pack}.bin").write_bytes(pack(number))
    return {"model": str(directory / "model.onnx"), "voices": str(directory)}


def test_a_mix_is_the_average_of_its_shares(tmp_path: Path) -> None:
    settings = packs(tmp_path)
    alloy, cedar = list(VOICES).index("alloy"), list(VOICES).index("cedar")
    voice, style = kokoro.customize(
        "v", kokoro.CustomVoice(mix={"alloy": 1, "bm_george": 3}), str(settings["voices"])
    )
    assert style.shape == (510, 256)
    assert np.allclose(style, (alloy + 3 * cedar) / 4)
    assert voice.is_british
    american = kokoro.CustomVoice(mix={"alloy": 1, "cedar": 3}, accent="american", gain=0.5)
    voice, _ = kokoro.customize("v", american, str(settings["voices"]))
    assert (voice.is_british, voice.gain) == (False, 0.5)


def test_a_voice_pack_of_ones_own_is_a_voice(tmp_path: Path) -> None:
    (tmp_path / "ann.bin").write_bytes(pack(7))
    own = kokoro.CustomVoice(style=str(tmp_path / "ann.bin"), accent="british")
    voice, style = kokoro.customize("v", own, None)
    assert (voice.is_british, float(style[0, 0])) == (True, 7.0)


@pytest.mark.parametrize(
    ("custom", "said"),
    [
        ({}, "'v' needs either 'mix' or 'style'"),
        ({"mix": {"alloy": 1}, "style": "a.bin"}, "'v' needs either 'mix' or 'style'"),
        ({"mix": {"alloy": 0}}, "Expected `float` > 0"),
        ({"mix": {"af_nobody": 1}}, r"af_nobody\.bin"),
        ({"style": "nowhere.bin"}, r"nowhere\.bin"),
        ({"style": "{folder}/model.onnx"}, "is no voice pack"),
        ({"style": "{folder}/nan.bin"}, "is no voice pack"),
    ],
)
def test_a_voice_that_cannot_be_made_is_refused_by_name(
    tmp_path: Path, custom: dict[str, object], said: str
) -> None:
    settings = packs(tmp_path)
    (tmp_path / "nan.bin").write_bytes(pack(np.nan))
    wanted = {
        key: value.format(folder=tmp_path) if isinstance(value, str) else value
        for key, value in custom.items()
    }
    with pytest.raises(EngineError, match=said):
        kokoro.create({**settings, "custom_voices": {"v": wanted}})


# With the weights of the profile `default`, which are not fetched for a test


@pytest.fixture(scope="module")
def engine() -> Kokoro:
    try:
        return kokoro.create({"fast_marin": True})
    except EngineError as missing:
        pytest.skip(str(missing))


@pytest.mark.models
class TestContract(SynthesizerContract):
    voice = "verse"
    closes_engine = False

    @pytest.fixture
    def engine(self, engine: Kokoro) -> Synthesizer:
        return engine


@pytest.mark.models
def test_an_american_and_a_british_voice_are_understood(engine: Kokoro) -> None:
    weights.ensure(["moonshine-tiny"])
    transcriber = create_tiny({})
    sentence = "It will probably rain this afternoon, so take an umbrella."

    async def hear(sound: NDArray[np.float32]) -> str:
        async def feed() -> AsyncIterator[NDArray[np.float32]]:
            yield resample(sound, TTS_SAMPLE_RATE_HZ, STT_SAMPLE_RATE_HZ)

        heard = [each async for each in transcriber.transcribe(feed(), TranscriptionOptions())]
        assert isinstance(heard[-1], FinalTranscript)
        return heard[-1].text

    for voice in ("verse", "cedar"):
        sound = np.concatenate(speak(engine, sentence, voice))
        assert np.abs(sound).max() < 1.0
        assert word_error_rate(sentence, asyncio.run(hear(sound))) <= 0.1


@pytest.mark.models
def test_a_long_sentence_comes_clause_by_clause(engine: Kokoro) -> None:
    text = "I would leave at a quarter to seven, because there is traffic on the bridge until nine."
    assert len(speak(engine, text, "sage")) == 2


@pytest.mark.models
def test_other_voices_are_refused(engine: Kokoro) -> None:
    with pytest.raises(EngineError, match=r"no voice 'nova'.*alloy, ash"):
        speak(engine, "Hello.", "nova")


@pytest.mark.models
def test_a_mixed_voice_speaks(engine: Kokoro) -> None:
    mixed = kokoro.create({"custom_voices": {"voice_ann": {"mix": {"alloy": 1, "echo": 1}}}})
    assert mixed.capabilities.voices == engine.capabilities.voices | {"voice_ann"}
    sound = np.concatenate(speak(mixed, "Good morning.", "voice_ann"))
    assert 0.05 < np.abs(sound).max() <= 1.0
    assert len(sound) > TTS_SAMPLE_RATE_HZ // 3
