"""Policy documents that operators make over the API, on every replica alike, and their earlier versions.

The newest version of each lies in the control state, so that none is lost with a Redis that comes back empty. What it
replaced lies in a hash of its own, written before the change: a version may be there twice, and is never missing.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from gateway.policy.document import Document, parse
from gateway.policy.errors import PolicyError
from gateway.store.connection import Connection
from gateway.store.control import ChangeConflict, Control
from gateway.store.errors import StoreUnavailable

log = logging.getLogger(__name__)

VERSIONS_KEPT = 50
"""Earlier versions of one document."""
MOST = 2_000
LARGEST = 128 * 1024
"""Bytes of one document as it is kept."""
MOST_BYTES = 4 * 1024 * 1024
"""Of all: a replica that starts reads them in one go."""

_KIND = "policy"
_ACKNOWLEDGED_WITHIN = 1.0


class NoRoom(Exception):
    """A document is too large, or there are too many; says which."""


@dataclass(frozen=True, slots=True)
class MadePolicy:
    """One version of a document.

    Attributes:
        version: counts changes, deletions too, from 1 on.
        document: what was sent, as JSON has it; empty for a deletion.
        text: what was sent if that was YAML, comments and all.
        at: seconds since the epoch.
        by: id of the admin key.
        epoch: of the change; 0 for earlier versions.
    """

    name: str
    version: int
    document: Mapping[str, Any]
    at: float
    by: str
    text: str | None = None
    epoch: int = field(default=0, compare=False)

    @property
    def deleted(self) -> bool:
        return not self.document


class MadePolicies:
    """Kept in the control state; read in memory.

    Args:
        clock: seconds since the epoch.

    Attributes:
        unreadable: names of documents that this process cannot read: a newer version made them. Of such a one what was
            read last stays in force.
    """

    def __init__(self, control: Control, connection: Connection, *, clock: Callable[[], float]) -> None:
        self._control = control
        self._connection = connection
        self._clock = clock
        self._known: dict[str, MadePolicy] = {}
        self._sizes: dict[str, int] = {}
        self._documents: dict[str, Document] = {}
        self._listeners: list[Callable[[], None]] = []
        self._telling = False
        self.unreadable: set[str] = set()
        control.on(_KIND, self._learn)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have `listener` called, in memory, after changes: once for those that come together."""
        self._listeners.append(listener)

    def documents(self) -> tuple[Document, ...]:
        """All that are to be in force, in the order of names."""
        return tuple(self._documents[name] for name in sorted(self._documents))

    def all(self) -> list[MadePolicy]:
        """In the order of names, without deleted ones."""
        return [made for name in sorted(self._known) if not (made := self._known[name]).deleted]

    def get(self, name: str) -> MadePolicy | None:
        """The newest version; None where there is none, or it is a deletion."""
        made = self._known.get(name)
        return None if made is None or made.deleted else made

    async def put(
        self, name: str, document: Mapping[str, Any], *, by: str, text: str | None = None, expected: int | None = None
    ) -> MadePolicy:
        """Make a version, on every replica within a second. What is checked is the caller's business.

        Args:
            expected: the epoch the present version must have, 0: there must be none; None: whatever there is.

        Raises:
            ChangeConflict: there is another one.
            NoRoom: it is too large, or there are too many.
            StoreUnavailable: it may have been made if `sent`.
        """
        size = len(orjson.dumps([document, text]))
        self._check_room(name, size)
        return await self._change(name, document, text, by, expected)

    async def drop(self, name: str, *, by: str, expected: int | None = None) -> None:
        """Delete a document; its versions stay. Nothing happens if there is none. Errors as in `put`."""
        if self.get(name) is not None:
            await self._change(name, {}, None, by, expected)

    async def versions(self, name: str) -> list[MadePolicy]:
        """The present version and those before it, the newest first, without documents. Raises StoreUnavailable."""
        now = self._known.get(name)
        if now is None:
            return []
        numbers = range(now.version - 1, max(0, now.version - 1 - VERSIONS_KEPT), -1)
        if not numbers:
            return [now]
        fields = [f"{number}:about" for number in numbers]
        found = await self._connection.execute("HMGET", self._connection.keys.policy_versions(name), *fields)
        return [now, *(_unpacked(name, number, raw) for number, raw in zip(numbers, found, strict=True) if raw)]

    async def version(self, name: str, number: int) -> MadePolicy | None:
        """One version with its document. Raises StoreUnavailable."""
        now = self._known.get(name)
        if now is not None and now.version == number:
            return now
        fields = (f"{number}:about", f"{number}:text")
        about, text = await self._connection.execute("HMGET", self._connection.keys.policy_versions(name), *fields)
        return None if about is None or text is None else _unpacked(name, number, about, text)

    def _check_room(self, name: str, size: int) -> None:
        if size > LARGEST:
            raise NoRoom(f"The document takes {size} bytes; at most {LARGEST} are kept.")
        others = {other: held for other, held in self._sizes.items() if other != name}
        if len(others) >= MOST:
            raise NoRoom(f"There are {MOST} documents already.")
        if sum(others.values()) + size > MOST_BYTES:
            raise NoRoom(f"All documents together may take {MOST_BYTES} bytes.")

    async def _change(
        self, name: str, document: Mapping[str, Any], text: str | None, by: str, expected: int | None
    ) -> MadePolicy:
        before = self._known.get(name)
        if expected is not None and expected != (0 if before is None or before.deleted else before.epoch):
            raise ChangeConflict(name)
        if before is not None:
            await self._keep(before)
        made = MadePolicy(name, 1 if before is None else before.version + 1, document, self._clock(), by, text)
        data = {"version": made.version, "document": document, "text": text, "at": made.at, "by": by}
        # Even where any version may be replaced, it must be the one whose successor's number this is.
        epoch = await self._control.change(_KIND, name, data, expected=0 if before is None else before.epoch)
        with contextlib.suppress(StoreUnavailable):  # it is written; who has not heard of it polls
            await self._control.acknowledged(epoch, _ACKNOWLEDGED_WITHIN)
        return replace(made, epoch=epoch)

    async def _keep(self, made: MadePolicy) -> None:
        key, number = self._connection.keys.policy_versions(made.name), made.version
        about = orjson.dumps({"at": made.at, "by": made.by, "deleted": made.deleted})
        text = orjson.dumps({"document": made.document, "text": made.text})
        await self._connection.execute("HSET", key, f"{number}:about", about, f"{number}:text", text)
        old = number - VERSIONS_KEPT
        if old > 0:
            await self._connection.execute("HDEL", key, f"{old}:about", f"{old}:text")

    def _learn(self, name: str, data: dict[str, Any], epoch: int) -> None:
        made = MadePolicy(name, data["version"], data["document"], data["at"], data["by"], data["text"], epoch)
        self._known[name] = made
        self._sizes.pop(name, None)
        if made.deleted:
            self._documents.pop(name, None)
            self.unreadable.discard(name)
        else:
            self._sizes[name] = len(orjson.dumps([made.document, made.text]))
            self._read(made)
        self._tell()

    def _read(self, made: MadePolicy) -> None:
        try:
            self._documents[made.name] = replace(parse(made.document, "the API"), version=made.version)
            self.unreadable.discard(made.name)
        except PolicyError as error:
            self.unreadable.add(made.name)
            log.error("Version %d of the policy %s cannot be read here: %s", made.version, made.name, error)

    def _tell(self) -> None:
        if not self._telling:
            self._telling = True
            asyncio.get_running_loop().call_soon(self._told)

    def _told(self) -> None:
        self._telling = False
        for listener in self._listeners:
            try:
                listener()
            except Exception:  # broad: a listener's defect must not keep the others from hearing of the change
                log.exception("a listener to the policies failed")


def _unpacked(name: str, number: int, about: bytes, text: bytes | None = None) -> MadePolicy:
    """One kept version. Without its `text` a document is not known; it is then shown as one that is not empty."""
    told = orjson.loads(about)
    held: dict[str, Any] = {"document": {} if told["deleted"] else {"name": name}, "text": None}
    if text is not None:
        held = orjson.loads(text)
    return MadePolicy(name, number, held["document"], told["at"], told["by"], held["text"])
