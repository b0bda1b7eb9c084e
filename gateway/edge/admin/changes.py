"""What every request that may change something leaves behind: two lines in the audit record, and an event."""

import logging
import re
from collections.abc import Callable
from typing import Any

from gateway.edge.admin.access import Principal
from gateway.edge.admin.problems import Problem
from gateway.model.audit import AuditEntry

log = logging.getLogger(__name__)

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
QUESTIONS = frozenset({"/policies/validate", "/policies/explain", "/policies/replay"})
"""Paths to which a POST asks something and changes nothing."""
_VERBS = {"POST": "create", "PUT": "replace", "PATCH": "change", "DELETE": "delete"}
_PATH = 300  # characters of a path that are recorded

Audit = Callable[[AuditEntry], object]
Notify = Callable[[str, dict[str, Any]], None]


class Change:
    """One request that may change something. `entry` is what the audit record called its first line."""

    __slots__ = ("action", "entry", "resource", "source")

    def __init__(self, source: str, action: str, resource: str) -> None:
        self.source = source
        self.action = action
        self.resource = resource
        self.entry: object = None


_KEY = re.compile(r"((?:agk|adk|igk)_[0-9A-Za-z]{1,8})[0-9A-Za-z_-]{8,}")


class Changes:
    """Records changes.

    Args:
        audit: takes a line; what it raises says that the line is not written.
        notify: takes an event, at once.
        clock: seconds since the epoch.
    """

    def __init__(self, audit: Audit, notify: Notify, clock: Callable[[], float]) -> None:
        self._audit = audit
        self._notify = notify
        self._clock = clock

    def begin(self, who: Principal, method: str, path: str) -> Change | None:
        """Write down who wants what; None for a request that only reads. Raises Problem 503 if that cannot be done:
        nothing is changed that leaves no trace."""
        if method in _SAFE or (method == "POST" and path in QUESTIONS):
            return None
        change = Change(f"admin:{who.key_id}", action_of(method, path), _resource(path))
        entry = AuditEntry(self._clock(), "admin", change.action, change.source, resource=change.resource)
        try:
            change.entry = self._audit(entry)
        except Exception as error:  # whatever it is, the line is not written
            log.error("an admin change is refused, for it cannot be recorded: %s", error)
            raise Problem(503, "The audit record cannot be written, so nothing is changed.", retry_after=5) from None
        return change

    def end(self, change: Change, status: int) -> None:
        """Write down how it ended; the change is made by now, so nothing is raised."""
        entry = AuditEntry(
            self._clock(),
            "admin",
            change.action,
            change.source,
            resource=change.resource,
            allowed=status != 403,
            result="success" if status < 400 else "error",
            of=str(change.entry) if change.entry is not None else None,
            metadata={"status": status},
        )
        try:
            self._audit(entry)
        except Exception as error:  # the line before it stands, and says that the outcome is unknown
            log.error("the outcome of an admin change is not recorded: %s", error)
        if status < 400:
            data = {"source": change.source, "action": change.action, "resource": change.resource, "status": status}
            self._notify("admin.change", data)

    def note(self, entry: AuditEntry) -> None:
        """Write down what a change was about, beyond its two lines; it is made by now, so nothing is raised."""
        try:
            self._audit(entry)
        except Exception as error:  # the line before it stands, and says who asked for what
            log.error("what an admin change was about is not recorded: %s", error)

    def refused(self, address: str, path: str, beyond: int) -> None:
        """Write down that somebody tries keys. Called for tries that had to wait, so that it cannot flood."""
        details = {"address": address[:100], "wrong_keys": beyond}
        entry = AuditEntry(
            self._clock(), "admin", "use:admin_key", "admin:unknown",
            resource=_resource(path), allowed=False, result="error", metadata=details,
        )  # fmt: skip
        try:
            self._audit(entry)
        except Exception as error:  # the key is refused in any case
            log.error("wrong admin keys are not recorded: %s", error)
        self._notify("admin.refused", details)


def _resource(path: str) -> str:
    """A path as it is recorded: of a key that was sent where its id belongs, only the id."""
    return _KEY.sub(r"\1_[redacted]", path)[:_PATH]


def action_of(method: str, path: str) -> str:
    """`verb:noun` for a path below the API's base: `create:key` for POST /agents/{id}/keys, `merge:agent` for POST
    /agents/{id}/merge, `reject_all:approval` for POST /approvals/reject-all, `rotate:signing_key` for POST
    /signing-keys/rotate, `accept:baseline` for POST /agents/{id}/baseline/accept."""
    parts = [part.replace("-", "_")[:40] for part in path.strip("/").split("/")]
    if method == "POST" and parts[0] == "tools" and parts[-1] == "approve":
        return "approve:tool"  # names of tools may hold slashes
    nouns = parts[::2]
    verb = _VERBS.get(method, method.lower()[:20])
    if method == "POST" and len(nouns) > 1 and parts[-1] == "accept":
        verb = "accept"
    elif method == "POST" and len(nouns) > 1 and not nouns[-1].endswith("s"):
        verb = nouns.pop()
    elif method == "POST" and parts == ["heal_all"]:
        return "heal_all:agent"
    elif method == "POST" and len(parts) == 2 and (parts[1].endswith("_all") or parts[1] == "rotate"):
        verb = parts[1]
    return f"{verb}:{_singular(nouns[-1])}"


def _singular(noun: str) -> str:
    return noun.removesuffix("ies") + "y" if noun.endswith("ies") else noun.removesuffix("s")
