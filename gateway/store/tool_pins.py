"""Which definition of each tool of the MCP servers may be used, on every replica.

    seen       listed, and it cannot be pinned: never used
    pinned     as it was when the server was first used, or as an operator approved it
    new        pinned, but it appeared after the server's first use and nobody has approved it
    changed    the server lists another definition than the pinned one: not used until an operator approves that

The hashes are part of the replicated control state, one field for each server, so that no Redis that comes back empty
makes a changed tool pass for a new one. The definitions themselves lie in Redis, by their hashes.
"""

import asyncio
import contextlib
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

import orjson

from gateway.model.value import value
from gateway.store.approval_record import Approval
from gateway.store.connection import Connection
from gateway.store.control import ChangeConflict, Control
from gateway.store.tool_definitions import MANY, MOST, Definition

KIND = "tool_pins"
State = Literal["seen", "pinned", "changed", "new"]
_BATCH = 50
_TRIES = 10


class UnknownTool(Exception):
    """No such tool of such a server has been seen."""


class NotApprovable(Exception):
    """There is nothing to approve, or something else than was looked at; the message says what."""


@value
class Pin:
    """One tool. Hashes are those of `Definition`; times in seconds since the epoch.

    Attributes:
        pinned: what may be used. seen: what the server lists, None where it lists no such tool any more.
        new: whether it appeared after the server's first use, and nobody approved it.
        problem: why it cannot be pinned.
        first_seen, changed_at: since when it is known, and since when the server lists another one than the pinned.
        by, approved_at: who approved it last, and when.
        findings: what was found in its texts.
    """

    pinned: str | None
    seen: str | None
    new: bool = False
    problem: str | None = None
    first_seen: float = 0.0
    changed_at: float | None = None
    by: str | None = None
    approved_at: float | None = None
    findings: tuple[str, ...] = ()

    @property
    def state(self) -> State:
        if self.problem is not None or self.pinned is None:
            return "seen"
        if self.seen is not None and self.seen != self.pinned:
            return "changed"
        return "new" if self.new else "pinned"


Pins = Mapping[str, Pin]
"""By the names of the tools."""


def approvals_of(server: str, tool: str) -> tuple[str, str]:
    """Whose approval the one of a definition is, and of what tool: no agent's, so that none can use up another's."""
    return f"mcp:{server}", f"{server}/{tool}"


class ToolPins:
    """Reading is in memory; whatever writes raises StoreUnavailable.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, control: Control, connection: Connection, *, clock: Callable[[], float]) -> None:
        self._control = control
        self._connection = connection
        self._clock = clock
        self._servers: dict[str, Pins] = {}
        control.on(KIND, self._learn)

    @property
    def servers(self) -> tuple[str, ...]:
        return tuple(sorted(self._servers))

    def of(self, server: str) -> Pins | None:
        """What is known of a server's tools; None before its first use."""
        return self._servers.get(server)

    async def note(
        self, server: str, listed: Mapping[str, Definition], findings: Callable[[Definition], Sequence[str]]
    ) -> dict[str, Pin]:
        """Take down what a server lists; what is not as it was, by the names of the tools.

        Args:
            findings: what stands in the texts of a definition; asked of those that are not known.
        """
        for _ in range(_TRIES):
            before, epoch = self._known(server)
            after = self._noted(before, listed, findings)
            changed = {name: pin for name, pin in after.items() if before is None or before.get(name) != pin}
            if before is not None and not changed:
                return {}
            await self._keep(server, [one for one in listed.values() if one.name in changed])
            try:
                await self._write(server, after, epoch)
            except ChangeConflict:
                continue
            await self._prune(server, before or {}, after)
            return changed
        raise ChangeConflict(server)

    async def approve(self, server: str, tool: str, by: str, *, expected: str | None = None) -> tuple[Pin, int]:
        """Pin the definition that the server lists now; the pin and the epoch that every replica must have applied.

        Args:
            expected: the hash of the definition that was looked at; None: whichever it is.

        Raises UnknownTool, NotApprovable.
        """
        for _ in range(_TRIES):
            before, epoch = self._known(server)
            pin = (before or {}).get(tool)
            if before is None or pin is None:
                raise UnknownTool(tool)
            after = self._approved(pin, by, expected)
            if after == pin:
                return pin, epoch
            changed = {**before, tool: after}
            try:
                written = await self._write(server, changed, epoch)
            except ChangeConflict:
                continue
            await self._prune(server, before, changed)
            return after, written
        raise ChangeConflict(server)

    async def approved(self, approval: Approval) -> None:
        """Pin what a person said yes to, where it is still what the server lists."""
        server, _, tool = approval.tool.partition("/")
        with contextlib.suppress(UnknownTool, NotApprovable, ChangeConflict):
            await self.approve(server, tool, approval.decided_by or "", expected=approval.args_hash)

    async def definitions(self, server: str, hashes: Collection[str]) -> dict[str, dict[str, Any]]:
        """Definitions by their hashes, as far as they are kept."""
        found, wanted = {}, sorted(hashes)
        for at in range(0, len(wanted), _BATCH):
            some = wanted[at : at + _BATCH]
            held = await self._connection.execute("HMGET", self._connection.keys.tools(server), *some)
            for one, packed in zip(some, held, strict=True):
                if packed is not None:
                    found[one] = orjson.loads(zlib.decompress(packed))
        return found

    def _known(self, server: str) -> tuple[dict[str, Pin] | None, int]:
        found = self._control.get(KIND, server)
        return (None, 0) if found is None else (_read(found[0]), found[1])

    def _noted(
        self,
        before: Mapping[str, Pin] | None,
        listed: Mapping[str, Definition],
        findings: Callable[[Definition], Sequence[str]],
    ) -> dict[str, Pin]:
        now = self._clock()
        after = {
            name: pin if name in listed or pin.seen is None else replace(pin, seen=None, changed_at=None)
            for name, pin in (before or {}).items()
        }
        for name, one in listed.items():
            pin = after.get(name)
            if pin is None:
                if len(after) > MOST:
                    continue
                one = one if len(after) < MOST else replace(one, hash=None, problem=MANY)
                made = Pin(one.hash, one.hash, before is not None, one.problem, now)
                after[name] = replace(made, findings=tuple(findings(one)))
            elif (pin.seen, pin.problem) != (one.hash, one.problem):
                after[name] = _seen(pin, one, now, tuple(findings(one)))
        return after

    def _approved(self, pin: Pin, by: str, expected: str | None) -> Pin:
        if pin.problem is not None or (pin.pinned is None and pin.seen is None):
            raise NotApprovable(f"It cannot be pinned: {pin.problem or 'the server does not list it'}.")
        seen = pin.seen or pin.pinned
        if expected is not None and expected != seen:
            raise NotApprovable(f"The server lists another definition by now: {seen}.")
        if pin.state == "pinned":
            return pin
        return replace(pin, pinned=seen, new=False, changed_at=None, by=by, approved_at=self._clock())

    async def _keep(self, server: str, definitions: Sequence[Definition]) -> None:
        key = self._connection.keys.tools(server)
        packed = [
            (one.hash, zlib.compress(orjson.dumps(dict(one.document)), 1))
            for one in definitions
            if one.hash is not None
        ]
        for at in range(0, len(packed), _BATCH):
            pairs = [part for pair in packed[at : at + _BATCH] for part in pair]
            await self._connection.execute("HSET", key, *pairs)
            await asyncio.sleep(0)

    async def _prune(self, server: str, before: Pins, after: Pins) -> None:
        """Forget the definitions that nothing stands for any more."""
        gone = sorted(_hashes(before) - _hashes(after))
        for at in range(0, len(gone), _BATCH):
            await self._connection.execute("HDEL", self._connection.keys.tools(server), *gone[at : at + _BATCH])

    async def _write(self, server: str, pins: Pins, epoch: int) -> int:
        return await self._control.change(KIND, server, {"tools": _written(pins)}, expected=epoch)

    def _learn(self, server: str, data: dict[str, Any], epoch: int) -> None:
        self._servers[server] = _read(data)


def _seen(pin: Pin, one: Definition, now: float, findings: tuple[str, ...]) -> Pin:
    """A known tool that is listed in another way than before."""
    pinned = one.hash if pin.pinned is None else pin.pinned  # it could not be pinned before
    new = pin.new or (pin.pinned is None and one.hash is not None)
    differs = one.hash is not None and one.hash != pinned
    return replace(
        pin,
        pinned=pinned,
        seen=one.hash,
        new=new,
        problem=one.problem,
        changed_at=(pin.changed_at or now) if differs else None,
        findings=findings,
    )


def _hashes(pins: Pins) -> set[str]:
    return {one for pin in pins.values() for one in (pin.pinned, pin.seen) if one is not None}


def _written(pins: Pins) -> dict[str, dict[str, Any]]:
    """Only what is not as it mostly is: one field holds all tools of a server."""
    plain = asdict(Pin(None, None))
    return {
        name: {member: one for member, one in asdict(pin).items() if one != plain[member]} for name, pin in pins.items()
    }


def _read(data: Mapping[str, Any]) -> dict[str, Pin]:
    found = {}
    for name, held in data["tools"].items():
        pin = Pin(**{"pinned": None, "seen": None, **held})
        found[name] = replace(pin, findings=tuple(pin.findings))
    return found
