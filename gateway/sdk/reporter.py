"""Reports the vitals of agents that do not pass through the gateway, without ever holding them up."""

import atexit
import functools
import json
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Unpack

from gateway.sdk.calls import AGENTS, Answer, Ask, Failure
from gateway.sdk.client_base import Base, answer_of, failure_of
from gateway.sdk.reported import Reported, cleaned
from gateway.sdk.reporter_answers import Batch, after
from gateway.sdk.reporter_exchange import Exchange

_BATCH = 200
_BATCH_BYTES = 512 * 1024
"""Half of what the gateway takes as a body."""
_AT_EXIT = 3.0
_QUIET = 60.0

log = logging.getLogger(__name__)


class ImmuneReporter(Base):
    """Sends vitals from a thread of its own, which starts with the first of them. Threads and coroutines may share it.

        reporter = ImmuneReporter("http://127.0.0.1:4000", "igk_…", agent="billing-bot")
        with reporter.exchange(model="gpt-4o", conversation=thread_id) as exchange:
            answer = client.chat.completions.create(...)
            exchange.tokens(answer.usage.prompt_tokens, answer.usage.completion_tokens)

    Nothing it does after it was made raises or waits: while the gateway is away the newest `most_pending` wait, older
    ones are lost. A forked process starts with none waiting, and what runs no exit handlers calls `close` itself.

    Args:
        url: where the gateway is; None: `GATEWAY_URL`, else `http://127.0.0.1:4000`.
        key: the ingest key, or the agent's own.
        agent: its id (`agt_…`) or its name; each report may say another. Not needed with an agent's own key.
        interval: seconds that vitals gather before they are sent.
        timeout: seconds that connecting, sending, and each wait for bytes may take.
        http_client: an own `httpx.Client`; it stays open.
        clock: seconds since the epoch.

    Attributes:
        sent: exchanges that the gateway has taken.
        names_needed: whether each report must say whose it is.
        dropped: exchanges lost: too many waited, the gateway refused them, or nobody knows whether it took them.

    Raises:
        ValueError: `url` is no http or https URL, or there is no key.
    """

    def __init__(
        self,
        url: str | None,
        key: str,
        *,
        agent: str | None = None,
        interval: float = 1.0,
        most_pending: int = 10_000,
        timeout: float = 10.0,
        http_client: Any = None,
        clock: Callable[[], float] = time.time,  # noqa: TID251 - vitals carry the time of the day
    ) -> None:
        super().__init__(url, key, timeout=timeout, http_client=http_client)
        if not key:
            raise ValueError("key is empty; give the ingest key or an agent key")
        self._agent = {} if agent is None else {"agent_id" if agent.startswith("agt_") else "name": agent}
        self.names_needed = agent is None and not key.startswith("agk_")
        self._interval = interval
        self._most = max(1, most_pending)
        self._clock = clock
        self._closed = False
        self._sources: list[Callable[[], None]] = []
        self._begin()
        atexit.register(self.close, _AT_EXIT)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=functools.partial(_begin_again, weakref.ref(self)))

    def _begin(self) -> None:
        self._waiting: deque[dict[str, Any]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._own = None
        self._asked = self._answered = 0  # of flushes
        self._paused_until = 0.0
        self._failures = 0
        self._warned: dict[str, float] = {}
        self.sent = self.dropped = 0

    def report(self, **vitals: Unpack[Reported]) -> None:
        """One exchange; see `Reported`. What is not known may be left out, what cannot be sent is left out."""
        try:
            kept, odd = cleaned({"time": self._clock(), **vitals})
            if not ("agent_id" in kept or "name" in kept):
                kept |= self._agent
            if odd:
                self._warn("members", f"members that no exchange has, or not so, were left out: {', '.join(odd)[:200]}")
            with self._changed:
                self._waiting.append(kept)
                self._trim()
                self._start()
                if len(self._waiting) in (1, _BATCH):
                    self._changed.notify_all()
        except Exception as error:  # what is wrong with measuring must not stop what is measured
            self.lose(1, f"they could not be read: {type(error).__name__}")

    def exchange(self, **vitals: Unpack[Reported]) -> Exchange:
        """Measures a block, `with` or `async with`, and reports it when it ends."""
        return Exchange(self.report, time.perf_counter, dict(vitals))

    def gather(self, source: Callable[[], None]) -> None:
        """Call `source` from the reporter's thread before it sends, and every `interval`: it may report."""
        with self._changed:
            self._sources.append(source)
            self._start()
            self._changed.notify_all()

    def flush(self, timeout: float = 10.0) -> bool:
        """Try to send what waits now, for at most `timeout` seconds; False if some still waits: the gateway is away, or
        told us to wait. From a coroutine: `await asyncio.to_thread(reporter.flush)`."""
        with self._changed:
            if self._closed or self._paused_until - time.monotonic() > timeout:
                return not self._waiting
            self._start()
            self._asked += 1
            mine = self._asked
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._answered >= mine, timeout) and not self._waiting

    def close(self, timeout: float = 5.0) -> None:
        """Send what waits, for at most so many seconds, and end. Later reports are lost."""
        atexit.unregister(self.close)
        if self._thread is not None:
            self.flush(timeout)
        with self._changed:
            self._closed = True
            self._trim()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(1.0)

    def __enter__(self) -> "ImmuneReporter":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="leuko-reporter", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while self._wait():
            asked = self._asked
            try:
                for source in self._sources:
                    source()
                while batch := self._take():
                    if not self._deliver(batch):
                        break
            except Exception as error:  # this thread is the only one that sends; what it stumbles over must not end it
                self.lose(0, f"the reporter stumbled: {type(error).__name__}")
            with self._changed:
                self._answered = asked
                self._changed.notify_all()
        if self._own is not None:
            self._own.close()

    def _wait(self) -> bool:
        """Until there is something to do and the gateway wants to hear of it; False: the end."""
        with self._changed:
            if not self._sources:
                self._changed.wait_for(lambda: self._waiting or self._hurried)
            self._changed.wait_for(lambda: len(self._waiting) >= _BATCH or self._hurried, self._interval)
            self._changed.wait_for(lambda: self._closed, self._paused_until - time.monotonic())
            return not self._closed

    @property
    def _hurried(self) -> bool:
        return self._closed or self._asked > self._answered

    def _take(self) -> Batch:
        batch: Batch = []
        size = 0
        with self._changed:
            while self._waiting and len(batch) < _BATCH:
                size += len(json.dumps(self._waiting[0]))
                if batch and size > _BATCH_BYTES:
                    break
                batch.append(self._waiting.popleft())
        return batch

    def _deliver(self, batch: Batch) -> bool:
        """False: the gateway is to be left alone for a while."""
        parts = deque([(batch, 0)])
        while parts:
            part, apart = parts.popleft()
            found = after(part, self._post(part), self._failures, apart=apart)
            parts += [(one, apart + 1) for one in found.again]
            self.sent += len(part) - found.lost - len(found.later or ()) - sum(map(len, found.again))
            if found.lost:
                self.lose(found.lost, found.why)
            if found.wait:
                self._failures += 1
                self._paused_until = time.monotonic() + found.wait
                self._put_back([*(found.later or ()), *(one for other, _ in parts for one in other)])
                return False
            self._failures = 0
        return True

    def _put_back(self, batch: Batch) -> None:
        with self._changed:
            self._waiting.extendleft(reversed(batch))
            self._trim()

    def _trim(self) -> None:
        """The oldest are lost first; all of them, once nobody sends them any more."""
        over = len(self._waiting) - (0 if self._closed else self._most)
        for _ in range(over):
            self._waiting.popleft()
        if over > 0:
            self.lose(over, "too many waited" if not self._closed else "the reporter was closed")

    def _post(self, batch: Batch) -> Answer | Failure:
        import httpx

        if self._given is None and self._own is None:
            self._own = httpx.Client(trust_env=False)
        client: httpx.Client = self._given or self._own
        try:
            return answer_of(client.request(**self._request(Ask("POST", f"{AGENTS}/ingest", "agent", batch))))
        except httpx.TransportError as error:
            return failure_of(error)

    def lose(self, count: int, why: str) -> None:
        """Count what cannot be reported."""
        self.dropped += count
        self._warn(why[:12], f"vitals of {count} exchanges were lost: {why}")

    def _warn(self, kind: str, text: str) -> None:
        """Once a minute of each kind."""
        now = time.monotonic()
        if now - self._warned.get(kind, -_QUIET) >= _QUIET:
            self._warned[kind] = now
            log.warning("%s", text)


def _begin_again(reporter: "weakref.ref[ImmuneReporter]") -> None:
    """In a forked process: what waited is the parent's to send, and its thread and its connections are not here."""
    found = reporter()
    if found is not None:
        found._begin()
        if found._sources:
            found._start()
