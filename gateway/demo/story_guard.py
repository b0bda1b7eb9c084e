"""The first five minutes with a guarded agent: make it, say what it may do, have it ask, look at record and usage."""

from typing import Any

import httpx

from gateway.demo.walkthrough import Stage

ALLOW = [
    {"action": "read:file", "resource": "*.txt"},
    {"action": "read:file", "resource": "*.pdf"},
    {"action": "call:api", "resource": "api.internal.example/*"},
]
DENY = [{"action": "delete:*", "resource": "*"}, {"action": "write:file", "resource": "sensitive.txt"}]

QUESTIONS = (
    ("read:file", "document.txt", True),
    ("readFile", "report.pdf", True),
    ("read:file", "image.png", False),
    ("write:file", "sensitive.txt", False),
    ("delete:file", "old.txt", False),
    ("call:api", "api.internal.example/v1/users", True),
    ("call:api", "api.internal.example.evil.test/v1/users", False),
)


def guard(stage: Stage) -> None:
    """An agent that asks before it acts, and the operator who looks at what it did."""
    stage.act("CREATE: an agent, and its key")
    agent_id, key = stage.agent("guarded")
    headers = {"authorization": f"Bearer {key}"}
    seen = _enforce(stage, headers, "delete:file", "old.txt")
    stage.check("delete:file old.txt, while nothing binds it", "allowed", seen)
    stage.act("POLICY: what it may do")
    stage.ask("PUT", f"/agents/{agent_id}/policy", body={"allow": ALLOW, "deny": DENY})
    for word, rules in (("allow", ALLOW), ("deny", DENY)):
        stage.say("\n".join(f"  {word:<6} {rule['action']} {rule['resource']}" for rule in rules))
    stage.act("ENFORCE: it asks before it acts")
    for action, resource, allowed in QUESTIONS:
        seen = _enforce(stage, headers, action, resource)
        stage.check(f"{action} {resource}", "allowed" if allowed else "denied", seen)
    _log(stage, agent_id, headers)
    _use(stage, agent_id, headers)
    _page(stage)
    _quarantine(stage, agent_id, headers)


def _enforce(stage: Stage, headers: dict[str, str], action: str, resource: str) -> str:
    said = stage.post("/api/v1/enforce", {"action": action, "resource": resource}, headers).json()
    return "allowed" if said.get("allowed") else "denied"


def _log(stage: Stage, agent_id: str, headers: dict[str, str]) -> None:
    stage.act("LOGS: it says what it did, and the record says what was decided")
    done = {"action": "read:file", "resource": "document.txt", "allowed": True, "result": "success"}
    answer = stage.post("/api/v1/logs", {**done, "metadata": {"bytes_read": 1024}}, headers)
    stage.check("report what was read", "recorded", "recorded" if answer.is_success else str(answer.status_code))
    allowed = sum(allowed for _, _, allowed in QUESTIONS)
    expected = f"{allowed + 1} allowed, {len(QUESTIONS) - allowed} denied, 1 reported"

    def recorded() -> str:
        entries: list[dict[str, Any]] = stage.ask("GET", "/audit", params={"agent_id": agent_id, "limit": 100})["items"]
        said = [one["allowed"] for one in entries if one["kind"] == "decision"]
        reported = sum(one["source"] == "agent" for one in entries)
        return f"{sum(said)} allowed, {len(said) - sum(said)} denied, {reported} reported"

    stage.check("what the record has of it", expected, stage.eventually(recorded, expected))
    valid = stage.ask("GET", "/audit/verify")["valid"]
    stage.check("verify the record", "valid", "valid" if valid else "not valid")


def _use(stage: Stage, agent_id: str, headers: dict[str, str]) -> None:
    stage.act("USAGE: it asks its model; the operator sees what that comes to")
    body = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
    answer = stage.post("/v1/chat/completions", body, headers)
    stage.check("ask the model", "200", str(answer.status_code))
    expected = "1 request, 9 tokens in, 2 out"

    def used() -> str:
        agent = stage.ask("GET", f"/agents/{agent_id}")
        return f"{agent['requests']} request, {agent['input_tokens']} tokens in, {agent['output_tokens']} out"

    stage.check("usage of the agent", expected, stage.eventually(used, expected))


def _page(stage: Stage) -> None:
    stage.act("DASHBOARD: the same for people, with a mouse")
    path = "/dashboard"
    answer = stage.http.get(path, follow_redirects=True)
    stage.say(f"  {str(stage.http.base_url).rstrip('/')}{path}")
    stage.check("open the operators' page", "200 text/html", f"{answer.status_code} {_kind(answer)}")
    numbers = stage.ask("GET", "/stats")
    stage.check("agents that it shows", "1", str(numbers["agents"]))


def _kind(answer: httpx.Response) -> str:
    kind: str = answer.headers.get("content-type", "")
    return kind.partition(";")[0]


def _quarantine(stage: Stage, agent_id: str, headers: dict[str, str]) -> None:
    stage.act("QUARANTINE: the operator stops it")
    stage.ask("POST", f"/quarantine/{agent_id}", body={"reason": "as the walkthrough goes"})
    body = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
    answer = stage.post("/v1/chat/completions", body, headers)
    code = answer.json().get("error", {}).get("code", "")
    stage.check("ask the model again", "403 agent_quarantined", f"{answer.status_code} {code}")
    seen = _enforce(stage, headers, "read:file", "document.txt")
    stage.check("read:file document.txt", "denied", seen)
