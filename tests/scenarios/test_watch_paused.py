"""A replica that watches is stopped for longer than its leases last, and goes on as if nothing had happened."""

import signal
import time

from tests.scenarios.test_healing import circles
from tests.scenarios.test_watch_replicas import Pair, pair
from tests.support.gateway import eventually

__all__ = ["pair"]


def test_a_replica_that_was_paused_undoes_nothing_and_counts_nothing_twice(pair: Pair) -> None:
    agents = {f"sk-many-{number}": pair.works(f"sk-many-{number}", 5, at=1) for number in range(10)}
    for agent_id in agents.values():
        eventually(lambda one=agent_id: pair.known(one, at=1) == 5)
    (released_key, released), (looping_key, looping), *others = agents.items()
    for key in agents:  # some of it is under way when the replica stops
        pair.works(key, 2, at=1, first=5)
    pair.gateways[0].process.send_signal(signal.SIGSTOP)
    try:
        stopped = time.monotonic()
        for key in agents:
            pair.works(key, 3, at=1, first=7)
        asked = pair.gateways[1].ask("POST", f"/quarantine/{released}", json={"reason": "looked at"})
        assert asked.status_code in (200, 202)
        let_go = pair.gateways[1].ask("DELETE", f"/quarantine/{released}", json={"reason": "it is fine"})
        assert let_go.status_code in (200, 202)
        assert pair.say(looping_key, circles(), at=1).status_code == 403
        eventually(lambda: pair.state(looping, at=1) not in ("INITIALIZING", "HEALTHY", "SUSPECTED"), within=10)
        time.sleep(max(0.0, stopped + 5 - time.monotonic()))
    finally:
        pair.gateways[0].process.send_signal(signal.SIGCONT)
    for key, agent_id in others:
        eventually(lambda one=agent_id: pair.known(one, at=1) == 10, within=10)
        pair.works(key, 2, at=0, first=10)
        eventually(lambda one=agent_id: pair.known(one, at=0) == 12, within=10)
    eventually(lambda: pair.state(released, at=0) == pair.state(released, at=1) == "PROBATION")
    assert pair.say(released_key, at=0).status_code == 200
    moves = pair.get(f"/lifecycle/{released}", at=0)["history"]
    assert [move["state"] for move in moves][-3:] == ["DRAINING", "QUARANTINED", "PROBATION"]
    eventually(lambda: pair.state(looping, at=0) == pair.state(looping, at=1))
    moves = pair.get(f"/lifecycle/{looping}", at=0)["history"]
    assert [move["state"] for move in moves].count("DRAINING") == 1
