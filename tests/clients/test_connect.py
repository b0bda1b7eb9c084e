"""What `leuko connect` prints is pasted into a shell as it is; the client, told nothing else, reaches the gateway."""

import json
import os
import shutil
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.sdk import CreatedAgent, GatewayClient
from tests.support.certificates import CertificateFiles
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway
from tests.support.upstream import answer, threaded

HERE = Path(__file__).parent
NODE, CODING = HERE / "node", HERE / "coding_agents"
WITHIN = 60
SAID = "Hello, who is there?"
QUIET = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}
HI = json.dumps([{"role": "user", "content": SAID}])


def python(code: str) -> str:
    return f"{sys.executable} - <<'EOF'\n{code}\nEOF\n"


def node(code: str) -> str:
    return f"cd {NODE}\nnode --input-type=module - <<'EOF'\n{code}\nEOF\n"


# What people have already: a program that knows nothing of the gateway.
PROGRAMS: dict[str, str] = {
    "curl": "",
    "openai-python": python(f"""
from openai import OpenAI
client = OpenAI()
print(client.chat.completions.create(model="stub-echo", messages={HI}).choices[0].message.content)
print(client.responses.create(model="stub-echo", input="{SAID}").output_text)
"""),
    "anthropic-python": python(f"""
from anthropic import Anthropic
print(Anthropic().messages.create(model="stub-echo", max_tokens=100, messages={HI}).content[0].text)
"""),
    "langchain": python(f"""
from langchain_openai import ChatOpenAI
print(ChatOpenAI(model="stub-echo").invoke("{SAID}").content)
"""),
    "openai-agents": python(f"""
from agents import Agent, Runner
print(Runner.run_sync(Agent(name="a", model="stub-echo"), "{SAID}").final_output)
"""),
    "openai-node": node(f"""
import OpenAI from "openai";
const made = await new OpenAI().chat.completions.create({{ model: "stub-echo", messages: {HI} }});
console.log(made.choices[0].message.content);
"""),
    "anthropic-node": node(f"""
import Anthropic from "@anthropic-ai/sdk";
const made = await new Anthropic().messages.create({{ model: "stub-echo", max_tokens: 100, messages: {HI} }});
console.log(made.content[0].text);
"""),
    "vercel-ai": node(f"""
import {{ generateText }} from "ai";
import {{ anthropic }} from "@ai-sdk/anthropic";
import {{ openai }} from "@ai-sdk/openai";
for (const model of [openai("stub-echo"), openai.chat("stub-echo"), anthropic("stub-echo")]) {{
  const made = await generateText({{ model, prompt: "{SAID}", maxOutputTokens: 100 }});
  if (made.text !== "{SAID}") throw new Error(made.text);
  console.log(made.text);
}}
"""),
    "codex": f"codex exec --skip-git-repo-check -m stub-echo '{SAID}'\n",
    "claude-code": f"claude -p '{SAID}' --model stub-echo\n",
}
NEEDS = {
    "openai-node": NODE / "node_modules" / "openai",
    "anthropic-node": NODE / "node_modules" / "@anthropic-ai" / "sdk",
    "vercel-ai": NODE / "node_modules" / "@ai-sdk" / "anthropic",
    "codex": CODING / "node_modules" / ".bin" / "codex",
    "claude-code": CODING / "node_modules" / ".bin" / "claude",
}


def printed(*args: str) -> str:
    """By `leuko connect`, as it is."""
    command = [sys.executable, "-m", "gateway", "connect", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=True).stdout


def pasted(script: str, home: Path, **env: str) -> str:
    """What a shell prints that knows nothing else; fails if it fails."""
    path = f"{CODING / 'node_modules' / '.bin'}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-eu"],
        input=script,
        env={"PATH": path, "HOME": str(home), "TERM": "dumb", "LANG": "C.UTF-8", **env},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=WITHIN,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture
def agent(gateway: GatewayProcess, request: pytest.FixtureRequest) -> CreatedAgent:
    with GatewayClient(gateway.url, admin_key=ADMIN_KEY) as admin:
        return admin.create_agent(request.node.name[:200])


def skip_without(client: str) -> None:
    if client in NEEDS and (shutil.which("node") is None or not NEEDS[client].exists()):
        where = "coding_agents" if client in ("codex", "claude-code") else "node"
        pytest.skip(f"NOT TESTED: {client} is not installed; run `npm ci --prefix tests/clients/{where}`")


@pytest.mark.parametrize("client", PROGRAMS)
def test_the_client_works(client: str, gateway: GatewayProcess, agent: CreatedAgent, tmp_path: Path) -> None:
    skip_without(client)
    script = printed(client, "--url", gateway.url, "--agent-key", agent.api_key)
    said = pasted(script + PROGRAMS[client], tmp_path, **QUIET)
    assert ("Hello" if client == "curl" else SAID) in said
    shown: Callable[[], Any] = lambda: gateway.admin(f"/agents/{agent.agent_id}").json()  # noqa: E731
    eventually(lambda: shown()["requests"] >= 1)
    assert shown()["verified"], "it came with the key that was printed"


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GatewayProcess, CertificateFiles, str]]:
    """A gateway with a certificate of an authority that nobody knows, and an agent's key."""
    files = CertificateFiles(tmp_path_factory.mktemp("private authority"))
    tls = {"GATEWAY_TLS_CERT_FILE": str(files.cert), "GATEWAY_TLS_KEY_FILE": str(files.key)}
    data = {"GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("data"))}
    with running_gateway("--stub", env={**tls, **data}) as gateway:
        headers = {"x-admin-key": ADMIN_KEY}
        with httpx.Client(base_url=f"{gateway.url}/api/gateway", headers=headers, verify=files.trust()) as admin:
            agent = admin.post("/agents", json={"name": "private"}).raise_for_status().json()["agent_id"]
            yield gateway, files, admin.post(f"/agents/{agent}/keys").raise_for_status().json()["api_key"]


@pytest.mark.parametrize("client", ["curl", "openai-python", "anthropic-python", "openai-node", "codex", "claude-code"])
def test_the_client_trusts_an_authority_of_ones_own(
    client: str, private: tuple[GatewayProcess, CertificateFiles, str], tmp_path: Path
) -> None:
    skip_without(client)
    gateway, files, key = private
    script = printed(client, "--url", gateway.url, "--agent-key", key, "--ca-file", str(files.ca))
    said = pasted(script + PROGRAMS[client], tmp_path, **QUIET)
    assert ("Hello" if client == "curl" else SAID) in said


def test_without_being_told_no_client_trusts_it(
    private: tuple[GatewayProcess, CertificateFiles, str], tmp_path: Path
) -> None:
    gateway, _, key = private
    with pytest.raises(AssertionError, match="certificate"):
        pasted(printed("curl", "--url", gateway.url, "--agent-key", key), tmp_path)


def exported(script: str, home: Path, **env: str) -> dict[str, str]:
    """What a gateway is given that is started from the shell."""
    text = pasted(f"{script}\nenv -0", home, **env)
    pairs = (pair.partition("=") for pair in text.split("\0") if pair)
    return {name: value for name, _, value in pairs if name.startswith(("LLM_", "OTEL_"))}


@pytest.mark.parametrize("program", ["ollama", "vllm"])
def test_a_gateway_reaches_a_server_of_models(
    program: str, gateway: GatewayProcess, agent: CreatedAgent, tmp_path: Path
) -> None:
    """Which another gateway stands for here; it takes any key, as they do."""
    env = exported(printed(program, "--upstream", gateway.url), tmp_path)
    with running_gateway(env={**env, "GATEWAY_DATA_DIR": str(tmp_path / "data")}) as before:
        with GatewayClient(before.url, admin_key=ADMIN_KEY) as admin:
            key = admin.create_agent(program).api_key
        said = pasted(printed("curl", "--url", before.url, "--agent-key", key), tmp_path)
    assert '"Hello"' in said


def test_a_gateway_sends_its_traces_to_langfuse(tmp_path: Path) -> None:
    keys = {"LANGFUSE_PUBLIC_KEY": "pk", "LANGFUSE_SECRET_KEY": "sk"}
    with threaded(answer(200)) as langfuse:
        env = exported(printed("langfuse", "--upstream", langfuse.url), tmp_path, **keys)
        with running_gateway("--stub", env={**env, "GATEWAY_DATA_DIR": str(tmp_path / "data")}) as gateway:
            pasted(printed("curl", "--url", gateway.url, "--agent-key", "sk-somebodys-own-key"), tmp_path)
        received = list(langfuse.requests)  # what is left goes out when the gateway stops; metrics would come, too
    assert {request.target for request in received} == {b"/api/public/otel/v1/traces"}
    assert {request.header("authorization") for request in received} == {f"Basic {b64encode(b'pk:sk').decode()}"}
    traces = [ExportTraceServiceRequest.FromString(request.body) for request in received]
    scopes = [scope for trace in traces for one in trace.resource_spans for scope in one.scope_spans]
    assert any("stub-echo" in span.name for scope in scopes for span in scope.spans)
