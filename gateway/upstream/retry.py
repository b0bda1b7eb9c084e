"""How often a request may be sent again. Pure.

Only a request that provably never reached the provider is repeated; this bounds how much that can add to the load of a
provider in trouble.
"""

_LONE = 0.1
"""Retries earned each second whatever the traffic, so that a quiet gateway may retry too."""


class RetryBudget:
    """Retries up to a share of the requests.

    Args:
        share: retries earned by each request.
        most: retries that can be saved up.
    """

    def __init__(self, share: float = 0.1, most: float = 10.0) -> None:
        self._share, self._most = share, most
        self._balance = 1.0
        self._since = 0.0

    def request(self) -> None:
        """Count a request."""
        if self._balance < self._most:
            self._balance += self._share

    def spend(self, now: float) -> bool:
        """Whether one more retry is allowed; `now` in seconds of a monotonic clock."""
        earned = (now - self._since) * _LONE if self._since else 0.0
        self._balance = min(self._most, self._balance + min(earned, 1.0))
        self._since = now
        if self._balance < 1.0:
            return False
        self._balance -= 1.0
        return True
