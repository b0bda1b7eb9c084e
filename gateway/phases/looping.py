"""looping: whether a conversation goes round in circles, as its requests show it. A gate before those that judge, and
an observer that keeps what is known of conversations whose requests do not show the whole.

Most requests show nothing that could be a loop: that is seen by what `profile` has counted, without a transcript. Of
conversations that a provider keeps, keyed digests of the calls are remembered for an hour; of one that was begun with
calls in its first request, and goes on by the id of an answer, nothing is: its client sends the whole each time.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import replace

import orjson

from gateway.immune.calls import KEPT_CALLS, VOLATILE_MEMBERS, Trail, covered, dump, followed, load
from gateway.immune.finding import Finding
from gateway.immune.loops import Kind, Loop, loop_in, looping
from gateway.immune.settings import DEFAULT, Immune, LoopLimits
from gateway.model.agent import Agent
from gateway.model.ask import Ask
from gateway.model.bounded import Seldom, make_room
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.model.history import History
from gateway.model.transcript import MadeCall, Said, Transcript
from gateway.model.value import value
from gateway.model.vitals import Vitals
from gateway.phases.profile import AnswerNotes, Profile
from gateway.wire import DIALECTS
from gateway.wire.failed_result import says_it_failed
from gateway.wire.refusal_text import called, tool_name

AGAIN_SECONDS = 60.0
"""The same loop of the same conversation is told no more often."""

_KNOWN_LIMIT = 1_000
_TOLD_LIMIT = 10_000
_LONGEST_NOTE = 16 * 1024
"""Bytes: ids of calls are as long as providers make them."""
_SAID: dict[Kind, str] = {
    "identical_calls": "{call} was made {count} times within a few calls and gave the same each time",
    "alternation": "{call} and another one took turns {count} times and gave the same each time",
    "tool_errors": "{count} tool calls in a row have failed, the last of them {call}",
    "conversation_calls": "{count} tool calls were made",
}


@value
class Chain:
    """The calls before an answer that a request may go on from, and those that it proposes, with their ids."""

    trail: Trail = Trail()
    made: tuple[MadeCall, ...] = ()


_NOTHING = Chain()
_Place = tuple[str, str]


class Looping:
    """Tells loops (`gate`), remembers chains (`observe`).

    Args:
        told: takes findings, in memory.
        settings: what holds for an agent; see `ImmuneSettings.of`.
        secret: the deployment's root secret.
        kept: of answers that requests may go on from; None: this process is the only one.
        clock: monotonic seconds. wall_clock: seconds since the epoch.

    Attributes:
        blocked: requests refused.
    """

    def __init__(
        self,
        told: Callable[[Finding], object],
        settings: Callable[[Agent], Immune] = lambda agent: DEFAULT,
        *,
        secret: bytes,
        kept: AnswerNotes | None = None,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._told = told
        self._settings = settings
        self._key = hmac.digest(secret, b"leuko/looping/1\x01", hashlib.sha256)
        self._kept = kept
        self._wall_clock = wall_clock
        self._known: dict[_Place, Chain] = {}
        self._seldom = Seldom(AGAIN_SECONDS, _TOLD_LIMIT, clock)
        self.blocked = 0

    def gate(self, exchange: Exchange) -> Awaitable[None] | None:
        """Raises Refusal `conversation_blocked`. Waits for Redis only where a request goes on from another process's
        answer, or in a named conversation, in which other processes go on too."""
        ask, profile = exchange.ask, exchange.profile
        history = profile.history if isinstance(profile, Profile) else None
        if ask is None or history is None:
            return None
        place = _place(ask, profile)
        if place is not None:
            return self._go_on(exchange, ask, profile, place)
        if history.calls:
            self._look(exchange, ask, history)
        elif profile.chained:
            profile.trail = _NOTHING
        return None

    def observe(self, exchange: Exchange, vitals: Vitals) -> None:
        """Remember what an answer that a request may go on from has proposed."""
        profile, answer = exchange.profile, exchange.answer
        if not isinstance(profile, Profile) or profile.trail is None or answer is None or exchange.failure is not None:
            return
        made: tuple[MadeCall, ...] = ()
        if answer.calls and exchange.withheld is None:  # else the agent knows nothing of them
            calls = [call for turn in answer.calls.values() for call in turn][:KEPT_CALLS]
            made = tuple([covered(call.name, call.parsed, call.id, self._key) for call in calls])
        chain = Chain(profile.trail.trail, made)
        if profile.chained and answer.id is not None:
            self._remember((profile.base, answer.id), chain)
        if profile.named is not None:
            self._remember((profile.base, profile.named), chain)

    # The whole is shown

    def _look(self, exchange: Exchange, ask: Ask, history: History) -> None:
        agent = exchange.agent
        assert agent is not None
        settings = self._settings(agent)
        if not _may_loop(history, settings.loops):
            return
        loop = loop_in(_transcript(exchange, ask), _failed(ask), settings.loops)
        if loop is not None:
            self._tell(exchange, agent, loop, settings)

    # Only what is new is shown

    def _go_on(self, exchange: Exchange, ask: Ask, profile: Profile, place: _Place) -> Awaitable[None] | None:
        known = self._known.get(place)
        if self._kept is not None and (known is None or ask.previous is None):
            return self._find(self._kept, exchange, ask, profile, place)
        self._follow(exchange, ask, profile, known or _NOTHING)
        return None

    async def _find(self, kept: AnswerNotes, exchange: Exchange, ask: Ask, profile: Profile, place: _Place) -> None:
        found = await kept.find(*place)
        chain = self._known.get(place) if found is None else _read(found)
        self._follow(exchange, ask, profile, chain or _NOTHING)

    def _follow(self, exchange: Exchange, ask: Ask, profile: Profile, before: Chain) -> None:
        agent, history = exchange.agent, profile.history
        assert agent is not None and history is not None
        profile.trail = before
        if not (before.made or before.trail.calls or history.calls):
            return
        shown = _transcript(exchange, ask)
        calls = [replace(covered(one.name, one.arguments, one.call_id, self._key), position=one.position)
                 for one in shown.calls]  # fmt: skip
        transcript = Transcript(shown.said, (*before.made, *calls))
        trail, fresh = followed(transcript, _failed(ask), trail=before.trail, key=self._key)
        profile.trail = Chain(trail)
        settings = self._settings(agent)
        loop = looping(trail, fresh, settings.loops) if fresh else None
        if loop is not None:
            self._tell(exchange, agent, loop, settings)

    def _remember(self, place: _Place, chain: Chain) -> None:
        empty = not (chain.made or chain.trail.calls)
        note = b"" if empty else _written(chain)
        if len(note) > _LONGEST_NOTE:
            return
        self._known.pop(place, None)
        make_room(self._known, _KNOWN_LIMIT)  # keyed by what providers send: must not grow with them
        self._known[place] = chain
        if self._kept is not None and not empty:
            self._kept.remember(*place, note)

    # What is done about it

    def _tell(self, exchange: Exchange, agent: Agent, loop: Loop, settings: Immune) -> None:
        conversation = exchange.conversation
        if self._seldom.due((agent.agent_id, conversation, loop.kind, loop.blocks)):
            model = exchange.route.deployment or (exchange.ask.model if exchange.ask is not None else None)
            shown = replace(loop, tool=tool_name(loop.tool))
            self._told(
                shown.finding(self._wall_clock(), agent.agent_id, exchange.id, model=model, conversation=conversation)
            )
        if loop.blocks and settings.mode == "enforce":
            self.blocked += 1
            what = _SAID[loop.kind].format(count=loop.count, call=f"a call to {called(loop.tool)}")
            raise Refusal(
                "conversation_blocked",
                f"This conversation is blocked because it goes round in circles ({loop.kind}): {what}. "
                "Begin a new one, or leave out what was repeated.",
            )


def _place(ask: Ask, profile: Profile) -> _Place | None:
    previous = ask.previous or profile.named
    return None if previous is None else (profile.base, previous)


def _may_loop(history: History, limits: LoopLimits) -> bool:
    """Whether the whole conversation has to be looked at. A call that the model writes in another way each time is seen
    a little later, by the first that it writes as before."""
    count, fresh = history.calls, history.fresh
    if history.repeated_calls or history.tool_errors:
        return count >= min(limits.identical, limits.block_at, 2 * limits.alternations, limits.errors)
    if count >= limits.calls and (limits.polling or count // limits.calls > (count - len(fresh)) // limits.calls):
        return True
    return count >= min(limits.identical, limits.block_at) and any(_is_marked(arguments) for _, arguments in fresh)


def _is_marked(arguments: object) -> bool:
    """Whether arguments hold what makes the same call look like another one."""
    if type(arguments) is str:
        return any(member in arguments for member in VOLATILE_MEMBERS)
    return type(arguments) is dict and not VOLATILE_MEMBERS.isdisjoint(arguments)


def _transcript(exchange: Exchange, ask: Ask) -> Transcript:
    return DIALECTS[exchange.route.dialect or ""].transcript(ask.document)


def _failed(ask: Ask) -> Callable[[Said], bool]:
    errors = frozenset([result.call_id for result in ask.results if result.is_error and result.call_id])
    return lambda said: said.call_id in errors or says_it_failed(said.text)


def _written(chain: Chain) -> bytes:
    return orjson.dumps([dump(chain.trail).decode(), [[one.name, one.arguments, one.call_id] for one in chain.made]])


def _read(note: bytes) -> Chain | None:
    """None for what another version has written."""
    try:
        trail, made = orjson.loads(note)
        return Chain(load(trail.encode()), tuple([MadeCall(*one) for one in made]))
    except (ValueError, TypeError):
        return None
