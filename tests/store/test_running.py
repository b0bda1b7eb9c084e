from gateway.store.running import Running
from tests.store.test_control import replica


async def test_every_replica_hears_how_many_have_something_under_way(redis_url: str) -> None:
    async with replica(redis_url) as control:
        one, other = (Running(control._connection, name) for name in ("rep_1", "rep_2"))
        assert await one.tell("agt_1", False) == 0
        assert await one.tell("agt_1", True) == 1
        assert await other.tell("agt_1", True) == 2
        assert await one.tell("agt_1", False) == 1
        assert await one.tell("agt_2", False) == 0
