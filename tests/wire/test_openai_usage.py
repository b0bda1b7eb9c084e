"""Tokens are read tolerantly, and what only the gateway asked for is taken out again."""

from typing import Any

import orjson
import pytest

from gateway.model.answer import Usage
from gateway.wire.openai_usage import read_usage, strip_usage


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}, Usage(3, 4)),
        ({"prompt_tokens": 3}, Usage(3, 0)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
            Usage(9, 5, 8, 2),
        ),
        (
            {
                "prompt_tokens": 1,
                "completion_tokens": 2,
                "prompt_tokens_details": None,
                "completion_tokens_details": {"reasoning_tokens": None},
            },
            Usage(1, 2),
        ),
        ({"prompt_tokens": "3"}, None),
        ({"prompt_tokens": 3, "completion_tokens": None}, None),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_tokens_are_counted_as_the_provider_counts_them(usage: Any, expected: Usage | None) -> None:
    assert read_usage(usage) == expected


USAGE = b'"usage":{"prompt_tokens":1,"completion_tokens":2}'


@pytest.mark.parametrize(
    ("data", "left"),
    [
        (b'{"id":"x","choices":[{}]}', b'{"id":"x","choices":[{}]}'),
        (b'{"choices":[{}],"usage":null}', b'{"choices":[{}]}'),
        (b'{"choices": [{}], "usage": null, "x": 1.0}', b'{"choices": [{}], "x": 1.0}'),
        (b'{"usage":null,"choices":[{}]}', b'{"choices":[{}]}'),
        (
            b'{"choices":[{"delta":{"content":"\\"usage\\""}}],"usage":null}',
            b'{"choices":[{"delta":{"content":"\\"usage\\""}}]}',
        ),
        (b'{"choices":[{"usage":null}],"usage":null}', b'{"choices":[{"usage":null}]}'),
        (b'{"choices":[{"x":["usage"]}],"usage":null}', b'{"choices":[{"x":["usage"]}]}'),
        (b'{"choices":[{}],"us\\u0061ge":null}', b'{"choices":[{}]}'),
        (b'{"choices":[{"a":1}],%b,"x":2}' % USAGE, b'{"choices":[{"a":1}],"x":2}'),
        (b'{"choices":[],"prompt_filter_results":[],"usage":null}', b'{"choices":[],"prompt_filter_results":[]}'),
    ],
)
@pytest.mark.parametrize("form", [b"data: %b\n\n", b"data:%b\r\n\r\n", b"event: e\ndata: %b\n\n"])
def test_usage_is_taken_out_and_no_other_byte(data: bytes, left: bytes, form: bytes) -> None:
    assert strip_usage(form % data, orjson.loads(data)) == form % left


@pytest.mark.parametrize("data", [b'{"id":"x","choices":[],%b}' % USAGE, b'{"id":"x",%b}' % USAGE])
def test_a_chunk_that_was_sent_for_the_usage_alone_goes_whole(data: bytes) -> None:
    assert strip_usage(b"data: %b\n\n" % data, orjson.loads(data)) == b""


def test_what_is_not_an_object_stays() -> None:
    assert strip_usage(b"data: [DONE]\n\n", None) == b"data: [DONE]\n\n"


def test_an_event_of_several_data_lines_stays() -> None:
    frame = b'data: {"choices":[{}],\ndata: "usage":{"prompt_tokens":1}}\n\n'
    assert strip_usage(frame, {"choices": [{}], "usage": {"prompt_tokens": 1}}) == frame
