"""Which models a relayed request has act: by its path, its query, its JSON body. Forms are read by `wire.multipart`."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from gateway.model.errors import UnreadableRequest
from gateway.model.route import Route
from gateway.wire import governed
from gateway.wire.strict_json import check_case_variants, loads

_NAMED_IN_PATH = re.compile(r"/(?:engines|deployments|models)/([^/:]+)[/:]", re.IGNORECASE)
_NAMES_INSIDE = re.compile(r"/(?:assistants|batches|chatkit|evals|fine_tuning|realtime|threads)(?:/|\Z)", re.IGNORECASE)
"""Resources whose bodies name models inside other members: in requests, sessions, graders."""
_CHOOSES = re.compile(
    r"/(?:audio/(?:speech|transcriptions|translations)|batches|chatkit/sessions|completions|evals/[^/]+/runs"
    r"|fine_tuning/jobs|images/(?:edits|generations|variations)|moderations"
    r"|realtime/(?:calls|client_secrets|sessions|transcription_sessions|translations)|rerank|responses"
    r"|responses/(?:compact|input_tokens)|threads/runs|threads/[^/]+/runs|videos|videos/(?:edits|extensions)"
    r"|videos/[^/]+/remix)\Z",
    re.IGNORECASE,
)
"""Operations that a model carries out though no model is named: the provider's choice, or one named elsewhere."""
_NAMED_ELSEWHERE = re.compile(
    r"/(?:batches|chatkit/sessions|evals/[^/]+/runs|threads/runs|threads/[^/]+/runs|videos/[^/]+/remix)\Z",
    re.IGNORECASE,
)


def in_target(route: Route, query: bytes) -> Iterator[str]:
    """The models that path and query name."""
    if route.deployment is not None:
        yield route.deployment
    if (found := _NAMED_IN_PATH.search(_path(route))) is not None:
        yield found[1]
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name.casefold() in ("model", "deployment"):
            yield value


def in_body(route: Route, body: bytes) -> list[str]:
    """The models that a JSON body names. Raises UnreadableRequest for what is none, or names one as no text."""
    document = loads(body)
    if type(document) is not dict:
        raise UnreadableRequest(f"The body is a JSON {type(document).__name__}; it must be an object.")
    check_case_variants(document)
    named = governed.model(document)
    found = [] if named is None else [named]
    if _NAMES_INSIDE.search(_path(route)) is not None:
        found += _inside(document)
    return list(dict.fromkeys(found))


def chooses_model(route: Route) -> bool:
    """Whether a request that names no model has one act all the same."""
    return _CHOOSES.search(_path(route)) is not None


def named_elsewhere(route: Route) -> bool:
    """Whether such a request's model is one that was named before, where nobody looked: in a file, an assistant."""
    return _NAMED_ELSEWHERE.search(_path(route)) is not None


def _path(route: Route) -> str:
    """As a provider may see it that decodes slashes."""
    return route.path.replace("%2F", "/").replace("%2f", "/")


def _inside(document: dict[str, Any]) -> Iterator[str]:
    """Every text that is a member `model`, however deep; the reader bounds the depth."""
    left: list[Any] = [document]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            for key, member in value.items():
                if isinstance(member, str) and key.casefold() == "model":
                    yield member
                elif isinstance(member, dict | list):
                    left.append(member)
        elif isinstance(value, list):
            left += [member for member in value if isinstance(member, dict | list)]
