"""The path of exchanges with MCP servers: the same pipeline, with phases of its own."""

import time
from typing import TYPE_CHECKING

from gateway.assembly.keys import own_keys, root_of
from gateway.phases.mcp.admit import AdmitMCP
from gateway.phases.mcp.forward import ForwardMCP
from gateway.phases.mcp.identify import IdentifyMCP
from gateway.phases.mcp.inspect import InspectMCP
from gateway.phases.mcp.judging import JudgingCalls
from gateway.phases.mcp.rewrite import RewriteMCP
from gateway.phases.mcp.sessions import Sessions
from gateway.phases.mcp.settle import SettleMCP
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
        sessions = Sessions(root_of(kept))
        wall_clock = time.time  # noqa: TID251 - vitals and decisions are dated by the wall clock
        profiler = Profiler(root_of(kept), clock=time.monotonic)
        self.identify = IdentifyMCP(
            path.identify,
            load_mcp_servers(settings),
            sessions,
            unverified=settings.mcp_allow_unverified,
            gates=(profiler,),
        )
        self.judging = JudgingCalls(
            lambda exchange: path.policies.of(exchange).engine,
            path.guard.judging(path.judging.of),
            modes=state.modes.of,
            clock=wall_clock,
            monotonic=time.monotonic,
        )
        record = recording.phase
        self.admit = AdmitMCP(
            path.bodies,
            limit=settings.max_body_bytes,
            gates=(path.guard, self.judging.gate, path.reserve, record.decide),
        )
        self.forward = ForwardMCP(
            path.client,
            path.timeouts,
            own_keys(kept),
            time.monotonic,
            propagate_trace=settings.propagate_trace,
            outgoing=path.telemetry.outgoing,
        )
        self.pipeline = Pipeline(
            self.identify,
            self.admit,
            RewriteMCP(),
            self.forward,
            InspectMCP(sessions, time.monotonic, path.begun),
            SettleMCP(
                state.credentials,
                clock=time.monotonic,
                wall_clock=wall_clock,
                observers=(profiler.observe, path.reserve.settle, record.outcome, path.telemetry.observe),
            ),
            begin=path.telemetry.begin,
            over=path.telemetry.over,
            active=path.active,
        )

    def use(self, settings: Settings, kept: Secrets) -> None:
        """From now on these servers and keys. Raises SettingsError, and then changes nothing."""
        self.identify.servers = load_mcp_servers(settings)
        self.forward.own_keys = own_keys(kept)

    @property
    def providers(self) -> tuple[Provider, ...]:
        """What connects to the servers."""
        return tuple([server.provider for server in self.identify.servers.by_name.values()])
