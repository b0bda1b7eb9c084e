"""`/agents/{id}/policy`: what one agent may do, as two lists: a view of the policy document `agent-{id}`."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from gateway.edge.admin.access import needs, principal
from gateway.edge.admin.agents import AgentId, as_agent, known
from gateway.edge.admin.conditional import IfMatch, changed, check
from gateway.edge.admin.policies import Check, Known, change
from gateway.edge.admin.policy_body import Sent, refusing
from gateway.edge.admin.problems import Problem
from gateway.edge.admin.shapes import Body
from gateway.model.agent import Agent
from gateway.policy.bounds import NANO
from gateway.policy.document import Document
from gateway.policy.engine import Engine
from gateway.policy.matching import is_about
from gateway.policy.partial import without_arguments
from gateway.policy.plan import Plans
from gateway.policy.question import Facts, Question
from gateway.store.agents import Agents
from gateway.store.control import ChangeConflict
from gateway.store.policies import MadePolicies

_MOST_TOOLS = 1000
Entry = str | dict[str, Any]
Entries = Annotated[list[Entry], Field(max_length=1000)]


class Lists(Body):
    """Actions such as `read:file` or `restart *`, or `{action, resource, server}`. With an `allow` that is not empty
    all else is denied; `deny` goes before it."""

    allow: Entries = []
    deny: Entries = []


class AppliedLimit(BaseModel):
    """`most` in the limit's own unit; US dollars where it is about money."""

    policy: str
    limit: str
    kind: Literal["limit", "budget"]
    most: float


_UNPROVED = (
    "This agent has not proved who it is: the same caller is another agent, under other policies, with another"
    " X-Agent-Id, other tools or another credential. Give it a key (POST /agents, POST /agents/{id}/keys) and require"
    " keys (GATEWAY_REQUIRE_AGENT_KEY), or put what everybody has to obey in a policy without match.agents."
)


class AgentPolicy(BaseModel):
    """`warnings`: what keeps the policy from meaning what it says. The last six members are there with
    `effective=true`. Tools may need certain arguments; those in `approval_tools` a person's approval too."""

    agent_id: str
    policy: str
    version: int | None
    allow: list[Entry]
    deny: list[Entry]
    warnings: list[str]
    mode: str | None = None
    modes: dict[str, str] | None = None
    allowed_tools: list[str] | None = None
    approval_tools: list[str] | None = None
    blocked_tools: list[str] | None = None
    limits: list[AppliedLimit] | None = None


class Effective:
    """What holds for an agent by all documents.

    Args:
        in_force, plans: what judges and what bounds an agent, whatever is prescribed for it included.
        modes: of documents for an agent, where they are not in their start mode.
        shadow: the whole gateway only watches.
    """

    def __init__(
        self,
        in_force: Callable[[Agent], Engine],
        plans: Callable[[Agent], Plans],
        modes: Callable[[Agent], Mapping[str, str]],
        *,
        shadow: bool,
        clock: Callable[[], float],
    ) -> None:
        self._in_force = in_force
        self._plans = plans
        self._modes = modes
        self._shadow = shadow
        self._clock = clock

    def of(self, agent: Agent, tools: tuple[str, ...]) -> dict[str, Any]:
        """`tools` are those that it was seen with; those that documents name are added."""
        documents = [document for document in self._in_force(agent).documents if is_about(document.match, agent)]
        named = (tool.name for document in documents for tool in document.clauses.tools if "*" not in tool.name)
        engine = Engine([without_arguments(one) for one in documents], shadow=self._shadow)
        facts = Facts(agent, self._clock(), self._modes(agent))
        rules = engine.of(agent)
        verdicts = {
            tool: rules.judge_call(Question(tool, {}), facts) for tool in sorted({*tools, *named})[:_MOST_TOOLS]
        }
        modes = rules.modes(facts)
        return {
            "mode": next(iter(modes.values()), None),
            "modes": modes,
            "allowed_tools": [tool for tool, verdict in verdicts.items() if verdict.allowed and not verdict.approval],
            "approval_tools": [tool for tool, verdict in verdicts.items() if verdict.asks],
            "blocked_tools": [tool for tool, verdict in verdicts.items() if not (verdict.allowed or verdict.asks)],
            "limits": [_limit(holding) for holding in self._plans(agent).of(agent)],
        }


def router(
    agents: Agents,
    made: MadePolicies,
    in_force: Callable[[], tuple[Document, ...]],
    check_document: Check,
    view: Effective,
) -> APIRouter:
    """`in_force` are all documents that calls are judged by at this moment."""
    routes = APIRouter(tags=["agents"])
    documents = Known(made, in_force)

    @routes.get(
        "/agents/{agent_id}/policy", response_model=AgentPolicy, dependencies=[needs("viewer")], responses={404: {}}
    )
    async def get_agent_policy(
        agent_id: AgentId,
        response: Response,
        effective: Annotated[bool, Query(description="also what holds by all documents")] = False,
    ) -> dict[str, Any]:
        """What was put here."""
        record = await known(agents, agent_id)
        more = view.of(as_agent(record), record.tools) if effective else {}
        return {**_shown(documents, agent_id, record.verified, response), **more}

    _puts(routes, agents, made, documents, check_document)
    _deletes(routes, made, documents)
    return routes


def _puts(routes: APIRouter, agents: Agents, made: MadePolicies, documents: Known, check_document: Check) -> None:
    @routes.put(
        "/agents/{agent_id}/policy",
        response_model=AgentPolicy,
        dependencies=[needs("admin")],
        responses={404: {}, 409: {}, 412: {}},
    )
    async def put_agent_policy(
        agent_id: AgentId, body: Lists, request: Request, response: Response, if_match: IfMatch = None
    ) -> dict[str, Any]:
        """Both lists, on every worker. What else the document says stays as it is. If-Match may be left out."""
        record = await known(agents, agent_id)
        name = name_for(agent_id)
        tag = documents.tag(name)
        if if_match is not None:
            check(tag, if_match)
        before = (
            documents.whole(name)["document"] if tag is not None else {"name": name, "match": {"agents": [agent_id]}}
        )
        _about(before, agent_id)
        document = {**before, "allow": body.allow, "deny": body.deny}
        for key in ("allow", "deny"):
            if not document[key]:  # an empty `allow` would allow nothing
                del document[key]
        with refusing():
            await check_document(document)
        by = principal(request).key_id
        await change(made, documents, name, Sent(document), by=by, response=response, seen=tag)
        return _shown(documents, agent_id, record.verified, response)


def _deletes(routes: APIRouter, made: MadePolicies, documents: Known) -> None:
    @routes.delete("/agents/{agent_id}/policy", status_code=204, dependencies=[needs("admin")], responses={412: {}})
    async def delete_agent_policy(agent_id: AgentId, request: Request, if_match: IfMatch = None) -> None:
        """The whole document goes; others may still be about the agent. If-Match may be left out."""
        there = made.get(name_for(agent_id))
        if there is None:
            return
        if if_match is not None:
            check(documents.tag(there.name), if_match)
        try:
            await made.drop(there.name, by=principal(request).key_id, expected=there.epoch)
        except ChangeConflict:
            raise changed() from None


def name_for(agent_id: str) -> str:
    """The document's name. Ids differ in more than the case of their letters, which names do not have."""
    return f"agent-{agent_id.lower()}"


def _shown(documents: Known, agent_id: str, verified: bool, response: Response) -> dict[str, Any]:
    name = name_for(agent_id)
    shown: dict[str, Any] = {"agent_id": agent_id, "policy": name, "version": None, "allow": [], "deny": []}
    shown["warnings"] = [] if verified else [_UNPROVED]
    tag = documents.tag(name)
    if tag is None:
        return shown
    response.headers["etag"] = tag
    found = documents.whole(name)
    document = found["document"]
    _about(document, agent_id)
    return {
        **shown,
        "version": found["version"],
        "allow": document.get("allow") or [],
        "deny": document.get("deny") or [],
    }


def _about(document: Mapping[str, Any], agent_id: str) -> None:
    """Raises Problem 409 where the document of this name is not about this agent alone."""
    if document.get("match") != {"agents": [agent_id]}:
        raise Problem(409, f"The policy {document['name']!r} is not about this agent alone; look at it in /policies.")


def _limit(holding: Any) -> dict[str, Any]:
    bound = holding.bound
    most = bound.most / NANO if bound.kind.measure == "usd" else bound.most
    kind = "budget" if bound.budget else "limit"
    return {"policy": holding.document, "limit": bound.name, "kind": kind, "most": most}
