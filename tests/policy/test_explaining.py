from gateway.policy.clauses import Approval, Sizes
from gateway.policy.explaining import Looked
from gateway.policy.question import Question
from tests.support.policies import document, facts, mode, rules, tool

OPS = document(
    always_blocked=["drop *"],
    deny=["send *"],
    allow=["read *"],
    modes=[mode("A", ["list *"], ["paint"]), mode("B", ["restart *"])],
    tools=[tool("pay", approval=Approval("always")), tool("stop")],
    sizes=Sizes(arguments_bytes=5),
)


def explained(name: str, in_mode: str = "A", **known: int) -> dict[str, Looked]:
    verdict, looked = rules(OPS, document("wide", default="deny"), document("silent")).explain(
        Question(name, {}, **known),
        facts({"ops": in_mode}),  # type: ignore[arg-type]
    )
    assert verdict.rule in {one.rule for one in looked if one.matched}
    return {one.rule: one for one in looked}


def test_every_rule_is_shown_whether_it_fits_and_why() -> None:
    looked = explained("drop_table")
    assert looked["ops/always_blocked/0"] == Looked("ops/always_blocked/0", "deny", True, "drop *")
    assert not looked["ops/deny/0"].matched and not looked["ops/allow/0"].matched
    assert looked["ops/default"].effect == "deny" and looked["wide/default"].matched
    assert list(looked)[-1] == "wide/default"


def test_modes_that_are_not_on_say_so() -> None:
    looked = explained("restart_it")
    assert looked["ops/modes/A"].matched and "only in B" in looked["ops/modes/A"].why
    assert looked["ops/modes/B/allow/0"] == Looked("ops/modes/B/allow/0", "allow", False, "not in mode B")
    assert explained("restart_it", "B")["ops/modes/B/allow/0"].matched
    assert not explained("paint", "B")["ops/modes/A/deny/0"].matched


def test_guards_and_tools_are_shown_too() -> None:
    looked = explained("pay")
    assert looked["ops/tools/pay"].matched and looked["ops/tools/pay/approval"].effect == "approval"
    assert not looked["ops/tools/stop"].matched and not looked["ops/sizes"].matched
    assert explained("pay", size=6)["ops/sizes/arguments_bytes"].matched
