"""One canonical form of a request's path, and what it stands for.

The canonical path is computed once, from the bytes as received, and is the only one that router, policy and provider
see: a path that two parties could read differently is refused, never repaired (RFC 3986 section 6.2 says which
spellings are the same).
"""

import re

from gateway.model.errors import UnreadableRequest
from gateway.model.route import Route

_AMBIGUOUS = re.compile(rb"[\x00-\x20\x7f-\xff\\;]|%(?![0-9A-Fa-f]{2})|%[01][0-9A-Fa-f]|%7[Ff]|%5[Cc]|%3[Bb]")
_ENCODED_UNRESERVED = re.compile(rb"%(2[DdEe]|3[0-9]|4[1-9A-Fa-f]|5[0-9AaFf]|6[1-9A-Fa-f]|7[0-9AaEe])")
_SLASHES = re.compile(rb"/{2,}")
_CUT_OFF = re.compile("%3[Ff]|%23")
_SLASHES_TEXT = re.compile(r"(/|%2[Ff])+")

_API_ROOTS = frozenset(
    (
        "assistants", "audio", "batches", "chat", "chatkit", "completions", "containers", "conversations",
        "embeddings", "evals", "files", "fine_tuning", "images", "messages", "models", "moderations", "organization",
        "realtime", "rerank", "responses", "skills", "threads", "uploads", "vector_stores", "videos",
    )
)  # fmt: skip
"""First segments that mean the provider's API when a base URL lacks `/v1`; anything else there is not ours to relay."""

_JUDGED = {
    "/chat/completions": "chat_completions",
    "/completions": "completions",
    "/responses": "responses",
    "/embeddings": "embeddings",
    "/messages": "messages",
    "/messages/count_tokens": "messages",
}
_OPERATION = re.compile(
    r"/(chat/completions|completions|responses|embeddings|messages(/count_tokens)?)\Z", re.IGNORECASE
)
"""The end of a path that asks for an answer, also below a prefix: `/engines/{model}/completions`."""
_THREAD_MESSAGES = re.compile(r"/threads/[^/]+/messages", re.IGNORECASE)
_STORED_ANSWER = re.compile(r"/(responses|chat/completions)/[^/]+(/cancel)?", re.IGNORECASE)


def canonical_path(raw: bytes) -> str:
    """The path below the authority, `//` and a trailing slash folded, unreserved characters decoded, the rest as sent.

    Raises UnreadableRequest for dot segments (also encoded), a backslash, `;`, control bytes and broken escapes.
    """
    if _AMBIGUOUS.search(raw):
        raise UnreadableRequest("The path holds a character or an escape that servers read in different ways.")
    path = raw
    if b"%" in path:
        path = _ENCODED_UNRESERVED.sub(lambda m: bytes([int(m[1], 16)]), path)
    if b"//" in path:
        path = _SLASHES.sub(b"/", path)
    if b"." in path and any(segment in (b".", b"..") for segment in re.split(rb"/|%2[Ff]", path)):
        raise UnreadableRequest("The path holds a dot segment.")
    if len(path) > 1 and path.endswith(b"/"):
        path = path[:-1]
    return path.decode("ascii")


def data_plane_route(method: str, path: str) -> Route | None:
    """What a canonical path asks of a provider, or None where it is not a path of the data plane.

    Raises UnreadableRequest for a relayed path that a provider could take for a judged one.
    """
    provider = None
    if path.startswith("/p/"):
        provider, slash, rest = path[3:].partition("/")
        path = slash + rest
    below, deployment = _below_v1(path)
    if below is None:
        return None
    # What a provider may see that decodes slashes, or drops what a file system would.
    whole = below if deployment is None else f"/{deployment}{below}"
    decoded = _CUT_OFF.split(_SLASHES_TEXT.sub("/", whole), maxsplit=1)[0].replace("%20", " ").rstrip("./ ")
    operation = _operation(method, below, decoded)
    if operation is not None:
        return Route(_JUDGED[operation], below, provider, deployment)
    if method in ("GET", "POST"):
        if _STORED_ANSWER.fullmatch(below):
            stored = "responses" if below[1] in "rR" else "chat_completions"
            return Route(stored, below, provider, deployment, reads_request=False)
        if _STORED_ANSWER.fullmatch(decoded):
            raise _ambiguous()
    return Route(None, below, provider, deployment)


def _operation(method: str, below: str, decoded: str) -> str | None:
    """The key of `_JUDGED` that a path asks for. Some providers route without regard to case."""
    found = _OPERATION.search(decoded) if method == "POST" else None
    if found is None or _THREAD_MESSAGES.fullmatch(below):
        return None
    if not below.endswith(found[0]):
        raise _ambiguous()
    return found[0].lower()


def _ambiguous() -> UnreadableRequest:
    return UnreadableRequest("The path could be taken for a judged one; send it without escapes or trailing dots.")


def _below_v1(path: str) -> tuple[str | None, str | None]:
    """The path below `/v1`, and the model of an Azure deployment path."""
    if path.startswith("/openai/deployments/"):
        model, slash, operation = path[len("/openai/deployments/") :].partition("/")
        return (slash + operation, model) if model and operation else (None, None)
    if path.startswith("/openai/"):
        path = path[len("/openai") :]
    prefixed = False
    while path == "/v1" or path.startswith("/v1/"):  # a base URL with /v1 under an SDK that adds its own
        path, prefixed = path[3:], True
    if prefixed:
        return (path, None) if path else (None, None)
    return (path, None) if path[1:].partition("/")[0].lower() in _API_ROOTS else (None, None)
