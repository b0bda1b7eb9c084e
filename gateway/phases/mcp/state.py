"""What the phases of one MCP exchange tell each other."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gateway.model.exchange import Exchange
from gateway.model.tool_call import ToolCall
from gateway.model.value import value
from gateway.phases.caller import Caller
from gateway.phases.mcp.rounds import Round
from gateway.telemetry.operation import Operation
from gateway.upstream.mcp_servers import MCPServer
from gateway.wire.mcp import LISTEN, Era, MCPRefusal, RequestId
from gateway.wire.mcp_messages import Body, Message
from gateway.wire.mcp_stream import Cut, Edit


@value
class AskedCall:
    """A `tools/call` of the request, its id, and the call in it."""

    id: RequestId
    message: Message
    call: ToolCall


class MCPState:
    """`exchange.mcp`, from `identify` on.

    Attributes:
        refusal: what is wrong with the head, raised once the id that it answers is known.
        session: the server's own id of the session; None outside of one.
        body: what was posted; None of other methods, and until it is read.
        calls: every call in it, `released` those that go to the server.
        answers: what the gateway itself answers, by the id of the request; these do not go to the server.
        forwarded: the messages that do.
        added: what the gateway says in the `_meta` of a request, by its id.
        tools: definitions by name that calls are held to; None where nobody knows any.
        definition_hashes: of the pinned definitions, by the name of the tool.
        edits: change what the server says, in order. cut: says which tools of its lists the caller does not get.
        tools_changed: told when the server says that its tools have.
        intent: the intent token that came with the request.
        observers: told of every answer of the server, by the id of the request.
        tool_errors: calls that failed there.
        caller: who posted; None of other methods. begun: whether the answer began before a server was asked.
        patience: seconds that an answer may wait for a person, None: as a rule says; and those it has waited before.
        rounds: of calls that come with a server's state which was sealed for them, by the id of the request. continued:
            those that go on with a call that was let through before.
        operation: what is told of a message that came alone.
    """

    __slots__ = (
        "added", "answers", "begun", "body", "caller", "calls", "continued", "cut", "definition_hashes", "edits", "era",
        "forwarded", "intent", "observers", "operation", "patience", "refusal", "released", "rounds", "server",
        "session", "tool_errors", "tools", "tools_changed",
    )  # fmt: skip

    def __init__(self, server: MCPServer, era: Era, refusal: MCPRefusal | None = None) -> None:
        self.server = server
        self.era = era
        self.refusal = refusal
        self.session: str | None = None
        self.body: Body | None = None
        self.calls: tuple[AskedCall, ...] = ()
        self.released: list[AskedCall] = []
        self.answers: dict[RequestId, dict[str, Any]] = {}
        self.forwarded: tuple[Message, ...] = ()
        self.added: dict[RequestId, dict[str, Any]] = {}
        self.tools: Any = None
        self.definition_hashes: Mapping[str, str] = {}
        self.edits: list[Edit] = []
        self.cut: Cut | None = None
        self.tools_changed: Callable[[], None] | None = None
        self.intent: str | None = None
        self.observers: list[Callable[[dict[str, Any]], None]] = []
        self.tool_errors = 0
        self.caller: Caller | None = None
        self.begun = False
        self.patience: tuple[float | None, float] = (None, 0.0)
        self.rounds: dict[RequestId, Round] = {}
        self.continued: set[RequestId] = set()
        self.operation: Operation | None = None

    @property
    def works(self) -> bool:
        """Whether the server is asked for something that it will have done in the end."""
        return self.body is not None and bool(self.body.requests) and self.method != LISTEN

    @property
    def lists_tools(self) -> bool:
        """Whether the server is asked which tools it has."""
        return self.body is not None and any(message.method == "tools/list" for message in self.body.requests)

    @property
    def method(self) -> str | None:
        """The method of a message that came alone."""
        return None if self.body is None or self.body.batch else self.body.messages[0].method

    @property
    def request_id(self) -> RequestId | None:
        """The id that a refusal of the whole request answers."""
        return None if self.body is None or self.body.batch else self.body.messages[0].id

    def forget_text(self) -> None:
        """Let go of what was asked, which the answer does not need and may take minutes; names and ids stay."""
        if self.body is not None:
            self.body = Body(tuple([_name_of(message) for message in self.body.messages]), self.body.batch)
        self.forwarded = tuple([_name_of(message) for message in self.forwarded])
        self.calls = tuple([_named(asked) for asked in self.calls])
        self.released = [_named(asked) for asked in self.released]


def _name_of(message: Message) -> Message:
    return Message({}, message.method, message.id, {})


def _named(asked: AskedCall) -> AskedCall:
    return AskedCall(asked.id, _name_of(asked.message), replace(asked.call, arguments="", parsed=None))


def state_of(exchange: Exchange) -> MCPState:
    """The state of an exchange that has passed `identify`."""
    state: MCPState = exchange.mcp
    return state
