import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.errors import PolicyError
from gateway.policy.reading import LARGEST, read


def test_a_mapping_is_read() -> None:
    assert read("name: ops\nlimits: {concurrent: 8}\n", "ops.yaml") == {"name": "ops", "limits": {"concurrent": 8}}


def test_plain_words_are_what_they_look_like() -> None:
    text = (
        "[on, off, yes, no, NO, y, true, false, null, ~, 2026-01-02, 12:30, 010, 0x1f, 1_000, -3, 1.5, 1e3, '5', <<, =]"
    )
    assert read(f"a: {text}\nb:", "x") == {
        "a": ["on", "off", "yes", "no", "NO", "y", True, False, None, None, "2026-01-02", "12:30", "010", "0x1f"]
        + [1000, -3, 1.5, 1000.0, "5", "<<", "="],
        "b": None,
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds NoneType; allowed: a mapping"),
        ("- a", "holds list"),
        ("a: 1\na: 2", "'a' is there twice"),
        ("a: {b: 1, b: 2}", "'b' is there twice"),
        ("a: &x [1]\nb: *x", "anchors and aliases are not allowed"),
        ("? [a]\n: 1", "a key is not text"),
        ("a: [", "is not YAML"),
        ("a: " + "[" * 41 + "]" * 41, "more than 40 levels"),
        ("a: " + "[" * 5000, "is not YAML"),
        ("a: !!python/object:os.system {}", "is not YAML"),
        ("a: " + "x" * LARGEST, "is larger than"),
        ("a: \x00", "is not YAML"),
        ("a: !!int x", "is not YAML"),
        ("a: !!timestamp 2026-99-99", "is not YAML"),
    ],
)
def test_what_yaml_would_let_pass_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(PolicyError, match="ops.yaml: ") as raised:
        read(text, "ops.yaml")
    assert says in str(raised.value)
    assert len(str(raised.value)) < 700


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(PolicyError):
        assert isinstance(read(text, "x"), dict)
