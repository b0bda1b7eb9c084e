"""Documents of files and documents made over the API are in force together."""

import asyncio
import time
from collections.abc import Sequence

from gateway.background.merge_policies import MergePolicies, merged
from gateway.phases.policies import InForce, Policies, in_force
from gateway.policy.document import Document, parse
from gateway.store.connection import Connection
from gateway.store.control import Control
from gateway.store.policies import MadePolicies
from tests.store.conftest import connection

__all__ = ["connection"]


def document(name: str, source: str = "a file") -> Document:
    return parse({"name": name}, source)


def compiled(documents: Sequence[Document], before: InForce) -> InForce:
    return in_force(documents, before=before)


def test_what_was_made_is_in_the_place_of_what_has_its_name_in_a_file() -> None:
    found = merged((document("a"), document("b")), (document("b", "made"), document("c", "made")))
    assert [(one.name, one.source) for one in found] == [("a", "a file"), ("b", "made"), ("c", "made")]


async def test_either_change_swaps_all_that_is_in_force(connection: Connection) -> None:
    made = MadePolicies(Control(connection, clock=time.monotonic), connection, clock=lambda: 1.0)
    policies = Policies()
    merging = MergePolicies(made, policies, (document("a"), document("b")), compiled)

    def names() -> list[str]:
        return [f"{one.name}@{one.version}" for one in policies.current.engine.documents]

    assert names() == ["a@1", "b@1"]
    first = policies.current
    await made.put("b", {"name": "b"}, by="root")
    await made.put("b", {"name": "b"}, by="root")
    await asyncio.sleep(0)
    assert names() == ["a@1", "b@2"] and policies.current is not first
    merging.use((document("b"), document("z")), compiled)
    assert names() == ["b@2", "z@1"]
    await made.drop("b", by="root")
    await asyncio.sleep(0)
    assert names() == ["b@1", "z@1"]
