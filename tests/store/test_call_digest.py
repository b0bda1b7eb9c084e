from gateway.store.call_digest import approved_digest, call_digest, call_digests


def test_another_server_tool_or_argument_is_another_call() -> None:
    names = {call_digest(*call) for call in (("a", "b", "c"), (None, "b", "c"), ("a", "bc", ""), ("ab", "", "c"))}
    assert len(names) == 4 and all(len(name) == 32 for name in names)


def test_what_is_executed_may_have_been_proposed_with_its_server_or_without() -> None:
    assert call_digests("a", "b", "c") == (call_digest("a", "b", "c"), call_digest(None, "b", "c"))
    assert call_digests(None, "b", "c") == (call_digest(None, "b", "c"),)


def test_an_approval_is_for_one_rule_and_one_call() -> None:
    digests = [call_digest(None, "a", "h"), call_digest("s", "a", "h")]
    approved = {approved_digest(rule, digest) for rule in ("x/approval", "y/approval") for digest in digests}
    assert len(approved) == 4 and not approved & set(digests)
