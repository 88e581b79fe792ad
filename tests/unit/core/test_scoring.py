import numpy as np

from antiphon.core.commands import ScoreSpeech
from antiphon.core.scoring import Frames, Scored, Scoring


def frames(count: int) -> Frames:
    return np.zeros((count, 512), np.float32)


def probabilities(scored: Scored) -> list[tuple[float, int]]:
    return [(probability, end_ms) for _, probability, end_ms in scored]


def test_results_count_in_the_order_of_the_orders() -> None:
    scoring = Scoring()
    first = scoring.order(1, frames(2), 64)
    scoring.order(2, frames(1), 96)
    assert isinstance(first, ScoreSpeech)
    assert (1 in scoring, 2 in scoring, 3 in scoring) == (True, True, False)
    assert scoring.take(2, (0.9,)) == []
    one, two = scoring.take(1, (0.1, 0.2))
    assert probabilities(one) == [(0.1, 32), (0.2, 64)]
    assert probabilities(two) == [(0.9, 96)]
    assert 1 not in scoring


def test_missing_scores_mean_silence() -> None:
    scoring = Scoring()
    scoring.order(1, frames(3), 96)
    (scored,) = scoring.take(1, (0.5,))
    assert probabilities(scored) == [(0.5, 32), (0.0, 64), (0.0, 96)]


def test_unknown_jobs_change_nothing() -> None:
    scoring = Scoring()
    scoring.order(1, frames(1), 32)
    assert scoring.take(7, (0.5,)) == []
    scoring.forget()
    assert scoring.take(1, (0.5,)) == []
