"""What all treatments have in common; what each does is in `test_*_*.py`."""

import json
from pathlib import Path

import pytest

import gateway.immune.remedies
from gateway.immune.ladder import LADDERS
from gateway.immune.prescription import members, prescription_of
from gateway.immune.remedies import REMEDIES
from gateway.immune.remedy import Patient, Remedy
from tests.immune.made import finding

ILL = Patient(
    "agt_1",
    (finding("tool_loop", detail={"tool": "search", "count": 6}, hard=True),),
    output_tokens=300,
    conversation="conv",
    good_prompt="p1",
    prompt="p2",
    good_tools=frozenset({"search", "read"}),
    good_model="m1",
    model="m2",
    executors=frozenset({"control_agent", "restart_container"}),
)


def test_every_file_is_a_remedy_of_its_name() -> None:
    files = {path.stem for path in Path(gateway.immune.remedies.__file__).parent.glob("*.py")} - {"__init__"}
    assert {remedy.name for remedy in REMEDIES} == files
    assert len(REMEDIES) == len(files)


def test_every_remedy_is_on_a_ladder() -> None:
    assert {name for ladder in LADDERS.values() for name in ladder} == {remedy.name for remedy in REMEDIES}


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: remedy.name)
def test_every_remedy_does_something_that_can_be_kept_and_taken_away(remedy: Remedy) -> None:
    prescription = remedy.prescribe(ILL)
    assert prescription is not None
    assert prescription.remedies == (remedy.name,)
    assert not prescription.idle or prescription.once
    assert prescription_of(json.loads(json.dumps(members(prescription)))) == prescription


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: remedy.name)
def test_a_remedy_that_knows_too_little_does_nothing_or_what_is_always_right(remedy: Remedy) -> None:
    prescription = remedy.prescribe(Patient("agt_1"))
    assert prescription is None or prescription.only_tools is None
    assert (prescription is None) == (
        remedy.name
        in {"rollback_prompt", "swap_model", "revoke_tools", "narrow_tools", "control_agent", "restart_container"}
    )
