"""relayed_models: the models that relayed requests name, judged by the rules about models.

Bodies are read where such a rule is about the agent, and nowhere else: JSON whole, a form up to its first MiB, which
has to name the model; the rest of a form streams on, and a model that it names after all ends the request before the
provider has all of it. What is neither streams on where no model acts, and cannot be read where one does.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from gateway.model.agent import Agent
from gateway.model.ask import Ask
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.phases.admit import hold
from gateway.phases.decisions import Decisions
from gateway.policy.engine import Engine, Rules
from gateway.policy.question import Facts
from gateway.policy.verdict import RequestVerdict
from gateway.upstream.decode import decode
from gateway.wire.interdiction import HoldBudget
from gateway.wire.multipart import FormModels
from gateway.wire.relayed_models import chooses_model, in_body, in_target, named_elsewhere

FORM_BYTES = 1024 * 1024
"""Of a form, within which its model has to stand."""
_NO_REQUEST = Ask({}, None, False)
_MAKE_NOTHING = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})


class RelayedModels:
    """A gate (`gate`) about requests that nothing else reads.

    Args:
        engine_of: the policies that an exchange is judged by.
        bodies: bytes that the process may hold together; what is taken is given back with `exchange.body_bytes`.
        limit: bytes of a JSON body, as sent and once decoded.
        modes, clock: see `JudgingRequests`.
    """

    def __init__(
        self,
        engine_of: Callable[[Exchange], Engine],
        decisions: Decisions,
        bodies: HoldBudget,
        *,
        limit: int,
        modes: Callable[[Agent], Mapping[str, str]],
        clock: Callable[[], float],
    ) -> None:
        self._engine_of = engine_of
        self._decisions = decisions
        self._bodies = bodies
        self._limit = limit
        self._modes = modes
        self._clock = clock

    def gate(self, exchange: Exchange) -> Awaitable[None] | None:
        """Raises Refusal `model_not_allowed`, and others for a body that cannot be read."""
        agent, route = exchange.agent, exchange.route
        is_read = route.dialect is not None and route.reads_request
        if is_read or agent is None or exchange.request.method in _MAKE_NOTHING:
            return None
        rules = self._engine_of(exchange).of(agent)
        return self._judge(exchange, agent, rules) if rules.judges_models else None

    async def _judge(self, exchange: Exchange, agent: Agent, rules: Rules) -> None:
        route = exchange.route
        facts = Facts(agent, self._clock(), self._modes(agent))

        def check(models: Iterable[str | None]) -> None:
            for model in models:
                self._check(exchange, facts, rules.judge_request(replace(_NO_REQUEST, model=model), 0, facts), model)

        named = list(in_target(route, exchange.request.query))
        check(named)
        named += await self._read(exchange, check)
        if named or not chooses_model(route):
            return
        if named_elsewhere(route):
            self._check(exchange, facts, rules.judge_unseen_model(facts), None)
        else:
            check([None])

    def _check(self, exchange: Exchange, facts: Facts, verdict: RequestVerdict, model: str | None) -> None:
        self._decisions.record_request(exchange, facts, verdict, model=model)
        if verdict.denied is not None:
            denied = verdict.denied
            raise Refusal(verdict.code, f"The request was refused by rule {denied.rule}: {denied.reason}")

    async def _read(self, exchange: Exchange, check: Callable[[Iterable[str | None]], None]) -> Sequence[str]:
        """The models that the body names, all of them checked. `exchange.body` stays byte for byte what it was."""
        body, fields = exchange.body, exchange.request.fields
        if body is None or isinstance(body, bytes):
            return ()
        kind = (exchange.request.header(b"content-type") or "").strip().lower()
        if kind.startswith("multipart/"):
            if fields.get(b"content-encoding", b"identity").strip().lower() not in (b"", b"identity"):
                raise Refusal("invalid_request", "Which model a compressed form names cannot be said.")
            return await self._read_form(exchange, body, check)
        if not (kind == "" or "json" in kind or chooses_model(exchange.route)):
            return ()
        whole = await self._whole(exchange, body)
        exchange.body = whole
        encoding = exchange.request.header(b"content-encoding")
        plain = whole if encoding is None else decode(whole, encoding, limit=self._limit)
        named = in_body(exchange.route, plain) if plain else ()
        check(named)
        return named

    async def _whole(self, exchange: Exchange, body: AsyncIterator[bytes]) -> bytes:
        parts, size = [], 0
        async for chunk in body:
            size += len(chunk)
            if size > self._limit:
                raise Refusal(
                    "payload_too_large",
                    f"The body is larger than {self._limit} bytes: which model it names would not be seen.",
                    headers=((b"connection", b"close"),),
                )
            hold(self._bodies, exchange, size)
            parts.append(chunk)
        return b"".join(parts)

    async def _read_form(
        self, exchange: Exchange, body: AsyncIterator[bytes], check: Callable[[Iterable[str | None]], None]
    ) -> Sequence[str]:
        form, held, named = FormModels(exchange.request.header(b"content-type") or ""), list[bytes](), list[str]()
        async for chunk in body:
            held.append(chunk)
            hold(self._bodies, exchange, form.size + len(chunk))
            check(found := form.feed(chunk))
            named += found
            if form.size >= FORM_BYTES:
                exchange.body = _go_on(held, form, body)
                return named
        form.finish()
        exchange.body = b"".join(held)
        return named


async def _go_on(held: Sequence[bytes], form: FormModels, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What was read, then the rest, always a chunk behind: a provider gets the last one of a form that is all read."""
    for chunk in held[:-1]:
        yield chunk
    last = held[-1]
    async for chunk in rest:
        if form.feed(chunk):
            raise Refusal(
                "model_not_allowed",
                f"The form names its model after {FORM_BYTES} bytes of other parts, where a rule about models is in"
                " force: name it first.",
            )
        yield last
        last = chunk
    form.finish()
    yield last
