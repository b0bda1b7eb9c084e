"""Every setting: its type, default, meaning and what is allowed.

Checks values; where they come from is the business of `sources`.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
)

from gateway.settings.enforcement import EnforcementTargets
from gateway.settings.mcp_servers import EndpointUrl, MCPServerGiven
from gateway.settings.named_keys import with_named_key
from gateway.settings.sections import Documents, DurationOrOff, JWTSettings, Networks, Retention, Webhooks
from gateway.settings.shapes import (
    Bytes,
    ExistingFile,
    HostName,
    HostNames,
    HttpUrl,
    Origins,
    Port,
    ProxyUrl,
    RedisUrl,
    Seconds,
    Whole,
    is_loopback,
    json_object,
)
from gateway.settings.strength import header_problem, weakness

_FROZEN = ConfigDict(frozen=True, extra="forbid")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LEVELS = {"warn": "warning", "fatal": "critical"}
_SECRET = "16 characters or more, not a familiar word"
_FILE = "the path of a file that can be read"
_URL = "http(s)://host, perhaps with a port and a path"
_LIST = "a list, or text separated by commas"


def setting(default: object, meaning: str, allowed: str, *, secret: bool = False, shown: str | None = None) -> Any:
    """A field with what its table row and its error messages say; a secret one is never printed.

    `shown` stands for a default that the bare value would explain badly.
    """
    extra = {"allowed": allowed, **({} if shown is None else {"shown": shown})}
    return Field(default=default, description=meaning, repr=not secret, json_schema_extra=dict(extra))


class Timeouts(BaseModel):
    """Seconds. `whole` bounds answers that do not stream, `total` those that do; `drain_*` what a stop waits for."""

    model_config = _FROZEN

    connect: Seconds = 5.0
    first_byte: Seconds = 600.0
    idle: Seconds = 300.0
    total: Seconds = 3600.0
    whole: Seconds = 620.0
    drain_whole: Seconds = 30.0
    drain_stream: Seconds = 300.0


class ProviderSettings(BaseModel):
    """One provider besides the default one.

    `api_key` is what the variable named by `api_key_env` held when the settings were read; it cannot be written down
    among them.
    """

    model_config = _FROZEN

    url: HttpUrl
    api_key_env: str | None = None
    api_key: SecretStr | None = Field(default=None, repr=False)
    dialect: Literal["openai", "azure", "anthropic"] = "openai"
    models: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = ()
    upstream_proxy: ProxyUrl | None = Field(default=None, repr=False)
    upstream_ca_file: ExistingFile | None = None


def _name(value: str) -> str:
    if _NAME.fullmatch(value) is None:
        raise ValueError("is not a name of a-z, 0-9, _ and -")
    return value


ProviderName = Annotated[str, AfterValidator(_name)]
Provider = Annotated[ProviderSettings, BeforeValidator(with_named_key)]


class Settings(BaseModel):
    """Everything an operator may set. Frozen; secrets show in no repr. Times in seconds, sizes in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    host: HostName = setting("127.0.0.1", "address to listen on", "an IP address or host name")
    port: Port = setting(4000, "port to listen on; 0 takes a free one", "a whole number from 0 to 65535")
    admin_port: Port | None = setting(
        None,
        "serve the admin API on this port only, instead of beside the data plane",
        "a whole number from 0 to 65535, other than GATEWAY_PORT",
    )
    tls_cert_file: ExistingFile | None = setting(
        None, "certificate chain (PEM); with it, HTTPS is served; read again when it changes", _FILE
    )
    tls_key_file: ExistingFile | None = setting(None, "private key (PEM) of the certificate", _FILE)
    allowed_hosts: HostNames = setting(
        (),
        "host names that requests to the admin API and MCP servers may be addressed to, beside loopback and "
        "`GATEWAY_HOST`",
        f"host names: {_LIST}",
        shown="none further",
    )
    cors_origins: Origins = setting(
        (),
        "web origins that may call the admin API and MCP servers",
        f"origins such as https://example.com: {_LIST}",
        shown="none",
    )
    max_body_bytes: Bytes = setting(
        32 * 2**20, "largest body of a judged route", "a number of bytes, at least 1", shown="33554432 (32 MiB)"
    )
    max_relayed_bytes: Bytes = setting(
        2**30, "largest body of a relayed route", "a number of bytes, at least 1", shown="1073741824 (1 GiB)"
    )
    timeouts: Timeouts = setting(
        Timeouts(),
        "seconds, as a JSON object; names left out keep their defaults",
        "a JSON object of seconds above 0: connect, first_byte, idle, total, whole, drain_whole, drain_stream",
    )

    admin_key: SecretStr | None = setting(
        None, "key of the admin API (also `ADMIN_API_KEY`)", _SECRET, secret=True, shown="made at first start"
    )
    secret: SecretStr | None = setting(
        None, "root of every keyed hash; agents' ids change with it", _SECRET, secret=True, shown="made at first start"
    )
    ingest_api_key: SecretStr | None = setting(
        None,
        "key for reporting vitals and registering agents",
        _SECRET,
        secret=True,
        shown="made at first start",
    )

    redis_url: RedisUrl | None = setting(
        None,
        "the Redis that holds all state",
        "redis://, rediss:// or unix:// and an address, or redis+sentinel://, redis+cluster:// and several",
        secret=True,
        shown="a private Redis of its own",
    )
    redis_prefix: Annotated[str, StringConstraints(pattern=r"^[\w.:-]{1,64}$")] = setting(
        "leuko:", "what every key in Redis starts with", "1 to 64 letters, digits or ._:-"
    )
    data_dir: Path = setting(
        Path("~/.local/share/leuko"), "directory of the private Redis and of the secrets made here", "a directory"
    )

    llm_upstream_url: HttpUrl | None = setting(
        None, "the default provider; a path stands for `/v1`", _URL, shown="https://api.openai.com"
    )
    llm_upstream_api_key: SecretStr | None = setting(
        None, "the default provider's key, for callers that bring none", "visible ASCII characters", secret=True
    )
    providers: dict[ProviderName, Provider] = setting(
        {},
        'further providers as JSON: `{"azure":"https://…"}`, or with `url`, `api_key_env`, `dialect`, `models`, '
        "`upstream_proxy`, `upstream_ca_file`",
        "a JSON object from names ([a-z0-9_-]) to URLs or objects",
        shown="none",
    )
    upstream_proxy: ProxyUrl | None = setting(None, "HTTP proxy on the way to providers", _URL, secret=True)
    upstream_ca_file: ExistingFile | None = setting(None, "certificates (PEM) trusted for providers", _FILE)

    mcp_servers: dict[ProviderName, MCPServerGiven] = setting(
        {},
        'MCP servers behind `/mcp/{name}` as JSON: `{"files":"https://…/mcp"}`, or with `url` and `api_key_env`',
        "a JSON object from names ([a-z0-9_-]) to URLs or objects",
        shown="none",
    )
    mcp_upstream_url: EndpointUrl | None = setting(None, "the MCP server `default`, also at `/mcp`", _URL, shown="none")
    mcp_allow_unverified: bool = setting(
        False, "whether callers without a proof of who they are may use MCP servers; on loopback only", "true or false"
    )

    propagate_trace: bool = setting(True, "whether W3C trace context travels on to providers", "true or false")

    allow_private_upstreams: bool = setting(
        False, "whether providers that come in over the admin API may have private addresses", "true or false"
    )
    prices_file: ExistingFile | None = setting(
        None, "prices (YAML) that replace or add to the bundled ones", _FILE, shown="the bundled table"
    )

    require_agent_key: bool = setting(False, "refuse callers without an agent key or a token", "true or false")
    jwt: JWTSettings | None = setting(
        None,
        "tokens that prove who an agent is, as JSON: `issuer`, `audience`, `jwks` (URL or file), `claim` (`sub`)",
        "a JSON object of issuer, audience, jwks and claim",
        shown="none",
    )
    trusted_proxies: Networks = setting(
        (), "networks whose `X-Forwarded-For` counts", f"addresses or networks (CIDR): {_LIST}", shown="none"
    )
    on_state_loss: Literal["available", "strict"] = setting(
        "available",
        "without Redis: `available` lets plain answers pass for 60 s, `strict` refuses all",
        "available or strict",
    )
    policy_dir: Path | None = setting(
        None, "directory of policy documents", "a directory", shown="./policies if it is there, else the packaged one"
    )
    policies: Documents = setting(
        (), "policy documents beside the files, as a JSON array", "a JSON array of objects", shown="none"
    )
    enforcement: Literal["enforce", "shadow"] = setting(
        "enforce",
        "`shadow` judges and records what the policies would deny, and lets it pass; limits and budgets hold",
        "enforce or shadow",
    )

    record_calls: DurationOrOff = setting(
        7 * 86_400,
        "how long judged requests and tool calls are kept, secrets in arguments covered, to try policies on them; "
        "no longer than GATEWAY_RETENTION says of calls",
        "a duration such as 7d, 12h or 30m, or off",
        shown="7d",
    )

    audit: Literal["group", "strict"] = setting(
        "group",
        "`group` syncs the audit record every 50 ms; `strict` before anything is forwarded",
        "group or strict",
    )
    audit_allow_reads: bool = setting(
        False, "whether requests that offer no tools pass while the audit record cannot be written", "true or false"
    )
    retention: Retention = setting(
        Retention(),
        "how long what was recorded is kept, as JSON; names left out keep their defaults",
        "a JSON object: vitals_count, and durations such as 7d for vitals, calls, incidents, audit, idle_agents",
        shown="vitals_count 1000, vitals 7d, calls 7d, incidents 90d, audit 30d, idle_agents 30d",
    )
    signing_key_file: ExistingFile | None = setting(
        None, "Ed25519 key (PEM) that signs the audit record", _FILE, shown="made once, kept in Redis encrypted"
    )

    webhooks: Webhooks = setting(
        (),
        "who is told of what happens, as JSON: `url`, `secret` (`whsec_…`) or `secret_env`, and `events`: "
        "`approval.requested` (the default), `approval.approved`, `approval.rejected`, `incident.opened`, "
        "`incident.closed`, `agent.quarantined`, `agent.released`, `agent.exhausted`, `immune.alert`",
        "a JSON array of objects with url, secret or secret_env, events; 20 at most",
        secret=True,
        shown="none",
    )

    enforcement_targets: EnforcementTargets = setting(
        {},
        "what else stops a quarantined agent, as JSON or a file of it: by agent id, or name with `*`, `process`, "
        "`container`, `webhook`, `restart`, `control`",
        "a JSON object from agents to objects, or the path of a file (JSON or YAML) that holds one",
        shown="none",
    )

    log_level: Literal["debug", "info", "warning", "error", "critical"] = setting(
        "info", "least severe messages that are logged", "debug, info, warning, error or critical"
    )
    log_format: Literal["text", "json"] = setting("text", "form of log lines", "text or json")

    workers: Annotated[Whole, Field(ge=1, le=1024)] = setting(1, "processes that serve", "a whole number from 1")
    stub: bool = setting(False, "answer with built-in stub models; on loopback only", "given or not")
    stub_script: ExistingFile | None = setting(None, "turns of the model `stub-script`", _FILE)

    notices: tuple[str, ...] = Field(default=(), description="What whoever starts the gateway should read.")

    @field_validator("timeouts", "providers", "mcp_servers", "jwt", "retention", mode="before")
    @classmethod
    def _read_json(cls, value: object) -> object:
        return json_object(value)

    @field_validator("log_level", mode="before")
    @classmethod
    def _level_name(cls, value: object) -> object:
        return _LEVELS.get(value.lower(), value.lower()) if isinstance(value, str) else value

    @field_validator("log_format", mode="before")
    @classmethod
    def _format_name(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        try:
            return value.expanduser().absolute()
        except RuntimeError:
            raise ValueError("starts with ~, and there is no home directory") from None

    @field_validator("admin_key", "secret", "ingest_api_key")
    @classmethod
    def _strong(cls, value: SecretStr | None) -> SecretStr | None:
        problem = None if value is None else weakness(value.get_secret_value())
        if problem is not None:
            raise ValueError(problem)
        return value

    @field_validator("admin_key", "ingest_api_key", "llm_upstream_api_key")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        problem = None if value is None else header_problem(value.get_secret_value())
        if problem is not None:
            raise ValueError(problem)
        return value

    @property
    def tls(self) -> bool:
        return self.tls_cert_file is not None

    @property
    def deployment(self) -> str:
        """The deployment's name: its record and its tokens are of it, and intents for it."""
        return self.redis_prefix.strip(":") or "leuko"

    @property
    def listens_on_loopback(self) -> bool:
        return is_loopback(self.host)
