"""What becomes of a request before a model sees it: its model, its size, the tools it offers, secrets in it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gateway.model.ask import Ask, OfferedTool
from gateway.policy.clauses import Clauses
from gateway.policy.deciding import Guarded, decide, possible, verdict
from gateway.policy.globs import matches
from gateway.policy.question import Facts, Question
from gateway.policy.rules.approvals import needing_approval
from gateway.policy.rules.call import Call
from gateway.policy.secrets import kinds_in
from gateway.policy.verdict import RequestVerdict, Verdict

Prepare = Callable[[Question, Facts], Call]

_CLIENTS = frozenset({"function", "custom", "namespace", "local_shell", "shell", "apply_patch", "tool_search"})
_CLIENTS_OF = ("computer", "bash_", "text_editor_", "memory_", "tool_search_")
_VERSION = re.compile(r"(?:_preview)?(?:_[0-9]{4}_?[0-9]{2}_?[0-9]{2})?$")
_BRING_TOOLS = ("web_search_options", "prompt")
_MOST = 100


class Requests:
    """The clauses about requests, of the documents about one agent. Those in shadow only say what they would do."""

    def __init__(self, enforced: Sequence[Guarded], shadowed: Sequence[Guarded]) -> None:
        self._enforced, self._shadowed = enforced, shadowed
        clauses = [judged.rules.clauses for judged in enforced]
        self._strips = any(one.strip_tools for one in clauses)
        self._redacts = any(one.secrets == "redact" for one in clauses)
        self.plans = any(one.execution == "plan_only" for one in clauses)
        self.idle = not any(_speaks(judged.rules.clauses) for judged in (*enforced, *shadowed))
        self.judges_models = any(_names_models(one) for one in clauses)

    def judge(self, ask: Ask, size: int, facts: Facts, prepare: Prepare, watched: Prepare) -> RequestVerdict:
        """See `Rules.judge_request`. `prepare` is for the documents in force, `watched` for all of them."""
        shadowed = [(denied.rule, denied.reason) for denied, _ in _denials(self._shadowed, ask, size, facts)]
        strip: list[str] = []
        denied, code = next(_denials(self._enforced, ask, size, facts), (None, "policy_denied"))
        if denied is None and (ask.tools or any(name in ask.document for name in _BRING_TOOLS)):
            denied = self._judge_tools(ask, facts, prepare, watched, strip, shadowed)
        return RequestVerdict(
            denied,
            code,
            tuple(strip),
            self._redacts,
            "plan_only" if self.plans else "execute_safe",
            tuple(shadowed),
        )

    def judge_unseen_model(self, facts: Facts) -> RequestVerdict:
        """Of a request whose model was named where nobody looked: any rule about models denies it."""
        told = [_unseen(judged, facts) for judged in self._enforced if _names_models(judged.rules.clauses)]
        shadowed = [_unseen(judged, facts) for judged in self._shadowed if _names_models(judged.rules.clauses)]
        pairs = tuple((one.rule, one.reason) for one in shadowed)
        return RequestVerdict(told[0] if told else None, "model_not_allowed", shadowed=pairs)

    def _judge_tools(
        self,
        ask: Ask,
        facts: Facts,
        prepare: Prepare,
        watched: Prepare,
        strip: list[str],
        shadowed: list[tuple[str, str]],
    ) -> Verdict | None:
        for tool in (*ask.tools, *_hidden_tools(ask)):
            if not is_executed_by_provider(tool.kind, tool.definition):
                if self._strips and not possible(self._enforced, prepare(Question(tool.name, None), facts)):
                    strip.append(tool.name)
                continue
            denied = next((one for one in self._denied(self._enforced, tool, facts, prepare)), None)
            if denied is None:
                whole = (*self._enforced, *self._shadowed) if self._shadowed else ()
                shadowed += [(one.rule, one.reason) for one in self._denied(whole, tool, facts, watched)]
            elif self._strips:
                strip.append(tool.name)
            else:
                return denied
        return None

    def _denied(
        self, documents: Sequence[Guarded], tool: OfferedTool, facts: Facts, prepare: Prepare
    ) -> Iterator[Verdict]:
        """What nobody can ask about later has to be allowed now, for whatever arguments."""
        ordered = sorted(documents, key=lambda judged: judged.rules.level)
        for question in _questions(tool):
            call = prepare(question, facts)
            decision = decide(ordered, call)
            if not decision.allowed:
                yield verdict(decision, ordered, call)
            for judged in ordered if decision.allowed else ():
                if needing_approval(tuple(call.entries.get(judged.name, ())), call) is not None:
                    reason = "it needs approval, and the provider would run it without"
                    told = verdict(decision, ordered, call)
                    yield Verdict(False, told.rule, reason, told.action, told.resource, told.mode, judged.rules.label)


def _names_models(clauses: Clauses) -> bool:
    return bool(clauses.models.allow or clauses.models.deny)


def _unseen(judged: Guarded, facts: Facts) -> Verdict:
    rules, mode = judged.rules, judged.rules.mode(facts)
    reason = f"policy {judged.name} has rules about models, and which model would act cannot be seen here"
    named = mode.name if mode is not None else None
    return Verdict(False, f"{judged.name}/models", reason, mode=named, policy=rules.label)


def _speaks(clauses: Clauses) -> bool:
    return bool(
        _names_models(clauses)
        or clauses.sizes.request_bytes is not None
        or clauses.secrets != "allow"
        or clauses.strip_tools
        or clauses.execution == "plan_only"
    )


def _denials(documents: Sequence[Guarded], ask: Ask, size: int, facts: Facts) -> Iterator[tuple[Verdict, str]]:
    for judged in documents:
        clauses, found = judged.rules.clauses, []
        if (rule := _model_problem(clauses, ask.model)) is not None:
            found.append((rule, f"policy {judged.name} does not allow this model", "model_not_allowed"))
        most = clauses.sizes.request_bytes
        if most is not None and size > most:
            found.append(("sizes/request_bytes", f"the request is longer than {most} bytes", "policy_denied"))
        if clauses.secrets == "deny" and (kinds := kinds_in(ask.document)):
            found.append(("secrets", f"the request holds a secret ({kinds[0]})", "policy_denied"))
        mode = judged.rules.mode(facts) if found else None
        for rule, reason, code in found:
            named = mode.name if mode is not None else None
            yield Verdict(False, f"{judged.name}/{rule}", reason, mode=named, policy=judged.rules.label), code


def _model_problem(clauses: Clauses, model: str | None) -> str | None:
    """Providers differ on whether case counts in names of models, so it does not."""
    name = (model or "").casefold()
    for position, pattern in enumerate(clauses.models.deny):
        if matches(pattern.casefold(), name):
            return f"models/deny/{position}"
    if clauses.models.allow and not any(matches(pattern.casefold(), name) for pattern in clauses.models.allow):
        return "models/allow"
    return None


def is_executed_by_provider(kind: str, definition: Mapping[str, Any] = {}) -> bool:
    """Whether nobody but the provider sees the calls of such a tool; in doubt they are taken for those."""
    environment = definition.get("environment")
    if kind == "shell" and isinstance(environment, dict) and environment.get("type") != "local":
        return True
    return kind not in _CLIENTS and not kind.startswith(_CLIENTS_OF)


def unversioned(kind: str) -> str:
    """The name by which rules know a kind of tool, whatever its version."""
    return _VERSION.sub("", kind)


def _hidden_tools(ask: Ask) -> Iterator[OfferedTool]:
    """What lets a provider run a tool without a word in `tools`. What a stored prompt brings, nobody here can see."""
    if isinstance(ask.document.get("prompt"), dict):
        yield OfferedTool("prompt", "prompt", {})
    if ask.document.get("web_search_options") is not None:
        yield OfferedTool("web_search", "web_search", {})


def _questions(tool: OfferedTool) -> Iterator[Question]:
    """The tool by its kind, without a version, at the address of its server; then each tool of that server named."""
    definition = tool.definition
    url = definition.get("server_url")
    name = unversioned(tool.kind)
    yield Question(name, None, "hosted", tool.namespace, resource=url if isinstance(url, str) else None)
    named = definition.get("allowed_tools")
    if isinstance(named, dict):
        named = named.get("tool_names")
    for one in named[:_MOST] if isinstance(named, list) else ():
        if isinstance(one, str):
            yield Question(one, None, "hosted", tool.namespace)
