from gateway.policy.question import Question
from gateway.policy.rules.call import Call
from tests.support.policies import facts


def call_to(action: str) -> Call:
    return Call(Question("x", {}), facts(), action, None, ((action, ""),), {}, {"a": (("b:c", "d"),)})


def test_a_document_without_a_word_on_the_tool_sees_what_the_others_see() -> None:
    assert call_to("read:file").targets_of("a") == (("b:c", "d"),)
    assert call_to("read:file").targets_of("z") == (("read:file", ""),)


def test_only_plain_actions_are_repeated() -> None:
    assert call_to("read:big_file2").shown() == "read:big_file2"
    for strange in ("", "x" * 65, "lösche:alles", "read file"):
        assert call_to(strange).shown() == "this action"
