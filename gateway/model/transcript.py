"""A conversation as the gateway sees it in one request: who said what, which calls were made, what they gave."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.model.value import value

Speaker = Literal["user", "model", "tool"]
"""System, developer and user messages are `user`: people and makers of the agent, not the model and not a tool."""


@value
class Said:
    """One text, in order. `tool` names the tool whose result it is; `call_id` the call that it answers; `unread` stands
    for the pictures and sounds in it: where two differ, so does this."""

    speaker: Speaker
    text: str
    tool: str | None = None
    call_id: str | None = None
    unread: str = ""


@value
class MadeCall:
    """A call the model made earlier in the conversation. `position` is how many texts were said before it.

    `arguments` are read where they are a JSON object; else they are as sent.
    """

    name: str
    arguments: Any
    call_id: str | None = None
    position: int = 0


@dataclass(frozen=True, slots=True)
class Transcript:
    """Texts and calls, oldest first.

    `thread` is the client's own name for the conversation, where the request carries one: it stays the same when the
    client shortens the conversation. `recalled` says of a value whether people said it in the part of the conversation
    that only the provider keeps; None where nothing is known of such a part. `memo` belongs to those who look things up
    here, so that they do it once.
    """

    said: tuple[Said, ...] = ()
    calls: tuple[MadeCall, ...] = ()
    thread: str | None = None
    recalled: Callable[[str], bool] | None = field(default=None, compare=False, repr=False)
    memo: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
