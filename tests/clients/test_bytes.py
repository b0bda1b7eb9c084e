"""Bytes in are bytes out, both ways: nothing is written anew on its way through the gateway.

Prompt caches, signatures and clients with parsers of their own depend on it.
"""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.clients.raw import ask, only_request
from tests.support import transcripts
from tests.support.gateway import GatewayProcess
from tests.support.upstream import SSE, Conversation, Request, Script, ThreadedUpstream, answer, json_answer

# -- requests

ODD = (
    r"""
{ "zz_unknown": {"b":1,"a":[1.0,1.00,1e2,-0,0.1e-7,123456789012345678901234567890, true,null ]},
	"temperature" : 1.00, "stream":false,"seed":9007199254740993,
  "metadata":{"\u00e9":"\u2028\ud83c\udf27\/","raw":"é雨 🌧","empty":{}, "list":[ ]},
  "model":  "gpt-\u0035", %s
  "user":"x\u0000y" }""".encode()
    + b" \t\r\n"
)
"""Everything a JSON writer would write differently; `%s` is what the route needs."""

JUDGED = {
    "/v1/chat/completions": rb'"messages" :[{"content":"\u0068i","role":"user"}],"tools":[ ],',
    "/v1/completions": rb'"prompt":["a\tb" ],',
    "/v1/responses": rb'"input" : [ {"role":"user","content":"hi"} ] , "tools":[{"type":"web_search"}],',
    "/v1/embeddings": rb'"input":[ "a", "b"],"dimensions":1.0,',
    "/v1/messages": rb'"max_tokens":1e2, "messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],',
    "/v1/messages/count_tokens": rb'"messages":[ {"role":"user","content":"hi"} ],',
}


@pytest.mark.parametrize("path", JUDGED)
def test_a_judged_body_arrives_as_it_was_sent(relay: GatewayProcess, provider: ThreadedUpstream, path: str) -> None:
    provider.inner.script = json_answer({"id": "x", "object": "y"})
    body = ODD.replace(b"%s", JUDGED[path])
    json.loads(body)  # odd, but JSON
    assert ask(relay.url, path, body).status == 200
    request = only_request(provider)
    assert request.body == body
    assert request.target == path.encode()
    assert request.all("content-length") == [str(len(body))]
    assert request.header("content-type") == "application/json"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_asking_for_usage_adds_one_member_and_changes_no_other_byte(
    relay: GatewayProcess, provider: ThreadedUpstream, path: str
) -> None:
    provider.inner.script = answer(200, b"data: [DONE]\n\n", SSE)
    body = ODD.replace(b"%s", JUDGED[path]).replace(b'"stream":false', b'"stream" : true')
    ask(relay.url, path, body)
    arrived = only_request(provider).body
    added = b',"stream_options":{"include_usage":true}'
    assert arrived.count(added) == 1
    assert arrived.replace(added, b"") == body


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages"])
def test_other_streaming_requests_are_not_touched(relay: GatewayProcess, provider: ThreadedUpstream, path: str) -> None:
    provider.inner.script = answer(200, b"", SSE)
    body = ODD.replace(b"%s", JUDGED[path]).replace(b'"stream":false', b'"stream":true')
    ask(relay.url, path, body)
    assert only_request(provider).body == body


@pytest.mark.parametrize(
    "method, path, body",
    [
        ("POST", "/v1/moderations", b'{"input":"x" , "input":"y"}'),
        ("POST", "/v1/batches?x=%20&y", b"\x00\xffnot json"),
        ("GET", "/v1/models/org%2Fname?limit=2", None),
        ("DELETE", "/v1/files/file-1", None),
        ("PATCH", "/v1/evals/1", b"{ }"),
    ],
)
def test_a_relayed_request_arrives_as_it_was_sent(
    relay: GatewayProcess, provider: ThreadedUpstream, method: str, path: str, body: bytes | None
) -> None:
    provider.inner.script = answer(200, b'{ "deleted":1.00 }', [("content-type", "application/json")])
    got = ask(relay.url, path, body, method=method)
    request = only_request(provider)
    assert (request.method, request.target, request.body) == (method, path.encode(), body or b"")
    assert got.body == b'{ "deleted":1.00 }'


def test_request_headers_keep_their_order_and_repeats(relay: GatewayProcess, provider: ThreadedUpstream) -> None:
    provider.inner.script = json_answer({})
    extra = {"x-zz": "1", "openai-beta": "a=1", "x-aa": "2", "anthropic-beta": "b, c", "x-stainless-retry-count": "0"}
    ask(relay.url, "/v1/chat/completions", b'{"messages":[]}', extra)
    arrived = [(n.decode(), v.decode()) for n, v in only_request(provider).headers]
    assert [pair for pair in arrived if pair[0] in extra] == list(extra.items())


# -- whole answers

WHOLE = b"""{ "id" : "x","odd":[1.00,1.0,1e3, 123456789012345678901234567890],"esc":"\\u00e9\\/ \xc3\xa9",
\t"object":"any", "zz":{ }, "usage" : {"prompt_tokens":1.0,"total_tokens":2}, "id2":null }\n\n"""


@pytest.mark.parametrize("path", [*JUDGED, "/v1/moderations"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_whole_answer_leaves_as_it_came(
    relay: GatewayProcess, provider: ThreadedUpstream, path: str, chunked: bool
) -> None:
    headers = [
        ("x-zz", "first"),
        ("content-type", "application/json; charset=utf-8"),
        ("set-cookie", "a=1; Path=/"),
        ("x-aa", "\xe9"),
        ("set-cookie", "b=2"),
        ("openai-processing-ms", "12"),
    ]
    provider.inner.script = in_pieces([WHOLE[:30], WHOLE[30:]], headers) if chunked else answer(200, WHOLE, headers)
    got = ask(relay.url, path, ODD.replace(b"%s", JUDGED.get(path, b"")))
    assert (got.status, got.body) == (200, WHOLE)
    names = {name for name, _ in headers}
    assert [pair for pair in got.headers if pair[0] in names] == headers, "in order, with repeats"
    assert got.header("x-gateway-request-id") and got.header("x-gateway-agent-id")


def test_a_whole_answer_with_calls_that_are_allowed_leaves_as_it_came(
    relay: GatewayProcess, provider: ThreadedUpstream
) -> None:
    call = rb'{"type":"function","id":"c1", "function":{"arguments":"{ \"x\" : 1.00 }","name":"f"}}'
    body = rb'{"choices" : [ {"index":0,"message":{"tool_calls":[ %b ]},"finish_reason":"tool_calls"} ]} ' % call
    provider.inner.script = answer(200, body, [("content-type", "application/json")])
    assert ask(relay.url, "/v1/chat/completions", b'{"messages":[]}').body == body


@pytest.mark.parametrize("status", [400, 404, 429, 500, 529])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/files"])
def test_an_error_of_the_provider_leaves_as_it_came(
    relay: GatewayProcess, provider: ThreadedUpstream, status: int, path: str
) -> None:
    body = b'{"error":{ "message":"no \\u2028", "zz":1.00 }}'
    provider.inner.script = answer(status, body, [("content-type", "application/json"), ("retry-after", "7")])
    got = ask(relay.url, path, b'{"stream":true,"messages":[]}')
    assert (got.status, got.body, got.header("retry-after")) == (status, body, "7")
    assert got.header("x-gateway-request-id") and got.header("x-gateway-agent-id")


# -- streams

Cut = Callable[[bytes], list[bytes]]


def frames(stream: bytes) -> list[bytes]:
    return [frame + b"\n\n" for frame in stream.split(b"\n\n") if frame]


def single_bytes(stream: bytes) -> list[bytes]:
    return [stream[i : i + 1] for i in range(len(stream))]


def sevens(stream: bytes) -> list[bytes]:
    return [stream[i : i + 7] for i in range(0, len(stream), 7)]


def whole(stream: bytes) -> list[bytes]:
    return [stream]


def inside_line_ends(stream: bytes) -> list[bytes]:
    """Cut after every CR and after every LF, so between the two of each CRLF."""
    pieces = stream.replace(b"\r", b"\r|").replace(b"\n", b"\n|").split(b"|")
    return [piece for piece in pieces if piece]


def in_pieces(pieces: list[bytes], headers: list[tuple[str, str]] = SSE) -> Script:
    """An answer whose pieces are an HTTP chunk and a write each."""

    async def script(request: Request, talk: Conversation) -> None:
        await talk.start(200, headers)
        await talk.events(pieces)
        await talk.end()

    return script


def call_chunks() -> Iterator[str]:
    """Two choices with calls, their chunks mixed, among text, as a provider with odd habits writes them."""
    yield ": welcome"
    yield 'id: 1\nevent: message\ndata: {"id":"c", "choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}'
    yield 'data:{"id":"c","choices":[{"index":1,"delta":{"content":"caf\\u00e9 é雨🌧\u2028"}}],"zz":1.00}'
    for turn in (0, 1):
        start = f'{{"index":0,"id":"call_{turn}","type":"function","function":{{"name":"f","arguments":""}}}}'
        yield f'data: {{"choices":[{{"index":{turn},"delta":{{"tool_calls":[{start}]}}}}]}}'
    yield ": keep-alive"
    for piece in ('{\\"x\\"', ":1.00", "}"):
        for turn in (1, 0):
            part = f'{{"index":0,"function":{{"arguments":"{piece}"}}}}'
            yield f'data: {{"choices": [ {{"index":{turn},"delta":{{"tool_calls":[{part}]}}}}]}}'
    for turn in (0, 1):
        yield f'data: {{"choices":[{{"index":{turn},"delta":{{}},"finish_reason":"tool_calls"}}]}}'
    yield 'data: {"choices":[],\ndata: "usage":{"prompt_tokens":3,"completion_tokens":2}}'
    yield "data: [DONE]"


def chat_stream(newline: str) -> bytes:
    return "".join(f"{chunk}\n\n" for chunk in call_chunks()).replace("\n", newline).encode()


CHAT_ASKED = b'{"messages":[],"stream":true,"stream_options":{"include_usage":true}}'
PATHS = {"responses": "/v1/responses", "messages": "/v1/messages"}
BROKEN_OFF = ("-in-call", "-incomplete-call")
"""Transcripts that end in the middle of a call: nobody may have it, so these cannot leave as they came."""
COMPLETE = [name for dialect in PATHS for name in transcripts.names(dialect) if not name.endswith(BROKEN_OFF)]


@pytest.mark.parametrize("cut", [whole, sevens, single_bytes, inside_line_ends])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_a_chat_stream_leaves_as_it_came(
    relay: GatewayProcess, provider: ThreadedUpstream, newline: str, cut: Cut
) -> None:
    stream = chat_stream(newline)
    provider.inner.script = in_pieces(cut(stream))
    got = ask(relay.url, "/v1/chat/completions", CHAT_ASKED)
    assert got.body == stream
    assert only_request(provider).body == CHAT_ASKED


@pytest.mark.parametrize("cut", [frames, sevens])
@pytest.mark.parametrize("name", COMPLETE)
def test_a_stream_of_any_dialect_leaves_as_it_came(
    relay: GatewayProcess, provider: ThreadedUpstream, name: str, cut: Cut
) -> None:
    stream = transcripts.load(name)
    provider.inner.script = in_pieces(cut(stream))
    got = ask(relay.url, PATHS[name.partition("-")[0]], b'{"stream":true,"input":"x","messages":[]}')
    assert got.body == stream
    assert got.header("content-type") == "text/event-stream"
    assert (got.header("x-accel-buffering"), got.header("cache-control")) == ("no", "no-cache")


@pytest.mark.parametrize("name", ["messages-call", "responses-call"])
def test_a_stream_of_any_dialect_may_come_byte_by_byte(
    relay: GatewayProcess, provider: ThreadedUpstream, name: str
) -> None:
    stream = transcripts.load(name)
    provider.inner.script = in_pieces(single_bytes(stream))
    assert ask(relay.url, PATHS[name.partition("-")[0]], b'{"stream":true,"input":"x","messages":[]}').body == stream


def test_a_relayed_stream_leaves_as_it_came(relay: GatewayProcess, provider: ThreadedUpstream) -> None:
    stream = b"data: \xff\xfe\r\r\nevent\n\nno end"
    provider.inner.script = in_pieces(single_bytes(stream))
    assert ask(relay.url, "/v1/audio/speech", b'{"stream_format":"sse"}').body == stream


# -- the usage chunk

USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n\n'
NULL = b',"usage":null'
BILLED = (
    b'data: {"id":"c","choices":[{"index":0,"text":"a","delta":{"content":"usage"}}]%b}\n\n: note\n\n' % NULL
    + b'data: {"id":"c","choices":[{"index":0,"text":"b","delta":{"content":"\\u00e9"},"finish_reason":"stop"}]%b}\n\n'
    % NULL
    + USAGE
    + b"data: [DONE]\n\n"
)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("options", [b"", b',"stream_options":{"include_usage":false}', b',"stream_options":null'])
@pytest.mark.parametrize("cut", [whole, sevens])
def test_a_client_that_did_not_ask_for_usage_sees_none(
    relay: GatewayProcess, provider: ThreadedUpstream, path: str, options: bytes, cut: Cut
) -> None:
    provider.inner.script = in_pieces(cut(BILLED))
    got = ask(relay.url, path, b'{"stream":true,"messages":[],"prompt":"x"%b}' % options)
    assert only_request(provider).json()["stream_options"] == {"include_usage": True}
    assert got.body == BILLED.replace(NULL, b"").replace(USAGE, b"")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_a_client_that_asked_for_usage_sees_it(relay: GatewayProcess, provider: ThreadedUpstream, path: str) -> None:
    provider.inner.script = in_pieces(sevens(BILLED))
    body = b'{"stream":true,"messages":[],"prompt":"x","stream_options":{ "include_usage" : true, "zz":1.0 } }'
    assert ask(relay.url, path, body).body == BILLED
    assert only_request(provider).body == body


def test_other_stream_options_stay(relay: GatewayProcess, provider: ThreadedUpstream) -> None:
    provider.inner.script = in_pieces([BILLED])
    body = b'{"stream":true,"messages":[], "stream_options" : {"include_obfuscation":false, "zz":1.00}}'
    ask(relay.url, "/v1/chat/completions", body)
    arrived = only_request(provider).body
    assert b'"include_obfuscation":false, "zz":1.00' in arrived
    assert json.loads(arrived)["stream_options"] == {"include_obfuscation": False, "zz": 1.0, "include_usage": True}
