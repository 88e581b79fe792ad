"""Stored prompts and voices of the operator's own.

Shows Sound: voices of your own, mixed, from a file or an endpoint's
"""

import pytest

from antiphon import config
from antiphon.config import SettingsError
from antiphon.config.profiles import EnginePlan, plan
from antiphon.protocol.session import FunctionTool

from .test_settings import problems, written

PROMPTS = """
[prompts.support.1]
instructions = "You help {{customer}} with {{product}}."
variables = { product = "our phones" }

[[prompts.support.1.tools]]
type = "function"
name = "look_up"
parameters = { type = "object", properties = { number = { type = "string" } } }

[prompts.support.2]
instructions = "Be kind."
"""

VOICES = """
[voices.voice_ann]
mix = { alloy = 0.6, af_heart = 1 }

[voices.voice_ben]
style = "/srv/ben.bin"
accent = "british"
gain = 0.9

[voices.voice_eva]
endpoint_voice = "eva-v2"

[deployments.near]
tts = "kokoro"

[deployments.far]
tts = { engine = "openai", base_url = "http://127.0.0.1:1/v1", model = "m" }
"""


def test_the_versions_of_a_prompt_keep_their_order() -> None:
    prompts = config.load(written(PROMPTS), environment={}).settings.prompts
    assert list(prompts["support"]) == ["1", "2"]
    first = prompts["support"]["1"]
    assert first.variables == {"product": "our phones"}
    parameters = {"type": "object", "properties": {"number": {"type": "string"}}}
    assert first.tools == (FunctionTool(name="look_up", parameters=parameters),)
    assert prompts["support"]["2"].instructions == "Be kind."


def synthesizers(text: str) -> dict[str, EnginePlan]:
    plans = plan(config.load(written(text), environment={}).settings)
    return {each.name: each.answer[1] for each in plans if isinstance(each.answer, tuple)}


def test_each_engine_gets_the_voices_that_it_can_speak_with() -> None:
    found = synthesizers(VOICES)
    assert found["near"].settings == {
        "custom_voices": {
            "voice_ann": {"mix": {"alloy": 0.6, "af_heart": 1.0}},
            "voice_ben": {"style": "/srv/ben.bin", "accent": "british", "gain": 0.9},
        }
    }
    assert found["far"].settings["custom_voices"] == {"voice_eva": "eva-v2"}


def test_without_voices_engines_are_as_they_were() -> None:
    assert synthesizers("[deployments.near]\ntts = 'kokoro'\n")["near"].settings == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[prompts]\nsupport = 3\n", "Write [prompts.ID.VERSION] above its keys."),
        ("[prompts.support]\n1 = 'Be kind.'\n", "Write [prompts.ID.VERSION] above its keys."),
        ("[prompts.support.1]\ntext = 'x'\n", "Unknown key 'text'."),
        ("[prompts.support.1]\ninstructions = 3\n", "expected text, got a whole number"),
        ("[prompts.support.1]\nvariables = {}\n", "`instructions`, `tools` or both"),
        ("[prompts.support.1]\ninstructions = 'x'\nvariables = {a = 'b'}\n", "place {{a}} for 'a'"),
        ("[prompts.support.1]\ntools = [{type = 'function'}]\n", "'tools': Object missing"),
        (f"[prompts.{'x' * 65}.1]\ninstructions = 'x'\n", "1 to 64 printable characters"),
        ("[voices]\nann = 3\n", "Write [voices.ID] above its keys."),
        ("[voices.alloy]\nmix = {echo = 1}\n", "built-in voice"),
        ("[voices.ann]\ngain = 1\n", "only one of them, for the voice 'ann'"),
        ("[voices.ann]\nmix = {echo = 1}\nstyle = 'a'\n", "only one of them"),
        ("[voices.ann]\nmix = {echo = 0}\n", "names voices and their shares"),
        ("[voices.ann]\nmix = {}\n", "names voices and their shares"),
        ("[voices.ann]\nmix = {echo = 'much'}\n", "'mix': Expected `float`, got `str`"),
        ("[voices.ann]\nmix = {echo = 1}\ngain = 9\n", "expected at most 4"),
        ("[voices.ann]\nendpoint_voice = 'x'\n", "No deployment has the engine 'openai'"),
        ("[server]\nprofile='test'\n[voices.ann]\nmix = {echo = 1}\n", "the engine 'kokoro'"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    found = problems(text)
    assert any(said in each for each in found), found
    assert all(each.startswith("antiphon.toml:") for each in found)


def test_settings_with_problems_are_not_used() -> None:
    with pytest.raises(SettingsError):
        config.load(written("[voices.alloy]\nmix = {echo = 1}\n"), environment={})
