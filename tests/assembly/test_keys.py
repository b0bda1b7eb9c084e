"""Which secrets of the deployment are whose."""

from pydantic import SecretStr

from gateway.assembly.keys import ingest_key, known_secrets, own_keys, root_of
from gateway.settings import Secrets, Settings

KEPT = Secrets(SecretStr("admin-0123456789abcdef"), SecretStr("root-0123456789abcdef"), None)


def test_a_deployment_without_an_ingest_key_has_one_key_of_its_own() -> None:
    assert own_keys(KEPT) == (b"admin-0123456789abcdef",)
    assert (ingest_key(KEPT), root_of(KEPT)) == (None, b"root-0123456789abcdef")


def test_every_key_a_deployment_knows_is_a_secret_of_its_logs() -> None:
    settings = Settings(llm_upstream_api_key=SecretStr("sk-of-the-provider"))
    kept = Secrets(KEPT.admin_key, KEPT.secret, SecretStr("ingest-0123456789abcdef"))
    found = set(known_secrets(settings, kept))
    assert found == {
        "admin-0123456789abcdef",
        "root-0123456789abcdef",
        "ingest-0123456789abcdef",
        "sk-of-the-provider",
    }
