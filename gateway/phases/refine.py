"""refine: which of several agents behind one fingerprint is calling, once its request has been read.

A gate of `admit`. Looks again only where the tools or, without any, the prompt are new here, which takes a round trip,
and one more for an id that is new here too. Without Redis what was found out before still counts, else the fingerprint
decides alone.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from gateway.identity.fingerprint import Fingerprinter
from gateway.identity.forms import Decision, Form, decide, form_of
from gateway.model.agent import Agent, Evidence
from gateway.model.exchange import Exchange
from gateway.model.vitals import Vitals
from gateway.phases.identify import Ids, Rules, become, check_active, may_be_another
from gateway.phases.profile import Profile
from gateway.store.errors import StoreUnavailable

_KNOWN_LIMIT = 20_000
_KNOWN_SECONDS = 600.0

_Shown = tuple[str, str | None, str | None]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Forms(Protocol):
    """What is known of agents behind each fingerprint."""

    async def of(self, base: str) -> Sequence[Form]: ...

    def keep(self, base: str, form: Form) -> None: ...


class Refine:
    """Replaces `exchange.agent` where its form is clearly another agent's; `observe` keeps forms that worked.

    Args:
        key: secret, at most 64 bytes; of the hashes that prompts are compared by.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        fingerprinter: Fingerprinter,
        forms: Forms,
        ids: Ids,
        rules: Rules,
        key: bytes,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._fingerprinter = fingerprinter
        self._forms = forms
        self._ids = ids
        self._rules = rules
        self._key = key
        self._clock = clock
        self._known: dict[_Shown, tuple[float, Agent | None]] = {}
        self._conversations: dict[tuple[str, str], Agent] = {}
        self._unkept: dict[str, tuple[str, Form]] = {}

    def __call__(self, exchange: Exchange) -> Awaitable[None] | None:
        """Raises Refusal `agent_quarantined` for an agent that an operator deactivated."""
        agent = exchange.agent
        if agent is None or not may_be_another(exchange, agent):
            return None
        waiting = self._refine(exchange, agent)
        if waiting is not None:
            return self._finish(exchange, waiting)
        self._check(exchange)
        return None

    async def _finish(self, exchange: Exchange, waiting: Awaitable[None]) -> None:
        await waiting
        self._check(exchange)

    def _check(self, exchange: Exchange) -> None:
        if exchange.agent is not None:
            check_active(exchange.agent, self._rules)

    def _refine(self, exchange: Exchange, agent: Agent) -> Awaitable[None] | None:
        profile = exchange.profile
        if exchange.ask is None or not isinstance(profile, Profile):
            return None
        if self._fingerprinter.agent(exchange.credential, exchange.request.fields).agent_id != agent.agent_id:
            return None  # merged into another one, or one of too many: that is decided
        if profile.tools_hash is None and profile.prompt_hash is None:
            self._go_on(exchange, agent, profile)
            return None
        shown = self._shown(agent, profile)
        known = self._known.get(shown)
        if known is None or self._clock() - known[0] > _KNOWN_SECONDS:
            return self._look(exchange, agent, shown, profile)
        self._recall(exchange, agent, known[1], profile)
        return None

    def _recall(self, exchange: Exchange, agent: Agent, known: Agent | None, profile: Profile) -> None:
        if known is not None:
            self._become(exchange, agent, known, profile)

    def observe(self, exchange: Exchange, vitals: Vitals) -> None:
        """Keep the form of an agent that is new, after an answer that worked."""
        found = self._unkept.pop(exchange.id, None)
        if found is not None and exchange.first_byte_at is not None and 200 <= exchange.status < 300:
            self._forms.keep(*found)

    def _shown(self, agent: Agent, profile: Profile) -> _Shown:
        """What the decision depends on: where tools are shown they decide, unless every difference counts."""
        both = profile.tools_hash is None or self._rules.is_apart(agent.agent_id)
        return agent.agent_id, profile.tools_hash, profile.prompt_hash if both else None

    def _go_on(self, exchange: Exchange, agent: Agent, profile: Profile) -> None:
        """A request that shows nothing, perhaps in a conversation that the provider keeps."""
        if profile.conversation is not None:
            earlier = self._conversations.get((agent.agent_id, profile.conversation))
            if earlier is not None:
                self._become(exchange, agent, earlier, profile)

    async def _look(self, exchange: Exchange, agent: Agent, shown: _Shown, profile: Profile) -> None:
        try:
            forms = await self._forms.of(agent.agent_id)
        except StoreUnavailable:
            known = self._known.get(shown)
            if known is not None:  # who was told apart, and perhaps blocked, is that agent still
                self._recall(exchange, agent, known[1], profile)
            return
        form = self._form(exchange, agent, profile)
        decision = decide(forms, form, apart=self._rules.is_apart(agent.agent_id))
        if decision.new:
            form = replace(form, agent_id=self._fingerprinter.derived(agent, _canonical(shown, form.tools)))
        found = await self._named(agent, decision.agent_id or form.agent_id, decision)
        if forms and not decision.new:
            _remember(self._known, shown, (self._clock(), None if found is agent else found))
        elif len(self._unkept) < _KNOWN_LIMIT:  # every exchange takes its own out again when it is settled
            self._unkept[exchange.id] = agent.agent_id, form
        self._become(exchange, agent, found, profile)

    def _form(self, exchange: Exchange, agent: Agent, profile: Profile) -> Form:
        tools = exchange.ask.tools if exchange.ask is not None else ()
        system = profile.history.system if profile.history is not None else ()
        return form_of(agent.agent_id, (tool.name for tool in tools), system, self._key)

    async def _named(self, base: Agent, agent_id: str, decision: Decision) -> Agent:
        if agent_id == base.agent_id:
            return base
        apart = Evidence("tools", round(decision.tools, 2)), Evidence("prompt", round(decision.prompt, 2))
        return await self._ids.settle(replace(base, agent_id=agent_id, evidence=base.evidence + apart))

    def _become(self, exchange: Exchange, base: Agent, found: Agent, profile: Profile) -> None:
        if found is base:
            return
        if profile.chained and profile.conversation is not None:
            _remember(self._conversations, (base.agent_id, profile.conversation), found)
        meant = self._rules.stands_for(found.agent_id)
        agent = found if meant == found.agent_id else replace(found, agent_id=meant)
        if agent.agent_id != base.agent_id:
            become(exchange, agent)
            check_active(agent, self._rules)


def _canonical(shown: _Shown, tools: Iterable[str]) -> bytes:
    """The same for every replica that sees this form first."""
    return "\x00".join([*sorted(tools), shown[2] or ""]).encode("utf-8", "replace")


def _remember(held: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    if len(held) >= _KNOWN_LIMIT:  # keyed by what callers send: must not grow with them
        del held[next(iter(held))]
    held[key] = value
