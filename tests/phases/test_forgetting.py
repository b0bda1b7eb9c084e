"""How much of a conversation is left out: what it held at first, in whatever way its client goes on with it."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from gateway.phases.forgetting import Forgetting
from gateway.store.answer_notes import AnswerNotes
from gateway.store.connection import Connection
from gateway.store.keys import Keys
from gateway.wire import DIALECTS
from gateway.wire.drop_history import NothingLeft

SYSTEM = {"role": "system", "content": "s"}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def says(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def calls(id: str) -> list[dict[str, Any]]:
    call = {"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": id, "content": "…"}]


async def forgot(
    forgetting: Forgetting, *messages: Any, conversation: str = "c1", treatment: str = "inc_1/1.0", agent: str = "agt_1"
) -> list[Any]:
    body = orjson.dumps({"messages": messages})
    return await _forgot(forgetting, body, "chat_completions", "messages", conversation, treatment, agent)


async def answers(forgetting: Forgetting, items: Any, *, treatment: str = "inc_1/1.0", **more: Any) -> dict[str, Any]:
    body = orjson.dumps({"input": items, **more})
    found: dict[str, Any] = await _forgot(forgetting, body, "responses", None, "c1", treatment, "agt_1")
    return found


async def _forgot(
    forgetting: Forgetting, body: bytes, dialect: str, member: str | None, conversation: str, treatment: str, agent: str
) -> Any:
    ask = DIALECTS[dialect].read_request(orjson.loads(body))
    about = {"agent_id": agent, "treatment": treatment, "conversation": conversation}
    found = orjson.loads(await forgetting.forget(body, ask, dialect, **about))
    return found if member is None else found[member]


FIRST = (SYSTEM, user("1"), *calls("a"), says("x"), user("2"))
LEFT = [SYSTEM, user("2")]


async def test_what_it_held_at_first_is_left_out_of_each_later_request() -> None:
    forgetting = Forgetting(b"secret")
    assert await forgot(forgetting, *FIRST) == LEFT
    assert await forgot(forgetting, *FIRST) == LEFT  # tried again
    for more in (calls("b"), [*calls("b"), says("y"), user("3")]):
        assert await forgot(forgetting, *FIRST, *more) == [*LEFT, *more]


async def test_another_conversation_that_began_in_the_same_way_is_kept() -> None:
    forgetting = Forgetting(b"secret")
    assert await forgot(forgetting, *FIRST) == LEFT
    assert await forgot(forgetting, SYSTEM, user("1")) == [SYSTEM, user("1")]
    other = (SYSTEM, user("1"), *calls("q"), *calls("r"), *calls("t"))
    assert await forgot(forgetting, *other) == list(other)
    assert await forgot(forgetting, *FIRST, *calls("b")) == [*LEFT, *calls("b")]


async def test_each_treatment_and_each_agent_begins_anew() -> None:
    forgetting = Forgetting(b"secret")
    assert await forgot(forgetting, *FIRST) == LEFT
    grown = (*FIRST, *calls("b"))
    assert await forgot(forgetting, *grown, treatment="inc_2/2.0") == LEFT
    assert await forgot(forgetting, *grown, agent="agt_2") == LEFT
    assert await forgot(forgetting, *grown) == [*LEFT, *calls("b")]


async def test_clients_may_change_what_is_old_or_send_the_end_only() -> None:
    forgetting = Forgetting(b"secret")
    marked = [{**one, "cache_control": {"type": "ephemeral"}} for one in FIRST]
    assert await forgot(forgetting, *marked) == [marked[0], marked[-1]]
    cleared = (SYSTEM, user("1"), says("(cleared)"), says("(cleared)"), *FIRST[3:])
    assert await forgot(forgetting, *cleared, *calls("b")) == [*LEFT, *calls("b")]
    windowed = (*FIRST[3:], *calls("b"))
    assert await forgot(forgetting, *windowed) == [user("2"), *calls("b")]
    assert await forgot(forgetting, *calls("b"), user("3")) == [user("3")]  # nothing of the first request is left


async def test_words_that_are_said_again_and_again_do_not_begin_it_anew() -> None:
    forgetting, said = Forgetting(b"secret"), [user("Go on")]
    assert await forgot(forgetting, *said) == said
    for turn in range(8):
        said += [says("as before"), user("Go on")]
        assert await forgot(forgetting, *said) == said, turn


async def test_only_the_latest_marks_of_a_conversation_are_kept() -> None:
    forgetting = Forgetting(b"secret")
    for number in range(40):
        await forgot(forgetting, user(f"{number}"), says("x"), user("2"))
    (marks,) = forgetting._known.values()
    assert len(marks) == 32
    assert await forgot(forgetting, user("39"), says("x"), user("2"), says("y")) == [user("2"), says("y")]


# What a provider keeps


async def test_answers_given_since_then_are_gone_on_from() -> None:
    forgetting = Forgetting(b"secret")
    assert await answers(forgetting, [user("2")], previous_response_id="resp_old") == {"input": [user("2")]}
    forgetting.answered("agt_1", "inc_1/1.0", "resp_new")
    output = [{"type": "function_call_output", "call_id": "a", "output": "…"}]
    kept = {"input": output, "previous_response_id": "resp_new"}
    assert await answers(forgetting, items=output, previous_response_id="resp_new") == kept
    assert await answers(forgetting, "Go on", previous_response_id="resp_old") == {"input": "Go on"}
    with pytest.raises(NothingLeft):
        await answers(forgetting, output, previous_response_id="resp_new", treatment="inc_2/2.0")


async def test_a_named_conversation_is_told_what_each_request_says() -> None:
    forgetting = Forgetting(b"secret")
    for text in ("1", "2"):
        assert await answers(forgetting, [user(text)], conversation={"id": "conv_1"}) == {"input": [user(text)]}


# Elsewhere


@pytest.fixture
async def connection(redis_url: str) -> AsyncIterator[Connection]:
    connection = Connection(redis_url, op_timeout=1)
    yield connection
    await connection.close()


async def test_other_processes_know_and_so_does_one_that_starts_anew(connection: Connection) -> None:
    notes = AnswerNotes(connection, Keys("t:").reset, seconds=600)
    assert await forgot(Forgetting(b"secret", notes), *FIRST) == LEFT
    Forgetting(b"secret", notes).answered("agt_1", "inc_1/1.0", "resp_new")
    await notes.flush()
    (key, *_) = await connection.execute("KEYS", "t:reset:*")
    assert 0 < await connection.execute("TTL", key) <= 600
    other = Forgetting(b"secret", AnswerNotes(connection, Keys("t:").reset))
    assert await forgot(other, *FIRST, *calls("b")) == [*LEFT, *calls("b")]
    assert (await answers(other, "Go on", previous_response_id="resp_new"))["previous_response_id"] == "resp_new"
    assert await answers(other, "Go on", previous_response_id="resp_old") == {"input": "Go on"}
    held = [await connection.execute("GET", one) for one in await connection.execute("KEYS", "t:reset:*")]
    assert not any(b"Go on" in one or b"cleared" in one for one in held)


async def test_while_redis_is_away_each_process_knows_what_it_saw() -> None:
    forgetting = Forgetting(b"secret", AnswerNotes(Connection("unix:///nowhere"), Keys("t:").reset))
    assert await forgot(forgetting, *FIRST) == LEFT
    assert await forgot(forgetting, *FIRST, *calls("b")) == [*LEFT, *calls("b")]
