"""`antiphon talk`: a conversation with a server, from the terminal."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from antiphon.cli.output import COULD_NOT_RUN, FINDINGS, fail, say, show

if TYPE_CHECKING:
    from antiphon.cli.conversation import Conversation, Wishes
    from antiphon.cli.devices import Loudspeaker
    from antiphon.cli.exchange import Outcome

_ANY_KEY = "local"


@dataclass(slots=True)
class _Talk:
    """What was asked for on the command line, and what came of it."""

    url: str
    key: str
    model: str
    wishes: "Wishes"
    as_json: bool
    outcomes: "list[Outcome]" = field(default_factory=list["Outcome"])
    sound: bytearray = field(default_factory=bytearray)

    def write(self, text: str) -> None:
        """Write a piece of a transcript."""
        if not self.as_json:
            sys.stdout.write(text)
            sys.stdout.flush()

    def tell(self, outcome: "Outcome") -> None:
        """Write what a turn came to."""
        self.outcomes.append(outcome)
        if self.as_json:
            import json

            show(json.dumps({"turn": len(self.outcomes), **asdict(outcome)}, ensure_ascii=False))
            return
        facts = [outcome.status]
        if outcome.latency_ms is not None:
            facts.append(f"answered after {outcome.latency_ms} ms")
        if outcome.audio_ms:
            facts.append(f"{outcome.audio_ms / 1000:.1f} s of speech")
        if outcome.commits > 1:
            facts.append(f"heard as {outcome.commits} turns: a pause was taken for the end")
        show(f"  ({', '.join(facts)})")


def talk(  # noqa: PLR0913, PLR0917 - each option of the command is an argument
    wav: Annotated[
        list[Path] | None,
        typer.Argument(metavar="WAV", help="Recordings to speak, one turn each."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="WAV", help="Write the replies into this file.")
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(help="A written turn; several are several turns; '-' reads lines."),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="The server; without: the one that the settings describe.")
    ] = None,
    key: Annotated[
        str, typer.Option(envvar="ANTIPHON_KEY", help="API key of the server.")
    ] = _ANY_KEY,
    model: Annotated[str | None, typer.Option(help="Model or deployment to talk to.")] = None,
    voice: Annotated[str | None, typer.Option(help="Voice of the replies.")] = None,
    instructions: Annotated[str | None, typer.Option(help="How the model should behave.")] = None,
    turns: Annotated[
        int | None, typer.Option(min=1, help="With a microphone: end after so many turns.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each turn.")
    ] = False,
) -> None:
    """Talk with a server: by microphone, by recordings, or in writing.

    Both transcripts appear as they come, and after each turn the time from the end of what was
    said to the first sound of the answer.
    """
    import asyncio

    from antiphon.cli.conversation import Wishes

    known_url, known_model = _known_server()
    wishes = Wishes(voice, instructions)
    asked = _Talk(url or known_url, key, model or known_model, wishes, as_json)
    try:
        asyncio.run(_run(asked, wav or [], text or [], turns))
    except KeyboardInterrupt:
        say("")
    finally:
        _save(out, asked)
    if not asked.outcomes or any(each.status != "completed" for each in asked.outcomes):
        raise typer.Exit(FINDINGS)


async def _run(asked: _Talk, wavs: list[Path], texts: list[str], turns: int | None) -> None:
    from antiphon.cli.devices import NoDeviceError

    if not wavs and not texts:
        try:
            await _listen(asked, turns)
        except NoDeviceError as error:
            if not sys.stdin.isatty():
                raise
            say(f"{error}\nWrite instead; Ctrl-D ends.")
            texts = ["-"]
    recordings = _read(wavs)
    if recordings or texts:
        async with _conversation(asked, None) as conversation:
            for recording in recordings:
                _note(asked, await conversation.speak(recording))
            for written in texts:
                await _write(asked, conversation, written)


async def _listen(asked: _Talk, turns: int | None) -> None:
    from antiphon.cli.devices import PortAudioLoudspeaker, PortAudioMicrophone

    microphone = PortAudioMicrophone()
    with PortAudioLoudspeaker() as loudspeaker:
        async with _conversation(asked, loudspeaker) as conversation:
            say("Speak; Ctrl-C ends. With headphones the server does not hear itself.")
            await conversation.listen(microphone, turns, asked.tell)


@asynccontextmanager
async def _conversation(
    asked: _Talk, loudspeaker: "Loudspeaker | None"
) -> AsyncGenerator["Conversation", None]:
    from antiphon import certificates
    from antiphon.cli.conversation import Conversation
    from antiphon.cli.realtime_client import UnreachableError, open_session

    trust = certificates.client_context(certificates.default_directory())
    async with open_session(asked.url, asked.key, asked.model, trust) as client:
        conversation = Conversation(client, asked.write, loudspeaker)
        if refusal := await conversation.begin(asked.wishes):
            raise UnreachableError(refusal)
        yield conversation


async def _write(asked: _Talk, conversation: "Conversation", written: str) -> None:
    import asyncio

    if written != "-":
        _note(asked, await conversation.write(written))
        return
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip():
            _note(asked, await conversation.write(line.strip()))


def _note(asked: _Talk, turn: "tuple[Outcome, bytes]") -> None:
    outcome, sound = turn
    asked.tell(outcome)
    asked.sound += sound


def _read(wavs: list[Path]) -> list[bytes]:
    from antiphon.cli.recordings import UnusableRecording, read_wav

    try:
        return [read_wav(path) for path in wavs]
    except UnusableRecording as error:
        fail(str(error))
        raise typer.Exit(COULD_NOT_RUN) from error


def _save(out: Path | None, asked: _Talk) -> None:
    from antiphon.cli.recordings import write_wav

    if out is None or not asked.sound:
        return
    try:
        write_wav(out, bytes(asked.sound))
    except OSError as error:
        fail(f"{out}: {(error.strerror or 'cannot be written').lower()}.")
        raise typer.Exit(COULD_NOT_RUN) from error
    say(f"The replies are in {out}.")


def _known_server() -> tuple[str, str]:
    from antiphon import config

    try:
        settings = config.load().settings
    except config.SettingsError:
        # They may be another server's; --url and --model say what is needed.
        settings = config.Settings()
    return f"http://127.0.0.1:{settings.server.port}", config.plan(settings)[0].name
