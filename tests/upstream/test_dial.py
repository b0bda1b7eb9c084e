"""Names, addresses and which of them are connected to."""

import asyncio
import socket
from typing import Any

import pytest

from gateway.upstream.client import Client
from gateway.upstream.dial import Dialer, DialError
from gateway.upstream.reply import Unreachable
from tests.support.upstream import ScriptedUpstream, json_answer
from tests.upstream.asking import ask, provider, whole

OK = json_answer({"ok": True})


def found(*addresses: str, port: int = 80) -> list[tuple[int, int, int, str, tuple[Any, ...]]]:
    """What a resolver says of a name."""
    return [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (a, port, 0, 0))
        if ":" in a
        else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port))
        for a in addresses
    ]


class Names:
    """A resolver whose answers a test writes down, in order; the last repeats."""

    def __init__(self, *answers: list[tuple[int, int, int, str, tuple[Any, ...]]]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Any:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.1", "0",
        "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    ],
)  # fmt: skip
async def test_no_spelling_of_a_private_address_is_connected_to_unless_it_may(client: Client, host: str) -> None:
    async with ScriptedUpstream(OK) as upstream:
        to = provider(f"http://{host}:{upstream.port}", private_ok=False)
        with pytest.raises(Unreachable, match="not public") as caught:
            await ask(client, to)
        assert "127" not in caught.value.message
        assert upstream.connections == 0


async def test_a_configured_provider_may_be_private(client: Client) -> None:
    async with ScriptedUpstream(OK) as upstream:
        assert await whole(client, provider(upstream.url)) == b'{"ok": true}'


@pytest.mark.parametrize("others", [[], ["1.1.1.1"], ["2606:4700::1111"]])
async def test_one_private_address_among_several_is_enough_to_refuse(others: list[str]) -> None:
    async with ScriptedUpstream(OK) as upstream:
        client = Client(resolve=Names(found(*others, "127.0.0.1", port=upstream.port)))
        with pytest.raises(Unreachable, match="not public"):
            await ask(client, provider("http://name.test", private_ok=False))
        assert upstream.connections == 0
        await client.close()


async def test_a_name_that_turns_private_after_it_was_checked_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection goes to the address that was checked: the name is not asked again in between."""
    async with ScriptedUpstream(OK) as upstream:
        names = Names(found("203.0.113.7", port=upstream.port), found("127.0.0.1", port=upstream.port))
        monkeypatch.setattr("gateway.upstream.dial.all_public", lambda addresses: "127.0.0.1" not in list(addresses))
        client = Client(resolve=names, connect=0.3)
        with pytest.raises(Unreachable):
            await ask(client, provider("http://name.test", private_ok=False))
        assert upstream.connections == 0
        await client.close()


async def test_a_name_that_flips_to_private_is_refused_when_it_is_resolved_again() -> None:
    names = Names([], found("127.0.0.1"))
    dialer = Dialer(names)
    endpoint = provider("http://name.test", private_ok=False).endpoint
    with pytest.raises(DialError, match="does not resolve"):
        await dialer.connect(endpoint, asyncio.Protocol, 1)
    with pytest.raises(DialError, match="not public") as caught:
        await dialer.connect(endpoint, asyncio.Protocol, 1)
    assert not caught.value.again
    assert names.asked == 2


async def test_callers_at_the_same_time_share_one_lookup_and_none_of_them_cancels_it() -> None:
    release, asked = asyncio.Event(), 0

    async with ScriptedUpstream(OK) as upstream:

        async def slow(host: str, port: int) -> Any:
            nonlocal asked
            asked += 1
            await release.wait()
            return found("127.0.0.1", port=upstream.port)

        client = Client(resolve=slow)
        tasks = [asyncio.ensure_future(whole(client, "http://name.test")) for _ in range(5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.sleep(0)
        release.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert results[1:] == [b'{"ok": true}'] * 4
        await whole(client, "http://name.test")
        assert asked == 1
        await client.close()


async def test_an_address_that_does_not_answer_gives_way_to_the_next() -> None:
    async with ScriptedUpstream(OK) as upstream:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            dead = probe.getsockname()[1]
        both = [*found("127.0.0.1", port=dead), *found("127.0.0.1", port=upstream.port)]
        client = Client(resolve=Names(both))
        assert await whole(client, "http://name.test") == b'{"ok": true}'
        await client.close()


async def test_closing_ends_a_lookup_under_way() -> None:
    async def never(host: str, port: int) -> Any:
        await asyncio.Event().wait()

    client = Client(resolve=never)
    task = asyncio.ensure_future(ask(client, "http://name.test"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await client.close()
    with pytest.raises((asyncio.CancelledError, Unreachable)):
        await task


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "[::1]"])
async def test_a_literal_private_address_is_refused_behind_an_egress_proxy_too(client: Client, host: str) -> None:
    async with ScriptedUpstream(OK) as proxy:
        with pytest.raises(Unreachable, match="not public"):
            await ask(client, provider(f"http://{host}", private_ok=False, proxy=proxy.url))
        assert proxy.connections == 0
        assert await whole(client, provider("http://name.test", private_ok=False, proxy=proxy.url)) == b'{"ok": true}'
