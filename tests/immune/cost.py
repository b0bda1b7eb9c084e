"""What detection costs: `python -m tests.immune.cost` prints CPU time of an exchange, bytes of a state."""

import time

from gateway.immune.state import Watched, dump, load
from gateway.immune.watched import watch
from tests.immune.exchanges import exchange


def main() -> None:
    rows = [exchange(place) for place in range(5_000)]
    state = Watched()
    began = time.process_time()
    for one in rows:
        watch(state, one)
    print(f"watch: {(time.process_time() - began) / len(rows) * 1e6:.1f} us CPU")
    began = time.process_time()
    for _ in range(1_000):
        load(dump(state))
    print(f"dump and load: {(time.process_time() - began) * 1e3:.1f} us CPU, {len(dump(state))} bytes")


if __name__ == "__main__":
    main()
