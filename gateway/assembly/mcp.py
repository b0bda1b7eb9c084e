"""The path of exchanges with MCP servers: the same pipeline, with phases of its own."""

import time
from typing import TYPE_CHECKING

from gateway.assembly.keys import own_keys, root_of
from gateway.phases.mcp.admit import AdmitMCP
from gateway.phases.mcp.catalog import Catalog
from gateway.phases.mcp.forward import ForwardMCP
from gateway.phases.mcp.identify import IdentifyMCP
from gateway.phases.mcp.inspect import InspectMCP
from gateway.phases.mcp.judging import JudgingCalls
from gateway.phases.mcp.listing import Listing
from gateway.phases.mcp.pins import HeldTools
from gateway.phases.mcp.presenting import PresentingCalls
from gateway.phases.mcp.rewrite import RewriteMCP
from gateway.phases.mcp.rounds import Rounds
from gateway.phases.mcp.sessions import Sessions
from gateway.phases.mcp.settle import SettleMCP
from gateway.phases.mcp.tool_findings import ToolFindings
from gateway.phases.mcp.tracing import TracedMessages
from gateway.phases.profile import Profiler
from gateway.pipeline import Pipeline
from gateway.settings import Secrets, Settings
from gateway.settings.mcp_servers import load_mcp_servers
from gateway.upstream.providers import Provider

if TYPE_CHECKING:
    from gateway.assembly.path import Path
    from gateway.assembly.recording import Recording
    from gateway.assembly.state import State


class MCPPath:
    """Everything an exchange with an MCP server passes."""

    def __init__(self, settings: Settings, kept: Secrets, state: "State", recording: "Recording", path: "Path") -> None:
        self._state, self._recording, self._path = state, recording, path
        self._sessions, self._rounds = Sessions(root_of(kept)), Rounds(root_of(kept))
        self._profiler = Profiler(root_of(kept), clock=time.monotonic)
        self._wall_clock = time.time  # noqa: TID251 - vitals and decisions are dated by the wall clock
        self.identify = IdentifyMCP(
            path.identify,
            load_mcp_servers(settings),
            self._sessions,
            unverified=settings.mcp_allow_unverified,
            gates=(self._profiler,),
        )
        self.forward = ForwardMCP(
            path.client,
            path.timeouts,
            own_keys(kept),
            time.monotonic,
            propagate_trace=settings.propagate_trace,
            outgoing=path.telemetry.outgoing,
        )
        self.held_tools = self._held_tools()
        self.pipeline = self._pipeline(settings)

    def use(self, settings: Settings, kept: Secrets) -> None:
        """From now on these servers and keys. Raises SettingsError, and then changes nothing."""
        self.identify.servers = load_mcp_servers(settings)
        self.forward.own_keys = own_keys(kept)

    @property
    def providers(self) -> tuple[Provider, ...]:
        """What connects to the servers."""
        return tuple([server.provider for server in self.identify.servers.by_name.values()])

    # The parts

    def _pipeline(self, settings: Settings) -> Pipeline:
        path = self._path
        return Pipeline(
            self.identify,
            self._admit(settings),
            RewriteMCP(propagate_trace=settings.propagate_trace),
            self.forward,
            InspectMCP(self._sessions, time.monotonic, path.begun),
            self._settle(),
            begin=path.telemetry.begin,
            over=path.telemetry.over,
            active=path.active,
        )

    def _admit(self, settings: Settings) -> AdmitMCP:
        """The gates in order: what is known of tools goes before `judging`, what counts goes after it."""
        path = self._path
        presenting = PresentingCalls(path.presenting)
        judging = (presenting.gate, self.held_tools.gate, self._judging().gate, path.results)
        traced = TracedMessages(path.telemetry)
        gates = (
            traced.read,
            path.guard,
            path.treating.gate,
            *judging,
            path.reserve,
            self._recording.phase.decide,
            traced.pass_on,
        )
        return AdmitMCP(path.bodies, limit=settings.max_body_bytes, gates=gates)

    def _held_tools(self) -> HeldTools:
        path, state, recording = self._path, self._state, self._recording
        findings = ToolFindings(
            recording.log.later, state.events.notify, clock=self._wall_clock, shown=recording.redact
        )
        catalog = Catalog(Listing(path.client), state.tool_pins, clock=time.monotonic, told=findings.listed)
        return HeldTools(
            catalog,
            state.tool_pins,
            findings,
            path.judging.decisions,
            path.engine_of,
            modes=state.modes.of,
            clock=self._wall_clock,
            approvals=state.approvals,
        )

    def _judging(self) -> JudgingCalls:
        path = self._path
        return JudgingCalls(
            path.engine_of,
            path.guard.judging(path.judging.of),
            clock=self._wall_clock,
            monotonic=time.monotonic,
            rounds=self._rounds,
            once=self._state.grants.once,
        )

    def _settle(self) -> SettleMCP:
        path = self._path
        return SettleMCP(
            self._state.credentials,
            clock=time.monotonic,
            wall_clock=self._wall_clock,
            observers=(
                self._profiler.observe,
                *path.noticing.every,
                path.reserve.settle,
                self._recording.phase.outcome,
                path.telemetry.observe,
            ),
        )
