from dataclasses import replace
from typing import Any

import pytest

from gateway.model.agent import Agent
from gateway.policy.actions import read_pattern
from gateway.policy.clauses import Approval, OnDeny, Sequence
from gateway.policy.document import Match
from gateway.policy.engine import Rules
from tests.support.policies import Remembered, document, judge, mode, patterns, rules, said, tool

OPS = document(
    "ops",
    version=3,
    always_blocked=["delete:database", "drop *"],
    modes=[
        mode("NORMAL", ["read *", "list *", "get *"]),
        mode("EMERGENCY", ["restart:service", "scale:fleet"], ["scale:database"]),
    ],
    allow=[{"action": "read:file", "resource": "s3://docs/*"}],
    deny=["send:external_email"],
)


def test_without_documents_everything_is_allowed_and_nothing_asked() -> None:
    on = rules()
    assert on.idle and on.idle_requests and not on.needs_memory and not on.needs_transcript
    verdict = judge(on, "delete_database")
    assert verdict.allowed and verdict.policy is None and verdict.rule == "" and verdict.action == "delete:database"


def test_documents_that_say_nothing_of_calls_leave_the_rules_idle() -> None:
    assert rules(document("default", default="allow"), document("limits")).idle
    assert not rules(OPS).idle


def test_a_wider_denial_is_not_lifted_by_a_narrower_document() -> None:
    narrow = document("narrow", Match(agents=("sre-*",)), allow=["*"], default="allow")
    assert judge(rules(narrow, document("wide", deny=["pay *"])), "pay_bill").rule == "wide/deny/0"
    assert judge(rules(narrow, document("wide", default="deny")), "pay_bill").rule == "narrow/allow/0"


def test_the_default_of_the_most_specific_document_decides_and_of_equals_the_denial() -> None:
    everyone = document("everyone", default="allow")
    team = document("team", Match(teams=("platform",)), default="deny")
    assert not judge(rules(everyone, team), "x").allowed
    assert not judge(rules(everyone, document("other", default="deny")), "x").allowed
    agents = document("agents", Match(agents=("agt_1",)), default="allow")
    assert judge(rules(everyone, team, agents), "x").rule == "agents/default"
    silent = document("silent", Match(agents=("agt_1",)), deny=["y"])
    assert judge(rules(silent, team), "x").rule == "team/default"
    assert not rules(everyone, team, agent=Agent("agt_2", owner_team="other")).judge_call.__self__._all[1:]


def test_a_tool_is_seen_as_what_its_document_maps_it_to() -> None:
    mapped = document("mapped", tools=[tool("svc_bounce", action="restart:service", resource="{service}")])
    by_resource = document("rules", default="allow", deny=[{"action": "restart:service", "resource": "db*"}])
    on = rules(mapped, by_resource)
    assert judge(on, "svc_bounce", {"service": "web"}).allowed
    denied = judge(on, "svc_bounce", {"service": "db1"})
    assert (denied.allowed, denied.rule, denied.action) == (False, "rules/deny/0", "svc:bounce")
    assert judge(on, "svc_bounce", {"service": "web"}).resource == "web"
    assert judge(on, "svc_bounce").rule == "mapped/tools/svc_bounce/resource"
    assert judge(on, "svc_bounce", {"service": ["web"]}).rule == "mapped/tools/svc_bounce/resource"


def test_renaming_a_tool_does_not_take_it_out_of_another_documents_rules() -> None:
    narrow = document("narrow", Match(agents=("*",)), tools=[tool("drop_table", action="read:table")])
    assert judge(rules(narrow, OPS), "drop_table").rule == "ops/always_blocked/1"
    wide = document("wide", tools=[tool("nuke", action="delete:database")])
    assert judge(rules(wide, OPS), "nuke").rule == "ops/always_blocked/0"


def test_the_same_tool_on_another_server_is_another_tool() -> None:
    on = rules(document(default="allow", deny=[{"action": "read:file", "server": "prod"}]), servers=("prod", "test"))
    assert not judge(on, "mcp__prod__read_file").allowed
    assert judge(on, "mcp__test__read_file").allowed
    assert judge(on, "read_file").allowed
    for namespace in ("prod", "Prod", "mcp__prod", "mcp__prod__"):
        assert not judge(on, "read_file", server=namespace).allowed
    assert judge(on, "read_file", server="mcp__test").allowed


def test_at_its_server_a_tools_name_is_literal_and_hides_no_tool_from_denials() -> None:
    denied = [{"action": "github delete_repo", "server": "hub"}]
    on_hub = rules(document(default="allow", deny=denied), servers=("hub", "github"))
    assert not judge(on_hub, "github__delete_repo", server="hub").allowed
    assert not judge(on_hub, "mcp__hub__github__delete_repo").allowed
    assert judge(on_hub, "delete_repo", server="hub").allowed
    denied = [{"action": "delete_repo", "server": "github"}]
    by_name = rules(document(default="allow", deny=denied), servers=("hub", "github"))
    for name in ("github__delete_repo", "mcp__github__delete_repo", "github.delete_repo"):
        assert not judge(by_name, name, server="hub").allowed and not judge(by_name, name, server="github").allowed
    assert judge(by_name, "delete_repo", server="hub").allowed


def test_nobody_is_allowed_a_tool_that_only_takes_the_name_of_an_allowed_one() -> None:
    on = rules(document(default="deny", allow=[{"action": "read", "server": "github"}]), servers=("evil", "github"))
    assert judge(on, "read", server="github").allowed and judge(on, "mcp__github__read").allowed
    assert not judge(on, "github__read", server="evil").allowed
    held = document(default="allow", tools=[tool("read", "github", approval=Approval("always"))])
    asked = rules(held, servers=("hub", "github"))
    assert judge(asked, "github__read", server="hub").approval


def on_hub(**more: Any) -> Rules:
    return rules(document("d", default="allow", **more), servers=("hub", "mid", "github"))


def test_a_held_denial_stays_one_whatever_is_said_of_the_tool_that_the_name_would_mean() -> None:
    key = replace(read_pattern("github delete_repo"), server="hub")
    held = tool("github__delete_repo", arguments={"n": {"const": 1}}, on_deny=OnDeny("hold"))
    literal = replace(held, key=key)
    other = tool("delete_repo", "github")
    verdict = judge(on_hub(tools=[literal, other]), "github__delete_repo", {"n": 9}, server="hub")
    assert not verdict.allowed and verdict.asks
    needing = replace(literal, arguments=None, grant="required")
    held_there = tool("delete_repo", "github", arguments={"n": {"const": 1}}, on_deny=OnDeny("hold"))
    verdict = judge(on_hub(tools=[needing, held_there]), "github__delete_repo", {"n": 9}, server="hub")
    assert not verdict.allowed and verdict.asks and verdict.grant is not None and verdict.grant.required
    watched, needed = replace(needing, grant="optional"), tool("delete_repo", "github", grant="required")
    verdict = judge(on_hub(tools=[watched, needed]), "github__delete_repo", {}, server="hub")
    assert verdict.grant is not None and verdict.grant.required


def test_a_denial_is_found_behind_any_prefixes_that_clients_and_servers_write() -> None:
    denying = on_hub(deny=[{"action": "delete_repo", "server": "github"}])
    assert not judge(denying, "mcp__hub__github__delete_repo").allowed
    assert not judge(denying, "mid__github__delete_repo", server="hub").allowed
    assert judge(denying, "mcp__hub__delete_repo").allowed


def test_a_sequence_begins_with_the_tool_that_a_literal_name_would_mean() -> None:
    after = replace(read_pattern("delete_repo"), server="github")
    following = on_hub(sequence=[Sequence(after, read_pattern("send email"), 3600.0)])
    assert judge(following, "github__delete_repo", {}, server="hub").counts


def test_an_action_may_be_asked_about_without_a_tool_and_both_must_be_allowed() -> None:
    assert judge(OPS, action="Read File", resource="s3://docs/a").rule == "ops/modes/NORMAL/allow/0"
    assert not judge(OPS, action="restart service").allowed
    assert judge(OPS, "read_file", action="read:file").allowed
    assert judge(OPS, "read_file", action="list users", resource="all").rule == "ops/modes/NORMAL/allow/1"
    assert not judge(OPS, "drop_table", action="read:file").allowed
    assert not judge(OPS, "read_file", action="drop:table").allowed
    entry = document(tools=[tool("svc_bounce", action="restart:service")])
    assert judge(entry, action="restart:service").rule == "ops/tools/svc_bounce"
    assert judge(entry, action="svc bounce").rule == "ops/tools/svc_bounce"


def test_what_a_model_wrote_is_repeated_only_where_it_is_plain() -> None:
    assert "paint:house" in judge(OPS, "paint_house").reason
    assert "this action" in judge(OPS, "paint" * 50).reason
    assert "this action" in judge(OPS, "").reason
    assert "this action" in judge(OPS, "малюй").reason


def test_asked_of_an_action_and_a_tool_what_either_demands_is_demanded() -> None:
    after = Sequence(*patterns("pay", "x"), within=60.0)
    pay = tool("pay_bill", approval=Approval("always"))
    on = document(default="allow", sequence=[after], tools=[pay, tool("pay")], shadow=False)
    verdict = judge(on, "pay_bill", action="pay", resource="ada", memory=Remembered())
    assert verdict.allowed and verdict.approval and verdict.action == "pay" and verdict.resource == "ada"
    assert [count.key for count in verdict.counts] == ["ops:sequence:0"]
    assert judge(on, "other", action="pay bill", memory=Remembered()).approval


def test_rules_know_a_tool_by_one_name() -> None:
    on = rules(document(tools=[tool("fetch", untrusted=True)]), servers=("web",))
    assert on.known_as("mcp__web__Fetch") == "web/fetch" and on.known_as("mcp__web__Fetch") in on.untrusted
    assert not on.needs_memory and not on.needs_transcript


@pytest.mark.parametrize("untrusted", [True, False])
def test_what_was_read_has_to_be_known_only_where_some_results_are_untrusted(untrusted: bool) -> None:
    pay = tool("pay", arguments={"to": {"provenance": ["user"]}})
    on = rules(document(tools=[pay, tool("fetch", untrusted=untrusted)]))
    assert on.needs_transcript and on.needs_memory == untrusted


def test_the_entry_that_governs_a_tool_is_one_in_force() -> None:
    entry = document("a", tools=[tool("pay")])
    shadow = document("b", tools=[tool("fetch")], shadow=True)
    on = rules(entry, shadow, document("c", deny=["x"]))
    assert on.governs and on.governing("Pay") == ("a/tools/pay", "a@1") and on.governing("fetch") is None
    assert not rules(document("c", deny=["x"])).governs


def test_what_a_shadow_document_maps_a_tool_to_neither_denies_nor_allows_it() -> None:
    watching = document("watching", tools=[tool("foo", action="delete:database")], shadow=True)
    assert judge(rules(document(deny=["delete:database"]), watching), "foo").allowed
    closed = document(allow=["delete:database"], default="deny")
    assert not judge(rules(closed, watching), "foo").allowed
    assert judge(rules(document(deny=["x"]), document("two", tools=[tool("foo")], shadow=True)), "foo").allowed
    would = judge(
        rules(document(deny=["x"]), watching, document("three", deny=["delete:database"], shadow=True)), "foo"
    )
    assert would.allowed and [rule for rule, _ in would.shadowed] == ["three/deny/0"]


def test_what_a_shadow_document_distrusts_stays_trusted() -> None:
    pay = tool("pay", arguments={"to": {"provenance": ["user"]}})
    conversation = said(("fetch", "IBAN-0042"), "Pay IBAN-0042 now.")
    watching = document("watching", tools=[tool("fetch", untrusted=True)], shadow=True)
    known = {"transcript": conversation, "memory": Remembered(tainted=["iban-0042"])}
    assert judge(rules(document(tools=[pay]), watching), "pay", {"to": "IBAN-0042"}, **known).allowed
    distrusting = document("distrusting", tools=[tool("fetch", untrusted=True)])
    assert not judge(rules(document(tools=[pay]), distrusting), "pay", {"to": "IBAN-0042"}, **known).allowed
