import re
from typing import Any

import pytest

from gateway.policy.errors import PolicyError
from gateway.policy.parsing.constraints import read_constraints
from gateway.policy.parsing.place import Place

HERE = Place("ops.yaml", "x")


def nested(levels: int) -> dict[str, Any]:
    return {"items": nested(levels - 1)} if levels else {}


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"const": None},
        {"const": {"a": [1]}},
        {"enum": ["web", 1, None, [2]]},
        {"type": "string", "min_length": 0, "max_length": 200},
        {"type": ["string", "null"], "pattern": "[a-z]+"},
        {"type": "array", "min_length": 1, "items": {"type": "string"}},
        {"type": "object", "properties": {"to": {"provenance": ["user"]}, "note": {}}},
        {"type": "number", "minimum": 0.01, "maximum": 500, "sum_max": {"value": 2000, "per": "day"}},
        {"type": "integer", "minimum": 1, "maximum": 1},
        {"not_pattern": "(?i)(password|token|secret|key)"},
        {"path_in": ["/sim/**", "/srv/data/..hidden/*", "/**", "/", ".", "/sim/", "./**", "src/*.py", "*"]},
        {"type": "array", "path_in": ["/sim/**"], "items": {}},
        {"host_in": ["*.example.com", "localhost", "192.0.2.1", "2001:db8::1", "API.example.com"]},
        {"command": {"allow": ["cat", "g++", "x86_64-linux-gnu-ld.gold"], "paths": ["/sim/**"]}},
        {"command": {"allow": ["date", "/usr/local/bin/tool"]}},
        {"provenance": ["user", "model", "untrusted", "tool:get_contacts"]},
        {"from_step": {"tool": "get_invoice", "path": "$.iban"}},
        {"from_step": {"tool": "get_invoice", "path": "$.items[0]['a b'][*].größe"}},
        nested(9),
    ],
)
def test_constraints_are_kept_as_written(written: dict[str, Any]) -> None:
    assert read_constraints(HERE, written) == written


def test_an_argument_without_constraints_may_be_anything() -> None:
    assert read_constraints(HERE, None) == {}
    assert read_constraints(HERE, {"type": None}) == {"type": "null"}
    assert read_constraints(HERE, {"items": None, "properties": {"a": None}}) == {"items": {}, "properties": {"a": {}}}


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("string", "x: is 'string'; allowed: a mapping"),
        ({"maxLength": 3}, "x.maxLength: is not known; did you mean max_length?"),
        ({"format": "email"}, "x.format: is not known; allowed: const, enum, type"),
        ({"const": float("inf")}, "x.const: is inf"),
        ({"enum": []}, "x.enum: is []; allowed: a list of 1 to 1000 values"),
        ({"enum": "web"}, "x.enum: is 'web'; allowed: a list"),
        ({"type": "text"}, "x.type: is 'text'; allowed: string, number"),
        ({"type": []}, "x.type: is []; allowed: a list of 1"),
        ({"type": ["string", "strin"]}, "x.type[1]: is 'strin'; allowed: string, number, integer, boolean"),
        ({"minimum": "0"}, "x.minimum: is '0'; allowed: a number"),
        ({"minimum": 2, "maximum": 1}, "x.minimum: is 2, more than `maximum`, which is 1"),
        ({"min_length": 2, "max_length": 1}, "x.min_length: is 2, more than `max_length`, which is 1"),
        ({"max_length": -1}, "x.max_length: is -1; allowed: a whole number from 0"),
        ({"pattern": "("}, "x.pattern: is '(', no pattern of RE2"),
        ({"not_pattern": "(?!a)"}, "x.not_pattern: is '(?!a)', no pattern of RE2"),
        ({"path_in": "/sim"}, "x.path_in: is '/sim'; allowed: a list"),
        ({"path_in": ["/sim/../etc"]}, "x.path_in[0]: is '/sim/../etc'; allowed: a path without"),
        ({"path_in": ["/sim/.."]}, "x.path_in[0]: is '/sim/..'; allowed: a path without"),
        ({"path_in": ["/sim//a"]}, "x.path_in[0]: is '/sim//a'; allowed: a path without"),
        ({"path_in": ["/sim/."]}, "x.path_in[0]: is '/sim/.'; allowed: a path without"),
        ({"path_in": ["//"]}, "x.path_in[0]: is '//'; allowed: a path without"),
        ({"path_in": ["a\\b"]}, "allowed: a path without control characters and backslashes"),
        ({"path_in": ["./"]}, "x.path_in[0]: is './'; allowed: a path without"),
        ({"path_in": ["~/x"]}, "x.path_in[0]: is '~/x'; allowed: a path without"),
        ({"path_in": ["$HOME/x"]}, "x.path_in[0]: is '$HOME/x'; allowed: a path without"),
        ({"path_in": ["/a\0"]}, "x.path_in[0]: is '/a\\x00'; allowed"),
        ({"host_in": ["https://example.com"]}, "x.host_in[0]: is 'https://example.com'; allowed: a host such as"),
        ({"host_in": ["a..b"]}, "x.host_in[0]: is 'a..b'; allowed: a host"),
        ({"host_in": ["*"]}, "x.host_in[0]: is '*'; allowed: a host"),
        ({"command": ["cat"]}, "x.command: is ['cat']; allowed: a mapping"),
        (
            {"command": {"paths": ["/sim"]}},
            "x.command.allow: is missing; allowed: a list of 1 to 1000 names of programs",
        ),
        ({"command": {"allow": ["bin/cat"]}}, "x.command.allow[0]: is 'bin/cat'; allowed: the name of a program"),
        ({"command": {"allow": ["/bin/../cat"]}}, "x.command.allow[0]: is '/bin/../cat'; allowed: the name of"),
        ({"command": {"allow": ["cat"], "path": ["/"]}}, "x.command.path: is not known; did you mean paths?"),
        ({"provenance": "user"}, "x.provenance: is 'user'; allowed: a list"),
        ({"provenance": ["person"]}, "x.provenance[0]: is 'person'; allowed: user, model, untrusted or tool:NAME"),
        ({"provenance": [["user"]]}, "x.provenance[0]: is ['user']; allowed: user"),
        ({"provenance": ["tool:"]}, "x.provenance[0]: is ''; allowed: up to 200"),
        ({"from_step": {"tool": "t"}}, "x.from_step.path: is missing"),
        ({"from_step": {"path": "$"}}, "x.from_step.tool: is missing"),
        ({"from_step": {"tool": "t", "path": "iban"}}, "x.from_step.path: is 'iban'; allowed: a path such as $.iban"),
        ({"from_step": {"tool": "t", "path": "$..iban"}}, "x.from_step.path: is '$..iban'"),
        ({"sum_max": 2000}, "x.sum_max: is 2000; allowed: a mapping"),
        ({"sum_max": {"value": -1, "per": "day"}}, "x.sum_max.value: is -1; allowed: a number from 0"),
        ({"sum_max": {"value": 1}}, "x.sum_max.per: is missing; allowed: hour, day, month, conversation"),
        ({"sum_max": {"value": 1, "per": "days"}}, "did you mean day?"),
        ({"type": "string", "minimum": 1}, "x.minimum: is about number and integer, and `type` is string"),
        ({"type": ["number", "null"], "pattern": "a"}, "x.pattern: is about string, and `type` is number, null"),
        ({"items": {"itmes": {}}}, "x.items.itmes: is not known; did you mean items?"),
        ({"properties": {"a": {"enum": []}}}, "x.properties.a.enum: is []"),
        (nested(10), "has more than 10 levels of `items` and `properties`"),
    ],
)
def test_every_other_constraint_is_refused(written: object, says: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(says)):
        read_constraints(HERE, written)
