"""`sequence`: after one action, another is denied for a while, to the same agent in whatever conversation."""

from gateway.policy.rules.call import Call, Check, Found
from gateway.policy.rules.patterns import Patterns
from gateway.policy.rules.ruleset import Ruleset
from gateway.policy.verdict import Count

_HOUR = 3600
_DAY = 86_400


def guard(rules: Ruleset) -> Check | None:
    """None where the document has no sequences."""
    document = rules.name
    made = [
        (f"sequence/{position}", clause, Patterns((clause.deny,)), Patterns((clause.after,)), count)
        for position, (clause, count) in enumerate(zip(rules.clauses.sequence, counts_of(rules), strict=True))
    ]

    def check(call: Call) -> Found | None:
        targets, memory, denied = call.targets_of(document), call.facts.memory, None
        for rule, clause, deny, after, count in made:
            if after.first(targets, call.server) is not None:
                call.counts.append(count)
            if denied is not None or deny.first(targets, call.server) is None:
                continue
            if memory is None:
                denied = Found(rule, "what the agent did before cannot be known now")
            elif (last := memory.last(count.key)) is not None and call.facts.now - last < clause.within:
                denied = Found(rule, count.reason)
        return denied

    return check if made else None


def counts_of(rules: Ruleset) -> list[Count]:
    """What has to be remembered of the actions that the clauses wait for: when one was allowed last."""
    counts = []
    for position, clause in enumerate(rules.clauses.sequence):
        period = "hour" if clause.within <= _HOUR else "day" if clause.within <= _DAY else "month"
        reason = clause.reason or f"{clause.deny.text} is denied after {clause.after.text}"
        key, rule = f"{rules.name}:sequence:{position}", f"{rules.name}/sequence/{position}"
        counts.append(Count(key, period=period, rule=rule, reason=reason))
    return counts
