"""Which provider a request goes to, and what its URL makes of a path."""

import pytest

from gateway.model.errors import Refusal
from gateway.model.route import Route
from gateway.upstream.providers import Provider, Providers

CHAT = Route("chat_completions", "/chat/completions")
MESSAGES = Route("messages", "/messages")
MODELS = Route(None, "/models/org%2Fname")
AZURE = Route("chat_completions", "/chat/completions", deployment="gpt-4o")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.openai.com", "/v1/chat/completions"),
        ("https://api.openai.com/", "/v1/chat/completions"),
        ("https://api.openai.com/v1", "/v1/chat/completions"),
        ("https://api.openai.com/v1/", "/v1/chat/completions"),
        ("https://x.test/api/v3", "/api/v3/chat/completions"),
        ("https://x.test//api///v3//", "/api/v3/chat/completions"),
        ("https://x.test/a%2Fb", "/a%2Fb/chat/completions"),
    ],
)
def test_the_path_of_a_provider_url_stands_for_v1(url: str, expected: str) -> None:
    assert Provider("p", url).path(CHAT) == expected


def test_the_encoding_of_path_and_query_is_kept() -> None:
    made = Provider("p", "https://x.test")
    assert made.target(made.path(MODELS), b"a=%2f%2F&b=c+d") == "/v1/models/org%2Fname?a=%2f%2F&b=c+d"
    assert made.target("/v1/models") == "/v1/models"


@pytest.mark.parametrize(
    ("url", "dialect", "plain", "deployed"),
    [
        ("https://r.openai.azure.com", "azure", "/openai/v1", "/openai/deployments/gpt-4o"),
        ("https://r.openai.azure.com/openai/v1", "azure", "/openai/v1", "/openai/deployments/gpt-4o"),
        ("https://r.openai.azure.com/openai", "azure", "/openai", "/openai/deployments/gpt-4o"),
        ("https://apim.test/llm/openai/v1", "azure", "/llm/openai/v1", "/llm/openai/deployments/gpt-4o"),
        ("https://x.test", "openai", "/v1", "/v1"),
        ("https://x.test/api/v3", "openai", "/api/v3", "/api/v3"),
    ],
)
def test_azure_deployments_keep_their_form_where_azure_is(url: str, dialect: str, plain: str, deployed: str) -> None:
    made = Provider("p", url, dialect)
    assert made.path(CHAT) == plain + "/chat/completions"
    assert made.path(AZURE) == deployed + "/chat/completions"


def test_the_default_provider_gets_deployments_as_received_unless_it_is_openai_itself() -> None:
    assert Providers(default_url="http://10.0.0.1:8000").default.path(AZURE) == (
        "/openai/deployments/gpt-4o/chat/completions"
    )
    assert Providers().default.path(AZURE) == "/v1/chat/completions"


def test_an_azure_host_makes_the_default_provider_an_azure_one() -> None:
    assert Providers(default_url="https://r.openai.azure.com").default.dialect == "azure"
    assert Providers(default_url="https://openai.azure.com.evil.test").default.dialect == "openai"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"url": "ftp://x.test"}, "https or http"),
        ({"url": "x.test"}, "https or http"),
        ({"url": "https://"}, "no host"),
        ({"url": "https://a b"}, "no host"),
        ({"url": "https://u:secret@x.test"}, "no user and password"),
        ({"url": "https://x.test?a=1"}, "query or a fragment"),
        ({"url": "https://x.test#a"}, "query or a fragment"),
        ({"url": "https://x.test:99999"}, "[Pp]ort"),
        ({"url": "https://x.test/a b"}, "path"),
        ({"url": "https://x.test/../a"}, "path"),
        ({"url": "https://x.test", "name": "a/b"}, "provider name"),
        ({"url": "https://x.test", "name": ""}, "provider name"),
        ({"url": "https://x.test", "dialect": "gemini"}, "openai, azure, anthropic"),
        ({"url": "https://x.test", "api_key": "sk-1\n"}, "api_key"),
        ({"url": "https://x.test", "api_key": ""}, "api_key"),
        ({"url": "https://x.test", "proxy": "socks5://u:secret@x"}, "proxy: the scheme must be http"),
    ],
)
def test_a_definition_that_cannot_work_is_refused_with_the_reason(members: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Provider(**{"name": "p", **members})  # type: ignore[arg-type]
    assert "secret" not in str(caught.value) and "sk-1" not in str(caught.value)


def test_neither_key_nor_proxy_is_in_a_provider_s_repr() -> None:
    shown = repr(Provider("p", "https://x.test", api_key="sk-secret", proxy="http://u:secret@proxy.test"))
    assert "secret" not in shown and "https://x.test" in shown


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://X.test", b"x.test"), ("https://x.test:443", b"x.test"), ("http://x.test:443", b"x.test:443"),
        ("http://x.test:80", b"x.test"), ("http://[::1]:8000", b"[::1]:8000"), ("https://[::1]", b"[::1]"),
    ],
)  # fmt: skip
def test_the_host_header_has_a_port_where_it_is_not_the_scheme_s(url: str, host: bytes) -> None:
    assert Provider("p", url).host_header == host


def test_names_are_given_once_and_some_are_reserved() -> None:
    one = Provider("one", "https://x.test")
    with pytest.raises(ValueError, match="'one' is defined twice"):
        Providers(named=[one, one])
    with pytest.raises(ValueError, match="'default' is reserved"):
        Providers(named=[Provider("default", "https://x.test")])
    with pytest.raises(ValueError, match="'stub' is reserved"):
        Providers(named=[Provider("stub", "https://x.test")], stub=True)
    assert Providers(named=[Provider("anthropic", "https://x.test")]).by_name["anthropic"].url == "https://x.test"


def test_without_configuration_there_are_openai_and_anthropic() -> None:
    providers = Providers()
    assert providers.choose(CHAT, "gpt-4o").url == "https://api.openai.com"
    assert providers.choose(MESSAGES, "claude").url == "https://api.anthropic.com"
    assert providers.choose(Route(None, "/messages/batches")).url == "https://api.anthropic.com"
    assert providers.choose(Route(None, "/models")).url == "https://api.openai.com"


def test_a_configured_default_serves_messages_too_unless_a_provider_speaks_them() -> None:
    assert Providers(default_url="http://x.test").choose(MESSAGES).name == "default"
    claude = Provider("claude", "http://c.test", "anthropic")
    assert Providers(default_url="http://x.test", named=[claude]).choose(MESSAGES) is claude


def test_the_order_is_route_then_name_then_model_then_dialect_then_default() -> None:
    fast = Provider("fast", "http://f.test", models=("gpt-4o*", "o?-mini"))
    other = Provider("other", "http://o.test", models=("gpt-*",))
    claude = Provider("claude", "http://c.test", "anthropic")
    providers = Providers(default_url="http://d.test", named=[fast, other, claude])
    named = Route("chat_completions", "/chat/completions", provider="other")

    assert providers.choose(named, "gpt-4o", routed="claude") is claude
    assert providers.choose(named, "gpt-4o") is other
    assert providers.choose(CHAT, "gpt-4o-mini") is fast
    assert providers.choose(CHAT, "gpt-3") is other
    assert providers.choose(CHAT, "o3-mini") is fast
    assert providers.choose(CHAT, "o3-mini\n") is providers.default
    assert providers.choose(MESSAGES, "gpt-4o") is fast
    assert providers.choose(MESSAGES, "claude-4") is claude
    assert providers.choose(CHAT, None) is providers.default


def test_a_name_the_caller_made_up_is_refused_with_the_names_there_are() -> None:
    providers = Providers(default_url="http://x.test", named=[Provider("azure", "http://a.test")])
    with pytest.raises(Refusal, match="No provider `nope` here; there are: default, azure") as caught:
        providers.choose(Route(None, "/models", provider="nope"))
    assert caught.value.code == "invalid_request"
    with pytest.raises(Refusal, match="No provider here"):
        providers.choose(Route(None, "/models", provider="<script>"))


def test_a_route_to_a_provider_that_is_gone_is_no_fault_of_the_caller() -> None:
    with pytest.raises(Refusal) as caught:
        Providers().choose(CHAT, routed="gone")
    assert caught.value.code == "upstream_unavailable"


def test_stub_models_go_to_the_stub_only_where_it_is_on() -> None:
    providers = Providers(stub=True, named=[Provider("all", "http://a.test", models=("*",))])
    stub = providers.choose(CHAT, "stub-echo")
    assert (stub.name, stub.dialect, stub.path(CHAT)) == ("stub", "stub", "/chat/completions")
    assert providers.choose(MESSAGES, "stub-tool") is stub
    assert Providers().choose(CHAT, "stub-echo").name == "default"


@pytest.mark.parametrize(
    ("url", "is_openai"),
    [
        ("https://api.openai.com/v1", True),
        ("https://eu.api.openai.com", True),
        ("https://api.openai.com.evil.test", False),
        ("https://r.openai.azure.com", False),
        ("http://127.0.0.1:8000", False),
    ],
)
def test_openai_itself_is_told_from_what_is_compatible_with_it(url: str, is_openai: bool) -> None:
    assert Provider("p", url).is_openai is is_openai
