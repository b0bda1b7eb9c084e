"""Changes that say which version they change."""

import pytest

from gateway.edge.admin.conditional import changed, check, etag
from gateway.edge.admin.problems import Problem

TAG = etag(7)


@pytest.mark.parametrize(
    ("tag", "if_match", "if_none_match"),
    [(TAG, '"7"', None), (TAG, "*", None), (TAG, '"5", "7"', None), (None, None, None), (None, None, "*")],
)
def test_a_request_about_what_is_there_passes(tag: str | None, if_match: str | None, if_none_match: str | None) -> None:
    check(tag, if_match, if_none_match)


@pytest.mark.parametrize(
    ("tag", "if_match", "if_none_match", "status"),
    [
        (TAG, None, None, 428),
        (TAG, None, '"5"', 428),
        (TAG, '"5"', None, 412),
        (TAG, 'W/"7"', None, 412),
        (TAG, "", None, 412),
        (TAG, "7", None, 412),
        (TAG, None, "*", 412),
        (TAG, '"7"', "*", 412),
        (None, "*", None, 412),
        (None, '"7"', None, 412),
    ],
)
def test_any_other_request_is_told_why_not(
    tag: str | None, if_match: str | None, if_none_match: str | None, status: int
) -> None:
    with pytest.raises(Problem) as raised:
        check(tag, if_match, if_none_match)
    assert raised.value.status == status and changed().status == 412
