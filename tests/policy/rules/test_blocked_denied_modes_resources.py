import pytest

from tests.support.policies import document, judge, mode, tool

OPS = document(
    "ops",
    version=3,
    always_blocked=["delete:database", "drop *"],
    modes=[
        mode("NORMAL", ["read *", "list *", "get *"]),
        mode("EMERGENCY", ["restart:service", "scale:fleet"], ["scale:database"]),
    ],
    allow=[{"action": "read:file", "resource": "s3://docs/*"}],
    deny=["send:external_email"],
)


@pytest.mark.parametrize(
    ("name", "in_mode", "allowed", "rule"),
    [
        ("read_logs", "NORMAL", True, "ops/modes/NORMAL/allow/0"),
        ("readLogs", "EMERGENCY", True, "ops/modes/NORMAL/allow/0"),
        ("restart-service", "NORMAL", False, "ops/modes/NORMAL"),
        ("Restart Service", "EMERGENCY", True, "ops/modes/EMERGENCY/allow/0"),
        ("delete_database", "NORMAL", False, "ops/always_blocked/0"),
        ("delete_database", "EMERGENCY", False, "ops/always_blocked/0"),
        ("drop_table", "EMERGENCY", False, "ops/always_blocked/1"),
        ("scale_database", "EMERGENCY", False, "ops/modes/EMERGENCY/deny/0"),
        ("scale_database", "NORMAL", False, "ops/default"),
        ("scale_fleet", "UNKNOWN", False, "ops/modes/NORMAL"),
        ("send_external_email", "NORMAL", False, "ops/deny/0"),
        ("paint_house", "NORMAL", False, "ops/default"),
    ],
)
def test_one_document_decides_by_mode(name: str, in_mode: str, allowed: bool, rule: str) -> None:
    verdict = judge(OPS, name, modes={"ops": in_mode})
    assert (verdict.allowed, verdict.rule, verdict.policy) == (allowed, rule, "ops@3")
    assert verdict.mode == ("NORMAL" if in_mode == "UNKNOWN" else in_mode)
    assert verdict.reason


@pytest.mark.parametrize(
    "path",
    [
        "/a/../b",
        "../b",
        "/a/%2e%2e/b",
        "/a%2F..%2fb",
        "a/.",
        "a\\..\\b",
        "/a/%252e%252E/b",
        "/a/..%25252fb",
        "/\uff0e\uff0e/b",
        "/a/..;/b",
    ],
)
def test_a_resource_with_a_dot_segment_is_denied(path: str) -> None:
    on = document(tools=[tool("read_file", resource="{path}")])
    assert judge(on, "read_file", {"path": path}).rule == "ops/resource"
    assert judge(on, "read_file", {"path": "/a/..b/c.d/.e"}).allowed


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/etc/x", False),
        ("//etc/x", False),
        ("/etc///x", False),
        ("file:////etc/x", False),
        ("//etc/x://y", False),
        ("/srv//etc/x", True),
    ],
)
def test_more_slashes_are_no_way_around_a_denied_resource(path: str, allowed: bool) -> None:
    denied = [{"action": "read:file", "resource": "/etc/*"}, {"action": "read:file", "resource": "file:///etc/*"}]
    on = document(deny=denied, tools=[tool("read_file", resource="{path}")])
    assert judge(on, "read_file", {"path": path}).allowed == allowed
    if allowed:
        assert judge(on, "read_file", {"path": path}).resource == path
