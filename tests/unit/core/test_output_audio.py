import numpy as np
import pytest

from antiphon.core.output_audio import AudioLedger, Clause, OutputAudio, cut, words_until


def pcm(ms: int) -> bytes:
    return np.full(ms * 24, 5000, "<i2").tobytes()


def ledger(audio: OutputAudio, now: float = 0.0, status: str = "completed") -> AudioLedger:
    why = "client_cancelled" if status == "cancelled" else None
    return audio.account("resp", status, why, 0.0, now)


def test_chunks_grow_and_the_rest_comes_last() -> None:
    audio = OutputAudio("audio/pcm", 1.0)
    sizes = [len(chunk) for ms in (130, 400, 60) for chunk in audio.push(pcm(ms), "", 0.0)]
    assert sizes == [4800, 7200, 12_000]
    assert [len(chunk) for chunk in audio.flush(0.0)] == [90 * 48]
    assert audio.flush(0.0) == []
    assert audio.sent == pcm(590)


def test_what_was_sent_is_what_left() -> None:
    audio = OutputAudio("audio/pcm", 1.0)
    audio.push(pcm(130), "", 0.0)
    assert audio.made_ms == 130
    assert audio.sent == pcm(100)
    audio.flush(0.0)
    assert audio.sent == pcm(130)


def test_a_token_is_fifty_milliseconds_begun() -> None:
    audio = OutputAudio("audio/pcm", 1.0)
    assert audio.tokens == 0
    audio.push(pcm(50), "", 0.0)
    assert audio.tokens == 1
    audio.push(pcm(1), "", 0.0)
    assert audio.tokens == 2


def test_what_was_played_is_real_time_since_it_was_sent() -> None:
    audio = OutputAudio("audio/pcm", 1.0)
    assert audio.played_ms(5.0) == 0
    audio.push(pcm(1000), "", 10.0)
    assert audio.played_ms(10.0) == 0
    assert audio.played_ms(10.25) == pytest.approx(250, abs=1)
    assert audio.played_ms(99.0) == 1000
    audio.push(pcm(1000), "", 20.0)
    assert audio.played_ms(20.5) == pytest.approx(1500, abs=1)


def test_clauses_lie_where_their_sound_is() -> None:
    audio = OutputAudio("audio/pcm", 1.0)
    assert audio.clauses == ()
    audio.push(pcm(300), "One. ", 0.0)
    audio.push(pcm(200), "", 0.0)
    audio.push(pcm(100), "Two.", 0.0)
    assert audio.clauses == (Clause(0, 500, "One. "), Clause(500, 600, "Two."))


def test_speed_changes_the_account_with_the_sound() -> None:
    audio = OutputAudio("audio/pcm", 0.5)
    sent = audio.push(pcm(500), "One.", 0.0) + audio.flush(0.0)
    assert sum(map(len, sent)) == 1000 * 48
    assert ledger(audio).made_samples == ledger(audio).sent_samples == 24_000
    assert audio.clauses == (Clause(0, 1000, "One."),)


def test_telephone_sound_is_accounted_in_samples_of_24_khz() -> None:
    audio = OutputAudio("audio/pcma", 1.0)
    sent = audio.push(pcm(130), "", 0.0)
    assert [len(chunk) for chunk in sent] == [800]
    assert ledger(audio, status="cancelled").sent_samples == 2400
    sent += audio.flush(0.0)
    assert sum(map(len, sent)) == 130 * 8
    assert ledger(audio).sent_samples == ledger(audio).made_samples == 130 * 24


def test_the_ledger_accounts_for_every_sample() -> None:
    audio = OutputAudio("audio/pcm", 1.0)
    audio.push(pcm(130), "", 2.0)
    audio.push(pcm(200), "", 2.6)
    account = ledger(audio, now=2.7, status="cancelled")
    assert account == AudioLedger(
        response_id="resp",
        status="cancelled",
        made_samples=330 * 24,
        sent_samples=250 * 24,
        played_samples=account.played_samples,
        dropped_samples=80 * 24,
        dropped_why="client_cancelled",
        first_audio_s=2.0,
        longest_gap_s=pytest.approx(0.5),
    )
    assert account.played_samples == pytest.approx(200 * 24, abs=48)


def test_without_sound_there_is_nothing_to_account_for() -> None:
    assert ledger(OutputAudio("audio/pcm", 1.0)) == AudioLedger("resp", "completed")


def test_sound_is_cut_at_a_position() -> None:
    assert cut(pcm(100), 40) == pcm(40)
    assert cut(pcm(100), 0) == b""
    assert cut(pcm(100), None) == pcm(100)


CLAUSES = (Clause(0, 1000, "One two three. "), Clause(1000, 2000, "Four five six."))


@pytest.mark.parametrize(
    ("end_ms", "words"),
    [
        (0, ""),
        (100, ""),
        (300, "One"),
        (999, "One two three."),
        (1000, "One two three."),
        (1500, "One two three. Four"),
        (2000, "One two three. Four five six."),
        (9999, "One two three. Four five six."),
    ],
)
def test_words_are_whole_and_were_spoken_before(end_ms: int, words: str) -> None:
    assert words_until(CLAUSES, end_ms) == words


def test_words_without_sound_were_not_spoken() -> None:
    assert words_until((Clause(0, 0, "Silent."),), 0) == ""
    assert words_until((Clause(0, 500, "Said. "), Clause(500, 500, "Unsaid.")), 500) == "Said."
    assert words_until((), 500) == ""
