"""Where commands print tables. What they show was said by agents, so text is only ever text."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_WIDE = 150  # columns where there is no terminal


def plain_console() -> "Console":
    """No markup, no emoji, no highlighting. Not cut to eighty columns where there is no terminal to ask."""
    from rich.console import Console

    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _WIDE)
    return console
