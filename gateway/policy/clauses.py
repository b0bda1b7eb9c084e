"""What a policy document may say, as it is after reading: frozen, nothing left to look up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Execution = Literal["plan_only", "execute_safe"]
Need = Literal["off", "optional", "required"]


@dataclass(frozen=True, slots=True)
class ActionPattern:
    """Which actions a clause is about. `verb` and `noun` are in normal form and may hold `*`.

    `server` is the MCP server a rule names, None for any. `resource` is a pattern of resources: case counts, `*`
    crosses `/`. `text` is what the author wrote.
    """

    verb: str
    noun: str
    server: str | None = None
    resource: str = "*"
    text: str = ""


@dataclass(frozen=True, slots=True)
class Mode:
    """One operational mode: what it allows, and denies, beyond the rest of its document."""

    name: str
    allow: tuple[ActionPattern, ...] = ()
    deny: tuple[ActionPattern, ...] = ()


@dataclass(frozen=True, slots=True)
class Models:
    """Patterns of model names. An empty `allow` allows every model that `deny` does not name."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OnDeny:
    """What the agent gets in place of a denied call; `hold_seconds` counts for `hold` alone."""

    kind: Literal["refuse", "error", "hold"] = "refuse"
    hold_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Approval:
    """When a person must approve a call. `above`: where the number in `argument` is greater than `value`."""

    kind: Literal["off", "always", "above"] = "off"
    argument: str = ""
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Tool:
    """What a document says of one tool. `name` is the key as written, `key` its normal form.

    `arguments` holds the constraints of each argument as written and checked: name of the constraint to its value; None
    where the document leaves the arguments open. `approval` and `intent` None: the document has no say.
    """

    name: str
    key: ActionPattern
    action: str | None = None
    resource: str | None = None
    effect: Literal["read", "write", "destructive"] | None = None
    arguments: Mapping[str, Mapping[str, Any]] | None = None
    intent: Need | None = None
    grant: Need | None = None
    approval: Approval | None = None
    on_deny: OnDeny = OnDeny()
    untrusted: bool = False
    polling: bool = False


@dataclass(frozen=True, slots=True)
class Loops:
    """How often one call may be repeated among the last `window` calls before that is recorded, and blocked."""

    identical_calls: int
    window: int
    block_at: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """After an action that fits `after`, actions that fit `deny` are denied for `within` seconds."""

    after: ActionPattern
    deny: ActionPattern
    within: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes at most; None: no bound."""

    request_bytes: int | None = None
    arguments_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """An example that must hold. `call` is as written: tool, arguments, and what the case supposes beside them."""

    call: Mapping[str, Any]
    expect: Literal["allow", "deny", "approval"]
    mode: str | None = None


@dataclass(frozen=True, slots=True)
class Clauses:
    """All a document says of models, requests and calls; what it leaves out has no say.

    `default` None: as the rules of deciding have it. `modes` in order: the first is the start mode. No author writes
    `only` (None: there is no such list) and `most_calls`, the most calls in one turn of a model: the gateway itself
    makes documents with them.
    """

    default: Literal["allow", "deny"] | None = None
    shadow: bool = False
    models: Models = Models()
    always_blocked: tuple[ActionPattern, ...] = ()
    modes: tuple[Mode, ...] = ()
    allow: tuple[ActionPattern, ...] = ()
    deny: tuple[ActionPattern, ...] = ()
    only: tuple[ActionPattern, ...] | None = None
    most_calls: int | None = None
    execution: Execution | None = None
    enforce_schema: bool = False
    strip_tools: bool = False
    hold_new_tools: bool = False
    secrets: Literal["allow", "redact", "deny"] = "allow"
    sizes: Sizes = Sizes()
    mint: str = "always"
    tools: tuple[Tool, ...] = ()
    loops: Loops | None = None
    sequence: tuple[Sequence, ...] = ()
    cases: tuple[Case, ...] = ()
    immune: Mapping[str, Any] = field(default_factory=dict)
