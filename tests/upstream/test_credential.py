"""Which credential a provider sees."""

from itertools import product

import pytest

from gateway.model.errors import Refusal
from gateway.upstream.credential import AS_RECEIVED, outgoing_credential, own_key
from gateway.upstream.providers import Provider

KEYED = Provider("azure", "https://x.test", api_key="sk-own", api_key_env="AZURE_KEY")
BARE = Provider("local", "http://x.test")
OURS = [
    b"agk_a1b2c3d4_" + b"x" * 38, b"agk_", b"adk_1", b"igk_1", b"Bearer agk_a1", b" agk_x", b"x:agk_a", b"-adk_1",
]  # fmt: skip


def test_a_callers_credential_goes_to_the_default_provider_only() -> None:
    assert outgoing_credential(KEYED, default=True, verified=False, credential=b"sk-x") is AS_RECEIVED
    with pytest.raises(Refusal, match="`AZURE_KEY`") as caught:
        outgoing_credential(KEYED, default=False, verified=False, credential=b"sk-x")
    assert (caught.value.code, caught.value.status, caught.value.retry) == ("invalid_api_key", 401, False)


def test_a_caller_without_credential_uses_the_default_providers_key_and_no_others() -> None:
    assert outgoing_credential(KEYED, default=True, verified=False, credential=None) == (
        b"authorization", b"Bearer sk-own",
    )  # fmt: skip
    assert outgoing_credential(BARE, default=True, verified=False, credential=None) is None
    with pytest.raises(Refusal, match="`api_key_env`"):
        outgoing_credential(BARE, default=False, verified=False, credential=None)


def test_a_verified_caller_uses_the_providers_own_key() -> None:
    for default in (True, False):
        assert outgoing_credential(KEYED, default=default, verified=True, credential=None) == own_key(KEYED)
        assert outgoing_credential(BARE, default=default, verified=True, credential=None) is None


def test_a_verified_caller_may_bring_a_provider_key_for_the_default_provider() -> None:
    assert outgoing_credential(KEYED, default=True, verified=True, credential=b"sk-x") is AS_RECEIVED
    assert outgoing_credential(KEYED, default=False, verified=True, credential=b"sk-x") == own_key(KEYED)


@pytest.mark.parametrize(
    ("dialect", "header"),
    [
        ("openai", (b"authorization", b"Bearer k")),
        ("azure", (b"api-key", b"k")),
        ("anthropic", (b"x-api-key", b"k")),
    ],
)
def test_a_providers_own_key_travels_in_its_dialects_header(dialect: str, header: tuple[bytes, bytes]) -> None:
    assert own_key(Provider("p", "https://x.test", dialect, "k")) == header


@pytest.mark.parametrize("credential", OURS)
def test_nothing_shaped_like_a_key_of_ours_ever_leaves(credential: bytes) -> None:
    for default, verified in product((True, False), repeat=2):
        with pytest.raises(Refusal) as caught:
            outgoing_credential(KEYED, default=default, verified=verified, credential=credential)
        assert caught.value.code == "invalid_api_key"
        assert credential.decode() not in caught.value.message


def test_the_gateways_own_secrets_never_leave() -> None:
    secrets = (b"admin-secret-0001", b"ingest-secret-001")
    for secret in secrets:
        with pytest.raises(Refusal) as caught:
            outgoing_credential(BARE, default=True, verified=False, credential=secret, secrets=secrets)
        assert secret.decode() not in caught.value.message
    for close in (b"admin-secret-0002", b"admin-secret-000", b"admin-secret-00011"):
        assert outgoing_credential(BARE, default=True, verified=False, credential=close, secrets=secrets) is AS_RECEIVED


@pytest.mark.parametrize("credential", [b"sk-agk_x", b"magk_1", b"agk-1", b"sk-proj-abc_igk"])
def test_a_credential_that_only_resembles_ours_passes_where_it_can_be_told_apart(credential: bytes) -> None:
    if credential == b"sk-agk_x":  # a separator before it: better refused
        with pytest.raises(Refusal):
            outgoing_credential(BARE, default=True, verified=False, credential=credential)
    else:
        assert outgoing_credential(BARE, default=True, verified=False, credential=credential) is AS_RECEIVED
