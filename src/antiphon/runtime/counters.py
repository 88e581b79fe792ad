"""Where quotas are counted: in this process, or on a server that several processes share.

Both are storages of the `limits` library, used through the same few calls: add to a counter that
forgets itself, and read it. While a shared storage cannot be reached, this process counts alone, so
that an outage there neither lets everything through nor stops anybody's conversation.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from limits.errors import ConfigurationError, StorageError
from limits.storage import Storage, storage_from_string

_logger = logging.getLogger(__name__)

IN_PROCESS = "memory"
"""The setting that means this process alone."""

SCHEMES = ("redis", "rediss", "redis+unix", "valkey", "valkeys", "valkey+unix")
"""How the address of a shared storage may begin."""

_RETRY_S = 5.0
_LONGEST_WAIT_S = 1.0


class ProcessStorage(Storage):
    """Counters of this process, by a clock that it is given."""

    STORAGE_SCHEME = None

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._counters: dict[str, tuple[int, float]] = {}

    @property
    def base_exceptions(self) -> type[Exception]:
        """Return what may go wrong: nothing."""
        return StorageError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a counter; a new one is forgotten after ``expiry`` seconds."""
        now = self._clock()
        count, until = self._counters.get(key, (0, 0.0))
        if now >= until:
            self._forget_old(now)
            count, until = 0, now + expiry
        self._counters[key] = (count + amount, until)
        return count + amount

    def get(self, key: str) -> int:
        """Return a counter."""
        count, until = self._counters.get(key, (0, 0.0))
        return count if self._clock() < until else 0

    def get_expiry(self, key: str) -> float:
        """Return when a counter is forgotten."""
        return max(self._clock(), self._counters.get(key, (0, 0.0))[1])

    def check(self) -> bool:
        """Tell whether it works."""
        return True

    def reset(self) -> int:
        """Forget everything."""
        forgotten = len(self._counters)
        self._counters.clear()
        return forgotten

    def clear(self, key: str) -> None:
        """Forget a counter."""
        self._counters.pop(key, None)

    def _forget_old(self, now: float) -> None:
        """Keep no counter that nobody will ask for: keys come and go."""
        for key in [each for each, (_, until) in self._counters.items() if now >= until]:
            del self._counters[key]


@dataclass(frozen=True, slots=True)
class Count:
    """A counter after something was added."""

    total: int
    reset_at: float


class Counters:
    """Counters that outlast an outage of where they are kept."""

    def __init__(self, shared: Storage | None, clock: Callable[[], float]) -> None:
        self._shared = shared
        self._own = ProcessStorage(clock)
        self._clock = clock
        self._alone_until = 0.0

    @property
    def is_shared(self) -> bool:
        """Whether other processes count with us."""
        return self._shared is not None

    def now(self) -> float:
        """Return the time that they go by."""
        return self._clock()

    def add(self, key: str, amount: int, expiry_s: int) -> Count:
        """Add to a counter, which is forgotten ``expiry_s`` seconds after it began."""

        def count(storage: Storage) -> Count:
            total = storage.incr(key, expiry_s, amount) if amount else storage.get(key)
            reset_at = storage.get_expiry(key) if total else self._clock()
            return Count(total, reset_at)

        if self._shared is not None and self._clock() >= self._alone_until:
            try:
                return count(self._shared)
            except StorageError as fault:
                self._alone_until = self._clock() + _RETRY_S
                cause = type(fault.storage_error).__name__
                _logger.error("limits_storage_failed", extra={"fault": cause, "retry_s": _RETRY_S})
        return count(self._own)


def open_storage(address: str) -> Storage | None:
    """Open the storage that a setting names; None: this process alone.

    Raises `ValueError` that says what is wrong. It is not asked anything yet.
    """
    if address == IN_PROCESS:
        return None
    scheme, separator, _ = address.partition("://")
    if not separator or scheme not in SCHEMES:
        known = "redis://HOST:6379, rediss://…, valkey://…"
        raise ValueError(f"write `{IN_PROCESS}`, or the address of a shared storage: {known}.")
    package = "valkey" if scheme.startswith("valkey") else "redis"
    try:
        storage = storage_from_string(
            address,
            wrap_exceptions=True,
            socket_timeout=_LONGEST_WAIT_S,
            socket_connect_timeout=_LONGEST_WAIT_S,
        )
    except ConfigurationError as fault:
        cure = f"pip install 'antiphon[{package}]'"
        raise ValueError(f"{scheme}:// needs the package `{package}`: {cure}.") from fault
    except Exception as fault:
        # Drivers read addresses in ways of their own, and tell by whichever exception.
        raise ValueError(f"the address cannot be used ({type(fault).__name__}).") from fault
    if not isinstance(storage, Storage):
        raise ValueError(f"{scheme}:// cannot be used here.")
    return storage
