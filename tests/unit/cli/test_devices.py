from antiphon.cli.devices import Playback


def test_sound_is_played_in_order_and_padded_with_silence() -> None:
    playback = Playback()
    playback.play("a", b"\1\1")
    playback.play("a", b"\2\2\2\2")
    assert playback.fill(4) == b"\1\1\2\2"
    assert playback.fill(4) == b"\2\2\0\0"
    assert playback.fill(2) == b"\0\0"


def test_stopping_tells_how_much_of_the_message_was_heard() -> None:
    playback = Playback()
    playback.play("a", bytes(48 * 500))
    playback.fill(48 * 120)
    assert playback.stop() == ("a", 120)
    assert playback.fill(2) == b"\0\0"
    assert playback.stop() is None


def test_each_message_is_counted_by_itself() -> None:
    playback = Playback()
    playback.play("a", bytes(48 * 100))
    playback.play("b", bytes(48 * 500))
    playback.fill(48 * 150)
    assert playback.stop() == ("b", 50)


def test_what_has_been_heard_to_the_end_cannot_be_stopped() -> None:
    playback = Playback()
    playback.play("a", bytes(48))
    playback.fill(96)
    assert playback.stop() is None
