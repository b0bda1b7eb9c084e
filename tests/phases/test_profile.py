"""What is found out about a request beside its ask."""

from typing import Any

import orjson
import pytest

from gateway.immune.constants import NAME_KEPT
from gateway.model.agent import Agent
from gateway.model.answer import Answer
from gateway.model.exchange import Exchange, Request
from gateway.model.route import Route
from gateway.model.vitals import Vitals
from gateway.phases.profile import Profile, Profiler
from gateway.wire import DIALECTS

USER = {"role": "user", "content": "hello"}
SYSTEM = {"role": "system", "content": "You are agent 7, today is 2026-11-21."}


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def profiler(clock: list[float]) -> Profiler:
    return Profiler(b"secret", clock=lambda: clock[0])


class _Task:
    def cancel(self) -> bool:
        return False

    def uncancel(self) -> int:
        return 0


def _exchange(
    document: Any, *, dialect: str | None = "chat_completions", agent: str = "agt_1", **headers: str
) -> Exchange:
    fields = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}
    request = Request("POST", "/v1/x", b"", list(fields.items()), fields, "")
    exchange = Exchange("req_1", request, Route(dialect, "/x"), _Task(), 0.0)
    exchange.agent = Agent(agent)
    if dialect is not None:
        exchange.ask = DIALECTS[dialect].read_request(document)
        exchange.plain = orjson.dumps(document)
    return exchange


def _profile(profiler: Profiler, document: Any, **options: Any) -> Profile:
    exchange = _exchange(document, **options)
    assert profiler(exchange) is None
    assert isinstance(exchange.profile, Profile)
    return exchange.profile


def _chat(*messages: Any, **members: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages), **members}


def _settled(profiler: Profiler, exchange: Exchange, *, error: str | None = None, status: int = 200) -> None:
    vitals = Vitals("agt_1", "req_1", 0.0, "x", "p", "m", False, status, 1.0, error_type=error)
    profiler.observe(exchange, vitals)


def test_a_conversation_keeps_its_id_from_turn_to_turn(profiler: Profiler) -> None:
    first = _profile(profiler, _chat(SYSTEM, USER))
    second = _profile(profiler, _chat(SYSTEM, USER, {"role": "assistant", "content": "hi"}, USER))
    other = _profile(profiler, _chat(SYSTEM, {"role": "user", "content": "other"}))
    assert first.conversation == second.conversation != other.conversation
    assert (first.turn, second.turn, other.turn) == (1, 2, 1)


def test_two_agents_never_share_a_conversation(profiler: Profiler) -> None:
    ids = {_profile(profiler, _chat(USER), agent=agent).conversation for agent in ("agt_1", "agt_2")}
    assert len(ids) == 2


def test_the_callers_own_session_names_the_conversation(profiler: Profiler) -> None:
    assert _profile(profiler, _chat(USER), x_agent_session="s-1").conversation == "s-1"
    assert _profile(profiler, None, dialect=None, x_agent_session="s-1").conversation == "s-1"
    for strange in ("x" * 129, "a\tb", "\xe9", "agk_a1b2c3d4_" + "x" * 38):
        found = _profile(profiler, _chat(USER), x_agent_session=strange).conversation
        assert found is not None and found.startswith("cnv_")


def test_a_prompt_is_the_same_whatever_changes_in_it_by_itself(profiler: Profiler) -> None:
    later = {"role": "system", "content": "You are agent 8, today is 2027-01-01."}
    other = {"role": "system", "content": "You are an attacker."}
    hashes = [_profile(profiler, _chat(one, USER)).prompt_hash for one in (SYSTEM, later, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert all(one is not None and len(one) == NAME_KEPT for one in hashes)
    assert _profile(profiler, _chat(USER)).prompt_hash is None
    assert Profiler(b"other secret", clock=lambda: 0.0)._prompt_hash([SYSTEM["content"]]) != hashes[0]


def test_tools_are_the_same_in_any_order(profiler: Profiler) -> None:
    a = {"type": "function", "function": {"name": "a", "parameters": {"type": "object", "required": []}}}
    turned = {"function": {"parameters": {"required": [], "type": "object"}, "name": "a"}, "type": "function"}
    b = {"type": "function", "function": {"name": "b"}}
    hashes = [_profile(profiler, _chat(USER, tools=tools)).tools_hash for tools in ([a, b], [b, turned], [a])]
    assert hashes[0] == hashes[1] != hashes[2]
    assert _profile(profiler, _chat(USER)).tools_hash is None


def test_a_chain_of_answers_is_one_conversation(profiler: Profiler) -> None:
    first = _exchange({"model": "m", "input": "hello"}, dialect="responses")
    profiler(first)
    first.answer = Answer(id="resp_1")
    _settled(profiler, first)
    second = _exchange({"model": "m", "input": "more", "previous_response_id": "resp_1"}, dialect="responses")
    profiler(second)
    assert (second.profile.conversation, second.profile.turn) == (first.profile.conversation, 2)
    stranger = {"model": "m", "input": "more", "previous_response_id": "resp_1"}
    assert _profile(profiler, stranger, dialect="responses", agent="agt_2").conversation != first.profile.conversation


async def test_a_chain_goes_on_at_another_worker() -> None:
    class Kept:
        def __init__(self) -> None:
            self.all: dict[tuple[str, str], bytes] = {}

        def remember(self, agent_id: str, answer_id: str, told: bytes) -> None:
            self.all[agent_id, answer_id] = told

        async def find(self, agent_id: str, answer_id: str) -> bytes | None:
            return self.all.get((agent_id, answer_id))

    kept = Kept()
    one, other = (Profiler(b"secret", clock=lambda: 0.0, chains=kept) for _ in range(2))
    first = _exchange({"model": "m", "input": "hello"}, dialect="responses")
    assert one(first) is None
    first.answer = Answer(id="resp_1")
    _settled(one, first)
    for turn in (2, 2):
        second = _exchange({"model": "m", "input": "more", "previous_response_id": "resp_1"}, dialect="responses")
        waiting = other(second)
        if waiting is not None:
            await waiting
        assert (second.profile.conversation, second.profile.turn) == (first.profile.conversation, turn)
    assert waiting is None, "once known, it is not asked for again"


def test_answers_that_the_provider_does_not_keep_are_not_remembered(profiler: Profiler) -> None:
    exchange = _exchange({"model": "m", "input": "hello", "store": False}, dialect="responses")
    profiler(exchange)
    exchange.answer = Answer(id="resp_1")
    _settled(profiler, exchange)
    assert not profiler._chains


def test_a_message_thread_is_one_conversation(profiler: Profiler) -> None:
    first = _exchange({"model": "m", "messages": [USER], "thread": {"type": "create"}}, dialect="messages")
    profiler(first)
    first.answer = Answer(id="msg_1")
    _settled(profiler, first)
    thread = {"type": "continue", "previous_message_id": "msg_1"}
    found = _profile(profiler, {"model": "m", "messages": [USER], "thread": thread}, dialect="messages")
    assert (found.conversation, found.turn) == (first.profile.conversation, 2)


def test_a_chain_whose_begin_is_unknown_goes_on_as_one(profiler: Profiler) -> None:
    ask = {"model": "m", "input": "more", "previous_response_id": "resp_9"}
    first, again = (_profile(profiler, ask, dialect="responses") for _ in range(2))
    assert first.conversation == again.conversation is not None
    assert first.turn == 2


def test_embeddings_belong_to_no_conversation(profiler: Profiler) -> None:
    found = _profile(profiler, {"model": "m", "input": "x"}, dialect="embeddings")
    assert (found.conversation, found.turn, found.prompt_hash) == (None, None, None)


@pytest.mark.parametrize(("sent", "retries"), [("2", 2), ("-1", 0), ("x", 0), ("99999", 0)])
def test_the_clients_own_count_of_retries_is_taken(profiler: Profiler, sent: str, retries: int) -> None:
    assert _profile(profiler, _chat(USER), x_stainless_retry_count=sent).retries == retries


def test_the_same_body_after_a_failure_is_a_retry(profiler: Profiler, clock: list[float]) -> None:
    large = _chat({"role": "user", "content": "x" * 100_000})
    for document in (_chat(USER), large):
        counts = []
        for error, status in (("client_gone", 200), (None, 503), (None, 200), (None, 200)):
            exchange = _exchange(document)
            profiler(exchange)
            counts.append(exchange.profile.retries)
            _settled(profiler, exchange, error=error, status=status)
        assert counts == [0, 1, 2, 0]


def test_a_failure_is_forgotten_after_a_minute_and_is_nobody_elses(profiler: Profiler, clock: list[float]) -> None:
    exchange = _exchange(_chat(USER))
    profiler(exchange)
    _settled(profiler, exchange, error="upstream_timeout", status=504)
    assert _profile(profiler, _chat(USER), agent="agt_2").retries == 0
    assert _profile(profiler, _chat(USER, n=1)).retries == 0
    clock[0] += 61
    assert _profile(profiler, _chat(USER)).retries == 0


def test_what_is_remembered_is_bounded(profiler: Profiler) -> None:
    for number in range(21_000):
        exchange = _exchange(None, dialect=None)
        profiler(exchange)
        exchange.profile.body_key = ("agt_1", number, 0, 0)
        _settled(profiler, exchange, status=500)
    assert len(profiler._failed) == 20_000
    for number in range(5000):
        profiler._prompt_hash([f"{'a' * (number % 50)} {'b' * (number // 50)}"])
    assert len(profiler._prompts) <= 4096


def test_the_history_is_let_go_of_when_the_request_is_sent(profiler: Profiler) -> None:
    exchange = _exchange(_chat(SYSTEM, USER))
    profiler(exchange)
    exchange.forget_text()
    assert exchange.profile.history is None and exchange.profile.prompt_hash
