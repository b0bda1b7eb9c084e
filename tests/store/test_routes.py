"""Routes of agents, in the control state."""

import time

from gateway.store.connection import Connection
from gateway.store.control import Control
from gateway.store.routes import Routes


async def test_routes_are_known_on_every_replica(connection: Connection) -> None:
    here, there = (Control(connection, clock=time.monotonic) for _ in range(2))
    routes, others = Routes(here), Routes(there)
    for agent, provider in (("agt_2", "b"), ("agt_1", "a"), ("agt_3", "a")):
        await routes.put(agent, provider)
    await there.refresh()
    assert (others.provider_of("agt_2"), others.provider_of("agt_9"), others.to("a")) == ("b", None, 2)
    assert others.page(2) == [("agt_1", "a"), ("agt_2", "b")] and others.page(2, "agt_2") == [("agt_3", "a")]
    await others.drop("agt_2")
    await others.drop("agt_2")
    assert others.provider_of("agt_2") is None and not others.full("agt_2")
