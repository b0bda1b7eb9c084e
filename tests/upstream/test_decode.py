"""Content codings undone, within bounds."""

import gzip
import os
import random
import subprocess
import sys
import time
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.errors import Refusal, UnreadableRequest
from gateway.upstream.decode import LIMIT, Decoder, decode, decode_answer


def raw_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(data) + engine.flush()


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": (" zstd ", zstandard.ZstdCompressor().compress),
}
PACKED = sorted(CODINGS)
TEXT = (
    b'{"model":"gpt-4o","messages":[{"role":"user","content":"'
    + random.Random(1).randbytes(5000).hex().encode()
    + b'"}]}'
)


def code_of(body: bytes, encoding: str, **bounds: int) -> str:
    with pytest.raises(UnreadableRequest) as caught:
        decode(body, encoding, **bounds)
    return caught.value.code


@pytest.mark.parametrize("kind", PACKED)
def test_a_body_is_what_it_was_before_it_was_coded(kind: str) -> None:
    encoding, pack = CODINGS[kind]
    assert decode(pack(TEXT), encoding) == TEXT
    assert decode_answer(pack(TEXT), encoding) == TEXT
    assert decode(pack(b""), encoding) == b""
    assert decode(b"", encoding) == b""


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PACKED), st.binary(max_size=400), st.lists(st.integers(0, 500), max_size=8))
def test_an_answer_is_the_same_wherever_it_is_cut(kind: str, data: bytes, cuts: list[int]) -> None:
    encoding, pack = CODINGS[kind]
    packed = pack(data)
    edges = [0, *sorted(cuts), len(packed)]
    decoder = Decoder(encoding)
    got = b"".join(decoder.decode(packed[a:b]) for a, b in zip(edges, edges[1:], strict=False) if b > a)
    decoder.finish()
    assert got == data


def test_what_was_flushed_comes_out_at_once() -> None:
    engine = zlib.compressobj(wbits=31)
    decoder = Decoder("gzip")
    for event in (b"data: 1\n\n", b"data: 2\n\n"):
        assert decoder.decode(engine.compress(event) + engine.flush(zlib.Z_SYNC_FLUSH)) == event
    packer = zstandard.ZstdCompressor().compressobj()
    decoder = Decoder("zstd")
    for event in (b"data: 1\n\n", b"data: 2\n\n"):
        packed = packer.compress(event) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        assert decoder.decode(packed) == event


def test_every_byte_gives_out_all_that_can_be_known_from_it() -> None:
    packed = gzip.compress(b"a" * 200_000)
    plain, decoder = zlib.decompressobj(wbits=31), Decoder("gzip")
    for n in range(len(packed)):
        one = packed[n : n + 1]
        assert decoder.decode(one) == plain.decompress(one)
        assert Decoder("gzip").decode(packed[:n]) == zlib.decompressobj(wbits=31).decompress(packed[:n])


def test_several_gzip_members_are_one_body() -> None:
    assert decode(gzip.compress(b"a" * 10) + gzip.compress(b"b"), "gzip") == b"a" * 10 + b"b"


def test_a_body_of_a_million_gzip_members_is_refused_before_the_second_thousand() -> None:
    started = time.process_time()
    assert code_of(gzip.compress(b"") * 1_000_000, "gzip") == "invalid_request"
    assert time.process_time() - started < 5  # an engine each, and a copy of all that is left, took nine minutes


def test_identity_is_no_coding() -> None:
    assert decode(b"x", "identity") == b"x"
    assert decode_answer(b"x", "") == b"x"


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br,zstd", "identity, gzip", "compress", "gzip;q=1", "zip", "*"])
def test_nested_and_unknown_codings_are_refused(encoding: str) -> None:
    assert code_of(gzip.compress(gzip.compress(TEXT)), encoding) == "invalid_request"
    with pytest.raises(Refusal) as caught:
        Decoder(encoding)
    assert caught.value.code == "upstream_invalid"


@pytest.mark.parametrize("kind", PACKED)
def test_a_body_that_is_cut_off_anywhere_or_goes_on_is_refused(kind: str) -> None:
    encoding, pack = CODINGS[kind]
    packed = pack(TEXT[:300])
    for end in range(1, len(packed)):
        assert code_of(packed[:end], encoding) == "invalid_request"
        decoder = Decoder(encoding)
        with pytest.raises(Refusal, match="cannot be decoded"):
            decoder.decode(packed[:end])
            decoder.finish()
    assert code_of(packed + b"more", encoding) == "invalid_request"


@pytest.mark.parametrize("kind", PACKED)
def test_damage_never_goes_unnoticed_where_the_coding_has_a_checksum_and_never_crashes(kind: str) -> None:
    encoding, pack = CODINGS[kind]
    dice, packed = random.Random(3), pack(TEXT[:300])
    for _ in range(200):
        damaged = bytearray(packed)
        damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
        try:
            decode(bytes(damaged), encoding)
        except UnreadableRequest as error:
            assert error.code in ("invalid_request", "payload_too_large")


def test_an_answer_that_cannot_be_decoded_is_the_providers_fault() -> None:
    with pytest.raises(Refusal) as caught:
        decode_answer(b"nonsense", "gzip")
    assert (caught.value.code, caught.value.status) == ("upstream_invalid", 502)


def test_a_second_body_behind_the_first_is_refused() -> None:
    for kind in PACKED:
        encoding, pack = CODINGS[kind]
        if pack is not gzip.compress:
            assert code_of(pack(b"a") + pack(b"b"), encoding) == "invalid_request"
    packed = zstandard.ZstdCompressor().compress(os.urandom(1000))
    decoder = Decoder("zstd")
    decoder.decode(packed)
    with pytest.raises(Refusal):
        decoder.decode(packed)


def test_plain_text_that_claims_a_coding_is_refused() -> None:
    for encoding in ("gzip", "deflate", "br", "zstd"):
        assert code_of(b'{"model":"gpt-4o"}', encoding) == "invalid_request"


@pytest.mark.parametrize("kind", PACKED)
def test_the_limit_of_decoded_bytes_is_exact(kind: str) -> None:
    encoding, pack = CODINGS[kind]
    assert len(decode(pack(TEXT), encoding, limit=len(TEXT))) == len(TEXT)
    assert code_of(pack(TEXT), encoding, limit=len(TEXT) - 1) == "payload_too_large"


@pytest.mark.parametrize("kind", PACKED)
def test_a_short_repetitive_body_may_grow_more_than_a_hundredfold(kind: str) -> None:
    encoding, pack = CODINGS[kind]
    assert decode(pack(b"a" * 500_000), encoding) == b"a" * 500_000
    assert code_of(pack(b"a" * 2_000_000), encoding) == "payload_too_large"
    assert len(decode(pack(b"a" * 2_000_000), encoding, ratio=1 << 30)) == 2_000_000


def test_a_zstandard_window_larger_than_the_web_s_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=24, enable_ldm=True)
    packed = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    body = packed.compress(os.urandom(100_000)) + packed.flush()
    assert code_of(body, "zstd") == "invalid_request"


_BOMB = """
import resource, sys, zlib, brotli, zstandard
sys.path.insert(0, {root!r})
from gateway.model.errors import Refusal
from gateway.upstream.decode import Decoder, decode
kind, whole = {kind!r}, {whole!r}
zeros, total = bytes(1 << 20), 200
if kind == "gzip":
    engine = zlib.compressobj(9, wbits=31)
    bomb = b"".join(engine.compress(zeros) for _ in range(total)) + engine.flush()
elif kind == "br":
    engine = brotli.Compressor(quality=5, lgwin=18)
    bomb = b"".join(engine.process(zeros) for _ in range(total)) + engine.finish()
else:
    engine = zstandard.ZstdCompressor(level=3).compressobj()
    bomb = b"".join(engine.compress(zeros) for _ in range(total)) + engine.flush()
del engine
assert len(bomb) < 300_000, len(bomb)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    if whole:
        decode(bomb, kind)
    else:
        decoder = Decoder(kind)
        for start in range(0, len(bomb), 65536):
            decoder.decode(bomb[start : start + 65536])
except Refusal as refusal:
    print(refusal.code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("whole", [True, False], ids=["request", "answer"])
@pytest.mark.parametrize("kind", ["gzip", "br", "zstd"])
def test_a_bomb_of_two_hundred_megabytes_is_cut_before_it_takes_ten(kind: str, whole: bool) -> None:
    """In a process of its own: the highest memory use of this one says nothing about one call."""
    program = _BOMB.format(root=os.getcwd(), kind=kind, whole=whole)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    code, grown = done.stdout.split()
    assert code == ("payload_too_large" if whole else "upstream_invalid")
    assert int(grown) < 10 * 1024  # KiB


def test_the_default_limit_is_the_one_of_judged_routes() -> None:
    assert LIMIT == 32 * 1024 * 1024
