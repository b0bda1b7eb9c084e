"""`/api/v1/logs`, over a real gateway and Redis."""

from typing import Any

import httpx
import pytest

from tests.edge.admin.conftest import problem
from tests.edge.agents_api.conftest import AgentsApi
from tests.support.gateway import ADMIN_KEY, eventually

REPORT = {"action": "read:file", "resource": "s3://docs/a.txt", "allowed": True, "result": "success"}


def listed(api: AgentsApi, key: str, **params: Any) -> list[dict[str, Any]]:
    headers = {"authorization": f"Bearer {key}"}
    answer = httpx.get(f"{api.gateway.url}/api/v1/logs", params=params, headers=headers, timeout=20)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def new_agent(api: AgentsApi, name: str) -> tuple[str, str]:
    """Its id and key."""
    made = api.post("/agents/register", {"name": name}).json()
    return made["agent_id"], made["api_key"]


def test_what_an_agent_reports_stands_in_the_audit_record_as_its_word(api: AgentsApi) -> None:
    report = REPORT | {"context": {"ticket": "OPS-7"}, "metadata": {"tries": 2, "deep": [{"a": None}]}}
    answer = api.post("/logs", report, api.agent_key)
    assert answer.status_code == 201
    made = answer.json()
    eventually(lambda: made["entry"] in [entry["entry"] for entry in listed(api, api.agent_key)])
    (entry,) = [entry for entry in listed(api, api.agent_key) if entry["entry"] == made["entry"]]
    assert entry["time"] == made["time"]
    assert entry == {
        **dict.fromkeys(entry),
        **report,
        "entry": made["entry"],
        "time": made["time"],
        "agent_id": api.agent_id,
        "kind": "agent",
        "source": "agent",
    }
    audited = api.gateway.admin(f"/audit?source=agent&agent_id={api.agent_id}").json()["items"]
    assert entry in audited, "operators see the same"


def test_an_agent_reads_only_what_it_reported_itself(api: AgentsApi) -> None:
    one_id, one = new_agent(api, "logs-one")
    _, other = new_agent(api, "logs-other")
    api.post("/logs", REPORT, one)
    api.post("/logs", REPORT | {"action": "write:file", "allowed": False}, one)
    api.post("/logs", REPORT, other)
    eventually(lambda: len(listed(api, one)) == 2 and len(listed(api, other)) == 1)
    assert [entry["action"] for entry in listed(api, one)] == ["write:file", "read:file"], "the latest first"
    assert {entry["agent_id"] for entry in listed(api, one, agent_id="anybody")} == {one_id}
    assert [entry["action"] for entry in listed(api, one, action="read:file")] == ["read:file"]
    assert [entry["action"] for entry in listed(api, one, allowed=False)] == ["write:file"]
    assert listed(api, one, end_time="2020-01-01T00:00:00Z") == []


def test_reports_are_read_page_by_page(api: AgentsApi) -> None:
    _, key = new_agent(api, "logs-pages")
    for number in range(3):
        api.post("/logs", REPORT | {"resource": str(number)}, key)
    eventually(lambda: len(listed(api, key)) == 3)
    seen, cursor, headers = [], None, {"x-agent-key": key}
    while len(seen) < 3:
        params = {"limit": 2} | ({} if cursor is None else {"cursor": cursor})
        page = httpx.get(f"{api.gateway.url}/api/v1/logs", params=params, headers=headers).json()
        seen += [entry["resource"] for entry in page["items"]]
        cursor = page["next_cursor"]
    assert seen == ["2", "1", "0"]
    url = f"{api.gateway.url}/api/v1/logs?cursor=nonsense"
    assert problem(httpx.get(url, headers=headers), 422)["errors"][0]["field"] == "query.cursor"


def test_only_an_agent_that_proved_who_it_is_may_report(api: AgentsApi) -> None:
    problem(api.post("/logs", REPORT, None), 401)
    problem(api.post("/logs", REPORT, "sk-somebody-0123456789"), 401)
    assert "own key" in problem(api.post("/logs", REPORT), 403)["detail"], "the ingest key is no agent's"


def test_a_deactivated_agent_reports_no_more(api: AgentsApi) -> None:
    agent_id, key = new_agent(api, "logs-gone")
    api.gateway.ask("PATCH", f"/agents/{agent_id}", json={"active": False})
    eventually(lambda: api.post("/logs", REPORT, key).status_code in (401, 403))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"action": ""}, "body.action"),
        ({"action": None}, "body.action"),
        ({"action": "read\x1b[2J"}, "body.action"),
        ({"resource": "a\nb"}, "body.resource"),
        ({"resource": "x" * 1001}, "body.resource"),
        ({"allowed": "yes"}, "body.allowed"),
        ({"result": 7}, "body.result"),
        ({"context": []}, "body.context"),
        ({"context": {"n": 2**53 + 1}}, "body.context"),
        ({"metadata": {"a": [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}}, "body.metadata"),
        ({"agent_id": "agt_other"}, "body.agent_id"),
        ({"source": "gateway"}, "body.source"),
    ],
)
def test_what_is_wrong_with_a_report_is_named(api: AgentsApi, change: dict[str, Any], field: str) -> None:
    answer = api.post("/logs", REPORT | change, api.agent_key)
    assert problem(answer, 422)["errors"][0]["field"] == field


def test_numbers_that_json_does_not_have_are_refused(api: AgentsApi) -> None:
    text = '{"action":"a:b","resource":"r","allowed":true,"result":"x","context":{"n":NaN}}'
    headers = {"x-agent-key": api.agent_key, "content-type": "application/json"}
    answer = httpx.post(f"{api.gateway.url}/api/v1/logs", content=text, headers=headers)
    assert answer.status_code == 422


def test_a_report_of_more_than_16_kib_is_refused(api: AgentsApi) -> None:
    assert api.post("/logs", REPORT | {"context": {"a": "x" * 16_000}}, api.agent_key).status_code == 201
    problem(api.post("/logs", REPORT | {"context": {"a": "x" * 16_384}}, api.agent_key), 413)


def test_keys_in_a_report_are_not_recorded(api: AgentsApi) -> None:
    _, key = new_agent(api, "logs-keys")
    said = {"context": {"note": f"I used {key} and {ADMIN_KEY}", key: [key]}, "resource": key}
    api.post("/logs", REPORT | said, key)
    eventually(lambda: len(listed(api, key)) == 1)
    (entry,) = listed(api, key)
    assert entry["resource"] == "[redacted]"
    assert entry["context"] == {"note": "I used [redacted] and [redacted]", "[redacted]": ["[redacted]"]}
