"""The clause splitter: when a piece of text is ready to be spoken."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.engines.sentences import CLAUSE_CHARACTERS, ClauseSplitter


def clauses(text: str, *, piece: int = 1) -> list[str]:
    splitter = ClauseSplitter()
    found: list[str] = []
    for start in range(0, len(text), piece):
        found += splitter.push(text[start : start + piece])
    return found + splitter.flush()


def spoken(text: str) -> list[str]:
    return [clause.strip() for clause in clauses(text)]


def after_opening(text: str) -> list[str]:
    """The clauses of a text that follows a first clause."""
    opening = "Of course I can."
    found = spoken(f"{opening} {text}")
    assert found[0] == opening
    return found[1:]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Of course I can, and gladly.", "Of course I can,"),
        ("The answer is yes. It is.", "The answer is yes."),
        ("Can you hear me? I can.", "Can you hear me?"),
        ("That is wonderful! Thanks.", "That is wonderful!"),
        ("Here is the plan: we go.", "Here is the plan:"),
        ("It rains today; stay in.", "It rains today;"),
        ("It is possible — with care.", "It is possible —"),
        ("It is possible - with care.", "It is possible -"),
        ("Well, I never thought so. No.", "Well, I never thought so."),
        ("Yes. It is sunny in Paris. Good.", "Yes. It is sunny in Paris."),
    ],
)
def test_first_clause_ends_at_the_first_mark_after_twelve_characters(text: str, first: str) -> None:
    assert spoken(text)[0] == first


def test_first_clause_is_ready_as_soon_as_its_mark_is_followed_by_a_space() -> None:
    splitter = ClauseSplitter()
    assert splitter.push("Of course I can,") == []
    assert splitter.push(" and") == ["Of course I can,"]


def test_first_clause_without_a_mark_ends_after_ten_words() -> None:
    found = spoken("one two three four five six seven eight nine ten eleven twelve.")
    assert found == ["one two three four five six seven eight nine ten", "eleven twelve."]


def test_later_clauses_are_whole_sentences() -> None:
    assert after_opening("First, we eat; then we sleep. Is that fine? Good!") == [
        "First, we eat; then we sleep.",
        "Is that fine?",
        "Good!",
    ]


@pytest.mark.parametrize(
    "sentence",
    [
        "It costs 3.5 million dollars today.",
        "There are 1,000 of them, at 10:30 sharp.",
        "Dr. Smith met Mrs. Jones and Prof. Li.",
        "Take fruit, e.g. apples, i.e. something sweet.",
        "See www.example.com/a?b=c.d for more.",
        "Hmm... let me think about it.",
        "Well… that depends on many things.",
        "We meet at 5 p.m. on Monday.",
        "J. R. Tolkien wrote it.",
        "It was the U.S. army and not ours.",
        "Bring pens, paper, etc. and come early.",
        'She said "Stop. Wait for me." and ran.',
        "She said “Stop! Wait for me.” and ran.",
        "I bought a 2.5-inch disk from Acme Inc. yesterday.",
    ],
)
def test_a_sentence_is_not_cut_inside(sentence: str) -> None:
    assert after_opening(f"{sentence} Next one.") == [sentence, "Next one."]


@pytest.mark.parametrize(
    "sentence",
    [
        'He shouted "Go!"',
        "(That is all.)",
        "We left at 5 p.m.",
        "**Remember this.**",
        "And so on...",
    ],
)
def test_a_sentence_ends_after_its_closing_marks(sentence: str) -> None:
    assert after_opening(f"{sentence} Then it rained.") == [sentence, "Then it rained."]


def test_lines_of_a_list_are_clauses() -> None:
    assert after_opening("You need:\n1. Flour\n2. Eggs, three\n- Milk\n\nEnjoy") == [
        "You need:",
        "1. Flour",
        "2. Eggs, three",
        "- Milk",
        "Enjoy",
    ]


def test_a_short_word_is_a_sentence_but_a_list_number_is_not() -> None:
    assert after_opening("Yes. Good.\n2. Eggs.") == ["Yes.", "Good.", "2. Eggs."]


def test_a_mark_without_words_waits_for_the_words_after_it() -> None:
    assert after_opening("... !! Good.") == ["... !! Good."]


def test_chinese_sentences_end_without_a_space() -> None:
    assert after_opening("你好。今天好吗？好") == ["你好。", "今天好吗？", "好"]


def test_an_endless_sentence_is_cut_at_its_last_comma() -> None:
    part = "and so it went on and on for a while,"
    found = after_opening(" ".join([part] * 20))
    assert len(found) > 1
    assert all(clause.endswith(",") for clause in found)
    assert all(len(clause) <= CLAUSE_CHARACTERS for clause in found)


def test_a_quotation_that_never_ends_does_not_hold_speech_back() -> None:
    found = after_opening('It is 5" wide. ' + "It is long. " * 60)
    assert max(len(clause) for clause in found) <= CLAUSE_CHARACTERS


def test_flushing_makes_the_splitter_ready_for_another_text() -> None:
    splitter = ClauseSplitter()
    splitter.push("Of course I can, and")
    splitter.flush()
    assert splitter.push("By all means, yes") == ["By all means,"]


prose = st.text(alphabet=st.sampled_from("aB1 .,!?…\n\"“”'-—:;()*。é😀"), max_size=400)
words = st.lists(
    st.sampled_from(["Dr.", "yes,", "no.", "3.5", "e.g.", "word", "U.S.", '"', "\n", "...", "Ok!"]),
    max_size=120,
).map(" ".join)


@settings(deadline=None)
@given(text=prose | words | st.text(max_size=300), piece=st.integers(1, 50))
def test_nothing_is_lost_or_added(text: str, piece: int) -> None:
    assert "".join(clauses(text, piece=piece)) == text


@settings(deadline=None)
@given(text=prose | words, piece=st.integers(2, 80))
def test_the_same_text_in_other_pieces_gives_the_same_clauses(text: str, piece: int) -> None:
    assert clauses(text, piece=piece) == clauses(text, piece=1)


@settings(deadline=None)
@given(text=prose | words)
def test_no_clause_is_empty_or_too_long(text: str) -> None:
    found = clauses(text)
    assert all(found)
    assert all(len(clause) <= CLAUSE_CHARACTERS + 2 for clause in found[1:])


def test_a_hurried_listener_gets_whole_words_up_to_where_one_may_breathe() -> None:
    splitter = ClauseSplitter()
    assert splitter.push("The capital of Fra") == []
    assert splitter.hurry() == ["The capital"]
    assert splitter.push("nce is Paris. Yes") == [" of France is Paris."]
    assert splitter.hurry() == []
    assert splitter.flush() == [" Yes"]


def test_later_clauses_can_be_hurried_too() -> None:
    splitter = ClauseSplitter()
    assert splitter.push("Certainly, I can. There are seven days in") == ["Certainly, I can."]
    assert splitter.hurry() == [" There are seven days"]
    assert splitter.push(" a week, mo") == []
    assert splitter.hurry() == [" in a week,"]


def test_words_that_lean_on_the_next_end_a_hurried_clause_where_there_is_no_other_place() -> None:
    splitter = ClauseSplitter()
    splitter.push("It would be the s")
    assert splitter.hurry() == ["It would be the"]


def test_a_beginning_that_is_too_short_is_not_hurried() -> None:
    splitter = ClauseSplitter()
    splitter.push("It is a d")
    assert splitter.hurry() == []
    assert splitter.flush() == ["It is a d"]
