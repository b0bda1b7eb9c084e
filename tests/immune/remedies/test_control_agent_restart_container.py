from gateway.immune.remedies.control_agent import CONTROL_AGENT
from gateway.immune.remedies.restart_container import RESTART_CONTAINER
from gateway.immune.remedy import Patient


def test_executors_are_used_where_there_are_any() -> None:
    patient = Patient("agt_1", executors=frozenset({"control_agent"}))
    control, restart = CONTROL_AGENT.prescribe(patient), RESTART_CONTAINER.prescribe(patient)
    assert control is not None and control.once == ("control_agent",) and control.idle
    assert restart is None
