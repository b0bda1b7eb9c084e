"""Tells somebody of ours what to do about an agent: whoever runs it, or the agent itself (its control API).

Signed as all webhooks are (Standard Webhooks). One message has one id, whoever sends it and how often. `type` says what
is wanted: `agent.contain`, `agent.release`, `agent.restart`, `agent.reset`; an answer of 2xx says that it is done.
"""

import secrets
from collections.abc import Callable

import orjson

from gateway.enforcement.asking import Place, ask
from gateway.enforcement.strategy import Case, EnforcementFailed
from gateway.model.signature import sign


class Webhook:
    """One receiver.

    Args:
        name: the key it has in the settings.
        url: may hold a token: it is shown nowhere. secret: `whsec_` and base64.
        clock: seconds since the epoch. rfc3339: writes a time.
    """

    target: str | None = None

    def __init__(
        self,
        name: str,
        url: str,
        secret: str,
        *,
        clock: Callable[[], float],
        rfc3339: Callable[[float], str],
        version: str,
    ) -> None:
        self.name = name
        self._place = Place(url)
        self._secret = secret
        self._clock = clock
        self._rfc3339 = rfc3339
        self._version = version

    async def contain(self, case: Case) -> None:
        await self._tell("contain", case)

    async def release(self, case: Case) -> None:
        await self._tell("release", case)

    async def restart(self, case: Case) -> None:
        await self._tell("restart", case)

    async def reset(self, case: Case) -> None:
        await self._tell("reset", case)

    async def _tell(self, verb: str, case: Case) -> None:
        now = int(self._clock())
        message_id = f"msg_{case.incident_id or secrets.token_hex(8)}_{verb}"
        data = {"agent_id": case.agent_id, "incident_id": case.incident_id or None}
        body = orjson.dumps({"type": f"agent.{verb}", "timestamp": self._rfc3339(now), "data": data})
        headers = {
            "content-type": "application/json",
            "user-agent": f"Leuko/{self._version}",
            "webhook-id": message_id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(self._secret, message_id, now, body),
        }
        answer = await ask(self.name, self._place, "POST", "", headers=headers, content=body)
        if not answer.is_success:
            raise EnforcementFailed(self.name, f"answered {answer.status_code}")
