"""Only what must not reach the server is taken out."""

import asyncio
from typing import Any

from tests.support.mcp_path import call, mcp_path, request, result
from tests.support.upstream import ScriptedUpstream, answer, json_answer

ANSWERED = json_answer(result())


def run(steps: Any, *documents: Any, script: Any = ANSWERED) -> None:
    async def all_of_it() -> None:
        async with ScriptedUpstream(script) as upstream, mcp_path(upstream.url, *documents) as world:
            await steps(world, upstream)

    asyncio.run(all_of_it())


def test_a_batch_that_may_pass_is_the_same_bytes() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        sent = b'[ {"jsonrpc":"2.0","id":1,"method":"ping"} ,{"jsonrpc":"2.0","method":"notifications/x"}]'
        await world.post(sent)
        assert upstream.requests[0].body == sent

    run(steps)


def test_one_call_is_taken_out_of_a_batch() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answers = (await world.post([call("delete_file", 1), request("ping", 2)])).json()
        assert [one["id"] for one in answers] == [1, 2]
        assert [one["id"] for one in upstream.requests[0].json()] == [2]

    run(steps, {"deny": ["delete file"]}, script=json_answer([result(2)]))


def test_a_response_of_the_caller_may_have_the_id_of_a_call_that_was_taken_out() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answers = await world.post([call("delete_file", 1), result(1, roots=[])])
        assert upstream.requests[0].json() == [result(1, roots=[])]
        assert answers.status_code == 200 and [one["id"] for one in answers.json()] == [1]

    run(steps, {"deny": ["delete file"]}, script=answer(202))
