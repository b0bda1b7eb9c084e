"""By what means quarantined agents are stopped beyond being blocked: only files and the environment say so."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic import ValidationInfo as Info

from gateway.settings.names import SettingsError
from gateway.settings.sections import whsec
from gateway.settings.shapes import ExistingFile, HttpUrl, WebhookUrl, Whole, http_url, json_object
from gateway.settings.yaml_file import read_yaml

_FROZEN = ConfigDict(frozen=True, extra="forbid")
_AGENT_ID = re.compile(r"agt_[A-Z2-7]{24}")
_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_DNS_NAME = r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
_WORKLOAD = re.compile(rf"(deployment|statefulset)/({_DNS_NAME})")
_SOCKET = "unix:///var/run/docker.sock"


def _agent(key: str) -> str:
    if key.startswith("agt_"):
        if _AGENT_ID.fullmatch(key) is None:
            raise ValueError(
                "is not an agent's id; allowed: agt_ and 24 letters or digits, or a name, `*` for any text"
            )
    elif not key.isprintable() or not key.strip() or len(key) > 200:
        raise ValueError("is not a name; allowed: 1 to 200 printable characters, `*` for any text")
    return key


def _absolute(path: Path) -> Path:
    path = path.expanduser()
    if not path.is_absolute():
        raise ValueError("is not an absolute path")
    return path


def _matching(pattern: re.Pattern[str], says: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if pattern.fullmatch(text) is None:
            raise ValueError(f"is not {says}")
        return text

    return check


def _engine(host: str) -> str:
    if host.startswith("unix://"):
        if not host.startswith("unix:///"):
            raise ValueError("is not unix:// and the absolute path of a socket")
        return host
    http_url(host.replace("tcp://", "http://", 1))
    return host


def _one_of(model: BaseModel, *names: str) -> None:
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        raise ValueError(f"has {' and '.join(given) or 'neither'}; allowed: one of {', '.join(names)}")


class ProcessTarget(BaseModel):
    """A process on the machine of the gateway, by its number or the file that holds it."""

    model_config = _FROZEN

    pid: Annotated[Whole, Field(ge=2, lt=2**31)] | None = None
    pid_file: Annotated[Path, AfterValidator(_absolute)] | None = None

    @model_validator(mode="after")
    def _one(self) -> "ProcessTarget":
        _one_of(self, "pid", "pid_file")
        return self


class ContainerTarget(BaseModel):
    """A container of an engine (`docker`, `host`), or a workload of a cluster (`kubernetes`, `namespace`, `api`,
    `token_file`), with certificates for either."""

    model_config = _FROZEN

    docker: Annotated[str, AfterValidator(_matching(_CONTAINER, "a container's name or id"))] | None = None
    host: Annotated[str, AfterValidator(_engine)] | None = None
    kubernetes: Annotated[str, AfterValidator(_matching(_WORKLOAD, "deployment/NAME or statefulset/NAME"))] | None = (
        None
    )
    namespace: Annotated[str, AfterValidator(_matching(re.compile(_DNS_NAME), "a namespace's name"))] | None = None
    api: HttpUrl | None = None
    token_file: ExistingFile | None = None
    ca_file: ExistingFile | None = None
    cert_file: ExistingFile | None = None
    key_file: ExistingFile | None = None

    @model_validator(mode="after")
    def _one(self) -> "ContainerTarget":
        _one_of(self, "docker", "kubernetes")
        foreign = ("namespace", "api", "token_file") if self.docker is not None else ("host",)
        for name in foreign:
            if getattr(self, name) is not None:
                raise ValueError(f"has {name} with {'docker' if self.docker is not None else 'kubernetes'}")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("has one of cert_file and key_file; allowed: both or none")
        return self

    @property
    def engine(self) -> str:
        return self.host or _SOCKET


class Receiver(BaseModel):
    """Who is told, with the secret that signs it: itself, in a variable, or in a file."""

    model_config = _FROZEN

    url: Annotated[WebhookUrl, Field(repr=False)]
    secret: Annotated[SecretStr, AfterValidator(whsec), Field(repr=False)]
    secret_env: str | None = None
    secret_file: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object, info: Info) -> object:
        """What is named is read here, a variable by the context's `secret`."""
        if not isinstance(value, dict) or info.context is None:
            return value
        given = [name for name in ("secret", "secret_env", "secret_file") if value.get(name) is not None]
        if len(given) != 1:
            raise ValueError(f"has {' and '.join(given) or 'no secret'}; allowed: secret, secret_env or secret_file")
        name = value[given[0]]
        if given[0] == "secret_env":
            found = info.context["secret"](name) if isinstance(name, str) else None
            if found is None:
                raise ValueError(f"secret_env names {name}, which is not set")
            return {**value, "secret": found}
        return {**value, "secret": _contents(name)} if given[0] == "secret_file" else value


def _contents(path: object) -> str:
    try:
        return Path(str(path)).expanduser().read_text("utf-8").strip()
    except OSError as error:
        raise ValueError(f"secret_file: {path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, RuntimeError):
        raise ValueError(f"secret_file: {path}: cannot be read as text") from None


class AgentTargets(BaseModel):
    """One agent's. `restart` says which of them restarts it, `control` is the agent itself, to be asked to start
    afresh."""

    model_config = _FROZEN

    process: ProcessTarget | None = None
    container: ContainerTarget | None = None
    webhook: Receiver | None = None
    restart: Literal["container", "webhook"] | None = None
    control: Receiver | None = None

    @model_validator(mode="after")
    def _some(self) -> "AgentTargets":
        if self.restart is not None and getattr(self, self.restart) is None:
            raise ValueError(f"restart is {self.restart}, and there is no {self.restart}")
        if not any((self.process, self.container, self.webhook, self.control)):
            raise ValueError("is empty; allowed: process, container, webhook, restart, control")
        return self


def _object_or_file(value: object) -> object:
    """A JSON object, or the path of a file that holds one, as JSON or YAML."""
    if isinstance(value, str) and not value.lstrip().startswith(("{", "[")):
        path = Path(value).expanduser()
        try:
            value = read_yaml(path)
        except SettingsError as error:
            raise ValueError(str(error)) from None
        if not isinstance(value, dict):
            raise ValueError(f"{path} holds no mapping")
    return json_object(value)


EnforcementTargets = Annotated[
    dict[Annotated[str, AfterValidator(_agent)], AgentTargets], BeforeValidator(_object_or_file)
]
