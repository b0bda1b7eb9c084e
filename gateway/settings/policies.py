"""The policy documents in force: the files of one directory, and those of `GATEWAY_POLICIES` beside them."""

import stat
from importlib.resources import files
from pathlib import Path
from typing import Any

from gateway.policy.cases import check_cases
from gateway.policy.document import Document, parse_all
from gateway.policy.errors import PolicyError
from gateway.policy.reading import LARGEST, read
from gateway.settings.model import Settings
from gateway.settings.names import SettingsError

_HERE = Path("policies")
_SUFFIXES = (".yaml", ".yml")
_MOST_FILES = 1000


def policy_dir(settings: Settings) -> Path:
    """The directory as set, else `./policies` if it is there, else the one that comes with the gateway."""
    if settings.policy_dir is not None:
        return settings.policy_dir.expanduser()
    return _HERE if _HERE.is_dir() else Path(str(files("gateway").joinpath("policies")))


def load_policies(settings: Settings) -> tuple[Document, ...]:
    """Read all documents. Raises SettingsError, naming file and place, if any is refused or one of its cases fails."""
    try:
        given = [(read_policy(path, path.name), path.name) for path in policy_files(policy_dir(settings))]
        documents = parse_all([*given, *given_policies(settings)])
        for document in documents:
            check_cases(document)
        return documents
    except PolicyError as error:
        raise SettingsError([str(error)]) from None


def given_policies(settings: Settings) -> list[tuple[dict[str, Any], str]]:
    """Those of `GATEWAY_POLICIES`, each with the name by which errors call it."""
    return [(raw, f"GATEWAY_POLICIES[{position}]") for position, raw in enumerate(settings.policies)]


def policy_files_state(settings: Settings) -> tuple[tuple[str, int, int], ...]:
    """Changes whenever a file of the directory does: name, time of change in ns, and size of each."""
    try:
        files_now = policy_files(policy_dir(settings))
        return tuple((path.name, (found := path.stat()).st_mtime_ns, found.st_size) for path in files_now)
    except (OSError, SettingsError):
        return ()


def policy_files(directory: Path) -> list[Path]:
    """Those directly in it; directories in it, such as `templates`, are never read. Raises SettingsError.

    A link that leads nowhere is a document that is gone, not one that was never there: its limits may not go unsaid.
    """
    try:
        found = [path for path in directory.iterdir() if path.suffix in _SUFFIXES and not path.name.startswith(".")]
    except OSError as error:
        raise SettingsError([f"GATEWAY_POLICY_DIR: {directory}: cannot be read: {error.strerror}"]) from None
    if len(found) > _MOST_FILES:
        raise SettingsError([f"GATEWAY_POLICY_DIR: {directory}: has {len(found)} files; allowed: {_MOST_FILES}"])
    return sorted(path for path in found if _is_document(path))


def _is_document(path: Path) -> bool:
    """Raises SettingsError for what is neither a file nor a directory."""
    try:
        kind = path.stat().st_mode
    except OSError as error:
        raise SettingsError([f"{path.name}: cannot be read: {error.strerror}"]) from None
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        raise SettingsError([f"{path.name}: is not a file"])
    return stat.S_ISREG(kind)


def read_policy(path: Path, source: str) -> dict[Any, Any]:
    """What a file holds, not yet parsed. Raises PolicyError, which calls it `source`."""
    try:
        if path.stat().st_size > 4 * LARGEST:
            raise PolicyError(source, "", f"is larger than {LARGEST} characters")
        return read(path.read_text("utf-8"), source)
    except OSError as error:
        raise PolicyError(source, "", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise PolicyError(source, "", f"is not UTF-8: byte {error.start}") from None
