"""Which responses run: one in the conversation, any number out of band, and one that is a guess.

A guess answers a turn that is only provisionally over. Nothing of it is visible: its pieces are
kept until the turn is committed, and then they become a response at once, or they are discarded.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from antiphon.audio.pcm import BYTES_PER_SAMPLE
from antiphon.core.commands import CancelJob, StartResponse
from antiphon.core.context import Context
from antiphon.core.happenings import Told
from antiphon.core.mcp_calls import Answer
from antiphon.core.response import Ending, Response, failure
from antiphon.engines.responder import ResponsePiece, ResponseRequest, SpokenAudio
from antiphon.protocol import errors

MAX_OUT_OF_BAND = 16
MAX_GUESSED_PIECES = 10_000


@dataclass(slots=True)
class Guess:
    """A response that nobody has asked for yet."""

    job: int
    request: ResponseRequest
    pieces: list[ResponsePiece] = field(default_factory=list[ResponsePiece])


class Responses:
    """The responses of a session that have not ended."""

    __slots__ = ("_guess", "_jobs", "_patience_s", "_running", "active", "played_at")

    def __init__(self, jobs: Iterator[int], patience_s: float) -> None:
        self.active: Response | None = None
        """The response in the default conversation."""
        self.played_at = 0.0
        """When the last reply that was sent whole has been played, by estimate."""
        self._running: dict[str, Response] = {}
        self._guess: Guess | None = None
        self._jobs = jobs
        self._patience_s = patience_s

    def __iter__(self) -> Iterator[Response]:
        return iter(list(self._running.values()))

    @property
    def is_guessing(self) -> bool:
        """Whether a guess is being made."""
        return self._guess is not None

    @property
    def is_idle(self) -> bool:
        """Whether no response runs."""
        return not self._running

    @property
    def have_sound(self) -> bool:
        """Whether any running response has made sound."""
        return any(each.has_sound for each in self._running.values())

    @property
    def deadline(self) -> float | None:
        """When the first response has been silent for too long."""
        started = [each.heard_at for each in self._running.values() if _is_made(each)]
        return min(started) + self._patience_s if started else None

    def is_heard(self, now: float) -> bool:
        """Tell whether the assistant is speaking, or about to."""
        return self.active is not None or now < self.played_at

    def check_room(self, *, in_conversation: bool) -> None:
        """Raise `ClientError` when another response cannot begin now."""
        if in_conversation and self.active is not None:
            raise errors.already_has_active_response(self.active.id)
        out_of_band = len(self._running) - (self.active is not None)
        if not in_conversation and out_of_band >= MAX_OUT_OF_BAND:
            raise errors.ClientError(
                "too_many_responses",
                f"{MAX_OUT_OF_BAND} responses out of band are in progress. "
                "Wait until one of them is finished.",
            )

    def add(self, response: Response) -> None:
        """Take a response that was announced."""
        self._running[response.id] = response
        if response.plan.in_conversation:
            self.active = response

    def remove(self, response_id: str) -> None:
        """Forget a response that has ended."""
        self._running.pop(response_id, None)
        if self.active is not None and self.active.id == response_id:
            self.active = None

    def find(self, response_id: str | None) -> Response:
        """Return a running response, by default the active one; raise `ClientError` if none."""
        found = self.active if response_id is None else self._running.get(response_id)
        if found is None:
            raise errors.no_active_response()
        return found

    def start(
        self, response: Response, request: ResponseRequest, context: Context, now: float
    ) -> list[Told]:
        """Have a response made; a guess that was made from the same request becomes it."""
        guess = self._guess
        if guess is not None and response.plan.in_conversation:
            self._guess = None
            if guess.request == request:
                response.start(guess.job, context, now)
                return self._replay(response, guess.pieces, now)
            cancelled: list[Told] = [CancelJob(guess.job)]
            return cancelled + self._order(response, request, context, now)
        return self._order(response, request, context, now)

    def guess(self, request: ResponseRequest, *, is_idle_work: bool = False) -> list[Told]:
        """Begin to answer what may be the whole turn, or only where there is nothing else to do."""
        if self._guess is not None and self._guess.request == request:
            return []
        told = self.discard_guess()
        self._guess = Guess(next(self._jobs), request)
        return [*told, StartResponse(self._guess.job, request, is_idle_work=is_idle_work)]

    def discard_guess(self) -> list[Told]:
        """Forget the guess: the turn goes on, or something else has changed."""
        guess, self._guess = self._guess, None
        return [] if guess is None else [CancelJob(guess.job)]

    def produce(self, job: int, piece: ResponsePiece, now: float) -> list[Told]:
        """Take the next piece of whichever response this job makes."""
        guess = self._guess
        if guess is not None and guess.job == job:
            guess.pieces.append(piece)
            return self.discard_guess() if len(guess.pieces) > MAX_GUESSED_PIECES else []
        response = self._made_by(job)
        return [] if response is None else self._take(response, piece, now)

    def fail(self, job: int, code: str, message: str, now: float) -> list[Told] | None:
        """Take an engine's failure; None when the job makes no response."""
        if self._guess is not None and self._guess.job == job:
            # The response proper will try again, and fail for all to see if it must.
            self._guess = None
            return []
        response = self._made_by(job)
        return None if response is None else response.end(failure(code, message), now)

    def settle(self, answer: Answer, now: float) -> list[Told]:
        """Hand what an MCP tool has answered to the response that called it."""
        response = self._running.get(answer.response_id)
        if response is None:
            return []
        return response.settle(answer.item_id, answer.output, answer.error, now)

    def stop(self, response: Response, ending: Ending, now: float) -> list[Told]:
        """End a response early."""
        told: list[Told] = [] if response.job is None else [CancelJob(response.job)]
        return told + response.end(ending, now)

    def expire(self, now: float) -> list[Told]:
        """Fail the responses whose responder has been silent for too long."""
        told: list[Told] = []
        for response in self:
            if _is_made(response) and now >= response.heard_at + self._patience_s:
                message = (
                    f"The model sent nothing for {self._patience_s:g} s. "
                    "Send response.create again."
                )
                told += self.stop(response, failure("engine_timeout", message), now)
        return told

    def _order(
        self, response: Response, request: ResponseRequest, context: Context, now: float
    ) -> list[Told]:
        job = next(self._jobs)
        response.start(job, context, now)
        return [StartResponse(job, request)]

    def _replay(self, response: Response, pieces: list[ResponsePiece], now: float) -> list[Told]:
        told: list[Told] = []
        for piece in pieces:
            if not response.has_ended:
                told += self._take(response, piece, now)
        return told

    def _take(self, response: Response, piece: ResponsePiece, now: float) -> list[Told]:
        if isinstance(piece, SpokenAudio) and len(piece.pcm) % BYTES_PER_SAMPLE:
            message = "The model sent half a sample of sound. Send response.create again."
            return self.stop(response, failure("engine_invalid_answer", message), now)
        told = response.take(piece, now)
        is_whole = response.has_ended or response.is_held
        if response.exceeds_its_tokens() and not is_whole:
            told += self.stop(response, Ending("incomplete", "max_output_tokens"), now)
        return told

    def _made_by(self, job: int) -> Response | None:
        return next((each for each in self._running.values() if each.job == job), None)


def _is_made(response: Response) -> bool:
    """Tell whether the next piece of a response is the responder's to send."""
    return response.job is not None and not response.is_held
