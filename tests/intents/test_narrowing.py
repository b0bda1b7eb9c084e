"""Handing on a part of an intent: a child never permits a call that its parent does not."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from gateway.intents.claims import IntentClaims, Step
from gateway.intents.narrowing import NotNarrower, delegate, narrow
from gateway.intents.steps import find
from gateway.policy.constraints.compiling import compiled
from gateway.policy.constraints.scope import Where
from gateway.policy.constraints.tighter import tighter
from tests.intents.test_tokens import INTENT, NOW
from tests.policy.constraints.vocabulary import NAMES, VALUES, constraints, narrowed, scope, values

TOOLS, SERVERS = st.sampled_from(["pay", "read"]), st.sampled_from([None, None, "bank", "shop"])
_arguments = st.dictionaries(st.sampled_from(["a", "b"]), values, max_size=2)
_demands = st.dictionaries(st.sampled_from(["a", "b"]), constraints, max_size=2)


@st.composite
def parents(draw: st.DrawFn) -> IntentClaims:
    steps: list[Step] = []
    for id in draw(st.sampled_from(["x", "xy", "xyz"])):
        ids = [step.id for step in steps]
        after = tuple(draw(st.lists(st.sampled_from(ids), max_size=1))) if ids else ()
        arguments = draw(_arguments) if draw(st.integers(0, 4)) == 0 else None
        demands = draw(_demands) if draw(st.integers(0, 2)) else None
        steps.append(Step(id, draw(TOOLS), draw(SERVERS), arguments, demands, draw(st.integers(1, 3)), after))
    return replace(INTENT, jti="int_0", steps=tuple(steps), parents=(), act=(), execution="execute_safe")


@st.composite
def wanted(draw: st.DrawFn, parent: Step) -> Step:
    """Something like the parent's step, most often no more than that."""
    found = replace(
        parent,
        id=draw(st.sampled_from([parent.id, ""])),
        max_uses=max(1, parent.max_uses - draw(st.integers(0, 2))),
        server=draw(SERVERS) if parent.server is None else parent.server,
    )
    if parent.constraints is not None and draw(st.booleans()):
        demands = {name: draw(narrowed(dict(one))) for name, one in parent.constraints.items() if draw(st.booleans())}
        found = replace(found, constraints=demands)
    if draw(st.integers(0, 3)) == 0:
        found = replace(found, arguments=draw(_arguments))
    if draw(st.integers(0, 7)) == 0:
        found = replace(
            found, tool=draw(TOOLS), constraints=draw(st.none() | _demands), arguments=draw(st.none() | _arguments),
            max_uses=draw(st.integers(1, 4)), after=(),
        )  # fmt: skip
    return found


def holds(step: Step, arguments: Mapping[str, Any]) -> bool:
    checks = {name: compiled(one, Where("int", "pay", name, NAMES)) for name, one in (step.constraints or {}).items()}
    return all(checks[name](value, scope()) is None for name, value in arguments.items())


class Shared:
    """An intent and those narrowed from it, with the counters that they share."""

    def __init__(self, root: IntentClaims) -> None:
        self.line = [root]
        self.uses: Counter[tuple[str, str]] = Counter()

    def fits(self, claims: IntentClaims, tool: str, server: str | None, arguments: Any) -> Step | str:
        return find(
            claims.steps,
            tool,
            server,
            arguments,
            holds,
            lambda id: self.uses[claims.jti, id],
            lambda id: self.uses[self.line[0].jti, id] > 0,
        )

    def use(self, claims: IntentClaims, step: Step) -> bool:
        """Counts a use here and at every parent; none where one of them has no use left."""
        above = self.line[: self.line.index(claims) + 1]
        limits = [next(one for one in each.steps if one.id == step.id).max_uses for each in above]
        if any(self.uses[each.jti, step.id] >= most for each, most in zip(above, limits, strict=True)):
            return False
        self.uses.update((each.jti, step.id) for each in above)
        return True


@pytest.mark.exhaustive
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_child_permits_a_call_that_its_parent_does_not(data: st.DataObject) -> None:
    shared = Shared(data.draw(parents()))
    for depth in range(1, data.draw(st.integers(2, 3))):
        parent = shared.line[-1]
        asked = [data.draw(wanted(step)) for step in parent.steps if data.draw(st.integers(0, 3))]
        try:
            steps = narrow(parent, asked, tighter)
        except NotNarrower:
            break
        shared.line.append(
            delegate(parent, steps, jti=f"int_{depth}", agent_id=f"agt_{depth}", issued=NOW, expires=NOW + 9)
        )
    event(f"depth {len(shared.line) - 1}")
    exact = [step.arguments for claims in shared.line for step in claims.steps if step.arguments is not None]
    calls = st.tuples(TOOLS, SERVERS, st.sampled_from(exact) | _arguments if exact else _arguments)
    swept = [
        (tool, server, {"a": value}) for value in VALUES for tool, server in [data.draw(st.tuples(TOOLS, SERVERS))]
    ]
    for tool, server, arguments in data.draw(st.lists(calls, max_size=10)) + swept:
        for child, parent in zip(reversed(shared.line[1:]), reversed(shared.line[:-1]), strict=True):
            step, above = shared.fits(child, tool, server, arguments), shared.fits(parent, tool, server, arguments)
            if isinstance(step, Step):
                event("a child permits")
                assert isinstance(above, Step) or above == "uses_exhausted", (child.steps, parent.steps, arguments)
                assert not shared.use(child, step) or isinstance(above, Step)
        if isinstance(step := shared.fits(shared.line[0], tool, server, arguments), Step):
            shared.use(shared.line[0], step)
    for claims in shared.line:
        assert all(shared.uses[claims.jti, step.id] <= step.max_uses for step in claims.steps)


PARENT = replace(
    INTENT,
    steps=(
        Step("read", "read_file", None, None, {"path": {"path_in": ["/sim/**"]}, "lines": {"maximum": 10}}, 5),
        Step("pay", "send_money", "bank", {"to": "ada", "amount": 5}, None, 2, ("read",)),
        Step("fix", "send_money", "bank", {"to": "bob"}, {"to": {"enum": ["bob"]}}, 1),
        Step("open", "search", None, None, None, 3),
    ),
)


@pytest.mark.parametrize(
    "step",
    [
        Step("read", "read_file", None, None, {"path": {"path_in": ["/sim/a/**"]}}, 5),
        Step("read", "read_file", "files", {"path": "/sim/a", "lines": 3}),
        Step("", "read_file", None, None, {"path": {"const": "/sim/a"}, "lines": {"type": "integer", "maximum": 1}}),
        Step("read", "read_file", None, {}, {"anything": {}}),
        Step("read", "read_file", None, None, {}),
        Step("pay", "send_money", "bank", {"to": "ada", "amount": 5.0}, None, 1, ("read",)),
        Step("pay", "send_money", "bank", {"to": "ada", "amount": 5}, None, 1, ("read", "open")),
        Step("", "send_money", "bank", {"to": "bob"}),
        Step("open", "search"),
        Step("open", "search", "web", {"q": "x"}, {"q": {"pattern": "x"}}, 3, ("read",)),
    ],
)
def test_what_is_narrower(step: Step) -> None:
    (found,) = narrow(PARENT, [step], tighter)
    assert found.id in (step.id or ("read", "fix"))
    assert replace(found, id=step.id) == step


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (Step("open", "send_money"), "another tool"),
        (Step("pay", "send_money", None, {"to": "ada", "amount": 5}, None, 1, ("read",)), "not on the server 'bank'"),
        (Step("pay", "send_money", "shop", {"to": "ada", "amount": 5}, None, 1, ("read",)), "not on the server 'bank'"),
        (Step("open", "search", max_uses=4), "max_uses 4; the parent's step has 3"),
        (Step("pay", "send_money", "bank", {"to": "ada", "amount": 5}), "does not wait for read"),
        (Step("pay", "send_money", "bank", {"to": "ada"}, None, 1, ("read",)), "does not have the arguments"),
        (Step("pay", "send_money", "bank", None, None, 1, ("read",)), "does not have the arguments"),
        (Step("read", "read_file"), "has no constraints"),
        (Step("read", "read_file", None, None, {"path": {}}), "argument 'path'"),
        (Step("read", "read_file", None, None, {"path": {"path_in": ["/**"]}}), "argument 'path'"),
        (Step("read", "read_file", None, None, {"mode": {}}), "allows the argument 'mode'"),
        (Step("read", "read_file", None, {"path": "/etc/passwd"}), "argument 'path'"),
        (Step("read", "read_file", None, {"path": "/sim/a", "mode": 1}), "allows the argument 'mode'"),
        (Step("", "delete"), "narrows no step"),
        (Step("new", "search"), "narrows no step"),
    ],
)
def test_what_is_not(step: Step, problem: str) -> None:
    with pytest.raises(NotNarrower, match=problem) as caught:
        narrow(PARENT, [Step("open", "search"), replace(step, id=step.id)] if step.id != "open" else [step], tighter)
    assert caught.value.step == (0 if step.id == "open" else 1)


def test_two_steps_of_a_child_do_not_share_one_of_the_parent() -> None:
    with pytest.raises(NotNarrower, match="narrowed already"):
        narrow(PARENT, [Step("open", "search"), Step("", "search")], tighter)


def test_a_child_has_at_least_one_step() -> None:
    with pytest.raises(NotNarrower, match="no steps"):
        narrow(PARENT, [], tighter)


def test_a_child_lives_no_longer_and_is_no_less_careful_than_its_parent() -> None:
    child = delegate(PARENT, PARENT.steps[:1], jti="int_4", agent_id="agt_4", issued=NOW - 5, expires=NOW + 10_000)
    assert (child.expires, child.not_before, child.execution) == (PARENT.expires, PARENT.not_before, "plan_only")
    assert child.parents == ("int_root", "int_parent", "int_child")
    assert child.act == ("agt_child", "agt_parent", "agt_root")
    assert (child.principal, child.policy, child.key_thumbprint) == ("alice", PARENT.policy, None)
    shorter = delegate(
        replace(PARENT, execution="execute_safe"), (), jti="i", agent_id="a", issued=NOW + 1, expires=NOW + 2,
        execution="plan_only", key_thumbprint="k",
    )  # fmt: skip
    assert (shorter.not_before, shorter.expires, shorter.execution) == (NOW + 1, NOW + 2, "plan_only")


def test_an_intent_is_handed_on_four_times_at_most() -> None:
    claims = replace(PARENT, parents=(), act=())
    for depth in range(4):
        claims = delegate(claims, claims.steps, jti=f"i{depth}", agent_id="a", issued=NOW, expires=NOW + 1)
    with pytest.raises(NotNarrower, match="at most 4 times"):
        delegate(claims, claims.steps, jti="i", agent_id="a", issued=NOW, expires=NOW + 1)
