"""What the documents about an agent say of intents: whether a step may be declared, and who may do that (`mint`)."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from gateway.policy.clauses import OnDeny
from gateway.policy.deciding import NOBODY, Decision, Guarded, possible, verdict
from gateway.policy.rules.call import Call
from gateway.policy.verdict import Verdict

Effect = Literal["read", "write", "destructive"]

_WITHOUT_ARGUMENTS = frozenset({"always_blocked", "deny", "only", "modes"})
_READS = frozenset({"get", "list", "read", "search", "find", "describe", "show", "view", "lookup", "count"})
_STRENGTH: tuple[Effect, ...] = ("read", "write", "destructive")


class Minting:
    """The documents in force about one agent, as far as they are about intents.

    Attributes:
        early: the rule and the policy that want a person's word for what is declared after a tool's result was read.
        principal: those that let only people declare anything. None: there are none.
    """

    def __init__(self, documents: Sequence[Guarded]) -> None:
        self._documents = tuple(documents)
        self.early = self._demanding("early")
        self.principal = self._demanding("principal")

    def version(self) -> str:
        """Stands for what these documents say: 32 hexadecimal digits."""
        said = [[one.rules.label, one.rules.document.raw] for one in self._documents]
        text = json.dumps(said, sort_keys=True, default=str)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def effect(self, call: Call) -> Effect:
        """The strongest that a document says of the tool. Where none says anything, only what is named like a reading
        is one."""
        entries = (entry for found in call.entries.values() for entry in found)
        said = [entry.tool.effect for entry in entries if entry.tool.effect is not None]
        if said:
            return max(said, key=_STRENGTH.index)
        return "read" if call.action.partition(":")[0] in _READS else "write"

    def judge(self, call: Call) -> Verdict:
        """Whether some call of a tool may be allowed, whatever its arguments; each call is judged by itself later."""
        told = verdict(self._decide(call), self._documents, call)
        for judged in self._documents if told.allowed else ():
            for entry in call.entries.get(judged.name, ()):
                if entry.tool.approval is not None and entry.tool.approval.kind == "always":
                    rule = f"{judged.name}/{entry.rule}/approval"
                    return replace(told, approval=True, rule=rule, reason="a person has to approve it")
        return told

    def _decide(self, call: Call) -> Decision:
        for judged in self._documents:
            for name, check in judged.guards:
                if name in _WITHOUT_ARGUMENTS and (found := check(call)) is not None:
                    return Decision(False, judged.rules, found.rule, found.reason, OnDeny())
        if not possible(self._documents, call):
            by = next((one.rules for one in self._documents if one.rules.default == "deny"), None)
            return Decision(False, by, "default", f"nothing in the policies allows {call.shown()}")
        for judged in self._documents:
            if own := call.entries.get(judged.name):
                return Decision(True, judged.rules, own[0].rule, "calls of it may be allowed")
        return NOBODY

    def _demanding(self, kind: str) -> tuple[str, str] | None:
        for one in self._documents:
            if one.rules.clauses.mint == kind:
                return f"{one.name}/intents/mint", one.rules.label
        return None
