"""One agent's way through the table, and a machine that tries to lead it astray."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.immune.course import Course, dump, load
from gateway.immune.finding import Finding
from gateway.immune.lifecycle import Health, Step, decide, named, on_sigma
from gateway.immune.moves import contained, exhausted, healing, stepped, treated
from gateway.immune.settings import Immune
from gateway.model.lifecycle import MOVES, IllegalMove, Life, drained, quarantined, released
from tests.immune.made import finding

LOOP = finding("tool_loop", hard=True)
TOKENS = finding("output_token_spike", "output", 6.0)
COST = finding("cost_spike", "cost", 5.5)
LARGE = finding("input_token_spike", "input_growth", 5.5)
SLOW = finding("latency_spike", "latency", 7.0)
ERRORS = finding("error_rate_spike", "errors", hard=True)
ENFORCE = Immune(sigma_action="quarantine")


class Patient:
    """An agent with its course; every step is applied as it is decided."""

    def __init__(self, state: str = "HEALTHY", settings: Immune | None = None, health: Health | None = None) -> None:
        self.life = Life("agt_1", state)  # type: ignore[arg-type]
        self.course = Course()
        self.settings = settings or Immune()
        self.health = health or Health(agents=20)
        self.now = 1000.0
        self.said: list[Step] = []

    def call(self, *findings: Finding, call: bool = True) -> Sequence[Step]:
        self.now += 1.0
        self.course, steps = decide(
            self.life, self.course, findings, self.health, self.settings, now=self.now, call=call
        )
        assert load(dump(self.course)) == self.course
        for step in steps:
            self.life = stepped(self.life, step, self.now, drain_seconds=30.0, incident_id="inc_1", credential_id="c")
        self.said += steps
        return steps

    def done(self) -> list[str]:
        return [step.do for step in self.said if step.do != "move"]

    def path(self) -> list[str]:
        return [move.state for move in self.life.history]


def test_an_agent_is_healthy_when_it_is_warm() -> None:
    patient = Patient("INITIALIZING", health=Health(warm=False))
    assert patient.call() == ()
    assert patient.call(TOKENS) == ()  # statistics of a few calls lead nowhere
    patient.health = Health()
    patient.call()
    assert patient.path() == ["HEALTHY"]


@pytest.mark.parametrize("state", ["INITIALIZING", "HEALTHY", "SUSPECTED", "PROBATION"])
def test_hard_evidence_blocks_at_once(state: str) -> None:
    patient = Patient(state, health=Health(warm=False))
    (step,) = patient.call(LOOP)
    life = patient.life
    assert (step.do, step.cause, step.sigma) == ("move", "tool_loop", False)
    assert (life.state, life.reason, life.by, life.held, life.sigma) == (
        "DRAINING",
        "tool_loop",
        "gateway",
        False,
        False,
    )
    assert (life.incident_id, life.drain_until, life.credential_id) == ("inc_1", patient.now + 30.0, "c")
    assert patient.call(TOKENS) == ()
    assert [f.type for f in patient.course.findings] == ["tool_loop", "output_token_spike"]


def test_an_alarm_makes_suspect_and_quiet_makes_healthy() -> None:
    patient = Patient()
    patient.call(TOKENS)
    for _ in range(9):
        patient.call()
    assert patient.path() == ["SUSPECTED"]
    patient.call()
    assert patient.path() == ["SUSPECTED", "HEALTHY"] and patient.course.findings == ()


def test_an_agent_that_falls_silent_is_healthy_after_a_while() -> None:
    patient = Patient()
    patient.call(TOKENS)
    patient.now += 898.0
    assert patient.call(call=False) == ()
    patient.call(call=False)
    assert patient.path() == ["SUSPECTED", "HEALTHY"]


def test_what_the_gateway_refused_is_no_quiet_call() -> None:
    patient = Patient()
    patient.call(TOKENS)
    for _ in range(50):
        patient.call(call=False)
    assert patient.path() == ["SUSPECTED"]


@pytest.mark.parametrize(
    ("after", "confirmed"),
    [("111", True), ("01101", True), ("11001", True), ("110001", False), ("010101", False), ("0111", True)],
)
def test_three_of_the_next_five_calls_confirm(after: str, confirmed: bool) -> None:
    patient = Patient(settings=ENFORCE)
    patient.call(TOKENS)
    for alarm in after:
        patient.call(*([TOKENS] if alarm == "1" else []))
    assert (patient.life.state == "DRAINING") == confirmed
    assert patient.life.sigma == confirmed


def test_another_metric_each_time_confirms_nothing() -> None:
    patient = Patient(settings=ENFORCE)
    for index in range(6):
        patient.call([TOKENS, COST, finding("tool_explosion", "tools", 6.0)][index % 3])
    assert patient.life.state == "SUSPECTED"


def test_confirmed_statistics_throttle_and_quiet_ends_that() -> None:
    patient = Patient()
    for _ in range(8):
        patient.call(TOKENS)
    assert patient.done() == ["throttle"] and patient.course.throttled and patient.life.state == "SUSPECTED"
    for _ in range(10):
        patient.call()
    assert patient.done() == ["throttle", "unthrottle"] and not patient.course.throttled
    assert patient.life.state == "HEALTHY"


def test_a_second_metric_quarantines_an_agent_that_is_known_well() -> None:
    for calls, expected in ((49, "SUSPECTED"), (50, "DRAINING")):
        patient = Patient(health=Health(calls=calls, agents=20))
        for _ in range(4):
            patient.call(TOKENS, LARGE)
        assert patient.life.state == expected and patient.done() == (["throttle"] if calls < 50 else [])


def test_what_follows_from_another_metric_is_no_second_one() -> None:
    changes = [finding(type_, type_) for type_ in ("prompt_change", "tools_change", "model_change")]
    again_later = [finding("error_rate_spike", "tool_errors"), finding("high_retry_rate", "retries")]
    for findings in ((TOKENS, COST), again_later, (*changes, TOKENS)):
        patient = Patient(health=Health(calls=500, agents=20))
        for _ in range(8):
            patient.call(*findings)
        assert patient.life.state == "SUSPECTED" and patient.done() == ["throttle"]
    patient = Patient(health=Health(calls=500, agents=20))
    for number in range(20):
        patient.call(*changes, *[TOKENS] * (number % 6 == 1))
    assert patient.life.state == "SUSPECTED" and patient.done() == ["tell"]
    assert patient.said[-1].cause == "prompt_change; who begins to use helpers changes too"


@pytest.mark.parametrize(("action", "done"), [("approve", ["ask"]), ("quarantine", [])])
def test_where_an_operator_says_so_a_change_is_more_than_suspicion(action: Any, done: list[str]) -> None:
    patient = Patient(settings=Immune(sigma_action=action), health=Health(calls=500, agents=20))
    for _ in range(8):
        patient.call(finding("prompt_change", "prompt"))
    assert patient.done() == done and (patient.life.state == "DRAINING") == (action == "quarantine")


@pytest.mark.parametrize(
    "stopped",
    [
        [finding("denied_burst", "denials"), finding("high_retry_rate", "retries")],
        [finding("error_rate_spike", "provider_errors")],
        [finding("denied_burst", "denials"), SLOW],
    ],
)
def test_what_was_stopped_already_is_told_and_stops_nobody_unless_set(stopped: list[Finding]) -> None:
    patient = Patient(health=Health(calls=500, agents=20))
    for _ in range(8):
        patient.call(*stopped)
    assert patient.life.state == "SUSPECTED" and patient.done() == ["tell"]
    patient = Patient(settings=Immune(sigma_action="quarantine"), health=Health(calls=500, agents=20))
    for _ in range(8):
        patient.call(*stopped)
    assert patient.life.state == "DRAINING"
    patient = Patient(health=Health(calls=500, agents=20))
    for _ in range(8):
        patient.call(*stopped, TOKENS)
    assert patient.life.state == "SUSPECTED" and patient.done() == ["throttle"]  # TOKENS by itself


def test_numbers_that_come_with_another_prompt_are_no_second_metric_until_they_stay() -> None:
    patient = Patient(health=Health(calls=500, agents=20))
    prompt = finding("prompt_change", "prompt")
    for _ in range(8):
        patient.call(prompt, TOKENS, LARGE)
    assert patient.life.state == "SUSPECTED" and patient.done() == ["throttle"]
    for _ in range(4):
        patient.call(TOKENS, LARGE)
    assert patient.life.state == "DRAINING"


def test_a_person_may_be_asked_instead() -> None:
    patient = Patient(settings=Immune(sigma_action="approve"), health=Health(calls=100))
    for _ in range(8):
        patient.call(TOKENS, COST)
    assert patient.done() == ["ask"] and patient.life.state == "SUSPECTED"
    life = contained(patient.life, 5.0, "approved", "adk_1", sigma=True, drain_seconds=0.0, incident_id="inc_2")
    assert (life.state, life.by, life.held, life.incident_id) == ("DRAINING", "adk_1", False, "inc_2")


@pytest.mark.parametrize("action", ["throttle", "approve", "quarantine"])
def test_latency_alone_contains_nobody_unless_set(action: str) -> None:
    patient = Patient(settings=Immune(sigma_action=action), health=Health(calls=100))  # type: ignore[arg-type]
    per_token = replace_metric(SLOW, "latency_per_token")
    for _ in range(8):
        patient.call(SLOW, per_token)
    assert patient.life.state == "SUSPECTED" and patient.done() == ["tell"]
    patient = Patient(settings=Immune(sigma_action="quarantine", latency_quarantines=True))
    for _ in range(4):
        patient.call(SLOW)
    assert patient.life.state == "DRAINING"


def replace_metric(found: Finding, metric: str) -> Finding:
    return Finding(found.type, metric, found.deviation, found.at, found.agent_id, found.request_id)


@pytest.mark.parametrize(("agents", "blocked", "room"), [(3, 0, True), (3, 1, False), (29, 2, False), (30, 2, True)])
def test_only_a_share_of_all_agents_is_blocked_on_statistics(agents: int, blocked: int, room: bool) -> None:
    patient = Patient(settings=ENFORCE, health=Health(agents=agents, on_sigma=blocked))
    for _ in range(6):
        patient.call(TOKENS)
    assert patient.life.state == ("DRAINING" if room else "SUSPECTED")
    assert patient.done() == ([] if room else ["throttle", "tell"])
    assert patient.call(LOOP) == () if room else patient.call(LOOP)[0].state == "DRAINING"  # hard evidence has room


def test_likeness_to_a_blocked_agent_throttles_at_once_and_never_blocks() -> None:
    patient = Patient(settings=ENFORCE)
    for _ in range(9):
        patient.call(finding("identity_evasion", "likeness"))
    assert patient.done() == ["throttle"] and patient.life.state == "SUSPECTED"
    patient.call(finding("identity_evasion", "credential", hard=True))
    assert patient.life.state == "DRAINING"


def test_errors_wait_until_the_other_agents_could_be_heard() -> None:
    patient = Patient(health=Health(company=True))
    patient.call(ERRORS)
    assert patient.life.state == "SUSPECTED"
    patient.now += 8.0
    assert patient.call(call=False) == ()
    patient.call(call=False)
    assert patient.life.state == "DRAINING"
    assert patient.life.reason == "error_rate_spike (errors)"


def test_errors_of_the_provider_block_nobody() -> None:
    patient = Patient(health=Health(company=True))
    patient.call(ERRORS)
    patient.health = Health(company=True, external=True)
    for _ in range(30):
        patient.call(ERRORS, SLOW)
    assert patient.path() == ["SUSPECTED", "HEALTHY"]


def test_errors_of_an_agent_alone_and_of_its_own_tools_do_not_wait() -> None:
    alone, tools = Patient(), Patient(health=Health(company=True))
    alone.call(ERRORS)
    tools.call(finding("error_rate_spike", "tool_errors", hard=True))
    assert alone.life.state == tools.life.state == "DRAINING"


@pytest.mark.parametrize("mode", ["shadow", "warn"])
def test_shadow_and_warn_only_say_what_would_be_done(mode: str) -> None:
    patient = Patient(settings=Immune(mode=mode))  # type: ignore[arg-type]
    for _ in range(5):
        patient.call(LOOP)
    assert patient.life.state == "SUSPECTED"
    assert [(step.do, step.withheld) for step in patient.said if step.do != "move"] == [("tell", "move")]
    patient = Patient(settings=Immune(mode=mode))  # type: ignore[arg-type]
    for _ in range(5):
        patient.call(TOKENS)
    assert [(step.do, step.withheld) for step in patient.said if step.do != "move"] == [("tell", "throttle")]
    assert not patient.course.throttled


def treated_patient(*findings: Finding) -> Patient:
    patient = Patient(settings=ENFORCE)
    patient.call(*findings)
    patient.life = treated(healing(drained(patient.life, 2000.0), 2000.0, "auto"), 2001.0, "reset_memory")
    return patient


def test_ten_clean_calls_end_probation() -> None:
    patient = treated_patient(LOOP)
    assert patient.life.incident_id == "inc_1"
    for number in range(15):
        patient.call(*([TOKENS] if number == 4 else []))
        assert patient.life.state == ("PROBATION" if number < 14 else "HEALTHY")
    assert patient.life.incident_id is None and patient.life.reason == ""
    assert patient.life.history[-1].cause == "10 clean calls"


def test_the_same_illness_on_probation_is_a_relapse_and_another_one_is_not() -> None:
    patient = treated_patient(LOOP)
    assert [step.relapse for step in patient.call(LOOP)] == [True]
    assert patient.life.incident_id == "inc_1"  # the case goes on
    patient = treated_patient(LOOP)
    assert [step.relapse for step in patient.call(finding("unsanctioned_call", hard=True))] == [False]


def test_statistics_that_come_back_on_probation_block_again() -> None:
    patient = treated_patient(finding("output_token_spike", "output", 9.0, hard=True))
    patient.settings = Immune()
    for _ in range(4):
        patient.call(TOKENS)
    assert patient.life.state == "DRAINING" and patient.said[-1].relapse and patient.life.sigma


def test_what_an_operator_released_begins_anew() -> None:
    patient = Patient()
    patient.call(LOOP)
    patient.life = released(patient.life, 2000.0, "fine", "adk_1")
    patient.call()
    assert patient.course == Course("PROBATION", quiet=1)


def test_causes_are_for_people() -> None:
    assert named(SLOW) == "latency_spike (latency), +7.0 σ"
    assert named(LOOP) == "tool_loop"
    assert named(None) == "no finding"


FINDINGS = st.lists(
    st.sampled_from([LOOP, TOKENS, COST, SLOW, ERRORS, finding("new_client"), finding("identity_evasion")]), max_size=3
)


STRICT = (Immune(), ENFORCE)
MILD = (("move", True), ("tell", True), ("unthrottle", True))


class Fleet(RuleBasedStateMachine):
    """Three agents, an operator, and a gateway that all do what they like."""

    agents = st.integers(0, 2)

    def __init__(self) -> None:
        super().__init__()
        self.lives = [Life(f"agt_{n}") for n in range(3)]
        self.courses = [Course() for _ in range(3)]
        self.now = 0.0

    def gateway(self, agent: int, after: Life) -> None:
        """The gateway makes legal moves only, and never ends a hold."""
        before = self.lives[agent]
        assert not before.held or (after.held and after.blocked)
        assert after.held == before.held
        self.lives[agent] = after

    def calls(self, agent: int, findings: list[Finding], times: int, health: Health, settings: Immune) -> None:
        for _ in range(times):
            self.now += 1.0
            health = replace_health(health, len(on_sigma(self.lives)))
            course, steps = decide(self.lives[agent], self.courses[agent], findings, health, settings, now=self.now)
            self.courses[agent] = course
            for step in steps:
                assert settings.mode == "enforce" or (step.do, step.state != "DRAINING") in MILD
                assert step.state is None or step.state in MOVES[self.lives[agent].state]
                self.gateway(agent, stepped(self.lives[agent], step, self.now, incident_id="inc_1"))

    @rule(
        agent=agents,
        findings=FINDINGS,
        times=st.integers(1, 12),
        health=st.builds(Health, warm=st.booleans(), calls=st.just(60), external=st.booleans(), company=st.booleans()),
        settings=st.sampled_from([Immune(), ENFORCE, Immune(mode="warn"), Immune(sigma_action="approve")]),
    )
    def calls_come(self, agent: int, findings: list[Finding], times: int, health: Health, settings: Immune) -> None:
        self.calls(agent, findings, times, health, settings)

    @rule(agent=agents, evidence=st.sampled_from([[TOKENS], [TOKENS, COST], [LOOP]]), settings=st.sampled_from(STRICT))
    def falls_ill(self, agent: int, evidence: list[Finding], settings: Immune) -> None:
        self.calls(agent, evidence, 5, Health(calls=60), settings)

    @rule(agent=agents, state=st.sampled_from(sorted(MOVES)), to=st.sampled_from(sorted(MOVES)))
    def a_step_comes_late(self, agent: int, state: str, to: str) -> None:
        if to in MOVES[state]:  # type: ignore[index]
            if to == "DRAINING" and len([x for x in self.lives if x.blocked and x.sigma]) >= 1:
                return
            step = Step("move", "late", state, to)  # type: ignore[arg-type]
            if state in ("INITIALIZING", "HEALTHY", "SUSPECTED", "PROBATION"):
                self.gateway(agent, stepped(self.lives[agent], step, self.now))

    @rule(agent=agents)
    def drains(self, agent: int) -> None:
        self.gateway(agent, drained(self.lives[agent], self.now))

    @rule(agent=agents, trigger=st.sampled_from(["auto", "approval", "heal_all"]))
    def heals(self, agent: int, trigger: str) -> None:
        self.gateway(agent, healing(self.lives[agent], self.now, trigger))  # type: ignore[arg-type]

    @rule(agent=agents, works=st.booleans())
    def heals_to_the_end(self, agent: int, works: bool) -> None:
        life = self.lives[agent]
        self.gateway(agent, treated(life, self.now, "throttle") if works else exhausted(life, self.now))

    @rule(agent=agents)
    def an_operator_heals_now(self, agent: int) -> None:
        life = self.lives[agent]
        if life.state in ("QUARANTINED", "EXHAUSTED"):
            self.lives[agent] = healing(life, self.now, "heal_now", "adk_1")
            assert self.lives[agent].state == "HEALING" and not self.lives[agent].held
        else:
            with pytest.raises(IllegalMove):
                healing(life, self.now, "heal_now", "adk_1")

    @rule(agent=agents, drain=st.sampled_from([0.0, 30.0]))
    def an_operator_blocks(self, agent: int, drain: float) -> None:
        self.lives[agent] = quarantined(
            self.lives[agent], self.now, "odd", "adk_1", drain_seconds=drain, incident_id="inc_2"
        )
        assert self.lives[agent].held

    @rule(agent=agents)
    def an_operator_releases(self, agent: int) -> None:
        if self.lives[agent].state != "HEALING":
            self.lives[agent] = released(self.lives[agent], self.now, "fine", "adk_1")

    @invariant()
    def every_move_was_legal(self) -> None:
        for life in self.lives:
            states = [move.state for move in life.history]
            assert all(after in MOVES[before] for before, after in zip(states, states[1:], strict=False))
            assert not life.held or life.blocked
            assert life.blocked or not life.sigma

    @invariant()
    def statistics_block_one_of_three(self) -> None:
        assert len(on_sigma(self.lives)) <= 1


def replace_health(health: Health, blocked: int) -> Health:
    return Health(health.warm, health.calls, 3, blocked, health.external, health.company)


TestFleet = Fleet.TestCase
TestFleet.settings = hypothesis_settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_a_step_that_comes_late_does_nothing() -> None:
    life = Life("agt_1", "HEALTHY")
    assert stepped(life, Step("move", "x", "SUSPECTED", "DRAINING"), 1.0) == life
    assert stepped(life, Step("throttle", "x"), 1.0) == life
    held = replace(life, state="DRAINING", held=True)
    assert healing(held, 1.0, "auto") == held
