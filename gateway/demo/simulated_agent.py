"""An agent that works through the gateway as a real one would, and can be made ill: for demonstrations and trials.

It asks the model `stub-script` with the headers of the OpenAI SDK: a person's question, the model's call of the agent's
tool, the tool's result, the answer; then the next conversation. What the model says is in the request's `stub` member.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.demo.simulated_behaviour import WELL, Behaviour
from gateway.demo.simulated_roles import RISKY, ROLES, Role

_MODEL = "stub-script"
_SDK = "2.9.0"
_DELAY_MS = 30.0
_SPREAD = 0.25  # of the logarithm of lengths and times
_WORDS = ("the", "order", "is", "on", "its", "way", "and", "will", "be", "there", "before", "noon", "as", "agreed")
_LONGEST_LOOP = 40
_LONGEST_WAIT = 2.0
_PARAGRAPHS = 12  # of padding, for each time that a question is longer than usual


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request came to. status 0: no answer. code: of the error, if there is one. `wait` is how many seconds
    the gateway asks to be left alone for."""

    status: int
    code: str | None = None
    message: str = ""
    calls: tuple[str, ...] = ()
    request_id: str = ""
    wait: float = 0.0

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def why(self) -> str:
        """Why there is no better one."""
        return self.message or self.code or "no answer"


class SimulatedAgent:
    """`work` until cancelled, or `ask` once; change `behaviour` at any time.

    Args:
        http: whose base URL is the gateway's.
        name: sent as `X-Agent-Id`; empty: not sent.
        credential: its provider key, or a key of the gateway. Agents with different ones are different agents.
        chance: where its words, lengths and times come from.

    Attributes:
        agent_id: as the gateway calls it; empty before the first answer.
        codes: how often each error code came; `answered` how often an answer did. last: the latest of both.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        name: str,
        *,
        credential: str,
        chance: random.Random,
        role: Role = ROLES[0],
        user_agent: str = f"OpenAI/Python {_SDK}",
        delay_ms: float = _DELAY_MS,
    ) -> None:
        self.name, self.credential, self.role, self.user_agent = name, credential, role, user_agent
        self.behaviour = WELL
        self.agent_id = ""
        self.answered = 0
        self.codes: Counter[str] = Counter()
        self.last = Answer(0)
        self._http = http
        self._chance = chance
        self._delay_ms = delay_ms
        self._messages: list[dict[str, Any]] = []
        self._thing = role.things[0]

    def disguised(self) -> "SimulatedAgent":
        """The same, come again under another name and with another client; only its credential tells."""
        return SimulatedAgent(
            self._http,
            f"{self.name}-again",
            credential=self.credential,
            chance=self._chance,
            role=self.role,
            user_agent="python-httpx/0.28",
        )

    async def work(self, rate: float) -> None:
        """Ask `rate` times a second on average, less while the gateway answers slowly or wants to be left alone."""
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            answer = await self.ask()
            pause = self._chance.uniform(0.5, 1.5) / rate - (loop.time() - begun)
            await asyncio.sleep(max(pause, min(answer.wait, _LONGEST_WAIT), 0.0))

    async def ask(self) -> Answer:
        """One request: the next one of its conversation, or the first of a new one. Never raises for what the gateway
        or the network does."""
        ill = self.behaviour
        if not self._messages:
            self._begin(ill)
        self.last = answer = await self._send(self._body(ill), ill)
        if answer.ok:
            self.answered += 1
        else:
            self.codes[answer.code or str(answer.status)] += 1
        if not answer.ok or not answer.calls or len(self._messages) > 2 * _LONGEST_LOOP:
            self._messages = []
        return answer

    def _begin(self, ill: Behaviour) -> None:
        self._thing = self._chance.choice(self.role.things)
        said = self.role.question.format(thing=self._thing)
        asked = f"{said} It is about number {self._chance.randrange(10**6)}."
        more = round(_PARAGRAPHS * (ill.input - 1.0))
        if more > 0:
            asked += "".join(f"\n\n{self._text(40)}" for _ in range(more))
        system = self.role.system if ill.system is None else ill.system
        self._messages = [{"role": "system", "content": system}, {"role": "user", "content": asked}]

    def _body(self, ill: Behaviour) -> dict[str, Any]:
        tool, spread = ill.calls or self.role.tool, self._chance.lognormvariate(0.0, _SPREAD)
        asked = [{"name": tool, "arguments": {self.role.argument: self._thing}}]
        said = self._text(max(1, round(self.role.words * ill.output * self._chance.lognormvariate(0.0, _SPREAD))))
        call = {"text": said[: len(said) // 2], "calls": asked}  # models think aloud
        turns: list[Any] = [call] * _LONGEST_LOOP if ill.loops else [call, said]
        stub: dict[str, Any] = {"turns": turns, "delay_ms": round(self._delay_ms * ill.latency * spread, 1)}
        if ill.status is not None:
            stub["status"] = ill.status
        offered = [self._tool(name) for name in (self.role.tool, RISKY)]
        return {"model": _MODEL, "messages": self._messages, "tools": offered, "stub": stub}

    async def _send(self, body: dict[str, Any], ill: Behaviour) -> Answer:
        headers = {
            "authorization": f"Bearer {self.credential}",
            "user-agent": self.user_agent,
            "x-stainless-lang": "python",
            "x-stainless-package-version": _SDK,
            "x-stainless-retry-count": str(ill.retries),
        }
        if self.name:
            headers["x-agent-id"] = self.name
        try:
            got = await self._http.post("/v1/chat/completions", json=body, headers=headers)
        except httpx.HTTPError as error:
            return Answer(0, type(error).__name__)
        self.agent_id = got.headers.get("x-gateway-agent-id", self.agent_id)
        document: Any = None
        with contextlib.suppress(ValueError):
            document = got.json()
        return self._heard(got, document if isinstance(document, dict) else {})

    def _heard(self, got: httpx.Response, document: dict[str, Any]) -> Answer:
        request_id = got.headers.get("x-gateway-request-id", "")
        if got.status_code >= 400:
            error = document.get("error") or {}
            asked = got.headers.get("retry-after", "")
            wait = float(asked) if asked.isdigit() else 0.0
            return Answer(got.status_code, error.get("code"), error.get("message") or "", (), request_id, wait)
        message = document["choices"][0]["message"]
        calls = message.get("tool_calls") or []
        self._messages.append(message)
        for call in calls:
            found = f"{self._thing}: found, all is as it should be"
            self._messages.append({"role": "tool", "tool_call_id": call["id"], "content": found})
        names = tuple(call["function"]["name"] for call in calls)
        return Answer(got.status_code, None, message.get("content") or "", names, request_id)

    def _text(self, words: int) -> str:
        return " ".join(self._chance.choice(_WORDS) for _ in range(words))

    def _tool(self, name: str) -> dict[str, Any]:
        schema = {"type": "object", "properties": {self.role.argument: {"type": "string"}}}
        return {"type": "function", "function": {"name": name, "description": f"{name} of one", "parameters": schema}}


def simulated_agents(
    http: httpx.AsyncClient, count: int, chance: random.Random, *, prefix: str = "agent", delay_ms: float = _DELAY_MS
) -> list[SimulatedAgent]:
    """So many healthy ones, each with a role, a name and a credential of its own. `prefix` begins their names; another
    one makes other agents."""
    return [
        SimulatedAgent(
            http,
            f"{prefix}-{role.name}-{number}",
            credential=f"sk-{prefix}-{role.name}-{number:04}",
            chance=random.Random(chance.random()),
            role=role,
            delay_ms=delay_ms,
        )
        for number, role in ((number, ROLES[number % len(ROLES)]) for number in range(count))
    ]


@contextlib.asynccontextmanager
async def at_work(work: Iterable[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """All of it goes on meanwhile, and ends then."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
