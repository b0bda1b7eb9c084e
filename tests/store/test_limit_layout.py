import struct

import hiredis

from gateway.policy.bounds import BUDGETS, LIMITS, Bound
from gateway.policy.claim import Claim
from gateway.store.keys import Keys
from gateway.store.limit_layout import Layout, numbers_of
from gateway.store.scripts import ScriptCall, load_scripts
from gateway.store.slots import first_key

SCRIPTS = load_scripts()
WHO = "100 %d:agent:ä"


def claim(name: str, base: float, per: float = 0) -> Claim:
    return Claim(Bound(name, {**LIMITS, **BUDGETS}[name], 9, name in BUDGETS), WHO, "d", base, per)


def sent(name: str, call: ScriptCall) -> tuple[list[bytes], list[bytes]]:
    """Keys and arguments as a server reads them."""
    reader = hiredis.Reader()
    reader.feed(call.by_digest)
    command = reader.gets()
    assert call.by_source == call.by_digest.replace(SCRIPTS[name].by_digest, SCRIPTS[name].by_source)
    assert command[:2] == [b"EVALSHA", SCRIPTS[name].digest.encode()]
    count = int(command[2])
    return command[3 : 3 + count], command[3 + count :]


def test_a_reservation_says_once_what_its_bounds_share() -> None:
    claims = [claim("usd_per_day", 1.5, 0.25), claim("tokens_per_minute", 70), claim("concurrent", 1)]
    layout = Layout(Keys("p:"), SCRIPTS, claims, "conv", 30)
    keys, arguments = sent("reserve", layout.reservation("req_%s", claims, 500, 16))
    counts = f"p:{{limits}}:counts:{WHO}".encode()
    minute = f"p:{{limits}}:minute:tokens:{WHO}".encode()
    leases = f"p:{{limits}}:leases:{WHO}".encode()
    assert keys == [b"p:{limits}:reservation:req_%s", counts, minute, leases]
    assert arguments[:3] == [b"req_%s", b"7200", b"30000000"]
    assert numbers_of(arguments[3]) == (500, 16, 1.5, 0.25, 70, 0, 1, 0)
    assert arguments[4:] == [
        *(b"day", b"2", b"0", b"usd_per_day", b"9"),
        *(b"minute", b"2", b"3", b"tokens_per_minute", b"9"),
        *(b"now", b"2", b"4", b"concurrent", b"9"),
    ]
    assert layout.leases == [leases.decode()]
    assert layout.conversation is None


def test_settlements_of_one_plan_go_together() -> None:
    layout = Layout(Keys("p:"), SCRIPTS, [claim("tool_calls_per_conversation", 1)], "conv", 30)
    call = layout.settlement([("a", (2,)), ("b", (-1,))])
    keys, arguments = sent("settle", call)
    assert keys[:2] == [b"p:{limits}:reservation:a", b"p:{limits}:reservation:b"]
    assert keys[2:] == [f"p:{{limits}}:counts:{WHO}:conversation:conv".encode()]
    assert arguments == [
        *(b"2", b"60", struct.pack("<2d", 2, -1), b"a", b"b"),
        *(b"conversation", b"2", b"0", b"tool_calls_per_conversation", b"9"),
    ]
    assert layout.conversation == "conv"
    assert first_key(call) == b"p:{limits}:reservation:a"
