"""The moves of the gateway itself on an agent's life. None of them ends what an operator holds.

Each is safe to apply to a life that has changed since it was decided: then it does nothing.
"""

from dataclasses import replace
from typing import Literal

from gateway.immune.lifecycle import Step
from gateway.model.lifecycle import Life

GATEWAY = "gateway"

Trigger = Literal["auto", "approval", "heal_now", "heal_all"]
"""auto: a mild case heals by itself. approval: a person approved it. heal_now: an operator's word about this agent, the
only one that also ends a hold; heal_all: about all agents that nobody holds."""

_BY_PEOPLE = frozenset({"approval", "heal_now", "heal_all"})


def stepped(
    life: Life, step: Step, at: float, *, drain_seconds: float = 30.0, incident_id: str = "", credential_id: str = ""
) -> Life:
    """One move that `decide` wants, if the agent is still where it was then.

    Args:
        at: seconds since the epoch.
        incident_id: of a new incident; one that is open goes on.
        credential_id: what the agent's requests show.
    """
    if step.do != "move" or step.state is None or life.held or life.state != step.before:
        return life
    if step.state == "DRAINING":
        return contained(
            life,
            at,
            step.cause,
            GATEWAY,
            sigma=step.sigma,
            drain_seconds=drain_seconds,
            incident_id=incident_id,
            credential_id=credential_id,
        )
    moved = life.moved(step.state, at, step.cause, GATEWAY)
    return replace(moved, incident_id=None, reason="", by="") if step.state == "HEALTHY" else moved


def contained(
    life: Life,
    at: float,
    reason: str,
    by: str,
    *,
    sigma: bool,
    drain_seconds: float,
    incident_id: str,
    credential_id: str = "",
) -> Life:
    """Blocked in the gateway's name, also where a person (`by`) agreed to it; one that is blocked stays as it is."""
    if life.blocked:
        return life
    return replace(
        life.moved("DRAINING", at, reason, by),
        reason=reason,
        by=by,
        sigma=sigma,
        incident_id=life.incident_id or incident_id,
        drain_until=at + drain_seconds,
        credential_id=credential_id or life.credential_id,
    )


def healing(life: Life, at: float, trigger: Trigger, by: str = GATEWAY) -> Life:
    """Treatment begins.

    Raises:
        IllegalMove: an operator wants it now, and the agent is not where treatment begins.
    """
    ready = life.state == "QUARANTINED" or (life.state == "EXHAUSTED" and trigger in ("heal_now", "heal_all"))
    if trigger == "heal_now":
        return replace(life.moved("HEALING", at, trigger, by), held=False)
    if not ready or life.held:
        return life
    return life.moved("HEALING", at, trigger, by if trigger in _BY_PEOPLE else GATEWAY)


def treated(life: Life, at: float, remedy: str) -> Life:
    """A remedy is in place. What an operator has taken hold of meanwhile stays blocked."""
    if life.state != "HEALING":
        return life
    if life.held:
        return life.moved("EXHAUSTED", at, "an operator holds the agent", GATEWAY)
    free = life.moved("PROBATION", at, remedy, GATEWAY)
    return replace(free, sigma=False, drain_until=0.0, credential_id="")


def exhausted(life: Life, at: float) -> Life:
    """No remedy is left."""
    return life.moved("EXHAUSTED", at, "no remedy is left", GATEWAY) if life.state == "HEALING" else life
