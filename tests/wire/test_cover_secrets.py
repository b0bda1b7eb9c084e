"""Secrets in messages are covered, wherever they are written, and no other byte changes."""

import orjson
import pytest

from gateway.wire.cover_secrets import cover_secrets

SECRET = "AKIA1234"
LEFT_ALONE = frozenset({"signature", "thinking"})


def cover(text: str) -> str:
    return text.replace(SECRET, "[x]") if SECRET in text else text


def covered(body: bytes) -> bytes:
    return cover_secrets(body, orjson.loads(body), cover, LEFT_ALONE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"messages" : [{"content":"a AKIA1234 b","n":1.50}]}', b'{"messages" : [{"content":"a [x] b","n":1.50}]}'),
        (b'{"input":"AKIA1234"}', b'{"input":"[x]"}'),
        (b'{"input":"\\u0041KIA1234 \\u00e9"}', '{"input":"[x] é"}'.encode()),
        (b'{"system":[{"text":"AKIA1234"},{"text":"\\u00e9"}]}', b'{"system":[{"text":"[x]"},{"text":"\\u00e9"}]}'),
        (
            b'{"input":[{"arguments":"{\\"k\\":\\"AKIA1234\\"}"}],"instructions":"AKIA1234"}',
            b'{"input":[{"arguments":"{\\"k\\":\\"[x]\\"}"}],"instructions":"[x]"}',
        ),
        (b'{"messages":[{"input":{"AKIA1234":"AKIA1234"}}]}', b'{"messages":[{"input":{"AKIA1234":"[x]"}}]}'),
    ],
)
def test_texts_are_covered_and_nothing_else_changes(before: bytes, after: bytes) -> None:
    assert covered(before) == after


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":[{"content":"plain"}]}',
        b'{"messages":[{"content":[{"signature":"AKIA1234"}]}]}',
        b'{"model":"AKIA1234","messages":[1,null]}',
    ],
)
def test_what_has_no_secret_to_cover_is_the_very_same(body: bytes) -> None:
    assert covered(body) is body


def test_what_a_provider_takes_back_only_as_it_was_stays() -> None:
    body = b'{"messages":[{"content":[{"thinking":"AKIA1234","signature":"AKIA1234"},{"text":"AKIA1234"}]}]}'
    assert covered(body) == body.replace(b'"text":"AKIA1234"', b'"text":"[x]"')
