"""Policy documents as requests carry them."""

from typing import Any

import pytest
from starlette.requests import Request

from gateway.edge.admin.policy_body import LARGEST, Sent, problem_of, read_body, refusing
from gateway.edge.admin.problems import Problem
from gateway.policy.errors import PolicyError


def request(body: bytes, kind: str = "application/json") -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "headers": [(b"content-type", kind.encode())]}, receive)


async def test_json_and_yaml_are_read_and_yaml_is_kept() -> None:
    assert await read_body(request(b'{"name": "ops"}')) == Sent({"name": "ops"})
    text = "name: ops  # mine\ndeny: [a]\n"
    for kind in ("application/yaml", "text/x-yaml; charset=utf-8", "application/x-YAML"):
        assert await read_body(request(text.encode(), kind)) == Sent({"name": "ops", "deny": ["a"]}, text)


@pytest.mark.parametrize(
    ("body", "kind", "path"),
    [
        (b'{"name": "a", "name": "b"}', "application/json", "name"),
        (b'{"limits": {"x": 1, "x": 2}}', "application/json", "limits.x"),
        (b"{", "application/json", ""),
        (b"[]", "application/json", ""),
        (b"a: 1\na: 2", "application/yaml", ""),
        (b"&a {b: *a}", "application/yaml", ""),
        (b"\xff", "application/yaml", ""),
        (b"a: 99999999999999999999999", "application/yaml", ""),
        (b"a: !!binary aGk=", "application/yaml", ""),
    ],
)
async def test_what_has_not_one_meaning_is_refused(body: bytes, kind: str, path: str) -> None:
    with pytest.raises(PolicyError) as raised:
        await read_body(request(body, kind))
    assert raised.value.path == path


async def test_nothing_and_too_much_are_refused() -> None:
    for body, status in ((b"", 422), (b"#" * (LARGEST + 1), 413)):
        with pytest.raises(Problem) as raised:
            await read_body(request(body, "application/yaml"))
        assert raised.value.status == status


async def test_dates_become_text_as_in_json() -> None:
    assert (await read_body(request(b"at: 2026-01-02", "application/yaml"))).document == {"at": "2026-01-02"}


def test_a_problem_says_what_to_write_instead() -> None:
    shown = problem_of(PolicyError("x", "alow", "is not known; did you mean allow?"))
    assert shown == {"path": "alow", "message": "is not known", "hint": "did you mean allow?"}
    shown = problem_of(PolicyError("x", "a.b", "is 5; allowed: 1 to 3"))
    assert shown == {"path": "a.b", "message": "is 5", "hint": "allowed: 1 to 3"}
    assert problem_of(PolicyError("x", "", "is odd")) == {"path": "", "message": "is odd", "hint": None}


@pytest.mark.parametrize(
    ("member", "path", "field"),
    [("body", "a", "body.a"), ("body", "", "body"), ("body.document", "a.b", "body.document.a.b")],
)
def test_what_is_at_fault_is_named_in_the_request(member: str, path: str, field: str) -> None:
    with pytest.raises(Problem) as raised, refusing(member):
        raise PolicyError("x", path, "is odd")
    assert (raised.value.status, raised.value.errors) == (422, [{"field": field, "message": "is odd"}])
