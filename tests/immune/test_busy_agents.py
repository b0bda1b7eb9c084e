"""Honest coding agents at work: helpers side by side, tool sets that change, long conversations, waiting for builds."""

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from math import log
from typing import Any

import pytest

from gateway.immune.lifecycle import Health, decide
from gateway.immune.loops import Loop, loop_in
from gateway.immune.moves import stepped
from gateway.immune.record import new_record
from gateway.immune.watched import watch
from gateway.model.agent import Agent
from gateway.model.vitals import Vitals
from gateway.wire import DIALECTS
from gateway.wire.failed_result import says_it_failed
from tests.phases.test_immune_settings import settings

AGENT = Agent("agt_1")
LARGE, SMALL = "claude-opus-4-5", "claude-haiku-4-5"
HELPERS = {"explore": SMALL, "plan": LARGE, "build": LARGE, "review": LARGE, "web": SMALL}


class Coding:
    """One user's agent over some days, as vitals: sessions with titles, helpers, compactions."""

    def __init__(self, seed: int, *, failing: float = 0.0) -> None:
        self.chance = random.Random(seed)
        self.failing = failing
        self.now, self.calls, self.talks = 1.7e9, 0, 0

    def days(self, count: int) -> Iterator[Vitals]:
        for day in range(count):
            for _ in range(6):
                yield from self.session("tools" if day < 3 else "tools and a server")
            self.now += 40_000

    def session(self, tools: str) -> Iterator[Vitals]:
        yield from self.talk("title", None, SMALL, 1, 400)
        for one in self.talk("main", tools, LARGE, int(self.chance.lognormvariate(log(25), 0.9)) + 2, 18_000):
            yield one
            if self.chance.random() < 0.15:
                yield from self.talk("title", None, SMALL, 1, 400)
            if self.chance.random() < 0.05:
                yield from self.side_by_side(self.chance.choice([1, 2, 3, 5]))

    def side_by_side(self, many: int) -> Iterator[Vitals]:
        kinds = self.chance.choices(list(HELPERS), k=many)
        steps = [int(self.chance.lognormvariate(log(9), 0.7)) + 2 for _ in kinds]
        running = [self.talk(kind, kind, HELPERS[kind], n, 9_000) for kind, n in zip(kinds, steps, strict=True)]
        while running:
            one = self.chance.choice(running)
            call = next(one, None)
            if call is None:
                running.remove(one)
            else:
                yield call

    def talk(self, prompt: str, tools: str | None, model: str, steps: int, size: float) -> Iterator[Vitals]:
        draw = self.chance.lognormvariate
        self.talks += 1
        talk, held, turn = f"talk {self.talks}", size * draw(0, 0.15), 0
        for step in range(steps):
            turn += 1
            some = self.chance.choices([draw(log(130), 0.6), draw(log(700), 0.7), draw(log(4000), 0.5)], [75, 20, 5])
            output = draw(log(25), 0.4) if prompt == "title" else some[0]
            tool_calls = 0 if step == steps - 1 else self.chance.choices([1, 2, 3, 5, 8], [78, 12, 6, 3, 1])[0]
            yield from self.failures(prompt, tools, model, talk, turn)
            yield self.call(prompt, tools, model, talk, turn, held, output, tool_calls)
            held += output + sum(draw(log(900), 1.1) for _ in range(tool_calls))
            if held > 160_000:  # the client puts a summary in the place of what was said
                self.talks += 1
                talk, held, turn = f"talk {self.talks}", size + 3000, 0

    def failures(self, prompt: str, tools: str | None, model: str, talk: str, turn: int) -> Iterator[Vitals]:
        """The provider asks to come again later, and the client does."""
        for retries in range(self.chance.choice([2, 4, 6]) if self.chance.random() < self.failing else 0):
            yield self.call(prompt, tools, model, talk, turn, 0.0, 0.0, 0, status=429, retries=retries)

    def call(
        self,
        prompt: str,
        tools: str | None,
        model: str,
        talk: str,
        turn: int,
        held: float,
        output: float,
        calls: int,
        *,
        status: int = 200,
        retries: int = 0,
    ) -> Vitals:
        self.calls += 1
        self.now += self.chance.expovariate(1 / 4)
        each = 5e-6 if model == LARGE else 1e-6
        first = self.chance.lognormvariate(log(900), 0.5)
        return Vitals(
            "agt_1",
            f"req_{self.calls}",
            self.now,
            "messages",
            "anthropic",
            model,
            True,
            status,
            first + output * self.chance.lognormvariate(log(14), 0.3),
            ttft_ms=first,
            input_tokens=int(held),
            output_tokens=int(output),
            tool_calls=calls,
            tool_errors=int(self.chance.random() < 0.12),
            retries=retries,
            cost_usd=each * (held * (0.1 if turn > 1 else 1.0) + 5 * output),
            prompt_hash=prompt,
            tools_hash=tools,
            conversation=talk,
            turn=turn,
        )


class Joined(Coding):
    """One that begins to use helpers on the second day, each with answers, inputs, calls and a model of its own."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        draw = random.Random(seed)
        self.today = 0
        self.kinds = {
            kind: (
                draw.lognormvariate(log(300), 1.3),
                draw.lognormvariate(log(9_000), 0.8),
                draw.choice([0, 1, 4]),
                draw.choice([LARGE, LARGE, SMALL]),
            )
            for kind in HELPERS
        }

    def session(self, tools: str) -> Iterator[Vitals]:
        self.today += 1
        for one in self.talk("main", "tools", LARGE, int(self.chance.lognormvariate(log(25), 0.9)) + 2, 18_000):
            yield one
            if self.today > 6 and self.chance.random() < 0.1:
                yield from self.talk("title", None, SMALL, 1, 400)
            if self.today > 6 and self.chance.random() < 0.1:
                yield from self.side_by_side(self.chance.choice([1, 2, 3, 5]))

    def talk(self, prompt: str, tools: str | None, model: str, steps: int, size: float) -> Iterator[Vitals]:
        if prompt not in self.kinds:
            yield from super().talk(prompt, tools, model, steps, size)
            return
        length, held, most, model = self.kinds[prompt]
        draw = self.chance.lognormvariate
        self.talks += 1
        talk = f"talk {self.talks}"
        for step in range(steps):
            output, calls = draw(log(length), 0.5), self.chance.choice([most, most, max(0, most - 1), most + 1])
            yield self.call(prompt, tools, model, talk, step + 1, held, output, calls if step < steps - 1 else 0)
            held += output + sum(draw(log(900), 1.1) for _ in range(max(1, calls)))


def judged(exchanges: Iterable[Vitals]) -> Counter[str]:
    """How often an agent came to be in a state, or something was done about it, and its calls."""
    record, done = new_record("agt_1", 0.0), Counter[str]()
    for one in exchanges:
        found = watch(record.state, one)
        health = Health(record.state.warm, record.state.calls, agents=20)
        record.course, steps = decide(record.life, record.course, found, health, now=one.time)
        for step in steps:
            done[step.state or step.do] += 1
            if step.state == "DRAINING":
                return done
            record.life = stepped(record.life, step, one.time)
        done["calls"] += 1
        done["throttled"] += record.course.throttled
    return done


@pytest.mark.exhaustive
@pytest.mark.parametrize("failing", [0.0, 0.02])
def test_a_busy_user_is_hardly_ever_slowed_down_and_not_blocked(failing: float) -> None:
    done = sum((judged(Coding(seed, failing=failing).days(6)) for seed in range(6)), Counter())
    print(done)
    assert done["calls"] > 10_000
    assert done["DRAINING"] == 0 and done["throttled"] / done["calls"] < 0.005
    if not failing:
        assert done["SUSPECTED"] / done["calls"] < 0.004


@pytest.mark.exhaustive
def test_one_that_begins_to_use_helpers_is_suspected_and_no_more() -> None:
    each = [judged(Joined(seed).days(4)) for seed in range(12)]
    done = sum(each, Counter())
    print(done)
    assert done["calls"] > 20_000
    assert done["DRAINING"] == 0 and done["throttled"] / done["calls"] < 0.015
    assert done["SUSPECTED"] / done["calls"] < 0.01  # five helpers are five changes, each told
    assert all(one["tell"] for one in each)


_Turn = list[tuple[str, dict[str, Any], Any]]


def shown(turns: list[_Turn]) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Mend the build."}]
    for number, turn in enumerate(turns):
        ids = [f"toolu_{number}_{place}" for place in range(len(turn))]
        uses = [{"type": "tool_use", "id": id, "name": c[0], "input": c[1]} for id, c in zip(ids, turn, strict=True)]
        told = [{"type": "tool_result", "tool_use_id": id, "content": c[2]} for id, c in zip(ids, turn, strict=True)]
        messages += [{"role": "assistant", "content": uses}, {"role": "user", "content": told}]
    return {"model": "m", "messages": json.loads(json.dumps(messages))}


def blocked(turns: list[_Turn]) -> Loop | None:
    """The loop that ends the conversation at some time, with the settings that hold without a policy."""
    limits = settings(agent=AGENT).loops
    for end in range(1, len(turns) + 1):
        loop = loop_in(
            DIALECTS["messages"].transcript(shown(turns[:end])), lambda said: says_it_failed(said.text), limits
        )
        if loop is not None and loop.blocks:
            return loop
    return None


def picture(number: int) -> list[dict[str, Any]]:
    data = f"iVBORw0KGgo{number:0200x}AAAAASUVORK5CYII="
    return [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}]


CHECK = ("Bash", {"command": "gh run view 12 --json status"}, '{"status": "in_progress"}')
WORK: dict[str, list[_Turn]] = {
    "two hundred calls": [
        [("Bash", {"command": f"sed -n {n % 70}p main.py"}, f"line {n % 70} {n // 60}")] for n in range(200)
    ],
    "waiting for a build": [[("BashOutput", {"bash_id": "b1"}, "<status>running</status>")] for _ in range(30)],
    "waiting for a job": [[("Bash", {"command": "sleep 30"}, ""), CHECK] for _ in range(30)],
    "waiting for a job in turns": [[CHECK] if n % 2 else [("Bash", {"command": "sleep 9"}, "")] for n in range(60)],
    "waiting for a process": [
        [("write_stdin", {"session_id": 5, "chars": ""}, f"Wall time: 30.{n} seconds\nrunning")] for n in range(30)
    ],
    "looking at a screen": [[("computer", {"action": "key", "text": "Page_Down"}, picture(n))] for n in range(30)],
    "looking after each step": [
        [("computer", {"action": "click", "at": [n, 7]}, "ok"), ("computer", {"action": "screenshot"}, picture(n))]
        for n in range(30)
    ],
    "edits between failing tests": [
        [("Edit", {"old": n}, "updated") if n % 2 else ("Bash", {"command": "pytest"}, "Error: Exit code 1")]
        for n in range(60)
    ],
    "a list of things to do": [
        [("TodoWrite", {"done": n // 4}, "Todos have been modified successfully."), ("Read", {"file": n}, "text" * n)]
        for n in range(60)
    ],
    "six files at once": [[("Read", {"file": f"{n} {place}"}, "text") for place in range(6)] for n in range(20)],
    "nothing found": [[("Grep", {"pattern": f"name {n}"}, "No matches found")] for n in range(40)],
}  # fmt: skip


@pytest.mark.exhaustive
@pytest.mark.parametrize("turns", WORK.values(), ids=WORK)
def test_no_conversation_of_a_diligent_agent_is_blocked(turns: list[_Turn]) -> None:
    assert blocked(turns) is None


def test_who_looks_at_the_same_picture_again_and_again_is_in_a_loop() -> None:
    loop = blocked([[("computer", {"action": "key", "text": "Page_Down"}, picture(7))] for _ in range(10)])
    assert loop is not None and loop.kind == "identical_calls"
