"""Conversations that a provider keeps: its copy of an answer holds the calls that were withheld from the agent, and it
waits for their results. A gate that finds what a request owes, and an observer that remembers it: under the id of the
answer, which stays what it is, and under the name of the conversation, of its last answer.
"""

from collections.abc import Awaitable

import orjson

from gateway.model.bounded import make_room
from gateway.model.exchange import Exchange
from gateway.model.vitals import Vitals
from gateway.phases.profile import AnswerNotes, Profile
from gateway.wire.owed_results import OwedResult

_KNOWN_LIMIT = 10_000
_MOST_CALLS = 512
_NOTHING: tuple[OwedResult, ...] = ()


class Owing:
    """`kept` None: this process is the only one."""

    def __init__(self, kept: AnswerNotes | None = None) -> None:
        self._kept = kept
        self._known: dict[tuple[str, str], tuple[OwedResult, ...]] = {}

    def gate(self, exchange: Exchange) -> Awaitable[None] | None:
        """Set `exchange.owed`. Waits for Redis only where a request goes on from an answer of another process, or in a
        named conversation, which others go on in too, where rules are about the agent."""
        ask, profile = exchange.ask, exchange.profile
        if ask is None or not isinstance(profile, Profile):
            return None
        previous = ask.previous or profile.named
        if previous is None:
            return None
        place = (profile.base, previous)
        known = self._known.get(place)
        changes = ask.previous is None and exchange.judgement is not None
        if (known is None or changes) and self._kept is not None and (ask.previous is not None or changes):
            return self._find(self._kept, exchange, place)
        exchange.owed = known or _NOTHING
        return None

    def observe(self, exchange: Exchange, vitals: Vitals) -> None:
        """Remember what an answer that a request may go on from has withheld."""
        answer, profile = exchange.answer, exchange.profile
        if answer is None or answer.id is None or not isinstance(profile, Profile):
            return
        fetched = exchange.ask is None and exchange.route.dialect == "responses"  # it was made in the background
        if not (profile.chained or fetched or profile.named is not None):
            return
        owed = _NOTHING
        if exchange.withheld is not None:
            calls = [call for calls in answer.calls.values() for call in calls if call.id is not None]
            owed = tuple(OwedResult(call.id or "", call.kind, exchange.withheld) for call in calls[:_MOST_CALLS])
        self._remember((profile.base, answer.id), owed, is_new=bool(owed))
        if profile.named is not None:
            self._remember((profile.base, profile.named), owed, is_new=bool(owed or exchange.owed))

    def _remember(self, place: tuple[str, str], owed: tuple[OwedResult, ...], *, is_new: bool) -> None:
        self._note(place, owed)
        if is_new and self._kept is not None:
            told = {"text": owed[0].text if owed else "", "calls": [[one.call_id, one.kind] for one in owed]}
            self._kept.remember(*place, orjson.dumps(told))

    async def _find(self, kept: AnswerNotes, exchange: Exchange, place: tuple[str, str]) -> None:
        found = await kept.find(*place)
        if found is not None:
            told = orjson.loads(found)
            exchange.owed = tuple(OwedResult(call_id, kind, told["text"]) for call_id, kind in told["calls"])
            self._note(place, exchange.owed)
        else:
            exchange.owed = self._known.get(place, _NOTHING)

    def _note(self, place: tuple[str, str], owed: tuple[OwedResult, ...]) -> None:
        make_room(self._known, _KNOWN_LIMIT)  # keyed by what providers send: must not grow with them
        self._known[place] = owed
