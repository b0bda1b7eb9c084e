"""Which reported results are new."""

from gateway.model.transcript import MadeCall, Said, Transcript
from gateway.policy.reported import named, newest


def _result(call_id: str | None, tool: str | None = "get") -> Said:
    return Said("tool", "x", tool, call_id)


def test_only_what_no_model_has_seen_is_new() -> None:
    transcript = Transcript(
        (Said("user", "go"), _result("c1"), Said("model", "now"), _result("c2"), Said("user", "and"), _result("c3")),
        (MadeCall("get", {}, "c1", 1), MadeCall("get", {}, "c2", 3), MadeCall("get", {}, "c3", 3)),
    )
    assert [said.call_id for said in newest(transcript, {"c1", "c2", "c3"})] == ["c2", "c3"]
    assert [said.call_id for said in newest(transcript, {"c3"})] == ["c3"]


def test_results_of_calls_that_the_provider_keeps_are_new() -> None:
    transcript = Transcript((_result("c1", None), _result(None), Said("user", "go")))
    assert newest(transcript, {"c1"}) == [_result("c1", None)]


def test_what_stands_before_the_models_last_word_is_old() -> None:
    transcript = Transcript((_result("c1"), Said("model", "seen"), _result("c2")))
    assert newest(transcript, {"c1", "c2"}) == [_result("c2")]


def test_results_without_their_calls_get_their_names() -> None:
    transcript = Transcript((_result("c1", None), _result("c2", None), _result("c3", "own"), _result(None, None)))
    assert [said.tool for said in named(transcript, {"c1": "send", "c3": "no"}).said] == ["send", None, "own", None]
    assert named(transcript, {"c9": "send"}) is transcript
