"""How a refusal looks in Anthropic's API: https://docs.anthropic.com/en/api/errors"""

import orjson

from gateway.model.errors import Refusal


def error_body(refusal: Refusal) -> bytes:
    """The JSON body of a refusal; `code` is an addition of ours, since `type` alone does not say which rule it was."""
    error = {"type": refusal.kind.anthropic_type, "message": refusal.message, "code": refusal.code}
    if refusal.approval_id is not None:
        error["approval_id"] = refusal.approval_id
    return orjson.dumps({"type": "error", "error": error})


def error_frame(refusal: Refusal) -> bytes:
    """The same as an event in a stream that has started; SDKs raise on it."""
    return b"event: error\ndata: " + error_body(refusal) + b"\n\n"
