"""What the simulated cloud is made of."""

import pytest

from gateway.demo.cloud_state import Cloud, CloudError


def test_two_clouds_are_alike_and_share_nothing() -> None:
    one, other = Cloud(), Cloud()
    assert one == other
    one.service("cache").restarts += 1
    one.files.clear()
    one.calls.append(("get_alerts", {}))
    assert other == Cloud() and one != other


@pytest.mark.parametrize("ask", ["service", "job", "file"])
def test_what_is_not_there_is_named(ask: str) -> None:
    with pytest.raises(CloudError, match="billing"):
        getattr(Cloud(), ask)("billing")
