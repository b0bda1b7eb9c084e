"""`leuko tools` on a gateway that has used no server; what it does with tools, `tests/edge/admin/test_tools` has."""

from tests.commands.conftest import Leuko, read


def test_without_servers_there_is_nothing_to_list(leuko: Leuko) -> None:
    assert read(leuko("tools", "list", "-o", "json")) == []
    assert leuko("tools", "list").stdout.startswith("SERVER  TOOL  STATE")


def test_what_there_is_not_cannot_be_approved(leuko: Leuko) -> None:
    assert "404" in leuko("tools", "approve", "files", "a/b", code=1).stderr
