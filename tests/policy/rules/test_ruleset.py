from gateway.policy.document import Match
from gateway.policy.names import Names
from gateway.policy.rules.ruleset import Ruleset
from gateway.policy.schemas import Schemas
from tests.support.policies import document, facts, mode


def ruleset(*given: object, **clauses: object) -> Ruleset:
    return Ruleset(document(*given, **clauses), Names(), Schemas())  # type: ignore[arg-type]


def test_a_document_is_as_specific_as_the_narrowest_thing_it_names() -> None:
    matches = (Match(agents=("a",), teams=("t",)), Match(teams=("t",)), Match(environments=("e",)), Match())
    assert [ruleset("x", match).level for match in matches] == [0, 1, 2, 3]


def test_a_document_with_a_list_of_what_may_be_done_denies_the_rest() -> None:
    assert ruleset(allow=["x"]).default == "deny"
    assert ruleset(modes=[mode("A")]).default == "deny"
    assert ruleset(deny=["x"]).default is None
    assert ruleset(allow=["x"], default="allow").default == "allow"


def test_the_first_mode_is_the_start_mode_and_its_list_holds_in_every_mode() -> None:
    rules = ruleset(modes=[mode("A", ["a"]), mode("B", ["b"])])
    at = {name: facts({"ops": name}) for name in ("A", "B", "?")}
    assert [rules.mode(at[name]).name for name in at] == ["A", "B", "A"]  # type: ignore[union-attr]
    assert [[one.name for one in rules.allowing_modes(at[name])] for name in at] == [["A"], ["A", "B"], ["A"]]
    assert ruleset().mode(facts()) is None and ruleset().allowing_modes(facts()) == ()
