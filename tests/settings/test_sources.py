"""What the environment, the file and the command line say, and how a mistake in them is told."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.settings import Settings, SettingsError, load

ADMIN = "adm-Vq3zL8wKx0JrTnYc"
ROOT = "root-Hs5uPb2MdEf9GtXo"


def problems(env: Mapping[str, str], config: Path | None = None, **overrides: object) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(config, env, overrides=overrides)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def problem(env: Mapping[str, str], config: Path | None = None, **overrides: object) -> str:
    (one,) = problems(env, config, **overrides)
    return one


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "gateway.yaml"


def test_without_anything_set_the_defaults_hold() -> None:
    settings = load(None, {})
    assert (settings.host, settings.port, settings.admin_port) == ("127.0.0.1", 4000, None)
    assert settings.max_body_bytes == 33_554_432
    assert settings.max_relayed_bytes == 1_073_741_824
    assert settings.timeouts.model_dump() == {
        "connect": 5,
        "first_byte": 600,
        "idle": 300,
        "total": 3600,
        "whole": 620,
        "drain_whole": 30,
        "drain_stream": 300,
    }
    assert (settings.redis_url, settings.redis_prefix) == (None, "leuko:")
    assert settings.data_dir == Path.home() / ".local/share/leuko"
    assert (settings.log_level, settings.log_format, settings.workers) == ("info", "text", 1)
    assert settings.notices == ()


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(config: Path) -> None:
    config.write_text("port: 4001\nhost: localhost\nlog_level: debug\n")
    settings = load(config, {"GATEWAY_PORT": "4002", "LOG_LEVEL": "ERROR"}, overrides={"port": 4003, "host": None})
    assert (settings.port, settings.host, settings.log_level) == (4003, "localhost", "error")


def test_every_kind_of_value_is_read_from_text_and_from_yaml(config: Path) -> None:
    text = load(
        None,
        {
            "GATEWAY_ALLOWED_HOSTS": "leuko.example.com, 10.0.0.1",
            "GATEWAY_CORS_ORIGINS": "https://a.example,https://b.example:8443",
            "GATEWAY_TIMEOUTS": '{"idle": 20, "connect": 0.5}',
            "GATEWAY_PROVIDERS": '{"azure": "https://x.example/openai/", "claude": {"url": "https://y.example", '
            '"dialect": "anthropic", "models": ["claude-*"]}}',
        },
    )
    config.write_text(
        "allowed_hosts: [leuko.example.com, 10.0.0.1]\n"
        "cors_origins: ['https://a.example', 'https://b.example:8443']\n"
        "timeouts: {idle: 20, connect: 0.5}\n"
        "providers:\n"
        "  azure: https://x.example/openai/\n"
        "  claude: {url: https://y.example, dialect: anthropic, models: ['claude-*']}\n"
    )
    assert load(config, {}) == text
    assert text.allowed_hosts == ("leuko.example.com", "10.0.0.1")
    assert text.cors_origins == ("https://a.example", "https://b.example:8443")
    assert (text.timeouts.idle, text.timeouts.connect, text.timeouts.total) == (20, 0.5, 3600)
    assert text.providers["azure"].url == "https://x.example/openai"
    assert text.providers["claude"].models == ("claude-*",)


REFUSED = [
    ("GATEWAY_PORT", "abc", "'abc'", "0 to 65535"),
    ("GATEWAY_PORT", "65536", "'65536'", "0 to 65535"),
    ("GATEWAY_PORT", "", "is empty", "0 to 65535"),
    ("GATEWAY_HOST", "http://x", "is not a host name", "an IP address or host name"),
    ("GATEWAY_TLS_CERT_FILE", "/nowhere/cert.pem", "'/nowhere/cert.pem' cannot be read", "a file that can be read"),
    ("GATEWAY_CORS_ORIGINS", "https://a.example/page", "more than scheme, host and port", "https://example.com"),
    ("GATEWAY_CORS_ORIGINS", "*", "'*' does not start with http", "https://example.com"),
    ("GATEWAY_MAX_BODY_BYTES", "0", "'0'", "at least 1"),
    ("GATEWAY_TIMEOUTS", "30", "not an object", "first_byte"),
    ("GATEWAY_TIMEOUTS", '{"idle": 1, "idle": 2}', "'idle' twice", "first_byte"),
    ("GATEWAY_TIMEOUTS", '{"idle": 0}', ".idle: 0 is not greater than 0", ""),
    ("GATEWAY_TIMEOUTS", '{"idle": true}', ".idle: True is not a number", ""),
    ("GATEWAY_TIMEOUTS", '{"idel": 3}', ".idel: no such name; did you mean idle?", "drain_stream"),
    ("GATEWAY_RETENTION", '{"vital": "1d"}', ".vital: no such name; did you mean vitals?", "idle_agents"),
    (
        "GATEWAY_JWT",
        '{"issuer": "https://i.example", "audience": "a", "jwks": "/k", "claims": "sub"}',
        ".claims: no such name; did you mean claim?",
        "issuer, audience, jwks, claim",
    ),
    ("GATEWAY_JWT", '{"issuer": "https://i.example", "audience": "a"}', ".jwks: is required", ""),
    ("GATEWAY_REDIS_URL", "http://h", "does not start with redis://", "rediss://"),
    ("GATEWAY_REDIS_URL", "unix://relative", "absolute path", "unix://"),
    ("GATEWAY_REDIS_PREFIX", "a b", "'a b'", "1 to 64"),
    ("LLM_UPSTREAM_URL", "api.openai.com", "does not start with http:// or https://", "http(s)://host"),
    ("LLM_UPSTREAM_URL", "https://x:port", "is not a URL", "http(s)://host"),
    ("LLM_UPSTREAM_URL", "https://", "a URL with a host", "http(s)://host"),
    ("LLM_UPSTREAM_API_KEY", "sk-line\nbreak", "visible ASCII", "visible ASCII"),
    ("GATEWAY_PROVIDERS", '{"Azure": "https://x"}', ".Azure: 'Azure' is not a name", ""),
    ("GATEWAY_PROVIDERS", '{"azure": {}}', ".azure.url: is required", ""),
    ("GATEWAY_PROVIDERS", '{"azure": {"url": "https://x", "modls": []}}', "did you mean models?", "dialect"),
    ("GATEWAY_PROVIDERS", '{"azure": {"url": "https://x", "dialect": "cohere"}}', ".dialect: 'cohere'", "'anthropic'"),
    ("GATEWAY_PROVIDERS", '{"azure": {"url": "https://x", "api_key_env": "AZ"}}', "AZ, which is not set", ""),
    ("GATEWAY_ALLOWED_HOSTS", "a.example, b/c", "is not a host name", "host names"),
    ("LOG_LEVEL", "loud", "'loud'", "debug, info"),
    ("LOG_FORMAT", "xml", "'xml'", "text or json"),
    ("GATEWAY_ADMIN_KEY", "short", "shorter than 16", "16 characters"),
]


@pytest.mark.parametrize(("name", "value", "said", "allowed"), REFUSED)
def test_a_value_out_of_range_is_refused_with_its_key_itself_and_what_is_allowed(
    name: str, value: str, said: str, allowed: str
) -> None:
    line = problem({name: value})
    assert line.startswith(name)
    assert said in line
    assert allowed in line


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = problems({"GATEWAY_PORT": "x", "GATEWAY_PROT": "1", "LOG_LEVEL": "x", "GATEWAY_ADMIN_KEY": ""})
    assert [line.split(":")[0] for line in found] == [
        "GATEWAY_PROT",
        "GATEWAY_ADMIN_KEY",
        "GATEWAY_PORT",
        "LOG_LEVEL",
    ]


def test_an_unknown_key_of_the_file_is_refused_with_the_likely_one(config: Path) -> None:
    config.write_text("prot: 4000\n")
    assert problem({}, config) == "gateway.yaml: prot: no such setting; did you mean port?"


def test_a_value_of_the_file_is_named_as_the_file_spells_it(config: Path) -> None:
    config.write_text("port: [1]\nmax_body_bytes: true\nredis_url:\n")
    redis, port, size = problems({}, config)
    assert redis.startswith("gateway.yaml: redis_url: is empty")
    assert port.startswith("gateway.yaml: port: is not valid")
    assert size.startswith("gateway.yaml: max_body_bytes: True is not a number")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port: 1\nport: 2\n", "'port' is there twice"),
        ("port: [\n", "is not YAML"),
        ("- port\n", "holds a list"),
        ("a: !!python/object/apply:os.getcwd []\n", "is not YAML"),
        ("? [a]\n: 1\n", "is not YAML"),
    ],
)
def test_a_file_that_cannot_be_read_as_settings_is_refused(config: Path, text: str, said: str) -> None:
    config.write_text(text)
    assert said in problem({}, config)


def test_a_missing_or_empty_file(config: Path) -> None:
    assert "No such file" in problem({}, config)
    config.write_text("# nothing yet\n")
    assert load(config, {}) == Settings()


def test_an_unknown_variable_of_ours_is_refused_and_others_are_not_looked_at() -> None:
    assert problem({"GATEWAY_PROT": "4000"}) == "GATEWAY_PROT: no such setting; did you mean GATEWAY_PORT?"
    assert load(None, {"PORT": "x", "OPENAI_API_KEY": "x", "GATEWAY_URL": "http://127.0.0.1:1"}) == Settings()


def test_names_of_later_versions_are_accepted_with_a_warning(config: Path) -> None:
    config.write_text("capture_content: true\n")
    settings = load(config, {"GATEWAY_CAPTURE_CONTENT": "true"})
    assert settings.notices == (
        "gateway.yaml: capture_content: not used by this version",
        "GATEWAY_CAPTURE_CONTENT: not used by this version",
    )


@pytest.mark.parametrize("name", ["GATEWAY_WORKERS", "GATEWAY_STUB"])
def test_what_only_the_command_line_says_is_pointed_to_it(name: str) -> None:
    assert name.removeprefix("GATEWAY_").lower() in problem({name: "1"}).split(": --")[1]


def test_the_links_kubernetes_puts_beside_a_service_named_gateway_are_not_settings() -> None:
    env = {
        "GATEWAY_PORT": "tcp://10.0.0.7:80",
        "GATEWAY_SERVICE_HOST": "10.0.0.7",
        "GATEWAY_SERVICE_PORT_HTTP": "80",
        "GATEWAY_PORT_80_TCP_ADDR": "10.0.0.7",
        "GATEWAY_ADMIN_PORT": "tcp://10.0.0.8:80",
    }
    assert load(None, env) == Settings()


def test_a_secret_may_come_from_a_file_without_its_line_end(tmp_path: Path, config: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text(f"{ADMIN}\n")
    assert (
        load(None, {"GATEWAY_ADMIN_KEY_FILE": str(secret)}).admin_key == load(None, {"ADMIN_API_KEY": ADMIN}).admin_key
    )
    config.write_text(f"admin_api_key_file: {secret}\n")
    from_file = load(config, {}).admin_key
    assert from_file is not None
    assert from_file.get_secret_value() == ADMIN


@pytest.mark.parametrize(
    "second", [{"ADMIN_API_KEY": ADMIN}, {"GATEWAY_ADMIN_KEY_FILE": "/x"}, {"ADMIN_API_KEY_FILE": "/x"}]
)
def test_a_secret_given_in_two_ways_is_refused(second: dict[str, str]) -> None:
    assert problem({"GATEWAY_ADMIN_KEY": ADMIN, **second}) == (
        f"GATEWAY_ADMIN_KEY and {next(iter(second))}: the same setting twice; give one of them"
    )


def test_the_environment_wins_however_the_file_gives_the_secret(config: Path) -> None:
    config.write_text("admin_key_file: /nowhere\n")
    assert "No such file" in problem({}, config)
    config.write_text(f"admin_key: {ROOT}\n")
    settings = load(config, {"ADMIN_API_KEY": ADMIN})
    assert settings.admin_key is not None
    assert settings.admin_key.get_secret_value() == ADMIN


def test_a_secret_file_that_is_missing_empty_or_binary_is_told_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "key"
    assert (
        problem({"GATEWAY_SECRET_FILE": str(file)})
        == f"GATEWAY_SECRET_FILE: {file}: cannot be read: No such file or directory"
    )
    file.write_text(" \n")
    assert problem({"GATEWAY_SECRET_FILE": str(file)}) == f"GATEWAY_SECRET_FILE: {file}: is empty"
    file.write_bytes(b"\xff\xfe")
    assert problem({"GATEWAY_SECRET_FILE": str(file)}) == f"GATEWAY_SECRET_FILE: {file}: cannot be read as text"


def test_a_providers_key_is_read_where_api_key_env_points(tmp_path: Path) -> None:
    env = {"GATEWAY_PROVIDERS": '{"azure": {"url": "https://x.example", "api_key_env": "AZURE_KEY"}}'}
    key = load(None, {**env, "AZURE_KEY": "az-1"}).providers["azure"].api_key
    assert key is not None
    assert key.get_secret_value() == "az-1"
    file = tmp_path / "key"
    file.write_text("az-2\n")
    key = load(None, {**env, "AZURE_KEY_FILE": str(file)}).providers["azure"].api_key
    assert key is not None
    assert key.get_secret_value() == "az-2"
    assert "AZURE_KEY, which is empty" in problem({**env, "AZURE_KEY": ""})


SECRETIVE = [
    {"GATEWAY_ADMIN_KEY": "hush-hush"},
    {"GATEWAY_SECRET": "hushhushhushhushhush"},
    {"GATEWAY_REDIS_URL": "mysql://user:hush@h"},
    {"GATEWAY_UPSTREAM_PROXY": "ftp://user:hush@h"},
    {"LLM_UPSTREAM_URL": "https://user:hush@h"},
    {"LLM_UPSTREAM_URL": "https://h?key=hush"},
    {"LLM_UPSTREAM_API_KEY": "hush hush"},
    {"GATEWAY_PROVIDERS": '{"a": {"url": "https://x", "api_key": "hush"}}'},
    {"GATEWAY_PROVIDERS": '{"a": {"url": "https://x", "key": "hush"}}'},
    {"GATEWAY_PROVIDERS": '{"a": {"url": "https://user:hush@x"}}'},
    {"GATEWAY_PROVIDERS": '{"a": "hush'},
    {"GATEWAY_SECRT": "hush"},
]


@pytest.mark.parametrize("env", SECRETIVE)
def test_no_message_holds_a_secret(env: dict[str, str]) -> None:
    assert "hush" not in problem(env)


def test_no_repr_holds_a_secret() -> None:
    settings = load(
        None,
        {
            "GATEWAY_ADMIN_KEY": ADMIN,
            "GATEWAY_SECRET": ROOT,
            "GATEWAY_REDIS_URL": "redis://user:hush@h",
            "GATEWAY_UPSTREAM_PROXY": "http://user:hush@h",
            "GATEWAY_PROVIDERS": '{"a": {"url": "https://x", "api_key_env": "K", "upstream_proxy": "http://u:hush@h"}}',
            "K": "hush",
        },
    )
    assert not any(secret in repr(settings) + str(settings) for secret in (ADMIN, ROOT, "hush"))


def test_a_shared_redis_needs_secrets_that_every_replica_has() -> None:
    found = problems({"GATEWAY_REDIS_URL": "rediss://redis.example:6379/0"})
    assert [line.split(":")[0] for line in found] == ["GATEWAY_ADMIN_KEY", "GATEWAY_SECRET"]
    assert all("required with GATEWAY_REDIS_URL" in line for line in found)
    env = {"GATEWAY_REDIS_URL": "unix:///run/redis.sock", "GATEWAY_ADMIN_KEY": ADMIN, "GATEWAY_SECRET": ROOT}
    assert load(None, env).redis_url == "unix:///run/redis.sock"


def test_one_secret_does_not_serve_two_purposes() -> None:
    line = problem({"GATEWAY_ADMIN_KEY": ADMIN, "INGEST_API_KEY": ADMIN, "GATEWAY_SECRET": ROOT})
    assert line == "GATEWAY_ADMIN_KEY, INGEST_API_KEY: are the same; allowed: a different secret for each"


def test_values_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "cert.pem"
    file.write_text("x")
    assert "both or none" in problem({"GATEWAY_TLS_CERT_FILE": str(file)})
    assert "4000 is GATEWAY_PORT too" in problem({"GATEWAY_ADMIN_PORT": "4000"})
    assert load(None, {"GATEWAY_ADMIN_PORT": "0", "GATEWAY_PORT": "0"}).admin_port == 0
    assert "together with --stub" in problem({}, stub_script=file)
    assert load(None, {}, overrides={"stub": True, "stub_script": file}).stub_script == file
    assert problem({}, workers=0).startswith("--workers: 0")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "leuko.example.com"])
def test_stub_models_are_served_on_loopback_only(host: str) -> None:
    assert f"GATEWAY_HOST is {host}" in problem({"GATEWAY_HOST": host}, stub=True)
    assert f"--host is {host}" in problem({}, stub=True, host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_a_loopback_address_needs_no_tls_and_may_have_stubs(host: str) -> None:
    assert load(None, {"GATEWAY_HOST": host}, overrides={"stub": True}).notices == ()


def test_listening_for_others_without_tls_is_warned_of(tmp_path: Path) -> None:
    (notice,) = load(None, {"GATEWAY_HOST": "0.0.0.0"}).notices
    assert notice.startswith("GATEWAY_HOST: 0.0.0.0 is reached by other machines and TLS is off")
    file = tmp_path / "pem"
    file.write_text("x")
    env = {"GATEWAY_HOST": "0.0.0.0", "GATEWAY_TLS_CERT_FILE": str(file), "GATEWAY_TLS_KEY_FILE": str(file)}
    assert load(None, env).notices == ()


def test_without_a_home_the_data_directory_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(path: Path) -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "expanduser", no_home)
    assert "GATEWAY_DATA_DIR" in problem({})
    assert "no home directory" in problem({})
