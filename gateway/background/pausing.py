"""How long what failed is left alone before it is tried again."""

LONGEST_PAUSE = 300.0
_FIRST_PAUSE = 1.0
_DOUBLINGS = 20  # far beyond the longest; a power of all tries there ever were would be no number


def pause_after(tries: int, jitter: float) -> float:
    """Seconds: twice as long after each try, less up to a half, so that many things do not come back at one moment.

    Args:
        tries: how many have failed, from one on.
        jitter: in [0, 1).
    """
    longest = min(LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(tries - 1, _DOUBLINGS))
    return longest * (0.5 + jitter / 2)
