"""One gateway with the stub models and nothing else, and one that stands before a scripted provider; both real."""

from collections.abc import Iterator

import pytest

from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.upstream import ThreadedUpstream, threaded

RELAYED_LIMIT = 60 * 2**20
AZURE_KEY = "azure-own-key"


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """`leuko serve --stub`: no provider, no network, a Redis of its own."""
    with running_gateway("--stub", env={"GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("stub"))}) as process:
        yield process


@pytest.fixture(scope="session")
def _provider() -> Iterator[ThreadedUpstream]:
    with threaded(b"") as upstream:
        yield upstream


@pytest.fixture
def provider(_provider: ThreadedUpstream) -> Iterator[ThreadedUpstream]:
    """The default provider behind `relay`; set `provider.inner.script` to what it shall answer."""
    _provider.inner.script = b""
    _provider.inner.conversations.clear()
    _provider.requests.clear()
    yield _provider
    errors, _provider.inner.errors = _provider.inner.errors, []
    assert not errors, errors


@pytest.fixture(scope="session")
def relay(tmp_path_factory: pytest.TempPathFactory, _provider: ThreadedUpstream) -> Iterator[GatewayProcess]:
    """A gateway whose providers are all the scripted one; no stub models."""
    env = {
        "GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("relay")),
        "LLM_UPSTREAM_URL": _provider.url,
        "GATEWAY_MAX_RELAYED_BYTES": str(RELAYED_LIMIT),
    }
    with running_gateway(env=env) as process:
        yield process
