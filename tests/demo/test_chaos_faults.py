from typing import get_args

from gateway.demo.chaos_faults import FAULTS
from gateway.demo.simulated_behaviour import WELL
from gateway.demo.simulated_roles import RISKY, ROLES
from gateway.immune.finding import FindingType


def test_every_fault_makes_a_difference_and_expects_what_a_gateway_can_find() -> None:
    for name, fault in FAULTS.items():
        assert fault.name == name and fault.behaviour != WELL
        assert fault.findings <= set(get_args(FindingType))
        assert fault.findings or fault.everybody
        assert fault.denied in (None, RISKY) and fault.denied not in {role.tool for role in ROLES}


def test_there_is_a_fault_of_each_kind() -> None:
    kinds = {"token", "latency", "tool", "retry", "error", "prompt", "injection", "evasion", "outage"}
    assert set(FAULTS) == kinds
