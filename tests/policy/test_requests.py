from typing import Any

import pytest

from gateway.model.ask import Ask, OfferedTool
from gateway.policy.clauses import Approval, Models, Sizes
from gateway.policy.requests import is_executed_by_provider
from gateway.policy.verdict import RequestVerdict
from tests.support.policies import document, facts, mode, offer, rules, tool

KEY = "ghp_" + "a1B2" * 9


def judged(
    *documents: Any, tools: Any = (), model: str | None = "gpt-4o", size: int = 100, **body: Any
) -> RequestVerdict:
    shadow = bool(body.pop("in_shadow", False))
    ask = Ask({"model": model, **body}, model, False, tools=tuple(tools))
    return rules(*documents, shadow=shadow).judge_request(ask, size, facts())


def test_without_a_word_on_requests_nothing_becomes_of_them() -> None:
    assert judged() == judged(document(default="allow")) == RequestVerdict()
    assert rules(document()).idle_requests and not rules(document(secrets="redact")).idle_requests
    assert rules(document(secrets="redact")).idle


@pytest.mark.parametrize(
    ("models", "model", "rule"),
    [
        (Models(("gpt-4o*",)), "gpt-4o-mini", None),
        (Models(("gpt-4o*",)), "GPT-4o", None),
        (Models(("gpt-4o*",)), "gpt-5", "models/allow"),
        (Models(("gpt-4o*",)), None, "models/allow"),
        (Models((), ("*-preview",)), "gpt-4o", None),
        (Models((), ("x", "*-preview",)), "gpt-4o-PREVIEW", "models/deny/1"),
        (Models(("*",), ("gpt-5",)), "gpt-5", "models/deny/0"),
    ],
)  # fmt: skip
def test_models(models: Models, model: str | None, rule: str | None) -> None:
    verdict = judged(document(models=models, modes=[mode("A")], default="allow"), model=model)
    if rule is None:
        assert verdict.denied is None
    else:
        assert verdict.denied is not None and verdict.code == "model_not_allowed"
        assert (verdict.denied.rule, verdict.denied.mode, verdict.denied.policy) == (f"ops/{rule}", "A", "ops@1")


def test_requests_have_a_size() -> None:
    on = document(sizes=Sizes(request_bytes=100))
    assert judged(on).denied is None
    denied = judged(on, size=101)
    assert denied.denied is not None and denied.denied.rule == "ops/sizes/request_bytes"
    assert denied.code == "policy_denied"


def test_secrets_in_messages_are_covered_or_refused() -> None:
    messages = [{"role": "user", "content": f"my token is {KEY}"}]
    assert judged(document(secrets="redact"), messages=messages).redact
    denied = judged(document(secrets="deny"), messages=messages).denied
    assert denied is not None and denied.rule == "ops/secrets" and KEY not in denied.reason
    assert judged(document(secrets="deny"), messages=[]).denied is None


def test_one_document_that_wants_plans_only_is_enough() -> None:
    documents = document("a"), document("b", execution="plan_only"), document("c", execution="execute_safe")
    assert judged(*documents).execution == "plan_only" and judged(documents[0]).execution == "execute_safe"
    assert rules(*documents).plans and not rules(documents[0]).plans


def test_tools_that_could_never_be_called_are_stripped() -> None:
    on = document(
        strip_tools=True,
        always_blocked=["drop *"],
        deny=[{"action": "read:file", "resource": "/etc/*"}, "send *"],
        allow=[{"action": "write:file", "resource": "/tmp/*"}],
        modes=[mode("A", ["read *"]), mode("B", ["restart *"])],
        tools=[tool("pay", arguments={"a": {"const": 1}})],
    )
    names = ["read_file", "drop_table", "send_mail", "write_file", "restart_it", "pay", "paint"]
    verdict = judged(on, tools=[offer(name) for name in names])
    assert verdict.strip == ("drop_table", "send_mail", "restart_it", "paint") and verdict.denied is None
    assert judged(document(strip_tools=True), tools=[offer("x")]).strip == ()
    assert judged(document(allow=["x"]), tools=[offer("y")]).strip == ()


def hosted(kind: str, **definition: Any) -> OfferedTool:
    return OfferedTool(kind, kind, {"type": kind, **definition}, definition.get("server_label"))


SEARCH = hosted("web_search_preview_2025_03_11")


def test_what_the_provider_would_run_is_judged_before_it_is_offered() -> None:
    denied = judged(document(deny=["web search"]), tools=[offer("x"), SEARCH])
    assert denied.denied is not None and denied.denied.rule == "ops/deny/0" and denied.code == "policy_denied"
    assert judged(document(allow=["web search"]), tools=[SEARCH]).denied is None
    assert judged(document(allow=["web search"]), tools=[hosted("image_generation")]).denied is not None
    assert judged(document(deny=["x"]), tools=[SEARCH]).denied is None
    stripped = judged(document(allow=["x"], strip_tools=True), tools=[offer("x"), SEARCH])
    assert stripped.denied is None and stripped.strip == (SEARCH.name,)
    assert judged(document(deny=["web search"]), web_search_options={}).denied is not None


def test_a_stored_prompt_is_judged_as_a_tool_since_it_may_bring_any() -> None:
    stored = {"id": "pmpt_1"}
    assert judged(document(allow=["read *"]), prompt=stored).denied is not None
    assert judged(document(allow=["read *", "prompt"]), prompt=stored).denied is None
    assert judged(document(deny=["prompt"]), prompt=stored).denied is not None
    assert judged(document(allow=["read *"]), prompt="Once upon a time").denied is None


def test_a_tool_that_a_person_must_approve_cannot_be_left_to_the_provider() -> None:
    on = document(tools=[tool("web_search", approval=Approval("always"))])
    denied = judged(on, tools=[SEARCH]).denied
    assert denied is not None and "approval" in denied.reason


@pytest.mark.parametrize("named", [["read_it", "drop_it"], {"tool_names": ["drop_it", 5]}])
def test_a_server_that_the_provider_asks_is_judged_by_address_and_tools(named: Any) -> None:
    server = {"server_label": "crm", "server_url": "https://mcp.test/x"}
    on = document(allow=[{"action": "mcp", "resource": "https://mcp.test/*"}, "read *"], deny=["drop *"])
    assert judged(on, tools=[hosted("mcp", **server)]).denied is None
    assert judged(on, tools=[hosted("mcp", **server, allowed_tools=[5, "read_it"])]).denied is None
    assert judged(on, tools=[hosted("mcp", server_url="https://evil.test/")]).denied is not None
    dropping = judged(on, tools=[hosted("mcp", **server, allowed_tools=named)]).denied
    assert dropping is not None and dropping.rule == "ops/deny/0"


def test_in_shadow_requests_pass_and_what_would_be_refused_is_told() -> None:
    on = document(models=Models(("x",)), deny=["web search"], strip_tools=True, secrets="redact")
    verdict = judged(on, tools=[SEARCH, offer("x")], in_shadow=True)
    assert verdict.denied is None and verdict.strip == () and not verdict.redact
    assert [rule for rule, _ in verdict.shadowed] == ["ops/models/allow", "ops/deny/0"]


@pytest.mark.parametrize(
    ("kind", "there"),
    [
        ("function", False), ("custom", False), ("local_shell", False), ("computer_use_preview", False),
        ("bash_20250124", False), ("text_editor_20250728", False), ("memory_20250818", False), ("apply_patch", False),
        ("web_search", True), ("mcp", True), ("mcp_toolset", True), ("code_execution_20250825", True), ("new", True),
    ],
)  # fmt: skip
def test_who_executes_a_kind_of_tool(kind: str, there: bool) -> None:
    assert is_executed_by_provider(kind) == there


def test_a_shell_runs_where_its_environment_is() -> None:
    assert not is_executed_by_provider("shell")
    assert not is_executed_by_provider("shell", dict(environment={"type": "local"}))
    assert is_executed_by_provider("shell", dict(environment={"type": "container_auto"}))
