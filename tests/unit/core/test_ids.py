import re

from antiphon.core.ids import Ids


def test_ids_look_like_the_hosted_services() -> None:
    ids = Ids(b"seed")
    drawn = [
        ids.event(),
        ids.item(),
        ids.response(),
        ids.session(),
        ids.conversation(),
        ids.call(),
    ]
    for prefix, drawn_id in zip(
        ("event", "item", "resp", "sess", "conv", "call"), drawn, strict=True
    ):
        length = 16 if prefix == "call" else 21
        assert re.fullmatch(rf"{prefix}_[0-9A-Za-z]{{{length}}}", drawn_id)


def test_ids_follow_from_the_seed_alone() -> None:
    one, same, other = Ids(b"a"), Ids(b"a"), Ids(b"b")
    first = [one.item() for _ in range(100)]
    assert first == [same.item() for _ in range(100)]
    assert not set(first) & {other.item() for _ in range(100)}
    assert len(set(first)) == 100


def test_a_long_seed_is_cut_to_what_a_key_may_be() -> None:
    assert Ids(b"x" * 65).item() == Ids(b"x" * 64).item()
