"""Which models a client may ask for, and which of them can be used already."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from antiphon.core.kinds import Offer
from antiphon.runtime.pipelines import Pipeline

Kind = Literal["realtime", "transcription", "translation"]
"""The kinds of session."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a connection asks for by its address."""

    model: str
    """The name of a deployment; empty where the kind of session has none."""
    kind: Kind = "realtime"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What clients connect to, with its engines loaded; its offer decides the kind of session."""

    offer: Offer
    pipeline: Pipeline


class Catalogue:
    """The models of this server. Names are known from the start, engines come later."""

    def __init__(
        self,
        realtime: Sequence[str],
        transcription: Sequence[str],
        translation: Sequence[str] = (),
    ) -> None:
        self.realtime = tuple(realtime)
        """Names that can be connected to."""
        self.transcription = tuple(transcription)
        """Names that a session may ask for as input transcription."""
        self.translation = tuple(translation)
        """Names that can be connected to for a translation."""
        self._deployments: Mapping[Asked, Deployment] | None = None
        self._loading: dict[str, None] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a client may ask for."""
        return (*self.realtime, *self.transcription, *self.translation)

    @property
    def is_open(self) -> bool:
        """Whether sessions can begin."""
        return self._deployments is not None

    @property
    def loading(self) -> list[str]:
        """What is still being loaded, in words."""
        return list(self._loading)

    def begin(self, what: Iterable[str]) -> None:
        """Note what has to be loaded."""
        self._loading.update(dict.fromkeys(what))

    def finish(self, what: str) -> None:
        """Note that something has been loaded."""
        self._loading.pop(what, None)

    def open(self, deployments: Mapping[Asked, Deployment]) -> None:
        """Let sessions begin."""
        self._loading.clear()
        self._deployments = dict(deployments)

    def deployment(self, asked: Asked) -> Deployment | None:
        """Return a deployment that is ready."""
        return (self._deployments or {}).get(asked)
