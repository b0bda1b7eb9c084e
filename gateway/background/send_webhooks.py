"""Tells webhooks what waits for a person, and what became of agents (Standard Webhooks): signed, at least once, tried
again until it is of no use.

Any replica sends; a message has one id, whoever tries it and how often, so that receivers can drop a second one.
Nothing of a call but its names is sent: what it would be made with is for those who may approve.
"""

import asyncio
import contextlib
import hashlib
import logging
import re
import ssl
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from gateway.background.pausing import LONGEST_PAUSE, pause_after
from gateway.background.webhook import Webhook
from gateway.model.signature import sign
from gateway.store.approval_record import Approval
from gateway.store.approvals import Approvals
from gateway.store.errors import StoreError, StoreUnavailable
from gateway.store.webhooks import Message, WebhookQueues
from gateway.store.write_behind import WriteBehind

log = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
_TRY_SECONDS = 15.0
_SPARE_SECONDS = 5.0
_AT_ONCE = 8
_NEWS_LIFE = 86_400.0
_PENDING = 1000
_INTERVAL = 0.05  # seconds
_PLAIN = re.compile(r"[A-Za-z0-9_:.-]{1,128}")

Time = Callable[[float], str]


class SendWebhooks:
    """`run` until cancelled.

    Args:
        clock: seconds since the epoch. jitter: a number in [0, 1). rfc3339: writes a time.

    Attributes:
        sent, failed, dropped: messages delivered, tries that failed, messages given up.
    """

    def __init__(
        self,
        approvals: Approvals,
        queues: WebhookQueues,
        *,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        rfc3339: Time,
        version: str,
    ) -> None:
        self._approvals = approvals
        self._queues = queues
        self._clock = clock
        self._jitter = jitter
        self._rfc3339 = rfc3339
        self._version = version
        self._webhooks: tuple[Webhook, ...] = ()
        self._gone: set[str] = set()
        self._changed = asyncio.Event()
        self._news: dict[str, asyncio.Event] = {}
        self._announce = asyncio.Event()
        self._told: deque[tuple[Webhook, Message]] = deque()
        self._writing = WriteBehind(self._write_told, _INTERVAL)
        self.sent = self.failed = self.dropped = 0
        approvals.on_news = self._announce.set

    def use(self, webhooks: Sequence[Webhook]) -> None:
        """From now on these; what waits for others stays until it is of no use."""
        if self._webhooks == (given := tuple(webhooks)):
            return
        self._webhooks = given
        self._gone.clear()
        self._approvals.announced = bool(given)
        self._changed.set()

    def notify(self, kind: str, data: Mapping[str, Any], id: str) -> None:
        """Tell of an event of `EVENTS`, once an `id`, whoever tells it and how often: names and numbers, never text of
        prompts or answers. In memory; while Redis is away the newest thousand wait."""
        wanted = [one for one in self._webhooks if kind in one.events and one.endpoint not in self._gone]
        if not wanted:
            return
        now = self._clock()
        body = orjson.dumps({"type": kind, "timestamp": self._rfc3339(now), "data": data}, default=str)
        message = Message(_message_id(kind, id), body, now + _NEWS_LIFE)
        for webhook in wanted:
            if len(self._told) >= _PENDING:
                self._told.popleft()
                self.dropped += 1
            self._told.append((webhook, message))
        self._writing.wake()

    async def run(self) -> None:
        writing = asyncio.create_task(self._writing.run())
        try:
            await self._run()
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            duties = [asyncio.create_task(self._keep_telling())] if self._webhooks else []
            try:
                await self._changed.wait()
            finally:
                for duty in duties:
                    duty.cancel()
                await asyncio.gather(*duties, return_exceptions=True)

    async def _keep_telling(self) -> None:
        while True:
            try:
                await self._tell()
            except Exception:  # a defect at one message must not keep people from hearing of the others
                log.exception("telling webhooks failed; it is begun again")
                await asyncio.sleep(_POLL_SECONDS)

    async def _tell(self) -> None:
        """Tell these webhooks until cancelled."""
        self._news = {webhook.endpoint: asyncio.Event() for webhook in self._webhooks}
        trust = await asyncio.to_thread(ssl.create_default_context)  # reading the authorities takes many milliseconds
        async with (
            httpx.AsyncClient(timeout=_TRY_SECONDS, trust_env=False, verify=trust) as client,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._announce_all())
            for webhook in self._webhooks:
                group.create_task(self._send_all(client, webhook))

    # From approvals to messages

    async def _announce_all(self) -> None:
        while True:
            self._announce.clear()
            try:
                while await self._announce_some():
                    pass
            except StoreError:
                log.debug("what waits for a person cannot be announced now")
            await _heard(self._announce, _POLL_SECONDS)

    async def _announce_some(self) -> bool:
        """Turn what is to be announced into messages; it is struck off only then, so that none is lost."""
        found = await self._approvals.to_announce()
        for approval, event in found.values():
            if approval is not None:
                await self._put(approval, f"approval.{event}")
        await self._approvals.strike(list(found))
        return bool(found)

    async def _put(self, approval: Approval, event: str) -> None:
        message_id = f"msg_{approval.approval_id}_{event.rpartition('.')[2]}"
        asked = event == "approval.requested"
        at = approval.created_at if asked else approval.decided_at or approval.created_at
        message = Message(
            message_id,
            self._body(approval, event, at),
            approval.expires_at if asked else at + _NEWS_LIFE,
        )
        for webhook in self._webhooks:
            if event in webhook.events and webhook.endpoint not in self._gone:
                await self._queue(webhook, message)

    async def _queue(self, webhook: Webhook, message: Message) -> None:
        self.dropped += await self._queues.put(webhook.endpoint, message)
        if webhook.endpoint in self._news:
            self._news[webhook.endpoint].set()

    async def _write_told(self) -> bool:
        """Write all that was told; False if some of it still waits. What may have been written is written again: that
        changes nothing."""
        while self._told:
            told = self._told[0]
            try:
                await self._queue(*told)
            except StoreUnavailable:
                return False
            except StoreError:
                self.dropped += 1
            if self._told and self._told[0] is told:  # else it had to make room meanwhile
                self._told.popleft()
        return True

    def _body(self, approval: Approval, event: str, at: float) -> bytes:
        names = ("approval_id", "kind", "agent_id", "tool", "rule", "reason", "decided_by", "decision_reason")
        data = {name: getattr(approval, name) for name in names}
        data["created_at"] = self._rfc3339(approval.created_at)
        data["expires_at"] = self._rfc3339(approval.expires_at)
        return orjson.dumps({"type": event, "timestamp": self._rfc3339(at), "data": data})

    # From messages to receivers

    async def _send_all(self, client: httpx.AsyncClient, webhook: Webhook) -> None:
        news = self._news[webhook.endpoint]
        while webhook.endpoint not in self._gone:
            news.clear()
            wait: float | None = None
            try:
                claimed = await self._queues.claim(
                    webhook.endpoint, _AT_ONCE, try_seconds=_TRY_SECONDS + _SPARE_SECONDS
                )
                for message in claimed.over:
                    await self._give_up(webhook, message, "it is of no use any more")
                await asyncio.gather(*(self._send(client, webhook, message) for message in claimed.due))
                if claimed.due or claimed.over:
                    continue
                wait = claimed.wait
            except StoreError:
                log.debug("messages for webhooks cannot be taken now")
            await _heard(news, _POLL_SECONDS if wait is None else min(wait, _POLL_SECONDS))

    async def _send(self, client: httpx.AsyncClient, webhook: Webhook, message: Message) -> None:
        status, told = await self._try(client, webhook, message)
        with contextlib.suppress(StoreError):  # then it is sent a second time, which receivers can tell by its id
            if 200 <= status < 300:
                self.sent += 1
                await self._queues.done(webhook.endpoint, message.id)
                return
            self.failed += 1
            if status == 410:
                self._gone.add(webhook.endpoint)
                await self._give_up(webhook, message, "its receiver is gone for good and is told nothing more")
                return
            pause = max(told, pause_after(message.tries, self._jitter()))
            log.info("a webhook at %s was not delivered (%s)", _host(webhook), status or "no answer")
            await self._queues.again(webhook.endpoint, message.id, pause)

    async def _try(self, client: httpx.AsyncClient, webhook: Webhook, message: Message) -> tuple[int, float]:
        """The status of the answer, 0 without one, and the seconds it asks to be left alone for."""
        now = int(self._clock())
        headers = {
            "content-type": "application/json",
            "user-agent": f"Leuko/{self._version}",
            "webhook-id": message.id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(webhook.secret, message.id, now, message.body),
        }
        try:
            async with (
                asyncio.timeout(_TRY_SECONDS),
                client.stream("POST", webhook.url, content=message.body, headers=headers) as answer,
            ):
                return answer.status_code, _retry_after(answer.headers.get("retry-after", ""))
        except (httpx.HTTPError, httpx.InvalidURL, OSError):  # a time-out is an OSError
            return 0, 0.0

    async def _give_up(self, webhook: Webhook, message: Message, why: str) -> None:
        self.dropped += 1
        log.error("a webhook at %s is given up: %s", _host(webhook), why)
        await self._queues.done(webhook.endpoint, message.id)


def _message_id(kind: str, id: str) -> str:
    """It becomes a header, so whatever else an id may be made of is hashed."""
    plain = id if _PLAIN.fullmatch(id) else hashlib.blake2b(id.encode(), digest_size=16).hexdigest()
    return f"msg_{plain}_{kind.rpartition('.')[2]}"


def _retry_after(text: str) -> float:
    return min(float(text), LONGEST_PAUSE) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0


def _host(webhook: Webhook) -> str:
    return urlsplit(webhook.url).hostname or "?"


async def _heard(event: asyncio.Event, within: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            await event.wait()
