"""Reads settings from the environment, the file and the command line, and says everything that is wrong at once.

The environment wins over the file, the command line over both. Called again, it reads everything again.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.settings import names
from gateway.settings.enforcement import AgentTargets
from gateway.settings.mcp_servers import MCPServerSettings
from gateway.settings.model import ProviderSettings, Settings, Timeouts
from gateway.settings.names import SettingsError, did_you_mean, env_name, in_file, spellings
from gateway.settings.sections import JWTSettings, Retention, WebhookSettings
from gateway.settings.yaml_file import read_yaml

FIELDS = {name: info for name, info in Settings.model_fields.items() if name != "notices"}
_CONFIGURABLE = [name for name in FIELDS if name not in names.OPTIONS]
_KNOWN = {n for f in _CONFIGURABLE for n in spellings(f, secret=not FIELDS[f].repr)}
_PLAINER = {"missing": "is required", "float_parsing": "is not a number"}
_NESTED: dict[str, type[BaseModel]] = {
    "timeouts": Timeouts,
    "providers": ProviderSettings,
    "mcp_servers": MCPServerSettings,
    "jwt": JWTSettings,
    "retention": Retention,
    "webhooks": WebhookSettings,
    "enforcement_targets": AgentTargets,
}

# Kubernetes puts variables of this shape into every container beside a service named gateway, or gateway-anything.
_SERVICE_LINK = re.compile(
    r"GATEWAY_(\w+_)?(SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)"
)
_SERVICE_LINK_VALUE = re.compile(r"(tcp|udp|sctp)://")


@dataclass(frozen=True, slots=True)
class _Given:
    """A value, and the name it was given under, as the person who wrote it knows it."""

    key: str
    value: object


@dataclass(slots=True)
class _Findings:
    problems: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def load(config: Path | None, env: Mapping[str, str], *, overrides: Mapping[str, object] | None = None) -> Settings:
    """Read and check all settings.

    Args:
        config: a YAML file, if there is one.
        env: the environment.
        overrides: values of the command line by field name; None means not given.

    Raises:
        SettingsError: with every problem found, one line each, naming key, value (unless secret) and what is allowed.
    """
    found = _Findings()
    given = {
        **(_from_file(config, found) if config is not None else {}),
        **_from_env(env, found),
        **{f: _Given(f"--{f.replace('_', '-')}", v) for f, v in (overrides or {}).items() if v is not None},
    }
    values = {f: g.value for f, g in given.items()}
    try:
        settings = Settings.model_validate(values, context={"secret": _looker(env, found)})
    except ValidationError as error:
        found.problems += [_told(details, given) for details in error.errors(include_url=False)]
        raise SettingsError(found.problems) from None
    found.problems += _contradictions(settings, lambda f: given[f].key if f in given else env_name(f))
    if found.problems:
        raise SettingsError(found.problems)
    return settings.model_copy(update={"notices": (*found.notices, *_warnings(settings))})


def _from_file(path: Path, found: _Findings) -> dict[str, _Given]:
    document = read_yaml(path)
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SettingsError([f"{path}: holds a {type(document).__name__}; allowed: a mapping from settings to values"])
    written = {str(key): value for key, value in document.items()}
    known = {in_file(name) for name in _KNOWN}
    for key in sorted(set(written) - known):
        _unknown(key, f"{path.name}: {key}", {in_file(n): n for n in names.RESERVED}, known, found)
    return _picked(written, in_file, f"{path.name}: ", found)


def _from_env(env: Mapping[str, str], found: _Findings) -> dict[str, _Given]:
    written: dict[str, object] = {n: v for n, v in env.items() if not _is_service_link(n, v)}
    reserved = {n: n for n in names.RESERVED}
    for name in sorted(n for n in written if n.startswith(names.PREFIX) or n in reserved):
        if name not in _KNOWN and name not in names.OURS_ELSEWHERE:
            _unknown(name, name, reserved, _KNOWN, found)
    return _picked(written, lambda name: name, "", found)


def _is_service_link(name: str, value: str) -> bool:
    if name.startswith(names.PREFIX) and name.endswith("_PORT") and _SERVICE_LINK_VALUE.match(value):
        return True
    return _SERVICE_LINK.fullmatch(name) is not None


def _unknown(name: str, shown: str, reserved: Mapping[str, str], known: set[str], found: _Findings) -> None:
    option = names.OPTIONS.get(in_file(name))
    if name in reserved:
        found.notices.append(f"{shown}: not used by this version")
    elif option is not None:
        found.problems.append(f"{shown}: not a setting, but an option of the command line: {option}")
    else:
        found.problems.append(f"{shown}: no such setting{did_you_mean(name, [*known, *reserved])}")


def _picked(
    written: Mapping[str, object], spell: Callable[[str], str], where: str, found: _Findings
) -> dict[str, _Given]:
    """The values of one source by field. A setting given in two ways there is given in none."""
    picked: dict[str, _Given] = {}
    for f in _CONFIGURABLE:
        info = FIELDS[f]
        present = [n for n in spellings(f, secret=not info.repr) if spell(n) in written]
        keys = [f"{where}{spell(n)}" for n in present]
        if len(present) > 1:
            found.problems.append(f"{' and '.join(keys)}: the same setting twice; give one of them")
        elif present:
            value = written[spell(present[0])]
            if value is None or value == "":
                found.problems.append(f"{keys[0]}: is empty; remove it, or allowed: {allowed(f)}")
            elif present[0].endswith("_FILE") and not info.repr:
                picked.update((f, _Given(keys[0], text)) for text in _contents(keys[0], value, found))
            else:
                picked[f] = _Given(keys[0], value)
    return picked


def _contents(key: str, path: object, found: _Findings) -> Iterator[str]:
    """The text of a secret's file without the white space around it; nothing, and a problem, if there is none."""
    try:
        text = Path(str(path)).expanduser().read_text("utf-8").strip()
    except OSError as error:
        found.problems.append(f"{key}: {path}: cannot be read: {error.strerror}")
    except (UnicodeDecodeError, RuntimeError):
        found.problems.append(f"{key}: {path}: cannot be read as text")
    else:
        if text:
            yield text
        else:
            found.problems.append(f"{key}: {path}: is empty")


def _looker(env: Mapping[str, str], found: _Findings) -> Callable[[str], str | None]:
    """Reads a secret by the name of its variable; `NAME_FILE` stands for `NAME` here too."""

    def look(name: str) -> str | None:
        if name in env or f"{name}_FILE" not in env:
            return env.get(name)
        return next(_contents(f"{name}_FILE", env[f"{name}_FILE"], found), "")

    return look


def allowed(field_name: str) -> str:
    """What a setting may be, as its error message says it."""
    extra = FIELDS[field_name].json_schema_extra
    return str(extra["allowed"]) if isinstance(extra, dict) else ""


def _told(details: ErrorDetails, given: Mapping[str, _Given]) -> str:
    """One validation error as a line. Values of secrets, of unknown names and of whole objects are not shown."""
    name, *path = (str(part) for part in details["loc"] if part != "[key]")
    key = ".".join([given[name].key if name in given else env_name(name), *path])
    if details["type"] == "extra_forbidden":
        known = [n for n in _model_at(_NESTED[name], path[:-1]).model_fields if n != "api_key"]
        return f"{key}: no such name{did_you_mean(path[-1], known)}; allowed: {', '.join(known)}"
    reason = str(details.get("ctx", {}).get("error", "")) if details["type"] == "value_error" else ""
    said = key + _shown(name, path, details["input"])
    if name in _NESTED and path:
        return (
            f"{said} {reason or _PLAINER.get(details['type']) or details['msg'].replace('Input should be', 'is not')}"
        )
    return f"{said} {reason or 'is not valid'}; allowed: {allowed(name)}"


def _model_at(model: type[BaseModel], path: Sequence[str]) -> type[BaseModel]:
    """The model of what stands at a path inside another; parts that are no fields are names or numbers of entries."""
    for part in path:
        known = model.model_fields.get(part)
        inner = () if known is None else (known.annotation, *get_args(known.annotation))
        model = next((one for one in inner if isinstance(one, type) and issubclass(one, BaseModel)), model)
    return model


def _shown(name: str, path: Sequence[str], value: object) -> str:
    """The refused value, unless it is a secret or a URL with one in it, or an object that may hold some."""
    secret = not FIELDS[name].repr or "secret" in path[-1:]
    if secret or not isinstance(value, str | int | float) or (name in _NESTED and not path):
        return ":"
    text = repr(value)
    if "@" in text or "?" in text:
        return ":"
    return f": {text if len(text) <= 80 else text[:77] + '…'}"


def _contradictions(settings: Settings, key: Callable[[str], str]) -> list[str]:
    """What each value allows by itself, and all of them together do not."""
    s = settings
    problems = []
    if (s.tls_cert_file is None) != (s.tls_key_file is None):
        problems.append(f"{key('tls_cert_file')}, {key('tls_key_file')}: one without the other; allowed: both or none")
    if s.admin_port is not None and s.admin_port == s.port != 0:
        problems.append(f"{key('admin_port')}: {s.admin_port} is {key('port')} too; allowed: {allowed('admin_port')}")
    if s.stub and not s.listens_on_loopback:
        problems.append(f"--stub: {key('host')} is {s.host}; allowed: with a loopback address such as 127.0.0.1 only")
    if s.mcp_allow_unverified and not s.listens_on_loopback:
        problems.append(
            f"{key('mcp_allow_unverified')}: {key('host')} is {s.host}; allowed: with a loopback address such as "
            "127.0.0.1 only"
        )
    if s.mcp_upstream_url is not None and "default" in s.mcp_servers:
        problems.append(f"{key('mcp_upstream_url')}, {key('mcp_servers')}.default: the same server twice; give one")
    if s.stub_script is not None and not s.stub:
        problems.append("--stub-script: there is no stub model to read it; allowed: together with --stub")
    if s.redis_url is not None:
        problems += [
            f"{key(f)}: is not set; required with {key('redis_url')}, because every replica needs the same one"
            for f in ("admin_key", "secret")
            if getattr(s, f) is None
        ]
    return problems + _same_secrets(s, key)


def _same_secrets(settings: Settings, key: Callable[[str], str]) -> list[str]:
    kept = [(f, getattr(settings, f)) for f in ("admin_key", "secret", "ingest_api_key")]
    pairs = [(a, b) for i, (a, x) in enumerate(kept) for b, y in kept[i + 1 :] if x is not None and x == y]
    return [f"{key(a)}, {key(b)}: are the same; allowed: a different secret for each" for a, b in pairs]


def _warnings(settings: Settings) -> Sequence[str]:
    if settings.listens_on_loopback or settings.tls:
        return ()
    return (
        f"{env_name('host')}: {settings.host} is reached by other machines and TLS is off: keys travel readable; "
        f"set {env_name('tls_cert_file')} and {env_name('tls_key_file')}, or end TLS in front of the gateway",
    )
