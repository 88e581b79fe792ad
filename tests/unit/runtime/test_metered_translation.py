"""What is counted of a translation session."""

import asyncio
import json

from caller import Caller, served
from interpreting import CLOSE, append, offer, update
from talk import pcm

from antiphon.protocol.dialects.translation import Translation
from antiphon.runtime.metrics import LoopLag, MeteredConnection, Metrics
from antiphon.runtime.usage import UsageMeter, Used
from antiphon.testing.noise_reducer import ScriptedNoiseReducer
from antiphon.transports.memory import MemoryConnection


def measured(metrics: Metrics, name: str) -> float:
    lines = metrics.render().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def test_the_sound_that_was_taken_is_counted_in_seconds() -> None:
    metrics = Metrics(LoopLag())
    used: list[Used] = []
    events = [append(pcm(200)), append(pcm(1300))]

    async def scenario() -> None:
        connection = MemoryConnection(Translation())
        meter = UsageMeter(used.append, lambda: 0.0)
        metered = MeteredConnection(connection, metrics, "translator", meter)
        for event in events:
            await connection.say(json.dumps(event))
            await metered.receive()
        meter.close()

    asyncio.run(scenario())
    seconds = measured(metrics, 'antiphon_translated_seconds_total{model="translator"}')
    assert abs(seconds - 1.5) < 0.001
    assert abs(sum(each.input_audio_seconds for each in used) - 1.5) < 0.001
    heard = measured(metrics, 'antiphon_audio_base64_bytes_total{direction="in"}')
    assert heard == sum(len(event["audio"]) for event in events)


def test_a_session_from_its_first_event_to_its_last() -> None:
    async def scenario() -> Caller:
        caller = Caller(offer=offer(), dialect=Translation())
        async with served(caller):
            await caller.send(append(pcm(800)))
            await caller.send(CLOSE)
            await caller.expect("session.closed")
            await caller.rest()
        return caller

    caller = asyncio.run(scenario())
    assert caller.types[0] == "session.created"
    assert "session.output_audio.delta" in caller.types
    texts = [e["delta"] for e in caller.events if e["type"] == "session.output_transcript.delta"]
    assert "".join(texts) == "You said: Hello there."
    assert all(ledger.made_samples == ledger.sent_samples > 0 for ledger in caller.ledgers)


def test_noise_is_reduced_before_the_session_hears_it_to_the_last_sample() -> None:
    reducer = ScriptedNoiseReducer()

    async def scenario() -> Caller:
        caller = Caller(offer=offer(), dialect=Translation(), noise_reducer=reducer)
        async with served(caller):
            await caller.send(update(input={"noise_reduction": {"type": "far_field"}}))
            await caller.expect("session.updated")
            for _ in range(4):
                await caller.send(append(pcm(200)))
            await caller.send(CLOSE)
            await caller.expect("session.closed")
            await caller.rest()
        return caller

    caller = asyncio.run(scenario())
    assert reducer.opened == [("far_field", 1.0)]
    assert "error" not in caller.types
    assert "session.output_audio.delta" in caller.types
    positions = [event["elapsed_ms"] for event in caller.events if "elapsed_ms" in event]
    assert max(positions) == 800
