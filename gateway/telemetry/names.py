"""Every span, metric and attribute the gateway emits, once.

`gen_ai.*` and `http.*` are OpenTelemetry's (semantic conventions 1.41.1); gateways, policy and limits have
no convention, so what is ours is `leuko.*`. Metric names follow https://opentelemetry.io/docs/specs/semconv/general/metrics/.
"""

SCOPE = "leuko.gateway"
SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.1"

# Attributes of OpenTelemetry
AGENT_ID = "gen_ai.agent.id"
AGENT_NAME = "gen_ai.agent.name"
CONVERSATION = "gen_ai.conversation.id"
ERROR_TYPE = "error.type"
EXECUTE_TOOL = "execute_tool"
FINISH_REASONS = "gen_ai.response.finish_reasons"
JSONRPC_ID = "jsonrpc.request.id"
MAX_TOKENS = "gen_ai.request.max_tokens"
MCP_METHOD = "mcp.method.name"
MCP_SESSION = "mcp.session.id"
MCP_VERSION = "mcp.protocol.version"
METHOD = "http.request.method"
OPERATION = "gen_ai.operation.name"
PATH = "url.path"
PROMPT_NAME = "gen_ai.prompt.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_TIER = "openai.request.service_tier"
RESOURCE_URI = "mcp.resource.uri"
RESPONSE_ID = "gen_ai.response.id"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_TIER = "openai.response.service_tier"
ROUTE = "http.route"
RPC_CODE = "rpc.response.status_code"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
STATUS = "http.response.status_code"
STREAM = "gen_ai.request.stream"
TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
TOKEN_TYPE = "gen_ai.token.type"
TOOL_CALL_ID = "gen_ai.tool.call.id"
TOOL_NAME = "gen_ai.tool.name"
TRANSPORT = "network.transport"
USAGE_CACHED = "gen_ai.usage.cache_read.input_tokens"
USAGE_INPUT = "gen_ai.usage.input_tokens"
USAGE_OUTPUT = "gen_ai.usage.output_tokens"
USAGE_REASONING = "gen_ai.usage.reasoning.output_tokens"

# Attributes of ours
CALL_ID = "leuko.call.id"
COST = "leuko.cost.usd"
DECISION = "leuko.decision"
INTENT_ID = "leuko.intent.id"
MCP_SERVER = "leuko.mcp.server"
REQUEST_ID = "leuko.request.id"
RULE = "leuko.rule"
TEAM = "leuko.agent.team"
TURN = "leuko.conversation.turn"
USAGE_ESTIMATED = "leuko.usage.estimated"
VERIFIED = "leuko.agent.verified"

# Span events
DECISION_EVENT = "leuko.decision"
TOOL_CALL_EVENT = "leuko.tool_call"

# Metrics of OpenTelemetry
CPU_TIME = "process.cpu.time"
MCP_CLIENT_DURATION = "mcp.client.operation.duration"
MCP_SERVER_DURATION = "mcp.server.operation.duration"
MEMORY_USAGE = "process.memory.usage"
OPEN_FILES = "process.open_file_descriptor.count"
OPERATION_DURATION = "gen_ai.client.operation.duration"
SERVER_DURATION = "http.server.request.duration"
TIME_TO_FIRST = "gen_ai.client.operation.time_to_first_chunk"
TOKEN_USAGE = "gen_ai.client.token.usage"

# Metrics of ours
ACTIVE = "leuko.exchanges.active"
AGENTS_BLOCKED = "leuko.agents.blocked"
AGENT_COST = "leuko.agent.cost.usd"
AGENT_REQUESTS = "leuko.agent.requests"
AGENT_TOKENS = "leuko.agent.tokens"
ANSWERS_HELD = "leuko.answers.held"
AUDIT_FAILURES = "leuko.audit.failures"
AUDIT_RECORDS = "leuko.audit.records"
AUDIT_UNSHIPPED = "leuko.audit.unshipped"
AUDIT_UNSYNCED = "leuko.audit.unsynced"
AUDIT_UP = "leuko.audit.up"
BUILD = "leuko.build"
CALLS_UNRECORDED = "leuko.calls.unrecorded"
COST_TOTAL = "leuko.cost.usd"
DECISIONS = "leuko.decisions"
DEGRADED_EXCHANGES = "leuko.degraded.exchanges"
DEGRADED_PARTS = "leuko.degraded"
EVENT_LOOP_LAG = "leuko.event_loop.lag"
FOLDED = "leuko.metrics.folded"
GUARD_CLOSED = "leuko.guard.closed"
GUARD_EVASIONS = "leuko.guard.evasions"
GUARD_OPENED = "leuko.guard.opened"
JUDGED_CALLS = "leuko.policy.calls"
LIMITS_ALONE = "leuko.limits.alone"
LIMITS_CLOSED = "leuko.limits.closed"
LIMITS_DROPPED = "leuko.limits.dropped"
LIMITS_PENDING = "leuko.limits.pending"
LIMIT_REJECTIONS = "leuko.limit.rejections"
OVERHEAD = "leuko.overhead.duration"
POLICIES_REFUSED = "leuko.policies.refused"
POLICIES_UNREADABLE = "leuko.policies.unreadable"
REDIS_LOSSES = "leuko.redis.losses"
REDIS_UP = "leuko.redis.up"
TOKENS = "leuko.tokens"
TOOL_CALLS = "leuko.tool.calls"
VITALS_DROPPED = "leuko.vitals.dropped"
VITALS_PENDING = "leuko.vitals.pending"
WEBHOOKS_DROPPED = "leuko.webhooks.dropped"
WEBHOOKS_FAILED = "leuko.webhooks.failed"
WEBHOOKS_SENT = "leuko.webhooks.sent"

OPERATIONS = {
    "chat_completions": "chat",
    "completions": "text_completion",
    "responses": "chat",
    "messages": "chat",
    "embeddings": "embeddings",
}
"""`gen_ai.operation.name` of each dialect."""

PROVIDERS = {"default": "openai", "azure": "azure.ai.openai"}
"""`gen_ai.provider.name` where OpenTelemetry writes a configured provider otherwise than its operator does."""
