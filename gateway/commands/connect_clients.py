"""What each client needs to go through the gateway, as lines for a shell. Where a client reads its settings from the
environment, that is all there is to do: its code stays as it is.
"""

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

PLACEHOLDER = "agk_YOUR_AGENT_KEY"
"""Stands where an agent key was not given."""

_TESTS, _HAND = "by the tests", "by hand"

_PYTHON, _NODE, _CODEX = "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "CODEX_CA_CERTIFICATE"
_TRUST_NOTES = {
    _PYTHON: (
        "SSL_CERT_FILE stands in place of the authorities known otherwise: a program that also speaks to others",
        "needs a file that has theirs, too.",
    ),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the gateway is, without `/v1`; an agent's key; where what lies behind the gateway is, and the file of the
    authority to trust, if they were said."""

    url: str
    agent_key: str = PLACEHOLDER
    upstream: str | None = None
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What to set.

    Attributes:
        environment: variables, in the order to set them.
        shell: values of those that a shell has to work out, as it reads them.
        lines: what a shell is told besides.
        notes: for people.
    """

    environment: Mapping[str, str]
    shell: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def script(self) -> str:
        """What is pasted into a shell. Without comments: zsh takes them for commands."""
        exports = [
            f"export {name}={self.shell.get(name) or shlex.quote(value)}" for name, value in self.environment.items()
        ]
        return "".join(f"{line}\n" for line in (*exports, *self.lines))

    def document(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {"environment": dict(self.environment), "script": self.script(), "notes": list(self.notes)}


@dataclass(frozen=True, slots=True)
class ClientKind:
    """One kind of client.

    Attributes:
        make: makes its settings.
        table: what the README says of them.
        tried: how it is known that they work.
        trust: the variable for the file of an authority, if there is one.
        behind: it lies behind the gateway, whose settings these are then.
    """

    title: str
    make: Callable[[Place], Settings]
    table: str
    tried: str = _TESTS
    trust: str | None = _PYTHON
    behind: bool = False

    def settings(self, place: Place) -> Settings:
        """With the authority that is to be trusted, if one was said."""
        made = self.make(place)
        if place.ca_file is None or self.trust is None:
            return made
        notes = (*made.notes, *_TRUST_NOTES.get(self.trust, ()))
        return replace(made, environment={**made.environment, self.trust: place.ca_file}, notes=notes)


def _openai(*notes: str, base: str = "OPENAI_BASE_URL", **more: str) -> Callable[[Place], Settings]:
    def settings(place: Place) -> Settings:
        environment = {base: f"{place.url}/v1", "OPENAI_API_KEY": place.agent_key, **more}
        return Settings(environment, notes=notes)

    return settings


def _anthropic(place: Place) -> Settings:
    return Settings({"ANTHROPIC_BASE_URL": place.url, "ANTHROPIC_API_KEY": place.agent_key})


def _vercel(place: Place) -> Settings:
    environment = {"OPENAI_BASE_URL": f"{place.url}/v1", "OPENAI_API_KEY": place.agent_key}
    environment |= {"ANTHROPIC_BASE_URL": f"{place.url}/v1", "ANTHROPIC_API_KEY": place.agent_key}
    return Settings(environment, notes=("This SDK wants /v1 for Anthropic's models, too.",))


def _codex(place: Place) -> Settings:
    provider = {"name": "Leuko", "base_url": f"{place.url}/v1", "env_key": "LEUKO_KEY", "wire_api": "responses"}
    members = [f"{name} = {json.dumps(value)}" for name, value in provider.items()]
    options = ['model_provider="leuko"']
    options += [f"model_providers.leuko.{name}={json.dumps(value)}" for name, value in provider.items()]
    given = " ".join(f"-c {shlex.quote(option)}" for option in options)
    kept = ['model_provider = "leuko"   # at the head of the file', "[model_providers.leuko]", *members]
    return Settings(
        {"LEUKO_KEY": place.agent_key},
        lines=(f'codex() {{ command codex {given} "$@"; }}',),
        notes=("For this shell only. To keep it, have this in .codex/config.toml:", *(f"  {line}" for line in kept)),
    )


def _claude_code(place: Place) -> Settings:
    return Settings({"ANTHROPIC_BASE_URL": place.url, "ANTHROPIC_AUTH_TOKEN": place.agent_key})


def _curl(place: Place) -> Settings:
    body = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
    trusted = "" if place.ca_file is None else f"--cacert {shlex.quote(place.ca_file)} "
    call = (
        f'curl -sS {trusted}{shlex.quote(f"{place.url}/v1/chat/completions")} -H "authorization: Bearer $LEUKO_KEY" '
        f"-H 'content-type: application/json' -d {shlex.quote(json.dumps(body))}"
    )
    return Settings(
        {"LEUKO_KEY": place.agent_key}, lines=(call,), notes=("The model stub-echo answers under leuko serve --stub.",)
    )


def _served(program: str, upstream: str, key: str, *notes: str) -> Callable[[Place], Settings]:
    def settings(place: Place) -> Settings:
        environment = {"LLM_UPSTREAM_URL": _v1(place.upstream or upstream), "LLM_UPSTREAM_API_KEY": key}
        first = f"For the gateway: after leuko serve, what its agents ask goes to {program}."
        return Settings(environment, notes=(first, *notes))

    return settings


def _langfuse(place: Place) -> Settings:
    root = (place.upstream or "https://cloud.langfuse.com").rstrip("/")
    pair = "${LANGFUSE_PUBLIC_KEY:-pk-lf-YOUR_PUBLIC_KEY}:${LANGFUSE_SECRET_KEY:-sk-lf-YOUR_SECRET_KEY}"
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{root}/api/public/otel",
        "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20BASE64_OF_PUBLIC_KEY:SECRET_KEY",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_TRACES_SAMPLER": "always_on",
    }
    value = f'"Authorization=Basic%20$(printf %s "{pair}" | base64 | tr -d \'\\n\')"'
    return Settings(
        environment,
        shell={"OTEL_EXPORTER_OTLP_HEADERS": value},
        notes=(
            "For the gateway: after leuko serve, each exchange is a trace there.",
            "Set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY before. Langfuse takes traces only, no metrics.",
        ),
    )


def _v1(url: str) -> str:
    return f"{url.rstrip('/').removesuffix('/v1')}/v1"


class Client(StrEnum):
    """Those that `leuko connect` knows."""

    OPENAI_PYTHON = "openai-python"
    OPENAI_NODE = "openai-node"
    ANTHROPIC_PYTHON = "anthropic-python"
    ANTHROPIC_NODE = "anthropic-node"
    LANGCHAIN = "langchain"
    LLAMAINDEX = "llamaindex"
    CREWAI = "crewai"
    OPENAI_AGENTS = "openai-agents"
    AUTOGEN = "autogen"
    VERCEL_AI = "vercel-ai"
    CODEX = "codex"
    CLAUDE_CODE = "claude-code"
    CURL = "curl"
    OLLAMA = "ollama"
    VLLM = "vllm"
    LANGFUSE = "langfuse"


_TRACES = "Its own traces would take the key to OpenAI."
_BASE, _ROOT = "`OPENAI_BASE_URL=…/v1`", "`ANTHROPIC_BASE_URL=…`"

CLIENTS: Mapping[Client, ClientKind] = {
    Client.OPENAI_PYTHON: ClientKind("OpenAI SDK, Python", _openai(), _BASE),
    Client.OPENAI_NODE: ClientKind("OpenAI SDK, Node", _openai(), _BASE, trust=_NODE),
    Client.ANTHROPIC_PYTHON: ClientKind("Anthropic SDK, Python", _anthropic, _ROOT),
    Client.ANTHROPIC_NODE: ClientKind("Anthropic SDK, Node", _anthropic, _ROOT, trust=_NODE),
    Client.LANGCHAIN: ClientKind("LangChain `ChatOpenAI`", _openai(), _BASE),
    Client.LLAMAINDEX: ClientKind(
        "LlamaIndex `OpenAI`", _openai(base="OPENAI_API_BASE"), "`OPENAI_API_BASE=…/v1`", _HAND
    ),
    Client.CREWAI: ClientKind("CrewAI", _openai(CREWAI_DISABLE_TELEMETRY="true"), _BASE, _HAND),
    Client.OPENAI_AGENTS: ClientKind(
        "openai-agents", _openai(_TRACES, OPENAI_AGENTS_DISABLE_TRACING="1"), f"{_BASE}, its own tracing off"
    ),
    Client.AUTOGEN: ClientKind("AutoGen `OpenAIChatCompletionClient`", _openai(), _BASE, _HAND),
    Client.VERCEL_AI: ClientKind("Vercel AI SDK", _vercel, f"{_BASE}, `ANTHROPIC_BASE_URL=…/v1`", trust=_NODE),
    Client.CODEX: ClientKind(
        "Codex CLI", _codex, '`[model_providers.leuko]` with `wire_api = "responses"`', trust=_CODEX
    ),
    Client.CLAUDE_CODE: ClientKind("Claude Code", _claude_code, f"{_ROOT}, `ANTHROPIC_AUTH_TOKEN`", trust=_NODE),
    Client.CURL: ClientKind("curl", _curl, "`authorization: Bearer …`", trust=None),
    Client.OLLAMA: ClientKind(
        "Ollama behind the gateway",
        _served("Ollama", "http://127.0.0.1:11434", "ollama", "Ollama takes any key."),
        "`LLM_UPSTREAM_URL=http://127.0.0.1:11434/v1`",
        trust="GATEWAY_UPSTREAM_CA_FILE",
        behind=True,
    ),
    Client.VLLM: ClientKind(
        "vLLM behind the gateway",
        _served(
            "vLLM", "http://127.0.0.1:8000", "EMPTY", "The key is the one of vllm serve --api-key, if there is one."
        ),
        "`LLM_UPSTREAM_URL=http://127.0.0.1:8000/v1`",
        trust="GATEWAY_UPSTREAM_CA_FILE",
        behind=True,
    ),
    Client.LANGFUSE: ClientKind(
        "Langfuse behind the gateway",
        _langfuse,
        "`OTEL_EXPORTER_OTLP_ENDPOINT`, traces only",
        trust="OTEL_EXPORTER_OTLP_CERTIFICATE",
        behind=True,
    ),
}


def clients_table() -> str:
    """For the README."""
    rows = [f"| {kind.title} | `{client}` | {kind.table} | {kind.tried} |" for client, kind in CLIENTS.items()]
    return "\n".join(["| client | `leuko connect …` | what it sets | tried |", "|---|---|---|---|", *rows])
