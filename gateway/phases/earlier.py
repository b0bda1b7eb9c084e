"""Conversations that a provider keeps: what people said in earlier requests is the user's in later ones, which do not
repeat it. A gate that finds it, and an observer that remembers it by the id of the answer.

Kept for an hour as keyed hashes, of messages of at most 16,000 characters, until a quarter of 32 KiB is full. What is
not remembered is the model's: rules that want the user's own words refuse it.
"""

import hashlib
import hmac
import zlib
from collections.abc import Awaitable
from dataclasses import replace
from functools import partial

from gateway.model.bounded import make_room
from gateway.model.exchange import Exchange
from gateway.model.transcript import Transcript
from gateway.model.vitals import Vitals
from gateway.phases.judged_call import Judgement
from gateway.phases.profile import AnswerNotes, Profile
from gateway.policy.provenance import people_said
from gateway.store.taint import BYTES, MOST_HASHES, holds, merged

_LONGEST = 16_000
_FULL = BYTES * 8 // 4
_KNOWN_LIMIT = 1000


class Earlier:
    """`kept` None: this process is the only one. `secret` is the deployment's root secret."""

    def __init__(self, secret: bytes, kept: AnswerNotes | None = None) -> None:
        self._key = hmac.digest(secret, b"leuko/earlier/1\x01", hashlib.sha256)
        self._kept = kept
        self._known: dict[tuple[str, str], bytes] = {}

    def gate(self, exchange: Exchange) -> Awaitable[None] | None:
        """Complete `exchange.judgement`. Waits for Redis only where a request goes on from another process's answer."""
        judgement, profile, ask = exchange.judgement, exchange.profile, exchange.ask
        if not isinstance(judgement, Judgement) or judgement.transcript is None or not judgement.rules.traces:
            return None
        if ask is None or not isinstance(profile, Profile) or not (profile.chained or ask.previous):
            return None
        if ask.previous is None:
            self._take(judgement, judgement.transcript, None)
            return None
        place = (profile.base, ask.previous)
        known = self._known.get(place)
        if known is None and self._kept is not None:
            return self._find(self._kept, judgement, judgement.transcript, place)
        self._take(judgement, judgement.transcript, known)
        return None

    def observe(self, exchange: Exchange, vitals: Vitals) -> None:
        """Remember what people had said by the time of an answer."""
        judgement, profile, answer = exchange.judgement, exchange.profile, exchange.answer
        if not isinstance(judgement, Judgement) or judgement.said is None or not isinstance(profile, Profile):
            return
        if answer is None or answer.id is None or not profile.chained:
            return
        told = zlib.compress(judgement.said, 1)
        self._note((profile.base, answer.id), told)
        if self._kept is not None:
            self._kept.remember(profile.base, answer.id, told)

    async def _find(
        self, kept: AnswerNotes, judgement: Judgement, transcript: Transcript, place: tuple[str, str]
    ) -> None:
        found = await kept.find(*place)
        if found is not None:
            self._note(place, found)
        self._take(judgement, transcript, found)

    def _take(self, judgement: Judgement, transcript: Transcript, told: bytes | None) -> None:
        before = b"" if told is None else zlib.decompress(told)
        if before:
            recalled = partial(holds, before, key=self._key, hashes=MOST_HASHES)
            judgement.transcript = replace(transcript, recalled=recalled, memo={})
        full = int.from_bytes(before).bit_count() > _FULL
        new = set[str]() if full else people_said(transcript, _LONGEST)
        judgement.said = merged(new, self._key, base=before, hashes=MOST_HASHES)

    def _note(self, place: tuple[str, str], told: bytes) -> None:
        make_room(self._known, _KNOWN_LIMIT)  # keyed by what providers send: must not grow with them
        self._known[place] = told
