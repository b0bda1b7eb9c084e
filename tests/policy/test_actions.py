import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.actions import fits, normal, read_pattern, split_server
from gateway.policy.clauses import ActionPattern

SERVERS = ("github", "files", "files__old", "My.Server", "default")


@pytest.mark.parametrize(
    "written",
    ["read:file", "read file", "Read File", "read-file", "read_file", "readFile", "ReadFile", "READ_FILE", "read.file"],
)
def test_every_way_of_writing_is_one_action(written: str) -> None:
    assert normal(written) == "read:file"
    assert read_pattern(written) == ActionPattern("read", "file", text=written)


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("get_customer_by_phone", "get:customer_by_phone"),
        ("getCustomerByPhone", "get:customer_by_phone"),
        ("getHTTPResponse", "get:http_response"),
        ("getS3Object", "get:s3_object"),
        ("search", "search"),
        ("", ""),
        ("__", ""),
        (" delete  --  database ", "delete:database"),
        ("ｄｅｌｅｔｅ_database", "delete:database"),
        ("del\u200bete_database", "delete:database"),
        ("löschen_Straße", "löschen:strasse"),
    ],
)
def test_the_first_word_is_the_verb_and_the_rest_the_noun(written: str, form: str) -> None:
    assert normal(written) == form


@given(st.text(max_size=40))
def test_a_normal_form_is_its_own_normal_form(text: str) -> None:
    assert normal(normal(text)) == normal(text)


@given(st.lists(st.text("abcdef", min_size=1, max_size=5), min_size=1, max_size=4))
def test_words_are_the_same_action_however_they_are_joined(words: list[str]) -> None:
    assert {normal(mark.join(words)) for mark in ("_", "-", " ", ".", ":", "__")} == {normal("_".join(words).upper())}


@pytest.mark.parametrize(
    ("tool", "split"),
    [
        ("mcp__github__create_issue", ("github", "create_issue")),
        ("github__create_issue", ("github", "create_issue")),
        ("github.create_issue", ("github", "create_issue")),
        ("GitHub.create_issue", ("github", "create_issue")),
        ("MCP__GitHub__create_issue", ("github", "create_issue")),
        ("mcp__my_server__x", ("My.Server", "x")),
        ("My.Server.x", ("My.Server", "x")),
        ("mcp__files__old__x", ("files__old", "x")),
        ("mcp__files__older", ("files", "older")),
        ("mcp__gitlab__create_issue", (None, "mcp__gitlab__create_issue")),
        ("github_create_issue", (None, "github_create_issue")),
        ("githubs.create", (None, "githubs.create")),
        ("github.", (None, "github.")),
        ("github", (None, "github")),
        ("", (None, "")),
    ],
)
def test_only_prefixes_of_configured_servers_are_taken_off(tool: str, split: tuple[str | None, str]) -> None:
    assert split_server(tool, SERVERS) == split
    assert split_server(tool, ()) == (None, tool)


@pytest.mark.parametrize(
    ("pattern", "action", "fit"),
    [
        ("read *", "read:file", True),
        ("read:*", "read", True),
        ("read *", "readiness:check", False),
        ("*:file", "delete:file", True),
        ("*:file", "delete:file_now", False),
        ("*", "anything", True),
        ("*", "any:thing", True),
        ("*:*", "anything", True),
        ("delete*", "delete:database", True),
        ("delete*", "deleted", True),
        ("search", "search", True),
        ("search", "search:web", False),
        ("get_customer_*", "get:customer_by_phone", True),
        ("get_customer_*", "get:customer", False),
        ("getCustomer*", "get:customer", True),
        ("Get Customer", "get:customer", True),
    ],
)
def test_a_star_stands_for_any_text(pattern: str, action: str, fit: bool) -> None:
    assert fits(read_pattern(pattern), action, "", None) is fit


@pytest.mark.parametrize(
    ("pattern", "resource", "server", "fit"),
    [
        ({"action": "read file", "resource": "s3://docs/*"}, "s3://docs/a/b", None, True),
        ({"action": "read file", "resource": "s3://docs/*"}, "S3://docs/a", None, False),
        ({"action": "read file", "resource": "s3://docs/*"}, "", None, False),
        ({"action": "read file", "resource": "*"}, "", None, True),
        ({"action": "read file"}, "anything", "files", True),
        ({"action": "read file", "server": "files"}, "", "files", True),
        ({"action": "read file", "server": "files"}, "", "other", False),
        ({"action": "read file", "server": "files"}, "", None, False),
        ("files.read_file", "", "files", True),
        ("mcp__files__read_file", "", None, False),
    ],
)
def test_a_rule_may_name_resource_and_server(pattern: object, resource: str, server: str | None, fit: bool) -> None:
    assert fits(read_pattern(pattern, SERVERS), "read:file", resource, server) is fit


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (None, "is None; allowed: an action such as `read:file`"),
        (True, "is True; allowed"),
        ("", "is ''; allowed"),
        ("a" * 201, "up to 200 characters"),
        ("read(file)", "is 'read(file)'; allowed in an action: letters"),
        ("read:s3://docs/*", "write {action: …, resource: …}"),
        (" - ", "is ' - '; allowed: an action such as"),
        ("*file", "is '*file'; write verb and noun"),
        ({"action": "read", "resources": "*"}, "has 'resources'; allowed: action, resource, server"),
        ({"resource": "*"}, "has no `action`"),
        ({"action": {"action": "read"}}, "is None; allowed"),
        ({"action": "read", "resource": ""}, "has resource ''; allowed: a pattern"),
        ({"action": "read", "resource": 3}, "has resource 3; allowed: a pattern"),
        ({"action": "read", "server": ""}, "has server ''; allowed: the name of an MCP server"),
        ({"action": "read", "server": 3}, "has server 3; allowed: the name of an MCP server"),
    ],
)
def test_what_is_no_pattern_is_refused(written: object, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        read_pattern(written)
