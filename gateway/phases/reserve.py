"""Limits and budgets on the path: sets aside what an exchange may use before it is sent, settles what it used after.

Where no policy document bounds a caller nothing is asked and nothing waits. Without Redis rates are kept by each
process for its share, and budgets are closed: what others have spent cannot be known.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.model.answer import Usage
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.model.vitals import Vitals
from gateway.phases.limit_answers import rate_headers, refusal_of, refused_headers, throttled, unpriceable
from gateway.phases.mcp.state import MCPState
from gateway.phases.policies import Policies
from gateway.policy.bounds import NANO, Measure
from gateway.policy.claim import Claim
from gateway.policy.demand import Demand, claims_of
from gateway.policy.estimate import InputEstimate
from gateway.policy.local_windows import LocalWindows
from gateway.policy.plan import Plan
from gateway.pricing.price import Price, Rates
from gateway.store.errors import StoreError, StoreUnavailable
from gateway.store.limits import Limits, Refused, Reservation
from gateway.wire.output_cap import Output, output_of

log = logging.getLogger(__name__)

_DEFAULT_OUTPUT = 16_384
"""Tokens that an answer may have where a budget holds and the request names no maximum: else nobody could say what it
will cost. Models that cannot write as much refuse it, and are then to be asked with a maximum of their own.
"""

_USUAL_OUTPUT = 1024
"""Tokens that a rate counts in advance for such a request; what it writes is counted afterwards."""

_PAUSES = (0.005, 0.01, 0.02, 0.04, 0.08, 0.145, 0.2)
"""Seconds, half of one in all, that a throttled agent's request waits for the one before to be settled."""

_FREE = ("/files", "/uploads", "/moderations", "/conversations", "/containers", "/vector_stores")
"""Relayed routes that have no model write or read anything that is paid by the token."""


@dataclass(slots=True)
class _Held:
    """An exchange's reservation.

    `kept`: its use is never told, so what was set aside stays. `local`: counted by this process. `asked`: Redis may
    know of it.
    """

    reservation: Reservation
    price: Price | None
    kept: bool
    size: int
    local: bool = False
    asked: bool = True


class Reserve:
    """A gate (`__call__`) and an observer (`settle`).

    Args:
        policies: whose plans bound the exchange.
        price: what the model of an exchange costs where it will be sent; None if that is not known.
        replicas: how many processes share each limit.
        why_throttled: cause or incident, by the id of an agent that is.
        spent: told of a budget that has no room for an exchange.
        clock: monotonic seconds.

    Attributes:
        alone: exchanges that were judged without Redis; closed: those refused for want of it.
    """

    def __init__(
        self,
        limits: Limits,
        policies: Policies,
        *,
        price: Callable[[Exchange], Price | None],
        replicas: Callable[[], int] = lambda: 1,
        why_throttled: Callable[[str], str] = lambda agent_id: "to heal it",
        spent: Callable[[Exchange, Claim], object] = lambda exchange, claim: None,
        clock: Callable[[], float],
    ) -> None:
        self._why_throttled = why_throttled
        self._spent = spent
        self._limits = limits
        self._policies = policies
        self._price = price
        self._replicas = replicas
        self._clock = clock
        self._estimate = InputEstimate()
        self._windows = LocalWindows()
        self.alone = 0
        self.closed = 0

    def __call__(self, exchange: Exchange) -> Awaitable[None] | None:
        agent = exchange.agent
        plan = self._policies.of(exchange).plans.of(agent) if agent is not None else None
        return self._reserve(exchange, plan) if plan else None

    async def _reserve(self, exchange: Exchange, plan: Plan) -> None:
        output = _output(exchange)
        demand, price = self._demand(exchange, plan, output)
        claims = claims_of(plan, demand)
        if exchange.mcp is not None:
            claims = [claim for claim in claims if _is_about(claim, exchange.mcp)]
            if not claims:
                return
        reservation = self._limits.open(exchange.id, claims, demand.conversation)
        kept = exchange.ask is not None and exchange.ask.document.get("background") is True
        # Before it is asked for: whoever leaves meanwhile must give back what may have been set aside.
        held = exchange.reservation = _Held(reservation, price, kept, exchange.plain_size)
        wanted = (output.wanted or _DEFAULT_OUTPUT) if output else 0
        try:
            found = await self._limits.reserve(reservation, wanted=wanted, least=output.least if output else 0)
            for pause in _PAUSES:
                if not (isinstance(found, Refused) and self._gives_way(exchange, found.claim)):
                    break
                await asyncio.sleep(pause)
                found = await self._limits.reserve(reservation, wanted=wanted, least=output.least if output else 0)
        except StoreError as error:
            await self._alone(exchange, held, error)
            return
        if isinstance(found, Refused):
            exchange.reservation = None
            if found.claim.bound.budget:
                self._spent(exchange, found.claim)
            exchange.own_headers += refused_headers(found.claim, found.used, found.wait)
            raise self._refusal(exchange, found.claim, found.used, found.now, found.wait)
        exchange.own_headers += rate_headers(claims, found.left)
        if output and any([claim.per > 0 for claim in claims]):
            exchange.output_cap = found.output_tokens

    def settle(self, exchange: Exchange, vitals: Vitals) -> None:
        """Tell what the exchange used: nothing if it was never sent."""
        held: _Held | None = exchange.reservation
        if held is None:
            return
        if held.local:
            self._windows.leave(held.reservation.claims)
        if not held.asked:
            return
        sent = exchange.dispatched
        asked = exchange.ask is not None or exchange.request.method == "POST"
        use: dict[Measure, int] = {"requests": int(sent), "tokens": 0, "usd": 0, "tool_calls": 0}
        if sent and asked:
            use["tokens"] = vitals.input_tokens + vitals.output_tokens
            use["usd"] = _cost(vitals, held.price, exchange.answer.service_tier if exchange.answer else None)
            use["tool_calls"] = max(0, vitals.tool_calls - vitals.denied_calls)
            if not vitals.usage_estimated:
                self._estimate.learn(exchange.model, held.size, vitals.input_tokens)
            if held.kept and vitals.status < 400:
                use["tokens"] = use["usd"] = -1
        told = tuple([use[claim.bound.kind.measure] for claim in held.reservation.claims])
        self._limits.settle(held.reservation, told)

    def _demand(self, exchange: Exchange, plan: Plan, output: Output | None) -> tuple[Demand, Price | None]:
        ask = exchange.ask
        if exchange.mcp is not None:
            conversation = getattr(exchange.profile, "conversation", None)
            return Demand(offers_tools=bool(exchange.mcp.released), conversation=conversation), None
        if ask is None:
            if plan.estimated is not None and _may_generate(exchange):
                raise unpriceable(plan.estimated, f"what {exchange.request.method} {exchange.request.path} uses")
            return Demand(), None
        conversation = getattr(exchange.profile, "conversation", None)
        if _only_counts(exchange):
            return Demand(conversation=conversation), None
        size = self._estimate.tokens(ask.model, exchange.plain_size)
        price = None
        fixed = per_token = 0.0
        if plan.money is not None:
            price = self._price(exchange)
            if price is None:
                raise unpriceable(plan.money, f"what model {_quoted(ask.model)} costs", param="model")
            fixed, per_token = _dearest(price, ask.document.get("service_tier"), size)
        answers = output.answers if output else 0
        written = (output.wanted or _USUAL_OUTPUT) if output else 0
        return Demand(size, answers, written, bool(ask.tools), conversation, fixed, per_token), price

    def _gives_way(self, exchange: Exchange, claim: Claim) -> bool:
        """Whether what has no room is a place among requests of a throttled agent, the last of which may be over and
        only not told yet."""
        return claim.bound.kind.span == "now" and self._is_throttle(exchange, claim)

    def _is_throttle(self, exchange: Exchange, claim: Claim) -> bool:
        treatment = self._policies.of(exchange).treatment
        return treatment is not None and treatment.name == claim.document

    def _refusal(self, exchange: Exchange, claim: Claim, used: int, now: float, wait: float) -> Refusal:
        if exchange.agent is not None and self._is_throttle(exchange, claim):
            return throttled(claim, wait, self._why_throttled(exchange.agent.agent_id))
        return refusal_of(claim, used, now, wait)

    async def _alone(self, exchange: Exchange, held: _Held, error: StoreError) -> None:
        """Decide without Redis; raises Refusal."""
        log.debug("%s: limits without Redis: %s", exchange.id, error)
        claims = held.reservation.claims
        held.asked = not isinstance(error, StoreUnavailable) or error.sent
        _say_degraded(exchange)
        budget = next((claim for claim in claims if claim.bound.budget and (claim.base or claim.per)), None)
        if budget is not None:
            self.closed += 1
            why = f"{budget.bound.name} of policy `{budget.document}` cannot be counted at the moment"
            raise Refusal("state_unavailable", f"The gateway's state cannot be reached: {why}.", retry_after=5)
        if isinstance(error, StoreUnavailable) and error.reason == "timeout" and self._limits.reachable:
            # The others still count in Redis: a share of its own for each process would let too many pass.
            self.closed += 1
            raise Refusal("state_unavailable", "The gateway's state did not answer in time.", retry_after=1)
        self.alone += 1
        replicas = max(1, self._replicas())
        full = self._windows.take(claims, self._clock(), replicas=replicas)
        for pause in _PAUSES:
            if full is None or not self._gives_way(exchange, full[0]):
                break
            await asyncio.sleep(pause)
            full = self._windows.take(claims, self._clock(), replicas=replicas)
        if full is not None:
            raise self._refusal(exchange, full[0], 0, 0.0, full[1])
        held.local = True


def _is_about(claim: Claim, state: MCPState) -> bool:
    """Whether a bound is about an exchange with an MCP server: no model works there, and what only waits, or answers
    the server, must not take the place of the call that it is about."""
    kind = claim.bound.kind
    return kind.measure in ("requests", "tool_calls") and (kind.span != "now" or state.works)


def _output(exchange: Exchange) -> Output | None:
    dialect = exchange.route.dialect
    if exchange.ask is None or dialect is None or _only_counts(exchange):
        return None
    return output_of(dialect, exchange.ask.document)


def _only_counts(exchange: Exchange) -> bool:
    """Whether tokens are counted and none is used."""
    return exchange.route.path.endswith("/count_tokens")


def _may_generate(exchange: Exchange) -> bool:
    """Whether a request that nobody reads may have a model work, now or later (batches)."""
    path = exchange.route.path.lower()  # some providers route without regard to case
    if exchange.request.method not in ("POST", "PUT", "PATCH"):
        return False
    if exchange.route.dialect is not None:
        return path.endswith("/compact")
    return not any(path == free or path.startswith(f"{free}/") for free in _FREE)


def _dearest(price: Price, service_tier: object, size: int) -> tuple[float, float]:
    """Nanodollars for an input of so many tokens, and for each token written, as far as a request can make them cost.

    A provider that has no room at the tier asked for serves at its usual one.
    """
    fixed, per_token = _full(price.rates(size), size)
    if price.services and isinstance(service_tier, str):
        fixed_there, per_token_there = _full(price.at(service_tier).rates(size), size)
        return max(fixed, fixed_there), max(per_token, per_token_there)
    return fixed, per_token


def _full(rates: Rates, size: int) -> tuple[float, float]:
    """The same at one tier, if nothing was cached before."""
    fixed = size * max(rates.input, rates.cache_write, rates.cache_write_hour) / 1000 + rates.request
    return fixed, max(rates.output, rates.reasoning) / 1000


def _cost(vitals: Vitals, price: Price | None, service_tier: str | None) -> int:
    """Nanodollars."""
    if vitals.cost_usd is not None:
        return round(vitals.cost_usd * NANO)
    if price is None or not vitals.input_tokens + vitals.output_tokens:
        return 0
    usage = Usage(vitals.input_tokens, vitals.output_tokens, vitals.cached_tokens, vitals.reasoning_tokens)
    return price.at(service_tier).cost(usage)


def _quoted(model: str | None) -> str:
    return "(none is named)" if model is None else f"`{model[:100]}`"


def _say_degraded(exchange: Exchange) -> None:
    if all(name != b"x-gateway-degraded" for name, _ in exchange.own_headers):
        exchange.own_headers.append((b"x-gateway-degraded", b"redis"))
