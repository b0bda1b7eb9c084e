"""Secrets that were not set: made at the first start with a private Redis, stored in files that only their owner can
read, and used again at every later start."""

import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from gateway.settings.model import Settings
from gateway.settings.names import SettingsError, env_name
from gateway.settings.strength import weakness

KEPT = ("admin_key", "secret", "ingest_api_key")


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets in force. `ingest_api_key` is None where nobody set one and Redis is shared.

    `kept_in` has the file of each secret that was not set but made here; `made` names those made just now.
    """

    admin_key: SecretStr
    secret: SecretStr
    ingest_api_key: SecretStr | None
    kept_in: Mapping[str, Path] = field(default_factory=dict)
    made: tuple[str, ...] = ()


def kept_path(settings: Settings, name: str) -> Path:
    """Where a secret of `KEPT` is kept if nobody sets it."""
    return settings.data_dir / name


def resolve_secrets(settings: Settings) -> Secrets:
    """The secrets that are set, and for the others those kept in the data directory, made if they are not there.

    With a shared Redis nothing is made: replicas would each make their own.

    Raises:
        SettingsError: a required secret is missing, or the data directory or a kept file cannot be used.
    """
    found: dict[str, SecretStr | None] = {name: getattr(settings, name) for name in KEPT}
    kept_in: dict[str, Path] = {}
    made: list[str] = []
    for name in [n for n in KEPT if found[n] is None and settings.redis_url is None]:
        path = kept_in[name] = kept_path(settings, name)
        try:
            settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _make(path):
                made.append(name)
            found[name] = SecretStr(_read(path))
        except OSError as error:
            raise SettingsError(
                [f"{path}: cannot be kept there: {error.strerror}; see {env_name('data_dir')}"]
            ) from None
    admin_key, secret = found["admin_key"], found["secret"]
    if admin_key is None or secret is None:
        raise SettingsError([f"{env_name('admin_key')}, {env_name('secret')}: required with {env_name('redis_url')}"])
    return Secrets(admin_key, secret, found["ingest_api_key"], kept_in, tuple(made))


def check_kept(settings: Settings) -> None:
    """Check kept secrets that are there already; makes none. Raises SettingsError."""
    for path in [kept_path(settings, n) for n in KEPT if getattr(settings, n) is None and settings.redis_url is None]:
        if path.exists():
            _read(path)


def _make(path: Path) -> bool:
    """Write a new secret, unless the file is there: complete or not at all, and the first of several starters wins."""
    if path.exists():
        return False
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True


def _read(path: Path) -> str:
    """A kept secret. Access that others were given meanwhile is taken away again; a link is not followed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
            os.fchmod(descriptor, 0o600)
        text = file.read(4096).strip()
    problem = weakness(text)
    if problem is not None:
        raise SettingsError([f"{path}: {problem}; put the secret back, or remove the file to have a new one made"])
    return text
