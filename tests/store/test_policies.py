"""Documents made over the API, in the control state."""

import asyncio
import time
from itertools import count
from typing import Any

import pytest

from gateway.store import policies as module
from gateway.store.connection import Connection
from gateway.store.control import ChangeConflict, Control
from gateway.store.policies import MadePolicies, MadePolicy, NoRoom


def document(name: str = "ops", requests: int = 1) -> dict[str, Any]:
    return {"name": name, "limits": {"requests_per_minute": requests}}


def replica(connection: Connection) -> tuple[Control, MadePolicies]:
    control = Control(connection, clock=time.monotonic)
    numbers = count(1)
    return control, MadePolicies(control, connection, clock=lambda: float(next(numbers)))


async def test_a_document_is_known_on_every_replica_with_its_version(connection: Connection) -> None:
    _, here = replica(connection)
    control, there = replica(connection)
    heard: list[tuple[str, int]] = []
    there.on_change(lambda: heard.extend((one.name, one.version) for one in there.documents()))
    made = await here.put("ops", document(), by="root", text="name: ops", expected=0)
    assert (made.version, made.by, made.text, made.epoch > 0) == (1, "root", "name: ops", True)
    await control.refresh()
    await asyncio.sleep(0)
    assert there.get("ops") == made and heard == [("ops", 1)]
    assert there.documents()[0].bounds[0].most == 1
    await here.put("ops", document(requests=2), by="adk_1", expected=made.epoch)
    await control.refresh()
    await asyncio.sleep(0)
    assert heard[1:] == [("ops", 2)]


async def test_of_two_who_change_one_version_one_hears_that_it_has_changed(connection: Connection) -> None:
    _, here = replica(connection)
    control, there = replica(connection)
    made = await here.put("ops", document(), by="a", expected=0)
    await control.refresh()
    changes = [one.put("ops", document(requests=n), by="b", expected=made.epoch) for n, one in enumerate((here, there))]
    results = await asyncio.gather(*changes, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["ChangeConflict", "MadePolicy"]
    for wrong in (0, made.epoch):
        with pytest.raises(ChangeConflict):
            await here.put("ops", document(), by="a", expected=wrong)


async def test_earlier_versions_are_kept_up_to_a_number_and_deletions_count(connection: Connection) -> None:
    _, policies = replica(connection)
    for number in range(3):
        await policies.put("ops", document(requests=number), by="a")
    await policies.drop("ops", by="b")
    await policies.drop("ops", by="b")
    assert policies.get("ops") is None and policies.all() == [] and policies.documents() == ()
    assert [(one.version, one.deleted, one.by) for one in await policies.versions("ops")] == [
        (4, True, "b"),
        (3, False, "a"),
        (2, False, "a"),
        (1, False, "a"),
    ]
    second = await policies.version("ops", 2)
    assert second is not None and second.document == document(requests=1)
    again = await policies.put("ops", second.document, by="c", expected=0)
    assert (again.version, again.deleted, policies.get("ops")) == (5, False, again)
    for number in range(module.VERSIONS_KEPT + 3):
        await policies.put("ops", document(requests=number), by="a")
    kept = await policies.versions("ops")
    assert [one.version for one in kept] == list(range(58, 58 - module.VERSIONS_KEPT - 1, -1))
    assert await policies.version("ops", 7) is None and await policies.version("ops", 8) is not None
    fields = await connection.execute("HLEN", connection.keys.policy_versions("ops"))
    assert fields == 2 * module.VERSIONS_KEPT


async def test_a_redis_that_comes_back_empty_is_given_the_documents_again(connection: Connection) -> None:
    control, policies = replica(connection)
    await policies.put("ops", document(), by="a")
    await connection.execute("FLUSHALL")
    await control.refresh()
    later, others = replica(connection)
    await later.refresh()
    assert others.get("ops") == policies.get("ops")
    assert [one.version for one in await policies.versions("ops")] == [1]


async def test_documents_are_bounded(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    _, policies = replica(connection)
    with pytest.raises(NoRoom, match="at most 131072"):
        await policies.put("big", document("big"), by="a", text="#" * module.LARGEST)
    monkeypatch.setattr(module, "MOST", 1)
    await policies.put("ops", document(), by="a")
    await policies.put("ops", document(requests=2), by="a")
    with pytest.raises(NoRoom, match="already"):
        await policies.put("more", document("more"), by="a")
    monkeypatch.setattr(module, "MOST", 9)
    monkeypatch.setattr(module, "MOST_BYTES", 90)
    with pytest.raises(NoRoom, match="together"):
        await policies.put("more", document("more"), by="a")


async def test_a_document_of_a_newer_version_leaves_what_was_read_last_in_force(connection: Connection) -> None:
    control, policies = replica(connection)
    await policies.put("ops", document(requests=7), by="a")
    data = {"version": 2, "document": {"name": "ops", "tomorrow": 1}, "text": None, "at": 1.0, "by": "a"}
    await control.change("policy", "ops", data)
    assert [one.bounds[0].most for one in policies.documents()] == [7] and policies.unreadable == {"ops"}
    await policies.put("ops", document(requests=8), by="a")
    assert [one.bounds[0].most for one in policies.documents()] == [8] and not policies.unreadable
    assert isinstance(policies.all()[0], MadePolicy)
