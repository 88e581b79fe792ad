import hashlib
import stat
from pathlib import Path

import pytest

from antiphon.config import KeyStore, SettingsError


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "deep" / "keys.toml")


def test_there_are_no_keys_without_a_file(store: KeyStore) -> None:
    assert store.stored() == []


def test_a_key_is_stored_as_its_hash_alone(store: KeyStore) -> None:
    key = store.create("bob")
    assert store.digests() == {hashlib.sha256(key.encode()).hexdigest()}
    assert key not in store.path.read_text()
    assert [each.name for each in store.stored()] == ["bob"]


def test_the_file_belongs_to_its_owner_alone(store: KeyStore) -> None:
    store.create("bob")
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_keys_differ_and_keep_their_order(store: KeyStore) -> None:
    keys = {store.create(name) for name in ("b", "a.b", "c-d")}
    assert len(keys) == 3
    assert [each.name for each in store.stored()] == ["b", "a.b", "c-d"]


def test_a_revoked_key_is_gone(store: KeyStore) -> None:
    store.create("bob")
    store.create("eve")
    assert store.revoke("eve")
    assert not store.revoke("eve")
    assert [each.name for each in store.stored()] == ["bob"]


@pytest.mark.parametrize("name", ["", "a b", 'x"', "a\nb", "é", "x" * 65])
def test_a_name_is_plain(store: KeyStore, name) -> None:
    with pytest.raises(ValueError, match="1 to 64 letters"):
        store.create(name)


def test_a_name_is_taken_once(store: KeyStore) -> None:
    store.create("bob")
    with pytest.raises(ValueError, match="already"):
        store.create("bob")


@pytest.mark.parametrize(
    "content", [b"\xff", b"[x", b"a = 1", b"[a]\nsha256 = 1", b"[a]\nsha256 = 'short'", b"[a]"]
)
def test_a_spoilt_file_is_named_with_its_cure(store: KeyStore, content) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(content)
    with pytest.raises(SettingsError, match="antiphon keys create"):
        store.digests()
