"""What a request says of its conversation so far, whatever the dialect."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class History:
    """Texts are as sent.

    Attributes:
        system: what the agent's makers told the model before anybody spoke.
        opening: the first thing that somebody said.
        name: the conversation's own name in the body, where a dialect has one.
        turn: which turn of the model this asks for, from 1.
        results: results of tools reported since the model's last turn; `tool_errors` of them say that they failed.
        calls: tool calls that are shown; `fresh` those of the model's last turn, name and arguments as sent;
            `repeated_calls` of them it had made before, with the same arguments.
    """

    system: list[str] = field(default_factory=list)
    opening: str = ""
    name: str | None = None
    turn: int = 1
    results: int = 0
    tool_errors: int = 0
    calls: int = 0
    fresh: list[tuple[object, object]] = field(default_factory=list)
    repeated_calls: int = 0
