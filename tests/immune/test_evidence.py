from typing import get_args

from gateway.immune.evidence import KINDS, deviation, is_severe, is_shared, leading, needs_person, own
from gateway.immune.finding import FindingType
from tests.immune.made import finding


def test_every_type_has_a_kind() -> None:
    assert set(KINDS) == set(get_args(FindingType))


def test_what_a_provider_causes_says_nothing_about_the_agent() -> None:
    slow, loop, tools = finding("latency_spike"), finding("tool_loop"), finding("error_rate_spike", "tool_errors")
    assert own([slow, loop, tools], external=True) == (loop, tools)
    assert own([slow, loop, tools], external=False) == (slow, loop, tools)
    assert is_shared(slow) and is_shared(finding("error_rate_spike")) and not is_shared(tools)


def test_a_new_client_is_only_told() -> None:
    assert own([finding("new_client")], external=False) == ()


def test_far_off_or_severe_findings_need_a_person() -> None:
    assert not needs_person([finding("cost_spike", deviation=4.99)], 5.0)
    assert needs_person([finding("cost_spike", deviation=5.0)], 5.0)
    assert needs_person([finding("output_token_spike", deviation=-6.0)], 5.0)
    assert needs_person([finding("unsanctioned_call")], 5.0)
    assert not needs_person([finding("tool_loop", hard=True)], 5.0)
    assert needs_person([], 5.0)
    assert is_severe([finding("tool_loop"), finding("identity_evasion")])


def test_the_leading_finding_says_most() -> None:
    near, far = finding("cost_spike", deviation=4.5), finding("latency_spike", deviation=-9.0)
    hard = finding("tool_loop", hard=True)
    assert leading([near, far]) is far
    assert leading([near, hard, far]) is hard
    assert leading([]) is None and deviation([]) == 0.0
