"""The table of refusals."""

import pickle

import pytest

from gateway.model.errors import CODES, Refusal, UnreadableRequest


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_code_that_a_retry_cannot_change_is_never_a_status_that_sdks_retry(code: str) -> None:
    kind = CODES[code]
    assert kind.retry or kind.status not in (408, 409, 429) or code == "budget_exceeded"
    assert kind.retry or kind.status < 500


def test_a_refusal_can_override_what_its_code_says() -> None:
    refusal = Refusal("upstream_unavailable", "open", status=503, retry=False, retry_after=3)
    assert (refusal.status, refusal.retry, refusal.retry_after) == (503, False, 3)


@pytest.mark.parametrize("refusal", [Refusal("policy_denied", "no"), UnreadableRequest("what?")])
def test_a_refusal_survives_pickling(refusal: Refusal) -> None:
    copy = pickle.loads(pickle.dumps(refusal))
    assert (type(copy), copy.code, copy.message) == (type(refusal), refusal.code, refusal.message)
