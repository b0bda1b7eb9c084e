"""Keeps what `leuko top` shows up to date: asks every few seconds, and at once when something happens."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from gateway.commands.client import AdminClient, Failure
from gateway.commands.top_view import Answers, Document, Rates

EVERY = 2.0
"""Seconds between readings while nothing happens."""
_SOONEST = 0.5
_AGAIN = 2.0  # seconds until a stream of events that ended is opened again
_AGENTS = 1000
_ROWS = 100
_STALE = 3.0 * EVERY
_GONE = (404, 405)


def answers(client: AdminClient, clock: Callable[[], float] = time.monotonic) -> Answers:
    """One reading. Raises Failure."""

    def items(path: str, **params: Any) -> tuple[Document, ...]:
        return tuple(_known(client, path, params).get("items", ()))

    agents = client.ask("GET", "/agents", params={"limit": _AGENTS})
    return Answers(
        clock(),
        tuple(agents["items"]),
        agents["next_cursor"] is not None,
        approvals=items("/approvals", status="pending", limit=_ROWS),
        incidents=items("/incidents", open="true", limit=_ROWS),
        providers=items("/providers"),
        mode=_known(client, "/mode"),
        stats=_known(client, "/stats"),
        stale_for=_known(client, "/quarantine").get("stale_for"),
    )


def _known(client: AdminClient, path: str, params: dict[str, Any] | None = None) -> Document:
    """Nothing where the gateway does not know the noun: it may be older than this command."""
    try:
        document: Document = client.ask("GET", path, params=params)
        return document
    except Failure as failure:
        if failure.status in _GONE:
            return {}
        raise


class Feed:
    """Reads from threads of its own, and calls `changed` after each reading and each event.

    Attributes:
        latest: the last reading that came. rates: of all readings. event: the latest, as the API gives it.
    """

    def __init__(
        self,
        client: AdminClient,
        changed: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        every: float = EVERY,
    ) -> None:
        self.latest = Answers()
        self.rates = Rates()
        self.event: Document | None = None
        self._client = client
        self._changed = changed
        self._clock = clock
        self._every = every
        self._failure = ""
        self._wanted = threading.Event()
        self._over = threading.Event()
        self._orders: deque[Callable[[], None]] = deque()
        self._threads = [
            threading.Thread(target=work, name=f"leuko-top-{work.__name__}", daemon=True)
            for work in (self._read_all, self._watch)
        ]

    def begin(self) -> None:
        """Read once, here: whoever cannot be asked at all is told so at once. Raises Failure."""
        self.read()
        for thread in self._threads:
            thread.start()

    def read(self) -> None:
        """Raises Failure."""
        found = answers(self._client, self._clock)
        self.rates.add(found.at, found.agents)
        self.latest = found

    def end(self) -> None:
        """The threads end by themselves; a stream of events may take a while to notice."""
        self._over.set()
        self._wanted.set()
        if self._threads[0].is_alive():
            self._threads[0].join(1.0)

    @property
    def stale(self) -> str:
        """Why what is shown may be out of date; empty: it is not."""
        age = self._clock() - self.latest.at
        if age > _STALE or self._failure:
            return f"{age:.0f} s old" + (f": {self._failure}" if self._failure else "")
        if self.latest.stale_for is not None:
            return f"this replica has not reached Redis for {self.latest.stale_for:.0f} s"
        return ""

    def order(self, what: Callable[[], None]) -> None:
        """Have `what` asked of the gateway, off the thread that draws; then read again."""
        self._orders.append(what)
        self._wanted.set()

    def _read_all(self) -> None:
        while not self._over.is_set():
            self._wanted.wait(self._every)
            self._wanted.clear()
            try:
                while self._orders:
                    self._orders.popleft()()
                self.read()
                self._failure = ""
            except Failure as failure:
                self._failure = str(failure).removeprefix(f"{self._client.url}: ")
            except Exception as error:  # an answer of another shape than ours, or a client that is closed under us
                self._failure = f"an answer that cannot be read: {type(error).__name__}"
            self._changed()
            self._over.wait(_SOONEST)

    def _watch(self) -> None:
        while not self._over.is_set():
            try:
                for line in self._client.lines("/events"):
                    if self._over.is_set():
                        return
                    if line.startswith("data:"):
                        self._happened(line[5:])
            except Exception:  # of the gateway, which the readings tell, or of a client that is closed under us
                pass
            self._over.wait(_AGAIN)

    def _happened(self, data: str) -> None:
        try:
            event = json.loads(data)
            self.event = {"time": str(event["time"]), "kind": str(event["kind"]), "data": dict(event["data"])}
        except (ValueError, KeyError, TypeError):
            return
        self._wanted.set()
        self._changed()
