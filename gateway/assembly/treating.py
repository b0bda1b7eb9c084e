"""What is prescribed for agents, where it changes or holds up their requests."""

from collections.abc import Callable

from gateway.assembly.keys import root_of
from gateway.assembly.state import State
from gateway.immune.prescription import NOTHING, Prescription
from gateway.model.exchange import Exchange
from gateway.phases.forgetting import Forgetting
from gateway.phases.policies import Policies
from gateway.phases.profile import Profiler
from gateway.phases.treating import Treating
from gateway.settings import Secrets, Settings


def treat(
    kept: Secrets, state: State, policies: Policies, profiler: Profiler, is_openai: Callable[[Exchange], bool]
) -> Treating:
    return Treating(
        policies,
        profiler,
        Forgetting(root_of(kept), state.resets),
        prompts=state.prompts,
        case_of=state.prescriptions.case,
        is_openai=is_openai,
    )


def prescribed(state: State, settings: Callable[[], Settings]) -> Callable[[str], Prescription]:
    """What is, by the id of an agent: nothing for any while nothing is enforced."""
    of = state.prescriptions.of
    return lambda agent_id: NOTHING if settings().enforcement == "shadow" else of(agent_id)


def why_throttled(state: State, agent_id: str) -> str:
    """The cause, and the incident where there is one."""
    case = state.prescriptions.case(agent_id)
    if case is None:
        return "to heal it"
    causes = [case.throttled, case.cause, None if case.incident_id is None else f"incident {case.incident_id}"]
    return ", ".join(cause for cause in causes if cause) or "to heal it"
