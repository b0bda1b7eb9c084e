"""Lets no exchange of a blocked agent through, and ends those under way; without Redis it says what still passes.

known to be blocked          refused, however long Redis is away
lease holds                  everybody else passes
lease lost, `available`      plain answers pass for 60 s, tool calls and what a provider does by itself do not; then
                             nothing
lease lost, `strict`         nothing passes
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Any

from gateway.model.agent import Agent
from gateway.model.audit import AuditEntry
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.model.lifecycle import Life
from gateway.model.tool_call import ToolCall
from gateway.model.verdict import Judge, Ruling, Wait, allow_all
from gateway.store.control import Control
from gateway.store.errors import StoreUnavailable
from gateway.store.quarantine import Quarantine

OPEN_SECONDS = 60.0
"""How long plain answers pass after the lease was lost."""

_DEGRADED = b"x-gateway-degraded"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_CLIENTS_OWN = frozenset({"function", "custom"})
"""Kinds of tools whose calls come back to be judged; some others a provider uses before anybody sees it."""
_BRING_TOOLS = ("mcp_servers", "web_search_options")
"""Members of a request that have a provider act though no tool is named; so has a stored `prompt`."""


class Guard:
    """A gate, asked once the agent is known and again where the request's body has made it another one.

    Args:
        active: the exchanges under way.
        strict: whether nothing may pass without a lease.
        audit: takes what is recorded of the lease. clock: seconds since the epoch.
        evaded: told of a new agent with a blocked one's credential, its request, and all that are blocked.

    Attributes:
        opened: requests let through without a lease. closed: requests and tool calls refused for want of one.
        evasions: requests refused because a blocked agent had shown their credential.
    """

    def __init__(
        self,
        control: Control,
        quarantine: Quarantine,
        active: Collection[Exchange],
        *,
        strict: bool = False,
        audit: Callable[[AuditEntry], object] = lambda entry: None,
        evaded: Callable[[Agent, str, Collection[Life]], object] = lambda agent, request_id, blocked: None,
        clock: Callable[[], float],
    ) -> None:
        self._control = control
        self._quarantine = quarantine
        self._active = active
        self._strict = strict
        self._audit = audit
        self._evaded = evaded
        self._clock = clock
        self.opened = self.closed = self.evasions = 0
        quarantine.on_blocked.append(self._blocked)
        control.on("key", self._key_changed)
        control.on("agent", self._agent_changed)
        control.on_lease.append(self._lease_changed)

    def __call__(self, exchange: Exchange) -> Awaitable[None] | None:
        agent = exchange.agent
        assert agent is not None
        if not self._control.leased:
            return self._without_lease(exchange, agent)
        return self._check(agent, exchange.id)

    async def admit(self, agent: Agent) -> None:
        """Raise Refusal if an agent that asks what it may do may do nothing: without a lease nobody may."""
        if (
            not self._control.leased
            and not await self._control.renew()
            and agent.agent_id not in self._quarantine.blocked
        ):
            self.closed += 1
            raise _no_state("Nothing is allowed")
        waiting = self._check(agent)
        if waiting is not None:
            await waiting

    @property
    def fenced(self) -> bool:
        """Whether nothing passes here at the moment."""
        return not self._control.leased and (self._strict or self._control.unleased_for > OPEN_SECONDS)

    def judging(self, judge_of: Callable[[Exchange], Judge]) -> Callable[[Exchange], Judge]:
        """The same judges, but without a lease no tool call leaves."""
        idle = self._guarded(allow_all)

        def guarded_of(exchange: Exchange) -> Judge:
            judge = judge_of(exchange)
            return idle if judge is allow_all else self._guarded(judge)

        return guarded_of

    def _guarded(self, judge: Judge) -> Judge:
        def guarded(calls: Sequence[ToolCall]) -> Ruling | Wait:
            if not self._control.leased:
                return self._unleased_call()
            ruling = judge(calls)
            return Wait(partial(self._after, ruling)) if isinstance(ruling, Wait) else ruling

        return guarded

    async def _after(self, wait: Wait) -> Ruling:
        """A ruling that took its time; the lease may be lost by then."""
        ruling = await wait.ruling()
        return ruling if self._control.leased else self._unleased_call()

    def _unleased_call(self) -> Refusal:
        self.closed += 1
        return _no_state("Tool calls are not let through")

    def cut(self, life: Life) -> None:
        """End what is under way of a blocked agent."""
        self._interrupt(lambda agent: agent.agent_id == life.agent_id, lambda: _refusal(life, drained=True))

    def _check(self, agent: Agent, request_id: str = "") -> Awaitable[None] | None:
        life = self._quarantine.blocked.get(agent.agent_id)
        if life is not None:
            raise _refusal(life)
        if not agent.verified and agent.credential_id in self._quarantine.credentials:
            return self._check_credential(agent, request_id)
        return None

    async def _check_credential(self, agent: Agent, request_id: str) -> None:
        """Agents that were there before are judged by themselves; a new name does not help who was blocked."""
        since = self._quarantine.credentials[agent.credential_id]
        try:
            existed = await self._quarantine.existed(agent.agent_id, since)
        except StoreUnavailable:
            self.closed += 1
            raise _no_state("Whether this agent is a new one cannot be said") from None
        if not existed:
            self.evasions += 1
            self._evaded(agent, request_id, self._quarantine.blocked.values())
            raise Refusal(
                "agent_quarantined",
                "An agent with this credential is quarantined (identity_evasion): new agents cannot use it.",
            )

    async def _without_lease(self, exchange: Exchange, agent: Agent) -> None:
        if not await self._control.renew():
            if agent.agent_id not in self._quarantine.blocked and (self.fenced or _acts(exchange)):
                self.closed += 1
                raise _no_state("Nothing is let through" if self.fenced else "Only plain answers are let through")
            self.opened += not exchange.unleased  # asked twice about most requests
            exchange.unleased = True
            if not any(name == _DEGRADED for name, _ in exchange.own_headers):
                exchange.own_headers.append((_DEGRADED, b"redis"))
        waiting = self._check(agent, exchange.id)
        if waiting is not None:
            await waiting

    def _lease_changed(self, held: bool) -> None:
        self._audit(
            AuditEntry(
                time=self._clock(),
                kind="gateway",
                action="regain:lease" if held else "lose:lease",
                resource="control",
                mode="strict" if self._strict else "available",
                metadata={"opened": self.opened, "closed": self.closed},
            )
        )

    # What is under way

    def _blocked(self, life: Life) -> None:
        if life.state != "DRAINING":
            self.cut(life)
        else:  # what has passed here and not been sent yet would begin after the drain did
            self._interrupt(lambda agent: agent.agent_id == life.agent_id, lambda: _refusal(life), begun=False)

    def _key_changed(self, key_id: str, data: dict[str, Any], epoch: int) -> None:
        if data.get("revoked"):
            self._interrupt(
                lambda agent: agent.key_id == key_id, lambda: Refusal("invalid_api_key", "This agent key was revoked.")
            )

    def _agent_changed(self, agent_id: str, data: dict[str, Any], epoch: int) -> None:
        if data.get("active") is False:
            self._interrupt(
                lambda agent: agent.agent_id == agent_id,
                lambda: Refusal("agent_quarantined", f"Agent {agent_id} was deactivated by an operator."),
            )

    def _interrupt(
        self, concerned: Callable[[Agent], bool], reason: Callable[[], Refusal], *, begun: bool = True
    ) -> None:
        for exchange in tuple(self._active):
            if exchange.agent is not None and concerned(exchange.agent) and (begun or not exchange.dispatched):
                exchange.interrupt(reason())


def _acts(exchange: Exchange) -> bool:
    """Whether the provider may do more about a request than answer it."""
    ask, route = exchange.ask, exchange.route
    if ask is None:
        relayed = route.dialect is None or not route.reads_request
        return relayed and exchange.request.method not in _READS
    if any(tool.kind not in _CLIENTS_OWN for tool in ask.tools):
        return True
    document = ask.document
    return any(document.get(name) is not None for name in _BRING_TOOLS) or isinstance(document.get("prompt"), dict)


def _refusal(life: Life, *, drained: bool = False) -> Refusal:
    draining = life.state == "DRAINING" and not drained
    code, state = ("agent_draining", "being drained") if draining else ("agent_quarantined", "quarantined")
    return Refusal(code, f"Agent {life.agent_id} is {state}: {life.reason} (incident {life.incident_id}).")


def _no_state(what: str) -> Refusal:
    return Refusal("state_unavailable", f"{what} while the gateway cannot reach its state.", retry_after=1)
