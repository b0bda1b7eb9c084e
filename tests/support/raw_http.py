"""A client that sends exactly the bytes it is told, over a plain or TLS socket."""

import asyncio
import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any

PATIENCE = 10.0
"""Seconds after which a test that waits for the server has failed."""


@dataclass(frozen=True)
class Response:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    whole: bool
    """False if the connection ended before the framing said so."""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


class RawConnection:
    """One connection; `async with await RawConnection.open(address) as connection`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(
        cls,
        address: tuple[str, int],
        *,
        tls: ssl.SSLContext | None = None,
        receive_buffer: int | None = None,
        limit: int = 65536,
    ) -> "RawConnection":
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, address)
        except BaseException:
            sock.close()
            raise
        name = "localhost" if tls else None
        reader, writer = await asyncio.open_connection(sock=sock, ssl=tls, server_hostname=name, limit=limit)
        return cls(reader, writer)

    async def __aenter__(self) -> "RawConnection":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read_until_end(self) -> bytes:
        """Everything up to the server's close. A reset counts as an end; see `ended_by_reset`."""
        parts = []
        async with asyncio.timeout(PATIENCE):
            try:
                while part := await self.reader.read(65536):
                    parts.append(part)
            except ConnectionError:
                pass
        return b"".join(parts)

    async def ended_by_reset(self) -> bool:
        """Wait for the end of the connection; whether it was a reset."""
        async with asyncio.timeout(PATIENCE):
            try:
                while await self.reader.read(65536):
                    pass
            except ConnectionError:
                return True
            return False

    async def response(self, *, head_only: bool = False) -> Response:
        """The next response; raises IncompleteReadError if the connection ends before its head does."""
        async with asyncio.timeout(PATIENCE):
            status, headers = await self.response_head()
            if head_only or status in (204, 304):
                return Response(status, headers, b"", True)
            fields = dict(headers)
            try:
                if "content-length" in fields:
                    return Response(status, headers, await self.reader.readexactly(int(fields["content-length"])), True)
                if fields.get("transfer-encoding") == "chunked":
                    return Response(status, headers, *await self._chunks())
            except asyncio.IncompleteReadError as error:
                return Response(status, headers, error.partial, False)
            return Response(status, headers, await self.reader.read(), True)

    async def response_head(self) -> tuple[int, list[tuple[str, str]]]:
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        return int(first.split(" ")[1]), [(k.lower(), v.strip()) for k, v in (line.split(":", 1) for line in lines)]

    async def _chunks(self) -> tuple[bytes, bool]:
        body = b""
        try:
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readuntil(b"\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return body, False
        return body, True

    def reset(self) -> None:
        """Leave with a RST, as a killed client whose socket holds unread bytes does."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        try:
            async with asyncio.timeout(PATIENCE):
                await self.writer.wait_closed()
        except (ConnectionError, ssl.SSLError):
            pass
