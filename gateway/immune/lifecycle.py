"""From findings to what is done: suspicion, confirmation, containment, probation. Decides, and changes nothing itself.

Hard evidence blocks at once. Statistical evidence has to be confirmed by the calls that follow, throttles or asks
first, and never blocks more than a share of all agents: a false alarm must not stop a fleet. Evidence that a provider
in trouble causes as well waits until the other agents could be heard.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from gateway.immune.course import Course
from gateway.immune.evidence import CHANGES, KINDS, independent, is_shared, is_stopped, leading, own
from gateway.immune.finding import Finding
from gateway.immune.repeated import METRIC as LOOPS_AGAIN
from gateway.immune.settings import DEFAULT, Immune
from gateway.model.lifecycle import Life, State
from gateway.model.value import value

Do = Literal["move", "throttle", "unthrottle", "ask", "tell"]


@value
class Health:
    """What is known beside the findings.

    warm: the agent's first calls are over; `calls` is how many its baseline has. `agents` are all, `on_sigma` those
    blocked on statistical evidence. external: its provider is the cause, says the fleet; company: there are enough
    other agents at work to say so.
    """

    warm: bool = True
    calls: int = 0
    agents: int = 1
    on_sigma: int = 0
    external: bool = False
    company: bool = False

    def has_room(self, settings: Immune) -> bool:
        """Whether one more may be blocked on statistical evidence."""
        return self.on_sigma < settings.sigma_room(self.agents)


@value
class Step:
    """One thing to do.

    move: from `before` to `state`; see `gateway.immune.moves.stepped`. throttle: one request at a time from now on,
    until unthrottle. ask: a person whether to quarantine. tell: people, in an alert. sigma: on statistical evidence
    alone. relapse: what the agent was treated with has failed. withheld: what the mode kept the gateway from doing.
    """

    do: Do
    cause: str
    before: State | None = None
    state: State | None = None
    sigma: bool = False
    relapse: bool = False
    withheld: Do | None = None


def on_sigma(lives: Iterable[Life]) -> list[str]:
    """Those that are blocked on statistical evidence, by agent id."""
    return [life.agent_id for life in lives if life.blocked and life.sigma and not life.held]


def decide(
    life: Life,
    course: Course,
    findings: Sequence[Finding],
    health: Health,
    settings: Immune = DEFAULT,
    *,
    now: float,
    call: bool = True,
) -> tuple[Course, tuple[Step, ...]]:
    """What to do after an exchange, or after some time (no findings, `call` False), and what to remember.

    Args:
        now: seconds since the epoch.
        call: the exchange was a call of the agent that a provider answered; what the gateway refused says nothing.
    """
    found = own(findings, external=health.external)
    if life.blocked:  # what was under way when it was blocked still belongs to the case
        return course.at(life).having(found), ()
    course = course.at(life).after(found, now, call=call)
    if course.waiting and health.external:
        course = replace(course, waiting="", waiting_until=0.0)
    warmed = life.state == "INITIALIZING" and health.warm
    if not (found or warmed or course.waiting) and life.state in ("INITIALIZING", "HEALTHY"):
        return course, ()
    decision = _Decision(life, course, found, health, settings, now)
    decision.run()
    return decision.course, tuple(decision.steps)


class _Decision:
    """One decision while it is made: every method may add steps and change the state and the course."""

    def __init__(
        self, life: Life, course: Course, found: Sequence[Finding], health: Health, settings: Immune, now: float
    ) -> None:
        self.state = life.state
        self.course = course
        self.steps: list[Step] = []
        self._found = found
        self._health = health
        self._settings = settings
        self._now = now

    def run(self) -> None:
        hard = self._hard()
        if hard:
            self._block(hard, sigma=False)
        if self.state == "DRAINING":
            return
        if self.state == "INITIALIZING" and self._health.warm:
            self._move("HEALTHY", "warm")
        if self.state == "HEALTHY" and self._found:
            self._move("SUSPECTED", named(leading(self._found)))
        if self.state in ("SUSPECTED", "PROBATION"):
            self._weigh()
        if self.state in ("SUSPECTED", "PROBATION") and not self._found:
            self._recover()

    def _hard(self) -> str:
        """Why the agent is to be blocked at once; empty if it is not."""
        hard = [finding for finding in self._found if finding.hard]
        alone = [finding for finding in hard if not (self._health.company and is_shared(finding))]
        if alone:
            return named(leading(alone))
        if hard and not self.course.waiting:
            until = self._now + self._settings.fleet.wait_seconds
            self.course = replace(self.course, waiting=named(leading(hard)), waiting_until=until)
        if self.course.waiting and self._now >= self.course.waiting_until:
            return self.course.waiting
        return ""

    def _weigh(self) -> None:
        """Statistical evidence, once it is confirmed."""
        settings, found = self._settings, self._found
        at_once = [finding for finding in found if KINDS[finding.type].throttles]
        if at_once:
            self._throttle(named(leading(at_once)))
        alarmed = self.course.alarmed(settings.confirm_of + 1)
        # The first alarm, and then; or what was counted over many calls already.
        confirmed = {metric for metric, count in alarmed.items() if count > settings.confirm or metric == LOOPS_AGAIN}
        of = [
            finding for finding in self.course.findings if finding.metric in confirmed and not _only_throttles(finding)
        ]
        if not of or not found:
            return
        seconds = {metric for metric, count in alarmed.items() if count >= settings.second_alarms} | confirmed
        cause = named(leading(of))
        blames = [finding for finding in self.course.findings if finding.metric in seconds]
        if not settings.latency_quarantines and all(finding.type == "latency_spike" for finding in blames):
            self._tell(f"{cause}; latency alone does not quarantine")
        elif settings.sigma_action == "quarantine" or (self.state == "PROBATION" and self._relapsed(of)):
            self._contain(cause)
        elif settings.sigma_action == "approve":
            self._ask(cause)
        elif all(finding.type in CHANGES for finding in of):
            self._tell(f"{cause}; who begins to use helpers changes too")
        elif all(_is_harmless(finding) for finding in blames):
            self._tell(f"{cause}; there is nothing left to stop")
        elif self._health.calls >= settings.second_metric_from and self._signs(_open(blames)) > 1:
            self._contain(cause)
        else:
            self._throttle(cause)

    def _signs(self, blames: Sequence[Finding]) -> int:
        """How many of these say something of their own. A change does not, nor do numbers of calls that came with one:
        what another prompt asks for is of another size."""
        changed = {finding.metric for finding in blames if finding.type in CHANGES}
        alone = self.course.alarmed(self._settings.confirm_of + 1, without=changed)
        signs = independent(blames) - changed - {LOOPS_AGAIN}  # which are the loops themselves
        return sum(alone.get(metric, 0) >= self._settings.second_alarms for metric in signs)

    def _contain(self, cause: str) -> None:
        if self._health.has_room(self._settings):
            self._block(cause, sigma=True)
        else:
            self._throttle(cause)
            self._tell(f"{cause}; throttled only: as many agents as may be are quarantined on statistical evidence")

    def _recover(self) -> None:
        settings, course = self._settings, self.course
        calls = settings.quiet_calls if self.state == "SUSPECTED" else settings.probation_calls
        long = self.state == "SUSPECTED" and self._now - course.alarm_at >= settings.quiet_seconds
        if course.waiting or (course.quiet < calls and not long):
            return
        if course.throttled:
            self.steps.append(Step("unthrottle", "quiet"))
        self._move("HEALTHY", "quiet" if self.state == "SUSPECTED" else f"{course.quiet} clean calls")
        self.course = Course("HEALTHY", quiet=course.quiet, alarm_at=course.alarm_at)

    def _block(self, cause: str, *, sigma: bool) -> None:
        if self._settings.mode != "enforce":
            self._withhold("move", cause)
            return
        relapse = self.state == "PROBATION" and self._relapsed(self.course.findings)
        self.steps.append(Step("move", cause, self.state, "DRAINING", sigma=sigma, relapse=relapse))
        self.state = "DRAINING"
        self.course = replace(self.course, waiting="", waiting_until=0.0)

    def _throttle(self, cause: str) -> None:
        if self.course.throttled:
            return
        if self._settings.mode != "enforce":
            self._withhold("throttle", cause)
            return
        self.steps.append(Step("throttle", cause, sigma=True))
        self.course = replace(self.course, throttled=True)

    def _ask(self, cause: str) -> None:
        if self.course.asked:
            return
        if self._settings.mode != "enforce":
            self._withhold("ask", cause)
            return
        self.steps.append(Step("ask", cause, sigma=True))
        self.course = replace(self.course, asked=True)

    def _tell(self, cause: str) -> None:
        if not self.course.told:
            self.steps.append(Step("tell", cause, sigma=True))
            self.course = replace(self.course, told=True)

    def _withhold(self, do: Do, cause: str) -> None:
        """In `shadow` and `warn`: say once what would have been done."""
        if not self.course.told:
            self.steps.append(Step("tell", cause, withheld=do))
        self.course = replace(self.course, told=True, waiting="", waiting_until=0.0)

    def _move(self, state: State, cause: str) -> None:
        self.steps.append(Step("move", cause, self.state, state))
        self.state = state

    def _relapsed(self, findings: Iterable[Finding]) -> bool:
        return any(finding.type in self.course.relapse for finding in findings)


def named(finding: Finding | None) -> str:
    """A finding as a cause that people read."""
    if finding is None:
        return "no finding"
    what = finding.type if finding.metric == finding.type else f"{finding.type} ({finding.metric})"
    return what if finding.deviation is None else f"{what}, {finding.deviation:+.1f} σ"


def _open(findings: Sequence[Finding]) -> list[Finding]:
    """Those about something that has not come to nothing already."""
    return [finding for finding in findings if not is_stopped(finding)]


def _is_harmless(finding: Finding) -> bool:
    return is_stopped(finding) or finding.type == "latency_spike" or finding.type in CHANGES


def _only_throttles(finding: Finding) -> bool:
    return KINDS[finding.type].throttles and not finding.hard
