import pytest

from gateway.model.agent import Agent
from gateway.policy.document import Match
from gateway.policy.matching import is_about

AGENT = Agent("agt_1", True, name="sre-1", owner_team="platform", environment="prod")


@pytest.mark.parametrize(
    ("match", "about"),
    [
        (Match(), True),
        (Match(("sre-*",)), True),
        (Match(("agt_1",)), True),
        (Match(("x", "*")), True),
        (Match(("x",)), False),
        (Match((), ("platform",)), True),
        (Match((), ("plat*",)), False),
        (Match((), (), ("prod",)), True),
        (Match(("sre-*",), ("platform",), ("test",)), False),
    ],
)
def test_all_that_a_match_names_must_fit(match: Match, about: bool) -> None:
    assert is_about(match, AGENT) == about
    assert is_about(match, Agent("agt_2")) == (match in (Match(), Match(("x", "*"))))
