"""What one exchange asks of one bound."""

import math
from dataclasses import dataclass

from gateway.policy.bounds import Bound


@dataclass(slots=True)  # not frozen: some are made for every request, and freezing costs most of making one
class Claim:
    """`base` units whatever the answer says, and `per` more for each output token that it may have.

    `base` and `per` may be fractions of a unit; what is charged is rounded up.
    """

    bound: Bound
    subject: str
    document: str
    base: float
    per: float = 0.0

    def amount(self, output_tokens: int) -> int:
        """Units set aside for an answer of so many tokens."""
        return math.ceil(self.base + self.per * output_tokens)
