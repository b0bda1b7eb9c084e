from typing import Any

import pytest

from gateway.demo.stub_responses import response_stream, response_whole
from gateway.demo.stub_turns import Call, Turn
from tests.demo.rendered import TURN, events, mint, question


def test_events_are_named_numbered_and_in_the_order_of_the_api() -> None:
    seen = events(response_stream(question(), TURN, mint()))
    assert [name for name, _ in seen] == [data["type"] for _, data in seen]
    assert [data["sequence_number"] for _, data in seen] == list(range(len(seen)))
    names = [name.removeprefix("response.") for name, _ in seen]
    collapsed = [name for at, name in enumerate(names) if not at or name != names[at - 1]]
    assert collapsed == [
        *("created", "in_progress"),
        *("output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done"),
        "output_item.done",
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"),
        *("output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done", "output_item.done"),
        "completed",
    ]


def test_the_last_event_is_the_whole_answer() -> None:
    *_, (_, last) = events(response_stream(question(), TURN, mint()))
    assert last["response"] == response_whole(question(), TURN, mint())


def test_items_are_empty_when_added_full_when_done_and_as_in_the_answer() -> None:
    seen = [data for _, data in events(response_stream(question(), TURN, mint()))]
    added = [data["item"] for data in seen if data["type"] == "response.output_item.added"]
    done = [data["item"] for data in seen if data["type"] == "response.output_item.done"]
    assert [item["status"] for item in added] == ["in_progress"] * 3
    assert (added[0]["content"], added[1]["arguments"], added[2]["input"]) == ([], "", "")
    assert done == seen[-1]["response"]["output"]
    assert [item["id"] for item in added] == [item["id"] for item in done]


def test_deltas_join_to_what_is_done() -> None:
    seen = [data for _, data in events(response_stream(question(), TURN, mint()))]
    for kind, member, whole in [
        ("output_text", "text", "Let me look."),
        ("function_call_arguments", "arguments", '{"city":"Bern"}'),
        ("custom_tool_call_input", "input", "ls -l"),
    ]:
        deltas = [data["delta"] for data in seen if data["type"] == f"response.{kind}.delta"]
        done = [data[member] for data in seen if data["type"] == f"response.{kind}.done"]
        assert ("".join(deltas), done) == (whole, [whole])


def test_the_first_events_have_no_output_and_no_usage() -> None:
    for _, data in events(response_stream(question(), TURN, mint()))[:2]:
        opened = data["response"]
        assert (opened["status"], opened["output"], opened["usage"]) == ("in_progress", [], None)


def test_members_of_the_request_are_repeated() -> None:
    asked = {"instructions": "be brief", "metadata": {"a": "b"}, "tools": [{"type": "function"}], "store": False}
    whole = response_whole(question(**asked, temperature=None), TURN, mint())
    assert {member: whole[member] for member in asked} == asked
    assert whole["temperature"] == 1.0


def test_a_namespace_is_told() -> None:
    item = response_whole(question(), Turn(calls=(Call("exec", "1", "custom", "functions"),)), mint())["output"][0]
    assert (item["type"], item["namespace"]) == ("custom_tool_call", "functions")


@pytest.mark.parametrize(
    "finish, status, details",
    [
        (None, "completed", None),
        ("stop", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_a_turn_that_was_cut_is_incomplete(finish: str | None, status: str, details: Any) -> None:
    turn = Turn("text", finish=finish)
    whole = response_whole(question(), turn, mint())
    assert (whole["status"], whole["incomplete_details"]) == (status, details)
    assert events(response_stream(question(), turn, mint()))[-1][0] == f"response.{status}"


def test_the_id_counts_the_results_so_far() -> None:
    asked = question(input=[{"type": "function_call_output"}], previous_response_id="resp_x_2")
    assert response_whole(asked, TURN, mint())["id"].endswith("_3")
