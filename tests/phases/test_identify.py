"""Who is calling, as the running path tells it."""

from tests.support.path import OWN_KEY, running_path
from tests.support.upstream import ScriptedUpstream, json_answer

CHAT = "/v1/chat/completions"
ASK = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}


async def test_an_agent_is_its_credential_and_its_hint() -> None:
    async with running_path() as path:

        async def agent(**headers: str) -> str:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = await path.client.post(CHAT, json=ASK, headers=sent)
            return answer.headers["x-gateway-agent-id"]

        one = await agent(authorization="Bearer sk-1")
        assert one == await agent(x_api_key="sk-1")
        others = [
            await agent(authorization="Bearer sk-2"),
            await agent(authorization="Bearer sk-1", x_agent_id="planner"),
            await agent(x_agent_id="planner"),
            await agent(),
        ]
    assert len({one, *others}) == 5


async def test_the_gateways_own_key_is_no_credential_of_the_data_plane() -> None:
    async with running_path() as path:
        answer = await path.client.post(CHAT, json=ASK, headers={"x-api-key": OWN_KEY.decode()})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert OWN_KEY.decode() not in answer.text


async def test_who_is_refused_before_identification_has_no_agent() -> None:
    async with running_path() as path:
        answer = await path.client.post(CHAT, json=ASK, headers={"authorization": "Bearer a", "api-key": "b"})
        assert not path.sightings.all
    assert "x-gateway-agent-id" not in answer.headers


CHANGES = (
    {"x-stainless-retry-count": "2"},
    {"x-stainless-package-version": "3.53.0", "x-stainless-os": "Linux"},
    {"x-claude-code-session-id": "b2c4"},
    {"openai-organization": "org-1"},
    {"x-agent-session": "s-1"},
    {"x-forwarded-for": "203.0.113.9"},
)


async def test_what_changes_from_call_to_call_is_no_part_of_who_it_is() -> None:
    async with running_path() as path:
        ids = {
            (await path.client.post(CHAT, json=ASK, headers={"authorization": "Bearer sk-1"} | change)).headers[
                "x-gateway-agent-id"
            ]
            for change in ({}, *CHANGES)
        }
    assert len(ids) == 1


async def test_one_header_with_two_credentials_is_refused_and_neither_reaches_a_provider() -> None:
    async with ScriptedUpstream(json_answer({"choices": []})) as upstream, running_path(upstream.url) as path:
        for second in ("Bearer sk-2", "Bearer " + OWN_KEY.decode()):
            for pair in (("Bearer sk-1", second), (second, "Bearer sk-1")):
                headers = [("authorization", value) for value in pair]
                answer = await path.client.post(CHAT, json={**ASK, "model": "m"}, headers=headers)
                assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
        assert not upstream.requests
