"""What is said for what is written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.speakable import LONGEST_INPUT, MOST_GROWTH, speakable

MARKUP = [
    ("**Bold** and *italic* and `code` and ~~old~~.", "Bold and italic and code and old."),
    ("# Heading\nSome text", "Heading. Some text"),
    ("- apples\n- pears", "apples, pears,"),
    ("1. Preheat the oven.\n2. Bake it.", "one: Preheat the oven. two: Bake it."),
    ("See [the guide](https://example.com/a) now", "See the guide now"),
    ("![a cat](cat.png)", "a cat"),
    ("```python\nprint\n```", "print"),
    ("> quoted\n> text", "quoted text"),
    ("| a | b |\n|---|---|\n| c | d |", "a, b, c, d,"),
    ("A claim.[1] Another[^2] one", "A claim. Another one"),
    ("&lt;b&gt;bold&lt;/b&gt; <br> new", "bold new"),
    ("- [x] done", "done,"),
    ("snake_case and __init__", "snake case and init"),
    ("**a span that is cut here,", "a span that is cut here,"),
    ("and closed there**", "and closed there"),
]
PICTURES = [
    ("Great job! 🎉👍🏽 Really ❤️", "Great job! Really"),
    ("A family 👨‍👩‍👧 and a flag 🇩🇪 there", "A family and a flag there"),
    ("Nice :) see you ;-)", "Nice see you"),
    ("So :tada: fine", "So fine"),
]
ADDRESSES = [
    ("See https://www.example.com/docs/a/b?x=1.", "See example dot com."),
    ("Visit example.com/pricing, ok?", "Visit example dot com slash pricing, ok?"),
    ("joe.doe@mail.example.org", "joe dot doe at mail dot example dot org"),
    ("http://localhost:8080/v1", "localhost port eight thousand eighty"),
    ("Open main.py now", "Open main dot py now"),
    ("A sentence.It goes on", "A sentence.It goes on"),
]
NUMBERS = [
    ("I have 2 cats", "I have two cats"),
    ("1,234,567", "one million two hundred thirty-four thousand five hundred sixty-seven"),
    ("1,00,000 rupees", "one hundred thousand rupees"),
    ("1500 people", "fifteen hundred people"),
    ("3.14 and .5", "three point one four and point five"),
    ("It is -5 outside", "It is minus five outside"),
    ("007", "zero zero seven"),
    ("order 12345678", "order one two three four five six seven eight"),
    ("1st, 22nd and 103rd", "first, twenty-second and one hundred third"),
    ("pages 10-15", "pages ten to fifteen"),
    ("it ended 3-2", "it ended three to two"),
    ("1/2, 3/4 and 2/3", "one half, three quarters and two thirds"),
    ("1½ cups, ¾ full", "one and a half cups, three quarters full"),
    ("I give it 9/10", "I give it nine out of ten"),
    ("open 24/7", "open twenty-four seven"),
    ("3 x 4 = 12", "three times four equals twelve"),
    ("5 - 3 = 2", "five minus three equals two"),
    ("2^10 and x²", "two to the power of ten and x squared"),
    ("GPT-4, H2O and MP3", "GPT four, H two O and MP three"),
    ("Python 3.11.2", "Python three point eleven point two"),
    ("room #5", "room number five"),
]
TIMES_AND_DATES = [
    ("at 3:45 PM", "at three forty-five PM"),
    ("at 9:05", "at nine oh five"),
    ("9:00", "nine o'clock"),
    ("9:00 a.m. sharp", "nine AM sharp"),
    ("from 9am-5pm", "from nine AM to five PM"),
    ("10:30-11:45", "ten thirty to eleven forty-five"),
    ("2024-05-01", "May first, twenty twenty-four"),
    ("5/1/2024", "May first, twenty twenty-four"),
    ("May 5, 2024", "May fifth, twenty twenty-four"),
    ("the 5th of May", "the fifth of May"),
    ("5 May 2024", "the fifth of May, twenty twenty-four"),
    ("May 5-7", "May fifth to seventh"),
    ("In 1984, and since 1066", "In nineteen eighty-four, and since ten sixty-six"),
    ("1939-1945", "nineteen thirty-nine to nineteen forty-five"),
    ("the 1990s and the '80s", "the nineteen nineties and the eighties"),
    ("May I?", "May I?"),
]
MONEY_AND_MEASURES = [
    ("$5", "five dollars"),
    ("$1", "one dollar"),
    ("$5.50", "five dollars and fifty cents"),
    ("$0.99", "ninety-nine cents"),
    ("-$5", "minus five dollars"),
    ("$3.2 million", "three point two million dollars"),
    ("$10-$20", "ten to twenty dollars"),
    ("€5,50", "five euros and fifty cents"),
    ("20 EUR", "twenty euros"),
    ("£3.20", "three pounds and twenty pence"),
    ("5%", "five percent"),
    ("10-15%", "ten to fifteen percent"),
    ("20 °C", "twenty degrees Celsius"),
    ("-5°", "minus five degrees"),
    ("5 km", "five kilometers"),
    ("1 km", "one kilometer"),
    ("a 5-min walk", "a five-minute walk"),
    ("100 km/h", "one hundred kilometers per hour"),
    ("5 m", "five meters"),
    ("5'10\"", "five foot ten"),
    ("16 GB", "sixteen gigabytes"),
]
TELEPHONES = [
    ("555-1234", "five five five, one two three four"),
    ("(555) 123-4567", "five five five, one two three, four five six seven"),
    ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
    ("dial 911", "dial nine one one"),
]
ABBREVIATIONS_AND_SYMBOLS = [
    ("Dr. Smith met Mrs. Lee.", "Doctor Smith met Missus Lee."),
    ("fruit, e.g. apples", "fruit, for example apples"),
    ("apples, pears, etc.", "apples, pears, et cetera."),
    ("apples etc. are good", "apples et cetera are good"),
    ("Main St. in St. Louis", "Main Street in Saint Louis"),
    ("R&D + tax", "R and D plus tax"),
    ("about 5 ± 2", "about five plus or minus two"),
    ("a <= b and b != c", "a at most b and b does not equal c"),
    ("C++ vs. C#", "C plus plus versus C sharp"),
    ("he/she and/or TCP/IP", "he or she and or TCP IP"),
    ("Antiphon™ and Co.®", "Antiphon and Company."),
    ("The U.S. and A.I. matter", "The U.S. and A.I. matter"),
]
PAUSES = [
    ("“Quoted” ‘single’ text", "Quoted single text"),
    ("with a dash — here - and -- there", "with a dash, here, and, there"),
    ("an aside (like this) in it", "an aside, like this, in it"),
    ("Wait... what?! No!!!", "Wait… what? No!"),
    ("First line\n\nsecond", "First line. second"),
    ("Hello,world", "Hello, world"),
    ("it's the dogs' state-of-the-art toy", "it's the dogs state-of-the-art toy"),
    ("“Hm,” he said", "Hm, he said"),
]
OTHER_SCRIPTS = [
    ("Привет, **мир** 5!", "Привет, мир 5!"),
    ("你好，世界。", "你好, 世界."),
    ("नमस्ते", "नमस्ते"),
]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        *MARKUP,
        *PICTURES,
        *ADDRESSES,
        *NUMBERS,
        *TIMES_AND_DATES,
        *MONEY_AND_MEASURES,
        *TELEPHONES,
        *ABBREVIATIONS_AND_SYMBOLS,
        *PAUSES,
        *OTHER_SCRIPTS,
    ],
)
def test_a_reader_would_say(written: str, said: str) -> None:
    assert speakable(written) == said


@pytest.mark.parametrize("written", ["", "   ", "...", "?!", "🎉 👍", "---", "```", "→ = *", "()"])
def test_nothing_is_said_for_what_has_no_words(written: str) -> None:
    assert speakable(written) == ""


@pytest.mark.parametrize(
    "plain",
    [
        "The capital of France is Paris.",
        "Well, I don't know; what would you like?",
        "It's a well-known fact: NASA uses HTML.",
    ],
)
def test_plain_sentences_stay_as_they_are(plain: str) -> None:
    assert speakable(plain) == plain


WRITTEN = st.text(
    st.one_of(
        st.sampled_from(" \n.,:;-–/'\"()[]*_#`$%&+=<>~^|\\@°€½²…0123456789"),
        st.sampled_from("aeimnpstvxADEMP"),
        st.characters(),
    ),
    max_size=60,
)
PIECES = st.lists(
    st.sampled_from(
        [written for written, _ in [*MARKUP, *NUMBERS, *TIMES_AND_DATES, *MONEY_AND_MEASURES]]
        + [written for written, _ in [*ADDRESSES, *TELEPHONES, *ABBREVIATIONS_AND_SYMBOLS]]
    ),
    max_size=4,
)


@given(st.one_of(WRITTEN, PIECES.map(" ".join), PIECES.map("".join)))
def test_what_is_said_is_said_the_same_when_it_is_read_again(written: str) -> None:
    assert speakable(speakable(written)) == speakable(written)


@given(st.one_of(WRITTEN, PIECES.map(" ".join), PIECES.map("".join)))
def test_only_words_and_pauses_are_left(written: str) -> None:
    said = speakable(written)
    assert not re.search(r"[*_#`$%&+=<>~^|\\@°€()\[\]{}\"\n]|\s\s|\s[.,;:!?]", said)
    assert said == said.strip()


# The micro sign is a letter of another script.
@given(st.text(st.characters(max_codepoint=0x17F, exclude_characters="µ"), max_size=60))
def test_no_figures_are_left_in_latin_text(written: str) -> None:
    assert not re.search(r"\d", speakable(written))


@given(st.one_of(WRITTEN, PIECES.map("".join)))
def test_growth_is_bounded(written: str) -> None:
    assert len(speakable(written)) <= MOST_GROWTH * len(written)


@pytest.mark.parametrize(
    "unit", ["1", "1,", "a.", "# ", "(1-", "[", "<!--", "$1 ", "5-", "\n", "x"]
)
def test_input_without_end_is_cut(unit: str) -> None:
    endless = unit * 100_000
    assert speakable(endless) == speakable(endless[:LONGEST_INPUT])
