"""From `GATEWAY_REDIS_URL` to a socket that speaks Redis. One place knows the forms of the URL.

A link is a bare connection of redis-py: it never retries, never checks its health by itself and has no time-out of its
own for replies, because its owner bounds whole batches.
"""

from collections.abc import Callable
from typing import Any

from redis.asyncio.connection import AbstractConnection, ConnectionPool, parse_url

MakeLink = Callable[[], AbstractConnection]

_FORMS = "redis://[user:password@]host[:port][/db], rediss://…, or unix:///path/to/socket[?db=n]"


def link_maker(url: str, *, connect_timeout: float) -> MakeLink:
    """What opens links to `url`. Each link looks its host up anew, so dropping links follows a failover.

    Options in the URL's query cannot change how long the gateway waits or whether it tries again.

    Raises:
        ValueError: the URL has no form that is known here.
    """
    try:
        options: dict[str, Any] = dict(parse_url(url))
    except ValueError as error:
        raise ValueError(f"the Redis URL is not one of {_FORMS}") from error
    if url.startswith("unix:") and not options.get("path"):
        raise ValueError(f"the Redis URL names no socket; it must be one of {_FORMS}")
    options.update(
        # The handshake and the replies are bounded by the owner: one timer a batch, not one a reply.
        socket_timeout=None,
        socket_connect_timeout=connect_timeout,
        retry=None,
        retry_on_timeout=False,
        retry_on_error=[],
        health_check_interval=0,
        # RESP2: the same bytes from every server version, no HELLO round trip, no pushed messages among the replies.
        protocol=2,
        driver_info=None,
        decode_responses=False,
    )
    pool = ConnectionPool(**options)
    make: MakeLink = pool.make_connection
    return make
