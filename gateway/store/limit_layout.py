"""How reservations are told to the scripts `reserve` and `settle`: packed once for all with the same bounds.

For one exchange only its id and its numbers are filled in. Numbers go as doubles in one argument and come back so:
exact up to 2^53, and neither side has to write or read their digits.
"""

import struct
from collections.abc import Mapping, Sequence

import hiredis

from gateway.policy.claim import Claim
from gateway.store.keys import Keys
from gateway.store.scripts import Script, ScriptCall

OPEN_SECONDS = 2 * 3600  # longer than any exchange may take
REFUSED_SECONDS = 60  # longer than a reservation may be on its way


class Layout:
    """What the reservations of one plan have in common, claims per conversation included: those of one conversation.

    Attributes:
        bounds: kept, so that as long as it is known no others can have their ids.
        conversation: None where no bound holds for a conversation.
        leases: keys to renew while an exchange is under way.
    """

    def __init__(
        self,
        keys: Keys,
        scripts: Mapping[str, Script],
        claims: Sequence[Claim],
        conversation: str | None,
        lease_seconds: int,
    ) -> None:
        self.bounds = [claim.bound for claim in claims]
        per_conversation = any(bound.kind.span == "conversation" for bound in self.bounds)
        self.conversation = conversation if per_conversation else None
        self.leases: list[str] = []
        self._keys = keys
        self._reserve, self._settle = scripts["reserve"], scripts["settle"]
        self._key_prefix = keys.reservation("").encode()
        self._size = len(claims)
        self._places: dict[str, int] = {}
        parts = [part for claim in claims for part in self._named(claim, conversation)]
        self._names = _bulk(*self._places)
        self._bounds = _bulk(*parts)
        self._numbers = struct.Struct(f"<{2 + 2 * len(claims)}d")
        self._template = b"".join(
            (
                _head(self._reserve, 2 + len(self._places) + 4 + len(parts)),
                _bulk(1 + len(self._places)),
                b"$%d\r\n%b\r\n",  # KEYS[1]
                self._names.replace(b"%", b"%%"),
                b"$%d\r\n%b\r\n",  # id
                _bulk(OPEN_SECONDS, lease_seconds * 1_000_000),
                b"$%d\r\n%%b\r\n" % self._numbers.size,
                self._bounds.replace(b"%", b"%%"),
            )
        )

    def reservation(self, exchange_id: str, claims: Sequence[Claim], wanted: int, least: int) -> ScriptCall:
        """What `reserve` takes."""
        amounts: list[float] = [wanted, least]
        for claim in claims:
            amounts += (claim.base, claim.per)
        mark = exchange_id.encode()
        key = self._key_prefix + mark
        command = self._template % (len(key), key, len(mark), mark, self._numbers.pack(*amounts))
        return ScriptCall(self._reserve, key, command)

    def settlement(self, used: Sequence[tuple[str, tuple[int, ...]]]) -> ScriptCall:
        """What `settle` takes: of several exchanges the id, and what each of the bounds counts of it."""
        count = len(used)
        keys = [self._keys.reservation(exchange_id) for exchange_id, _ in used]
        units = [number for _, numbers in used for number in numbers]
        ids = [exchange_id for exchange_id, _ in used]
        command = b"".join(
            (
                _head(self._settle, 1 + count + len(self._places) + 3 + count + 5 * self._size),
                _bulk(count + len(self._places), *keys),
                self._names,
                _bulk(count, REFUSED_SECONDS, struct.pack(f"<{len(units)}d", *units), *ids),
                self._bounds,
            )
        )
        return ScriptCall(self._settle, keys[0].encode(), command)

    def _named(self, claim: Claim, conversation: str | None) -> tuple[str | int, ...]:
        """Span, place of the counts, place of the log, field, most."""
        bound, subject = claim.bound, claim.subject
        span: str = bound.kind.span
        log = 0
        if span == "conversation":
            subject = f"{subject}:conversation:{conversation}"
        elif span == "now":
            self.leases.append(self._keys.leases(subject))
            log = self._place(self.leases[-1])
        elif span == "minute":
            log = self._place(self._keys.minute(bound.kind.measure, subject))
            if bound.kind.measure == "tool_calls":
                span = "calls"
        return span, self._place(self._keys.counts(subject)), log, bound.name, bound.most

    def _place(self, key: str) -> int:
        return self._places.setdefault(key, len(self._places) + 2)  # the reservation is the first


def numbers_of(reply: bytes) -> tuple[float, ...]:
    """The doubles of a reply."""
    return struct.unpack(f"<{len(reply) // 8}d", reply)


def _head(script: Script, parts: int) -> bytes:
    """How a command begins that has so many parts beside its name and its script."""
    return b"*%d\r\n%b" % (2 + parts, script.by_digest)


def _bulk(*arguments: str | bytes | int) -> bytes:
    """Arguments as RESP has them, without the head of a command."""
    if not arguments:
        return b""
    packed: bytes = hiredis.pack_command(arguments)  # type: ignore[arg-type]
    return packed[packed.index(b"\r\n") + 2 :]
