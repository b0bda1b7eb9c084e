"""An engine that follows another one."""

from gateway.model.agent import Agent
from gateway.policy.document import Document, parse
from gateway.policy.engine import Engine
from gateway.policy.question import Facts, Question

AGENT = Agent("agt_1")


def document(name: str, *deny: str) -> Document:
    return parse({"name": name, "deny": list(deny)}, "a test")


def rule(engine: Engine, tool: str) -> str:
    return engine.of(AGENT).judge_call(Question(tool, {}), Facts(AGENT, 0.0, {})).rule


def test_what_changed_is_compiled_and_the_rest_is_used_again() -> None:
    kept, old, new = document("kept", "drop *"), document("other", "delete *"), document("other", "restart *")
    first = Engine((kept, old))
    second = Engine((new, kept), before=first)
    assert (rule(first, "delete_disk"), rule(second, "delete_disk")) == ("other/deny/0", "")
    assert (rule(second, "restart_web"), rule(second, "drop_table")) == ("other/deny/0", "kept/deny/0")
    shared = [one for one in second._judged if one in first._judged]
    assert [one.name for one in shared] == ["kept"]
    assert rule(Engine((kept,), shadow=True, before=second), "drop_table") == ""


def test_other_servers_read_names_in_another_way_so_nothing_is_used_again() -> None:
    one = document("one", "drop *")
    before = Engine((one,))
    after = Engine((one,), servers=("files",), before=before)
    assert not [judged for judged in after._judged if judged in before._judged]
    assert rule(after, "files__drop_table") == "one/deny/0" and rule(before, "files__drop_table") == ""
