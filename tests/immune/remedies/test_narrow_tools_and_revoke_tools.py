from gateway.immune.remedies.narrow_tools import NARROW_TOOLS
from gateway.immune.remedies.revoke_tools import REVOKE_TOOLS
from gateway.immune.remedy import Patient
from tests.immune.made import finding

LOOP = finding("tool_loop", detail={"tool": "search", "count": 6})


def test_only_the_tools_of_better_days_are_left_without_those_that_misbehaved() -> None:
    prescription = NARROW_TOOLS.prescribe(Patient("agt_1", (LOOP,), good_tools=frozenset({"search", "read"})))
    assert prescription is not None and prescription.only_tools == {"read"}
    assert NARROW_TOOLS.prescribe(Patient("agt_1", (LOOP,), good_tools=frozenset({"search"}))) is None


def test_the_tools_that_misbehaved_are_taken_away() -> None:
    odd = finding("cost_spike", detail={"tool": 5})
    prescription = REVOKE_TOOLS.prescribe(Patient("agt_1", (LOOP, odd)))
    assert prescription is not None and prescription.without_tools == {"search"}
    assert REVOKE_TOOLS.prescribe(Patient("agt_1", (odd,))) is None
