"""A webhook's receiver, as operators name it."""

from gateway.background.webhook import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_webhook_is_shown_without_what_is_secret() -> None:
    webhook = Webhook("https://hooks.example/T0K3N", SECRET)
    assert "T0K3N" not in repr(webhook) and "MfKQ" not in repr(webhook)
    assert webhook.endpoint == Webhook(webhook.url, "whsec_other").endpoint != Webhook("https://b", SECRET).endpoint
