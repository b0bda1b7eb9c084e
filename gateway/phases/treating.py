"""treating: what is prescribed for an agent, done to its requests before anything judges them, so that what is judged
is what is sent. A gate once the agent is known, and an observer.

An agent that nothing is prescribed for costs one look. What a treatment forbids stands in documents of policy, see
`treatment`; here is what it changes. Nothing that an agent sent is changed for good.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol
from urllib.parse import quote

from gateway.immune.prescription import Prescription
from gateway.immune.state import short
from gateway.model.agent import Agent
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.model.route import Route
from gateway.model.vitals import Vitals
from gateway.phases.forgetting import Forgetting
from gateway.phases.judging_requests import NAMED_IN_PATH, acts_there
from gateway.phases.policies import Policies
from gateway.phases.profile import Profile, Profiler
from gateway.phases.treatment import Treated
from gateway.policy.question import Facts
from gateway.store.prescriptions import Case
from gateway.wire import DIALECTS
from gateway.wire.drop_history import NothingLeft
from gateway.wire.edit import set_member
from gateway.wire.output_cap import cap_output, member_for, output_of
from gateway.wire.serial_calls import serial_calls
from gateway.wire.strict_json import loads
from gateway.wire.strip_tools import strip_tools
from gateway.wire.system_prompt import replace_system

ROLLBACK = "rollback_prompt"


class Prompts(Protocol):
    """System prompts that were fine; see `store.prompts`."""

    async def get(self, agent_id: str, hash: str) -> str | None: ...


class Treating:
    """Does what is prescribed (`gate`), remembers which answers came after that (`observe`).

    Args:
        policies: which say what holds for an agent, and with that whether it is treated.
        profiler: says anew what a request is that has been changed.
        forgetting: what is left out of conversations.
        prompts: None: none is kept.
        case_of: by the id of an agent; None where nothing is known of its treatment.
        is_openai: whether an exchange goes to OpenAI itself; see `Rewrite`.
    """

    def __init__(
        self,
        policies: Policies,
        profiler: Profiler,
        forgetting: Forgetting,
        *,
        prompts: Prompts | None = None,
        case_of: Callable[[str], Case | None] = lambda agent_id: None,
        is_openai: Callable[[Exchange], bool] = lambda exchange: False,
    ) -> None:
        self._policies = policies
        self._profiler = profiler
        self._forgetting = forgetting
        self._prompts = prompts
        self._case_of = case_of
        self._is_openai = is_openai

    def gate(self, exchange: Exchange) -> Awaitable[None] | None:
        """Change a request of an agent that is treated. Raises Refusal `conversation_blocked`."""
        treatment = self._policies.of(exchange).treatment
        if treatment is None or exchange.agent is None:
            return None
        exchange.remedies = treatment.prescription.remedies
        self._check_conversation(exchange, exchange.agent, treatment.prescription)
        if exchange.ask is None or exchange.route.dialect is None:
            return None
        return self._treat(exchange, exchange.agent, treatment)

    def observe(self, exchange: Exchange, vitals: Vitals) -> None:
        """Remember the answer of a model that has forgotten: later requests may go on from it."""
        profile, answer, agent = exchange.profile, exchange.answer, exchange.agent
        if not isinstance(profile, Profile) or profile.treatment is None or not profile.chained:
            return
        if answer is not None and answer.id is not None and agent is not None:
            self._forgetting.answered(agent.agent_id, profile.treatment, answer.id)

    def _check_conversation(self, exchange: Exchange, agent: Agent, prescription: Prescription) -> None:
        if exchange.conversation is not None and exchange.conversation in prescription.ended_conversations:
            raise Refusal(
                "conversation_blocked",
                f"This conversation of agent {agent.agent_id} was ended to heal it{self._incident(agent)}. Begin a new "
                "one.",
            )

    async def _treat(self, exchange: Exchange, agent: Agent, treatment: Treated) -> None:
        """In this order: what is said, who is asked, what it may do."""
        prescription, before = treatment.prescription, exchange.plain
        if prescription.drop_history:
            await self._forget(exchange, agent)
        usual = getattr(exchange.profile, "prompt_hash", None) in prescription.usual_prompts
        if prescription.system_prompt is not None and not usual:
            await self._roll_back(exchange, agent, prescription.system_prompt)
        asked = exchange.route.deployment or str(_document(exchange).get("model"))
        if prescription.model is not None and short(asked) not in prescription.usual_models:
            _ask_model(exchange, prescription.model)
        _take_tools(exchange, agent, treatment)
        if exchange.plain is not before:
            self._profiler.sent(exchange)
        if prescription.serial_calls:
            _change(exchange, serial_calls(exchange.plain, _document(exchange), exchange.route.dialect or ""))
        if prescription.output_tokens is not None:
            self._cap(exchange, prescription.output_tokens)

    async def _forget(self, exchange: Exchange, agent: Agent) -> None:
        ask, dialect = exchange.ask, exchange.route.dialect or ""
        assert ask is not None
        conversation, name = exchange.conversation or "", self._name(agent.agent_id)
        if isinstance(exchange.profile, Profile):
            exchange.profile.treatment = name
        about = {"agent_id": agent.agent_id, "treatment": name, "conversation": conversation}
        try:
            body = await self._forgetting.forget(exchange.plain, ask, dialect, **about)
        except NothingLeft:
            raise Refusal(
                "conversation_blocked",
                f"What this conversation of agent {agent.agent_id} held before is left out to heal it"
                f"{self._incident(agent)}, and the request says nothing else. Begin a new one.",
            ) from None
        _change(exchange, body)

    async def _roll_back(self, exchange: Exchange, agent: Agent, prompt_hash: str) -> None:
        if getattr(exchange.profile, "prompt_hash", None) == prompt_hash:
            return
        text = None if self._prompts is None else await self._prompts.get(agent.agent_id, prompt_hash)
        if text is None:
            exchange.remedies = tuple(name for name in exchange.remedies if name != ROLLBACK)
            exchange.unapplied = (ROLLBACK,)
            return
        _change(exchange, replace_system(exchange.plain, _document(exchange), exchange.route.dialect or "", text))

    def _cap(self, exchange: Exchange, most: int) -> None:
        dialect, document = exchange.route.dialect or "", _document(exchange)
        output = None if exchange.route.path.endswith("/count_tokens") else output_of(dialect, document)
        if output is not None:
            model = exchange.route.deployment or (exchange.ask.model if exchange.ask is not None else None)
            member = member_for(dialect, model, openai=self._is_openai(exchange))
            _change(exchange, cap_output(exchange.plain, document, dialect, max(most, output.least), member))

    def _name(self, agent_id: str) -> str:
        case = self._case_of(agent_id)
        return "" if case is None else f"{case.incident_id}/{case.since}"

    def _incident(self, agent: Agent) -> str:
        case = self._case_of(agent.agent_id)
        return "" if case is None or case.incident_id is None else f" (incident {case.incident_id})"


def _document(exchange: Exchange) -> dict[str, object]:
    assert exchange.ask is not None
    return exchange.ask.document


def _change(exchange: Exchange, body: bytes) -> None:
    """From now on this is what is sent, and judged."""
    if body is not exchange.plain:
        exchange.plain = exchange.body = body
        exchange.plain_size = len(body)
        exchange.changed = True
        exchange.ask = DIALECTS[exchange.route.dialect or ""].read_request(loads(body))


def _ask_model(exchange: Exchange, model: str) -> None:
    """In the body and, where a provider goes by that, in the path."""
    exchange.route = _naming(exchange.route, model)
    own = _document(exchange).get("model")
    if own != model and (own is not None or exchange.route.deployment is None):
        _change(exchange, set_member(exchange.plain, ("model",), model))


def _naming(route: Route, model: str) -> Route:
    name = quote(model, safe="")
    if (found := NAMED_IN_PATH.search(route.path)) is not None:
        route = replace(route, path=f"{route.path[: found.start(1)]}{name}{route.path[found.end(1) :]}")
    return route if route.deployment is None else replace(route, deployment=name)


def _take_tools(exchange: Exchange, agent: Agent, treatment: Treated) -> None:
    """Take out what the agent may not use. What cannot be taken out is refused where it is judged."""
    ask = exchange.ask
    if ask is None or not (ask.tools or "web_search_options" in ask.document):
        return
    rules = treatment.alone.of(agent)
    verdict = rules.judge_request(ask, exchange.plain_size, Facts(agent, 0.0, {}))
    names = {*verdict.strip}
    if treatment.prescription.plan_only:  # nobody could keep a provider from doing more than planning
        names.update(tool.name for tool in ask.tools if acts_there(tool))
    if names:
        _change(exchange, strip_tools(exchange.plain, ask, names))
