from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.actions import fits
from gateway.policy.clauses import ActionPattern
from gateway.policy.rules.patterns import Patterns, action_of
from tests.support.policies import patterns

WORD = st.sampled_from(["read", "write", "file", "*", "re*", ""])
PATTERN = st.builds(
    ActionPattern, WORD, WORD, st.sampled_from([None, "prod"]), st.sampled_from(["*", "", "s3://a/*", "s3://a/b"])
)
ACTION = st.sampled_from(["read", "read:file", "write:file", "", "re:file"])


@given(
    st.lists(PATTERN, max_size=8),
    st.lists(st.tuples(ACTION, st.sampled_from(["", "s3://a/b"])), max_size=2),
    st.sampled_from([None, "prod", "test"]),
)
def test_the_index_finds_what_trying_each_pattern_finds(
    written: list[ActionPattern], targets: list[tuple[str, str]], server: str | None
) -> None:
    found = Patterns(written)
    slow = {n for n, pattern in enumerate(written) for target in targets if fits(pattern, *target, server)}
    assert set(found.fitting(targets, server)) == slow
    assert (found.first(targets, server) is None) == (not slow)
    assert bool(found) == bool(written)
    assert not slow or found.may_fit(targets, server)


def test_may_fit_does_not_ask_for_the_resource() -> None:
    found = Patterns(patterns({"action": "read:file", "resource": "s3://a/*"}))
    assert found.first([("read:file", "")], None) is None and found.may_fit([("read:file", "")], None)


def test_the_action_of_a_pattern_is_in_normal_form() -> None:
    assert action_of(patterns("Read File")[0]) == "read:file" and action_of(patterns("exec")[0]) == "exec"


def test_a_pattern_also_fits_the_plain_form_of_what_it_says() -> None:
    found = Patterns(patterns({"action": "read:file", "resource": "s3://docs/a%20b/*"}, "лист:*"))
    assert found.first([("read:file", "s3://docs/a b/c")], None) == 0
    assert found.first_written([("read:file", "s3://docs/a b/c")], None) is None
    assert list(found.written([("read:file", "s3://docs/a%20b/c")], None)) == [0]
