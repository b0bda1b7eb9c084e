"""For agents and tool servers: ask the gateway whether something may be done, and tell it what was done.

    from gateway.sdk import GatewayClient

    with GatewayClient("http://127.0.0.1:4000", api_key="agk_…") as gateway:
        gateway.enforce("restart:service", "web").raise_for_denial()

Imports nothing else of the gateway, and an HTTP library only when something is asked.
"""

from gateway.sdk.client import AsyncGatewayClient, GatewayClient
from gateway.sdk.errors import (
    ApprovalRequired,
    AuthenticationError,
    GatewayError,
    GatewayUnavailable,
    InvalidRequest,
    PermissionDenied,
    PolicyViolationError,
    RateLimited,
)
from gateway.sdk.shapes import CreatedAgent, Decision

__all__ = [
    "ApprovalRequired",
    "AsyncGatewayClient",
    "AuthenticationError",
    "CreatedAgent",
    "Decision",
    "GatewayClient",
    "GatewayError",
    "GatewayUnavailable",
    "InvalidRequest",
    "PermissionDenied",
    "PolicyViolationError",
    "RateLimited",
]
