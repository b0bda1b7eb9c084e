"""Which agents were stopped, on a real Redis."""

from gateway.store.connection import Connection
from gateway.store.contained_agents import Contained, ContainedAgents

NOTED = Contained("inc_1", 1700000000.123, ("process", "webhook"), ("process",))


async def test_what_is_put_is_there_for_every_replica_until_it_is_removed(connection: Connection) -> None:
    contained = ContainedAgents(connection)
    assert await contained.all() == {}
    await contained.put("agt_1", NOTED)
    await contained.put("agt_2", Contained("", 1.0))
    assert await ContainedAgents(connection).all() == {"agt_1": NOTED, "agt_2": Contained("", 1.0)}
    await contained.remove("agt_2")
    await contained.remove("agt_3")
    assert await contained.all() == {"agt_1": NOTED}


async def test_what_a_newer_version_adds_is_left_out(connection: Connection) -> None:
    await connection.execute("HSET", connection.keys.contained, "agt_1", b'["inc_1",1700000000.123,[],[],"more"]')
    assert await ContainedAgents(connection).all() == {"agt_1": Contained("inc_1", 1700000000.123)}
