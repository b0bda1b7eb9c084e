"""The deployment's own secrets, for those that need one of them."""

from gateway.settings import Secrets, Settings


def root_of(kept: Secrets) -> bytes:
    """What every keyed hash and wrapped key is derived from."""
    return kept.secret.get_secret_value().encode()


def ingest_key(kept: Secrets) -> str | None:
    return None if kept.ingest_api_key is None else kept.ingest_api_key.get_secret_value()


def own_keys(kept: Secrets) -> tuple[bytes, ...]:
    """Keys that no provider may see, and that nobody may show to the data plane."""
    return tuple(key.get_secret_value().encode() for key in (kept.admin_key, kept.ingest_api_key) if key)


def known_secrets(settings: Settings, kept: Secrets) -> tuple[str, ...]:
    """What no log line, span or record may hold."""
    known = [kept.admin_key, kept.secret, kept.ingest_api_key, settings.llm_upstream_api_key]
    known += [provider.api_key for provider in settings.providers.values()]
    known += [webhook.secret for webhook in settings.webhooks]
    return tuple(secret.get_secret_value() for secret in known if secret is not None)
