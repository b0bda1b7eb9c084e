"""The composition root: builds every object one process serves with. Only `app` imports it.

State  →  Recording  →  Path  →  Interfaces  →  Gateway
"""

from gateway.assembly.gateway import Gateway
from gateway.assembly.keys import known_secrets

__all__ = ["Gateway", "known_secrets"]
