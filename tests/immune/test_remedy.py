from gateway.immune.remedy import Patient
from tests.immune.made import finding


def test_the_findings_name_the_tools_that_are_suspect() -> None:
    found = (finding("tool_loop", detail={"tool": "a"}), finding("unsanctioned_call", detail={"tool": "b"}))
    assert Patient("agt_1", (*found, finding("cost_spike", detail={"tool": ""}))).suspect_tools == {"a", "b"}
