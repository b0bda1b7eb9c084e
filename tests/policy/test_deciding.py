"""The five steps, held against every combination of documents that hypothesis finds."""

import random
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.agent import Agent
from gateway.policy.clauses import ActionPattern, Approval, OnDeny
from gateway.policy.deciding import Guarded
from gateway.policy.document import Document, Match
from gateway.policy.names import Names
from gateway.policy.rules.ruleset import Ruleset
from gateway.policy.schemas import Schemas
from tests.support.policies import AGENT, document, judge, mode, rules, tool

TOOLS = ("read_file", "drop_table", "restart_service")
PATTERNS = st.lists(st.sampled_from([*TOOLS, "read *", "*", "drop *"]), max_size=2)
MATCHES = st.sampled_from(
    [Match(), Match(agents=("sre-*",)), Match(teams=("platform",)), Match(environments=("prod",)), Match(("other",))]
)


@st.composite
def documents(draw: st.DrawFn) -> list[Document]:
    made = []
    for n in range(draw(st.integers(0, 4))):
        modes = [mode(f"M{m}", draw(PATTERNS), draw(PATTERNS)) for m in range(draw(st.integers(0, 2)))]
        named = draw(st.lists(st.sampled_from(TOOLS), unique=True, max_size=1))
        made.append(
            document(
                f"d{n}",
                draw(MATCHES),
                default=draw(st.sampled_from([None, None, "allow", "deny"])),
                modes=modes,
                always_blocked=draw(st.lists(st.sampled_from(TOOLS), max_size=1)),
                allow=draw(PATTERNS),
                deny=draw(st.lists(st.sampled_from(TOOLS), max_size=1)),
                tools=[tool(one) for one in named],
            )
        )
    return made


MODES = st.dictionaries(st.sampled_from(["d0", "d1", "d2"]), st.sampled_from(["M0", "M1", "M2"]))


def lists(on: Sequence[ActionPattern], name: str) -> bool:
    """Whether a list of patterns made above names the tool."""
    return any(p.text in ("*", name) or (p.text[-1] == "*" and name.startswith(p.text.split()[0])) for p in on)


def about(given: list[Document]) -> list[Document]:
    return [one for one in given if one.match.agents != ("other",)]


@settings(max_examples=50)
@given(documents(), MODES, st.sampled_from(TOOLS))
def test_what_any_document_denies_is_denied(given: list[Document], modes: dict[str, str], name: str) -> None:
    for one in about(given):
        current = next((m for m in one.clauses.modes if m.name == modes.get(one.name)), None)
        current = current or next(iter(one.clauses.modes), None)
        denied = (*one.clauses.always_blocked, *one.clauses.deny, *(current.deny if current else ()))
        if lists(denied, name):
            assert not judge(rules(*given), name, modes=modes).allowed


@settings(max_examples=50)
@given(documents(), MODES, st.sampled_from(TOOLS))
def test_what_some_mode_allows_is_allowed_only_there(given: list[Document], modes: dict[str, str], name: str) -> None:
    for one in about(given):
        allowing = [m.name for m in one.clauses.modes if lists(m.allow, name)]
        known = [m.name for m in one.clauses.modes]
        now = modes.get(one.name) if modes.get(one.name) in known else "M0"
        if allowing and not {"M0", now} & set(allowing):
            assert not judge(rules(*given), name, modes=modes).allowed


@settings(max_examples=50)
@given(documents(), documents(), MODES, st.sampled_from(TOOLS))
def test_no_document_lifts_what_another_denies(
    given: list[Document], others: list[Document], modes: dict[str, str], name: str
) -> None:
    before = judge(rules(*given), name, modes=modes)
    more = [document(f"x{n}", one.match, **_clauses(one)) for n, one in enumerate(others)]
    if not before.allowed and not before.rule.endswith("/default"):
        assert not judge(rules(*given, *more), name, modes=modes).allowed


def _clauses(one: Document) -> dict[str, object]:
    names = ("default", "modes", "allow", "always_blocked", "deny", "tools")
    found = {name: getattr(one.clauses, name) for name in names}
    return found | {key: [p.text for p in found[key]] for key in ("allow", "always_blocked", "deny")}


@settings(max_examples=50)
@given(documents(), MODES, st.sampled_from(TOOLS))
def test_where_nobody_has_a_say_it_is_allowed_and_else_somebody_is_named(
    given: list[Document], modes: dict[str, str], name: str
) -> None:
    verdict = judge(rules(*given), name, modes=modes)
    silent = [one for one in about(given) if one.clauses == document(default=None).clauses]
    if len(silent) == len(about(given)):
        assert verdict.allowed and verdict.policy is None
    assert (verdict.policy is None) == (verdict.rule == "")
    assert verdict.allowed or (verdict.policy is not None and verdict.reason)


@settings(max_examples=50)
@given(documents(), MODES, st.sampled_from(TOOLS))
def test_idle_rules_allow_everything(given: list[Document], modes: dict[str, str], name: str) -> None:
    on = rules(*given)
    assert not on.idle or judge(on, name, modes=modes).allowed


@settings(max_examples=50)
@given(documents(), MODES, st.sampled_from(TOOLS), st.integers())
def test_the_order_of_documents_does_not_decide(
    given: list[Document], modes: dict[str, str], name: str, seed: int
) -> None:
    other = random.Random(seed).sample(given, len(given))
    assert judge(rules(*given), name, modes=modes).allowed == judge(rules(*other), name, modes=modes).allowed


@settings(max_examples=50)
@given(documents(), MODES, st.sampled_from(TOOLS))
def test_in_shadow_nothing_is_denied_and_what_would_be_is_told(
    given: list[Document], modes: dict[str, str], name: str
) -> None:
    real, shadow = (judge(rules(*given, shadow=on), name, modes=modes) for on in (False, True))
    assert shadow.allowed and bool(shadow.shadowed) == (not real.allowed)
    assert real.allowed or real.rule in [rule for rule, _ in shadow.shadowed]


@settings(max_examples=50)
@given(documents(), documents(), MODES, st.sampled_from(TOOLS))
def test_a_document_in_shadow_changes_no_verdict(
    given: list[Document], others: list[Document], modes: dict[str, str], name: str
) -> None:
    more = [document(f"x{n}", one.match, shadow=True, **_clauses(one)) for n, one in enumerate(others)]
    alone, both = judge(rules(*given), name, modes=modes), judge(rules(*given, *more), name, modes=modes)
    assert (alone.allowed, alone.rule) == (both.allowed, both.rule)


def test_a_document_in_shadow_says_what_it_would_deny_or_have_approved() -> None:
    shadow = document("new", shadow=True, deny=["read *"], tools=[tool("pay", approval=Approval("always"))])
    enforced = document("old", default="allow")
    assert judge(rules(shadow, enforced), "read_file").shadowed == (("new/deny/0", "read * is denied"),)
    paying = judge(rules(shadow, enforced), "pay")
    assert not paying.approval and paying.shadowed == (("new/tools/pay/approval", "a person has to approve it"),)
    assert judge(rules(shadow, enforced), "write_file").shadowed[0][0] == "new/default"
    assert judge(rules(shadow, document(deny=["*"])), "read_file").shadowed == ()


HELD = OnDeny("hold", 60)


def test_a_denial_is_answered_as_its_own_document_says() -> None:
    own = document("own", tools=[tool("pay", arguments={}, on_deny=HELD)])
    assert judge(own, "pay", {"a": 1}).on_deny == HELD
    wide = document("wide", deny=["pay"])
    assert judge(rules(own, wide), "pay").on_deny == OnDeny()
    error = document("error", tools=[tool("pay", on_deny=OnDeny("error"))])
    assert judge(rules(error, wide), "pay").on_deny == OnDeny("error")
    assert judge(document(deny=["x"], tools=[tool("y")]), "x").on_deny == OnDeny()


def test_a_denial_that_nobody_can_lift_goes_before_a_held_one() -> None:
    held = document("a", tools=[tool("pay", arguments={}, on_deny=HELD)])
    firm = document("b", deny=["pay"])
    assert judge(rules(held, firm), "pay", {"x": 1}).rule == "b/deny/0"
    blocked = document("c", always_blocked=["pay"], tools=[tool("pay", on_deny=HELD)])
    assert judge(blocked, "pay").on_deny == OnDeny() and not judge(blocked, "pay").allowed


def test_the_mode_of_a_verdict_is_that_of_the_deciding_document_or_else_of_any() -> None:
    modes = document("modes", modes=[mode("A", ["x"])], default="allow")
    assert judge(rules(modes, document("plain", deny=["y"])), "y").mode == "A"
    assert judge(document("plain", deny=["y"]), "y").mode is None


def test_a_document_without_clauses_has_no_guards() -> None:
    judged = Guarded(Ruleset(document(), Names(), Schemas()))
    assert judged.guards == () and judged.idle and judged.memory_keys == ()


def test_documents_about_others_have_no_say() -> None:
    assert judge(rules(document(match=Match(teams=("other",)), deny=["*"])), "x").policy is None
    assert judge(rules(document(match=Match(("sre-*",)), deny=["*"]), agent=Agent("agt_2")), "x").allowed
    assert not judge(rules(document(match=Match(("agt_1",)), deny=["*"]), agent=AGENT), "x").allowed
