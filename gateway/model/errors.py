"""Every error the gateway answers with, as one table from `error.code` to HTTP status and `error.type`.

    Refusal            anything the gateway answers by itself; carries a code of `CODES`
    ClientGone         the caller left; nobody is there to be answered
    UnreadableRequest  raised by `wire` when bytes cannot be given one meaning; becomes a 400

A refusal never holds a secret, a stack trace or an internal address: its message is shown to the caller as it is.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """What one `error.code` means on the wire.

    `type` is OpenAI's `error.type`; `anthropic_type` the same in the Messages API. `retry` False adds
    `x-should-retry: false`, because the same request would be refused again.
    """

    status: int
    type: str
    anthropic_type: str
    retry: bool


_INVALID = ("invalid_request_error", "invalid_request_error", False)
_FORBIDDEN = ("permission_error", "permission_error", False)

CODES: dict[str, Code] = {
    "agent_quarantined": Code(403, *_FORBIDDEN),
    "agent_draining": Code(403, *_FORBIDDEN),
    "conversation_blocked": Code(403, *_FORBIDDEN),
    "policy_denied": Code(403, *_FORBIDDEN),
    "tool_call_denied": Code(403, *_FORBIDDEN),
    "model_not_allowed": Code(403, *_FORBIDDEN),
    "intent_required": Code(403, *_FORBIDDEN),
    "intent_invalid": Code(403, *_FORBIDDEN),
    "intent_exhausted": Code(403, *_FORBIDDEN),
    "approval_required": Code(403, *_FORBIDDEN),
    "rate_limit_exceeded": Code(429, "rate_limit_error", "rate_limit_error", True),
    "budget_exceeded": Code(429, "insufficient_quota", "rate_limit_error", False),
    "invalid_api_key": Code(401, "authentication_error", "authentication_error", False),
    "invalid_request": Code(400, *_INVALID),
    "duplicate_key": Code(400, *_INVALID),
    "not_found": Code(404, "invalid_request_error", "not_found_error", False),
    "payload_too_large": Code(413, "invalid_request_error", "request_too_large", False),
    "host_not_allowed": Code(421, *_INVALID),
    "upgrade_unsupported": Code(426, *_INVALID),
    "upstream_unavailable": Code(502, "upstream_error", "api_error", True),
    "upstream_timeout": Code(504, "upstream_error", "timeout_error", True),
    "upstream_invalid": Code(502, "upstream_error", "api_error", True),
    "state_unavailable": Code(503, "server_error", "overloaded_error", True),
    "audit_unavailable": Code(503, "server_error", "overloaded_error", True),
    "overloaded": Code(503, "server_error", "overloaded_error", True),
    "gateway_draining": Code(503, "server_error", "overloaded_error", True),
    "internal_error": Code(500, "server_error", "api_error", True),
}


class Refusal(Exception):
    """The gateway's own answer to a request: raised anywhere, answered once, in the caller's dialect.

    Args:
        code: a key of `CODES`.
        message: what the caller reads; names the field, its value and what is allowed.
        status: overrides the code's status (503 instead of 502 while a breaker is open).
        param: the request member at fault, e.g. `tools[0].function.name`.
        retry_after: seconds, sent as `retry-after`; at most 60.
        retry: overrides the code's `retry`.
        headers: further response headers, lower-case names.
        approval_id: what a person is asked to approve; stands in the body.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        param: str | None = None,
        retry_after: int | None = None,
        retry: bool | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        approval_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.kind = CODES[code]
        self.status = self.kind.status if status is None else status
        self.param = param
        self.retry_after = retry_after
        self.retry = self.kind.retry if retry is None else retry
        self.headers = headers
        self.approval_id = approval_id

    def __reduce__(self) -> tuple[object, ...]:  # exceptions with keyword arguments do not pickle by themselves
        return (type(self), (self.code, self.message))


class ClientGone(Exception):
    """The caller closed its connection before the answer was complete."""


class UnreadableRequest(Refusal):
    """A request that `wire` cannot give exactly one meaning: syntax, depth, encoding, duplicate keys."""

    def __init__(self, message: str, *, code: str = "invalid_request", param: str | None = None) -> None:
        super().__init__(code, message, param=param)

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.message,))
