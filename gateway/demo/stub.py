"""The stub models: a provider inside the process, for a first try and for tests.

    stub-echo        answers with what the user said last
    stub-tool        calls the first offered tool, then answers with its result
    stub-slow        counts to twenty, a number each 100 ms; whole answers after 2 s
    stub-error-500   fails
    stub-script      follows a script: the body's `stub` member, or the one given at start

The body's `stub` member is a list of turns, or `{"turns"?, "delay_ms"?, "events"?, "status"?}`: `delay_ms`
milliseconds pass before each piece of a stream, and `events` times that before a whole answer; `stub-slow` counts to
`events`. With a `status` from 400 to 599 the request fails with it.
Answers are opened and read as those of any provider are, so nothing about them is special to the gateway.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from gateway.demo import stub_chat, stub_messages, stub_responses
from gateway.demo.stub_embeddings import embeddings_whole
from gateway.demo.stub_frames import Frame, Mint
from gateway.demo.stub_question import StubQuestion, read_question
from gateway.demo.stub_reply import StubReply
from gateway.demo.stub_turns import SLOW_EVENTS, Turn, call_a_tool, count_slowly, echo, follow, read_script
from gateway.model.headers import Headers, header_value
from gateway.upstream.providers import Provider

MODELS = ("stub-echo", "stub-tool", "stub-slow", "stub-error-500", "stub-script")

_CREATED = 1767225600
"""When the models were made, as their listing says: seconds since the epoch."""

_SLOW_MS = 100
_MOST_MS = 60_000
_MOST_EVENTS = 10_000

Whole = Callable[[StubQuestion, Turn, Mint], dict[str, Any]]
Stream = Callable[[StubQuestion, Turn, Mint], Iterator[Frame]]

_RENDERINGS: dict[str, tuple[Whole, Stream]] = {
    "/chat/completions": (stub_chat.chat_whole, stub_chat.chat_stream),
    "/completions": (stub_chat.completion_whole, stub_chat.completion_stream),
    "/responses": (stub_responses.response_whole, stub_responses.response_stream),
    "/messages": (stub_messages.message_whole, stub_messages.message_stream),
}

_MEASUREMENTS: dict[str, Callable[[StubQuestion], dict[str, Any]]] = {
    "/messages/count_tokens": lambda question: {"input_tokens": question.input_tokens},
    "/embeddings": embeddings_whole,
}
"""Routes whose answer no turn is needed for."""


class StubError(Exception):
    """The stub's own refusal, in the dialect of the request. `kind` is OpenAI's `error.type`."""

    def __init__(self, status: int, message: str, code: str | None = None, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.kind = status, message, code, kind


class StubModels:
    """An `Opener` that answers by itself.

    Args:
        script: what `stub-script` follows when the request brings no turns of its own.
        clock: seconds since the epoch, for `created`.
        new_id: a new unique text for each id.
    """

    def __init__(
        self, script: Sequence[Turn] | None = None, *, clock: Callable[[], float], new_id: Callable[[], str]
    ) -> None:
        self._script = script
        self._clock = clock
        self._new_id = new_id

    @staticmethod
    def serves(model: str | None) -> bool:
        """Whether the name is a stub model's."""
        return model in MODELS

    async def open(
        self,
        provider: Provider,
        method: str,
        path: str,
        query: bytes,
        headers: Headers,
        body: bytes | AsyncIterator[bytes] | None,
    ) -> StubReply:
        """Answer; never refuses by exception: what is wrong with a request is said as a provider would say it."""
        path, deployment = _canonical(path)
        speaks_messages = path.startswith("/messages") or (
            path.startswith("/models") and header_value(headers, b"anthropic-version") is not None
        )
        mint = Mint(self._new_id, int(self._clock()))
        try:
            if path.startswith("/models") and method in ("GET", "HEAD"):
                return _json_reply(200, model_listing(path, anthropic=speaks_messages), mint)
            if path not in _RENDERINGS.keys() | _MEASUREMENTS.keys() or method != "POST":
                raise StubError(404, f"The stub models do not serve {method} {path}", "unknown_url")
            return await self._answer(path, _document(await _whole_body(body), deployment), mint)
        except StubError as error:
            return _json_reply(error.status, _error_body(error, speaks_messages), mint)

    async def _answer(self, path: str, document: dict[str, Any], mint: Mint) -> StubReply:
        if document["model"] not in MODELS:
            raise StubError(404, f"No model `{document['model']}`; there are {', '.join(MODELS)}", "model_not_found")
        if document["model"] == "stub-error-500":
            raise StubError(500, "This model always fails", "stub_error", "server_error")
        try:
            question = read_question(document, document["model"])
            pace, events = _timing(question)
            _fail_as_asked(question)
            turn = self._turn(question, events) if path in _RENDERINGS else Turn()
            if path in _RENDERINGS and question.stream:
                return StubReply(200, _stream_headers(mint), list(_RENDERINGS[path][1](question, turn, mint)), pace)
            measure = _MEASUREMENTS.get(path)
            answer = measure(question) if measure else _RENDERINGS[path][0](question, turn, mint)
            reply = _json_reply(200, answer, mint)
        except (ValueError, TypeError, RecursionError) as error:
            raise StubError(400, f"The stub cannot answer this: {error}", "invalid_request") from error
        await asyncio.sleep(pace * events)
        return reply

    def _turn(self, question: StubQuestion, events: int) -> Turn:
        """Raises ValueError for a script that cannot be read."""
        match question.model:
            case "stub-echo":
                return echo(question)
            case "stub-tool":
                return call_a_tool(question)
            case "stub-slow":
                return count_slowly(question, events)
        own = question.stub if isinstance(question.stub, list) else _options(question).get("turns")
        if own is None and self._script is None:
            raise ValueError('`stub-script` needs turns: `"stub": {"turns": [...]}` in the body, or a script at start')
        return follow(read_script(own) if own is not None else self._script or (), question)


def model_listing(path: str, *, anthropic: bool) -> dict[str, Any]:
    """What `GET /models` and `GET /models/{id}` say, in OpenAI's form or Anthropic's. Raises StubError 404."""
    describe = _anthropic_model if anthropic else _openai_model
    name = path.removeprefix("/models").lstrip("/")
    if name and name not in MODELS:
        raise StubError(404, f"No model `{name}`; there are {', '.join(MODELS)}", "model_not_found")
    if name:
        return describe(name)
    listed = {"data": [describe(model) for model in MODELS]}
    ends = {"has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}
    return listed | ends if anthropic else {"object": "list"} | listed


def _openai_model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "leuko"}


def _anthropic_model(name: str) -> dict[str, Any]:
    created = datetime.fromtimestamp(_CREATED, UTC).isoformat()
    return {"type": "model", "id": name, "display_name": name, "created_at": created, "lifecycle": "active"}


def _canonical(path: str) -> tuple[str, str | None]:
    """The path below `/v1`, and the model that an Azure path names."""
    path = re.sub(r"/+", "/", path).rstrip("/")
    if azure := re.fullmatch(r"/openai/deployments/([^/]+)(/.*)", path):
        return azure[2], azure[1]
    return re.sub(r"^(/openai)?(/v1)?(?=/)", "", path), None


async def _whole_body(body: bytes | AsyncIterator[bytes] | None) -> bytes:
    if body is None or isinstance(body, bytes):
        return body or b""
    return b"".join([part async for part in body])


def _document(body: bytes, deployment: str | None) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise StubError(400, f"The body is not JSON: {error}", "invalid_request") from error
    if not isinstance(document, dict):
        raise StubError(400, "The body is not a JSON object", "invalid_request")
    model = deployment or document.get("model")
    if not isinstance(model, str):
        raise StubError(400, f"`model` is {model!r}; it must name a model", "invalid_request")
    return document | {"model": model}


def _options(question: StubQuestion) -> dict[str, Any]:
    return question.stub if isinstance(question.stub, dict) else {}


def _timing(question: StubQuestion) -> tuple[float, int]:
    """Seconds before each piece, and how many pieces a whole answer waits for. Raises ValueError."""
    options, slow = _options(question), question.model == "stub-slow"
    delay = options.get("delay_ms", _SLOW_MS if slow else 0)
    events = options.get("events", SLOW_EVENTS if slow else 1)
    if not isinstance(delay, int | float) or not 0 <= delay <= _MOST_MS:
        raise ValueError(f"`stub.delay_ms` is {delay!r}; allowed are 0 to {_MOST_MS}")
    if not isinstance(events, int) or not 1 <= events <= _MOST_EVENTS:
        raise ValueError(f"`stub.events` is {events!r}; allowed are whole numbers from 1 to {_MOST_EVENTS}")
    return delay / 1000, events


def _fail_as_asked(question: StubQuestion) -> None:
    """Raises StubError where the request wants to fail, ValueError where it says so in a wrong way."""
    status = _options(question).get("status")
    if status is None:
        return
    if not isinstance(status, int) or not 400 <= status <= 599:
        raise ValueError(f"`stub.status` is {status!r}; allowed are whole numbers from 400 to 599")
    kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
    raise StubError(status, "This request was to fail", "stub_error", kind)


def _error_body(error: StubError, speaks_messages: bool) -> dict[str, Any]:
    if not speaks_messages:
        return {"error": {"message": error.message, "type": error.kind, "param": None, "code": error.code}}
    kind = {400: "invalid_request_error", 404: "not_found_error"}.get(error.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": error.message}}


def _json_reply(status: int, document: dict[str, Any], mint: Mint) -> StubReply:
    data = orjson.dumps(document)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    return StubReply(status, headers + _request_id(mint), [(data, False)])


def _stream_headers(mint: Mint) -> Headers:
    kind = (b"content-type", b"text/event-stream; charset=utf-8")
    return [kind, (b"cache-control", b"no-cache"), *_request_id(mint)]


def _request_id(mint: Mint) -> Headers:
    """Under OpenAI's name for it and Anthropic's."""
    value = mint.id("req_").encode()
    return [(b"x-request-id", value), (b"request-id", value)]
