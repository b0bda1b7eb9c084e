"""Whom a document is about."""

from gateway.model.agent import Agent
from gateway.policy.document import Match
from gateway.policy.globs import matches


def is_about(match: Match, agent: Agent) -> bool:
    """Whether all that the match names fits the agent."""
    names = [name for name in (agent.agent_id, agent.name) if name is not None]
    return (
        (not match.agents or any(matches(pattern, name) for pattern in match.agents for name in names))
        and (not match.teams or agent.owner_team in match.teams)
        and (not match.environments or agent.environment in match.environments)
    )
