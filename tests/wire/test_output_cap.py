import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.output_cap import Output, cap_output, member_for, output_of


@pytest.mark.parametrize(
    ("dialect", "document", "output"),
    [
        ("chat_completions", {}, Output(None)),
        ("chat_completions", {"max_tokens": 5}, Output(5)),
        ("chat_completions", {"max_tokens": 900, "max_completion_tokens": 5, "n": 3}, Output(900, 3)),
        ("chat_completions", {"max_tokens": 0, "n": True}, Output(None)),
        ("chat_completions", {"max_tokens": -1, "max_completion_tokens": 5}, Output(5)),
        ("chat_completions", {"max_tokens": 5.0, "n": 2.0}, Output(5, 2)),
        ("completions", {"prompt": "x"}, Output(16)),
        ("completions", {"prompt": ["x", "y"], "max_tokens": 7, "n": 2, "best_of": 3}, Output(7, 6)),
        ("completions", {"prompt": [1, 2, 3], "max_tokens": 7}, Output(7)),
        ("completions", {"n": 10**9}, Output(16, 10_000)),
        ("responses", {"max_output_tokens": 50, "max_tokens": 9}, Output(50)),
        ("messages", {"max_tokens": 50, "thinking": {"type": "enabled", "budget_tokens": 40}}, Output(50, 1, 41)),
        ("messages", {"max_tokens": 50, "thinking": {"type": "adaptive"}}, Output(50)),
        ("embeddings", {}, None),
    ],
)
def test_what_a_request_lets_a_model_write(dialect: str, document: dict[str, Any], output: Output | None) -> None:
    assert output_of(dialect, document) == output


def capped(dialect: str, body: bytes, cap: int = 100) -> bytes:
    return cap_output(body, json.loads(body), dialect, cap, member_for(dialect, "m", openai=True))


@pytest.mark.parametrize(
    ("dialect", "body", "expected"),
    [
        ("chat_completions", b'{"a" : 1.0 }', b'{"a" : 1.0,"max_completion_tokens":100 }'),
        ("chat_completions", b'{"max_tokens":  500, "a":1}', b'{"max_tokens":  100, "a":1}'),
        ("chat_completions", b'{"max_tokens":5,"max_completion_tokens":500}',
         b'{"max_tokens":5,"max_completion_tokens":100}'),
        ("chat_completions", b'{"max_completion_tokens":null}', b'{"max_completion_tokens":100}'),
        ("chat_completions", b'{"max_tokens":null}', b'{"max_tokens":null,"max_completion_tokens":100}'),
        ("chat_completions", b'{"max_tokens":0}', b'{"max_tokens":100}'),
        ("chat_completions", b"{}", b'{"max_completion_tokens":100}'),
        ("responses", b'{"max_output_tokens":1e3}', b'{"max_output_tokens":100}'),
        ("messages", b'{"max_tokens":101}', b'{"max_tokens":100}'),
        ("completions", b'{"prompt":"x"}', b'{"prompt":"x","max_tokens":100}'),
    ],
)  # fmt: skip
def test_only_the_maximum_changes(dialect: str, body: bytes, expected: bytes) -> None:
    assert capped(dialect, body) == expected


@pytest.mark.parametrize("body", [b'{"max_tokens":100}', b'{"max_tokens": 7, "x": "\\u0041"}'])
def test_a_maximum_that_fits_changes_no_byte(body: bytes) -> None:
    document = json.loads(body)
    assert cap_output(body, document, "chat_completions", 100, "max_tokens") is body


@given(
    st.dictionaries(
        st.sampled_from(["max_tokens", "max_completion_tokens", "model", "x"]),
        st.one_of(st.none(), st.integers(-5, 500), st.text(max_size=3), st.lists(st.integers(), max_size=2)),
    ),
    st.integers(1, 300),
)
def test_a_capped_request_asks_for_no_more_than_the_cap(document: dict[str, Any], cap: int) -> None:
    body = json.dumps(document).encode()
    again = json.loads(cap_output(body, document, "chat_completions", cap, "max_tokens"))
    output = output_of("chat_completions", again)
    assert output is not None
    assert output.wanted is not None
    assert output.wanted <= cap
    assert {k: v for k, v in again.items() if not k.startswith("max_")} == {
        k: v for k, v in document.items() if not k.startswith("max_")
    }


@pytest.mark.parametrize(
    ("model", "at_openai", "elsewhere"),
    [
        ("gpt-4o", "max_completion_tokens", "max_tokens"),
        ("llama-3.3-70b", "max_completion_tokens", "max_tokens"),
        ("gpt-oss-120b", "max_completion_tokens", "max_tokens"),
        (None, "max_completion_tokens", "max_tokens"),
        ("o3", "max_completion_tokens", "max_completion_tokens"),
        ("openai/GPT-5-mini", "max_completion_tokens", "max_completion_tokens"),
        ("ft:o4-mini:acme", "max_completion_tokens", "max_completion_tokens"),
    ],
)
def test_each_server_is_given_the_member_it_knows(model: str | None, at_openai: str, elsewhere: str) -> None:
    assert member_for("chat_completions", model, openai=True) == at_openai
    assert member_for("chat_completions", model, openai=False) == elsewhere
    for openai in (True, False):
        assert member_for("completions", model, openai=openai) == "max_tokens"
        assert member_for("messages", model, openai=openai) == "max_tokens"
        assert member_for("responses", model, openai=openai) == "max_output_tokens"
