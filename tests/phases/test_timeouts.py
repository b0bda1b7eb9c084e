"""How long the gateway waits, compared with the clients that wait for it."""

import anthropic
import openai
import pytest

from gateway.phases.timeouts import Timeouts
from gateway.settings.model import Settings


@pytest.mark.parametrize("sdk", [openai.DEFAULT_TIMEOUT, anthropic.DEFAULT_TIMEOUT])
def test_an_answer_may_take_longer_than_any_sdk_waits(sdk: openai.Timeout) -> None:
    ours = Timeouts()
    assert sdk.read is not None and sdk.connect is not None
    assert ours.whole > sdk.read
    assert ours.total > sdk.read
    assert ours.first_byte >= sdk.read
    assert ours.connect <= sdk.connect


def test_the_settings_wait_as_long_as_the_phases_do_by_default() -> None:
    assert Timeouts(**Settings().timeouts.model_dump()) == Timeouts()
