"""Requests of strategies: certificates, no proxies, no waiting for ever."""

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.enforcement.asking import Place, ask, refused
from gateway.enforcement.strategy import EnforcementFailed


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


@asynccontextmanager
async def engine(certificate: tuple[Path, Path], *, clients: bool = False) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate[0])
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_only_a_server_that_is_trusted_is_asked(certificate: tuple[Path, Path]) -> None:
    async with engine(certificate) as url:
        answer = await ask("container", Place(url, ca_file=certificate[0]), "GET", "/x")
        assert answer.status_code == 204
        with pytest.raises(EnforcementFailed, match="container: does not answer"):
            await ask("container", Place(url), "GET", "/x")


async def test_the_gateway_shows_itself_by_its_certificate(certificate: tuple[Path, Path]) -> None:
    cert_file, key_file = certificate
    async with engine(certificate, clients=True) as url:
        place = Place(url, ca_file=cert_file, cert_file=cert_file, key_file=key_file)
        assert (await ask("container", place, "GET", "/x")).status_code == 204
        with pytest.raises(EnforcementFailed):
            await ask("container", Place(url, ca_file=cert_file), "GET", "/x")


async def test_certificates_that_cannot_be_used_are_a_failure(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(EnforcementFailed, match="TLS"):
        await ask("container", Place("https://127.0.0.1:1", ca_file=tmp_path / "ca.pem"), "GET", "/x")
    with pytest.raises(EnforcementFailed, match="does not answer \\(FileNotFoundError\\)"):
        await ask("container", Place("https://127.0.0.1:1", ca_file=tmp_path / "none.pem"), "GET", "/x")


async def test_an_answer_that_does_not_come_in_time_is_a_failure() -> None:
    over = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        over.set()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        place = Place(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(EnforcementFailed, match="does not answer"):
            await ask("container", place, "GET", "/x", within=0.05)
        await over.wait()


async def test_proxies_of_the_environment_are_not_used(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with engine(certificate) as url:
        assert (await ask("container", Place(url, ca_file=certificate[0]), "GET", "/x")).status_code == 204


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"message": "no such\\ncontainer"}', "answered 500: no such container"),
        (b'{"message": "%s"}' % (b"x" * 999), "answered 500: " + "x" * 200),
        (b'{"kind": "Status"}', "answered 500"),
        (b"[]", "answered 500"),
        (b"\xff<html>", "answered 500"),
    ],
)
def test_a_refusal_is_shown_by_its_status_and_message(content: bytes, said: str) -> None:
    assert refused("container", httpx.Response(500, content=content)).reason == said
