"""Every change is recorded before it is made, and after."""

from typing import Any

import pytest

from gateway.edge.admin.access import Principal
from gateway.edge.admin.changes import QUESTIONS, Changes, action_of
from gateway.edge.admin.problems import Problem
from gateway.model.audit import AuditEntry

WHO = Principal("adk_12345678", "operator")


class Record:
    def __init__(self, fails: bool = False) -> None:
        self.entries: list[AuditEntry] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.fails = fails
        self.changes = Changes(self.audit, lambda kind, data: self.events.append((kind, data)), lambda: 5.0)

    def audit(self, entry: AuditEntry) -> object:
        if self.fails:
            raise OSError("disk full")
        self.entries.append(entry)
        return f"chain/{len(self.entries)}"


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("POST", "/agents", "create:agent"),
        ("PATCH", "/agents/agt_1", "change:agent"),
        ("POST", "/agents/agt_1/keys", "create:key"),
        ("DELETE", "/agents/agt_1/keys/agk_1", "delete:key"),
        ("POST", "/agents/agt_1/merge", "merge:agent"),
        ("POST", "/admin-keys", "create:admin_key"),
        ("POST", "/quarantine/agt_1", "create:quarantine"),
        ("DELETE", "/quarantine/agt_1", "delete:quarantine"),
        ("PUT", "/policies/ops", "replace:policy"),
        ("POST", "/policies/ops/rollback", "rollback:policy"),
        ("PUT", "/agents/agt_1/policy", "replace:policy"),
        ("POST", "/approvals/apr_1/approve", "approve:approval"),
        ("POST", "/approvals/reject-all", "reject_all:approval"),
        ("POST", "/signing-keys/rotate", "rotate:signing_key"),
        ("DELETE", "/intents/int_1", "delete:intent"),
        ("POST", "/agents/agt_1/heal", "heal:agent"),
        ("POST", "/heal-all", "heal_all:agent"),
        ("DELETE", "/healing/agt_1", "delete:healing"),
        ("POST", "/agents/agt_1/baseline/accept", "accept:baseline"),
        ("POST", "/feedback", "create:feedback"),
        ("BREW", "/", "brew:"),
    ],
)
def test_an_action_is_a_verb_and_a_noun(method: str, path: str, action: str) -> None:
    assert action_of(method, path) == action


def test_reading_leaves_nothing() -> None:
    record = Record()
    assert record.changes.begin(WHO, "GET", "/agents") is None
    for path in QUESTIONS:
        assert record.changes.begin(WHO, "POST", path) is None
    assert not record.entries


@pytest.mark.parametrize(
    ("status", "result", "allowed", "events"), [(201, "success", True, 1), (403, "error", False, 0)]
)
def test_a_change_leaves_two_lines_and_if_it_was_made_an_event(
    status: int, result: str, allowed: bool, events: int
) -> None:
    record = Record()
    change = record.changes.begin(WHO, "POST", "/admin-keys")
    assert change is not None
    record.changes.end(change, status)
    before, after = record.entries
    assert (before.kind, before.source, before.action) == ("admin", "admin:adk_12345678", "create:admin_key")
    assert (before.resource, before.result) == ("/admin-keys", None)
    assert (after.of, after.result, after.allowed, after.metadata) == ("chain/1", result, allowed, {"status": status})
    assert len(record.events) == events


def test_what_cannot_be_recorded_is_not_done() -> None:
    with pytest.raises(Problem) as raised:
        Record(fails=True).changes.begin(WHO, "DELETE", "/admin-keys/adk_1")
    assert raised.value.status == 503


def test_an_outcome_that_cannot_be_recorded_does_not_undo_the_change() -> None:
    record = Record()
    change = record.changes.begin(WHO, "POST", "/routes")
    record.fails = True
    assert change is not None
    record.changes.end(change, 201)
    record.changes.refused("192.0.2.1", "/stats", 3)
    assert len(record.entries) == 1 and [kind for kind, _ in record.events] == ["admin.change", "admin.refused"]


def test_wrong_keys_are_recorded_with_where_they_came_from() -> None:
    record = Record()
    record.changes.refused("192.0.2.1", "/stats", 3)
    (entry,) = record.entries
    assert (entry.action, entry.allowed) == ("use:admin_key", False)
    assert entry.metadata == {"address": "192.0.2.1", "wrong_keys": 3}


def test_of_a_key_in_a_path_only_the_id_is_recorded() -> None:
    entries: list[AuditEntry] = []
    changes = Changes(audit=lambda entry: entries.append(entry), notify=lambda kind, data: None, clock=lambda: 0.0)
    key = "agk_VgM6i4NL_hcytv1Qw8mZrT5uK2pLx9sDf3GhJ7bNcA1eYoP"
    changes.begin(Principal("adk_1", "admin"), "DELETE", f"/agents/agt_1/keys/{key}")
    assert entries[0].resource == "/agents/agt_1/keys/agk_VgM6i4NL_[redacted]"
    changes.begin(Principal("adk_1", "admin"), "DELETE", "/agents/agt_1/keys/agk_VgM6i4NL")
    assert entries[1].resource == "/agents/agt_1/keys/agk_VgM6i4NL"
