"""What all engines have in common, and how their contracts run."""

# ruff: noqa: S101 - these are tests; their names say what they demand.

import asyncio
import dataclasses
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any, ClassVar, Generic, TypeVar, cast

import pytest

from antiphon.protocol.errors import EngineError

EngineType = TypeVar("EngineType")
_Piece = TypeVar("_Piece")
_Result = TypeVar("_Result")


class EngineContract(Generic[EngineType]):
    """The base of all contracts whose engines yield pieces."""

    limit_s: ClassVar[float] = 60.0
    """How long a test may take; an engine that has not answered by then never will."""
    closes_engine: ClassVar[bool] = True
    """Whether the engine is closed at the end of each test; not if the tests share it."""

    @pytest.fixture
    def engine(self) -> EngineType:
        """Return the engine under test."""
        raise NotImplementedError("Override the fixture 'engine' so that it returns your engine.")

    @pytest.fixture
    def failing_engine(self) -> EngineType:
        """Return an engine that must fail, such as one whose model is not there."""
        pytest.skip("The fixture 'failing_engine' is not overridden.")

    def run(self, engine: EngineType, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Run one test's work in an event loop of its own."""

        async def run() -> _Result:
            try:
                async with asyncio.timeout(self.limit_s):
                    return await work
            finally:
                if self.closes_engine:
                    await close(engine)

        return asyncio.run(run())


async def close(engine: object) -> None:
    """Close an engine that has something to close."""
    ending = getattr(engine, "close", None)
    if callable(ending):
        ended = ending()
        if inspect.isawaitable(ended):
            await ended


async def gather(pieces: AsyncIterator[_Piece]) -> list[_Piece]:
    """Return all pieces that an engine yields."""
    return [piece async for piece in pieces]


async def stop(pieces: AsyncIterator[object]) -> None:
    """Close an engine's iterator."""
    await cast("AsyncGenerator[object]", pieces).aclose()


async def require_end(pieces: AsyncIterator[object]) -> None:
    """Require that an iterator stays at its end."""
    with pytest.raises(StopAsyncIteration):
        await anext(pieces)


async def require_engine_error(pieces: AsyncIterator[object]) -> None:
    """Require that an engine fails in words that a client may read."""
    with pytest.raises(EngineError) as failure:
        await gather(pieces)
    assert failure.value.code
    assert failure.value.message


def require_frozen(capabilities: object) -> None:
    """Require that nobody can change what an engine says of itself."""
    field = dataclasses.fields(cast("Any", capabilities))[0].name
    with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
        setattr(capabilities, field, None)


def require_language_codes(languages: frozenset[str] | None) -> None:
    """Fail unless languages are named by ISO-639-1 codes, as sessions name them."""
    assert languages is None or languages
    for code in languages or ():
        assert len(code) == 2
        assert code.isascii()
        assert code.islower()
