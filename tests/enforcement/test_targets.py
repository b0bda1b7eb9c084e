"""Whose means are meant."""

from gateway.enforcement.targets import NONE, Means, Targets
from gateway.enforcement.webhook import Webhook


def means(name: str) -> Means:
    return Means(control=Webhook(name, "http://127.0.0.1", "", clock=lambda: 0.0, rfc3339=str, version=""))


def test_an_agent_is_meant_by_its_id_before_its_name_and_by_the_first_pattern() -> None:
    one, two, three = means("one"), means("two"), means("three")
    targets = Targets({"agt_1": one, "billing-*": two, "*": three})
    assert targets.of("agt_1", "billing-x") is one
    assert targets.of("agt_2", "billing-x") is two
    assert targets.of("agt_2", "other") is three
    assert targets.of("agt_2", None) is None
    assert targets and targets.named


def test_what_an_agent_calls_itself_is_no_id() -> None:
    targets = Targets({"agt_1": means("one")})
    assert targets.of("agt_2", "agt_1") is None and not targets.named and targets
    assert not NONE and NONE.of("agt_1", "x") is None
