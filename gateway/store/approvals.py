"""What waits for a person: calls that a rule lets through only with somebody's approval, on any replica.

    asked      by exactly what is to be done; asked again for the same, the first answer stands
    decided    once: of two operators one decides, the other is told what was decided
    used       once, by the agent that asked, for exactly those arguments
    over       an hour after it was asked for, whatever became of it

A rejected call that is asked for again within five minutes has been rejected. Everything is decided in Redis, by its
clock, so a restart of any gateway changes nothing. Arguments are kept until they are used, rejected or over.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from gateway.store.approval_record import (
    Approval,
    Kind,
    Outcome,
    Pending,
    Status,
    bound_to,
    fields_of,
    read_approval,
    shown_arguments,
)
from gateway.store.approval_waits import ApprovalWaits
from gateway.store.connection import Connection
from gateway.store.errors import StoreError, StoreUnavailable
from gateway.store.lane import Argument

__all__ = ["Approval", "Approvals", "Pending", "TooManyPending"]

LIFE_SECONDS = 3600
PENDING_OF_AGENT = 10
OF_GATEWAY = 2
"""More that may wait of one agent where the gateway asks: an agent must not keep people from being asked about it."""
PENDING = 1000
OF_GATEWAY_IN_ALL = 200
"""As many more, likewise: many agents together must not either."""
_KEPT_SECONDS = 86_400
_REJECTED_SECONDS = 300
_ANNOUNCEMENTS = 2000
_BATCH = 50  # scripts sent together: more might take longer than a call to Redis may
_SCANNED = 2000  # approvals that one page looks at
_TRIES = 3
_PAUSE = 0.1


class TooManyPending(Exception):
    """As many approvals as may be wait already; the message says of whom."""


class Approvals:
    """Every method raises StoreUnavailable where Redis does not answer, but `wait`.

    Args:
        clock: seconds since the epoch.
        notify: tells whoever watches the events.
        cover: takes known secrets out of a text.

    Attributes:
        announced: whether webhooks are to be told.
        waits: those who wait for a decision.
        on_news: called, in memory, when there is something to announce.
        effects: what is done at once when something of a kind is approved; whoever asked sees to it that it is done.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        clock: Callable[[], float],
        notify: Callable[[str, dict[str, Any]], None] = lambda kind, data: None,
        cover: Callable[[str], str] = lambda text: text,
    ) -> None:
        self._connection = connection
        self._keys = connection.keys
        self._clock = clock
        self._notify = notify
        self._cover = cover
        self.announced = False
        self.waits = ApprovalWaits(connection)
        self.on_news: Callable[[], None] = lambda: None
        self.effects: dict[str, Callable[[Approval], Awaitable[None]]] = {}

    # For the agent's side

    async def ask(self, pending: Pending) -> Approval:
        """Ask for approval; the one that there is already if the same was asked before, whatever its status.

        Raises TooManyPending.
        """
        approval_id, keys = f"apr_{secrets.token_hex(12)}", self._keys
        shown, truncated = shown_arguments(pending.arguments, self._cover)
        fields = fields_of(pending, truncated=truncated)
        names = (
            keys.approval(approval_id),
            keys.approval_arguments(approval_id),
            keys.approval_bound(fields["bound"]),
            keys.approvals_pending,
            keys.approvals_pending_of(pending.agent_id),
            keys.approvals_index,
            keys.approvals_announce,
        )
        ours = pending.kind == "healing"
        of_agent, of_all = PENDING_OF_AGENT + ours * OF_GATEWAY, PENDING + ours * OF_GATEWAY_IN_ALL
        bounds = (LIFE_SECONDS * 1000, _KEPT_SECONDS * 1000, of_agent, of_all, self._announcements)
        pairs = [part for pair in fields.items() for part in pair]
        made, *rest = await self._surely("ask_approval", names, (approval_id, *bounds, shown, *pairs))
        if made < 0:
            whose, most = ("this agent", of_agent) if made == -1 else ("all agents", of_all)
            raise TooManyPending(f"{most} approvals of {whose} wait already.")
        found = await self.get(rest[0].decode())
        if found is None:
            raise StoreUnavailable("lost", "an approval is not there any more")
        if found.approval_id == approval_id:
            self._tell("approval.requested", found)
        return found

    async def find(self, kind: Kind, agent_id: str, tool: str, args_hash: str) -> str | None:
        """The id of what was asked for exactly this, if it still stands."""
        held = await self._connection.execute(
            "GET", self._keys.approval_bound(bound_to(kind, agent_id, tool, args_hash))
        )
        return None if held is None else str(held.decode())

    async def wait(self, approval_id: str, seconds: float) -> Status:
        """The status once it is decided, or after so many seconds; `pending` at once where too many answers of its
        agent are held already. A Redis that is away is waited for."""
        return await self.waits.wait(approval_id, seconds, self.get)

    async def take(self, agent_id: str, args_hash: str, tool: str, kind: Kind = "tool_call") -> Approval | None:
        """The approval of exactly this call, which nobody else gets from then on; None if there is none to use."""
        approval_id, keys = await self.find(kind, agent_id, tool, args_hash), self._keys
        if approval_id is None:
            return None
        bound = keys.approval_bound(bound_to(kind, agent_id, tool, args_hash))
        names = (keys.approval(approval_id), keys.approval_arguments(approval_id), bound)
        (used,) = await self._surely("take_approval", names, (approval_id, secrets.token_hex(8)))
        return await self.get(approval_id) if used else None

    async def run(self) -> None:
        """Let those who wait hear of decisions, until cancelled."""
        await self.waits.run()

    # For the operators' side

    async def get(self, approval_id: str) -> Approval | None:
        return (await self.read([approval_id]))[0]

    async def read(self, approval_ids: Sequence[str]) -> list[Approval | None]:
        """In their order; None for what there is not, or not any more."""
        found: list[Approval | None] = []
        for at in range(0, len(approval_ids), _BATCH):
            some = approval_ids[at : at + _BATCH]
            calls = [((self._keys.approval(id), self._keys.approval_arguments(id)), ()) for id in some]
            for approval_id, reply in zip(some, await self._connection.scripts("read_approval", calls), strict=True):
                if isinstance(reply, StoreError):
                    raise reply.again()
                now, arguments, *flat = reply
                texts = [part.decode() for part in flat]
                fields = dict(zip(texts[::2], texts[1::2], strict=True))
                found.append(read_approval(approval_id, now, arguments, fields) if fields else None)
        return found

    async def decide(
        self, approval_ids: Sequence[str], outcome: Outcome, *, by: str, reason: str = ""
    ) -> list[tuple[Approval | None, bool]]:
        """Approve or reject, each by itself: in their order each as it is then, and whether this decided it. None:
        there is none of this id. `by` is the key id of whoever decides."""
        results: list[tuple[Approval | None, bool]] = []
        for at in range(0, len(approval_ids), _BATCH):
            some = approval_ids[at : at + _BATCH]
            known = await self.read(some)
            asked = [self._decide(found, outcome, by, reason) for found in known]
            decided = await asyncio.gather(*asked, return_exceptions=True)
            for found, ours in zip(await self.read(some), decided, strict=True):
                if isinstance(ours, BaseException):
                    raise ours
                results.append((found, ours))
                if found is not None and ours:
                    self._tell(f"approval.{outcome}", found)
                    if outcome == "approved" and found.kind in self.effects:
                        with contextlib.suppress(StoreUnavailable):
                            await self.effects[found.kind](found)
        self.waits.wake()
        return results

    async def page(
        self, status: Status | None = None, *, limit: int = 100, cursor: str = ""
    ) -> tuple[list[Approval], str | None]:
        """The newest first, and where to go on; a page may have fewer than `limit` before the last.

        Raises ValueError for a cursor that `page` did not give.
        """
        after = _place(cursor) if cursor else None
        found: list[Approval] = []
        for _ in range(_SCANNED // _BATCH):
            ends = "+inf" if after is None else after[0]
            rows = await self._connection.execute(
                "ZRANGE", self._keys.approvals_index, ends, "-inf", "BYSCORE", "REV", "LIMIT", 0, _BATCH, "WITHSCORES"
            )
            places = [(int(score), id.decode()) for id, score in zip(rows[::2], rows[1::2], strict=True)]
            fresh = [place for place in places if after is None or place < after]
            for place, approval in zip(fresh, await self.read([id for _, id in fresh]), strict=True):
                after = place
                if approval is not None and status in (None, approval.status):
                    found.append(approval)
                    if len(found) == limit:
                        return found, _cursor(place)
            if not fresh or len(places) < _BATCH:
                return found, None
        return found, None if after is None else _cursor(after)

    async def count_pending(self) -> int:
        """How many wait for a person."""
        now = round(self._clock() * 1000)
        return int(await self._connection.execute("ZCOUNT", self._keys.approvals_pending, f"({now}", "+inf"))

    # For the webhooks

    async def to_announce(self) -> dict[str, tuple[Approval | None, str]]:
        """Some of what webhooks are to be told, oldest first: by a mark, the approval and what happened to it:
        `requested`, `approved` or `rejected`."""
        marks = await self._connection.execute("ZRANGE", self._keys.approvals_announce, 0, _BATCH - 1)
        parts = [mark.decode().partition(" ") for mark in marks]
        found = await self.read([approval_id for approval_id, _, _ in parts])
        return {
            f"{approval_id} {event}": (approval, event)
            for (approval_id, _, event), approval in zip(parts, found, strict=True)
        }

    async def strike(self, marks: Sequence[str]) -> None:
        """These need not be told any more."""
        if marks:
            await self._connection.execute("ZREM", self._keys.approvals_announce, *marks)

    # Inside

    @property
    def _announcements(self) -> int:
        return _ANNOUNCEMENTS if self.announced else 0

    async def _decide(self, found: Approval | None, outcome: Outcome, by: str, reason: str) -> bool:
        if found is None:
            return False
        keys, approval_id = self._keys, found.approval_id
        names = (
            keys.approval(approval_id),
            keys.approval_arguments(approval_id),
            keys.approval_bound(found.bound),
            keys.approvals_pending,
            keys.approvals_pending_of(found.agent_id),
            keys.approvals_announce,
            keys.approvals_news,
        )
        this_try = secrets.token_hex(8)
        arguments = (approval_id, outcome, by, reason, this_try, _REJECTED_SECONDS * 1000, self._announcements)
        return bool((await self._surely("decide_approval", names, arguments))[0])

    async def _surely(self, name: str, keys: Sequence[str], arguments: Sequence[Argument]) -> list[Any]:
        """Run a script that changes nothing more when it is run again, until its reply is there."""
        for _ in range(_TRIES - 1):
            try:
                return await self._connection.script(name, keys, arguments)
            except StoreUnavailable:
                await asyncio.sleep(_PAUSE)
        return await self._connection.script(name, keys, arguments)

    def _tell(self, kind: str, approval: Approval) -> None:
        self._notify(
            kind, {name: getattr(approval, name) for name in ("approval_id", "kind", "agent_id", "tool", "rule")}
        )
        if self.announced:
            self.on_news()


def _cursor(place: tuple[int, str]) -> str:
    return f"{place[0]}-{place[1]}"


def _place(cursor: str) -> tuple[int, str]:
    at, dash, approval_id = cursor.partition("-")
    if not dash or not at.isascii() or not at.isdigit() or len(at) > 16:
        raise ValueError("is not a cursor of this list")
    return int(at), approval_id
