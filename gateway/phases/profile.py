"""profile: what a request says beside its ask: whose conversation it is, which turn, which prompt and tools, what
became of the calls before. A gate that refuses nobody, and an observer that remembers how exchanges ended.

Hashes are keyed with the deployment's secret, so that nobody can guess a prompt and check it. What is remembered is
bounded. A body is recognised as a retry only by the process that saw it fail.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import orjson

from gateway.identity.prompt import lasting
from gateway.identity.sketch import Sketcher
from gateway.model.ask import Ask
from gateway.model.exchange import Exchange
from gateway.model.history import History
from gateway.model.vitals import Vitals
from gateway.upstream.headers import holds_our_key
from gateway.wire import DIALECTS

_REPEAT_SECONDS = 60
_KNOWN_LIMIT = 4096
_REMEMBERED_LIMIT = 20_000
_PROMPT_LIMIT = 64 * 1024
_PROMPT_DIGITS = 15  # with a sketch 40 characters, see `immune.constants.NAME_KEPT`
_ENDS = 32 * 1024
"""Of a larger body only so many bytes at either end are compared, and its length."""
_SESSION_LIMIT = 128

_BodyKey = tuple[str, int, int, int]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Profile:
    """What was found. `history` is there until the request is sent; the rest stays.

    `reported` is how many tools failed and how many calls were repeated, as this request says. `base` is the agent as
    identified from the head; `chained` whether a later request may refer to the answer by its id; `named` the name of a
    conversation that the provider keeps. `trail` is what `looping` knows of calls that this request does not show,
    `treatment` names that under which the model does not see what was said before.
    """

    __slots__ = (
        "base", "body_key", "chained", "conversation", "history", "named",
        "prompt_hash", "reported", "retries", "tools_hash", "trail", "treatment", "turn",
    )  # fmt: skip

    def __init__(self, base: str) -> None:
        self.base = base
        self.history: History | None = None
        self.conversation: str | None = None
        self.turn: int | None = None
        self.prompt_hash: str | None = None
        self.tools_hash: str | None = None
        self.reported = (0, 0)
        self.retries = 0
        self.body_key: _BodyKey | None = None
        self.chained = False
        self.named: str | None = None
        self.treatment: str | None = None
        self.trail: Any = None

    def forget_text(self) -> None:
        """The answer does not need what was asked, and may take minutes."""
        self.history = None


class AnswerNotes(Protocol):
    """What other processes remember of answers; see `store.answer_notes`."""

    def remember(self, agent_id: str, answer_id: str, told: bytes) -> None: ...

    async def find(self, agent_id: str, answer_id: str) -> bytes | None: ...


class Profiler:
    """Sets `exchange.profile`.

    Args:
        secret: the deployment's root secret.
        clock: monotonic seconds.
        chains: of answers that requests may go on from, turn and conversation; None: this process is the only one.
    """

    def __init__(self, secret: bytes, *, clock: Callable[[], float], chains: AnswerNotes | None = None) -> None:
        self._key = hmac.digest(secret, b"leuko/profile/1\x01", hashlib.sha256)
        self._sketch = Sketcher(self._key)
        self._clock = clock
        self._kept_chains = chains
        self._prompts: dict[int, str] = {}
        self._tools: dict[int, str] = {}
        self._conversations: dict[int, str] = {}
        self._chains: dict[tuple[str, str], tuple[str, int]] = {}
        self._failed: dict[_BodyKey, tuple[float, int]] = {}

    def __call__(self, exchange: Exchange) -> Awaitable[None] | None:
        """The gate; needs `exchange.agent`, and reads `exchange.ask` if there is one. Waits for Redis only where a
        request goes on from an answer that this process did not see."""
        agent = exchange.agent
        profile = exchange.profile = Profile(agent.agent_id if agent is not None else "")
        fields = exchange.request.fields
        session = fields.get(b"x-agent-session")
        if session:
            profile.conversation = self._session(session)
        count = fields.get(b"x-stainless-retry-count")
        if count is not None and count.isdigit() and len(count) < 4:
            profile.retries = int(count)
        ask = exchange.ask
        if ask is None:
            return None
        self._recognise(exchange.plain, profile)
        dialect = exchange.route.dialect or ""
        previous = ask.previous
        if previous is None or self._kept_chains is None or (profile.base, previous) in self._chains:
            self._read(ask, dialect, profile)
            return None
        return self._find(self._kept_chains, previous, ask, dialect, profile)

    async def _find(self, chains: AnswerNotes, previous: str, ask: Ask, dialect: str, profile: Profile) -> None:
        told = await chains.find(profile.base, previous)
        if told is not None:
            turn, _, conversation = told.decode().partition(" ")
            _remember(self._chains, (profile.base, previous), (conversation, int(turn)))
        self._read(ask, dialect, profile)

    def sent(self, exchange: Exchange) -> None:
        """`exchange.ask` is another one by now: its prompt, tools and turn count. It stays in its conversation, and is
        recognised by what was received."""
        profile, ask = exchange.profile, exchange.ask
        if not isinstance(profile, Profile) or ask is None:
            return
        profile.prompt_hash = profile.tools_hash = None
        self._read(ask, exchange.route.dialect or "", profile)

    def observe(self, exchange: Exchange, vitals: Vitals) -> None:
        """Remember what later requests may refer to."""
        profile = exchange.profile
        if not isinstance(profile, Profile):
            return
        answer = exchange.answer
        if profile.chained and answer is not None and answer.id is not None and profile.conversation is not None:
            turn = profile.turn or 1
            _remember(self._chains, (profile.base, answer.id), (profile.conversation, turn))
            if self._kept_chains is not None:
                self._kept_chains.remember(profile.base, answer.id, f"{turn} {profile.conversation}".encode())
        if profile.body_key is not None:
            if vitals.error_type is not None or vitals.status >= 400:
                _remember(self._failed, profile.body_key, (self._clock(), profile.retries))
            elif self._failed:
                self._failed.pop(profile.body_key, None)

    def _read(self, ask: Ask, dialect: str, profile: Profile) -> None:
        history = profile.history = DIALECTS[dialect].history(ask.document)
        profile.reported = (history.tool_errors, history.repeated_calls)
        if history.system:
            profile.prompt_hash = self._prompt_hash(history.system)
        profile.named = history.name
        if ask.tools:
            profile.tools_hash = self._tools_hash(ask)
        turn = history.turn
        if dialect == "embeddings":
            return
        chained = ask.previous is not None or "thread" in ask.document or dialect == "responses"
        profile.chained = chained and ask.document.get("store") is not False
        conversation = None
        if ask.previous is not None:
            known = self._chains.get((profile.base, ask.previous))
            conversation = known[0] if known else self._id(profile.base, "previous", ask.previous)
            turn += known[1] if known else 1
        elif history.name is not None:
            conversation = self._id(profile.base, "name", history.name)
        profile.turn = turn
        if profile.conversation is None:
            if conversation is None:
                conversation = self._opened(profile.base, profile.prompt_hash or "", history.opening)
            profile.conversation = conversation

    def _recognise(self, body: bytes, profile: Profile) -> None:
        """Count a body as a retry if the same one failed a moment ago."""
        tail = hash(body[-_ENDS:]) if len(body) > _ENDS else 0
        key = profile.body_key = (profile.base, len(body), hash(body[:_ENDS]), tail)
        earlier = self._failed.get(key) if self._failed else None
        if earlier is not None and self._clock() - earlier[0] <= _REPEAT_SECONDS:
            profile.retries = max(profile.retries, earlier[1] + 1)

    def _prompt_hash(self, system: list[str]) -> str:
        text = "\n".join(system) if len(system) > 1 else system[0]
        seen = hash(text)
        known = self._prompts.get(seen)
        if known is None:
            kept = lasting(text[:_PROMPT_LIMIT]).encode("utf-8", "replace")
            known = f"{self._digest('prompt', kept)[:_PROMPT_DIGITS]}.{self._sketch(kept)}"
            _cache(self._prompts, seen, known)
        return known

    def _tools_hash(self, ask: Ask) -> str:
        """Of the definitions in any order, with their members in any order."""
        seen = hash(orjson.dumps([tool.definition for tool in ask.tools]))
        known = self._tools.get(seen)
        if known is None:
            sorted_ones = sorted(orjson.dumps(tool.definition, option=orjson.OPT_SORT_KEYS) for tool in ask.tools)
            known = self._digest("tools", b"\x00".join(sorted_ones))
            _cache(self._tools, seen, known)
        return known

    def _session(self, session: bytes) -> str:
        """A session's own name where it is one; else, and for a key that got there by mistake, a hash of it."""
        name = session.decode("latin-1")
        shown = len(name) <= _SESSION_LIMIT and name.isascii() and name.isprintable() and not holds_our_key(session)
        return name if shown else self._id(name)

    def _opened(self, *parts: str) -> str:
        """The conversation that began so: the same at each of its turns."""
        seen = hash(parts)
        known = self._conversations.get(seen)
        if known is None:
            known = self._id(*parts)
            _cache(self._conversations, seen, known)
        return known

    def _id(self, *parts: str) -> str:
        return "cnv_" + self._digest("conversation", "\x00".join(parts))

    def _digest(self, kind: str, data: str | bytes) -> str:
        if isinstance(data, str):
            data = data.encode("utf-8", "replace")
        return hashlib.blake2b(data, digest_size=12, key=self._key, person=kind.encode()).hexdigest()


def _cache(known: dict[int, str], key: int, value: str) -> None:
    if len(known) >= _KNOWN_LIMIT:  # keyed by what callers send: must not grow with them
        known.clear()
    known[key] = value


def _remember(memory: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    """The latest stay."""
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > _REMEMBERED_LIMIT:
        del memory[next(iter(memory))]
