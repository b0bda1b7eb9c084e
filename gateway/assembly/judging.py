"""Who judges calls, and by which intents."""

from collections.abc import Callable

from gateway.assembly.keys import root_of
from gateway.assembly.recording import Recording
from gateway.assembly.state import State
from gateway.identity.arguments import ArgumentsHash
from gateway.intents.claims import CallClaims
from gateway.intents.tokens import Verifier, mint_call
from gateway.model.agent import Agent
from gateway.model.exchange import Exchange
from gateway.phases.approving import Approving
from gateway.phases.decisions import Decisions
from gateway.phases.judging import Judging
from gateway.phases.presenting import Presenting
from gateway.phases.releasing import Executed, Proposed
from gateway.settings import Secrets, Settings

Clock = Callable[[], float]
"""Seconds since the epoch."""


def judge(
    settings: Settings,
    kept: Secrets,
    state: State,
    recording: Recording,
    clock: Clock,
    unsanctioned: Callable[[Exchange, Agent, str, str], object] = lambda exchange, agent, shown, tool: None,
) -> Judging:
    """`unsanctioned`: see `Decisions`."""
    decisions = Decisions(
        recording.log,
        args_hash=ArgumentsHash(root_of(kept)),
        clock=clock,
        note=state.calls.note if state.calls.on else None,
        redact=recording.redact,
        unsanctioned=unsanctioned,
        strict=settings.audit == "strict",
    )

    def sign(claims: CallClaims) -> str:
        return mint_call(claims, state.token_keys.ring().current, settings.deployment)

    return Judging(
        decisions,
        modes=state.modes.of,
        clock=clock,
        memories=state.memory,
        approving=Approving(state.approvals),
        proposed=Proposed(state.intents, state.grants, state.call_tokens),
        executed=Executed(state.intents, state.grants, decisions, sign, clock=clock),
    )


def present(settings: Settings, state: State, clock: Clock) -> Presenting:
    name = settings.deployment
    verifier = Verifier(state.token_keys.ring, name, name)
    return Presenting(verifier, state.intents.is_revoked, clock=clock, shadow=settings.enforcement == "shadow")
