"""Answers what an agent may do under a set of documents; a new set is a new engine."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.model.agent import Agent
from gateway.model.ask import Ask
from gateway.model.bounded import make_room
from gateway.policy import intending
from gateway.policy.actions import normal
from gateway.policy.by_agent import ByAgent
from gateway.policy.clauses import Clauses
from gateway.policy.constraints.compiling import READ_CONVERSATION
from gateway.policy.deciding import Decision, Guarded, decide, denials, possible, verdict
from gateway.policy.document import Document
from gateway.policy.explaining import Looked, looked
from gateway.policy.matching import is_about
from gateway.policy.minting import Effect, Minting
from gateway.policy.names import Names
from gateway.policy.preparing import prepare
from gateway.policy.question import Facts, Question
from gateway.policy.requests import Requests
from gateway.policy.rules import loops, offered
from gateway.policy.rules.approvals import needing_approval
from gateway.policy.rules.call import Call
from gateway.policy.rules.entry import Entry
from gateway.policy.rules.ruleset import Ruleset
from gateway.policy.rules.untrusted import Untrusted
from gateway.policy.schemas import Schemas
from gateway.policy.verdict import Count, RequestVerdict, Verdict

_MOST_SHADOWED = 16
_MOST_ALIKE = 1_000
_MOST_POSING = 3
"""Prefixes of servers in one name that are looked at: each costs a judgement, and callers choose the names."""


class Engine:
    """The documents in force, compiled. `shadow`: none of them blocks anything, all say what they would.

    `servers` are the names of the configured MCP servers. What `before` has compiled of the same documents is used
    again: with hundreds of them, one change would hold up everything else.
    """

    def __init__(
        self,
        documents: Sequence[Document] = (),
        *,
        shadow: bool = False,
        servers: Collection[str] = (),
        before: "Engine | None" = None,
    ) -> None:
        self.documents = tuple(documents)
        self._shadow = shadow
        self.servers = frozenset(servers)
        if before is not None and before.servers != self.servers:
            before = None  # names are read in another way
        self._names: Names = before._names if before is not None else Names(servers)
        self._schemas: Schemas = before._schemas if before is not None else Schemas()
        known = {id(one.rules.document): one for one in before._judged} if before is not None else {}
        compiled = [
            known.get(id(document)) or Guarded(Ruleset(document, self._names, self._schemas)) for document in documents
        ]
        self._judged: list[Guarded] = sorted(compiled, key=lambda judged: judged.rules.level)
        self._rules = ByAgent(self._rules_of)
        # Most agents are under the same documents: they share the rules, which take kilobytes.
        self._alike: dict[tuple[int, ...], Rules] = {}

    def of(self, agent: Agent) -> "Rules":
        """What holds for this agent."""
        return self._rules.of(agent)

    def _rules_of(self, agent: Agent) -> "Rules":
        matching = [judged for judged in self._judged if is_about(judged.rules.document.match, agent)]
        documents = tuple(map(id, matching))
        rules = self._alike.get(documents)
        if rules is None:
            make_room(self._alike, _MOST_ALIKE)
            rules = self._alike[documents] = Rules(matching, self._names, self._schemas, shadow=self._shadow)
        return rules


class Rules:
    """The documents that are about one agent.

    Attributes:
        idle: no call can be denied, held or recorded; `idle_requests` the same of requests.
        plans: nothing that the agent does is more than a plan.
        needs_transcript, needs_memory: what Facts must have; `memory_keys` is what the memory must have read.
        untrusted: the tools whose results are untrusted text, by the names that `known_as` gives.
        judges_models: whether a rule in force is about models.
        traces: whether it matters who said a value.
        governs: whether some tools have rules of their own; see `governing`.
        minting: what is said of intents.
        reads_conversation: whether some arguments are judged by what was said before. `judges_once`: or are added up.
        grants: whether some tools are executed only, or watched, by what models have proposed.
        most_calls: the most calls in one turn of a model, and the rule that says so; None: no rule does.
        shadow: whether none of them blocks anything.
        new_tools: rule and policy of the first document in force that holds tools nobody has approved; None: none does.
    """

    def __init__(self, documents: Sequence[Guarded], names: Names, schemas: Schemas, *, shadow: bool = False) -> None:
        self._names, self._schemas, self.shadow = names, schemas, shadow
        self._all = tuple(documents)
        self._enforced = tuple(one for one in documents if not (shadow or one.rules.clauses.shadow))
        self._shadowed = tuple(one for one in documents if one not in self._enforced)
        self._rulesets = tuple(one.rules for one in documents)
        self._in_force = tuple(one.rules for one in self._enforced)
        entries = [entry for rules in self._rulesets for entry in rules.entries.all]
        self._marked = Untrusted(entries)
        self._distrusted = Untrusted([entry for rules in self._in_force for entry in rules.entries.all])
        # What a document in shadow calls untrusted taints nothing that one in force would then deny.
        self.untrusted = self._distrusted or self._marked
        self.governs = bool(entries)
        self.minting = Minting(self._enforced)
        wanted = (entry.tool.grant for rules in self._in_force for entry in rules.entries.all)
        self.grants = any(need in ("required", "optional") for need in wanted)
        holding = (one for one in self._enforced if one.rules.clauses.hold_new_tools)
        self.new_tools = next(((f"{one.rules.name}/new_tools", one.rules.label) for one in holding), None)
        bounded = ((one.rules.clauses.most_calls, one.rules) for one in self._enforced)
        few = min(((most, rules.name) for most, rules in bounded if most is not None), default=None)
        self.most_calls = None if few is None else (few[0], f"{few[1]}/tool_calls")
        self.idle = all(one.idle for one in documents)
        self._requests = Requests(self._enforced, self._shadowed)
        self.idle_requests = self.idle and self._requests.idle
        self.judges_models, self.plans = self._requests.judges_models, self._requests.plans
        self.memory_keys: tuple[Count, ...] = tuple(key for one in documents for key in one.memory_keys)
        looping = any(rules.clauses.loops is not None for rules in self._rulesets)
        self.reads_conversation = any(entry.demands & READ_CONVERSATION for entry in entries)
        self.judges_once = self.reads_conversation or any("sum_max" in entry.demands for entry in entries)
        self.needs_transcript = looping or self.reads_conversation
        traced = any("provenance" in entry.demands for entry in entries)
        self.traces = traced
        self.needs_memory = bool(self.memory_keys) or (traced and bool(self.untrusted))

    @property
    def unshadowed(self) -> tuple[Clauses, ...]:
        """What documents say that are not in shadow by themselves; the most specific last, equals in their order."""
        widest_first = sorted(self._rulesets, key=lambda rules: -rules.level)
        return tuple(rules.clauses for rules in widest_first if not rules.clauses.shadow)

    def polls(self, tool: str) -> bool:
        """Whether one of those says that repeated calls of the tool are meant; by the name a model or client wrote."""
        server, name = self._names.of(tool)
        return any(
            entry.tool.polling
            for rules in self._rulesets
            if not rules.clauses.shadow
            for entry in rules.entries.of(name, server)
        )

    def known_as(self, tool: str) -> str:
        """The name by which rules know a tool, from the one a model or a client wrote."""
        return self._names.known_as(tool)

    def modes(self, facts: Facts) -> dict[str, str]:
        """The mode that each document with modes is in, the most specific document first."""
        found = ((rules.name, rules.mode(facts)) for rules in self._rulesets)
        return {name: mode.name for name, mode in found if mode is not None}

    def named(self, question: Question) -> tuple[str | None, str]:
        """The MCP server of a call, where that is known, and the tool's name in normal form."""
        return self._names.of(question.tool, question.server)

    def own_name(self, question: Question) -> str:
        """The tool's own name as it was written, without a client's prefix."""
        return self._names.own(question.tool, question.server)

    def demanded(
        self, root: str, steps: Iterable[tuple[str, Mapping[str, Mapping[str, Any]]]]
    ) -> tuple[tuple[Count, ...], bool]:
        """What the constraints of an intent's steps have counted, and whether they look at the conversation."""
        return intending.demanded(root, steps, self._names)

    def governing(self, tool: str) -> tuple[str, str] | None:
        """Rule and policy of the first `tools` entry in force about a tool, by the name a model or a client wrote."""
        server, name = self._names.of(tool)
        for one in self._enforced:
            for entry in one.rules.entries.of(name, server):
                return f"{one.rules.name}/{entry.rule}", one.rules.label
        return None

    def judge_call(self, question: Question, facts: Facts) -> Verdict:
        """Whether the agent may be given this call, and why. Asked of an action and a tool, both must be allowed."""
        if question.action is not None and question.tool:
            by_tool = self.judge_call(replace(question, action=None), facts)
            if not by_tool.allowed or normal(question.action) in (
                by_tool.action,
                self._names.of(question.tool, question.server)[1],
            ):
                return by_tool
            # The intent has its say on the tool: it must not stand for one that the action needs.
            by_action = self._judge(replace(question, tool=""), replace(facts, intent=None))
            return by_action if not by_action.allowed else _both(by_tool, by_action)
        return self._judge(question, facts)

    def _judge(self, question: Question, facts: Facts) -> Verdict:
        call = self._prepared(question, facts)
        told, own = self._granted(call), self._names.own(question.tool, question.server)
        for _ in range(_MOST_POSING):
            if not (told.allowed or told.asks):
                return told
            if (posing := self._names.posing(own)) is None:
                break
            told, own = self._held_to_other(told, question, posing, facts), posing[1]
        if not (told.allowed or told.asks) or not intending.is_bound(call):
            return told
        return intending.held_to(told, intending.fit(call, self._names), shadow=self.shadow)

    def _granted(self, call: Call) -> Verdict:
        told = self._verdict(decide(self._enforced, call), call)
        if self.grants and (told.allowed or told.asks):
            grant = intending.grant_of(self._in_force, call)
            return told if grant is None else replace(told, grant=grant)
        return told

    def _held_to_other(self, told: Verdict, question: Question, posing: tuple[str, str], facts: Facts) -> Verdict:
        """The verdict on a tool whose literal name is that of another server's tool as clients write it: servers pass
        on the tools of others under such names. What is said against that tool, or demanded of it, counts as well."""
        call = self._prepared(replace(question, tool=posing[1], server=posing[0]), replace(facts, tools=None))
        denied = next(denials(self._enforced, call), None) is not None  # which also says what is counted
        if not (denied or call.entries or call.counts):
            return told
        other = self._granted(replace(call, counts=[]))
        if not (other.allowed or other.asks):
            return other
        both = _both(told, other)
        held = next((one for one in (told, other) if not one.allowed), None)
        return both if held is None else replace(held, counts=both.counts, shadowed=both.shadowed, grant=both.grant)

    def judge_step(self, question: Question, facts: Facts) -> Verdict:
        """Whether a step of an intent may be declared. Without arguments: whether some call of its tool may pass."""
        facts = replace(facts, declaring=True)
        if question.arguments is None:
            return self.minting.judge(self._prepared(question, facts))
        return self.judge_call(question, facts)

    def may_call(self, question: Question, facts: Facts) -> bool:
        """Whether some call of the tool could be let through now, with whatever arguments."""
        return self.idle or possible(self._enforced, self._prepared(question, facts))

    def effect_of(self, question: Question, facts: Facts) -> Effect:
        """What a call of the tool does, as far as the documents in force and its name tell."""
        return self.minting.effect(self._prepared(question, facts))

    def judge_request(self, ask: Ask, size: int, facts: Facts) -> RequestVerdict:
        """What becomes of a request of `size` bytes."""
        return self._requests.judge(ask, size, facts, self._prepared, self._watched)

    def judge_unseen_model(self, facts: Facts) -> RequestVerdict:
        """What becomes of a request whose model nobody can see here."""
        return self._requests.judge_unseen_model(facts)

    def explain(self, question: Question, facts: Facts) -> tuple[Verdict, tuple[Looked, ...]]:
        """The verdict, and every rule that was looked at on the way, in the order of the documents."""
        found = tuple(looked(self._all, self._watched(question, facts)))
        return self.judge_call(question, facts), found

    def _prepared(self, question: Question, facts: Facts) -> Call:
        """As the documents in force see it: what one in shadow says of a tool must not change that."""
        return prepare(self._in_force, question, facts, self._names, self._distrusted)

    def _watched(self, question: Question, facts: Facts) -> Call:
        """As all of them would see it together."""
        return prepare(self._rulesets, question, facts, self._names, self._marked)

    def _verdict(self, decision: Decision, call: Call) -> Verdict:
        told = verdict(decision, self._enforced, call)
        if not decision.allowed:
            # A person may still let it through: then it counts as any other.
            return replace(told, counts=tuple(call.counts)) if decision.on_deny.kind == "hold" else told
        changes: dict[str, object] = {}
        if (asking := _asking(self._enforced, call)) is not None:
            rules, entry = asking
            changes |= {"approval": True, "rule": f"{rules.name}/{entry.rule}/approval", "policy": rules.label}
            changes |= {"reason": "a person has to approve it", "on_deny": entry.tool.on_deny}
        if call.counts:
            changes["counts"] = tuple(call.counts)
        if pairs := self._recorded(call):
            changes["shadowed"] = tuple(pairs)
        return replace(told, **changes) if changes else told  # type: ignore[arg-type]

    def _recorded(self, call: Call) -> list[tuple[str, str]]:
        """What is worth a word although the call is allowed."""
        pairs: list[tuple[str, str]] = []
        if self._shadowed:
            watched = self._watched(call.question, call.facts)
            found = list(denials(self._shadowed, watched))
            if not found and not (whole := decide(self._all, replace(watched, counts=[]))).allowed:
                found = [whole]
            pairs = [(one.full_rule, one.reason) for one in found]
            if (asking := _asking(self._shadowed, watched)) is not None:
                pairs.append((f"{asking[0].name}/{asking[1].rule}/approval", "a person has to approve it"))
        if not call.is_checked and (problem := offered.problem(call, self._schemas)) is not None:
            pairs.append((problem.rule, problem.reason))
        for one in self._enforced:
            if (repeated := loops.recorded(one.rules, call)) is not None:
                pairs.append((f"{one.name}/{repeated.rule}", repeated.reason))
        return pairs[:_MOST_SHADOWED]


def _asking(documents: Sequence[Guarded], call: Call) -> tuple[Ruleset, Entry] | None:
    for judged in documents:
        entry = needing_approval(tuple(call.entries.get(judged.name, ())), call)
        if entry is not None:
            return judged.rules, entry
    return None


def _both(by_tool: Verdict, by_action: Verdict) -> Verdict:
    """Both are allowed; what either demands is demanded."""
    approving = by_tool if by_tool.approval else by_action
    grants = [one.grant for one in (by_tool, by_action) if one.grant is not None]
    return replace(
        approving,
        action=by_action.action,
        resource=by_action.resource,
        counts=tuple({count.key: count for count in (*by_tool.counts, *by_action.counts)}.values()),
        shadowed=tuple(dict.fromkeys((*by_tool.shadowed, *by_action.shadowed))),
        step=by_tool.step,
        grant=max(grants, key=lambda one: one.required, default=None),
    )
