"""Strategies over everything that a constraint may be, values near to them, and conversations to judge them in."""

from typing import Any

from hypothesis import strategies as st

from gateway.policy.constraints.scope import Scope
from gateway.policy.names import Names
from tests.support.policies import Remembered, facts, said

NAMES = Names(["bank"])
_CONVERSATIONS = (
    None,
    said(
        "please read /sim/a for ada@a.com",
        ("get_contacts", '{"iban": "DE123456", "n": 7}'),
        ("fetch", "see XX999999"),
    ),
)

VALUES: list[Any] = [
    "a", "ab", "abc", "a1", "", "é", "secret", "please", "DE123456", "XX999999", "/sim", "/sim/a", "/sim/a/b",
    "/sim/../x", "/other", "sim/a", ".", "/", "https://a.com/x", "http://b.a.com:80", "ada@a.com", "//127.0.0.1", "http://[::1]/",
    "ls /sim", "ls", "cat /sim/a", "cat /sim/a/b", "rm -r /sim/a", "grep x /sim/a/b", "find /sim -name x",
    'await tools.exec_command({cmd: "cat /sim/a"})', -1, 0, 1, 1.0, 2, 2.5, 7, 10, 1e16, 10**16, True, False, None,
    [], {}, ["a"], [1], [1.0, 2], ["a", "ab"], ["/sim/a"], ["/sim/a", "/other"], ["cat", "/sim/a"],
    ["sh", "-c", "ls /sim"], ["https://a.com"],
    {"a": 1}, {"a": 1.0}, {"a": "b"}, {"b": ["a"]}, {"a": "DE123456", "b": 2}, [{"a": 1}], [[1]],
]  # fmt: skip
values = st.sampled_from(VALUES)

_segments = st.sampled_from(["sim", "a", "b", "*", "?", "a*", "**", "?*", "a**", "."])
path_patterns = st.builds(
    lambda start, segments, end: start + "/".join(segments) + end,
    st.sampled_from(["/", "", "./"]),
    st.lists(_segments, min_size=1, max_size=3),
    st.sampled_from(["", "", "/**", "/**", "/"]),
) | st.sampled_from(["/", ".", "/**", "**", "./**", "/sim/**", "/sim/a", "/sim/*"])
hosts = st.sampled_from([
    "a.com", "A.com", "*.a.com", "b.a.com", "*.b.a.com", "127.0.0.1", "*.0.0.1", "::1", "0:0:0:0:0:0:0:1", "*.com",
])  # fmt: skip
_numbers = st.sampled_from([-1, 0, 1, 1.0, 2, 2.5, 7, 10, 10**16, 1e16])
_lengths = st.integers(0, 3)
_types = st.sampled_from(["string", "number", "integer", "boolean", "array", "object", "null"])
_patterns = st.sampled_from(["[a-z]+", "a.*", "(?s:.*)", "[0-9.]+", r"1\.0", "secret", "^1$", "/sim/.*"])


def _few(strategy: Any) -> Any:
    return st.lists(strategy, min_size=1, max_size=3)


_plain = {
    "const": values,
    "enum": _few(values),
    "type": _types | _few(_types),
    "minimum": _numbers,
    "maximum": _numbers,
    "min_length": _lengths,
    "max_length": _lengths,
    "pattern": _patterns,
    "not_pattern": _patterns,
    "path_in": _few(path_patterns),
    "host_in": _few(hosts),
    "command": st.fixed_dictionaries(
        {"allow": _few(st.sampled_from(["ls", "cat", "rm", "grep", "find", "/bin/cat"]))},
        optional={"paths": _few(path_patterns)},
    ),
    "provenance": _few(st.sampled_from(["user", "model", "untrusted", "tool:get_contacts", "tool:fetch"])),
    "from_step": st.fixed_dictionaries(
        {"tool": st.just("get_contacts"), "path": st.sampled_from(["$.iban", "$.n", "$.x"])}
    ),
    "sum_max": st.fixed_dictionaries({"value": _numbers, "per": st.sampled_from(["hour", "day"])}),
}


def _some(members: dict[str, Any]) -> Any:
    """One to three constraints of these."""
    return st.lists(st.sampled_from(sorted(members)), max_size=3, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: members[name] for name in names})
    )


def _nested(inner: Any) -> Any:
    return _some(_plain | {"items": inner, "properties": st.dictionaries(st.sampled_from(["a", "b"]), inner)})


constraints = st.recursive(_some(_plain), _nested, max_leaves=3)


def demand_of(name: str) -> Any:
    """What a constraint of this name may demand."""
    nested = {"items": constraints, "properties": st.dictionaries(st.sampled_from(["a", "b"]), constraints, max_size=2)}
    return (_plain | nested)[name]


@st.composite
def narrowed(draw: st.DrawFn, parent: dict[str, Any]) -> dict[str, Any]:
    """What somebody may ask for instead of these: near to them, sometimes narrower, sometimes just beyond."""
    child = {name: draw(_nudged(name, demand)) for name, demand in parent.items() if draw(st.integers(0, 5))}
    if not child or draw(st.booleans()):
        child |= draw(_some(_plain))
    return child


def _nudged(name: str, demand: Any) -> Any:
    if name == "items":
        return narrowed(demand)
    if name == "properties":
        return demand_of(name) | st.fixed_dictionaries({}, optional={key: narrowed(one) for key, one in demand.items()})
    if name in ("enum", "provenance", "path_in", "host_in") and isinstance(demand, list):
        return st.lists(st.sampled_from(demand), min_size=1, max_size=3) | st.just(demand) | _plain[name]
    return st.just(demand) | _plain[name]


scopes = st.builds(
    lambda transcript, program, untrusted, spent: lambda: scope(transcript, program, untrusted, spent),
    st.sampled_from(_CONVERSATIONS),
    st.booleans(),
    st.sampled_from([(), ("fetch",)]),
    st.sampled_from([0.0, 3.0]),
)
"""Each makes the same scope again and again: judging leaves traces in one."""


def scope(
    transcript: Any = _CONVERSATIONS[1], program: bool = False, untrusted: Any = ("fetch",), spent: float = 0.0
) -> Scope:
    """In a conversation where some values come from somewhere."""
    memory = Remembered(spent={f"ops:sum:pay:{place}": spent for place in ("a", "a.a", "a.b")}, tainted={"xx999999"})
    return Scope(facts(memory=memory, transcript=transcript), NAMES, program, untrusted)
