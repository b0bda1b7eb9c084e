"""judging_requests: what the policies say of a request, before it is sent.

Where no rule is about an agent nothing is made and nothing is looked at.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import replace

from gateway.model.agent import Agent
from gateway.model.ask import Ask, OfferedTool
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.model.route import Route
from gateway.phases.decisions import Decisions
from gateway.phases.judged_call import Judgement, offered
from gateway.phases.profile import Profile
from gateway.policy.engine import Engine, Rules
from gateway.policy.question import Facts, Question
from gateway.policy.requests import is_executed_by_provider
from gateway.policy.verdict import RequestVerdict, Verdict
from gateway.wire import DIALECTS
from gateway.wire.refusal_text import called

EXECUTION = b"x-gateway-execution"
_SEARCHES = ("web_search", "web_fetch", "file_search", "tool_search")
"""Kinds of tools that providers run and that change nothing."""
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_RUNS_MODELS = re.compile(r"/(assistants|batches|chatkit|evals|realtime|threads)(?:/|\Z)", re.IGNORECASE)
"""Relayed resources with which a provider runs models that call tools, or lets its clients do so past the gateway."""
NAMED_IN_PATH = re.compile(r"/(?:engines|deployments|models)/([^/]+)/", re.IGNORECASE)


class JudgingRequests:
    """A gate (`gate`) before those that go by what it found.

    Args:
        engine_of: the policies that an exchange is judged by, from end to end.
        modes: the mode of each document for an agent at this moment.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        engine_of: Callable[[Exchange], Engine],
        decisions: Decisions,
        *,
        modes: Callable[[Agent], Mapping[str, str]],
        clock: Callable[[], float],
    ) -> None:
        self._engine_of = engine_of
        self._decisions = decisions
        self._modes = modes
        self._clock = clock

    def gate(self, exchange: Exchange) -> Awaitable[None] | None:
        """Set `exchange.judgement` where rules are about the agent. Raises Refusal for a request they forbid."""
        route, agent = exchange.route, exchange.agent
        if agent is None:
            return None
        if route.dialect is None:
            self._check_relayed(exchange, agent)
            return None
        planned = wants_plan(exchange.request.fields.get(EXECUTION))
        rules = self._engine_of(exchange).of(agent)
        if planned or exchange.intent is not None or not (rules.idle and rules.idle_requests):
            exchange.judgement = self._judgement(exchange, agent, rules, planned)
        return None

    def _judgement(self, exchange: Exchange, agent: Agent, rules: Rules, planned: bool) -> Judgement:
        judgement = Judgement(agent, rules, None, None, _conversation(exchange), planned)
        reads = judgement.present(exchange.intent)
        planned, ask = judgement.planned, exchange.ask
        if ask is None:  # an answer that is fetched later
            judgement.planned = planned or rules.plans
            return judgement
        judgement.tools = offered(ask)
        if rules.needs_transcript or reads:
            judgement.transcript = DIALECTS[exchange.route.dialect or ""].transcript(ask.document)
        if not rules.idle_requests:
            facts = judgement.facts(self._clock(), self._modes(agent))
            verdict = rules.judge_request(ask, exchange.plain_size, facts)
            for model in _models_in(exchange.route, ask):
                if verdict.denied is None:
                    verdict = rules.judge_request(replace(ask, model=model), exchange.plain_size, facts)
            self._decisions.record_request(exchange, facts, verdict)
            if verdict.denied is not None:
                raise _refused_request(verdict, verdict.denied)
            judgement.strip, judgement.redact = verdict.strip, verdict.redact
            judgement.planned = planned or verdict.execution == "plan_only"
        if judgement.planned:
            _check_planned(ask, judgement.strip)
        return judgement

    def _check_relayed(self, exchange: Exchange, agent: Agent) -> None:
        """Raise Refusal for a request that would have a model act where nobody judges its calls, unless its action,
        `relay:batches` say, is allowed."""
        found = _RUNS_MODELS.search(exchange.route.path.replace("%2F", "/").replace("%2f", "/"))
        if found is None or exchange.request.method in _READS:
            return
        planned, rules = wants_plan(exchange.request.fields.get(EXECUTION)), self._engine_of(exchange).of(agent)
        if not planned and rules.idle and rules.idle_requests:
            return
        facts = Facts(agent, self._clock(), self._modes(agent))
        if planned or rules.plans:
            raise Refusal("policy_denied", "The request may only be planned (plan_only), but a model would act on it.")
        action = f"relay:{found[1].lower()}"
        verdict = rules.judge_call(Question("", {}, action=action, resource=exchange.route.path), facts)
        if verdict.approval:
            verdict = replace(verdict, allowed=False, reason="it needs approval, and its calls cannot be judged")
        denied = None if verdict.allowed else verdict
        self._decisions.record_request(exchange, facts, RequestVerdict(denied, shadowed=verdict.shadowed))
        if denied is not None:
            raise _refused_request(RequestVerdict(denied), denied)


def wants_plan(wish: bytes | None) -> bool:
    """Whether a caller's header asks for no more than a plan. Raises Refusal for what is no such wish."""
    if wish is None or wish == b"execute_safe":
        return False
    if wish != b"plan_only":
        raise Refusal(
            "invalid_request",
            f"X-Gateway-Execution must be plan_only or execute_safe, not {wish[:40].decode('latin-1')!r}.",
            param="X-Gateway-Execution",
        )
    return True


def _models_in(route: Route, ask: Ask) -> Iterator[str]:
    """Other models than the body's that a path names: some providers go by that and do not look at the body's."""
    found = NAMED_IN_PATH.search(route.path)
    for model in (route.deployment, None if found is None else found[1]):
        if model is not None and model != ask.model:
            yield model


def acts_there(tool: OfferedTool) -> bool:
    """Whether its provider would run a tool itself, and that may change something."""
    return is_executed_by_provider(tool.kind, tool.definition) and not tool.kind.startswith(_SEARCHES)


def _check_planned(ask: Ask, strip: Collection[str]) -> None:
    """Raise Refusal for a request that may only be planned and offers what its provider would run by itself."""
    if isinstance(ask.document.get("prompt"), dict):
        raise Refusal("policy_denied", "The request may only be planned (plan_only), but a stored prompt brings tools.")
    for tool in ask.tools:
        if tool.name not in strip and acts_there(tool):
            raise Refusal(
                "policy_denied",
                f"The request may only be planned (plan_only), but the provider would run {called(tool.name)} itself.",
            )


def _conversation(exchange: Exchange) -> str:
    profile = exchange.profile
    return profile.conversation or "" if isinstance(profile, Profile) else ""


def _refused_request(verdict: RequestVerdict, denied: Verdict) -> Refusal:
    return Refusal(verdict.code, f"The request was refused by rule {denied.rule}: {denied.reason}")
