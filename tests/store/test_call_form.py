"""Recorded requests and calls as JSON."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.agent import Agent
from gateway.model.ask import OfferedTool
from gateway.policy.question import Question
from gateway.policy.recorded import RecordedCall, RecordedRequest
from gateway.policy.verdict import Verdict
from gateway.store.call_form import COVERED, LARGEST, cover, packed, unpacked

AGENT = Agent("agt_1", True, name="worker", owner_team="platform", environment="prod", credential_id="crd_1")
TOOL = OfferedTool("send", "function", {"type": "function", "function": {"name": "send"}}, "mail")


def same(text: str) -> str:
    return text


def test_a_call_is_read_as_it_was_written() -> None:
    verdict = Verdict(False, "ops/deny/0", "no mail", mode="NORMAL", policy="ops@3")
    call = RecordedCall(
        Question("send", {"to": ["a", 1, 0.5, None, {"x": True}]}, "function", "mail", 30, "send:mail", "a"),
        AGENT,
        1.5,
        {"ops": "NORMAL", "*": "EMERGENCY"},
        {"send": TOOL},
        verdict,
        "req_1",
        "cnv_1",
    )
    assert unpacked(orjson.loads(packed(call, same))) == call
    for tools in (None, {}):
        one = RecordedCall(Question("send", "text", "custom"), Agent("agt_2"), 2.0, tools=tools)
        assert unpacked(orjson.loads(packed(one, same))) == one


def test_a_request_is_read_as_it_was_written_without_definitions() -> None:
    request = RecordedRequest(AGENT, 1.5, "gpt-4o", (TOOL,), 300, True, {"ops": "NORMAL"}, "req_1")
    found = unpacked(orjson.loads(packed(request, same)))
    assert isinstance(found, RecordedRequest)
    assert found.tools == (OfferedTool("send", "function", {}, "mail"),)
    assert (found.agent, found.model, found.size, found.stream) == (AGENT, "gpt-4o", 300, True)


def test_large_arguments_are_left_out() -> None:
    for size in (0, LARGEST + 1):
        call = RecordedCall(Question("send", {"text": "x" * (LARGEST + 1)}, size=size), AGENT, 1.0)
        found = unpacked(orjson.loads(packed(call, same)))
        assert isinstance(found, RecordedCall) and found.cut and found.question.arguments is None


def test_a_member_that_is_named_like_a_secret_is_covered_wherever_it_is() -> None:
    given = {
        "auth": {"api_key": "x1", "API-token": "x2"},
        "max_tokens": 5,
        "list": [{"passphrase": "x3"}],
        "text": "x4",
    }
    shown = cover(given, same)
    assert shown == {
        "auth": {"api_key": COVERED, "API-token": COVERED},
        "max_tokens": 5,
        "list": [{"passphrase": COVERED}],
        "text": "x4",
    }


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec=None)), inner, max_size=3),
    max_leaves=10,
)


@given(_ANY)
def test_whatever_the_arguments_are_they_can_be_written(arguments: object) -> None:
    call = RecordedCall(Question("\ud800", arguments), Agent("agt_1", name="\udfff"), 1.0)
    assert isinstance(unpacked(orjson.loads(packed(call, same))), RecordedCall)
