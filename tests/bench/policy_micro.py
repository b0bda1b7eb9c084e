"""What a decision costs: `python -m tests.bench.policy_micro`. Processor time of one call each, the collector off.

A decision has to take no more than 500 µs for 99 of 100 calls with 100 rules; idle rules may cost an exchange 3 µs.
"""

import gc
import statistics
import time
from collections.abc import Callable

from gateway.policy.clauses import Sizes
from gateway.policy.document import Match
from gateway.policy.engine import Engine, Rules
from gateway.policy.question import Question
from tests.support.policies import AGENT, document, facts, mode, offer, rules, said, tool

_CALLS = 20_000
_SCHEMA = {"type": "object", "properties": {"service": {"type": "string"}}, "required": ["service"]}


def with_rules(count: int) -> Rules:
    """So many rules in three documents, a fifth of each kind; none of them about the call that is asked."""
    part = count // 5
    arguments = {"service": {"enum": ["web", "api"], "not_pattern": "(?i)secret"}, "reason": {"max_length": 200}}
    return rules(
        document(
            "wide",
            always_blocked=[f"drop {n} *" if n % 2 else f"wipe {n}" for n in range(part)],
            deny=[f"send mail {n}" if n % 2 else {"action": "write:*", "resource": f"/{n}/*"} for n in range(part)],
            sizes=Sizes(arguments_bytes=65536),
        ),
        document(
            "team",
            Match(teams=("platform",)),
            modes=[mode("A", [f"read {n} *" for n in range(part)]), mode("B", [f"scale {n}" for n in range(part)])],
        ),
        document(
            "agent",
            Match(agents=("sre-*",)),
            tools=[
                tool(f"restart_{n}", action=f"restart:{n}", resource="{service}", arguments=arguments)
                for n in range(part)
            ],
        ),
    )


def measured(act: Callable[[], object], calls: int = _CALLS) -> tuple[float, float]:
    """Median and 99th percentile."""
    clock, times = time.thread_time_ns, []
    for _ in range(calls // 10):
        act()
    gc.disable()
    for _ in range(calls):
        start = clock()
        act()
        times.append(clock() - start)
    gc.enable()
    return statistics.median(times) / 1000, statistics.quantiles(times, n=100)[98] / 1000


def cases() -> dict[str, Callable[[], object]]:
    """What is measured, by what it is."""
    known = facts(tools={"restart_1": offer("restart_1", _SCHEMA)}, transcript=said("restart web"))
    allowed = Question("restart_1", {"service": "web", "reason": "it hangs"}, size=40)
    denied, unknown = Question("drop_1_tables", {}), Question("paint_house", {"colour": "red"})
    engine = Engine([document("default", default="allow")])
    found: dict[str, Callable[[], object]] = {"no rules, is it idle": lambda: engine.of(AGENT).idle}
    for count in (20, 100, 1000):
        on = with_rules(count)
        for name, question in (("allowed", allowed), ("denied", denied), ("nobody's", unknown)):
            found[f"{count} rules, {name}"] = lambda on=on, question=question: on.judge_call(question, known)  # type: ignore[misc]
    return found


def main() -> None:
    for name, act in cases().items():
        median, slow = measured(act)
        print(f"{name:28} {median:8.1f} µs   99 % within {slow:8.1f} µs")


if __name__ == "__main__":
    main()
