"""The price file, as a running gateway uses it."""

import signal
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.settings import Settings, SettingsError
from gateway.settings.prices import load_prices
from tests.support.gateway import GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer

ASK = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}


def test_without_a_file_there_are_no_own_prices() -> None:
    assert load_prices(Settings()).models == {}


def test_a_wrong_file_is_named_with_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text("models: {m: {output: 1}}")
    with pytest.raises(SettingsError, match=r"prices\.yaml: models\.m lacks `input`"):
        load_prices(Settings(prices_file=file))
    monkeypatch.setenv("GATEWAY_PRICES_FILE", str(file))
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path))
    found = CliRunner().invoke(app, ["check"])
    assert found.exit_code != 0 and "lacks `input`" in found.output


def test_prices_are_read_again_at_a_hangup(tmp_path: Path, redis_url: str, shared_redis: RedisServer) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text("models: {stub-echo: {input: 1000000}}")
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_PRICES_FILE": str(file)}
    with running_gateway("--stub", env=env) as gateway:
        assert _cost_of_a_token(gateway) == 1.0
        file.write_text("models: {stub-echo: {input: 500000}}")
        gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: _cost_of_a_token(gateway) == 0.5)
        file.write_text("models: {stub-echo: 3}")
        gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: "allowed: a mapping" in gateway.output)
        assert _cost_of_a_token(gateway) == 0.5


def _cost_of_a_token(gateway: GatewayProcess) -> float:
    answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=ASK)
    path = f"/agents/{answer.headers['x-gateway-agent-id']}/vitals?limit=1"
    request_id = answer.headers["x-gateway-request-id"]

    def arrived() -> bool:
        items = gateway.admin(path).json().get("items", ())
        return bool(items) and items[0]["request_id"] == request_id

    eventually(arrived)
    row = gateway.admin(path).json()["items"][0]
    cost: float = row["cost_usd"] / row["input_tokens"]
    return round(cost, 2)
