"""Pauses, continues and restarts a container by the Docker Engine API, which Podman speaks too.

https://docs.docker.com/reference/api/engine/ . Paths without a version mean the newest the engine has: engines refuse
versions that are too old for them or too new, and these few calls are the same in all.
"""

import re
import socket
from typing import Any

from gateway.enforcement.asking import SECONDS, Place, ask, refused
from gateway.enforcement.strategy import Case, EnforcementFailed

NAME = "container"
_GRACE_SECONDS = 10
_SHORT_ID = re.compile(r"[0-9a-f]{12}")


class Docker:
    """One agent's container, by id or name."""

    name = NAME

    def __init__(self, container: str, place: Place) -> None:
        self._path = f"/containers/{container}"
        self._place = place
        self.target: str | None = f"docker {place.socket or place.url} {container}"

    async def contain(self, case: Case) -> None:
        state = await self._state()
        if state is None:
            raise EnforcementFailed(NAME, "there is no such container")
        if not state.get("Running"):
            raise EnforcementFailed(NAME, "it does not run")
        if not state.get("Paused"):
            await self._tell("pause")

    async def release(self, case: Case) -> None:
        """One that is gone, or runs, needs no letting go."""
        state = await self._state()
        if state is not None and state.get("Paused"):
            await self._tell("unpause")

    async def restart(self, case: Case) -> None:
        """One that is paused goes on first: it could not be ended in its sleep by every engine."""
        await self.release(case)
        await self._tell(f"restart?t={_GRACE_SECONDS}", within=SECONDS + _GRACE_SECONDS)

    async def _state(self) -> dict[str, Any] | None:
        """None without such a container."""
        answer = await ask(NAME, self._place, "GET", self._path + "/json")
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise refused(NAME, answer)
        try:
            found = answer.json()
            state: dict[str, Any] = found["State"]
            own = _SHORT_ID.fullmatch(socket.gethostname())  # as containers are called inside
            if own is not None and str(found["Id"]).startswith(own[0]):
                raise EnforcementFailed(NAME, "it is the gateway's own container")
        except (ValueError, KeyError, TypeError):
            raise EnforcementFailed(NAME, "its answer is not the Docker Engine API's") from None
        return state

    async def _tell(self, what: str, *, within: float = SECONDS) -> None:
        answer = await ask(NAME, self._place, "POST", f"{self._path}/{what}", within=within)
        if answer.status_code not in (204, 304):  # 304: it is so already
            raise refused(NAME, answer)
