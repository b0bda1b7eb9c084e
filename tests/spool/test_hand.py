"""Jobs away from the loop: their results, their failures, and leaving one behind."""

import asyncio
import threading

import pytest

from gateway.spool.hand import Hand


async def test_results_and_failures_come_back() -> None:
    hand = Hand(asyncio.get_running_loop())
    assert await hand.submit(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        await hand.submit(lambda: 1 // 0)
    assert await hand.submit(threading.current_thread) is not threading.current_thread()
    hand.leave()


async def test_nobody_has_to_wait() -> None:
    hand, go = Hand(asyncio.get_running_loop()), threading.Event()
    left = hand.submit(go.wait)
    left.cancel()
    hand.submit(lambda: 1 // 0)
    go.set()
    assert await hand.submit(lambda: "later") == "later"
    hand.leave()
