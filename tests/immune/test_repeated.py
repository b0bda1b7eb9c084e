"""Loops that are too short to be stopped, in ever new conversations."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from gateway.immune import constants as k
from gateway.immune.finding import Finding
from gateway.immune.lifecycle import Health, decide
from gateway.immune.moves import stepped
from gateway.immune.record import new_record
from gateway.immune.repeated import METRIC, heard
from gateway.immune.settings import Immune
from gateway.immune.state import Watched, dump, load
from gateway.immune.watched import watch
from tests.immune.exchanges import exchange
from tests.immune.made import finding


def loop(conversation: str | None, **more: Any) -> Finding:
    detail = {"tool": "get_time", "count": 4}
    return replace(finding("tool_loop", "identical_calls", detail=detail), conversation=conversation, **more)


def told(state: Watched, conversation: str, count: int) -> bool:
    state.conversations = count
    return any(one.metric == METRIC for one in heard(state, loop(conversation)))


def test_three_conversations_of_ten_with_loops_are_a_finding() -> None:
    state = Watched()
    assert [told(state, f"talk {n}", n) for n in (1, 5, 10)] == [False, False, True]
    state = load(dump(state))
    assert not told(state, "talk 10", 10) and told(state, "talk 11", 11)
    (_, again) = heard(state, replace(loop("talk 12"), at=5.0))
    assert (again.type, again.hard, again.at) == ("tool_loop", False, 5.0)
    assert again.detail == {"conversations": 3, "of": 2, "tool": "get_time"}


def test_seldom_ones_and_those_of_one_conversation_are_not() -> None:
    state = Watched()
    assert not any(told(state, f"talk {n}", n) for n in range(0, 100, 5))
    assert not any(told(state, "one", n) for n in range(100, 110))
    hard = loop("x", hard=True)
    for one in (hard, loop(None), finding("new_client")):
        assert heard(state, one) == (one,)
    assert len(state.looped) == k.LOOPS
    state.rebase()
    assert not state.looped


def lived(share: float, conversations: int, seed: int, settings: Immune | None = None) -> Counter[str]:
    """Conversations of six calls, of which this share holds a loop of five."""
    draw, record, done, place = random.Random(seed), new_record("agt_1", 0.0), Counter[str](), 0
    for talk in range(conversations):
        loops = talk > 10 and draw.random() < share
        for turn in range(6):
            one = exchange(place, conversation=f"talk {talk}", turn=turn + 1)
            place += 1
            told: list[tuple[tuple[Finding, ...], bool]] = [(watch(record.state, one), True)]
            if loops and turn == 4:
                told.append((heard(record.state, loop(f"talk {talk}")), False))
            for found, call in told:
                health = Health(record.state.warm, record.state.calls, agents=20)
                record.course, steps = decide(
                    record.life, record.course, found, health, settings or Immune(), now=one.time, call=call
                )
                for step in steps:
                    done[step.state or step.do] += 1
                    record.life = stepped(record.life, step, one.time)
                    if step.state == "DRAINING":
                        return done
        done["throttled"] += record.course.throttled
    return done


def test_an_agent_that_loops_in_every_conversation_is_throttled_at_the_third() -> None:
    done = lived(1.0, 14, 1)
    assert (done["throttle"], done["DRAINING"]) == (1, 0)
    assert lived(1.0, 40, 1)["throttled"] >= 27
    assert lived(1.0, 14, 1, Immune(sigma_action="quarantine"))["DRAINING"] == 1
    assert lived(1.0, 14, 1, Immune(sigma_action="approve"))["ask"] == 1


@pytest.mark.exhaustive
@pytest.mark.parametrize(("share", "most"), [(0.0, 0), (0.01, 2)])
def test_an_agent_with_a_loop_now_and_then_is_not(share: float, most: int) -> None:
    """Of real agents less than one conversation of a hundred holds a loop; see `test_loops`."""
    done = sum((lived(share, 300, seed) for seed in range(8)), Counter())
    print(done)
    assert done["DRAINING"] == 0 and done["throttle"] <= most
