import pytest

from gateway.immune.calls import KEPT_CALLS, Trail, dump, followed, forgotten, load
from gateway.immune.loops import looping
from gateway.model.transcript import MadeCall, Said, Transcript


def test_results_without_ids_belong_to_the_calls_before_them() -> None:
    said, calls = [Said("user", "go")], []
    for number in range(4):
        calls.append(MadeCall("A", {}, None, len(said)))
        said.append(Said("tool", f"{number} left", "A"))
    trail, fresh = followed(Transcript(tuple(said), tuple(calls)), lambda said: False)
    assert fresh == 1 and looping(trail, fresh) is None and len({call.key for call in trail.calls}) == 4


def test_a_chain_of_requests_is_one_conversation() -> None:
    trail, found = Trail(), []
    for number in range(200):
        call = MadeCall("A", {}, f"c{number}", 0)
        trail, fresh = followed(
            Transcript((Said("tool", "same", "A", f"c{number}"),), (call,)), lambda said: False, trail=load(dump(trail))
        )
        loop = looping(trail, fresh)
        found.append(loop and loop.blocks)
    assert found[:7] == [None, None, None, False, False, True, True]
    assert (len(trail.calls), trail.dropped) == (KEPT_CALLS, 200 - KEPT_CALLS)
    assert len(dump(trail)) <= 8 * 1024
    assert looping(forgotten(trail)) is None


def test_a_trail_of_another_format_is_not_read() -> None:
    with pytest.raises(ValueError, match="format 9"):
        load(b'[9,[],0,0,""]')
