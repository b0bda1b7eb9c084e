from typing import Any

import pytest

from gateway.policy.names import Names
from gateway.policy.rules.entry import Entries, Entry
from tests.support.policies import tool


def entry(**members: Any) -> Entry:
    return Entry(tool("x", **members), "ops", Names())


@pytest.mark.parametrize(
    ("template", "arguments", "resource"),
    [
        (None, {"a": "1"}, ""),
        ("fixed", None, "fixed"),
        ("{a}", {"a": "web"}, "web"),
        ("s3://{a}/{b}", {"a": "x", "b": 2.5}, "s3://x/2.5"),
        ("acct/{a}", {"a": 1.0}, "acct/1"),
        ("{a}", {}, None),
        ("{a}", None, None),
        ("{a}", {"a": None}, None),
        ("{a}", {"a": True}, None),
        ("{a}", {"a": ["web"]}, None),
    ],
)
def test_a_template_is_filled_in_with_plain_values_only(template: str | None, arguments: Any, resource: str) -> None:
    assert entry(resource=template).resource(arguments) == resource


def test_an_entry_knows_what_it_demands_and_counts() -> None:
    one = entry(arguments={"a": {"items": {"sum_max": {"value": 5, "per": "day"}}}, "b": {"type": "string"}})
    assert one.demands == {"items", "sum_max", "type"}
    assert [(count.key, count.limit, count.period) for count in one.counts] == [("ops:sum:x:a", 5.0, "day")]
    assert entry().constraints is None and entry().counts == ()


def test_entries_are_found_by_name_server_and_action() -> None:
    on_prod = tool("read_file", server="prod")
    written = (tool("read_file"), on_prod, tool("list *"), tool("bounce", action="restart:service"))
    entries = Entries(written, "ops", Names(["prod"]))
    assert [one.tool for one in entries.of("read:file", "prod")] == [on_prod, written[0]]
    assert [one.tool for one in entries.of("read:file", None)] == [written[0]]
    assert [one.tool.name for one in entries.of("list:users", None)] == ["list *"]
    assert [one.tool.name for one in entries.of("restart:service", None, is_action=True)] == ["bounce"]
    assert [one.tool.name for one in entries.of("bounce", None, is_action=True)] == ["bounce"]
    assert entries.of("restart:service", None) == []
