"""What a tool server lets happen: each call that the gateway let through, once, and nothing else."""

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from gateway.intents.jws import sign
from gateway.intents.keyring import KeyRing
from gateway.intents.payload import of_call
from gateway.intents.tokens import mint_call
from gateway.sdk.errors import GatewayUnavailable
from gateway.sdk.jws import InvalidCall
from gateway.sdk.replays import ReplayCache
from gateway.sdk.verifier import Call, CallVerifier
from tests.sdk.tool_server import ARGUMENTS, ISSUER, JWKS, KEY, NEXT, NOW, claims, token, verifier


def said(**members: Any) -> str:
    """Signed by the gateway's key, but for members."""
    return sign({k: v for k, v in (of_call(claims(), ISSUER) | members).items() if v != "left out"}, "call+jwt", KEY)


def word(check: CallVerifier, given: Any, tool: str = "send_money", arguments: Any = ARGUMENTS, **more: Any) -> str:
    with pytest.raises(InvalidCall) as caught:
        check.check(given, tool, arguments, **more)
    assert str(caught.value).startswith(caught.value.word)
    return caught.value.word


def test_a_call_that_was_let_through_may_be_executed_once() -> None:
    check = verifier()
    made = check.check(token(), "send_money", {"amount": 5.0, "to": "ada"}, agent_id="agt_1", definition="d" * 43)
    assert made == Call("agt_1", "send_money", "call_1", "cal_1", "dec_1", "int_1", "d" * 43)
    assert word(check, token()) == "uses_exhausted"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, "intent_required"),
        ("", "intent_required"),
        ({"token": 1}, "malformed"),
        (5, "malformed"),
        ("\ud800", "malformed"),
        ("a.b", "malformed"),
        (token() + "=", "malformed"),
        (token()[:-2], "bad_signature"),
        (mint_call(claims(), NEXT, ISSUER), "bad_signature"),
        (sign(of_call(claims(), ISSUER), "intent+jwt", KEY), "malformed"),
        (mint_call(claims(), KEY, ISSUER + "/"), "malformed"),
        (token(audience="tools"), "malformed"),
        (said(aud=["bank"]), "malformed"),
        (said(iss=None), "malformed"),
        (said(exp="left out"), "malformed"),
        (said(exp=NOW + 60.5), "malformed"),
        (said(exp=True), "malformed"),
        (said(exp=int(NOW) + 61), "malformed"),
        (said(exp=int(NOW) - 1), "malformed"),
        (said(iat="left out"), "malformed"),
        (said(iat=str(NOW)), "malformed"),
        (said(act="agt_1"), "malformed"),
        (said(act={"sub": ""}), "malformed"),
        (said(jti=1), "malformed"),
        (said(dec="left out"), "malformed"),
        (said(call_id=None), "malformed"),
        (said(intent=5), "malformed"),
        (said(args_hash="left out"), "arguments_mismatch"),
        (token(issued=NOW + 7, expires=NOW + 60), "not_yet_valid"),
        (token(issued=NOW - 60, expires=NOW - 5), "expired"),
        (token(tool="send_all"), "tool_not_in_intent"),
        (token(arguments={"to": "eve", "amount": 5}), "arguments_mismatch"),
        (token(arguments={"to": "ada"}), "arguments_mismatch"),
        (token(arguments={}), "arguments_mismatch"),
    ],
)
def test_everything_else_is_refused_and_uses_nothing_up(given: Any, wanted: str) -> None:
    replays = ReplayCache()
    assert word(verifier(replays=replays), given) == wanted
    assert len(replays) == 0


def test_what_the_server_knows_itself_has_to_agree() -> None:
    assert word(verifier(), token(), agent_id="agt_2") == "wrong_agent"
    assert word(verifier(), token(), definition="e" * 43) == "tool_not_in_intent"
    assert word(verifier(), token(tdef=None), definition="d" * 43) == "tool_not_in_intent"
    assert word(verifier(), token(), arguments={"to": "ada", "amount": 2**60}) == "arguments_mismatch"


def test_of_many_at_once_one_is_let_through() -> None:
    check, passed, given = verifier(), [], token()
    gate = threading.Barrier(8)

    def race() -> None:
        gate.wait()
        try:
            passed.append(check.check(given, "send_money", ARGUMENTS))
        except InvalidCall:
            return

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 1


def test_a_full_cache_refuses_until_what_it_holds_has_expired() -> None:
    now = [NOW]
    check = verifier(replays=ReplayCache(2), clock=lambda: now[0])
    for name in ("a", "b"):
        check.check(token(jti=name), "send_money", ARGUMENTS)
    assert word(check, token(jti="c")) == "uses_exhausted"
    now[0] += 66
    check.check(token(jti="c", issued=now[0], expires=now[0] + 60), "send_money", ARGUMENTS)


class Gateway:
    """What a client gets for the keys, and how often it asked."""

    def __init__(self, jwks: Any) -> None:
        self.jwks = jwks
        self.asked = 0
        self.now = NOW
        self.client = httpx.Client(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if isinstance(self.jwks, Exception):
            raise self.jwks
        return self.jwks if isinstance(self.jwks, httpx.Response) else httpx.Response(200, json=self.jwks)

    def verifier(self) -> CallVerifier:
        return verifier("http://gateway.test/jwks", http_client=self.client, clock=lambda: self.now)

    def token(self, name: str, key: Any = KEY) -> str:
        return mint_call(claims(jti=name, issued=self.now, expires=self.now + 60), key, ISSUER)


def test_keys_are_asked_for_once_and_again_when_they_are_old_or_one_is_new() -> None:
    gateway = Gateway(JWKS)
    check = gateway.verifier()
    for name in "abc":
        check.check(gateway.token(name), "send_money", ARGUMENTS)
    assert gateway.asked == 1
    gateway.now += 11
    gateway.jwks = KeyRing([NEXT]).jwks()
    check.check(gateway.token("d", NEXT), "send_money", ARGUMENTS)
    assert gateway.asked == 2
    for _ in range(20):  # whatever tokens name, the gateway is left in peace
        assert word(check, gateway.token("e")) == "bad_signature"
    assert gateway.asked == 2
    gateway.now += 301
    check.check(gateway.token("f", NEXT), "send_money", ARGUMENTS)
    assert gateway.asked == 3


@pytest.mark.parametrize(
    "broken",
    [
        httpx.ConnectError("refused"),
        httpx.Response(500),
        httpx.Response(302, headers={"location": "http://evil.example"}),
        httpx.Response(200, content=b"{"),
        httpx.Response(200, json={"keys": []}),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"keys": [], "x": "x" * 65_536}),
    ],
)
def test_without_the_gateway_what_is_known_lasts_an_hour(broken: Any) -> None:
    gateway = Gateway(JWKS)
    check = gateway.verifier()
    check.check(gateway.token("a"), "send_money", ARGUMENTS)
    gateway.jwks = broken
    gateway.now += 3600
    check.check(gateway.token("b"), "send_money", ARGUMENTS)
    gateway.now += 1
    with pytest.raises(GatewayUnavailable, match="too old"):
        check.check(gateway.token("c"), "send_money", ARGUMENTS)
    with pytest.raises(GatewayUnavailable):
        Gateway(broken).verifier().check(gateway.token("d"), "send_money", ARGUMENTS)


def test_a_guarded_function_runs_for_its_own_calls_alone() -> None:
    done = []

    @verifier().guard()
    def send_money(to: str, amount: int, note: str = "none") -> str:
        done.append((to, amount, note))
        return "sent"

    assert send_money("ada", amount=5, call_token=token()) == "sent"
    for refused in ({"call_token": token()}, {}, {"call_token": token(jti="b"), "note": "none"}):
        with pytest.raises(InvalidCall):
            send_money("ada", amount=5, **refused)
    assert done == [("ada", 5, "none")]
    assert send_money.__name__ == "send_money"


async def test_a_guarded_coroutine_function_may_get_its_token_elsewhere() -> None:
    current: list[str | None] = [token("pay", {"to": "ada", "more": [1, 2], "extra": 3})]
    done = []

    @verifier().guard("pay", token=lambda: current[0])
    async def send_money(to: str, **others: Any) -> None:
        await asyncio.sleep(0)
        done.append((to, others))

    await send_money("ada", more=[1, 2], extra=3)
    current[0] = None
    with pytest.raises(InvalidCall, match="intent_required"):
        await send_money("ada", more=[1, 2], extra=3)
    assert done == [("ada", {"more": [1, 2], "extra": 3})]


def test_more_arguments_by_position_are_a_list() -> None:
    @verifier().guard("add")
    def add(*numbers: int) -> int:
        return sum(numbers)

    assert add(1, 2, call_token=token("add", {"numbers": [1, 2]})) == 3


def test_a_store_that_several_servers_share_may_remember_for_them() -> None:
    known: dict[str, float] = {}

    class Shared:
        def take(self, token_id: str, expires: float, now: float) -> bool:
            return known.setdefault(token_id, expires) == expires and len(known) == 1

    verifier(replays=Shared()).check(token(), "send_money", ARGUMENTS)
    assert known == {"cal_1": NOW + 65}


def test_keys_may_be_given_as_they_are() -> None:
    with pytest.raises(ValueError, match="no JWK set"):
        CallVerifier({}, issuer=ISSUER)
    given: Mapping[str, Any] = {"keys": [*JWKS["keys"], {"kty": "RSA"}, {"kty": "OKP", "crv": "Ed25519", "kid": "k"}]}
    assert verifier(given).check(token(), "send_money", ARGUMENTS).agent_id == "agt_1"
