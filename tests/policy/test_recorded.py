"""What is kept of a judged call."""

from gateway.model.agent import Agent
from gateway.model.ask import OfferedTool
from gateway.model.transcript import Said, Transcript
from gateway.policy.question import Facts, Question
from gateway.policy.recorded import RecordedCall, modes_of
from gateway.policy.verdict import Verdict
from gateway.store.modes import ModesInForce

ASKED = Question("send", {"to": "a"})
SAID = Verdict(True, "ops/allow/0")
SEND, OTHER = (OfferedTool(name, "function", {}) for name in ("send", "other"))


def facts(tools: dict[str, OfferedTool] | None) -> Facts:
    return Facts(Agent("agt_1"), 5.0, {"ops": "NORMAL"}, tools, Transcript((Said("user", "hello"),)))


def test_of_the_tools_offered_the_called_one_is_kept_and_nothing_of_the_conversation() -> None:
    call = RecordedCall.of(ASKED, facts({"send": SEND, "other": OTHER}), SAID, "req_1", "cnv_1")
    assert (call.question, call.verdict, call.tools, call.time) == (ASKED, SAID, {"send": SEND}, 5.0)
    assert "hello" not in repr(call)
    assert RecordedCall.of(ASKED, facts({"other": OTHER}), SAID, None, None).tools == {}
    assert RecordedCall.of(ASKED, facts(None), SAID, None, None).tools is None


def test_modes_become_plain_values_with_what_other_documents_have() -> None:
    assert modes_of({"ops": "NORMAL"}) == {"ops": "NORMAL"}
    assert modes_of(ModesInForce(None, {"ops": "A"}, "B")) == {"ops": "A", "*": "B"}
    assert modes_of(ModesInForce("C", {"ops": "A"}, "B")) == {"ops": "C", "*": "C"}
