"""What is prescribed for an agent, as the documents that judge it: one for that agent alone, which only takes away."""

from collections.abc import Collection, Iterable

from gateway.immune.prescription import Prescription
from gateway.model.value import value
from gateway.policy.actions import normal, split_server
from gateway.policy.bounds import LIMITS, Bound
from gateway.policy.clauses import ActionPattern, Clauses
from gateway.policy.document import Document, Match
from gateway.policy.engine import Engine
from gateway.policy.requests import unversioned
from gateway.wire.refusal_text import called

NAME = "immune"
"""Of the document; as long as nobody has given this name to another one."""


@value
class Treated:
    """What holds for one agent under one prescription. `name` is that of its document, `alone` knows no other."""

    prescription: Prescription
    name: str
    alone: Engine


def document_of(
    prescription: Prescription, agent_id: str, *, taken: Collection[str] = (), servers: Collection[str] = ()
) -> Document:
    """What a prescription takes away from what the agent may do.

    Args:
        taken: names of other documents.
        servers: the MCP servers that there are.
    """
    name = NAME
    while name in taken:
        name += "+"  # which no author's may have
    only = prescription.only_tools
    clauses = Clauses(
        deny=tuple(_patterns(prescription.without_tools, servers)),
        only=None if only is None else tuple(_patterns(only, servers)),
        most_calls=prescription.tool_calls,
        execution="plan_only" if prescription.plan_only else None,
    )
    limits = {"concurrent": prescription.concurrent, "requests_per_minute": prescription.requests_per_minute}
    bounds = tuple(Bound(key, LIMITS[key], most, False) for key, most in limits.items() if most is not None)
    return Document(name, Match((agent_id,)), bounds, name, clauses, apart=True)


def _patterns(tools: Iterable[str], servers: Collection[str]) -> Iterable[ActionPattern]:
    for tool in sorted(tools):
        for name in dict.fromkeys((tool, unversioned(tool))):
            server, own = split_server(name, servers)
            before, slash, behind = name.partition("/")
            if server is None and slash and before in servers:
                server, own = before, behind
            verb, _, noun = normal(own).partition(":")
            if verb:
                yield ActionPattern(verb, noun, server, text=called(tool))
