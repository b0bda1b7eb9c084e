"""What agents behind each fingerprint look like, so that every replica tells them apart alike."""

import logging
from collections.abc import Sequence

import orjson

from gateway.identity.forms import MOST_FORMS, Form
from gateway.store.connection import Connection
from gateway.store.errors import CommandRefused, StoreUnavailable
from gateway.store.lane import Argument
from gateway.store.write_behind import WriteBehind

logger = logging.getLogger(__name__)

_WAITING_LIMIT = 2_000


class Forms:
    """Read before a form is judged (`of`), kept after the first answer that worked (`keep`, `run`).

    Args:
        keep_seconds: how long the forms of a fingerprint are remembered that nobody uses.
    """

    def __init__(self, connection: Connection, *, keep_seconds: int, interval: float = 0.02) -> None:
        self._connection = connection
        self._keep_seconds = keep_seconds
        self._waiting: dict[tuple[str, str], Form] = {}
        self._writing = WriteBehind(self.flush, interval)

    async def of(self, base: str) -> Sequence[Form]:
        """The forms behind a fingerprint, its own agent's first. Raises StoreUnavailable."""
        flat = await self._connection.script("read_hash", [self._connection.keys.forms(base)])
        found = [_read(name.decode(), value) for name, value in zip(flat[::2], flat[1::2], strict=True)]
        return sorted(found, key=lambda form: (form.agent_id != base, form.agent_id))

    def keep(self, base: str, form: Form) -> None:
        """In memory; the first one of an agent stays."""
        if len(self._waiting) < _WAITING_LIMIT:
            self._waiting.setdefault((base, form.agent_id), form)
            self._writing.wake()

    async def run(self) -> None:
        """Write while there is something to write, until cancelled; then what is left, once."""
        await self._writing.run()

    async def flush(self) -> bool:
        """Write what waits now. False if Redis does not answer: it goes on waiting."""
        for (base, agent_id), form in list(self._waiting.items()):
            arguments: list[Argument] = [agent_id, _packed(form), MOST_FORMS, self._keep_seconds]
            try:
                await self._connection.script("keep_form", [self._connection.keys.forms(base)], arguments)
            except StoreUnavailable:
                return False
            except CommandRefused as error:
                logger.error("Redis refused the form of agent %s: %s", agent_id, error)
            del self._waiting[base, agent_id]
        return True


def _packed(form: Form) -> bytes:
    return orjson.dumps([sorted(form.tools), form.prompt])


def _read(agent_id: str, packed: bytes) -> Form:
    tools, prompt = orjson.loads(packed)
    return Form(agent_id, frozenset(tools), tuple(prompt))
