"""What is remembered of an agent's findings between two of its calls: small, plain, the same after a round trip."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field, replace

from gateway.immune.finding import Finding
from gateway.immune.plain_json import dumps, loads
from gateway.model.lifecycle import Life
from gateway.model.value import value

FORMAT = 1
KEPT_FINDINGS = 20
_BITS = 32


@value
class Course:
    """One agent's. Times in seconds since the epoch. A throttle is in force exactly while `throttled`.

    state: where the agent was in its lifecycle at the last look.
    alarms: by metric, the latest calls as bits, the newest lowest: 1 where the metric alarmed.
    findings: what the agent is suspected or blocked for, one of each type and metric: the furthest.
    quiet: calls since the last alarm, which was at `alarm_at`.
    throttled, asked, told: what was done about it already.
    waiting: why the agent is blocked at `waiting_until`, unless its provider turns out to be the cause; or empty.
    relapse: types of findings that it was healed of and that would show, on probation, that it was not.
    """

    state: str = ""
    alarms: Mapping[str, int] = field(default_factory=dict, hash=False)
    findings: tuple[Finding, ...] = ()
    quiet: int = 0
    alarm_at: float = 0.0
    throttled: bool = False
    asked: bool = False
    told: bool = False
    waiting: str = ""
    waiting_until: float = 0.0
    relapse: tuple[str, ...] = ()

    @property
    def idle(self) -> bool:
        """Whether one more call without a finding changes nothing."""
        return not self.alarms and self.quiet >= _BITS

    def after(self, found: Sequence[Finding], now: float, *, call: bool) -> "Course":
        """One exchange later. `call`: it was a call of the agent that a provider answered."""
        if not found and (not call or self.idle):
            return self
        metrics = {finding.metric for finding in found}
        shifted = {name: (bits << call) & (2**_BITS - 1) for name, bits in self.alarms.items()}
        alarms = {name: bits for name, bits in shifted.items() if bits}
        alarms.update({name: alarms.get(name, 0) | 1 for name in metrics})
        if not found:
            return self._quieter(alarms)
        return replace(self.having(found), alarms=alarms, quiet=0, alarm_at=now)

    def _quieter(self, alarms: Mapping[str, int]) -> "Course":
        # By place: `replace` takes ten times as long, and every call of a new agent comes here.
        return Course(
            self.state,
            alarms,
            self.findings,
            self.quiet + 1,
            self.alarm_at,
            self.throttled,
            self.asked,
            self.told,
            self.waiting,
            self.waiting_until,
            self.relapse,
        )

    def alarmed(self, calls: int, *, without: Collection[str] = ()) -> dict[str, int]:
        """By metric, how many of the latest `calls` alarmed; those not counted on which a metric of `without` did."""
        looked_at = 2 ** min(calls, _BITS) - 1
        for name in without:
            looked_at &= ~self.alarms.get(name, 0)
        return {name: count for name, bits in self.alarms.items() if (count := (bits & looked_at).bit_count())}

    def at(self, life: Life) -> "Course":
        """With what its life went through since: after a treatment or an operator's release it begins anew, and after a
        treatment remembers what for."""
        if life.state == self.state:
            return self
        if life.state != "PROBATION":
            return replace(self, state=life.state)
        if len(life.history) > 1 and life.history[-2].state == "HEALING":
            types = {finding.type for finding in self.findings}
            return Course(life.state, relapse=tuple(sorted(types.union(self.relapse))))
        return Course(life.state)

    def having(self, found: Sequence[Finding]) -> "Course":
        """With further evidence."""
        return replace(self, findings=furthest((*self.findings, *found))) if found else self


def dump(course: Course) -> bytes:
    return dumps([FORMAT, course])


def load(data: bytes) -> Course:
    """Raises ValueError for a format of another version."""
    version, members = loads(data)
    if version != FORMAT:
        raise ValueError(f"a course of format {version!r}; this version reads {FORMAT}")
    findings = tuple(Finding(**finding) for finding in members["findings"])
    return Course(**{**members, "findings": findings, "relapse": tuple(members["relapse"])})


def furthest(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Of each type and metric one, at most `KEPT_FINDINGS`."""
    kept: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        place = (finding.type, finding.metric)
        known = kept.get(place)
        if known is None or (finding.hard, abs(finding.deviation or 0.0)) > (known.hard, abs(known.deviation or 0.0)):
            kept[place] = finding
    return tuple(kept.values())[:KEPT_FINDINGS]
