"""Providers made over the API, in the control state."""

import os
import time

import pytest

from gateway.store.connection import Connection
from gateway.store.control import ChangeConflict, Control
from gateway.store.providers import MadeProvider, MadeProviders
from gateway.store.sealed import Seal

ONE = MadeProvider("one", "https://one.example", "azure", ("gpt-*",), "sk-canary-1")


def made(control: Control, root: bytes = b"root") -> MadeProviders:
    return MadeProviders(control, Seal(root, "provider keys", os.urandom))


async def test_what_is_made_on_one_replica_is_there_on_the_others_with_its_key(connection: Connection) -> None:
    here, there = (Control(connection, clock=time.monotonic) for _ in range(2))
    changes: list[int] = []
    providers, others = made(here), made(there)
    others.on_change(lambda: changes.append(len(others.all())))
    await providers.put(ONE)
    await there.refresh()
    assert providers.all() == others.all() == [ONE] and others.get("one") == ONE
    await others.drop("one")
    await others.drop("one")
    await here.refresh()
    assert (providers.all(), providers.get("one"), changes) == ([], None, [1, 0])


async def test_the_key_is_never_in_redis_and_not_for_another_address(connection: Connection) -> None:
    control = Control(connection, clock=time.monotonic)
    await made(control).put(ONE)
    found = control.get("provider", "one")
    assert found is not None and "sk-canary-1" not in str(found)
    await control.change("provider", "one", {**found[0], "url": "https://evil.example"})
    assert made(control).all() == []
    await control.change("provider", "one", found[0])
    assert made(control).all() == [ONE] and made(control, b"another").all() == []


async def test_two_who_make_the_same_provider_do_not_both_succeed(connection: Connection) -> None:
    here, there = (Control(connection, clock=time.monotonic) for _ in range(2))
    await made(here).put(ONE)
    with pytest.raises(ChangeConflict):
        await made(there).put(MadeProvider("one", "https://two.example"))
