"""`loops`: the same call with the same arguments, again and again."""

from gateway.policy.clauses import Loops
from gateway.policy.loops import repeats
from gateway.policy.rules.call import Call, Check, Found
from gateway.policy.rules.ruleset import Ruleset


def guard(rules: Ruleset) -> Check | None:
    """None where the document has nothing against loops. Tools it calls polling may be called again."""
    loops = rules.clauses.loops
    if loops is None:
        return None

    def check(call: Call) -> Found | None:
        times = times_called(rules, loops, call)
        return Found("loops", f"the same call was made {times - 1} times already") if times >= loops.block_at else None

    return check


def recorded(rules: Ruleset, call: Call) -> Found | None:
    """A repetition that is not blocked yet, but worth a word in the record."""
    loops = rules.clauses.loops
    if loops is None or (times := times_called(rules, loops, call)) < loops.identical_calls:
        return None
    return Found("loops", f"the same call was made {times - 1} times already")


def times_called(rules: Ruleset, loops: Loops, call: Call) -> int:
    """How often, this time included; once for a tool that is polled."""
    if any(entry.tool.polling for entry in call.entries.get(rules.name, ())):
        return 1
    return repeats(call.question, call.facts.transcript, loops.window) + 1
