"""Where a request wants to go, decided once from its canonical path."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Route:
    """One data-plane path, taken apart.

    Attributes:
        dialect: a key of `wire.DIALECTS` if the route is read and judged, else None: relayed.
        path: the path below `/v1`, canonical, percent-encoding as received: `/chat/completions`.
        provider: the name in `/p/{provider}/…`, if the caller chose one of the configured providers.
        deployment: the model named by an Azure path `/openai/deployments/{model}/…`.
        reads_request: whether the request body is an ask of the dialect (False: only the answer is judged).
    """

    dialect: str | None
    path: str
    provider: str | None = None
    deployment: str | None = None
    reads_request: bool = True
