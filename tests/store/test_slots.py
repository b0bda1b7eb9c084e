import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store.keys import Keys
from gateway.store.slots import SLOTS, first_key, read_slots, slot_of


def test_a_slot_is_that_of_the_hash_tag() -> None:
    assert slot_of("123456789") == 0x31C3  # the example of the specification
    assert slot_of("leuko:agent:{a}") == slot_of(b"x{a}y") == slot_of("a")
    assert slot_of("{}a") != slot_of("a")


@given(st.text())
def test_every_text_has_a_slot(key: str) -> None:
    assert 0 <= slot_of(key.encode("utf-8", "replace")) < SLOTS


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("GET", "k"), "k"),
        (("get", b"k"), b"k"),
        (("EVALSHA", "0" * 40, 2, "k", "l"), "k"),
        (("eval", "return 1", 1, b"k"), b"k"),
        (("XREAD", "COUNT", 1, "STREAMS", "k", "0"), "k"),
        (("XREADGROUP", "GROUP", "g", "c", "streams", "k", ">"), "k"),
        (("XINFO", "STREAM", "k"), "k"),
        (("PING",), ""),
        (("EVAL", "return 1", 0), ""),
        (("SELECT", 1), "1"),
    ],
)
def test_the_first_key_of_a_command_is_found(command: tuple[str | bytes | int, ...], key: str | bytes) -> None:
    assert first_key(command) == key


def test_a_map_is_read_with_what_nodes_leave_out() -> None:
    reply = [[10, 16383, [b"h2", 7001, b"id"]], [0, 9, [b"", 7000, b"id"], [b"replica", 7005, b"id"]]]
    assert read_slots(reply, ("h1", 1)) == ((0, 9, ("h1", 7000)), (10, 16383, ("h2", 7001)))
    assert read_slots([[0, 1, [b"?", 7000]]], ("h1", 1)) == ((0, 1, ("h1", 7000)),)
    assert read_slots([], ("h1", 1)) == ()


@pytest.mark.parametrize(
    "reply", [None, 7, [[]], [[0, 1]], [[0, 99999, [b"h", 1]]], [[5, 1, [b"h", 1]]], [[0, 1, [7, 1]]]]
)
def test_anything_else_is_no_map(reply: object) -> None:
    with pytest.raises(ValueError, match="map of slots"):
        read_slots(reply, ("h1", 1))


def test_an_agents_keys_lie_together() -> None:
    keys = Keys()
    assert slot_of(keys.agent("agt_1")) == slot_of("x:{agt_1}")
