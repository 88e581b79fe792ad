"""Names of speakers."""

from antiphon.core.speakers import LEAST_MS, MAX_SPEAKERS, Speakers
from antiphon.engines.stt import Segment


def spoken(*voice: float, ms: int = 2_000, speaker: str = "") -> Segment:
    return Segment("Words.", 0, ms, speaker, voice)


def test_voices_are_named_in_the_order_in_which_they_speak() -> None:
    speakers = Speakers()
    heard = [spoken(0.0, 0.0), spoken(3.0, 0.0), spoken(0.2, 0.1), spoken(0.0, 4.0)]
    assert [speakers.name(each) for each in heard] == ["A", "B", "A", "C"]


def test_a_voice_is_where_it_is_on_average() -> None:
    speakers = Speakers()
    for place in (0.0, 0.9, 0.9, 0.9):
        assert speakers.name(spoken(place)) == "A"
    assert speakers.name(spoken(1.6)) == "A"


def test_a_few_words_are_no_new_voice() -> None:
    speakers = Speakers()
    speakers.name(spoken(0.0))
    assert speakers.name(spoken(5.0, ms=LEAST_MS - 1)) == "A"
    assert speakers.name(spoken(5.0, ms=LEAST_MS)) == "B"


def test_the_first_voice_may_say_a_word() -> None:
    assert Speakers().name(spoken(5.0, ms=200)) == "A"


def test_there_are_no_more_speakers_than_letters() -> None:
    speakers = Speakers()
    names = [speakers.name(spoken(10.0 * n)) for n in range(MAX_SPEAKERS + 3)]
    assert names[25:] == ["Z"] * 4


def test_an_engine_that_names_speakers_is_believed() -> None:
    assert Speakers().name(spoken(speaker="agent")) == "agent"
