"""capping: answers that grow far beyond what their agent ever gets are cut while they stream (a runaway answer).

What was passed on until then is paid for. An answer that is complete is not cut any more, and only told. Sizes are
told by characters of what the model has produced, withheld or not, four to a token.

Of an agent that is not known yet only is known what all others get. That its answers are longer proves nothing against
it: they are told, and cut only where a policy says so (`fleet_caps_cut`).
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial

from gateway.immune.caps import NONE, Caps
from gateway.immune.finding import Finding
from gateway.immune.settings import DEFAULT, Immune
from gateway.model.agent import Agent
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.model.tool_call import ToolCall
from gateway.model.verdict import Judge, Ruling, Wait
from gateway.pricing.calibration import PER_TOKEN

METRIC = "runaway"

Tick = Callable[[float], None]


class Cap:
    """Of one answer that streams; this one caps nothing. `chars`: whoever passes the answer on asks `over` when the
    answer has produced more."""

    chars = sys.maxsize

    def over(self, *, complete: bool = False) -> Refusal | None:
        """Why the answer is cut now; None: it goes on, or is `complete` and cannot be cut."""
        return None

    def judging(self, judge: Judge) -> Judge:
        """The same judge, who lets through no more calls than may be."""
        return judge

    def ticking(self, tick: Tick, standing: Callable[[], bool]) -> Tick:
        """Called a few times a second. `standing`: whether nothing can come because a ruling is awaited."""
        return tick


UNCAPPED = Cap()


class Capping:
    """Args:
    caps: what answers of an agent and a model may have, from memory; see `AgentCaps.of`.
    told: takes findings, in memory.
    settings: what holds for an agent.
    clock: monotonic seconds. wall_clock: seconds since the epoch.

    Attributes:
        cut: answers.
    """

    def __init__(
        self,
        caps: Callable[[str, str | None], Caps],
        told: Callable[[Finding], object],
        settings: Callable[[Agent], Immune] = lambda agent: DEFAULT,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._caps = caps
        self._told = told
        self._settings = settings
        self._clock = clock
        self._wall_clock = wall_clock
        self.cut = 0

    def gate(self, exchange: Exchange) -> None:
        """Have the caps at hand when the answer begins: they may have to be read."""
        if exchange.agent is not None and exchange.ask is not None:
            self._caps(exchange.agent.agent_id, exchange.ask.model)

    def of(self, exchange: Exchange) -> Cap:
        """Of an answer that begins to stream."""
        agent = exchange.agent
        if agent is None:
            return UNCAPPED
        caps = self._caps(agent.agent_id, exchange.model)
        if caps.output_tokens is None and caps.seconds is None and caps.tool_calls is None:
            return UNCAPPED
        return _Capped(self, exchange, caps)

    def whole(self, exchange: Exchange) -> None:
        """Tell of a whole answer that is too large."""
        agent, answer = exchange.agent, exchange.answer
        if agent is None or answer is None:
            return
        caps = self._caps(agent.agent_id, exchange.model)
        if caps is NONE:
            return
        tokens = answer.text_chars // PER_TOKEN
        if answer.usage is not None:
            tokens = max(tokens, answer.usage.output_tokens)
        calls, seconds = sum(map(len, answer.calls.values())), self._clock() - exchange.started
        for kind, found, most in (
            ("tokens", tokens, caps.output_tokens),
            ("tool_calls", calls, caps.tool_calls),
            ("seconds", seconds, caps.seconds),
        ):
            if most is not None and found > most:
                self.tell(exchange, agent, caps, kind, found, most)
                return

    def tell(self, exchange: Exchange, agent: Agent, caps: Caps, kind: str, found: float, most: float) -> bool:
        """Tell that an answer has more than it may have; whether it is to be cut."""
        where = (self._wall_clock(), agent.agent_id, exchange.id, exchange.model, exchange.conversation)
        detail = {"measure": kind, "value": round(found), "cap": round(most)}
        if caps.fleets:
            detail["of"] = "the fleet"
        self._told(Finding("output_token_spike", METRIC, None, *where, detail=detail))
        settings = self._settings(agent)
        return settings.mode == "enforce" and (settings.fleet_caps_cut or not caps.fleets)


class _Capped(Cap):
    """Told once, and cut at once or not at all."""

    __slots__ = ("_capping", "_caps", "_exchange", "_last", "_over", "_until", "chars")

    def __init__(self, capping: Capping, exchange: Exchange, caps: Caps) -> None:
        self._capping = capping
        self._exchange = exchange
        self._caps = caps
        self._over = False
        self.chars = sys.maxsize if caps.output_tokens is None else caps.output_tokens * PER_TOKEN
        self._until = sys.maxsize if caps.seconds is None else exchange.started + caps.seconds
        self._last: float | None = None

    def over(self, *, complete: bool = False) -> Refusal | None:
        answer = self._exchange.answer
        tokens = answer.text_chars // PER_TOKEN if answer is not None else 0
        where = "" if complete else f"after {tokens} tokens"
        return self._cut("tokens", tokens, self._caps.output_tokens or 0, where)

    def judging(self, judge: Judge) -> Judge:
        return judge if self._caps.tool_calls is None else partial(self._judge, judge, self._caps.tool_calls)

    def ticking(self, tick: Tick, standing: Callable[[], bool]) -> Tick:
        return tick if self._caps.seconds is None else partial(self._tick, tick, standing, self._caps.seconds)

    def _judge(self, judge: Judge, most: int, calls: Sequence[ToolCall]) -> Ruling | Wait:
        answer = self._exchange.answer
        count = max(len(calls), sum(map(len, answer.calls.values())) if answer is not None else 0)
        cut = self._cut("tool_calls", count, most, f"at {count} tool calls") if count > most else None
        return cut or judge(calls)

    def _tick(self, tick: Tick, standing: Callable[[], bool], seconds: float, now: float) -> None:
        if standing() and self._last is not None:  # it is a person who takes long, not the answer
            self._until += now - self._last
        self._last = now
        if now > self._until:
            cut = self._cut("seconds", now - self._exchange.started, seconds, f"after {seconds:.0f} seconds")
            if cut is not None:
                self._exchange.interrupt(cut)
                return
        tick(now)

    def _cut(self, kind: str, found: float, most: float, where: str) -> Refusal | None:
        agent = self._exchange.agent
        if self._over or agent is None:
            return None
        self._over, self.chars, self._until = True, sys.maxsize, sys.maxsize
        if not self._capping.tell(self._exchange, agent, self._caps, kind, found, most) or not where:
            return None
        self._capping.cut += 1
        return Refusal(
            "policy_denied", f"The answer was cut {where}: far outside what this agent ever gets (runaway answer)."
        )
