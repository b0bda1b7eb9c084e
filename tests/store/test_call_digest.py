from gateway.store.call_digest import call_digest, call_digests


def test_another_server_tool_or_argument_is_another_call() -> None:
    names = {call_digest(*call) for call in (("a", "b", "c"), (None, "b", "c"), ("a", "bc", ""), ("ab", "", "c"))}
    assert len(names) == 4 and all(len(name) == 32 for name in names)


def test_what_is_executed_may_have_been_proposed_with_its_server_or_without() -> None:
    assert call_digests("a", "b", "c") == (call_digest("a", "b", "c"), call_digest(None, "b", "c"))
    assert call_digests(None, "b", "c") == (call_digest(None, "b", "c"),)
