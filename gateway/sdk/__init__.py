"""For agents and tool servers: ask the gateway whether something may be done, and tell it what was done.

    from gateway.sdk import GatewayClient

    with GatewayClient("http://127.0.0.1:4000", api_key="agk_…") as gateway:
        gateway.enforce("restart:service", "web").raise_for_denial()

Imports nothing else of the gateway, and an HTTP library only when something is asked.
"""

from gateway.sdk.client import GatewayClient
from gateway.sdk.client_async import AsyncGatewayClient
from gateway.sdk.errors import (
    ApprovalRequired,
    AuthenticationError,
    GatewayError,
    GatewayUnavailable,
    IntentDenied,
    IntentError,
    InvalidRequest,
    PermissionDenied,
    PolicyViolationError,
    RateLimited,
)
from gateway.sdk.reported import Reported
from gateway.sdk.reporter import ImmuneReporter
from gateway.sdk.shapes import CallToken, CreatedAgent, Decision, Intent

__all__ = [
    "ApprovalRequired",
    "AsyncGatewayClient",
    "AuthenticationError",
    "CallToken",
    "CreatedAgent",
    "Decision",
    "GatewayClient",
    "GatewayError",
    "GatewayUnavailable",
    "ImmuneReporter",
    "Intent",
    "IntentDenied",
    "IntentError",
    "InvalidRequest",
    "PermissionDenied",
    "PolicyViolationError",
    "RateLimited",
    "Reported",
]
