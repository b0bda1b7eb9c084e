from typing import Any

from gateway.model.transcript import MadeCall
from gateway.policy.clauses import Loops, Sequence
from tests.support.policies import NOW, Remembered, document, judge, patterns, rules, said, tool


def test_the_same_call_again_and_again_is_recorded_and_then_denied() -> None:
    on = document(default="allow", loops=Loops(3, 10, 5), tools=[tool("poll", polling=True)])
    assert rules(on).needs_transcript
    same = {"q": 1}

    def after(times: int, name: str = "search") -> Any:
        return judge(on, name, same, transcript=said(calls=[MadeCall(name, {"q": 1})] * times))

    assert after(1).shadowed == () and [pair[0] for pair in after(2).shadowed] == ["ops/loops"]
    assert after(3).allowed and (after(4).allowed, after(4).rule) == (False, "ops/loops")
    assert after(9, "poll").allowed and after(9, "poll").shadowed == ()
    assert judge(on, "search", {"q": 2}, transcript=said(calls=[MadeCall("search", same)] * 9)).allowed


AFTER = Sequence(*patterns("read:secrets", "send:*"), within=3600.0, reason="no sending after reading secrets")


def test_a_sequence_denies_for_a_while_and_has_the_first_action_remembered() -> None:
    on = rules(document(default="allow", sequence=[AFTER]))
    assert [(key.key, key.period, key.amount) for key in on.memory_keys] == [("ops:sequence:0", "hour", 0.0)]
    assert on.needs_memory and not on.idle
    assert judge(on, "read_secrets", memory=Remembered()).counts == on.memory_keys
    assert judge(on, "send_mail", memory=Remembered()).allowed
    denied = judge(on, "send_mail", memory=Remembered({"ops:sequence:0": NOW - 3599}))
    assert (denied.rule, denied.reason) == ("ops/sequence/0", "no sending after reading secrets")
    assert judge(on, "send_mail", memory=Remembered({"ops:sequence:0": NOW - 3600})).allowed
    assert judge(on, "send_mail", memory=None).rule == "ops/sequence/0"
    assert judge(on, "paint", memory=None).allowed


def test_sequences_are_remembered_as_long_as_they_reach_and_name_themselves_without_a_reason() -> None:
    both = patterns("read *", "send *")
    on = rules(document(sequence=[Sequence(*both, within) for within in (86_400.0, 86_401.0)]))
    assert [key.period for key in on.memory_keys] == ["day", "month"]
    memory = Remembered({"ops:sequence:0": NOW, "ops:sequence:1": NOW})
    assert judge(on, "send_it", memory=memory).reason == "send * is denied after read *"
