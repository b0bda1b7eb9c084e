import orjson
import pytest

from gateway.demo.stub_messages import message_stream, message_whole
from gateway.demo.stub_turns import Call, Turn
from tests.demo.rendered import TURN, events, mint, question


def test_blocks_are_opened_filled_and_closed_one_after_the_other() -> None:
    seen = events(message_stream(question(), TURN, mint()))
    assert [name for name, _ in seen] == [data["type"] for _, data in seen]
    steps = [(name, data.get("index")) for name, data in seen]
    collapsed = [step for at, step in enumerate(steps) if not at or step != steps[at - 1]]
    blocks = [(f"content_block_{step}", index) for index in (0, 1, 2) for step in ("start", "delta", "stop")]
    assert collapsed == [
        ("message_start", None),
        blocks[0],
        ("ping", None),
        *blocks[1:],
        ("message_delta", None),
        ("message_stop", None),
    ]


def test_deltas_join_to_the_whole_message() -> None:
    seen = [data for _, data in events(message_stream(question(), TURN, mint()))]
    whole = message_whole(question(), TURN, mint())
    started = [data["content_block"] for data in seen if data["type"] == "content_block_start"]
    deltas = [(data["index"], data["delta"]) for data in seen if data["type"] == "content_block_delta"]
    assert "".join(delta["text"] for index, delta in deltas if index == 0) == whole["content"][0]["text"]
    for index in (1, 2):
        partial = [delta["partial_json"] for at, delta in deltas if at == index]
        assert partial[0] == ""
        assert started[index] | {"input": orjson.loads("".join(partial))} == whole["content"][index]
    end = seen[-2]
    assert end["delta"]["stop_reason"] == whole["stop_reason"] == "tool_use"
    assert end["usage"]["output_tokens"] == whole["usage"]["output_tokens"]
    assert seen[0]["message"]["usage"]["input_tokens"] == whole["usage"]["input_tokens"]


def test_a_text_without_citations_does_not_speak_of_them() -> None:
    """Some clients read the member as a list if it is there at all."""
    turn = Turn("Hello")
    opened = [data for name, data in events(message_stream(question(), turn, mint())) if name == "content_block_start"]
    assert opened[0]["content_block"] == {"type": "text", "text": ""}
    assert message_whole(question(), turn, mint())["content"] == [{"type": "text", "text": "Hello"}]


def test_arguments_that_are_no_json_are_sent_as_they_are() -> None:
    turn = Turn(calls=(Call("a", '{"broken'),))
    deltas = [
        d["delta"]["partial_json"]
        for n, d in events(message_stream(question(), turn, mint()))
        if "delta" in n and "index" in d
    ]
    assert "".join(deltas) == '{"broken'
    assert message_whole(question(), turn, mint())["content"][0]["input"] == '{"broken'


@pytest.mark.parametrize("finish, reason", [(None, "end_turn"), ("length", "max_tokens"), ("pause_turn", "pause_turn")])
def test_the_stop_reason_is_said_in_the_dialects_words(finish: str | None, reason: str) -> None:
    turn = Turn("text", finish=finish)
    assert message_whole(question(), turn, mint())["stop_reason"] == reason
    assert events(message_stream(question(), turn, mint()))[-2][1]["delta"]["stop_reason"] == reason


def test_the_id_counts_the_results_so_far() -> None:
    result = {"role": "user", "content": [{"type": "tool_result", "content": "r"}]}
    asked = question(messages=[result], thread={"type": "continue", "previous_message_id": "msg_x_1"})
    assert message_whole(asked, TURN, mint())["id"].endswith("_2")
