"""forgetting: how much of a conversation an agent's model does not see, once its history is left out.

A conversation is known again by how it ended when its first request under a treatment came: by the last messages of
that request. So another one that began in the same way is none of it, and neither what clients put in the place of old
messages nor a window that they move along makes it another one, as long as those messages are there. Where they are not
the request counts as a first one.

Of conversations that a provider keeps, only answers since then are gone on from; a named one, which cannot be kept
apart from what it held, is told nothing but what each request says. Notes are kept for a week, by the last `_MARKS`
such requests of each conversation.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Protocol

import orjson

from gateway.model.ask import Ask
from gateway.model.bounded import make_room
from gateway.wire.conversation import lasting, said_in
from gateway.wire.drop_history import drop_history, refers

_MARKS = 32
_ENDING = 3
"""Messages by which a request is known again."""
_KNOWN_LIMIT = 10_000

Marks = Mapping[str, int]
"""How many messages a request had, by a digest of its last ones."""

_Place = tuple[str, str]


class Notes(Protocol):
    """What other processes know; see `store.answer_notes`."""

    def remember(self, agent_id: str, answer_id: str, told: bytes) -> None: ...

    async def find(self, agent_id: str, answer_id: str) -> bytes | None: ...


class Forgetting:
    """`kept` None: this process is the only one. `secret` is the deployment's root secret."""

    def __init__(self, secret: bytes, kept: Notes | None = None) -> None:
        self._key = hmac.digest(secret, b"leuko/forgetting/1\x01", hashlib.sha256)
        self._kept = kept
        self._known: dict[_Place, Marks] = {}
        self._fresh: dict[_Place, None] = {}

    async def forget(
        self, body: bytes, ask: Ask, dialect: str, *, agent_id: str, treatment: str, conversation: str
    ) -> bytes:
        """The request without what the conversation held when the treatment began. Raises NothingLeft.

        Args:
            ask: `body` as it was read.
            treatment: names the one under way, of all that the agent has had.
        """
        known = False
        if ask.previous is not None:
            known = await self._is_fresh((agent_id, f"answer/{treatment}/{ask.previous}"))
        if known:
            return body  # what it goes on from has forgotten already
        messages = [lasting(message) for message in said_in(dialect, ask.document)]
        held = await self._held((agent_id, f"conversation/{treatment}/{conversation}"), messages)
        return drop_history(body, ask.document, dialect, held, refers=refers(dialect, ask.document))

    def answered(self, agent_id: str, treatment: str, answer_id: str) -> None:
        """An answer has been given to a model that has forgotten."""
        place = (agent_id, f"answer/{treatment}/{answer_id}")
        make_room(self._fresh, _KNOWN_LIMIT)  # keyed by what providers send: must not grow with them
        self._fresh[place] = None
        if self._kept is not None:
            self._kept.remember(*place, b"1")

    async def _is_fresh(self, place: _Place) -> bool:
        return place in self._fresh or (self._kept is not None and await self._kept.find(*place) is not None)

    async def _held(self, place: _Place, messages: Sequence[bytes]) -> int:
        """How many of these messages there were at first: all, where this request is the first one."""
        if not messages:
            return 0
        marks = self._known.get(place, {})
        found = self._found(marks, messages)
        if found is not None:
            return found
        if self._kept is not None and (told := await self._kept.find(*place)) is not None:
            marks = {**marks, **orjson.loads(told)}
            found = self._found(marks, messages)
        if found is None:
            found = len(messages)
            marks = dict([*marks.items(), (self._ending(messages, found), found)][-_MARKS:])
            if self._kept is not None:
                self._kept.remember(*place, orjson.dumps(marks))
        make_room(self._known, _KNOWN_LIMIT)  # keyed by what callers send: must not grow with them
        self._known[place] = marks
        return found

    def _found(self, marks: Marks, messages: Sequence[bytes]) -> int | None:
        """Where a request that is noted ends in these messages, at best where it did."""
        for ending, count in sorted(marks.items(), key=lambda mark: -mark[1]):
            if count <= len(messages) and self._ending(messages, count) == ending:
                return count
        if not marks:
            return None
        return next((at for at in range(len(messages), 0, -1) if self._ending(messages, at) in marks), None)

    def _ending(self, messages: Sequence[bytes], count: int) -> str:
        last = [message for message in messages[max(0, count - 2 * _ENDING) : count] if message][-_ENDING:]
        return hashlib.blake2b(b"\x00".join(last), digest_size=12, key=self._key).hexdigest()
