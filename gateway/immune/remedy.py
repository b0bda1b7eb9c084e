"""What a treatment is told about an agent, and what every treatment is."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.immune.finding import Finding
from gateway.immune.prescription import Prescription


@dataclass(frozen=True, slots=True)
class Patient:
    """All that remedies look at.

    output_tokens: as many as a large answer of this agent usually has; None if it is not known well enough.
    conversation: where it showed. good_prompt, prompt: hashes of the last system prompt that was fine and whose text is
    kept, and of the one in use. good_tools: what it was offered while it was healthy. good_model, model: likewise.
    executors: which of `Once` there are means for. usual_prompts, usual_models: what it was known with before.
    """

    agent_id: str
    findings: tuple[Finding, ...] = ()
    output_tokens: int | None = None
    conversation: str | None = None
    good_prompt: str | None = None
    prompt: str | None = None
    good_tools: frozenset[str] = frozenset()
    good_model: str | None = None
    model: str | None = None
    executors: frozenset[str] = frozenset()
    usual_prompts: frozenset[str] = frozenset()
    usual_models: frozenset[str] = frozenset()

    @property
    def suspect_tools(self) -> frozenset[str]:
        """The tools that the findings name."""
        named = (finding.detail.get("tool") for finding in self.findings)
        return frozenset(tool for tool in named if isinstance(tool, str) and tool)


@dataclass(frozen=True, slots=True)
class Remedy:
    """One treatment.

    prescribe: what it changes for this agent; None where there is nothing it could do. lasting: it stays in force when
    probation is over, until somebody takes it away; the others are taken away then.
    """

    name: str
    says: str
    prescribe: Callable[[Patient], Prescription | None]
    lasting: bool = False
