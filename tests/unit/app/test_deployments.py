"""Engines from their creation to their end."""

import asyncio

import pytest

from antiphon.app.deployments import close_engines


class Engine:
    """Note the order in which engines are closed."""

    closed: list[str]

    def __init__(self, name: str, closed: list[str]) -> None:
        self.name, self.closed = name, closed


class Plain(Engine):
    def close(self) -> None:
        self.closed.append(self.name)


class Awaited(Engine):
    async def close(self) -> None:
        await asyncio.sleep(0)
        self.closed.append(self.name)


class Stubborn(Engine):
    def close(self) -> None:
        raise RuntimeError("No.")


def test_engines_are_closed_whichever_way_they_end() -> None:
    closed: list[str] = []
    engines = [Plain("plain", closed), Engine("none", closed), Awaited("awaited", closed)]
    asyncio.run(close_engines(engines))
    assert sorted(closed) == ["awaited", "plain"]


def test_an_engine_that_cannot_be_closed_does_not_keep_the_others() -> None:
    closed: list[str] = []
    engines = [Plain("first", closed), Stubborn("second", closed), Awaited("third", closed)]
    with pytest.raises(RuntimeError):
        asyncio.run(close_engines(engines))
    assert sorted(closed) == ["first", "third"]
