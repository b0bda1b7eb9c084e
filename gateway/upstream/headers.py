"""Which headers travel, in both directions. Pure; runs for each request, so it makes one pass and allocates one list.

Names come in lower case and leave in the order they came, repeats kept.
"""

import re

from gateway.identity.credential import HEADERS as CREDENTIALS
from gateway.identity.percent import fully_decoded
from gateway.model.errors import Refusal
from gateway.model.headers import Headers
from gateway.upstream.credential import AS_RECEIVED, Outgoing

# RFC 9110 section 7.6.1, and what older proxies added to it.
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization proxy-authentication-info te "
    b"trailer transfer-encoding upgrade http2-settings".split()
)
_OURS = frozenset(b"x-agent-id x-agent-key x-agent-session x-intent-token x-admin-key".split())
_OUR_PREFIX = b"x-gateway-"
_TRACE = frozenset(b"traceparent tracestate baggage".split())

# Frameworks take these for another method or path than the one that was judged.
_OVERRIDES = frozenset(
    b"x-http-method-override x-http-method x-method-override x-original-url x-original-method x-rewrite-url".split()
)
_NOT_SENT = _HOP_BY_HOP | _OURS | _OVERRIDES | frozenset([b"host", b"content-length", b"expect"])
# What gives a message its meaning may not be declared a matter of one connection; who strips it then would be a guess.
_END_TO_END = (
    frozenset(
        b"authorization x-api-key api-key host content-length content-type content-encoding accept accept-encoding "
        b"cookie anthropic-version anthropic-beta openai-organization openai-project openai-beta".split()
    )
    | _OURS
)
_PLAIN_CONNECTION = frozenset([b"keep-alive", b"close", b"Keep-Alive", b"Close", b"keep-alive, close"])
# A key of ours in any other header, whole: a word that merely starts like one, or ends a longer one, may pass there.
_OUR_KEY = re.compile(
    rb"(?<![0-9A-Za-z])(?:agk|adk|igk)_[0-9A-Za-z_]{20,}|(?:agk|adk|igk)_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}"
)

_NOT_PASSED = _HOP_BY_HOP | {b"content-length"}


def request_headers(
    incoming: Headers,
    *,
    credential: Outgoing,
    judged: bool,
    keep_length: bool = False,
    propagate_trace: bool = True,
) -> Headers:
    """The headers a provider gets, without `host` and framing, which `client` adds.

    Args:
        credential: what `outgoing_credential` decided.
        judged: the answer will be read, so it is asked for without a content coding.
        keep_length: the body travels on as it comes in: `content-length` stays.
        propagate_trace: whether W3C trace context goes along.

    Raises Refusal `invalid_request` where `Connection` names an end-to-end header, `invalid_api_key` where a header
    other than the credential's holds a key of ours.
    """
    dropped = _dropped(credential is AS_RECEIVED, judged, keep_length, propagate_trace)
    named: bytes = b""
    out: Headers = []
    for pair in incoming:
        name, value = pair
        if name in dropped:
            if name == b"connection" and value not in _PLAIN_CONNECTION:
                named += b"," + value
        elif not name.startswith(_OUR_PREFIX):
            if b"k_" in value and _OUR_KEY.search(value):
                raise Refusal("invalid_api_key", f"`{name.decode('latin-1')}` holds a key that no provider may see.")
            out.append(pair)
    if named:
        out = _without(out, named)
    if judged:
        out.append((b"accept-encoding", b"identity"))
    if credential is not None and credential is not AS_RECEIVED:
        out.append(credential)
    return out


def holds_our_key(text: bytes) -> bool:
    """Whether a path, a query or a header has a key of ours in it, percent-encoded or not.

    What is encoded so often that it cannot be read counts as if it had.
    """
    plain = fully_decoded(text)
    return plain is None or (b"k_" in plain and _OUR_KEY.search(plain) is not None)


def response_headers(upstream: Headers) -> Headers:
    """The headers of an answer that the caller gets: all but hop-by-hop ones, framing, and any that look like ours."""
    for pair in upstream:
        if pair[0] == b"connection" and pair[1] not in _PLAIN_CONNECTION:
            upstream = _without(upstream, pair[1], strict=False)
            break
    return [p for p in upstream if p[0] not in _NOT_PASSED and not p[0].startswith(_OUR_PREFIX)]


def _variants() -> dict[tuple[bool, bool, bool, bool], frozenset[bytes]]:
    table = {}
    for bits in range(16):
        as_received, judged, keep_length, trace = (bool(bits >> n & 1) for n in range(4))
        names = _NOT_SENT - ({b"content-length"} if keep_length else set())
        names |= frozenset() if as_received else frozenset(CREDENTIALS)
        names |= {b"accept-encoding"} if judged else set()
        names |= frozenset() if trace else _TRACE
        table[as_received, judged, keep_length, trace] = frozenset(names)
    return table


_DROPPED = _variants()


def _dropped(as_received: bool, judged: bool, keep_length: bool, trace: bool) -> frozenset[bytes]:
    return _DROPPED[as_received, judged, keep_length, trace]


def _without(headers: Headers, named: bytes, *, strict: bool = True) -> Headers:
    """Without the headers that `Connection` names. Strict: naming one that is meant for every recipient is an error."""
    options = {option.strip().lower() for option in named.split(b",")}
    wrong = options & _END_TO_END
    if wrong and strict:
        shown = ", ".join(sorted(name.decode() for name in wrong))
        raise Refusal("invalid_request", f"`Connection` names {shown}, which is no matter of one connection.")
    options -= _END_TO_END
    return [pair for pair in headers if pair[0] not in options]
