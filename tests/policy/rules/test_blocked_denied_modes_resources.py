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


RESPELLED = [
    "/etc/shadow",
    "//etc/shadow",
    "/%65tc/shadow",
    "/%2565tc/shadow",
    "/etc%2Fshadow",
    "/e\u200btc/shadow",
    "/e\u034ftc/shadow",
    "/etc\ufe0f/shadow",
    "/\uff45tc/shadow",
    "\uff0fetc/shadow",
    "/%EF%BD%85tc/shadow",
]


@pytest.mark.parametrize("path", RESPELLED)
def test_a_denied_resource_is_denied_however_it_is_spelled(path: str) -> None:
    reading = [tool("read_file", resource="{path}")]
    for clause in ("deny", "always_blocked"):
        on = document(default="allow", tools=reading, **{clause: [{"action": "read:file", "resource": "/etc/*"}]})
        assert judge(on, "read_file", {"path": path}).rule == f"ops/{clause}/0"


def test_an_author_who_writes_escapes_denies_what_they_mean() -> None:
    denied = [{"action": "read:file", "resource": "/my%20files/*"}]
    on = document(default="allow", deny=denied, tools=[tool("read_file", resource="{path}")])
    for path in ("/my%20files/a", "/my files/a", "/my%2520files/a"):
        assert not judge(on, "read_file", {"path": path}).allowed


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/docs/a", True),
        ("/docs/a%20b", True),
        ("/docs//a", True),
        ("/docs/caf\u00e9", True),
        ("//docs/a", False),
        ("/%64ocs/a", False),
        ("/d\u200bocs/a", False),
        ("/docs/%2565tc", True),
        ("/docs%2F%2e%2e/etc", False),
    ],
)
def test_a_resource_is_allowed_as_it_is_written_if_its_plain_form_is_too(path: str, allowed: bool) -> None:
    on = document(allow=[{"action": "read:file", "resource": "/docs/*"}])
    assert judge(on, action="read:file", resource=path).allowed == allowed
    modes = [mode("NORMAL", [{"action": "read:file", "resource": "/docs/*"}])]
    assert judge(document(modes=modes), action="read:file", resource=path).allowed == allowed


def test_what_is_allowed_in_one_of_its_forms_only_is_not_allowed() -> None:
    escaped = document(allow=[{"action": "read:file", "resource": "/a%2Fb"}])
    assert judge(escaped, action="read:file", resource="/a%2Fb").allowed
    assert not judge(escaped, action="read:file", resource="/a/b").allowed
    literal = document(allow=[{"action": "read:file", "resource": "/%*"}])
    assert not judge(literal, action="read:file", resource="/%65tc").allowed


def test_a_resource_that_is_encoded_past_reading_is_denied() -> None:
    path = "/"
    for _ in range(10):
        path = "".join(f"%{ord(c):02x}" for c in path)
    on = document(default="allow", deny=["drop:*"], tools=[tool("read_file", resource="{path}")])
    assert judge(on, "read_file", {"path": path}).rule == "ops/resource"


@pytest.mark.parametrize(
    "name",
    [
        "dr\u043ep_table",
        "\u0501rop_table",
        "DR\u041eP_TABLE",
        "dr\u03bfpTable",
        "dr\u00f6p_table",
        "dro\u034fp_table",
        "dr\ufe0fop_table",
        "d\u3164rop_table",
        "\uff44rop_table",
        "drop_\u0442\u0430\u044cle",
    ],
)
def test_a_name_that_looks_like_a_denied_action_is_denied(name: str) -> None:
    for clause in ("deny", "always_blocked"):
        for pattern in ("drop:table", "drop:*", "*:table"):
            on = document(default="allow", **{clause: [pattern]})
            assert judge(on, name).rule == f"ops/{clause}/0"
    modes = [mode("NORMAL", ["read *"]), mode("EMERGENCY", ["drop:table"])]
    assert judge(document(default="allow", modes=modes), name).rule == "ops/modes/NORMAL"


@pytest.mark.parametrize(
    "name", ["прочитать_файл", "ПрочитатьФайл", "αναγνωση_αρχειο", "読む_ファイル", "löschen_datei"]
)
def test_names_in_other_alphabets_are_still_names(name: str) -> None:
    verb = name[:2].lower() + "*"
    assert judge(document(allow=[f"{verb}:*"]), name).allowed
    assert judge(document(deny=[f"{verb}:*"], default="allow"), name).rule == "ops/deny/0"
    assert judge(document(deny=["drop:*"], default="allow"), name).allowed


@pytest.mark.parametrize("name", ["run_c\u043emmand", "run_comm\u00e4nd", "runC\u03bfmmand"])
def test_a_name_that_looks_like_a_tool_with_rules_does_not_escape_them(name: str) -> None:
    for default in ("allow", None):
        on = document(default=default, tools=[tool("run_command", arguments={"command": {"enum": ["ls"]}})])
        assert judge(on, name, {"command": "ls"}).rule == "ops/tools/run_command"
        assert judge(on, "run_command", {"command": "ls"}).allowed
