from typing import Any

import pytest

from gateway.policy.advice import advice
from gateway.policy.document import parse

CASES = [{"call": {"tool": "t"}, "expect": "allow"}]


def advised(**members: Any) -> list[tuple[str, str]]:
    document = parse({"name": "ops", "cases": CASES, **members}, "x")
    return list(advice(document.clauses, document.match))


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({}, []),
        ({"allow": ["read *"], "deny": ["delete *"]}, []),
        ({"cases": []}, []),
        ({"allow": ["read *"], "cases": []}, [("cases", "is missing: examples")]),
        (
            {"allow": ["drop:table"], "always_blocked": ["drop *"]},
            [("allow[0]", "drop:table is never allowed: always_")],
        ),
        ({"allow": ["drop *"], "always_blocked": ["drop:table"]}, []),
        ({"match": {"agents": ["sre-*", "agt_*"]}, "deny": ["drop *"]}, []),
        (
            {"match": {"agents": ["sre-1", "agt_7QAB"]}, "deny": ["drop *"]},
            [("match.agents[1]", "an agent without a key of the gateway can become another one")],
        ),
        (
            {"modes": {"E": {"allow": ["stop"]}}, "deny": ["*"]},
            [("modes.E.allow[0]", "stop is never allowed: deny[0] de")],
        ),
        ({"allow": ["read:file"], "deny": [{"action": "read:file", "resource": "a/*"}]}, []),
        ({"tools": {"t": {"effect": "write"}}}, [("tools.t.arguments", "is missing: any arguments are allowed")]),
        ({"tools": {"t": {"effect": "read"}}}, []),
        ({"immune": {"mode": "warn"}, "loops": {}}, []),
        (
            {"enforcement": "shadow", "immune": {"mode": "warn"}, "loops": {}},
            [("immune", "watches nobody while"), ("loops", "watches nobody while")],
        ),
        ({"new_tools": "hold", "tools": {"t": {"grant": "required"}, "u": {"intent": "required"}}}, []),
        ({"tools": {"t": {"effect": "write", "arguments": {"a": {"type": "string"}}}}}, []),
        (
            {"tools": {"t": {"arguments": {"c": {"command": {"allow": ["cat", "bash"]}}}}}},
            [
                ("tools.t.arguments.c.command.paths", "is missing: commands may name any path"),
                ("tools.t.arguments.c.command.allow[1]", "bash is never allowed: it "),
            ],
        ),
        ({"tools": {"t": {"arguments": {"c": {"command": {"allow": ["cat"], "paths": ["/a/**"]}}}}}}, []),
    ],
)
def test_what_is_seldom_meant_is_pointed_out(members: dict[str, Any], found: list[tuple[str, str]]) -> None:
    given = advised(**members)
    assert [place for place, _ in given] == [place for place, _ in found]
    assert all(text.startswith(says) for (_, text), (_, says) in zip(given, found, strict=True))
