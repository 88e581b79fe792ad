"""API keys that this user's servers accept: names, dates and hashes in a file of the user alone."""

import hashlib
import os
import re
import secrets
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import platformdirs

from antiphon.config.sources import Problem, SettingsError

KEY_PREFIX = "ak-"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LARGEST_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is kept of a key; the key itself is not."""

    name: str
    sha256: str
    created: str
    """ISO date."""


class KeyStore:
    """The file of hashed keys. A running server reads it once, at its start."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or platformdirs.user_config_path("antiphon") / "keys.toml"

    def stored(self) -> list[StoredKey]:
        """Return all keys, oldest first. Raises `SettingsError` when the file is unusable."""
        try:
            content = self.path.read_bytes()[:_LARGEST_FILE_BYTES]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unusable(f"cannot be read ({error.strerror})") from error
        try:
            table = tomllib.loads(content.decode())
            return [self._key(name, entry) for name, entry in table.items()]
        except (UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError, KeyError) as error:
            raise self._unusable("holds something else than keys") from error

    def digests(self) -> frozenset[str]:
        """Return the SHA-256 of every key."""
        return frozenset(each.sha256 for each in self.stored())

    def create(self, name: str) -> str:
        """Make a key, store its hash, and return it: it cannot be shown again.

        Raises `ValueError` when the name is taken or unusable.
        """
        present = self.stored()
        if not _NAME.fullmatch(name):
            raise ValueError("A name has 1 to 64 letters, digits, '-', '_' and '.'.")
        if any(each.name == name for each in present):
            raise ValueError(f"There is a key named '{name}' already. Choose another name.")
        key = KEY_PREFIX + secrets.token_urlsafe(32)
        today = datetime.now(UTC).date().isoformat()
        self._write([*present, StoredKey(name, digest(key), today)])
        return key

    def revoke(self, name: str) -> bool:
        """Forget a key; False: there is none with this name."""
        present = self.stored()
        kept = [each for each in present if each.name != name]
        if len(kept) == len(present):
            return False
        self._write(kept)
        return True

    def _write(self, keys: Iterable[StoredKey]) -> None:
        text = (
            "# API keys that Antiphon accepts, as SHA-256. Written by `antiphon keys`.\n"
            + "".join(
                f'\n["{key.name}"]\nsha256 = "{key.sha256}"\ncreated = "{key.created}"\n'
                for key in keys
            )
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # A reader sees the old file or the new one, never a part; mkstemp makes it the user's own.
        descriptor, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".keys-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
                opened.write(text)
            Path(temporary).replace(self.path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _key(self, name: str, entry: object) -> StoredKey:
        if not isinstance(entry, dict):
            raise TypeError(name)
        fields = cast("dict[str, object]", entry)
        sha256, created = fields["sha256"], fields.get("created", "")
        if not isinstance(sha256, str) or not _DIGEST.fullmatch(sha256):
            raise TypeError(name)
        return StoredKey(name, sha256, created if isinstance(created, str) else "")

    def _unusable(self, reason: str) -> SettingsError:
        cure = "Correct or delete it, then create keys with `antiphon keys create`."
        return SettingsError([Problem(f"The file of keys {reason}. {cure}", str(self.path))])


def digest(key: str) -> str:
    """Return the SHA-256 of a key in hexadecimal digits, as it is stored and compared."""
    # Spec: keys are 256 random bits, so there is nothing that a slow hash would protect.
    return hashlib.sha256(key.encode()).hexdigest()
