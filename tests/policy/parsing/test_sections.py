import re
from typing import Any

import pytest

from gateway.policy.actions import read_pattern
from gateway.policy.clauses import Clauses, Loops, Mode, Models, Sequence, Sizes
from gateway.policy.errors import PolicyError
from gateway.policy.parsing.place import Place
from gateway.policy.parsing.sections import SECTIONS, read_clauses

HERE = Place("ops.yaml", servers=("files",))
CASE = {"call": {"tool": "t"}, "expect": "deny", "mode": "NORMA"}


@pytest.mark.parametrize(
    ("section", "written", "found"),
    [
        ("enforcement", "shadow", True),
        ("enforcement", "enforce", False),
        ("default", "deny", "deny"),
        ("models", {"allow": ["gpt-4o*"], "deny": ["*-preview"]}, Models(("gpt-4o*",), ("*-preview",))),
        ("models", {}, Models()),
        ("always_blocked", ["drop *"], (read_pattern("drop *"),)),
        ("modes", {"NORMAL": {"allow": ["read *"]}, "E": None}, (Mode("NORMAL", (read_pattern("read *"),)), Mode("E"))),
        ("modes", {"X": {"deny": ["a b"], "allow": []}}, (Mode("X", deny=(read_pattern("a b"),)),)),
        (
            "allow",
            [{"action": "read:file", "resource": "a*"}],
            (read_pattern({"action": "read:file", "resource": "a*"}),),
        ),
        ("deny", [], ()),
        ("deny", ["files.read_all"], (read_pattern("files.read_all", ("files",)),)),
        ("execution", "plan_only", "plan_only"),
        ("schema", "enforce", True),
        ("schema", "record", False),
        ("strip_tools", "on", True),
        ("new_tools", "hold", True),
        ("new_tools", "allow", False),
        ("secrets", "redact", "redact"),
        ("sizes", {"request_bytes": 10}, Sizes(10)),
        ("intents", {"mint": "early"}, "early"),
        ("intents", {}, "always"),
        ("loops", {"identical_calls": 3, "window": 8, "block_at": 5}, Loops(3, 8, 5)),
        ("loops", None, Loops(4, 10, 6)),
        (
            "sequence",
            [
                {"after": "read:secrets", "deny": "send:*", "within": "1h", "reason": "no"},
                {"after": "a", "deny": "b", "within": 60},
            ],
            (
                Sequence(read_pattern("read:secrets"), read_pattern("send:*"), 3600, "no"),
                Sequence(read_pattern("a"), read_pattern("b"), 60),
            ),
        ),
        (
            "immune",
            {"mode": "warn", "metrics": {"latency": {"z": 4.3}}},
            {"mode": "warn", "metrics": {"latency": {"z": 4.3}}},
        ),
        (
            "immune",
            {"sigma_action": "approve", "approve_above": 5.0, "drain_seconds": 30},
            {"sigma_action": "approve", "approve_above": 5.0, "drain_seconds": 30},
        ),
        ("cases", [], ()),
    ],
)
def test_every_section_is_read(section: str, written: object, found: object) -> None:
    clauses = read_clauses(HERE, {"name": "ops", section: written})
    assert getattr(clauses, SECTIONS[section][0]) == found


def test_what_is_not_written_has_no_say() -> None:
    assert read_clauses(HERE, {"name": "ops"}) == Clauses()


def test_a_case_may_name_a_mode_of_the_document() -> None:
    (case,) = read_clauses(HERE, {"modes": {"NORMAL": {}}, "cases": [CASE | {"mode": "NORMAL"}]}).cases
    assert case.mode == "NORMAL"


def test_every_section_is_another_clause() -> None:
    assert len({member for member, _ in SECTIONS.values()}) == len(SECTIONS)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"enforcement": "off"}, "enforcement: is 'off'; allowed: shadow, enforce"),
        ({"default": "denied"}, "default: is 'denied'; allowed: allow, deny; did you mean deny?"),
        ({"models": {"allow": []}}, "models.allow: is []; allowed: a list of 1"),
        ({"models": {"allowed": ["a"]}}, "models.allowed: is not known; did you mean allow?"),
        ({"always_blocked": "drop *"}, "always_blocked: is 'drop *'; allowed: a list of 0 to 1000 actions"),
        ({"always_blocked": [3]}, "always_blocked[0]: is 3; allowed: an action such as"),
        ({"allow": []}, "allow: is empty; allowed: at least one action (`default: deny` allows nothing)"),
        ({"deny": [{"action": "a", "resource": 3}]}, "deny[0]: has resource 3; allowed"),
        (
            {"deny": [{"action": "a", "server": "file"}]},
            "the server 'file', which is not configured; did you mean files?",
        ),
        ({"deny": [{"action": "a", "server": "github"}]}, "is not configured; allowed: files"),
        ({"modes": {}}, "modes: is {}; allowed: a mapping of at least one mode"),
        ({"modes": {"A B": {}}}, "modes.A B: is no name of a mode"),
        ({"modes": {"NORMAL": {}, "Normal": {}}}, "modes.Normal: differs from 'NORMAL' in case only"),
        ({"modes": {"NORMAL": {"allows": []}}}, "modes.NORMAL.allows: is not known; did you mean allow?"),
        ({"modes": {"NORMAL": {"allow": "read *"}}}, "modes.NORMAL.allow: is 'read *'; allowed: a list"),
        ({"execution": "plan-only"}, "allowed: plan_only, execute_safe; did you mean plan_only?"),
        ({"schema": "strict"}, "schema: is 'strict'; allowed: enforce, record"),
        ({"strip_tools": 1}, "strip_tools: is 1; allowed: true or false"),
        ({"new_tools": "deny"}, "new_tools: is 'deny'; allowed: hold, allow"),
        ({"secrets": "block"}, "secrets: is 'block'; allowed: allow, redact, deny"),
        ({"sizes": {"request_bytes": "2MB"}}, "sizes.request_bytes: is '2MB'; allowed: a whole number from 0"),
        ({"sizes": {"argument_bytes": 1}}, "sizes.argument_bytes: is not known; did you mean arguments_bytes?"),
        ({"intents": {"mint": "late"}}, "intents.mint: is 'late'; allowed: always, early, principal"),
        ({"loops": {"identical_calls": 1}}, "loops.identical_calls: is 1; allowed: a whole number from 2"),
        ({"loops": {"block_at": 20}}, "loops: has identical_calls, block_at, window 4, 20, 10; allowed"),
        ({"loops": {"block_at": 3}}, "loops: has identical_calls, block_at, window 4, 3, 10; allowed"),
        ({"sequence": [{"deny": "a", "within": "1h"}]}, "sequence[0].after: is None; allowed: an action"),
        ({"sequence": [{"after": "a", "deny": "b"}]}, "sequence[0].within: is missing; allowed: a span of time"),
        ({"sequence": [{"after": "a", "deny": "b", "within": "60d"}]}, "sequence[0].within: is '60d'; allowed"),
        ({"sequence": [{"after": "a", "deny": "b", "within": 1, "reason": ""}]}, "sequence[0].reason: is ''"),
        ({"immune": {"mode": "on"}}, "immune.mode: is 'on'; allowed: shadow, warn, enforce"),
        ({"cases": [CASE]}, "cases[0].mode: is 'NORMA', no mode of this document; allowed: none, there are no modes"),
        ({"modes": {"NORMAL": {}}, "cases": [CASE]}, "no mode of this document; did you mean NORMAL?"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(members: dict[str, Any], says: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(says)):
        read_clauses(HERE, members)


def test_where_nobody_knows_the_servers_a_rule_may_name_any() -> None:
    (pattern,) = read_clauses(Place("x"), {"deny": [{"action": "a", "server": "github"}]}).deny
    assert pattern.server == "github"
    with pytest.raises(PolicyError, match="allowed: none, there are none"):
        read_clauses(Place("x", servers=()), {"deny": [{"action": "a", "server": "github"}]})
