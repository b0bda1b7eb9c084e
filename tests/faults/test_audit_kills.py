"""Killed at random moments under load: no decision that reached the provider is missing from the record."""

import asyncio
import json
import multiprocessing
import os
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gateway.spool.check import verify_all
from gateway.spool.files import chains
from tests.faults import recorder
from tests.faults.figures import Figures
from tests.faults.world import chat, request
from tests.spool.keeping import SIGNER, audit_at, keeping, records
from tests.support.raw_http import RawConnection
from tests.support.upstream import Conversation, Request, ThreadedUpstream, threaded

ANSWER = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}  # fmt: skip


async def script(request: Request, talk: Conversation) -> None:
    await talk.json(ANSWER)


async def load(address: tuple[str, int], names: Any, answered: set[str]) -> None:
    """Ask one after another until the gateway is gone; each request has a model name of its own."""
    try:
        async with await RawConnection.open(address) as connection:
            while True:
                name = f"model-{next(names)}"
                await connection.send(request(document=chat(name), x_agent_id=f"agent-{name[-1]}"))
                if (await connection.response()).status == 200:
                    answered.add(name)
    except (OSError, EOFError, asyncio.IncompleteReadError, AssertionError, ValueError):
        return


async def kill_rounds(root: Path, upstream: ThreadedUpstream, rounds: int) -> set[str]:
    """Start, load, kill, again; the models whose answers arrived."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.recorder"])
    dice, answered = random.Random(rounds), set[str]()
    names = iter(range(10_000_000))
    for _ in range(rounds):
        here, there = context.Pipe()
        process = context.Process(target=recorder.serve, args=(root, upstream.url, there), daemon=True)
        process.start()
        there.close()
        assert await asyncio.to_thread(here.poll, 20), "it did not start"
        address = here.recv()
        loads = [asyncio.create_task(load(address, names, answered)) for _ in range(8)]
        await asyncio.sleep(dice.uniform(0.02, 0.15))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        await asyncio.gather(*loads)
        await asyncio.to_thread(process.join)
    return answered


async def judged(root: Path, upstream: ThreadedUpstream, answered: set[str]) -> dict[str, int]:
    """Recover a last time, then hold the provider's own book against the record."""
    async with keeping(audit_at(root)):
        pass
    reached = {json.loads(r.body)["model"] for r in upstream.requests}
    report = verify_all(root, "leuko", SIGNER.public_key)
    assert report.sound, [(v.chain, v.problems) for v in report.verdicts if v.problems]
    every = [(chain, r) for chain in chains(root) for r in records(root, chain)]
    decisions = {f"{chain}/{r['seq']}": r["resource"] for chain, r in every if r["kind"] == "decision"}
    assert reached <= set(decisions.values())
    assert answered <= reached
    outcomes = Counter(r["of"] for _, r in every if r["kind"] == "outcome" and "of" in r)
    assert outcomes.keys() == decisions.keys()
    assert set(outcomes.values()) == {1}
    aborted = sum(r.get("result") == "aborted" for _, r in every)
    return {"reached": len(reached), "decisions": len(decisions), "aborted": aborted, "chains": len(report.verdicts)}


async def test_a_killed_gateway_has_recorded_whatever_reached_the_provider(tmp_path: Path) -> None:
    with threaded(script) as upstream:
        answered = await kill_rounds(tmp_path, upstream, 20)
        found = await judged(tmp_path, upstream, answered)
    assert found["chains"] == 21
    assert found["reached"] > 20


@pytest.mark.faults
async def test_200_kills_under_load(tmp_path: Path, figures: Figures) -> None:
    with threaded(script) as upstream:
        answered = await kill_rounds(tmp_path, upstream, 200)
        found = await judged(tmp_path, upstream, answered)
    figures.note("audit kills", kills=200, missing=0, **found)
