"""Documents as operators hand them in."""

import pytest

from gateway.assembly.policies import check_document
from gateway.policy.errors import PolicyError


async def test_a_document_is_read_and_held_against_its_cases() -> None:
    document = {"name": "ops", "deny": ["delete *"], "cases": [{"call": {"tool": "delete_disk"}, "expect": "deny"}]}
    assert (await check_document(document)).name == "ops"
    with pytest.raises(PolicyError) as raised:
        await check_document({**document, "deny": []})
    assert raised.value.path == "cases[0]"
