"""One tool call that a model proposes, whatever the dialect."""

from typing import Any

from gateway.model.value import value


@value
class ToolCall:
    """A call as it was proposed.

    Attributes:
        name: the tool's name; for hosted tools without one, the item's type (`web_search_call`).
        kind: `function`, `custom`, or the provider's own type (`computer_call`, `local_shell_call`, …).
        arguments: the text exactly as sent: JSON for functions, free text for custom tools.
        parsed: `arguments` read: a dict for functions, the text for custom tools, the item for other kinds.
        problem: why the call cannot be read (then it is never released), else None.
        id: the provider's id of the call, if it gave one.
        turn: the choice it belongs to; 0 where a dialect has no choices.
        namespace: the tool namespace or MCP server label, if the dialect carries one.
    """

    name: str
    kind: str
    arguments: str
    parsed: Any
    problem: str | None = None
    id: str | None = None
    turn: int = 0
    namespace: str | None = None
