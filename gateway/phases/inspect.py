"""inspect: the answer on its way to the caller. No tool call leaves unjudged; all else passes byte for byte."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

from gateway.model.answer import Answer
from gateway.model.errors import Refusal, UnreadableRequest
from gateway.model.exchange import Exchange
from gateway.model.headers import Headers, header_value
from gateway.model.verdict import Judge, Ruling, Wait, Withhold
from gateway.phases.caller import Caller, Direct
from gateway.phases.capping import UNCAPPED, Cap, Capping
from gateway.phases.timeouts import Timeouts
from gateway.upstream.decode import Decoder, decode_answer
from gateway.upstream.headers import response_headers
from gateway.upstream.reply import Reply
from gateway.wire import DIALECTS, stored_lists
from gateway.wire.dialect import Dialect, UnreadableFrame
from gateway.wire.interdiction import HoldBudget, Interdiction
from gateway.wire.refusal_text import unreadable
from gateway.wire.strict_json import dumps, exact, has_duplicates

_WHOLE_LIMIT = 64 * 1024 * 1024
_HEARTBEAT_SECONDS = 15
_HEARTBEAT = b": held\n\n"
_LONGEST_WAIT = 3600
"""Seconds after which a ruling that is awaited will not come any more."""
_LIMITS = b"x-ratelimit-"


class Inspect:
    """Passes an answer on, whole or as a stream.

    Args:
        judge_of: who decides about the tool calls of an exchange's turns.
        budget: bytes that all streams of this process may hold back together.
        clock: monotonic seconds.
        begun: told in memory of every exchange that a provider begins to answer with 2xx.
        capping: how large answers may become; None: as large as they are.
    """

    def __init__(
        self,
        judge_of: Callable[[Exchange], Judge],
        budget: HoldBudget,
        timeouts: Timeouts,
        clock: Callable[[], float],
        begun: Callable[[Exchange], None] = lambda exchange: None,
        capping: Capping | None = None,
    ) -> None:
        self._judge_of = judge_of
        self._budget = budget
        self._timeouts = timeouts
        self._clock = clock
        self._begun = begun
        self._capping = capping

    async def __call__(self, exchange: Exchange, reply: Reply, caller: Caller) -> None:
        exchange.first_byte_at = self._clock()
        exchange.status = reply.status
        if 200 <= reply.status < 300:
            self._begun(exchange)
        headers = response_headers(reply.headers)
        if exchange.reservation is not None:
            _give_way(exchange.own_headers, headers)
        name = exchange.route.dialect
        if not 200 <= reply.status < 300 or (name is None and exchange.judgement is None):
            await self._relay(exchange, reply, caller, headers)
        elif name is None:
            await self._list(exchange, reply, caller, headers)
        elif DIALECTS[name].streams and _is_stream(exchange, headers):
            await self._stream(exchange, reply, caller, headers, DIALECTS[name])
        else:
            await self._whole(exchange, reply, caller, headers, DIALECTS[name])

    async def _relay(self, exchange: Exchange, reply: Reply, caller: Caller, headers: Headers) -> None:
        length = header_value(reply.headers, b"content-length")
        if length is not None:
            headers.append((b"content-length", length))
        exchange.wait_for("idle", self._timeouts.idle, self._clock())
        await caller.start(reply.status, headers)
        while chunk := await reply.chunk():
            exchange.touched = self._clock()
            await caller.write(chunk)
        await caller.finish()

    async def _whole(
        self, exchange: Exchange, reply: Reply, caller: Caller, headers: Headers, dialect: Dialect
    ) -> None:
        body, headers = await _plain(reply, headers)
        document = _document(body)
        answer = exchange.answer = _read(dialect, document, body)
        if answer.calls:
            if (told := _exact(document, body)) is not document:
                document, answer = told, _read(dialect, told, body)
                exchange.answer = answer
            rulings = await self._rulings(exchange, answer)
            if rulings:
                exchange.denied.extend(d for ruling in rulings.values() for d in ruling.denied)
                exchange.withheld = next(iter(rulings.values())).text
                body = dumps(dialect.withhold(document, rulings))
                if exchange.denied:
                    headers.append((b"x-gateway-denied", b"%d" % len(exchange.denied)))
        if self._capping is not None:
            self._capping.whole(exchange)
        await caller.whole(reply.status, headers, body)

    async def _list(self, exchange: Exchange, reply: Reply, caller: Caller, headers: Headers) -> None:
        """What a provider has stored, where rules are about the calls in it."""
        body, headers = await _plain(reply, headers)
        document = _exact(_document(body), body)
        kind, withheld, count = stored_lists.kind_of(exchange.route.path), [], 0
        assert kind is not None
        for element in _elements(kind, document):
            answer = _read(DIALECTS[element.dialect], element.answer, None)
            rulings = await self._rulings(exchange, answer) if answer.calls else {}
            if rulings:
                withheld.append((element, rulings))
                count += sum(len(ruling.denied) for ruling in rulings.values())
        if withheld:
            body = dumps(stored_lists.without(kind, document, withheld))
            headers.append((b"x-gateway-denied", b"%d" % count))
        await caller.whole(reply.status, headers, body)

    async def _rulings(self, exchange: Exchange, answer: Answer) -> dict[int, Withhold]:
        """The turns to withhold; raises the judge's Refusal."""
        rulings = {}
        judge = self._judge_of(exchange)
        for turn, calls in answer.calls.items():
            ruling = unreadable(calls) if any(call.problem for call in calls) else judge(calls)
            if isinstance(ruling, Wait):
                ruling = await self._awaited(exchange, ruling)
            if isinstance(ruling, Refusal):
                raise ruling
            if isinstance(ruling, Withhold):
                rulings[turn] = ruling
        return rulings

    async def _awaited(self, exchange: Exchange, wait: Wait) -> Ruling:
        """The ruling. The exchange's own times stand still meanwhile: it is not the provider that is slow."""
        began = self._clock()
        deadline, patience = exchange.deadline, exchange.patience
        exchange.deadline, exchange.patience = began + _LONGEST_WAIT, float("inf")
        try:
            return await wait.ruling()
        except Refusal as refusal:
            return refusal
        finally:
            exchange.touched = self._clock()
            exchange.deadline, exchange.patience = deadline + exchange.touched - began, patience

    async def _stream(
        self, exchange: Exchange, reply: Reply, caller: Caller, headers: Headers, dialect: Dialect
    ) -> None:
        encoding = header_value(headers, b"content-encoding")
        plain = encoding is None or encoding.strip().lower() in (b"", b"identity")
        decoder = None if encoding is None or plain else Decoder(encoding.decode("latin-1"))
        reader = dialect.reader()
        cap = UNCAPPED if self._capping is None else self._capping.of(exchange)
        judge = cap.judging(self._judge_of(exchange))
        machine = Interdiction(reader, judge, budget=self._budget, strip=exchange.strips_usage)
        exchange.answer, exchange.in_band, exchange.streaming = reader.answer, reader.error_frame, True
        exchange.denied = machine.denied
        exchange.on_tick = cap.ticking(_Heartbeat(machine, caller), lambda: machine.waiting is not None)
        exchange.wait_for("idle", self._timeouts.idle, self._clock())
        await caller.start(reply.status, _stream_headers(headers))
        short_cut = None
        if decoder is None and caller.direct is not None:
            short_cut = _ShortCut(exchange, machine, caller.direct, self._clock, cap)
            reply.hand_to(short_cut)
        try:
            while chunk := await reply.chunk():
                if short_cut is not None:
                    chunk = short_cut.rest(chunk)
                exchange.touched = self._clock()
                if decoder is not None:
                    chunk = decoder.decode(chunk)
                out = machine.feed(chunk)
                if reader.answer.text_chars > cap.chars:
                    _cut(cap, machine)
                await self._pass(exchange, machine, caller, out)
            if decoder is not None:
                decoder.finish()
            await self._pass(exchange, machine, caller, machine.close())
        finally:
            exchange.on_tick = None
            exchange.withheld = next((one.text for _, one in machine.rulings if isinstance(one, Withhold)), None)
            machine.discard()
        await caller.finish()

    async def _pass(self, exchange: Exchange, machine: Interdiction, caller: Caller, out: bytes) -> None:
        """Write what may leave, and what may leave once the rulings that are awaited are there."""
        if exchange.first_content_at is None:
            _note_content(exchange)
        if out:
            await caller.write(out)
        while machine.waiting is not None:
            out = machine.resolve(await self._awaited(exchange, machine.waiting))
            if out:
                await caller.write(out)
        if machine.failure is not None:
            raise machine.failure
        if machine.ended:
            exchange.in_band = _said_already


class _ShortCut:
    """Passes a chunk on where it arrives, while the task that carries the exchange sleeps.

    Called by the reply. False where that task has to act: the caller does not keep up, a ruling is awaited, or the
    answer has failed.
    """

    __slots__ = ("_answer", "_cap", "_clock", "_direct", "_exchange", "_failure", "_machine", "_taken")

    def __init__(
        self,
        exchange: Exchange,
        machine: Interdiction,
        direct: Direct,
        clock: Callable[[], float],
        cap: Cap,
    ) -> None:
        self._exchange = exchange
        self._answer = exchange.answer or Answer()
        self._cap = cap
        self._machine = machine
        self._direct = direct
        self._clock = clock
        self._failure: Exception | None = None
        self._taken = 0

    def __call__(self, chunk: bytes) -> bool:
        if self._failure is not None or self._machine.waiting is not None or not self._direct.ready():
            return False
        machine = self._machine
        try:
            out = machine.feed(chunk)
            if self._answer.text_chars > self._cap.chars:
                _cut(self._cap, machine)
        except Exception as error:  # a broken judge, or a cut: raised by the task, and there refused
            self._failure = error
            return False
        if out:
            self._direct.push(out)
        self._exchange.touched = self._clock()
        if self._exchange.first_content_at is None:
            _note_content(self._exchange)
        if machine.ended:
            self._exchange.in_band = _said_already
        self._failure = machine.failure
        if machine.waiting is not None:
            self._taken = len(chunk)
            return False
        return self._failure is None

    def rest(self, chunk: bytes) -> bytes:
        """What of the chunk has not been passed on yet. Raises what went wrong while no task was there."""
        if self._failure is not None:
            raise self._failure
        taken, self._taken = self._taken, 0
        return chunk[taken:] if taken else chunk


def _cut(cap: Cap, machine: Interdiction) -> None:
    """Raise the Refusal of an answer that is too large, if it is to be cut."""
    refusal = cap.over(complete=machine.ended)
    if refusal is not None:
        raise refusal


def _note_content(exchange: Exchange) -> None:
    """The first text or call of a stream; what comes before it, such as a role, nobody waits for."""
    answer = exchange.answer
    if answer is not None and (answer.text_chars or answer.calls):
        exchange.first_content_at = exchange.touched


class _Heartbeat:
    """Called at every tick of the watcher: lets a caller that waits for held frames see that the answer lives."""

    __slots__ = ("_caller", "_machine", "_since", "_writing")

    def __init__(self, machine: Interdiction, caller: Caller) -> None:
        self._machine = machine
        self._caller = caller
        self._since: float | None = None
        self._writing: asyncio.Future[None] | None = None

    def __call__(self, now: float) -> None:
        if not self._machine.held_bytes or not self._machine.between_frames:
            self._since = None
        elif self._since is None:
            self._since = now
        elif now - self._since >= _HEARTBEAT_SECONDS and (self._writing is None or self._writing.done()):
            self._since = now
            self._writing = asyncio.ensure_future(self._caller.write(_HEARTBEAT))


def _said_already(refusal: Refusal) -> bytes:
    """Stands in for `error_frame` once the end of the stream was sent: an error after it would contradict it."""
    return b""


def _is_stream(exchange: Exchange, headers: Headers) -> bool:
    """The answer's content type decides; a provider that names none streams if the body asked for it."""
    kind = (header_value(headers, b"content-type") or b"").lower()
    if kind.startswith(b"text/event-stream"):
        return True
    return exchange.ask is not None and exchange.ask.stream and b"json" not in kind


def _give_way(own: Headers, headers: Headers) -> None:
    """What a provider says of its limits goes before what the gateway says of its own."""
    for name, _ in headers:
        if name.startswith(_LIMITS):
            own[:] = [pair for pair in own if not pair[0].startswith(_LIMITS)]
            return


def _stream_headers(headers: Headers) -> Headers:
    names = {name for name, _ in headers}
    kept = [(k, v) for k, v in headers if k != b"content-encoding"]
    for name, value in ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")):
        if name not in names:
            kept.append((name, value))
    return kept


async def _plain(reply: Reply, headers: Headers) -> tuple[bytes, Headers]:
    """A whole answer without its content coding, and its headers then."""
    body = await reply.read(_WHOLE_LIMIT)
    encoding = header_value(headers, b"content-encoding")
    if encoding is None:
        return body, headers
    body = decode_answer(body, encoding.decode("latin-1"), limit=_WHOLE_LIMIT)
    return body, [(k, v) for k, v in headers if k != b"content-encoding"]


def _read(dialect: Dialect, document: dict[str, Any], body: bytes | None) -> Answer:
    try:
        return dialect.read_answer(document, body)
    except UnreadableFrame as error:
        raise _not_judged(error) from None


def _elements(kind: stored_lists.Kind, document: dict[str, Any]) -> list[stored_lists.Element]:
    try:
        return stored_lists.elements(kind, document)
    except UnreadableFrame as error:
        raise _not_judged(error) from None


def _not_judged(error: UnreadableFrame) -> Refusal:
    return Refusal("upstream_invalid", f"The provider sent an answer that cannot be judged: {error}.")


def _document(body: bytes) -> dict[str, Any]:
    """A whole answer, read. A member that is there twice could show the judge one call and the agent another."""
    try:
        document = orjson.loads(body)
        if type(document) is dict and not has_duplicates(body, document):
            return document
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        pass
    raise Refusal("upstream_invalid", "The provider's answer is not a JSON object with one meaning.")


def _exact(document: dict[str, Any], body: bytes) -> dict[str, Any]:
    """The answer with the numbers that the agent would read, which may be longer than those that were read first."""
    try:
        told: dict[str, Any] = exact(body, document)
    except UnreadableRequest:
        raise Refusal("upstream_invalid", "The provider's answer holds a number that cannot be judged.") from None
    return told
