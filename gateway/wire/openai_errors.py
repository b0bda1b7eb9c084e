"""How a refusal looks in OpenAI's APIs: https://platform.openai.com/docs/guides/error-codes"""

import orjson

from gateway.model.errors import Refusal


def error_body(refusal: Refusal) -> bytes:
    """The JSON body of a refusal. All members are strings or null."""
    error = {
        "message": refusal.message,
        "type": refusal.kind.type,
        "param": refusal.param,
        "code": refusal.code,
    }
    if refusal.approval_id is not None:
        error["approval_id"] = refusal.approval_id
    return orjson.dumps({"error": error})


def error_frame(refusal: Refusal) -> bytes:
    """The same as an event in a stream that has started; SDKs raise on it, and need its blank line."""
    return b"data: " + error_body(refusal) + b"\n\n"
