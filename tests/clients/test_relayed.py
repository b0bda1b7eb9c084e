"""Files, audio and images: what the gateway does not read passes through it, however large, byte for byte."""

import asyncio
import queue
import random
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import openai
import psutil
import pytest

from tests.clients.conftest import RELAYED_LIMIT
from tests.clients.raw import ask, only_request, openai_client
from tests.support.gateway import WITHIN, GatewayProcess
from tests.support.upstream import Conversation, Request, ThreadedUpstream, answer, head

MIB = 2**20
NOISE = random.Random(1).randbytes(300_000) + b"\r\n--\r\n\x00\xff"
"""Looks like nothing, and ends as a part of a multipart body might."""
JSON_ANSWER = b'{ "id":"file-1","object":"file", "bytes":1.00,"text":"\\u00e9","data":[],"created":0 }'

Call = Callable[[openai.OpenAI], Any]

CALLS: dict[str, tuple[str, Call]] = {
    "files": (
        "/v1/files",
        lambda c: c.files.with_raw_response.create(file=("tr\u00e4in.jsonl", NOISE), purpose="evals"),
    ),
    "transcriptions": (
        "/v1/audio/transcriptions",
        lambda c: c.audio.transcriptions.with_raw_response.create(file=("a.wav", NOISE), model="whisper-1"),
    ),
    "image edit": (
        "/v1/images/edits",
        lambda c: c.images.with_raw_response.edit(image=[("a.png", NOISE), ("b.png", b"")], prompt="é雨"),
    ),
    "images": ("/v1/images/generations", lambda c: c.images.with_raw_response.generate(prompt="a \u2028 cat")),
    "upload part": ("/v1/uploads/u1/parts", lambda c: c.uploads.parts.with_raw_response.create("u1", data=NOISE)),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_upload_arrives_as_the_sdk_sent_it(relay: GatewayProcess, provider: ThreadedUpstream, name: str) -> None:
    path, call = CALLS[name]
    provider.inner.script = answer(200, JSON_ANSWER, [("content-type", "application/json"), ("x-request-id", "r-1")])
    with openai_client(relay.url) as (client, sent):
        got = call(client)
    request = only_request(provider)
    assert (request.target, request.body) == (path.encode(), sent[0].body)
    for header in ("content-type", "content-length", "authorization", "user-agent", "accept-encoding"):
        assert request.header(header) == sent[0].headers[header], header
    assert got.content == JSON_ANSWER
    assert got.headers["x-request-id"] == "r-1"


@pytest.mark.parametrize("chunked", [False, True])
def test_speech_comes_back_as_the_provider_made_it(
    relay: GatewayProcess, provider: ThreadedUpstream, chunked: bool
) -> None:
    async def script(request: Request, talk: Conversation) -> None:
        kind = [("content-type", "audio/mpeg")]
        if not chunked:
            kind.append(("content-length", str(len(NOISE))))
        await talk.start(200, kind, chunked=chunked)
        for start in range(0, len(NOISE), 20_000):
            await talk.chunk(NOISE[start : start + 20_000])
        await talk.end()

    provider.inner.script = script
    with openai_client(relay.url) as (client, _):
        assert client.audio.speech.create(model="tts-1", voice="alloy", input="Hello").content == NOISE
        with client.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input="x") as stream:
            assert stream.headers["content-type"] == "audio/mpeg"
            assert stream.headers.get("content-length") == (None if chunked else str(len(NOISE)))
            assert b"".join(stream.iter_bytes()) == NOISE


def test_a_compressed_answer_is_relayed_compressed(relay: GatewayProcess, provider: ThreadedUpstream) -> None:
    provider.inner.script = answer(200, NOISE, [("content-encoding", "x-odd"), ("content-type", "text/plain")])
    got = ask(relay.url, "/v1/files/file-1/content", headers={"accept-encoding": "x-odd, gzip"}, method="GET")
    assert (got.body, got.header("content-encoding")) == (NOISE, "x-odd")
    assert only_request(provider).header("accept-encoding") == "x-odd, gzip"


def test_a_large_upload_is_never_held_in_memory(relay: GatewayProcess, provider: ThreadedUpstream) -> None:
    size, block = 50 * MIB, NOISE[:65_536]
    go = threading.Event()  # set once everything on the way to the provider, which reads nothing until then, is full
    got = []

    async def script(request: Request, talk: Conversation) -> None:
        talk.writer.transport.pause_reading()  # type: ignore[attr-defined]
        assert await asyncio.to_thread(go.wait, WITHIN)
        talk.writer.transport.resume_reading()  # type: ignore[attr-defined]
        got.append(await talk.reader.readexactly(size))
        await talk.send(answer(200, b"taken"))

    provider.inner.read_body, provider.inner.script = False, script
    process = psutil.Process(relay.pid)
    before = process.memory_info().rss
    try:
        with socket.create_connection((str(urlsplit(relay.url).hostname), urlsplit(relay.url).port or 0)) as client:
            fields = [("host", "x"), ("content-type", "multipart/form-data; boundary=b"), ("content-length", str(size))]
            client.sendall(head(200, fields).replace(b"HTTP/1.1 200 Said", b"POST /v1/files HTTP/1.1"))
            client.settimeout(1)
            sent, full = 0, None
            while full is None and sent < size:
                try:
                    sent += client.send(block[sent % len(block) :])
                except TimeoutError:
                    full = process.memory_info().rss - before
            go.set()
            client.settimeout(WITHIN)
            while sent < size:
                sent += client.send(block[sent % len(block) :][: size - sent])
            reply = b""
            while not reply.endswith(b"taken") and (part := client.recv(65_536)):
                reply += part
    finally:
        go.set()
        provider.inner.read_body = True
    assert reply.startswith(b"HTTP/1.1 200")
    assert full is not None and full < 8 * MIB, "held while the provider did not read"
    assert process.memory_info().rss - before < 16 * MIB
    assert got[0] == (block * (size // len(block) + 1))[:size]
    assert only_request(provider).header("content-length") == str(size)


def test_a_judged_body_past_its_limit_is_refused_before_it_is_read(
    relay: GatewayProcess, provider: ThreadedUpstream
) -> None:
    with openai_client(relay.url) as (client, _), pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x" * (33 * MIB)}])
    assert (raised.value.status_code, raised.value.code) == (413, "payload_too_large")
    assert not provider.requests


def test_a_relayed_body_past_its_limit_is_refused_before_it_is_read(
    relay: GatewayProcess, provider: ThreadedUpstream
) -> None:
    with openai_client(relay.url) as (client, sent), pytest.raises(openai.APIStatusError) as raised:
        client.files.create(file=("big", b"x" * RELAYED_LIMIT), purpose="evals")
    assert (raised.value.status_code, raised.value.code) == (413, "payload_too_large")
    assert raised.value.response.headers["x-should-retry"] == "false"
    assert len(sent) == 1
    assert not provider.requests


def test_a_relayed_body_without_a_length_is_cut_at_its_limit(relay: GatewayProcess, provider: ThreadedUpstream) -> None:
    arrived: queue.Queue[bytes] = queue.Queue()

    async def script(request: Request, talk: Conversation) -> None:
        data = b""
        try:
            while part := await talk.reader.read(MIB):
                data = data[-10:] + part
        except ConnectionError:
            pass
        arrived.put(data)

    provider.inner.read_body, provider.inner.script = False, script
    try:
        got = ask(relay.url, "/v1/files", (b"x" * MIB for _ in range(RELAYED_LIMIT // MIB + 1)))
        assert got.status == 413
        assert b"payload_too_large" in got.body
        assert not arrived.get(timeout=WITHIN).endswith(b"0\r\n\r\n"), "the provider must see that it is cut off"
    finally:
        provider.inner.read_body = True
