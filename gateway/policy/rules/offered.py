"""A call must be one to a tool that the request offered, with arguments that the tool's own schema takes."""

from gateway.policy.question import offered_as
from gateway.policy.rules.call import Call, Check, Found
from gateway.policy.rules.ruleset import Ruleset
from gateway.policy.schemas import Schemas

_CHECKED = frozenset({"function", "custom"})


def guard(rules: Ruleset) -> Check | None:
    """Holds for the tools that the document names, and for all where it enforces schemas."""
    document, always, schemas = rules.name, rules.clauses.enforce_schema, rules.schemas

    def check(call: Call) -> Found | None:
        if not always and document not in call.entries:
            return None
        call.is_checked = True
        return problem(call, schemas)

    return check if always or rules.entries.all else None


def problem(call: Call, schemas: Schemas) -> Found | None:
    """What is wrong; None also where nobody knows what was offered."""
    question, tools = call.question, call.facts.tools
    if tools is None or not question.tool or question.kind not in _CHECKED:
        return None
    tool = offered_as(question, tools)
    if tool is None:
        return Found("unknown_tool", "the request did not offer this tool")
    if question.kind == "custom":
        return None
    wrong = schemas.problem(tool, question.arguments)
    return Found("schema", wrong) if wrong is not None else None
